//! What host probes share: numbers as readings, facts that are missing, and signals that come and go.

use std::collections::BTreeSet;

use crate::model::fact::NoFact;
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target};
use crate::model::time::Millis;
use crate::model::value::{Value, Values};
use crate::policy::threshold::Judged;

/// The most signals that one probe keeps in mind; a host with more of one kind tells the rest no more
/// once they are gone.
const MOST: usize = 1_000;

/// A signal of a host itself.
pub fn host_signal(probe: &'static str, host: &HostName, aspect: &'static str) -> Signal {
    Signal { probe: Word::of(probe), target: Target::host(host.clone()), aspect: Word::of(aspect) }
}

/// What one number came to.
#[derive(Debug, Clone)]
pub struct Numbered {
    pub judged: Judged,
    /// Why it is not green; `ok` stands in its place where it is.
    pub reason: &'static str,
    pub value: f64,
    pub unit: Unit,
    pub words: String,
    pub values: Values,
}

impl Numbered {
    pub fn reading(self, signal: Signal, now: Millis) -> Reading {
        let reason = match self.judged.severity {
            Severity::Green => "ok",
            Severity::Unknown | Severity::Yellow | Severity::Red => self.reason,
        };
        let reading =
            Reading::new(signal, now, self.judged.severity, Word::of(reason), &self.words);
        Reading {
            clears: self.judged.clears,
            value: Some(self.value),
            unit: Some(self.unit),
            values: self.values,
            ..reading
        }
    }
}

/// The same severity in both directions.
pub fn flat(severity: Severity) -> Judged {
    Judged { severity, clears: severity }
}

/// A reading whose fact is missing: unknown, and why.
pub fn missing(signal: Signal, now: Millis, why: Option<&NoFact>) -> Reading {
    match why {
        Some(NoFact::Absent(words)) => Reading::unknown(signal, now, Word::of("absent"), words),
        Some(NoFact::Failed(words)) => Reading::unknown(signal, now, Word::of("failed"), words),
        None => {
            Reading::unknown(signal, now, Word::of("failed"), "the collection did not bring it")
        }
    }
}

/// A share in whole percent, as values carry it.
#[expect(clippy::cast_possible_truncation, reason = "clamped to what a share can be")]
pub fn whole(percent: f64) -> Value {
    Value::Int(percent.clamp(0.0, 1_000_000.0).round() as i64)
}

/// `part` of `all` in percent; zero of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
pub fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 }
}

/// A count as a number to judge.
#[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^53")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// The signals that a probe spoke of: it speaks of them again, whatever the collection brought.
#[derive(Debug, Default)]
pub struct Spoken {
    signals: BTreeSet<Signal>,
}

impl Spoken {
    /// Adds what `lost` says of each signal that was spoken of before and is not in `readings`;
    /// `None` forgets it.
    pub fn complete(
        &mut self,
        mut readings: Vec<Reading>,
        lost: impl Fn(&Signal) -> Option<Reading>,
    ) -> Vec<Reading> {
        let told: BTreeSet<Signal> = readings.iter().map(|r| r.signal.clone()).collect();
        let before = std::mem::take(&mut self.signals);
        for signal in before.difference(&told) {
            if let Some(reading) = lost(signal) {
                readings.push(reading);
                self.signals.insert(signal.clone());
            }
        }
        for signal in told {
            if self.signals.len() < MOST {
                self.signals.insert(signal);
            }
        }
        readings
    }

    /// Says of every known signal that it could not be looked at; of `instead` where none is known.
    pub fn blind(&mut self, instead: Signal, now: Millis, why: Option<&NoFact>) -> Vec<Reading> {
        let first = match self.signals.is_empty() {
            true => vec![missing(instead, now, why)],
            false => Vec::new(),
        };
        self.complete(first, |signal| Some(missing(signal.clone(), now, why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(aspect: &'static str) -> Signal {
        host_signal("disk", &HostName::new("mini").unwrap(), aspect)
    }

    fn green(aspect: &'static str) -> Reading {
        Reading::new(signal(aspect), Millis(1), Severity::Green, Word::of("ok"), "")
    }

    #[test]
    fn what_was_spoken_of_is_spoken_of_again() {
        let mut spoken = Spoken::default();
        let why = NoFact::Failed("gone".into());
        let blind = spoken.blind(signal("any"), Millis(1), Some(&why));
        assert_eq!((blind.len(), &blind[0].signal), (1, &signal("any")));
        spoken.complete(vec![green("a"), green("b")], |_| None);
        let again =
            spoken.complete(vec![green("a")], |s| Some(missing(s.clone(), Millis(2), None)));
        assert_eq!(again[1].signal, signal("b"));
        assert_eq!(again[1].severity, Severity::Unknown);
        let blind = spoken.blind(signal("any"), Millis(3), Some(&why));
        assert_eq!(blind.len(), 2);
        assert!(blind.iter().all(|r| r.severity == Severity::Unknown && r.signal != signal("any")));
    }
}
