//! `errors`: error lines of a log in the last hour against what that log usually has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::fact::{Fact, FactValue, Facts, Lines};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::policy::threshold::Judged;
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::spoken::{Numbered, missing, number};
use crate::probe::{HostProbe, How, Past};

/// Over how long errors are counted.
const WINDOW: Span = Span::hours(1);

/// Looks that are kept apart; older ones are added together.
const MOST: usize = 240;

/// Which log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// The journal's entries of priority err and worse.
    Journal,
    /// A file's lines that tell of an error.
    File(AbsPath),
}

/// What is a spike.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub log: Log,
    /// So many errors in an hour at least ...
    pub least: u64,
    /// ... that are also this many times the usual.
    pub times: f64,
}

impl Settings {
    pub fn new(log: Log) -> Self {
        Self { log, least: 10, times: 3.0 }
    }
}

/// Reads `errors.NAME = "/var/log/app.log"` or `"journal"`, and the table form.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.host();
    let common = ask.common(Common::with(Span::mins(1), Span::secs(20)), &host);
    let log: Option<String> = ask.main("log");
    let target = ask.target(&host, Thing::Log);
    let (least, times) = (ask.or("least", 10), ask.or("times", 3.0));
    if !(1.0 <= times && times.is_finite()) {
        ask.mistake("times", "must be 1 or more");
    }
    let (Some(log), Some(target)) = (log, target) else { return Vec::new() };
    let log = match (log.as_str(), AbsPath::new(&log)) {
        ("journal", _) => Log::Journal,
        (_, Ok(path)) => Log::File(path),
        (_, Err(bad)) => {
            ask.mistake("log", format!("{}; write \"journal\" or a file", bad.why));
            return Vec::new();
        }
    };
    let probe = ErrorsProbe::new(Settings { log, least, times }, target);
    vec![draft(&common, format!("errors.{}", ask.name), host, probe, Named::Yes)]
}

/// The journal of a host, which needs no line of config.
pub fn of_host(host: &HostName) -> Option<Draft> {
    let target = Target::new(host.clone(), Thing::Log, "journal").ok()?;
    let probe = ErrorsProbe::new(Settings::new(Log::Journal), target);
    let common = Common::with(Span::mins(1), Span::secs(20));
    Some(draft(&common, "errors.journal".into(), host.clone(), probe, Named::Implied))
}

fn draft(common: &Common, name: String, host: HostName, probe: ErrorsProbe, named: Named) -> Draft {
    let (main, parent) = (probe.signal(), common.parent.clone());
    let probe = common.probe(Word::of("errors"), name, host, How::Host(Box::new(probe)));
    Draft { probe, main, parent, endpoint: None, named }
}

