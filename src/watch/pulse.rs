//! Whether the tick loop is alive and what it has done: numbers that the watchdog, the metrics and
//! the self probe read without asking the loop.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use std::sync::Arc;

use crate::model::time::{Millis, Span};
use crate::probe::push::Board;

/// Counters since the start. All relaxed: each is read on its own.
#[derive(Debug, Default)]
pub struct Pulse {
    /// When the loop last moved with no look overdue.
    pub healthy_at: AtomicI64,
    /// When the loop means to wake next.
    pub next_at: AtomicI64,
    pub looks: AtomicU64,
    pub readings: AtomicU64,
    /// Looks that were due while the one before was still under way.
    pub missed: AtomicU64,
    /// Looks that began more than a slot after their deadline.
    pub late: AtomicU64,
    /// Looks that ended in unknown.
    pub unknown: AtomicU64,
    /// Looks that their hard timeout ended.
    pub timed_out: AtomicU64,
    /// Looks that panicked.
    pub broken: AtomicU64,
    pub events: AtomicU64,
    /// What jobs reported, for the probes that wait for them.
    pub pushes: Arc<Board>,
}

impl Pulse {
    pub fn add(&self, to: &AtomicU64, n: usize) {
        to.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// The loop moved, and every look that should have ended has.
    pub fn beat(&self, now: Millis, next: Millis) {
        self.healthy_at.store(now.0, Ordering::Relaxed);
        self.next_at.store(next.0, Ordering::Relaxed);
    }

    /// Whether the watchdog may be fed: the loop beat since its last planned wake-up, give or take
    /// `grace`.
    pub fn alive(&self, now: Millis, grace: Span) -> bool {
        now.0 <= self.next_at.load(Ordering::Relaxed).saturating_add(grace.0)
    }

    pub fn count(from: &AtomicU64) -> u64 {
        from.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_misses_its_own_appointment_is_not_alive() {
        let pulse = Pulse::default();
        pulse.beat(Millis(1_000), Millis(61_000));
        assert!(pulse.alive(Millis(65_000), Span::secs(5)));
        assert!(!pulse.alive(Millis(67_000), Span::secs(5)));
    }
}
