//! Who renews a certificate, told by its issuer and by what lies on its host; and whether anything starts that renewal by itself.

use crate::model::renewal::{CronLine, Kept, Lineage, Renewals, Timer};
use crate::model::time::{Millis, Span};

/// Whoever renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Certbot,
    AcmeSh,
    Lego,
    Dehydrated,
    Caddy,
    Traefik,
    CertManager,
    /// Nobody: it names itself as its issuer.
    SelfSigned,
    Unknown,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certbot => "certbot",
            Self::AcmeSh => "acme-sh",
            Self::Lego => "lego",
            Self::Dehydrated => "dehydrated",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::CertManager => "cert-manager",
            Self::SelfSigned => "self-signed",
            Self::Unknown => "unknown",
        }
    }

    /// The program as people call it.
    pub fn called(self) -> &'static str {
        match self {
            Self::AcmeSh => "acme.sh",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Certbot
            | Self::Lego
            | Self::Dehydrated
            | Self::CertManager
            | Self::SelfSigned
            | Self::Unknown => self.as_str(),
        }
    }

    /// What stands after "renewed by".
    pub fn renewed_by(self) -> &'static str {
        match self {
            Self::SelfSigned => "nobody",
            Self::Unknown => "whom is not known",
            Self::Certbot
            | Self::AcmeSh
            | Self::Lego
            | Self::Dehydrated
            | Self::Caddy
            | Self::Traefik
            | Self::CertManager => self.called(),
        }
    }

    fn of_kept(by: &str) -> Self {
        match by {
            "acme-sh" => Self::AcmeSh,
            "lego" => Self::Lego,
            "dehydrated" => Self::Dehydrated,
            "caddy" => Self::Caddy,
            _ => Self::Unknown,
        }
    }
}

/// A certificate as a server showed it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The name that it was asked for.
    pub asked: &'a str,
    pub names: &'a [String],
    pub issuer: &'a str,
    /// In hex.
    pub serial: &'a str,
    pub self_signed: bool,
    pub not_before: Millis,
    pub not_after: Millis,
}

/// Who renews it, and by what sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<'a> {
    pub method: Method,
    pub why: String,
    pub lineage: Option<&'a Lineage>,
}

/// What else is known of who serves the endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    /// The unit or container that the config names behind it.
    pub served_by: Option<&'a str>,
    /// An ingress whose certificate cert-manager makes, in words.
    pub issuer_of_cluster: Option<&'a str>,
    /// What its host told; `None` where it was not asked or did not answer.
    pub host: Option<&'a Renewals>,
}

/// What signs for itself where nobody told it to do better.
const OWN: [(Method, &str); 4] = [
    (Method::Caddy, "Caddy Local Authority"),
    (Method::Traefik, "TRAEFIK DEFAULT CERT"),
    (Method::CertManager, "Kubernetes Ingress Controller Fake Certificate"),
    (Method::CertManager, "cert-manager"),
];
/// Authorities that issue to programs only.
const BY_PROGRAM: [&str; 5] =
    ["Let's Encrypt", "ZeroSSL", "Google Trust Services", "Buypass", "SSL.com"];

