//! `tls`: how long a certificate is still good, and whether it is good at all.

mod at;

use crate::Fut;
use crate::clients::tls::trust::TlsFault;
use crate::clients::tls::{Leaf, NoCertificate, Seen, Tls, TlsServer};
use crate::model::change::{Change, ChangeKind};
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::renewal::{self, Habit, Renewal, left_when_renewed};
use crate::probe::ask::{Ask, Common, Context, Draft, Endpoint, Named};
pub use crate::probe::tls::at::At;
use crate::probe::{How, NetProbe, Past};

/// When a certificate is too old.
#[derive(Debug, Clone)]
pub struct Settings {
    pub at: At,
    /// `server_name`: what is asked for, where it differs from the host.
    pub name: String,
    /// `yellow`: below this, or 20 % of its life, whichever is less. Default 14 days.
    pub yellow: Span,
    /// `red`: at this, or 5 % of its life, whichever is less. Default 3 days.
    pub red: Span,
    /// `renews`: it is renewed with so much life left. Default: as it was before, else a third of its
    /// life where that is 100 days at the most.
    pub renews: Option<Span>,
    /// `lineage`: what certbot calls the certificate. Default: the name, or a domain above it.
    pub lineage: Option<String>,
    /// `config_dir`: certbot's folder, where it is called with --config-dir. Default: /etc/letsencrypt.
    pub config_dir: Option<AbsPath>,
    /// `timeout`: of the handshake. Default 10 s.
    pub timeout: Span,
}

impl Settings {
    pub fn new(at: At) -> Self {
        Self {
            name: at.host.clone(),
            at,
            yellow: Span::days(14),
            red: Span::days(3),
            renews: None,
            lineage: None,
            config_dir: None,
            timeout: Span::secs(10),
        }
    }

    /// By its dates alone. Fixed days would keep a certificate that lives for six days yellow for
    /// ever.
    pub fn judge_dates(&self, leaf: &Leaf, now: Millis) -> (Severity, &'static str) {
        let life = leaf.not_after.since(leaf.not_before);
        let left = leaf.not_after.0.saturating_sub(now.0);
        let yellow = self.yellow.0.min(life.0 / 5);
        let red = self.red.0.min(life.0 / 20);
        match () {
            () if left <= 0 => (Severity::Red, "expired"),
            () if left <= red => (Severity::Red, "expiring"),
            () if left < yellow => (Severity::Yellow, "expiring"),
            () => (Severity::Green, "ok"),
        }
    }
}

/// Looks at one server's certificate.
#[derive(Debug)]
pub struct TlsProbe {
    settings: Settings,
    signal: Signal,
    tls: Tls,
    /// The certificate that was seen last.
    last: Option<Leaf>,
    /// How much was left when it was renewed before.
    left_when_renewed: Option<Span>,
    changes: Vec<Change>,
}

impl TlsProbe {
    pub fn new(settings: Settings, endpoint: Target, tls: Tls) -> Self {
        let (last, left_when_renewed, changes) = (None, None, Vec::new());
        Self { settings, signal: signal(endpoint), tls, last, left_when_renewed, changes }
    }

    /// Judges a certificate that somebody else saw, by its dates: a past one, replayed.
    pub fn seen(&mut self, leaf: Leaf, past: &dyn Past, now: Millis) -> Reading {
        self.note(&leaf, now);
        self.judge(&Seen { leaf, chain: 1, faults: Vec::new() }, past, now)
    }

    /// Another serial is a renewal, or somebody's swap: an event.
    fn note(&mut self, leaf: &Leaf, now: Millis) {
        if let Some(last) = self.last.as_ref().filter(|last| last.serial != leaf.serial) {
            let left = last.not_after.since(now);
            if last.not_after < leaf.not_after && Span(0) < left {
                self.left_when_renewed = Some(left);
            }
            let words = format!(
                "another certificate, good for {}; the one before had {left} left",
                leaf.not_after.since(now)
            );
            let target = self.signal.target.clone();
            self.changes.push(Change::new(now, target, ChangeKind::Certificate, &words));
        }
        self.last = Some(leaf.clone());
    }

    /// Whether nothing says that a program renews it: a human has to think of it.
    fn by_hand(&self, leaf: &Leaf, past: &dyn Past, now: Millis) -> bool {
        let seen =
            self.left_when_renewed.or_else(|| left_when_renewed(&past.hours(&self.signal, now)));
        let habit = Habit { said: self.settings.renews, seen };
        let known = renewal::judge(leaf.not_before, leaf.not_after, habit, now) != Renewal::Unknown;
        match leaf.self_signed {
            true => self.settings.renews.is_none(),
            false => !known,
        }
    }

