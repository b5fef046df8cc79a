//! What is remembered of a signal beyond a row of looks: how often it was bad of late, how often it fell back, and
//! whether it stands still because somebody wanted it so.

use serde::{Deserialize, Serialize};

use crate::model::reading::{Intent, Reading};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::triage::{Beside, Change, Clearing, Often, OutOf, SignalState, Tuning};

/// The longest that a flapping signal must stay green before its incident is over.
pub const LONGEST_DELAY: Span = Span::hours(1);
/// Who was an incident within this before falls back; after it a signal starts over.
const FALLS_BACK_WITHIN: Span = Span::hours(1);

/// A signal with its memory. This is what the store keeps of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    #[serde(flatten)]
    pub state: SignalState,
    #[serde(default)]
    pub memory: Memory,
}

/// Beyond the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The last looks that could see, the newest the lowest bit: set where it was yellow or red.
    bad: u64,
    /// The same, set where it was red.
    red: u64,
    /// How often it went bad again during its incident, or soon after one: each doubles the clearing delay.
    pub falls: u32,
    /// The first of the green looks in a row.
    green_from: Option<Millis>,
    /// When its last incident ended.
    ended_at: Option<Millis>,
    /// Since when it stands still on purpose.
    pub stopped_at: Option<Millis>,
}

impl Track {
    /// Takes one look, as [`SignalState::look`] does, and remembers it.
    ///
    /// - `often` of the last looks fire as a row does.
    /// - One that goes bad again while its incident is open, or within an hour of the last one, flaps: from then on it
    ///   must stay green for twice as long each time, an hour at the most, so that it stays one incident.
    /// - A stop that was intended ends an incident at once.
    pub fn look(self, reading: &Reading, tuning: &Tuning, now: Millis) -> (Self, Option<Change>) {
        if reading.intent == Intent::Deliberate {
            return self.stopped(now);
        }
        let Self { state, mut memory } = self;
        let returned = memory.stopped_at.take().is_some() && reading.severity == Severity::Green;
        let was_open = state.is_open();
        memory.take(reading, was_open, tuning, now);
        let beside = Beside { often: memory.often(tuning), clearing: memory.clearing(tuning, now) };
        let (state, change) = state.look_beside(reading, tuning, beside, now);
        match change {
            Some(Change::Opened { .. }) => memory.opened(tuning, now),
            Some(Change::Resolved) => {
                // Its looks are used up: one bad look soon after is not the fourth of ten.
                memory.bad = 0;
                memory.red = 0;
                memory.ended_at = Some(now);
            }
            Some(
                Change::Noted
                | Change::Worsened
                | Change::Eased
                | Change::Blind { .. }
                | Change::Stopped
                | Change::Returned,
            )
            | None => {}
        }
        let change = change.or_else(|| returned.then_some(Change::Returned));
        (Self { state, memory }, change)
    }

    /// Nobody starts again what a human stopped: whatever was counted is moot.
    fn stopped(self, now: Millis) -> (Self, Option<Change>) {
        let Self { state, memory } = self;
        let first = memory.stopped_at.is_none();
        // Seen like this from the beginning, it is no event.
        let told = first && (state != SignalState::New);
        let memory = Memory {
            stopped_at: memory.stopped_at.or(Some(now)),
            ended_at: if state.is_open() { Some(now) } else { memory.ended_at },
            ..Memory::default()
        };
        let change = told.then_some(Change::Stopped);
        (Self { state: SignalState::Green { green_at: now }, memory }, change)
    }

    /// Nothing that a restart would have to know: green, and nothing remembered.
    pub fn is_plain(&self) -> bool {
        let Memory { bad, red, falls, stopped_at, ended_at, green_from: _ } = self.memory;
        matches!(self.state, SignalState::Green { .. } | SignalState::New)
            && (bad, red, falls, stopped_at, ended_at) == (0, 0, 0, None, None)
    }
}

impl Memory {
    fn take(&mut self, reading: &Reading, was_open: bool, tuning: &Tuning, now: Millis) {
        if reading.severity == Severity::Unknown {
            // What cannot be seen is no green that lasts, and no fall.
            self.green_from = None;
            return;
        }
        let kept = tuning.often.map_or(0, OutOf::mask);
        let bad = u64::from(reading.severity != Severity::Green);
        let red = u64::from(reading.severity == Severity::Red);
        self.bad = (self.bad << 1 | bad) & kept;
        self.red = (self.red << 1 | red) & kept;
        if reading.clears.max(reading.severity) == Severity::Green {
            self.green_from = self.green_from.or(Some(now));
        } else {
            if was_open && self.green_from.is_some() {
                self.falls = self.falls.saturating_add(1);
            }
            self.green_from = None;
        }
        let over = self.ended_at.is_some_and(|at| FALLS_BACK_WITHIN < now.since(at));
        if !was_open && over && self.bad == 0 {
            self.falls = 0;
            self.ended_at = None;
        }
    }

    fn often(&self, tuning: &Tuning) -> Often {
        match tuning.often {
            Some(often) if often.reached(self.red) => Often::Red,
            Some(often) if often.reached(self.bad) => Often::Bad,
            Some(_) | None => Often::No,
        }
    }

    fn opened(&mut self, tuning: &Tuning, now: Millis) {
        let soon = self.ended_at.is_some_and(|at| now.since(at) <= FALLS_BACK_WITHIN);
        self.falls = if soon { self.falls.saturating_add(1) } else { 0 };
        // One that fired without a row has fallen back before it was an incident.
        let row = self.bad.trailing_ones();
        if row < tuning.fire_after.max(1) {
            self.falls = self.falls.max(self.bad.count_ones().saturating_sub(row).min(3));
        }
    }

    /// How long it must be green before its incident is over, beyond its looks in a row.
    fn delay(&self, tuning: &Tuning) -> Span {
        if self.falls == 0 {
            return Span(0);
        }
        let usual = tuning.every.0.max(1).saturating_mul(i64::from(tuning.clear_after.max(1)));
        Span(usual.saturating_mul(1 << self.falls.min(20))).min(LONGEST_DELAY)
    }

    fn clearing(&self, tuning: &Tuning, now: Millis) -> Clearing {
        let green_for = self.green_from.map_or(Span(0), |from| now.since(from));
        match green_for < self.delay(tuning) {
            true => Clearing::NotYet,
            false => Clearing::Free,
        }
    }
}

#[cfg(test)]
mod tests;
