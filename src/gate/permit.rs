//! The permit: proof that one step was judged and that its record is durable.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::audit::Ran;
use crate::model::ids::{ActionId, RunId};
use crate::model::plan::Step;

/// Commands that one action may leave in its record; a tool that runs more says so in its words.
const MOST: usize = 20;

/// Lets one judged step happen once. Its fields are private to this file and its only maker is
/// `Permit::issue`, which the gate alone can call: a forged permit does not compile.
#[derive(Debug)]
pub struct Permit {
    run: RunId,
    action: ActionId,
    step: Step,
    ran: Trace,
}

/// What ran under a permit, as its client noted it. The gate reads it when the action ended.
#[derive(Debug, Clone, Default)]
pub(in crate::gate) struct Trace(Arc<Mutex<Vec<Ran>>>);

impl Trace {
    pub(in crate::gate) fn taken(&self) -> Vec<Ran> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Permit {
    /// Made after the `dispatched` record is on disk, and nowhere else.
    pub(in crate::gate) fn issue(run: RunId, action: ActionId, step: Step, ran: Trace) -> Self {
        Self { run, action, step, ran }
    }

    /// For tests of what takes a permit: the binary has no such function.
    #[cfg(test)]
    pub(crate) fn for_test(step: Step) -> Self {
        Self { run: RunId(1), action: ActionId(1), step, ran: Trace::default() }
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

    /// A client notes a command that it ran, for the audit log: argument by argument, with what came of it.
    pub fn note(&self, ran: Ran) {
        let mut all = self.ran.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST {
            all.push(ran);
        }
    }
}
