//! Instants and spans in milliseconds. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant as Unix milliseconds, UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// How long `self` lies after `earlier`; zero where the clock jumped back.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }
}

/// A length of time in milliseconds, never negative.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    pub const fn secs(n: i64) -> Self {
        Self(n.saturating_mul(1_000))
    }
    pub const fn mins(n: i64) -> Self {
        Self::secs(n.saturating_mul(60))
    }
    pub const fn hours(n: i64) -> Self {
        Self::mins(n.saturating_mul(60))
    }
    pub const fn days(n: i64) -> Self {
        Self::hours(n.saturating_mul(24))
    }

    /// For timers and sleeps.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// In seconds, for ratios and graphs.
    #[expect(clippy::cast_precision_loss, reason = "a span stays far below 2^53 ms")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }
}

impl From<Duration> for Span {
    fn from(d: Duration) -> Self {
        Self(i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Add<Span> for Millis {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl Sub<Span> for Millis {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Span {
    /// As people say it, two units at the most: `340 ms`, `2.1 s`, `5 min`, `1 h 20 min`, `31 d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        let secs = ms / 1_000;
        let (mins, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
        match () {
            () if ms < 1_000 => write!(f, "{ms} ms"),
            () if secs < 10 => write!(f, "{}.{} s", secs, ms % 1_000 / 100),
            () if secs < 120 => write!(f, "{secs} s"),
            () if mins < 120 => write!(f, "{mins} min"),
            () if hours < 48 && mins % 60 != 0 => write!(f, "{hours} h {} min", mins % 60),
            () if hours < 48 => write!(f, "{hours} h"),
            () => write!(f, "{days} d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let cases = [
            (340, "340 ms"),
            (2_100, "2.1 s"),
            (75_000, "75 s"),
            (300_000, "5 min"),
            (4_800_000, "80 min"),
            (12_000_000, "3 h 20 min"),
            (86_400_000, "24 h"),
            (31 * 86_400_000, "31 d"),
        ];
        for (ms, want) in cases {
            assert_eq!(Span(ms).to_string(), want);
        }
    }

    #[test]
    fn a_clock_that_jumps_back_gives_no_negative_span() {
        assert_eq!(Millis(5).since(Millis(9)), Span(0));
    }
}
