//! What the agent may end in.

use serde::{Deserialize, Serialize};

use crate::model::ids::StepName;
use crate::model::taint::Tainted;
use crate::model::tool::Call;

/// The four conclusions. A model names steps and values that code already holds; it writes no argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "conclusion")]
pub enum Conclusion {
    /// Run these steps of the matched runbook, under its leash.
    Steps { steps: Vec<StepName>, why: Tainted },
    /// A plan of registry tools; previewed and judged by code, always at least asks.
    Propose { calls: Vec<Call>, why: Tainted },
    /// A question with options that the human answers.
    Ask { question: Tainted, options: Vec<Tainted> },
    /// Over to the human.
    Escalate { why: Tainted },
}

impl Conclusion {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Steps { .. } => "steps",
            Self::Propose { .. } => "propose",
            Self::Ask { .. } => "ask",
            Self::Escalate { .. } => "escalate",
        }
    }
}
