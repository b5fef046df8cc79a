//! The estate's clock: moves with tokio's time, jumps when told to, and goes on over several lives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, TestClock};
use crate::model::time::{Millis, Span};

/// The hands of the estate's clock. A life of the daemon has a runtime of its own, whose time begins
/// anew; the wall goes on.
#[derive(Debug)]
pub struct Hands(Mutex<TestClock>);

impl Hands {
    /// Shows `start` now. Made within the first life's runtime.
    pub fn starting_at(start: Millis) -> Self {
        Self(Mutex::new(TestClock::starting_at(start)))
    }

    fn clock(&self) -> MutexGuard<'_, TestClock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the time of the runtime that this is called in, showing `at` now.
    pub fn anchor(&self, at: Millis) {
        *self.clock() = TestClock::starting_at(at);
    }

    pub fn jump_ahead(&self, by: Span) {
        self.clock().jump_ahead(by);
    }

    pub fn jump_back(&self, by: Span) {
        self.clock().jump_back(by);
    }
}

impl Clock for Hands {
    fn now(&self) -> Millis {
        self.clock().now()
    }
}
