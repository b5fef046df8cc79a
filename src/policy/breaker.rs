//! The breaker: stops what keeps failing. A fold over past actions, so a restart refills nothing.

use crate::model::ids::{RunId, ToolName};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::policy::fact::ActionFact;

/// Which actions a breaker looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// All of them.
    All,
    /// One tool on one target.
    One { tool: ToolName, target: Target },
}

/// When a breaker trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many failures within `within` pause for `pause`.
    pub failures: u32,
    pub within: Span,
    pub pause: Span,
    /// So many failures in a row wait for a human.
    pub in_a_row: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 2, within: Span::mins(10), pause: Span::mins(30), in_a_row: 5 }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    Passing,
    /// Nothing passes before that instant; at it, one may try.
    PausedUntil(Millis),
    /// The pause is over: one run may try. `by` is the run that does.
    TryingOne {
        by: Option<RunId>,
    },
    /// Too many in a row: until a human resets it.
    WaitsForHuman,
}

/// Folds past actions into a breaker's state. `resets` are the instants at which a human reset it.
pub fn state(
    facts: &[ActionFact],
    key: &Key,
    rules: &BreakerRules,
    resets: &[Millis],
    now: Millis,
) -> Breaker {
    let _ = (facts, key, rules, resets, now);
    todo!()
}

impl Breaker {
    /// For people: `passing`, `paused until 03:20`, `trying one`, `waits for you`. `clock` prints an
    /// instant in the operator's zone.
    pub fn words(&self, clock: impl Fn(Millis) -> String) -> String {
        match self {
            Self::Passing => "passing".into(),
            Self::PausedUntil(until) => format!("paused until {}", clock(*until)),
            Self::TryingOne { .. } => "trying one".into(),
            Self::WaitsForHuman => "waits for you".into(),
        }
    }
}
