//! `[host.NAME]` and `[runbook.NAME]`: what the operator says of a host and of a runbook.

use std::collections::BTreeMap;

use crate::clock::window::Window;
use crate::clock::zone::Zone;
use crate::config::given::Given;
use crate::config::globals::at_least;
pub use crate::config::host_probes::PROBES;
use crate::config::host_probes::about_probes;
pub use crate::config::restartable::Restartable;
use crate::config::section::{Entry, Section};
use crate::config::setting::{Address, Plain, Setting};
use crate::config::snapshots::{self, FileSystem};
use crate::model::ids::{HostName, RunbookName, Word};
use crate::model::plan::Leash;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;

/// One host. `[host.this]` is this machine, by whatever name it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSection {
    /// How it is reached over SSH; `None` for this machine, and for one behind an MCP server.
    pub ssh: Option<Ssh>,
    /// The MCP server that is the way to it: `via = "mcp:NAME"`.
    pub via: Option<Via>,
    /// How far a leash may rise on it, below the global ceiling.
    pub ceiling: Option<Leash>,
    /// Whose red explains this host's: another host, or a probe by its name.
    pub parent: Option<Word>,
    /// Hosts and probes whose red explains it too.
    pub depends_on: Vec<String>,
    /// For how long it may be out of reach before that pages. None: at once.
    pub tolerance: Option<Span>,
    /// Whether it may page at night.
    pub wakes: bool,
    /// Whether it may be off: that is no fault then, and nothing wakes it.
    pub sleeps: bool,
    /// Units, and containers as `container:NAME`, that may be restarted to bring the host back to its
    /// senses.
    pub restartable: Vec<Restartable>,
    /// Folders with compose files, `*` for any name: `/opt/stacks/*`.
    pub stacks: Vec<String>,
    /// Whether reef acts there by itself even while somebody is logged in or a backup runs.
    pub disturb: bool,
    /// Whether what acts there runs as root by `sudo -n`.
    pub sudo: bool,
    /// Mount points of its fstab that may be mounted and unmounted.
    pub mounts: Vec<AbsPath>,
    /// The command that reboots it; without one it is never rebooted.
    pub reboot: Vec<String>,
    /// The virtual machine of a provider of which a snapshot is taken before a step of tier high here.
    pub snapshot: Option<Target>,
    /// The same of file systems here, where the step is about what lies on them.
    pub snapshots: Vec<FileSystem>,
    /// How long they are kept.
    pub snapshot_keep: Span,
    /// Folders whose files a runbook may read the end of.
    pub tails: Vec<AbsPath>,
    /// Git working trees whose newest commits may be told: `/opt/stacks`.
    pub repositories: Vec<AbsPath>,
    /// Where files lie there that were moved into quarantine, if not in the usual place.
    pub quarantine: Option<AbsPath>,
}

/// What to tell ssh beyond what its own config says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Where it is, if not under its own name.
    pub address: Option<Address>,
    pub user: Option<Word>,
    pub port: Option<u16>,
    pub key_file: Option<AbsPath>,
    /// A second key, by which reef acts; what it may do stands in the file that it is authorized with.
    pub act_key: Option<AbsPath>,
    /// An ssh_config(5) to use instead of the user's.
    pub ssh_config: Option<AbsPath>,
    /// A host to go through, as `ssh -J` takes it: `[USER@]HOST[:PORT]`.
    pub jump: Option<String>,
    /// For the connection to stand.
    pub connect_timeout: Span,
}

/// As `ssh NAME` alone would go.
impl Default for Ssh {
    fn default() -> Self {
        Self {
            address: None,
            user: None,
            port: None,
            key_file: None,
            act_key: None,
            ssh_config: None,
            jump: None,
            connect_timeout: Span::secs(10),
        }
    }
}

/// The MCP server that a host is reached by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via(pub Word);

impl Setting for Via {
    fn read(given: &Given) -> Result<Self, String> {
        let text = String::read(given)?;
        let name = text.strip_prefix("mcp:").ok_or("is no way to a host; write \"mcp:NAME\"")?;
        Word::new(name).map(Self).map_err(|bad| format!("as a server's name it {}", bad.why))
    }

    fn show(&self) -> String {
        format!("mcp:{}", self.0)
    }
}

