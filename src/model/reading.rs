//! What a look gives.

use serde::{Deserialize, Serialize};

use crate::model::ids::Word;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::model::value::{Value, Values};

/// The unit of a reading's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Percent,
    Bytes,
    Millis,
    Seconds,
    Days,
    /// Events a second.
    Rate,
    Count,
    /// A share of 1: load per core.
    Ratio,
}

/// One reading of one signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub signal: Signal,
    pub at: Millis,
    /// Judged at the levels that fire.
    pub severity: Severity,
    /// Judged at the levels that clear, never milder than `severity`: a signal that fired stays until
    /// this is mild again, so that a value on the edge does not flap (hysteresis).
    pub clears: Severity,
    /// Why, in one word that a runbook can match: `bytes`, `oom`, `refused`; `ok` where green.
    pub reason: Word,
    /// The number that was judged, for history and trends.
    pub value: Option<f64>,
    pub unit: Option<Unit>,
    /// One line for people: `86 %, 9 GiB free`.
    pub words: Tainted,
    /// What a runbook may refer to as `reading.NAME`.
    pub values: Values,
    /// Whose red explains this one's, where a look finds that out: the node of a pod. `None` leaves it to
    /// what the config says of the probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Signal>,
    /// Whether a human, or a tool of theirs, wanted it so.
    #[serde(default, skip_serializing_if = "Intent::is_unsaid")]
    pub intent: Intent,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Concern::is_usual")]
    pub concern: Concern,
}

/// Whom a reading is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// Runbooks and a model may answer it.
    #[default]
    Usual,
    /// It may be an intruder's doing: it is for the human alone. Always a page, answered by no runbook, shown to no
    /// model, explained by nothing; its incident is over only once somebody acknowledged it, and until then nothing
    /// happens by itself on its host.
    Security,
}

impl Concern {
    fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
}

/// The name of the value that lists what a security reading tells of, `ITEM = STATE` each: what an acknowledgement
/// accepts.
pub const WHAT: &str = "what";
/// The name of the value that says which host a reading is about, where its target does not.
pub const ABOUT_HOST: &str = "host";

/// Whether what a look saw was meant to be.
///
/// A thing that stands still because somebody stopped it (`docker stop`, `systemctl stop`, a deployment scaled to 0, a
/// VM shut down, a container that its backup tool stopped) is no fault. Its probe gives [`Reading::intended`] for it:
/// green with a note. Triage ends an incident of the signal at once, records the stop and the return as events, and
/// never begins a run: nobody starts again what a human stopped. What ended by itself, with a failure, or in a way that
/// cannot be told from one is not intended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// The look says nothing about it.
    #[default]
    Unsaid,
    /// Stopped by hand or by plan.
    Deliberate,
}

impl Intent {
    fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }
}

impl Reading {
    /// A reading with neither number nor values, judged the same in both directions.
    pub fn new(signal: Signal, at: Millis, severity: Severity, reason: Word, words: &str) -> Self {
        let words = Tainted::bounded(words, 400);
        Self {
            signal,
            at,
            severity,
            clears: severity,
            reason,
            value: None,
            unit: None,
            words,
            values: Values::new(),
            parent: None,
            intent: Intent::Unsaid,
            concern: Concern::Usual,
        }
    }

    /// A thing that stands still because somebody wanted it so: green, with a note. `words` says who or what stopped
    /// it, as far as that is known: `stopped by hand (exit code 0)`. The reason is `intended`.
    pub fn intended(signal: Signal, at: Millis, words: &str) -> Self {
        let reading = Self::new(signal, at, Severity::Green, Word::of("intended"), words);
        Self { intent: Intent::Deliberate, ..reading }
    }

    /// What may be an intruder's doing: red, and for the human alone. `what` are the items that it tells of, with how
    /// each stands.
    pub fn security(
        signal: Signal,
        at: Millis,
        reason: Word,
        words: &str,
        what: &[(String, String)],
    ) -> Self {
        let item = |(item, state): &(String, String)| {
            Value::Text(Tainted::bounded(&format!("{item} = {state}"), 400))
        };
        let values =
            Values::from([(WHAT.to_owned(), Value::List(what.iter().map(item).collect()))]);
        let reading = Self::new(signal, at, Severity::Red, reason, words);
        Self { concern: Concern::Security, values, ..reading }
    }

    /// What a security reading tells of, as it was given.
    pub fn what(&self) -> Vec<(&str, &str)> {
        let Some(Value::List(items)) = self.values.get(WHAT) else { return Vec::new() };
        items
            .iter()
            .filter_map(|value| {
                let Value::Text(text) = value else { return None };
                text.as_str().rsplit_once(" = ")
            })
            .collect()
    }

    /// A probe that could not look. `words` says what to do about it where there is something.
    pub fn unknown(signal: Signal, at: Millis, reason: Word, words: &str) -> Self {
        Self::new(signal, at, Severity::Unknown, reason, words)
    }
}
