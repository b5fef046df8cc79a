//! What ends an investigation early, and the words for it.

use std::fmt;

use crate::model::time::Span;

/// The bounds of one investigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentBounds {
    /// Replies of the model.
    pub turns: u32,
    /// Tokens in and out, over the whole incident.
    pub tokens: u64,
    /// Millionths of the budget's currency.
    pub micros: i64,
    /// From the first request to the conclusion, tools included.
    pub time: Span,
    /// What one reply is taken to have at the most, in tokens; a longer one is counted as it was.
    pub reply: u64,
    /// The same call with the same arguments this often ends it.
    pub same_call: u32,
}

impl Default for AgentBounds {
    fn default() -> Self {
        Self {
            turns: 8,
            tokens: 30_000,
            micros: 1_000_000,
            time: Span::mins(2),
            reply: 1_500,
            same_call: 3,
        }
    }
}

/// Why there is no conclusion. Whatever it is, the runbook goes on without the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoConclusion {
    ModelDown(String),
    /// Its service refuses what it is asked, and will go on so: a wrong key, a name that it does not have.
    Refused(String),
    Slow,
    Malformed(String),
    OverBudget(String),
    TooManyTurns,
    Repeated,
}

impl NoConclusion {
    /// One word for the audit record.
    pub fn word(&self) -> &'static str {
        match self {
            Self::ModelDown(_) => "down",
            Self::Refused(_) => "refused",
            Self::Slow => "slow",
            Self::Malformed(_) => "malformed",
            Self::OverBudget(_) => "over budget",
            Self::TooManyTurns => "too many turns",
            Self::Repeated => "repeated",
        }
    }
}

impl fmt::Display for NoConclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ModelDown(why) => write!(f, "the model is down: {why}"),
            Self::Refused(why) => write!(f, "the model's service refuses: {why}"),
            Self::Slow => f.write_str("the investigation ran out of time"),
            Self::Malformed(why) => write!(f, "the model's answer was malformed: {why}"),
            Self::OverBudget(why) => write!(f, "the model's budget is spent: {why}"),
            Self::TooManyTurns => f.write_str("the model did not conclude within its turns"),
            Self::Repeated => f.write_str("the model made the same call again and again"),
        }
    }
}