/// What is said of one runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookSection {
    pub ceiling: Option<Leash>,
    /// Its leash on every host that `leash_on` does not name; `None` leaves it to the front matter.
    pub leash: Option<Leash>,
    pub leash_on: BTreeMap<HostName, Leash>,
    pub enabled: bool,
    /// When it may act, instead of what its front matter says.
    pub window: Option<Vec<Window>>,
    /// Whose wall the windows are on.
    pub timezone: Option<Zone>,
    /// How long all actions of a run may take together.
    pub at_most: Option<Span>,
    /// How many runs it has for one incident, and how long it rests between them, instead of what its front matter says.
    pub attempts: Option<u32>,
    pub cooldown: Option<Span>,
    /// Other values for its params, as they were written.
    pub params: BTreeMap<String, Plain>,
}

/// What this machine may be called in the config.
const THIS: &str = "this";

/// The keys that say how a host is reached.
const WAY: [&str; 8] =
    ["address", "user", "port", "key_file", "act_key", "ssh_config", "jump", "connect_timeout"];

pub(super) fn read_hosts(mut all: Section, this: &HostName) -> BTreeMap<HostName, HostSection> {
    let mut hosts = BTreeMap::new();
    for (name, entry) in all.entries() {
        let Some(host) = host_name(&mut all, &name, this) else { continue };
        let Entry::Table(section) = entry else {
            all.mistake(&name, format!("is not a table; write [host.{name}]"));
            continue;
        };
        let read = HostSection::read(section, &host, this);
        if hosts.insert(host, read).is_some() {
            all.mistake(&name, "is this machine, which has a section already; keep one of them");
        }
    }
    all.finish();
    hosts
}

/// A host's name as a key; `this` is the machine's own.
fn host_name(section: &mut Section, key: &str, this: &HostName) -> Option<HostName> {
    if key == THIS {
        return Some(this.clone());
    }
    HostName::new(key)
        .map_err(|bad| section.mistake(key, format!("as a host's name it {}", bad.why)))
        .ok()
}

impl HostSection {
    fn read(mut section: Section, host: &HostName, this: &HostName) -> Self {
        let ssh = if host == this {
            for key in WAY {
                if section.has(key) {
                    section.skip(key);
                    section
                        .mistake(key, format!("{host} is this machine, which needs no way to it"));
                }
            }
            if section.has("sleeps") {
                section.skip("sleeps");
                section.mistake("sleeps", "is for other hosts: reef does not watch in its sleep");
            }
            for key in ["parent", "depends_on", "tolerance", "via"] {
                if section.has(key) {
                    section.skip(key);
                    section.mistake(key, "is for other hosts: this one is there while reef runs");
                }
            }
            None
        } else if section.has("via") {
            for key in WAY {
                if section.has(key) {
                    section.skip(key);
                    section.mistake(key, "is for a way over SSH; via is another: keep one of them");
                }
            }
            None
        } else {
            Some(Ssh::read(&mut section))
        };
        let read = Self {
            ssh,
            via: if host == this { None } else { section.opt("via") },
            ceiling: section.opt("ceiling"),
            parent: if host == this { None } else { section.opt("parent") },
            depends_on: match host == this {
                true => Vec::new(),
                false => section.list_or("depends_on", Vec::new()),
            },
            tolerance: if host == this { None } else { section.opt("tolerance") },
            wakes: section.or("wakes", false),
            sleeps: section.or("sleeps", false),
            restartable: section.list_or("restartable", Vec::new()),
            stacks: section.list_or("stacks", Vec::new()),
            disturb: section.or("disturb", false),
            sudo: section.or("sudo", false),
            mounts: section.list_or("mounts", Vec::new()),
            reboot: section.list_or("reboot", Vec::new()),
            snapshot: section.opt("snapshot"),
            snapshots: snapshots::read(&mut section),
            snapshot_keep: at_least(&mut section, "snapshot_keep", Span::days(7), Span::hours(1)),
            tails: section.list_or("tails", Vec::new()),
            repositories: section.list_or("repositories", Vec::new()),
            quarantine: quarantine(&mut section),
        };
        if read.mounts.iter().any(|mount| mount.as_str() == "/") {
            section.mistake("mounts", "names /, which is the whole machine; name a mount point");
        }
        if read.snapshot.as_ref().is_some_and(|of| of.thing() != Thing::Vm) {
            section.mistake("snapshot", "is no machine of a provider; write \"pve:vm:web\"");
        }
        if read.tails.iter().any(|root| root.as_str() == "/") {
            section.mistake("tails", "names /, which is everything; name a folder of logs");
        }
        if read.reboot.first().is_some_and(String::is_empty) {
            section.mistake("reboot", "names no program; write [\"systemctl\", \"reboot\"]");
        }
        if read.stacks.iter().any(|place| !place.starts_with('/') || place.contains("..")) {
            section.mistake("stacks", "is no place for compose files; write \"/opt/stacks/*\"");
        }
        if read.parent.as_ref().is_some_and(|parent| parent.as_str() == host.as_str()) {
            section.mistake("parent", "is the host itself");
        }
        about_probes(&mut section, host, this);
        section.finish();
        read
    }
}