/// Finds it: certain signs first, those that only make it likely last.
pub fn find<'a>(shown: Shown<'_>, around: Around<'a>) -> Finding<'a> {
    let found = |method, why: String| Finding { method, why, lineage: None };
    for (method, sign) in OWN {
        if shown.issuer.contains(sign) {
            return found(method, format!("the issuer is {sign}"));
        }
    }
    if shown.self_signed {
        return found(Method::SelfSigned, "issuer and subject are the same".into());
    }
    if let Some(why) = around.issuer_of_cluster {
        return found(Method::CertManager, why.to_owned());
    }
    if let Some(host) = around.host {
        if let Some((lineage, why)) = of_certbot(shown, host) {
            return Finding { method: Method::Certbot, why, lineage: Some(lineage) };
        }
        if let Some(kept) = host.kept.iter().find(|kept| covers(&kept.name, shown.asked)) {
            let Kept { by, path, .. } = kept;
            return found(Method::of_kept(by), format!("it lies in {path}"));
        }
    }
    let served = around.served_by.unwrap_or_default().to_ascii_lowercase();
    for method in [Method::Caddy, Method::Traefik] {
        if served.contains(method.as_str()) {
            return found(method, format!("{served} serves it"));
        }
    }
    let hidden = around.host.map(|host| host.hidden.as_slice()).unwrap_or_default();
    let seen = match (around.host, hidden) {
        (None, _) => "its host did not tell".to_owned(),
        (Some(_), []) => "no sign of certbot, acme.sh, lego, dehydrated or Caddy there".to_owned(),
        (Some(_), [first, ..]) => format!("no sign of who does, and {first} may not be read"),
    };
    let issued = BY_PROGRAM.iter().find(|name| shown.issuer.contains(**name));
    found(
        Method::Unknown,
        match issued {
            Some(name) => format!("{name} issues to programs, so one renews it: {seen}"),
            None => seen,
        },
    )
}

/// The lineage that the server shows, or one for its name.
fn of_certbot<'a>(shown: Shown<'_>, host: &'a Renewals) -> Option<(&'a Lineage, String)> {
    let file = |lineage: &Lineage| format!("{}/renewal/{}.conf", lineage.folder(), lineage.name);
    let same = |l: &&Lineage| l.on_disk.as_ref().is_some_and(|c| c.serial == shown.serial);
    if let Some(lineage) = host.lineages.iter().find(same) {
        return Some((lineage, format!("{} renews exactly this one", file(lineage))));
    }
    let on_disk = |l: &&Lineage| {
        l.on_disk.as_ref().is_some_and(|c| c.names.iter().any(|n| covers(n, shown.asked)))
    };
    let by_name = |l: &&Lineage| l.name == shown.asked;
    let mentions = |l: &&Lineage| {
        l.names.iter().any(|n| n == shown.asked || shown.names.contains(n))
            || shown.names.contains(&l.name)
    };
    let all = || host.lineages.iter();
    let lineage = all().find(on_disk).or_else(|| all().find(by_name));
    let lineage = lineage.or_else(|| all().find(mentions))?;
    Some((lineage, format!("{} is for its name", file(lineage))))
}

/// Whether a certificate's name is for a host: `*.home.example` is for `photos.home.example`.
fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|parent| {
            host.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == parent)
        })
}

/// How the lineage on the disk stands to what the server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Renewed already: the server only has to read it.
    Newer,
    /// The same, or older, or not to be seen.
    NotNewer,
}

/// A renewal file is written with each certificate: so much later it was renewed since, where the certificate itself may not be
/// read.
const SINCE: Span = Span::days(2);

/// Whether there is something newer than what is shown.
pub fn disk(shown: Shown<'_>, lineage: &Lineage) -> Disk {
    let newer = match (&lineage.on_disk, lineage.changed_at) {
        (Some(disk), _) => disk.serial != shown.serial && shown.not_after < disk.not_after,
        (None, Some(changed_at)) => shown.not_before + SINCE < changed_at,
        (None, None) => false,
    };
    if newer { Disk::Newer } else { Disk::NotNewer }
}

/// Names that a lineage for this endpoint may have, all from the config: the one that it declares, else what certbot calls it by
/// default: the name itself or a domain above it.
pub fn lineage_names(declared: Option<&str>, asked: &str) -> Vec<String> {
    if let Some(declared) = declared {
        return vec![declared.to_owned()];
    }
    let is_name = asked.chars().any(|c| c.is_ascii_alphabetic())
        && asked.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if !is_name {
        return Vec::new();
    }
    let mut names = vec![asked.to_owned()];
    let mut rest = asked;
    while let Some((_, parent)) = rest.split_once('.')
        && parent.contains('.')
    {
        names.push(parent.to_owned());
        rest = parent;
    }
    names
}

