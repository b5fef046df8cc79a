//! `backup`: the newest file below a path against the schedule that should bring one.

use std::collections::BTreeSet;

use crate::model::fact::{Fact, FactValue, Facts, Newest};
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::spoken::{Numbered, flat, missing};
use crate::probe::{HostProbe, How, Past};

/// No backup may be overdue for longer than this without being red, however rare it is.
const LATEST: Span = Span::hours(48);

/// A file from so far in the future says that a clock is wrong, not that a backup is new.
const FUTURE: Span = Span::hours(26);

/// When a backup is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub path: AbsPath,
    /// How often one is made.
    pub every: Span,
    /// How long one may take.
    pub grace: Span,
}

impl Settings {
    /// A daily backup that may take two hours.
    pub fn new(path: AbsPath) -> Self {
        Self { path, every: Span::hours(24), grace: Span::hours(2) }
    }

    /// The age above which it is yellow: its own schedule and grace were missed.
    pub fn yellow(&self) -> Span {
        Span(self.every.0.saturating_add(self.grace.0))
    }

    /// The age above which it is red: two misses, or 48 hours; where one is due less often than every
    /// 48 hours, that long overdue.
    pub fn red(&self) -> Span {
        let twice = Span(self.yellow().0.saturating_add(self.every.0));
        let latest = match self.every < LATEST {
            true => LATEST,
            false => Span(self.yellow().0.saturating_add(LATEST.0)),
        };
        twice.min(latest).max(self.yellow())
    }
}