/// Where quarantine is on a host.
fn quarantine(section: &mut Section) -> Option<AbsPath> {
    let path: Option<AbsPath> = section.opt("quarantine");
    let path = path?;
    if path.as_str().matches('/').count() < 2 {
        let why = "is a folder of the system; name one of reef's own, as /srv/reef-quarantine";
        section.mistake("quarantine", why);
    }
    Some(path)
}

impl Ssh {
    fn read(section: &mut Section) -> Self {
        let jump: Option<String> = section.opt("jump");
        // It becomes an argument of ssh, where a leading dash would be an option.
        let plain = |c: char| c.is_ascii_alphanumeric() || "@:.,_-[]%".contains(c);
        if jump
            .as_ref()
            .is_some_and(|j| j.is_empty() || j.starts_with('-') || !j.chars().all(plain))
        {
            section.mistake("jump", "is no host to go through; write HOST or USER@HOST:PORT");
        }
        let port = section.opt("port");
        if port == Some(0) {
            section.mistake("port", "is no port; write 1 to 65535");
        }
        Self {
            address: section.opt("address"),
            user: section.opt("user"),
            port,
            key_file: section.opt("key_file"),
            act_key: section.opt("act_key"),
            ssh_config: section.opt("ssh_config"),
            jump,
            connect_timeout: at_least(
                section,
                "connect_timeout",
                Self::default().connect_timeout,
                Span::secs(1),
            ),
        }
    }
}

pub(super) fn read_runbooks(
    mut all: Section,
    this: &HostName,
) -> BTreeMap<RunbookName, RunbookSection> {
    let mut runbooks = BTreeMap::new();
    for (key, entry) in all.entries() {
        let name = match RunbookName::new(key.as_str()) {
            Ok(name) => name,
            Err(bad) => {
                all.mistake(&key, format!("as a runbook's name it {}", bad.why));
                continue;
            }
        };
        let Entry::Table(section) = entry else {
            all.mistake(&key, format!("is not a table; write [runbook.{key}]"));
            continue;
        };
        runbooks.insert(name, RunbookSection::read(section, this));
    }
    all.finish();
    runbooks
}

fn read_params(mut section: Section) -> BTreeMap<String, Plain> {
    let names: Vec<String> = section.keys();
    let read = names.into_iter().filter_map(|name| Some((name.clone(), section.opt(&name)?)));
    let params = read.collect();
    section.finish();
    params
}

fn attempts(section: &mut Section) -> Option<u32> {
    let attempts = section.opt("attempts")?;
    if attempts == 0 {
        section.mistake("attempts", "is none at all; write enabled = false for that");
    }
    Some(attempts)
}

impl RunbookSection {
    fn read(mut section: Section, this: &HostName) -> Self {
        let mut leash_on = BTreeMap::new();
        let mut leash = None;
        if section.is_table("leash") {
            let mut hosts = section.section("leash");
            for key in hosts.keys() {
                let (host, level) = (host_name(&mut hosts, &key, this), hosts.opt(&key));
                if let (Some(host), Some(level)) = (host, level) {
                    leash_on.insert(host, level);
                }
            }
            hosts.finish();
        } else {
            leash = section.opt("leash");
        }
        let read = Self {
            ceiling: section.opt("ceiling"),
            leash,
            leash_on,
            enabled: section.or("enabled", true),
            window: section.list("window"),
            timezone: section.opt("timezone"),
            at_most: section.opt("at_most"),
            attempts: attempts(&mut section),
            cooldown: section.opt("cooldown"),
            params: read_params(section.section("params")),
        };
        section.finish();
        read
    }

    /// The leash that the config gives it on a host, where it gives one.
    pub fn leash_on(&self, host: &HostName) -> Option<Leash> {
        self.leash_on.get(host).copied().or(self.leash)
    }
}
