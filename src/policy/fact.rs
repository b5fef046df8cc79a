//! Past actions as the folds over the audit log see them.

use crate::model::ids::{ActionId, RunId, ToolName};
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::model::tool::{ActionResult, Tier};

/// How an action ended, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Provably nothing happened.
    NotStarted,
    Failed,
    Unknown,
}

impl From<&ActionResult> for Outcome {
    fn from(result: &ActionResult) -> Self {
        match result {
            ActionResult::Done(_) => Self::Done,
            ActionResult::NotStarted(_) => Self::NotStarted,
            ActionResult::Failed(_) => Self::Failed,
            ActionResult::Unknown(_) => Self::Unknown,
        }
    }
}

impl Outcome {
    /// Reads the word that [`ActionResult::word`] writes into the audit log; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "done" => Some(Self::Done),
            "not started" => Some(Self::NotStarted),
            "failed" => Some(Self::Failed),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// What the verification of an action's run said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It still goes on.
    Pending,
    Passed,
    Failed,
    /// Nothing could prove it: "done but not verified". Neither counts as a failure.
    None,
}

/// One dispatched action, joined from its audit records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionFact {
    pub action: ActionId,
    pub run: RunId,
    pub tool: ToolName,
    pub target: Target,
    pub tier: Tier,
    /// Drills count for nothing.
    pub drill: bool,
    /// When it was dispatched.
    pub at: Millis,
    /// When its outcome, or later its proof, was recorded.
    pub ended_at: Option<Millis>,
    /// `None` while it is in flight.
    pub outcome: Option<Outcome>,
    pub proof: Proof,
}