/// What starts a renewal by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    Timer,
    Cron,
    /// There is something that should, and does not.
    Broken,
    /// Nothing at all.
    Nothing,
    /// The host did not tell, or not all.
    Unknown,
}

impl Starts {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Cron => "cron",
            Self::Broken => "broken",
            Self::Nothing => "nothing",
            Self::Unknown => "unknown",
        }
    }
}

/// What starts certbot and the like, and what is broken about it; no words where nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub starts: Starts,
    pub broken: Vec<String>,
}

impl Schedule {
    /// What a human has to mend, in an order that fits a phone: "fix the cron: ..."; none where nothing is broken.
    pub fn to_mend(&self) -> Option<String> {
        let names = |part: &str| self.broken.iter().any(|why| why.contains(part));
        let what = match (names(".timer"), names("of cron") || names("cron daemon")) {
            _ if self.broken.is_empty() => return None,
            _ if self.starts == Starts::Nothing => "what should start it",
            (true, true) => "the timer and the cron",
            (true, false) => "the timer",
            (false, _) => "the cron",
        };
        Some(format!("fix {what}: {}", self.broken.join("; ")))
    }
}

/// Judges what starts this program on a host.
pub fn schedule(method: Method, host: Option<&Renewals>) -> Schedule {
    let program = match method {
        Method::Certbot => "certbot",
        Method::AcmeSh => "acme",
        Method::Lego => "lego",
        Method::Dehydrated => "dehydrated",
        // They renew while they serve; what signs for itself is renewed by nobody.
        Method::Caddy
        | Method::Traefik
        | Method::CertManager
        | Method::SelfSigned
        | Method::Unknown => return Schedule { starts: Starts::Unknown, broken: Vec::new() },
    };
    let Some(host) = host else { return Schedule { starts: Starts::Unknown, broken: Vec::new() } };
    let mut broken = Vec::new();
    let mut works = None;
    for timer in host.timers.iter().filter(|timer| timer.name.contains(program)) {
        match ill(timer) {
            None => works = Some(Starts::Timer),
            Some(why) => broken.push(why),
        }
    }
    let of_program = |line: &&CronLine| line.line.contains(program) || line.line.contains("renew");
    for line in host.crons.iter().filter(of_program) {
        // Debian's own line steps back where systemd runs: the timer is what counts there.
        if host.systemd && line.line.contains("/run/systemd/system") {
            continue;
        }
        match line.missing.first() {
            Some(missing) => broken.push(format!(
                "the line of cron in {} calls {missing}, which is missing",
                line.file
            )),
            None if !host.cron_runs => {
                broken.push(format!("no cron daemon runs, and {} needs one", line.file));
            }
            None => works = works.or(Some(Starts::Cron)),
        }
    }
    // A timer whose last run failed is told even where something else works: it is why the certificate is old.
    let failed = broken.iter().any(|why| why.contains("ended with"));
    let starts = match works {
        Some(works) => {
            broken.retain(|why| failed && why.contains("ended with"));
            works
        }
        None if !broken.is_empty() => Starts::Broken,
        None if host.hidden.iter().any(|file| file.contains("cron")) => Starts::Unknown,
        None => {
            broken.push(format!("nothing starts {}: no timer, no line of cron", method.called()));
            Starts::Nothing
        }
    };
    Schedule { starts, broken }
}

/// What is wrong with a timer.
fn ill(timer: &Timer) -> Option<String> {
    let Timer { name, active, enabled, result } = timer;
    let well = ["", "success"].contains(&result.as_str());
    match active.as_str() {
        "active" if well => None,
        "active" => Some(format!(
            "{name} runs, but the last run of its service ended with {result}: `journalctl -u {}`",
            name.replace(".timer", ".service")
        )),
        _ => {
            let also = if enabled == "enabled" { "" } else { " and not enabled" };
            Some(format!("{name} is {active}{also}: `systemctl enable --now {name}`"))
        }
    }
}

#[cfg(test)]
mod tests;