/// What a reading has, for runbooks. `template` is there when there was an error in the last hour.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "log", kind: Kind::Target, doc: "the log" },
        Gives {
            name: "template",
            kind: Kind::Text,
            doc: "the most frequent error of the last hour",
        },
        Gives { name: "count", kind: Kind::Int, doc: "errors in the last hour" },
        Gives { name: "baseline", kind: Kind::Int, doc: "errors that are usual in an hour" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct ErrorsProbe {
    settings: Settings,
    target: Target,
    /// The looks of the last hour.
    looks: VecDeque<Look>,
}

#[derive(Debug)]
struct Look {
    at: Millis,
    errors: u64,
    templates: Vec<(Tainted, u64)>,
}

impl ErrorsProbe {
    /// `target` is the log's own, by its name in the config.
    pub fn new(settings: Settings, target: Target) -> Self {
        Self { settings, target, looks: VecDeque::new() }
    }

    pub fn signal(&self) -> Signal {
        let (probe, aspect) = (Word::of("errors"), Word::of("rate"));
        Signal { probe, target: self.target.clone(), aspect }
    }

    fn fact(&self) -> Fact {
        match &self.settings.log {
            Log::Journal => Fact::JournalErrors,
            Log::File(path) => Fact::FileLines(path.clone()),
        }
    }

    fn note(&mut self, lines: &Lines, now: Millis) {
        // A clock that jumped back must not keep old errors for ever.
        self.looks.retain(|look| look.at <= now && now.since(look.at) < WINDOW);
        if lines.errors == 0 {
            return;
        }
        let templates = lines.templates.clone();
        let look = Look { at: now, errors: lines.errors, templates };
        if MOST <= self.looks.len()
            && let (Some(oldest), Some(next)) = (self.looks.pop_front(), self.looks.front_mut())
        {
            next.errors = next.errors.saturating_add(oldest.errors);
        }
        self.looks.push_back(look);
    }

    /// The most frequent template of the last hour.
    fn template(&self) -> Option<&Tainted> {
        let mut sums: BTreeMap<&Tainted, u64> = BTreeMap::new();
        for (template, n) in self.looks.iter().flat_map(|look| &look.templates) {
            *sums.entry(template).or_default() += n;
        }
        sums.into_iter().max_by_key(|(_, n)| *n).map(|(template, _)| template)
    }

    fn judged(&self, usual: Option<f64>) -> Numbered {
        let count: u64 = self.looks.iter().map(|look| look.errors).sum();
        let Settings { least, times, .. } = self.settings;
        // Without any past nothing can be said to be unusual; the count itself is seen.
        let beyond = |slack: f64| {
            usual.is_some_and(|usual| least <= count && usual * times * slack <= number(count))
        };
        let severity = |is: bool| if is { Severity::Yellow } else { Severity::Green };
        let severity = Judged { severity: severity(beyond(1.0)), clears: severity(beyond(0.7)) };
        let usual_words = match usual {
            Some(usual) => format!("usually {usual:.0}"),
            None => "what is usual is not known yet".to_owned(),
        };
        let mut values = Values::from([
            ("log".to_owned(), Value::Target(self.target.clone())),
            ("count".to_owned(), int(number(count))),
            ("baseline".to_owned(), int(usual.unwrap_or(0.0))),
        ]);
        let mut words = format!("{count} errors in the last hour, {usual_words}");
        if let Some(template) = self.template() {
            words.push_str(&format!("; mostly: {}", template.first_line()));
            values.insert("template".to_owned(), Value::Text(template.clone()));
        }
        let value = number(count);
        Numbered { judged: severity, reason: "spike", value, unit: Unit::Count, words, values }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts here stay far below 2^53")]
fn int(n: f64) -> Value {
    Value::Int(n.round() as i64)
}

impl HostProbe for ErrorsProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([self.fact()])
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = self.signal();
        vec![match facts.get(&self.fact()) {
            Some(Ok(FactValue::Lines(lines))) => {
                self.note(lines, now);
                let usual = past.same_hour(&signal, now).or_else(|| past.median(&signal, now));
                self.judged(usual).reading(signal, now)
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

    struct Usual(f64);
    impl Past for Usual {
        fn same_hour(&self, _: &Signal, _: Millis) -> Option<f64> {
            None
        }
        fn median(&self, _: &Signal, _: Millis) -> Option<f64> {
            Some(self.0)
        }
        fn growth_per_day(&self, _: &Signal, _: Millis) -> Option<f64> {
            None
        }
    }

    fn probe() -> ErrorsProbe {
        ErrorsProbe::new(Settings::new(Log::Journal), "mini:log:journal".parse().unwrap())
    }

    fn look(probe: &mut ErrorsProbe, mins: i64, errors: u64, past: &dyn Past) -> Reading {
        let lines = Lines {
            errors,
            templates: vec![(Tainted::new("cannot reach <ip>"), errors)],
            over: Span::mins(1),
        };
        let facts = Facts::from([(Fact::JournalErrors, Ok(FactValue::Lines(lines)))]);
        probe.judge(&facts, past, Millis(0) + Span::mins(mins)).remove(0)
    }

    #[test]
    fn a_spike_is_ten_errors_and_three_times_the_usual() {
        use Severity::{Green, Yellow};
        for (errors, usual, want) in [
            (9, 0.0, (Green, Green)),
            (10, 0.0, (Yellow, Yellow)),
            (29, 10.0, (Green, Yellow)),
            (30, 10.0, (Yellow, Yellow)),
            (20, 10.0, (Green, Green)),
            (0, 0.0, (Green, Green)),
        ] {
            let got = look(&mut probe(), 0, errors, &Usual(usual));
            assert_eq!((got.severity, got.clears), want, "{errors} {usual}");
        }
        assert_eq!(look(&mut probe(), 0, 5_000, &NoPast).severity, Green);
    }

    #[test]
    fn errors_add_up_over_an_hour_and_no_longer() {
        let mut probe = probe();
        for minute in 0..9 {
            assert_eq!(look(&mut probe, minute, 1, &Usual(1.0)).severity, Severity::Green);
        }
        let spike = look(&mut probe, 9, 1, &Usual(1.0));
        assert_eq!(
            (spike.severity, spike.reason.as_str(), spike.value),
            (Severity::Yellow, "spike", Some(10.0))
        );
        assert!(gives().iter().all(|g| spike.values[g.name].fits(&g.kind)));
        assert!(spike.words.as_str().contains("cannot reach <ip>"));
        assert_eq!(look(&mut probe, 200, 0, &Usual(1.0)).value, Some(0.0));
        for second in 0..1_000 {
            look(&mut probe, 201 + second / 100, 1, &Usual(1.0));
        }
        assert!(probe.looks.len() <= MOST);
        assert_eq!(look(&mut probe, 211, 0, &Usual(1.0)).value, Some(1_000.0));
    }

    #[test]
    fn a_log_that_cannot_be_read_is_unknown() {
        let why = NoFact::Failed("may not read the journal".into());
        let facts = Facts::from([(Fact::JournalErrors, Err(why))]);
        let got = probe().judge(&facts, &NoPast, Millis(1)).remove(0);
        assert_eq!(
            (got.severity, got.words.as_str()),
            (Severity::Unknown, "may not read the journal")
        );
    }
}
