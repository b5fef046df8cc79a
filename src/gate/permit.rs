//! The permit: proof that one step was judged and that its record is durable.

use crate::model::ids::{ActionId, RunId};
use crate::model::plan::Step;

/// Lets one judged step happen once. Its fields are private to this file and its only maker is
/// `Permit::issue`, which the gate alone can call: a forged permit does not compile.
#[derive(Debug)]
pub struct Permit {
    run: RunId,
    action: ActionId,
    step: Step,
}

impl Permit {
    /// Made after the `dispatched` record is on disk, and nowhere else.
    pub(in crate::gate) fn issue(run: RunId, action: ActionId, step: Step) -> Self {
        Self { run, action, step }
    }

    /// For tests of what takes a permit: the binary has no such function.
    #[cfg(test)]
    pub(crate) fn for_test(step: Step) -> Self {
        Self { run: RunId(1), action: ActionId(1), step }
    }

    pub fn run(&self) -> RunId {
        self.run
    }

    /// The `dispatched` record.
    pub fn action(&self) -> ActionId {
        self.action
    }

    /// The step as it was judged: a client stays within its effect.
    pub fn step(&self) -> &Step {
        &self.step
    }
}