/// Reads `backup.NAME = "/srv/backup/photos"` and its table form; `schedule` and `grace` are the
/// backup's, `every` is how often reef looks.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.host();
    let common = ask.common(Common::with(Span::mins(15), Span::secs(60)), &host);
    let path: Option<AbsPath> = ask.main("path");
    let target = ask.target(&host, Thing::Backup);
    let every = ask.at_least("schedule", Span::hours(24), Span::mins(1));
    let grace = ask.or("grace", Span::hours(2));
    let (Some(path), Some(target)) = (path, target) else { return Vec::new() };
    let probe = Backup::new(Settings { path, every, grace }, target);
    let (called, main, parent) =
        (format!("backup.{}", ask.name), probe.signal(), common.parent.clone());
    let probe = common.probe(Word::of("backup"), called, host, How::Host(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// What a reading has, for runbooks. `newest`, `age` and `bytes` are there when there is any file.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "path", kind: Kind::Path, doc: "where backups lie" },
        Gives { name: "newest", kind: Kind::Path, doc: "the newest file" },
        Gives { name: "age", kind: Kind::Span, doc: "its age" },
        Gives { name: "bytes", kind: Kind::Bytes, doc: "its size" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Backup {
    settings: Settings,
    target: Target,
}

impl Backup {
    /// `target` is the backup's own, by its name in the config.
    pub fn new(settings: Settings, target: Target) -> Self {
        Self { settings, target }
    }

    pub fn signal(&self) -> Signal {
        let (probe, aspect) = (Word::of("backup"), Word::of("age"));
        Signal { probe, target: self.target.clone(), aspect }
    }

    fn newest(&self, newest: &Newest, now: Millis) -> Numbered {
        let age = now.since(newest.changed_at);
        let due = format!("due every {}", self.settings.every);
        let size = human_bytes(newest.bytes);
        let (severity, reason, words) = if now + FUTURE < newest.changed_at {
            let words = "the newest file is from the future: a clock is wrong".to_owned();
            (Severity::Unknown, "clock", words)
        } else if self.settings.red() < age {
            (Severity::Red, "late", format!("{age} old, {due}"))
        } else if self.settings.yellow() < age {
            (Severity::Yellow, "late", format!("{age} old, {due}"))
        } else if newest.bytes == 0 {
            (Severity::Yellow, "empty", format!("{age} old, and empty"))
        } else {
            (Severity::Green, "ok", format!("{age} old, {size}, {due}"))
        };
        let values = Values::from([
            ("path".to_owned(), Value::Path(self.settings.path.clone())),
            ("newest".to_owned(), Value::Path(newest.path.clone())),
            ("age".to_owned(), Value::Span(age)),
            ("bytes".to_owned(), Value::Bytes(newest.bytes)),
        ]);
        let (judged, value) = (flat(severity), age.as_secs_f64());
        Numbered { judged, reason, value, unit: Unit::Seconds, words, values }
    }
}

impl HostProbe for Backup {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Newest(self.settings.path.clone())])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = self.signal();
        vec![match facts.get(&Fact::Newest(self.settings.path.clone())) {
            Some(Ok(FactValue::Newest(Some(newest)))) => {
                self.newest(newest, now).reading(signal, now)
            }
            Some(Ok(FactValue::Newest(None))) => {
                let words = format!("no file below {}", self.settings.path);
                let mut none = Reading::new(signal, now, Severity::Red, Word::of("none"), &words);
                none.values.insert("path".into(), Value::Path(self.settings.path.clone()));
                none
            }
            other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::NoFact;
    use crate::probe::past::NoPast;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn settings(every: Span, grace: Span) -> Settings {
        Settings { every, grace, ..Settings::new(AbsPath::new("/backup").unwrap()) }
    }

    fn look(settings: Settings, fact: Option<Result<FactValue, NoFact>>) -> Reading {
        let key = Fact::Newest(settings.path.clone());
        let facts: Facts = fact.into_iter().map(|fact| (key.clone(), fact)).collect();
        let mut probe = Backup::new(settings, "mini:backup:photos".parse().unwrap());
        probe.judge(&facts, &NoPast, NOW).remove(0)
    }

    fn newest(at: Millis, bytes: u64) -> Option<Result<FactValue, NoFact>> {
        let path = AbsPath::new("/backup/a").unwrap();
        Some(Ok(FactValue::Newest(Some(Newest { path, changed_at: at, bytes, files: 1 }))))
    }

    #[test]
    fn a_backup_is_held_against_its_own_schedule() {
        use Severity::{Green, Red, Unknown, Yellow};
        let daily = || settings(Span::hours(24), Span::hours(2));
        let hourly = || settings(Span::hours(1), Span::mins(30));
        let weekly = || settings(Span::days(7), Span::hours(2));
        for (settings, age, want) in [
            (daily(), Span::hours(26), (Green, "ok")),
            (daily(), Span(Span::hours(26).0 + 1), (Yellow, "late")),
            (daily(), Span::hours(48), (Yellow, "late")),
            (daily(), Span(Span::hours(48).0 + 1), (Red, "late")),
            (hourly(), Span::mins(90), (Green, "ok")),
            (hourly(), Span::mins(149), (Yellow, "late")),
            (hourly(), Span::mins(151), (Red, "late")),
            (weekly(), Span::hours(169), (Green, "ok")),
            (weekly(), Span::hours(171), (Yellow, "late")),
            (weekly(), Span::hours(219), (Red, "late")),
            (settings(Span::hours(24), Span::hours(40)), Span::hours(60), (Green, "ok")),
        ] {
            let got = look(settings.clone(), newest(NOW - age, 9));
            assert_eq!((got.severity, got.reason.as_str()), want, "{settings:?} {age}");
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
        let odd = |at, bytes| {
            let got = look(daily(), newest(at, bytes));
            (got.severity, got.reason.as_str().to_owned())
        };
        assert_eq!(odd(NOW, 0), (Yellow, "empty".into()));
        assert_eq!(odd(NOW + Span::days(2), 9), (Unknown, "clock".into()));
    }

    #[test]
    fn no_backup_is_red_and_no_look_is_unknown() {
        let daily = || settings(Span::hours(24), Span::hours(2));
        let none = look(daily(), Some(Ok(FactValue::Newest(None))));
        assert_eq!((none.severity, none.reason.as_str()), (Severity::Red, "none"));
        for fact in [None, Some(Err(NoFact::Failed("no such folder".into())))] {
            assert_eq!(look(daily(), fact).severity, Severity::Unknown);
        }
    }
}
