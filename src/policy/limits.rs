//! How often reef may act: a fold over past actions, so a restart refills nothing.

use crate::model::ids::RunId;
use crate::model::plan::{Step, Verdict};
use crate::model::time::Millis;
use crate::policy::fact::ActionFact;

/// The most actions in an hour. What one run does on one service is one action, however many steps it
/// takes: a plan that was judged whole is not cut in the middle by its own steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub per_service_hour: u32,
    pub per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_service_hour: 3, per_hour: 10 }
    }
}

/// Whether one more action is within the limits. The service is the step's target.
pub fn judge(
    facts: &[ActionFact],
    run: RunId,
    step: &Step,
    limits: &Limits,
    now: Millis,
) -> Verdict {
    let _ = (facts, run, step, limits, now);
    todo!()
}
