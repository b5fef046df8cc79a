//! The signals that come and go with containers: what was removed is over, what cannot be seen is unknown.

use std::collections::BTreeMap;

use crate::model::fact::NoFact;
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::probe::spoken::missing;

/// Looks for which a removed thing is still spoken of, as green: enough to end an incident about it.
const FAREWELL: u32 = 5;
/// More signals than this are not kept in mind.
const MOST: usize = 1_000;

/// The signals that were spoken of, and for how many looks they have been gone.
#[derive(Debug, Default)]
pub(super) struct Told {
    signals: BTreeMap<Signal, u32>,
}

impl Told {
    /// Whether nothing was ever spoken of: then what is not there is nothing to speak of.
    pub(super) fn is_empty(&self) -> bool {
        self.signals.is_empty()
    }

    /// What a former life spoke of: the first look that can see does not find it any more, or tells it.
    pub(super) fn recall(&mut self, before: &[Signal]) {
        for signal in before {
            if self.signals.len() < MOST {
                self.signals.entry(signal.clone()).or_insert(0);
            }
        }
    }

    /// Adds that what is no longer there was removed: somebody did that, so it is no fault.
    pub(super) fn complete(&mut self, mut readings: Vec<Reading>, now: Millis) -> Vec<Reading> {
        for gone in self.signals.values_mut() {
            *gone = gone.saturating_add(1);
        }
        for reading in &readings {
            if self.signals.len() < MOST || self.signals.contains_key(&reading.signal) {
                self.signals.insert(reading.signal.clone(), 0);
            }
        }
        self.signals.retain(|_, gone| *gone <= FAREWELL);
        for (signal, _) in self.signals.iter().filter(|(_, gone)| 0 < **gone) {
            let words = "was removed";
            readings.push(Reading::new(
                signal.clone(),
                now,
                Severity::Green,
                Word::of("ok"),
                words,
            ));
        }
        readings
    }

    /// Everything that was spoken of cannot be seen now, which the engine explains.
    pub(super) fn blind(&self, engine: &Signal, now: Millis, why: Option<&NoFact>) -> Vec<Reading> {
        let there = self.signals.iter().filter(|(_, gone)| **gone == 0);
        let unknown = |(signal, _): (&Signal, &u32)| Reading {
            parent: (signal != engine).then(|| engine.clone()),
            ..missing(signal.clone(), now, why)
        };
        there.map(unknown).collect()
    }
}
