//! The only caller of the system clock. Cron and time zones stay in here.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use crate::model::time::{Millis, Span};

pub mod cron;
pub mod window;
pub mod zone;

/// Wall time. Handed to whoever needs it, so that a test holds the hands.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Millis;
}

/// The machine's own clock. It may jump.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        Millis(chrono::Utc::now().timestamp_millis())
    }
}

/// A clock that moves with tokio's time, so that pausing and advancing that moves this one too; and
/// that jumps when told to, as a machine's clock does when NTP first answers.
#[derive(Debug)]
pub struct TestClock {
    start: Millis,
    from: Instant,
    shift: AtomicI64,
}

impl TestClock {
    /// Shows `start` now. Make it within the runtime whose time it follows.
    pub fn starting_at(start: Millis) -> Self {
        Self { start, from: Instant::now(), shift: AtomicI64::new(0) }
    }

    pub fn jump_ahead(&self, by: Span) {
        self.shift.fetch_add(by.0, Ordering::Relaxed);
    }

    pub fn jump_back(&self, by: Span) {
        self.shift.fetch_sub(by.0, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Millis {
        let moved = Span::from(self.from.elapsed());
        Millis((self.start + moved).0.saturating_add(self.shift.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_shows_this_century() {
        let now = SystemClock.now();
        assert!(Millis(1_700_000_000_000) < now && now < Millis(4_102_444_800_000), "{now:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_test_clock_moves_with_paused_time_and_jumps() {
        let clock = TestClock::starting_at(Millis(1_000_000));
        assert_eq!(clock.now(), Millis(1_000_000));
        tokio::time::sleep(Span::secs(5).duration()).await;
        assert_eq!(clock.now(), Millis(1_005_000));
        clock.jump_ahead(Span::mins(1));
        assert_eq!(clock.now(), Millis(1_065_000));
        clock.jump_back(Span::mins(2));
        assert_eq!(clock.now(), Millis(945_000));
    }
}
