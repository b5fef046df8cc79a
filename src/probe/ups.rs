//! `ups`: a UPS by its upsd: whether it runs on battery, and for how long it can.

use std::collections::BTreeMap;

use crate::Fut;
use crate::clients::nut::{self, NoUps};
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// Where upsd listens.
const PORT: u16 = 3_493;

/// Which UPS, and when its battery is too low.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub ups: String,
    pub host: String,
    pub port: u16,
    /// On battery with less than this for so long, it is red.
    pub least: Span,
    /// Or with less than this many percent of charge.
    pub charge: f64,
}

/// `rack@nas:3493`, `rack@nas`, `rack`.
fn parse(given: &str) -> Result<(String, String, u16), &'static str> {
    let wrong = "is no UPS; write UPS@HOST, as upsc takes it";
    let (ups, at) = given.split_once('@').unwrap_or((given, "127.0.0.1"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if ups.is_empty()
        || !ups.chars().all(plain)
        || at.is_empty()
        || at.contains(char::is_whitespace)
    {
        return Err(wrong);
    }
    let (host, port) = match at.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            (host.trim_matches(['[', ']']), port.parse().map_err(|_| wrong)?)
        }
        Some(_) | None => (at, PORT),
    };
    if port == 0 || host.is_empty() { Err(wrong) } else { Ok((ups.into(), host.into(), port)) }
}