    /// Yellow, and in which words, where it should have been renewed by now.
    fn renewal(&self, leaf: &Leaf, past: &dyn Past, now: Millis) -> Option<String> {
        let (said, mut seen) = (self.settings.renews, self.left_when_renewed);
        if said.is_none() && seen.is_none() {
            seen = left_when_renewed(&past.hours(&self.signal, now));
        }
        // Nobody renews what names itself as its issuer.
        if leaf.self_signed && said.is_none() {
            return None;
        }
        match renewal::judge(leaf.not_before, leaf.not_after, Habit { said, seen }, now) {
            Renewal::Unknown | Renewal::NotDue { .. } | Renewal::InProgress { .. } => None,
            Renewal::Failing { due_at } => Some(format!(
                "renewal fails: it was due {} ago, with {} left, and this is still the old one",
                now.since(due_at),
                leaf.not_after.since(due_at)
            )),
        }
    }

    fn judge(&self, seen: &Seen, past: &dyn Past, now: Millis) -> Reading {
        let failing = self.renewal(&seen.leaf, past, now).filter(|_| now < seen.leaf.not_after);
        let mut reading = judged(&self.settings, &self.signal, seen, failing, now);
        let by_hand = Value::Flag(self.by_hand(&seen.leaf, past, now));
        reading.values.insert("by_hand".into(), by_hand);
        self.with_endpoint(reading)
    }

    fn unseen(&self, why: &NoCertificate, now: Millis) -> Reading {
        let severity = match why {
            // Nothing there speaks TLS: that is an answer, and a bad one.
            NoCertificate::Refused | NoCertificate::NoHandshake(_) => Severity::Red,
            NoCertificate::TimedOut(_)
            | NoCertificate::NoName(_)
            | NoCertificate::Unreachable(_)
            | NoCertificate::Setup(_) => Severity::Unknown,
        };
        let words = why.to_string();
        let reason = Word::of(why.word());
        self.with_endpoint(Reading::new(self.signal.clone(), now, severity, reason, &words))
    }

    fn with_endpoint(&self, mut reading: Reading) -> Reading {
        let endpoint = Value::Target(self.signal.target.clone());
        reading.values.insert("endpoint".into(), endpoint);
        reading
    }
}

/// What a certificate is worth, wherever it was seen; `failing` says that its renewal did not come.
pub(super) fn judged(
    settings: &Settings,
    signal: &Signal,
    seen: &Seen,
    failing: Option<String>,
    now: Millis,
) -> Reading {
    let (mut dated, mut reason) = settings.judge_dates(&seen.leaf, now);
    if failing.is_some() && dated == Severity::Green {
        (dated, reason) = (Severity::Yellow, "renewal");
    }
    // The first fault that is not about dates is what must be repaired.
    let other = seen.faults.iter().find(|fault| **fault != TlsFault::Expired);
    let (severity, reason) = match (other, seen.faults.first()) {
        (Some(fault), _) => (Severity::Red, fault.word()),
        (None, Some(fault)) => (Severity::Red, fault.word()),
        (None, None) => (dated, reason),
    };
    let days = days_left(&seen.leaf, now);
    let mut words = match days {
        0.. => format!("{days} days left"),
        ..0 => format!("expired {} days ago", -days),
    };
    if let Some(failing) = failing {
        words += &format!("; {failing}");
    }
    for fault in &seen.faults {
        match fault {
            TlsFault::WrongName => {
                let names: Vec<&str> = seen.leaf.names.iter().map(Tainted::as_str).collect();
                words += &format!(
                    "; name: it is for {}, not for {}",
                    if names.is_empty() { "no name".into() } else { names.join(", ") },
                    settings.name
                );
            }
            TlsFault::Expired => {}
            TlsFault::UnknownIssuer | TlsFault::SelfSigned => {
                words += &format!("; chain: {fault} (issuer {})", seen.leaf.issuer);
            }
            TlsFault::NotYetValid
            | TlsFault::Revoked
            | TlsFault::OtherThanPinned
            | TlsFault::NoHandshake(_)
            | TlsFault::Other(_) => words += &format!("; {fault}"),
        }
    }
    let mut reading = Reading::new(signal.clone(), now, severity, Word::of(reason), &words);
    #[expect(clippy::cast_precision_loss, reason = "days of a certificate's life")]
    {
        reading.value = Some(days as f64);
    }
    reading.unit = Some(Unit::Days);
    reading.values.insert("days".into(), Value::Int(days));
    // Another certificate has another end, by which its reminders are told from those of the one before.
    reading.values.insert("ends".into(), Value::Int(seen.leaf.not_after.0 / 1_000));
    reading
}

