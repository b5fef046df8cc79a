//! One signal from look to look: a pure state machine.
//!
//! Counting in a row is [`SignalState`]'s; what a row cannot see (a probe that flaps, a thing that was stopped on
//! purpose) is remembered by [`track::Track`], which the tick loop keeps and the store brings over a restart.

pub mod often;
pub mod track;

use serde::{Deserialize, Serialize};

use crate::model::reading::{Concern, Reading};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
pub use crate::policy::triage::often::{Beside, Clearing, Often, OutOf};

/// How long a signal may be unknown before that counts as yellow.
pub const BLIND_AFTER: Span = Span::hours(1);

/// How patient triage is with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Looks in a row before it counts. Zero is as one.
    pub fire_after: u32,
    /// So many bad looks among the last ones fire too: a probe that goes bad and good in turn never has a row.
    pub often: Option<OutOf>,
    /// Looks in a row before it is over. Zero is as one.
    pub clear_after: u32,
    /// How far apart looks are: what the clearing delay of a flapping signal is counted in.
    pub every: Span,
    /// When the last start (of reef, or of the estate after a power cut) was.
    pub grace_from: Millis,
    /// Until then a signal that has not been green since `grace_from` fires nothing.
    pub grace_until: Millis,
}

impl Default for Tuning {
    /// Three looks in a row or four of ten to fire, two to clear, a minute apart, no grace.
    fn default() -> Self {
        Self {
            fire_after: 3,
            often: OutOf::usual(3),
            clear_after: 2,
            every: Span::mins(1),
            grace_from: Millis(0),
            grace_until: Millis(0),
        }
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
    /// Somebody stopped it on purpose: an incident of it is over, nothing is to be done.
    Stopped,
    /// What was stopped on purpose runs again.
    Returned,
}

impl Change {
    /// As the log says it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Noted => "a yellow is noted",
            Self::Opened { .. } => "an incident begins",
            Self::Worsened => "the incident went red",
            Self::Eased => "the incident eased to yellow",
            Self::Resolved => "the incident is over",
            Self::Blind { .. } => "nobody could look for over an hour: an incident begins",
            Self::Stopped => "stopped on purpose",
            Self::Returned => "runs again",
        }
    }
}

/// A look that could see: unknown is dealt with before.
#[derive(Debug, Clone, Copy)]
struct Seen {
    severity: Severity,
    clears: Severity,
    /// Whether firing waits for the end of the grace.
    waits: Waits,
    beside: Beside,
    at: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Yes,
    No,
}

impl SignalState {
    /// Takes one look. `reading` is of this signal; `now` is when it is judged.
    ///
    /// - `fire_after` looks in a row fire, `clear_after` at the clearing levels end it; one green look in
    ///   between starts the count anew.
    /// - A look that could not see neither fires nor clears. It keeps the counts that lead to an
    ///   incident and drops those that lead out of one.
    /// - A yellow that is confirmed is noted; not green at its next look, it is an incident.
    pub fn look(self, reading: &Reading, tuning: &Tuning, now: Millis) -> (Self, Option<Change>) {
        self.look_beside(reading, tuning, Beside::default(), now)
    }

    /// As [`SignalState::look`], with what is known beyond the row:
    /// - often enough bad among the last looks fires as a row does; a yellow is an incident at once then, because it was
    ///   watched for long enough;
    /// - a signal that flaps is not over before its delay is.
    pub fn look_beside(
        self,
        reading: &Reading,
        tuning: &Tuning,
        beside: Beside,
        now: Millis,
    ) -> (Self, Option<Change>) {
        if reading.severity == Severity::Unknown {
            return self.unseen(now);
        }
        let state = if let Self::Unseen { before, .. } = self { *before } else { self };
        let green_in_grace = state.green_at().is_some_and(|at| tuning.grace_from <= at);
        // Whoever comes in does not wait until the services are up.
        let usual = reading.concern == Concern::Usual;
        let waits = match usual && now < tuning.grace_until && !green_in_grace {
            true => Waits::Yes,
            false => Waits::No,
        };
        // A probe whose clearing levels are milder than its firing ones would flap.
        let clears = reading.clears.max(reading.severity);
        let seen = Seen { severity: reading.severity, clears, waits, beside, at: now };
        match state {
            Self::New | Self::Green { .. } | Self::Rising { .. } => state.rise(seen, tuning),
            Self::Noted { .. } => state.watched(seen, tuning),
            Self::Open { severity: Severity::Red, .. } => state.red_look(seen, tuning),
            Self::Open { .. } => state.yellow_look(seen, tuning),
            // Never nested: `unseen` keeps what was before.
            Self::Unseen { .. } => (state, None),
        }
    }

