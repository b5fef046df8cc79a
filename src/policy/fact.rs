//! Past actions as the folds over the audit log see them.

use crate::model::ids::{ActionId, RunId, ToolName};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
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

/// For so long after its end does an action that is being proven keep its host to itself.
const SETTLES: Span = Span::mins(10);

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

impl ActionFact {
    /// Whether it is under way, or done and being proven.
    pub fn in_flight(&self) -> bool {
        self.outcome.is_none() || self.proof == Proof::Pending
    }

    /// Whether the host is still its own: what a fix breaks shows in its first minutes, and a proof that has to stay for
    /// an hour must not keep every other fix waiting.
    pub fn occupies(&self, now: Millis) -> bool {
        let settling = self.ended_at.is_none_or(|ended| now < ended + SETTLES);
        self.in_flight() && (self.outcome.is_none() || settling)
    }

    /// Whether it counts at all: not a drill's, not a query.
    pub fn counts(&self) -> bool {
        !self.drill && self.tier != Tier::Low
    }
}

#[cfg(test)]
pub(in crate::policy) mod tests {
    use super::*;
    use crate::model::ids::StepName;
    use crate::model::plan::Step;
    use crate::model::target::AbsPath;
    use crate::model::tool::{Bounds, Call, Effect, Repeat, Undo};

    pub(in crate::policy) fn path(text: &str) -> AbsPath {
        AbsPath::new(text).unwrap()
    }

    pub(in crate::policy) fn step(tool: &'static str, target: &str) -> Step {
        let target: Target = target.parse().unwrap();
        let call = Call {
            tool: ToolName::of(tool),
            target: target.clone(),
            args: std::collections::BTreeMap::new(),
            bounds: Bounds::default(),
        };
        Step {
            name: StepName::new("one").unwrap(),
            call,
            tier: Tier::High,
            effect: Effect {
                words: String::new(),
                max_items: 1,
                max_bytes: 1,
                takes: None,
                artifact: None,
            },
            undo: Undo::Impossible("cannot".to_owned()),
            repeat: Repeat::Never,
            lease: vec![target],
            replicas: None,
            holds: None,
        }
    }

    /// A done and proven action of `run` at `at`.
    pub(in crate::policy) fn fact(run: i64, at: Millis) -> ActionFact {
        ActionFact {
            action: ActionId(run),
            run: RunId(run),
            tool: ToolName::of("unit.restart"),
            target: "mini:unit:web.service".parse().unwrap(),
            tier: Tier::High,
            drill: false,
            at,
            ended_at: Some(at),
            outcome: Some(Outcome::Done),
            proof: Proof::Passed,
        }
    }

    #[test]
    fn outcomes_are_read_back_as_results_are_written() {
        for result in [
            ActionResult::Done(String::new()),
            ActionResult::NotStarted(String::new()),
            ActionResult::Failed(String::new()),
            ActionResult::Unknown(String::new()),
        ] {
            assert_eq!(Outcome::parse(result.word()), Some(Outcome::from(&result)));
        }
        assert_eq!(Outcome::parse("fine"), None);
    }
}
