//! The state machine of an incident.

use serde::{Deserialize, Serialize};

use crate::model::ids::{HostName, IncidentId, RunId};
use crate::model::reading::{ABOUT_HOST, Concern, Reading};
use crate::model::run::IllegalTransition;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::value::Value;

/// Where an incident stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum IncidentState {
    Open,
    /// Another red explains it: no message, no model call, no action; probed and resolved as ever.
    Explained {
        by: Signal,
    },
    /// Several independent reds, or a pause: nothing above low.
    Held {
        why: String,
    },
    Running {
        run: RunId,
    },
    /// The human has it.
    Escalated {
        why: String,
    },
    Resolved {
        at: Millis,
    },
}

/// How far a hold reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldScope {
    #[default]
    Global,
    /// Only reds of one host hold, and only what is on it.
    Host,
}

/// What can happen to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentEvent {
    Explain {
        by: Signal,
    },
    Hold {
        why: String,
    },
    /// The hold, or what explained it, is gone.
    Release,
    Start {
        run: RunId,
    },
    Escalate {
        why: String,
    },
    /// What nobody knew of its last action, a human told: it may be tried again.
    Settled,
    /// The signal is green again.
    Resolve,
}

/// An incident: one signal that left green for good, from opening to resolve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub signal: Signal,
    pub severity: Severity,
    pub opened_at: Millis,
    /// When it turned red, if it did.
    pub red_at: Option<Millis>,
    pub state: IncidentState,
    /// The reading that opened or last worsened it.
    pub reading: Reading,
    /// Set when a human said: I know.
    pub acknowledged_at: Option<Millis>,
    /// Whether a message announced it: only then a resolved one follows.
    pub announced: Announced,
    /// Whether it belongs to a drill: then it neither counts for the hold nor is held.
    pub drill: bool,
    /// Runs of runbooks so far.
    pub attempts: u32,
    /// How it is to be told.
    #[serde(default)]
    pub care: Care,
}

/// What the config, a silence and a human say about how an incident is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// For how long it may be red before that pages. None: at once.
    pub tolerance: Option<Span>,
    /// Whether it may page in quiet hours.
    pub wakes: bool,
    /// What the human said with an acknowledgement.
    pub note: Option<String>,
    /// Until when the acknowledgement holds. None: until it is resolved.
    pub known_until: Option<Millis>,
    /// The silence that it fired or stood under, in words: it was recorded, and not told.
    pub silenced: Option<String>,
    /// Whether a silence keeps it from being told now.
    pub silent: bool,
    /// When what explained it was over: it has a moment to be over too.
    pub freed_at: Option<Millis>,
    /// Whether its runbook found what it hangs on to be at fault: who was told of it was told of that.
    pub blames_parent: bool,
    /// When what it is about was over, of one that only a human may end.
    pub healed_at: Option<Millis>,
}

impl Incident {
    /// Whether it may be an intruder's doing.
    pub fn is_security(&self) -> bool {
        self.reading.concern == Concern::Security
    }

    /// Whether it is over only once somebody acknowledged it, and nobody has: until then nothing happens by itself on
    /// its host.
    pub fn waits_for_a_human(&self) -> bool {
        self.is_security() && self.acknowledged_at.is_none()
    }

    /// Whether it is about this host.
    pub fn is_about(&self, host: &HostName) -> bool {
        let named = match self.reading.values.get(ABOUT_HOST) {
            Some(Value::Target(target)) => Some(target.on()),
            Some(_) | None => None,
        };
        self.signal.target.on() == host || named == Some(host)
    }

    /// From when on a red of it may page.
    pub fn pages_from(&self) -> Millis {
        let red = self.red_at.unwrap_or(self.opened_at);
        self.care.tolerance.map_or(red, |tolerance| red + tolerance)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announced {
    No,
    Message,
    Page,
}

impl IncidentState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Explained { .. } => "explained",
            Self::Held { .. } => "held",
            Self::Running { .. } => "running",
            Self::Escalated { .. } => "escalated",
            Self::Resolved { .. } => "resolved",
        }
    }

    /// The only way from one state to the next. A resolve is taken from any state but a resolved one:
    /// suppression never stops it.
    pub fn next(self, event: IncidentEvent, now: Millis) -> Result<Self, IllegalTransition> {
        let illegal = IllegalTransition { from: self.word(), event: event.word() };
        match (self, event) {
            (Self::Resolved { .. }, _) => Err(illegal),
            (_, IncidentEvent::Resolve) => Ok(Self::Resolved { at: now }),
            (_, IncidentEvent::Escalate { why }) => Ok(Self::Escalated { why }),
            (
                Self::Open | Self::Held { .. } | Self::Explained { .. } | Self::Escalated { .. },
                IncidentEvent::Explain { by },
            ) => Ok(Self::Explained { by }),
            (Self::Open | Self::Held { .. }, IncidentEvent::Hold { why }) => Ok(Self::Held { why }),
            // A run that ended with attempts left gives the incident back.
            (
                Self::Held { .. } | Self::Explained { .. } | Self::Open | Self::Running { .. },
                IncidentEvent::Release,
            ) => Ok(Self::Open),
            (Self::Escalated { .. }, IncidentEvent::Settled) => Ok(Self::Open),
            (
                Self::Open | Self::Escalated { .. } | Self::Running { .. },
                IncidentEvent::Start { run },
            ) => Ok(Self::Running { run }),
            (
                Self::Open
                | Self::Explained { .. }
                | Self::Held { .. }
                | Self::Running { .. }
                | Self::Escalated { .. },
                IncidentEvent::Explain { .. }
                | IncidentEvent::Hold { .. }
                | IncidentEvent::Release
                | IncidentEvent::Settled
                | IncidentEvent::Start { .. },
            ) => Err(illegal),
        }
    }
}

impl IncidentEvent {
    fn word(&self) -> &'static str {
        match self {
            Self::Explain { .. } => "explain",
            Self::Hold { .. } => "hold",
            Self::Release => "release",
            Self::Start { .. } => "start",
            Self::Escalate { .. } => "escalate",
            Self::Settled => "settled",
            Self::Resolve => "resolve",
        }
    }
}