    /// The confirmed severity: what counts for incidents, parents and the status page.
    pub fn severity(&self) -> Severity {
        match self {
            Self::New => Severity::Unknown,
            Self::Green { .. } => Severity::Green,
            Self::Rising { green_at: Some(_), .. } => Severity::Green,
            Self::Rising { green_at: None, .. } => Severity::Unknown,
            Self::Noted { .. } => Severity::Yellow,
            Self::Open { severity, .. } => *severity,
            // An incident stays as it was; what was green is not known to be green.
            Self::Unseen { before, .. } => before.severity().max(Severity::Unknown),
        }
    }

    /// Whether it has an incident, seen or not at the moment.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Unseen { before, .. } => before.is_open(),
            Self::New | Self::Green { .. } | Self::Rising { .. } | Self::Noted { .. } => false,
        }
    }

    /// Bad at its last looks, but not often enough to count yet: what hangs on it waits for the answer.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Rising { .. } | Self::Noted { .. } => true,
            Self::Unseen { before, .. } => before.is_undecided(),
            Self::New | Self::Green { .. } | Self::Open { .. } => false,
        }
    }

    /// Whether nobody can look at it now, or nobody has yet.
    pub fn is_unseen(&self) -> bool {
        matches!(self, Self::Unseen { .. } | Self::New)
    }

    /// When it turned red, while it is.
    pub fn red_at(&self) -> Option<Millis> {
        match self {
            Self::Open { red_at, .. } => *red_at,
            Self::Unseen { before, .. } => before.red_at(),
            Self::New | Self::Green { .. } | Self::Rising { .. } | Self::Noted { .. } => None,
        }
    }

    /// When it was last seen green; of an incident, before it began.
    pub fn green_at(&self) -> Option<Millis> {
        match self {
            Self::New => None,
            Self::Green { green_at } => Some(*green_at),
            Self::Rising { green_at, .. }
            | Self::Noted { green_at, .. }
            | Self::Open { green_at, .. } => *green_at,
            Self::Unseen { before, .. } => before.green_at(),
        }
    }

    /// A look that could not see.
    fn unseen(self, now: Millis) -> (Self, Option<Change>) {
        let (since, before) = match self {
            Self::Unseen { since, before } => (since, before),
            Self::Open { severity, green_at, since, red_at, red, .. } => {
                let open =
                    Self::Open { severity, green_at, since, red_at, red, milder: 0, green: 0 };
                (now, Box::new(open))
            }
            Self::New | Self::Green { .. } | Self::Rising { .. } | Self::Noted { .. } => {
                (now, Box::new(self))
            }
        };
        let open = matches!(*before, Self::Open { .. });
        if open || now.since(since) <= BLIND_AFTER {
            return (Self::Unseen { since, before }, None);
        }
        let open = Self::open(Severity::Yellow, before.green_at(), now);
        (Self::Unseen { since, before: Box::new(open) }, Some(Change::Blind { since }))
    }

    /// Not yet confirmed: counts up to the note or the incident.
    fn rise(self, seen: Seen, tuning: &Tuning) -> (Self, Option<Change>) {
        if seen.severity == Severity::Green {
            return (Self::Green { green_at: seen.at }, None);
        }
        let green_at = self.green_at();
        let (since, bad, red) = if let Self::Rising { since, bad, red, .. } = self {
            (since, bad, red)
        } else {
            (seen.at, 0, 0)
        };
        let bad = bad.saturating_add(1);
        let red = count(red, seen.severity == Severity::Red);
        let enough = tuning.fire_after.max(1);
        if seen.waits == Waits::No && fires_red(red, seen, tuning) {
            let open = Self::open(Severity::Red, green_at, seen.at);
            return (open, Some(Change::Opened { severity: Severity::Red }));
        }
        if seen.waits == Waits::No && enough <= bad {
            return (Self::Noted { green_at, since, red }, Some(Change::Noted));
        }
        if seen.waits == Waits::No && Often::Bad <= seen.beside.often {
            let open = Self::open(Severity::Yellow, green_at, seen.at);
            return (open, Some(Change::Opened { severity: Severity::Yellow }));
        }
        (Self::Rising { green_at, since, bad, red }, None)
    }

    /// The look after the note.
    fn watched(self, seen: Seen, tuning: &Tuning) -> (Self, Option<Change>) {
        let Self::Noted { green_at, since, red } = self else { return (self, None) };
        let red = count(red, seen.severity == Severity::Red);
        match seen.severity {
            Severity::Green if seen.clears == Severity::Green => {
                (Self::Green { green_at: seen.at }, None)
            }
            // Between the levels: neither worse nor over.
            Severity::Green | Severity::Unknown => (Self::Noted { green_at, since, red }, None),
            Severity::Yellow | Severity::Red if fires_red(red, seen, tuning) => {
                let open = Self::open(Severity::Red, green_at, seen.at);
                (open, Some(Change::Opened { severity: Severity::Red }))
            }
            Severity::Yellow | Severity::Red => {
                let open = Self::Open {
                    severity: Severity::Yellow,
                    green_at,
                    since: seen.at,
                    red_at: None,
                    red,
                    milder: 0,
                    green: 0,
                };
                (open, Some(Change::Opened { severity: Severity::Yellow }))
            }
        }
    }

    fn yellow_look(self, seen: Seen, tuning: &Tuning) -> (Self, Option<Change>) {
        let Self::Open { severity, green_at, since, red, green, .. } = self else {
            return (self, None);
        };
        let red = count(red, seen.severity == Severity::Red);
        let green = count(green, seen.clears == Severity::Green);
        if tuning.clear_after.max(1) <= green && seen.beside.clearing == Clearing::Free {
            return (Self::Green { green_at: seen.at }, Some(Change::Resolved));
        }
        if seen.waits == Waits::No && fires_red(red, seen, tuning) {
            let red_at = Some(seen.at);
            let open = Self::Open {
                severity: Severity::Red,
                green_at,
                since,
                red_at,
                red: 0,
                milder: 0,
                green: 0,
            };
            return (open, Some(Change::Worsened));
        }
        (Self::Open { severity, green_at, since, red_at: None, red, milder: 0, green }, None)
    }

    fn red_look(self, seen: Seen, tuning: &Tuning) -> (Self, Option<Change>) {
        let Self::Open { severity, green_at, since, red_at, milder, green, .. } = self else {
            return (self, None);
        };
        let milder = count(milder, seen.clears < Severity::Red);
        let green = count(green, seen.clears == Severity::Green);
        let enough = tuning.clear_after.max(1);
        if enough <= green && seen.beside.clearing == Clearing::Free {
            return (Self::Green { green_at: seen.at }, Some(Change::Resolved));
        }
        // A flapping red stays one: easing and worsening in turn would answer it anew each time.
        if enough <= milder && seen.beside.clearing == Clearing::Free {
            let open = Self::Open {
                severity: Severity::Yellow,
                green_at,
                since,
                red_at: None,
                red: 0,
                milder: 0,
                green,
            };
            return (open, Some(Change::Eased));
        }
        (Self::Open { severity, green_at, since, red_at, red: 0, milder, green }, None)
    }

    fn open(severity: Severity, green_at: Option<Millis>, now: Millis) -> Self {
        let red_at = (severity == Severity::Red).then_some(now);
        Self::Open { severity, green_at, since: now, red_at, red: 0, milder: 0, green: 0 }
    }
}

/// So many reds in a row, or often enough among the last looks, of which this is one.
fn fires_red(in_a_row: u32, seen: Seen, tuning: &Tuning) -> bool {
    let often = seen.severity == Severity::Red && seen.beside.often == Often::Red;
    tuning.fire_after.max(1) <= in_a_row || often
}

/// One more in a row, or none.
fn count(so_far: u32, more: bool) -> u32 {
    if more { so_far.saturating_add(1) } else { 0 }
}

#[cfg(test)]
mod tests;
