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

/// What ran under a permit or for a low call, as its client noted it. The gate reads it when the action ended.
#[derive(Debug, Clone, Default)]
pub(in crate::gate) struct Trace(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    ran: Vec<Ran>,
    way: Way,
}

/// How the last request under a permit fared on its way, as its client knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::gate) enum Way {
    /// It arrived, or nobody says that it did not.
    #[default]
    Unsaid,
    /// There was no way: provably nobody got it.
    Unreached,
    /// A right is missing: asking again is no answer to that.
    Denied,
}

impl Trace {
    pub(in crate::gate) fn note(&self, ran: Ran) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.ran.len() < MOST {
            noted.ran.push(ran);
        }
    }

    pub(in crate::gate) fn taken(&self) -> Vec<Ran> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ran.clone()
    }

    pub(in crate::gate) fn way(&self) -> Way {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).way
    }

    fn went(&self, way: Way) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).way = way;
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

    /// For tests of clients: whether the last request provably reached nobody.
    #[cfg(test)]
    pub(crate) fn is_unreached(&self) -> bool {
        self.ran.way() == Way::Unreached
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

    /// A client notes that its request provably reached nobody: what ends as not started for that is tried once more.
    pub fn unreached(&self) {
        self.ran.went(Way::Unreached);
    }

    /// A client notes that its request was answered, whatever the answer.
    pub fn reached(&self) {
        self.ran.went(Way::Unsaid);
    }

    /// A client notes that a right is missing: nothing is tried again.
    pub fn denied(&self) {
        self.ran.went(Way::Denied);
    }

    /// A client notes a command that it ran, for the audit log: argument by argument, with what came of it.
    pub fn note(&self, ran: Ran) {
        self.ran.note(ran);
    }
}