/// Reads `ups.NAME = "rack@nas"` and its table form.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(given) = ask.main::<String>("ups") else { return Vec::new() };
    let (ups, server, port) = match parse(&given) {
        Ok(parsed) => parsed,
        Err(why) => {
            ask.mistake("ups", why);
            return Vec::new();
        }
    };
    let host = ask.cx.host_of(&server).unwrap_or_else(|| ask.cx.here.clone());
    // A power cut is told at once: a look later the battery may be gone.
    let default = Common { fire_after: 1, ..Common::with(Span::secs(30), Span::secs(5)) };
    let common = ask.common(default, &host);
    let least = ask.or("least", Span::mins(5));
    let charge = ask.or("charge", 50.0);
    if !(0.0..=100.0).contains(&charge) {
        ask.mistake("charge", "is percent: 0 to 100");
    }
    let Some(target) = ask.target(&host, Thing::Check) else { return Vec::new() };
    let settings = Settings { ups, host: server, port, least, charge };
    let probe = Ups::new(settings, target, common.timeout);
    let (called, main, parent) =
        (format!("ups.{}", ask.name), probe.signal.clone(), common.parent.clone());
    let probe = common.probe(Word::of("ups"), called, host, How::Net(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// What a reading has, for runbooks, as far as the UPS tells it.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "status", kind: Kind::Word, doc: "`online`, `battery` or `low`" },
        Gives { name: "charge", kind: Kind::Int, doc: "percent" },
        Gives { name: "runtime", kind: Kind::Span, doc: "how long the battery lasts at this load" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Ups {
    settings: Settings,
    signal: Signal,
    within: Span,
}

impl Ups {
    pub fn new(settings: Settings, target: Target, within: Span) -> Self {
        let signal = Signal { probe: Word::of("ups"), target, aspect: Word::of("power") };
        // The look has a little more than its question, to say that no answer came.
        let within = Span((within.0 - 200).max(100));
        Self { settings, signal, within }
    }

    fn judge(&self, told: &BTreeMap<String, String>, now: Millis) -> Reading {
        let number = |name: &str| told.get(name)?.parse::<f64>().ok().filter(|n| n.is_finite());
        let status = told.get("ups.status").map_or("", String::as_str);
        let has = |flag: &str| status.split_whitespace().any(|word| word == flag);
        let charge = number("battery.charge");
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a year of seconds")]
        let runtime =
            number("battery.runtime").map(|secs| Span::secs(secs.clamp(0.0, 3.2e7) as i64));
        let lasts = runtime.map(|left| format!(", for {left} more")).unwrap_or_default();
        let full = charge.map(|n| format!("{n:.0} %")).unwrap_or_else(|| "charge unknown".into());
        let short = runtime.is_some_and(|left| left < self.settings.least)
            || charge.is_some_and(|n| n < self.settings.charge);
        let (severity, reason, words) = match () {
            () if status.is_empty() => {
                (Severity::Unknown, "status", "the UPS tells no status".to_owned())
            }
            () if has("FSD") || (has("OB") && has("LB")) => {
                let words =
                    format!("the battery is nearly empty: {full}{lasts}; it will shut down");
                (Severity::Red, "low", words)
            }
            () if has("OB") && short => {
                (Severity::Red, "battery", format!("runs on battery: {full}{lasts}"))
            }
            () if has("OB") => {
                (Severity::Yellow, "battery", format!("runs on battery: {full}{lasts}"))
            }
            () if has("OFF") => (Severity::Red, "off", "its outlets are off".to_owned()),
            () if has("RB") => (Severity::Yellow, "replace", "its battery must be replaced".into()),
            () if has("OVER") => (Severity::Yellow, "overload", "carries more than it can".into()),
            () if has("ALARM") => {
                let alarm = told.get("ups.alarm").map_or("see upsc", String::as_str);
                (Severity::Yellow, "alarm", format!("raises an alarm: {alarm}"))
            }
            () if has("BYPASS") => {
                (Severity::Yellow, "bypass", "is bypassed: it protects nothing".to_owned())
            }
            () if has("OL") => (Severity::Green, "ok", format!("on line, {full}{lasts}")),
            () => (Severity::Unknown, "status", format!("is in the state {status}")),
        };
        let state = match () {
            () if has("LB") => "low",
            () if has("OB") => "battery",
            () => "online",
        };
        let mut values = Values::from([("status".to_owned(), Value::Word(Word::of(state)))]);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to percent")]
        let percent = charge.map(|n| Value::Int(n.clamp(0.0, 100.0) as i64));
        values.extend(percent.map(|n| ("charge".to_owned(), n)));
        values.extend(runtime.map(|left| ("runtime".to_owned(), Value::Span(left))));
        let reading = Reading::new(self.signal.clone(), now, severity, Word::of(reason), &words);
        Reading { value: charge, unit: Some(Unit::Percent), values, ..reading }
    }

    fn unseen(&self, why: &NoUps, now: Millis) -> Reading {
        // A power cut may take the switch between: that nobody answers is no statement on the UPS.
        let reason = match why {
            NoUps::Unreachable(_) => "unreachable",
            NoUps::Unknown => "not-found",
            NoUps::Stale(_) => "stale",
            NoUps::Refused(_) => "refused",
            NoUps::TimedOut(_) => "timeout",
        };
        Reading::unknown(self.signal.clone(), now, Word::of(reason), &why.to_string())
    }
}

impl NetProbe for Ups {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let Settings { ups, host, port, .. } = &self.settings;
            vec![match nut::variables(host, *port, ups, self.within).await {
                Ok(told) => self.judge(&told, now),
                Err(why) => self.unseen(&why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.unseen(&NoUps::TimedOut(after), now)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::nut::fake::Upsd;
    use crate::probe::ask::NoPast;

    #[test]
    fn a_ups_is_named_as_upsc_names_it() {
        let of = |ups: &str, host: &str, port| Ok((ups.to_owned(), host.to_owned(), port));
        assert_eq!(parse("rack@nas"), of("rack", "nas", 3_493));
        assert_eq!(parse("rack@nas:99"), of("rack", "nas", 99));
        assert_eq!(parse("rack"), of("rack", "127.0.0.1", 3_493));
        assert_eq!(parse("rack@[::1]:99"), of("rack", "::1", 99));
        assert_eq!(parse("rack@::1"), of("rack", "::1", 3_493));
        for wrong in ["", "@nas", "rack@", "ra ck@nas", "rack@nas:x", "rack@nas:0", "ra\nck"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_power_cut_is_followed_to_its_end() {
        use Severity::{Green, Red, Unknown, Yellow};
        let upsd = Upsd::start().await;
        let settings = Settings {
            ups: "rack".into(),
            host: "127.0.0.1".into(),
            port: upsd.port(),
            least: Span::mins(5),
            charge: 50.0,
        };
        let mut probe = Ups::new(settings, "mini:check:rack".parse().unwrap(), Span::secs(5));
        for (status, charge, runtime, want) in [
            ("OL CHRG", "98", "1800", (Green, "ok")),
            ("OB DISCHRG", "90", "1500", (Yellow, "battery")),
            ("OB DISCHRG", "90", "299", (Red, "battery")),
            ("OB DISCHRG", "49", "600", (Red, "battery")),
            ("OB LB DISCHRG", "9", "60", (Red, "low")),
            ("FSD OB LB", "4", "30", (Red, "low")),
            ("OL RB", "100", "900", (Yellow, "replace")),
            ("OL OVER", "100", "900", (Yellow, "overload")),
            ("OL ALARM", "100", "900", (Yellow, "alarm")),
            ("WAIT", "100", "900", (Unknown, "status")),
        ] {
            upsd.set(
                "rack",
                &[("ups.status", status), ("battery.charge", charge), ("battery.runtime", runtime)],
            );
            let got = probe.look(&NoPast, Millis(1)).await.remove(0);
            assert_eq!((got.severity, got.reason.as_str()), want, "{status}");
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
        upsd.unplug("rack");
        let got = probe.look(&NoPast, Millis(1)).await.remove(0);
        assert_eq!((got.severity, got.reason.as_str()), (Unknown, "stale"));
    }
}