/// Whole days, rounded down: -1 from the moment it has expired.
fn days_left(leaf: &Leaf, now: Millis) -> i64 {
    leaf.not_after.0.saturating_sub(now.0).div_euclid(Span::days(1).0)
}

impl NetProbe for TlsProbe {
    fn look<'a>(&'a mut self, past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let Settings { at, name, timeout, .. } = &self.settings;
            let reading = match self.tls.look(&at.host, at.port, name, *timeout).await {
                Ok(seen) => {
                    self.note(&seen.leaf, now);
                    self.judge(&seen, past, now)
                }
                Err(why) => self.unseen(&why, now),
            };
            vec![reading]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.unseen(&NoCertificate::TimedOut(after), now)]
    }

    fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

/// The one signal of a certificate.
pub fn signal(endpoint: Target) -> Signal {
    Signal { probe: Word::of("tls"), target: endpoint, aspect: Word::of("days") }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "endpoint", kind: Kind::Target, doc: "the endpoint, HOST:endpoint:NAME" },
        Gives { name: "days", kind: Kind::Int, doc: "whole days left; negative once expired" },
        Gives { name: "ends", kind: Kind::Int, doc: "when it ends, in Unix seconds" },
        Gives { name: "by_hand", kind: Kind::Flag, doc: "whether nothing renews it by itself" },
    ]
}

/// `tls.NAME = "host:port"`, or a table with the keys of [`Settings`] and the common ones.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(given) = ask.main::<String>("server") else { return Vec::new() };
    let at = match At::parse(&given) {
        Ok(at) => at,
        Err(why) => {
            ask.mistake("server", why);
            return Vec::new();
        }
    };
    let mut settings = Settings::new(at.clone());
    settings.name = ask.or("server_name", settings.name);
    settings.yellow = ask.or("yellow", settings.yellow);
    settings.red = ask.or("red", settings.red);
    settings.renews = ask.opt("renews");
    settings.lineage = ask.opt("lineage");
    settings.config_dir = ask.opt("config_dir");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let named =
        |name: &String| !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    if settings.lineage.as_ref().is_some_and(|name| !named(name)) {
        ask.mistake(
            "lineage",
            "is no name of certbot's: see the files in /etc/letsencrypt/renewal",
        );
        settings.lineage = None;
    }
    if settings.yellow < settings.red {
        ask.mistake("yellow", "is shorter than red: yellow comes first");
    }
    let known = ask.cx.host_of(&at.host);
    let host = known.clone().unwrap_or_else(|| ask.cx.here.clone());
    let common = ask.common(common(), &host);
    settings.timeout = common.timeout;
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    let Some(endpoint) = ask.target(&host, Thing::Endpoint) else { return Vec::new() };
    let mut draft = draft(ask.cx, ask.name, settings, endpoint, &common, ca_file);
    draft.probe.parent = known
        .filter(|known| *known != ask.cx.here)
        .map(|known| crate::probe::ask::host_signal(&known));
    draft.parent = common.parent;
    vec![draft]
}

/// The probe that an https URL implies.
pub fn implied(
    cx: &Context,
    name: &str,
    at: At,
    endpoint: Target,
    ca_file: Option<AbsPath>,
) -> Draft {
    let draft = draft(cx, name, Settings::new(at), endpoint, &common(), ca_file);
    Draft { named: Named::Implied, ..draft }
}

/// Certificates change slowly: every 15 minutes, and one look is enough to be sure of a date.
fn common() -> Common {
    Common { fire_after: 2, ..Common::with(Span::mins(15), Span::secs(10)) }
}

fn draft(
    cx: &Context,
    name: &str,
    settings: Settings,
    endpoint: Target,
    common: &Common,
    ca_file: Option<AbsPath>,
) -> Draft {
    let tls = match ca_file {
        Some(file) => Tls::trusting(Some(file.as_path().to_owned())),
        None => cx.tls.clone(),
    };
    let server = TlsServer {
        host: settings.at.host.clone(),
        port: settings.at.port,
        name: settings.name.clone(),
        lineage: settings.lineage.clone(),
        config_dir: settings.config_dir.clone(),
    };
    let host = endpoint.on().clone();
    let watched =
        Endpoint { target: endpoint.clone(), url: None, tls: Some(server), resolver: None };
    let main = signal(endpoint.clone());
    let mut common = common.clone();
    // The handshake has its own time; the look has a second more to say so.
    common.timeout = Span(settings.timeout.0 + 1_000);
    let how = How::Net(Box::new(TlsProbe::new(settings, endpoint, tls)));
    let probe = common.probe(Word::of("tls"), format!("tls.{name}"), host, how);
    Draft { probe, main, parent: None, endpoint: Some(watched), named: Named::Yes }
}

#[cfg(test)]
mod tests;
