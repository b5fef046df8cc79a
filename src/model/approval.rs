//! Questions to the human.

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::ids::{ApprovalId, IncidentId, RunId};
use crate::model::plan::Plan;
use crate::model::time::Millis;
use crate::model::tool::Tier;

/// One thing that a human may pick. Picking it approves exactly that plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What it says: `compress what is older than 30 days`.
    pub say: String,
    /// `None`: nothing is done ("I will handle it").
    pub plan: Option<Plan>,
    pub digest: Option<Digest>,
}

/// A question with its choices; with one choice it is a plain yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub run: RunId,
    pub incident: Option<IncidentId>,
    pub question: String,
    pub choices: Vec<Choice>,
    /// The highest tier among the choices: critical ones are never one tap.
    pub tier: Tier,
    pub asked_at: Millis,
    pub expires_at: Millis,
    pub state: ApprovalState,
}

/// What became of a question. Silence means no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ApprovalState {
    Pending,
    /// `choice` is the index of the choice; not yet used.
    Approved {
        choice: usize,
        by: String,
        at: Millis,
    },
    Denied {
        by: String,
        at: Millis,
    },
    Expired {
        at: Millis,
    },
    /// Void: the world changed, the config was reloaded, the incident ended.
    Void {
        why: String,
        at: Millis,
    },
    /// Its plan was dispatched; an approval is good for one run of it.
    Used {
        at: Millis,
    },
}

impl ApprovalState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Expired { .. } => "expired",
            Self::Void { .. } => "void",
            Self::Used { .. } => "used",
        }
    }
}
