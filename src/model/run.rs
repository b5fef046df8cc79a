//! The state machine of a run: the resumable unit that carries one plan to its ending.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::plan::{Ending, Plan, Verify};
use crate::model::time::Millis;
use crate::model::tool::ActionResult;

/// Where a run stands; each state carries exactly what is true in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RunState {
    /// Low steps run, values are bound. After a restart this starts over.
    Inquiring {
        round: u32,
    },
    /// Resolved; waits for a human until then.
    Waiting {
        plan: Plan,
        until: Millis,
    },
    /// `step` is the index of the step to dispatch or in flight.
    Acting {
        plan: Plan,
        step: usize,
    },
    Verifying {
        plan: Plan,
        /// How many steps are done.
        done: usize,
        sure: Sure,
        green_since: Option<Millis>,
        until: Millis,
    },
    Ended(Ending),
}

/// Whether all of a run's actions are known to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    Yes,
    /// One action is `unknown`; the probe may settle it.
    No,
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The inquiry left a plan, and the gate asks.
    Asked { plan: Plan, until: Millis },
    /// The inquiry left a plan, and the gate allows; or a human approved the waiting one.
    Allowed { plan: Plan },
    /// The step that was dispatched ended.
    StepEnded(ActionResult),
    /// After a restart a dispatch has no close.
    FoundOpenDispatch,
    /// The probe that fired was looked at.
    Looked { green: Green },
    /// Another round is wanted: an answer gave new values.
    AskAgain,
    /// It ends: denied, expired, held, forbidden, nothing to do, escalated.
    End(Ending),
}

/// What a look during verification showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Green {
    Yes,
    No,
}

/// An event that the state does not take: a defect in the caller, never in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllegalTransition {
    pub from: &'static str,
    pub event: &'static str,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen while {:?}", self.event, self.from)
    }
}

impl std::error::Error for IllegalTransition {}

impl RunState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Inquiring { .. } => "inquiring",
            Self::Waiting { .. } => "waiting",
            Self::Acting { .. } => "acting",
            Self::Verifying { .. } => "verifying",
            Self::Ended(_) => "ended",
        }
    }

    /// The plan, where there is one.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Waiting { plan, .. }
            | Self::Acting { plan, .. }
            | Self::Verifying { plan, .. } => Some(plan),
            Self::Inquiring { .. } | Self::Ended(_) => None,
        }
    }

    /// The only way from one state to the next.
    pub fn next(self, event: RunEvent, now: Millis) -> Result<Self, IllegalTransition> {
        let illegal = IllegalTransition { from: self.word(), event: event.word() };
        match (self, event) {
            (Self::Ended(_), _) => Err(illegal),
            (_, RunEvent::End(ending)) => Ok(Self::Ended(ending)),
            (Self::Inquiring { .. }, RunEvent::Asked { plan, until }) => {
                Ok(Self::Waiting { plan, until })
            }
            (Self::Inquiring { .. } | Self::Waiting { .. }, RunEvent::Allowed { plan }) => {
                Ok(Self::Acting { plan, step: 0 })
            }
            // Somebody came to the host before the next step: the question is about what is left.
            (Self::Acting { .. }, RunEvent::Asked { plan, until }) => {
                Ok(Self::Waiting { plan, until })
            }
            (Self::Waiting { plan, .. }, RunEvent::AskAgain) => {
                Ok(Self::Inquiring { round: plan.round + 1 })
            }
            (Self::Acting { plan, step }, RunEvent::StepEnded(result)) => {
                Ok(after_step(plan, step, &result, now))
            }
            (Self::Acting { plan, step }, RunEvent::FoundOpenDispatch) => {
                Ok(Self::verifying(plan, step, Sure::No, now))
            }
            (
                Self::Verifying { plan, done, sure, green_since, until },
                RunEvent::Looked { green },
            ) => {
                Ok(after_look(Self::Verifying { plan, done, sure, green_since, until }, green, now))
            }
            (
                Self::Inquiring { .. }
                | Self::Waiting { .. }
                | Self::Acting { .. }
                | Self::Verifying { .. },
                RunEvent::Asked { .. }
                | RunEvent::Allowed { .. }
                | RunEvent::StepEnded(_)
                | RunEvent::FoundOpenDispatch
                | RunEvent::Looked { .. }
                | RunEvent::AskAgain,
            ) => Err(illegal),
        }
    }

    fn verifying(plan: Plan, done: usize, sure: Sure, now: Millis) -> Self {
        let until = match &plan.verify {
            Verify::Probe { within, .. } | Verify::Query { within, .. } => now + *within,
            Verify::Not(_) => now,
        };
        Self::Verifying { plan, done, sure, green_since: None, until }
    }
}

fn after_step(plan: Plan, step: usize, result: &ActionResult, now: Millis) -> RunState {
    let name = plan.steps.get(step).map_or_else(String::new, |s| s.name.to_string());
    match result {
        ActionResult::Done(_) if step + 1 < plan.steps.len() => {
            RunState::Acting { plan, step: step + 1 }
        }
        ActionResult::Done(_) => RunState::verifying(plan, step + 1, Sure::Yes, now),
        // Nobody knows whether it happened: no further step, but the probe may show it.
        ActionResult::Unknown(_) => RunState::verifying(plan, step, Sure::No, now),
        ActionResult::NotStarted(why) | ActionResult::Failed(why) => {
            RunState::Ended(Ending::NotFixed(format!("step {name} {}: {why}", result.word())))
        }
    }
}

fn after_look(state: RunState, green: Green, now: Millis) -> RunState {
    let RunState::Verifying { plan, done, sure, green_since, until } = state else { return state };
    let (stays, by_probe) = match &plan.verify {
        Verify::Probe { stays, .. } => (*stays, "the probe that fired is green"),
        Verify::Query { stays, .. } => (*stays, "the runbook's query says so"),
        Verify::Not(why) => return RunState::Ended(Ending::NotVerified(why.clone())),
    };
    match green {
        Green::Yes => {
            let since = green_since.unwrap_or(now);
            if stays <= now.since(since) {
                return RunState::Ended(Ending::Fixed(by_probe.into()));
            }
            RunState::Verifying { plan, done, sure, green_since: Some(since), until }
        }
        Green::No if until <= now => RunState::Ended(Ending::NotFixed(match &plan.verify {
            Verify::Probe { .. } => "the probe that fired did not turn green in time".into(),
            Verify::Query { call, value, is, .. } => {
                format!("{} did not say {value} = {is} in time", call.tool)
            }
            Verify::Not(why) => why.clone(),
        })),
        Green::No => RunState::Verifying { plan, done, sure, green_since: None, until },
    }
}

impl RunEvent {
    fn word(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Allowed { .. } => "allowed",
            Self::StepEnded(_) => "step ended",
            Self::FoundOpenDispatch => "found an open dispatch",
            Self::Looked { .. } => "looked",
            Self::AskAgain => "ask again",
            Self::End(_) => "end",
        }
    }
}
