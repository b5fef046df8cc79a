//! One signal from look to look: a pure state machine.

use serde::{Deserialize, Serialize};

use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};

/// How long a signal may be unknown before that counts as yellow.
pub const BLIND_AFTER: Span = Span::hours(1);

/// How patient triage is with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Looks in a row before it counts. Zero is as one.
    pub fire_after: u32,
    /// Looks in a row before it is over. Zero is as one.
    pub clear_after: u32,
    /// When the last start (of reef, or of the estate after a power cut) was.
    pub grace_from: Millis,
    /// Until then a signal that has not been green since `grace_from` fires nothing.
    pub grace_until: Millis,
}

impl Default for Tuning {
    /// Three looks to fire, two to clear, no grace.
    fn default() -> Self {
        Self { fire_after: 3, clear_after: 2, grace_from: Millis(0), grace_until: Millis(0) }
    }
}

/// Where a signal stands; each state carries exactly what is true in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SignalState {
    /// Never seen green or bad.
    #[default]
    New,
    Green {
        /// When it was last seen green.
        green_at: Millis,
    },
    /// Bad, but not yet often enough.
    Rising {
        green_at: Option<Millis>,
        since: Millis,
        /// Looks in a row that were yellow or red.
        bad: u32,
        /// Looks in a row that were red.
        red: u32,
    },
    /// Confirmed yellow: noted, and watched at its next look.
    Noted { green_at: Option<Millis>, since: Millis, red: u32 },
    /// An incident.
    Open {
        /// Yellow or red.
        severity: Severity,
        green_at: Option<Millis>,
        since: Millis,
        /// When it turned red, while it is.
        red_at: Option<Millis>,
        /// Looks in a row that were red, while it is yellow.
        red: u32,
        /// Looks in a row that were milder than its severity, at the clearing levels.
        milder: u32,
        /// Looks in a row that were green, at the clearing levels.
        green: u32,
    },
    /// Cannot be looked at; what it was before goes on when it can.
    Unseen { since: Millis, before: Box<SignalState> },
}

/// What a look changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The first confirmed yellow: a note, and the next look is watched. No incident yet.
    Noted,
    /// An incident begins.
    Opened { severity: Severity },
    /// The incident went from yellow to red.
    Worsened,
    /// The incident went from red to yellow.
    Eased,
    /// The incident is over.
    Resolved,
    /// Unknown for over an hour: an incident that counts as yellow begins.
    Blind { since: Millis },
}

impl SignalState {
    /// Takes one look. `reading` is of this signal; `now` is when it is judged.
    pub fn look(self, reading: &Reading, tuning: &Tuning, now: Millis) -> (Self, Option<Change>) {
        let _ = (reading, tuning, now);
        todo!()
    }

    /// The confirmed severity: what counts for incidents, parents and the status page.
    pub fn severity(&self) -> Severity {
        todo!()
    }
}
