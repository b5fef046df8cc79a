//! Who renews certificates on a host, and what starts it: what a collection brings. Never a key.

use serde::{Deserialize, Serialize};

use crate::model::time::Millis;

/// All that was found on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewals {
    /// What certbot renews.
    pub lineages: Vec<Lineage>,
    /// What another program keeps.
    pub kept: Vec<Kept>,
    pub timers: Vec<Timer>,
    pub crons: Vec<CronLine>,
    /// A cron daemon runs.
    pub cron_runs: bool,
    /// systemd runs: Debian's own line for certbot steps back then.
    pub systemd: bool,
    /// What could not be read, so that nothing is taken for absent that was only hidden.
    pub hidden: Vec<String>,
}

/// A certificate of certbot, by its renewal file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// `photos.example`: the file's name.
    pub name: String,
    /// certbot's folder (`--config-dir`); empty: its own, /etc/letsencrypt.
    #[serde(default)]
    pub folder: String,
    /// When the renewal file was written last: certbot writes it with each certificate.
    pub changed_at: Option<Millis>,
    /// The address of the ACME server.
    pub server: String,
    /// `webroot`, `standalone`, `dns-cloudflare` ...
    pub authenticator: String,
    /// What certbot reloads by itself: `nginx`, `apache`; empty where nothing.
    pub installer: String,
    /// What runs after a renewal.
    pub hook: String,
    /// `autorenew = False`.
    pub stopped: bool,
    /// Names that the renewal file says by itself.
    pub names: Vec<String>,
    /// The certificate on the disk, where it may be read.
    pub on_disk: Option<OnDisk>,
}

impl Lineage {
    /// certbot's own folder, where nobody said another.
    pub const FOLDER: &'static str = "/etc/letsencrypt";

    /// certbot's folder that it lies in.
    pub fn folder(&self) -> &str {
        if self.folder.is_empty() { Self::FOLDER } else { &self.folder }
    }
}

/// A certificate in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDisk {
    /// In hex.
    pub serial: String,
    pub not_after: Millis,
    pub names: Vec<String>,
}

/// A certificate that another program keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// `acme-sh`, `lego`, `dehydrated`, `caddy`.
    pub by: String,
    /// The name that it is for, as the folder or file is called.
    pub name: String,
    pub path: String,
}

/// A systemd timer that starts a renewal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// `certbot.timer`
    pub name: String,
    pub active: String,
    pub enabled: String,
    /// How the last run of its service ended: `success`, `exit-code`.
    pub result: String,
}

/// A line of cron that starts a renewal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronLine {
    pub file: String,
    pub line: String,
    /// Programs in it that are not there.
    pub missing: Vec<String>,
}
