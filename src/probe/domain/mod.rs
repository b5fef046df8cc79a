//! `domain`: how long a domain is still registered. Its registry is asked once a day.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::http::url::WebUrl;
use crate::clients::registry::{BOOTSTRAP, NoRecord, Registered, Registry, WHOIS};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::tls::At;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const DAYS: &str = "days";
/// Registries count questions: one a day is enough, and a failed one is tried again at the next look.
const ASKED_EVERY: Span = Span::hours(24);
/// So long what was said last still counts where nobody can be asked.
const GOOD_FOR: Span = Span::days(7);

/// Which domain, and when it is too late.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `name`: as registered, `example.com`.
    pub name: String,
    /// `yellow`: below this. Default 30 days.
    pub yellow: Span,
    /// `red`: at this. Default 7 days.
    pub red: Span,
    /// `timeout`: of all questions together. Default 20 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct DomainProbe {
    settings: Settings,
    voice: Voice,
    registry: Registry,
    /// When the registry said what.
    last: Option<(Millis, Result<Registered, NoRecord>)>,
}

impl DomainProbe {
    pub fn new(settings: Settings, voice: Voice, registry: Registry) -> Self {
        Self { settings, voice, registry, last: None }
    }

    fn judge(&self, known: &Result<Registered, NoRecord>, now: Millis) -> Reading {
        let name = &self.settings.name;
        let registered = match known {
            Ok(registered) => registered,
            Err(NoRecord::NotRegistered) => {
                let words = format!("{name} is not registered");
                return self.voice.reading(DAYS, (Severity::Red, "unregistered"), &words, now);
            }
            // A registry that is away says nothing about the domain: never red.
            Err(NoRecord::Blind(why)) => return self.voice.unseen(DAYS, why, now),
        };
        let has = |status: &str| registered.statuses.iter().any(|s| s == status);
        let ending = ["redemption period", "pending delete"].into_iter().find(|s| has(s));
        let held = ["client hold", "server hold"].into_iter().find(|s| has(s));
        let days =
            registered.expires.map(|at| at.0.saturating_sub(now.0).div_euclid(Span::days(1).0));
        let left = registered.expires.map(|at| at.0.saturating_sub(now.0));
        let judged = match (ending, held, left) {
            (Some(_), _, _) => (Severity::Red, "ending"),
            (None, Some(_), _) => (Severity::Red, "held"),
            (None, None, None) => (Severity::Green, "no-date"),
            (None, None, Some(left)) if left <= 0 => (Severity::Red, "expired"),
            (None, None, Some(left)) if left <= self.settings.red.0 => (Severity::Red, "expiring"),
            (None, None, Some(left)) if left < self.settings.yellow.0 => {
                (Severity::Yellow, "expiring")
            }
            (None, None, Some(_)) => (Severity::Green, "ok"),
        };
        let mut words = match days {
            Some(days @ 0..) => format!("{name} is registered for {days} more days"),
            Some(days) => format!("{name} expired {} days ago", -days),
            None => format!("{name} is registered; its registry publishes no date"),
        };
        if let Some(status) = ending.or(held) {
            words += &format!(", and is in status \"{status}\"");
        }
        words += &format!(" (says {})", registered.by);
        let mut reading = self.voice.reading(DAYS, judged, &words, now);
        if let Some(days) = days {
            #[expect(clippy::cast_precision_loss, reason = "days until a domain ends")]
            {
                reading.value = Some(days as f64);
            }
            reading.unit = Some(Unit::Days);
            reading.values.insert("days".into(), Value::Int(days));
        }
        reading
    }

    async fn ask(&mut self, now: Millis) -> Result<Registered, NoRecord> {
        let Settings { name, timeout, .. } = &self.settings;
        // Half for RDAP with its list, half for whois.
        let each = Span((timeout.0 / 3).max(100));
        let asking = async { Ok(self.registry.look(name, now, each).await) };
        within(*timeout, asking).await.unwrap_or_else(|why| Err(NoRecord::Blind(why)))
    }
}

impl NetProbe for DomainProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let fresh = self.last.as_ref().is_some_and(|(at, _)| now.since(*at) < ASKED_EVERY);
            if !fresh {
                let said = self.ask(now).await;
                let still_good =
                    self.last.as_ref().is_some_and(|(at, _)| now.since(*at) < GOOD_FOR);
                match said {
                    Err(why @ NoRecord::Blind(_)) if !still_good => {
                        self.last = None;
                        return vec![self.judge(&Err(why), now)];
                    }
                    Err(NoRecord::Blind(_)) => {}
                    said @ (Ok(_) | Err(NoRecord::NotRegistered)) => self.last = Some((now, said)),
                }
            }
            match &self.last {
                Some((_, said)) => vec![self.judge(said, now)],
                None => self.timed_out(self.settings.timeout, now),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(DAYS, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "days", kind: Kind::Int, doc: "whole days left; negative once expired" },
    ]
}

/// `domain.NAME = "example.com"`, or a table with `name`, `yellow`, `red`, `bootstrap`, `whois` and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(name) = ask.main::<String>("name") else { return Vec::new() };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !name.contains('.') || name.starts_with(['-', '.']) || !name.chars().all(plain) {
        ask.mistake(
            "name",
            "is no domain: write it as registered, example.com (xn--... for others)",
        );
        return Vec::new();
    }
    let yellow = ask.or("yellow", Span::days(30));
    let red = ask.or("red", Span::days(7));
    if yellow < red {
        ask.mistake("yellow", "is shorter than red: yellow comes first");
    }
    let list = WebUrl::parse(BOOTSTRAP).ok();
    let bootstrap = list.map(|list| ask.or("bootstrap", list));
    let whois = match At::or_port(&ask.or("whois", WHOIS.to_owned()), 43) {
        Ok(at) => Some((at.host, at.port)),
        Err(why) => {
            ask.mistake("whois", why);
            None
        }
    };
    let (Some(bootstrap), Some(whois)) = (bootstrap, whois) else { return Vec::new() };
    // A date is as sure after one look as after three.
    let common = Common { fire_after: 1, ..Common::with(Span::hours(1), Span::secs(20)) };
    let Some(placed) = voice::place(ask, "domain", "", common) else { return Vec::new() };
    let settings = Settings { name, yellow, red, timeout: placed.common.timeout };
    let registry = Registry::new(ask.cx.http.clone(), bootstrap, whois);
    let probe = DomainProbe::new(settings, placed.voice.clone(), registry);
    placed.draft(ask, DAYS, probe)
}

#[cfg(test)]
mod tests;
