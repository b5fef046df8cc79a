//! A number against its levels, with hysteresis.

use serde::{Deserialize, Serialize};

use crate::model::severity::Severity;

/// On which side of a level it is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above the level is bad: percent used.
    Above,
    /// Below the level is bad: days left.
    Below,
}

/// The levels of a number. A value exactly on a level is on the good side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    pub yellow: Option<f64>,
    pub red: Option<f64>,
    pub direction: Direction,
    /// How far back behind a level a value must be before what fired clears. Negative counts as zero.
    pub margin: f64,
}

/// A value's severity at the levels that fire and at those that clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    pub severity: Severity,
    /// Never milder than `severity`.
    pub clears: Severity,
}

impl Threshold {
    /// Judges a value; what is no number is unknown.
    pub fn judge(&self, value: f64) -> Judged {
        if value.is_nan() {
            return Judged { severity: Severity::Unknown, clears: Severity::Unknown };
        }
        let margin = if 0.0 < self.margin { self.margin } else { 0.0 };
        let severity = self.at(value, 0.0);
        Judged { severity, clears: self.at(value, margin).max(severity) }
    }

    fn at(&self, value: f64, margin: f64) -> Severity {
        let beyond = |level: Option<f64>| {
            level.is_some_and(|level| match self.direction {
                Direction::Above => level - margin < value,
                Direction::Below => value < level + margin,
            })
        };
        if beyond(self.red) {
            Severity::Red
        } else if beyond(self.yellow) {
            Severity::Yellow
        } else {
            Severity::Green
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Severity::{Green, Red, Unknown, Yellow};
    use super::*;

    #[track_caller]
    fn check(threshold: Threshold, value: f64, severity: Severity, clears: Severity) {
        assert_eq!(threshold.judge(value), Judged { severity, clears }, "{value}");
    }

    const DISK: Threshold =
        Threshold { yellow: Some(85.0), red: Some(90.0), direction: Direction::Above, margin: 2.0 };
    const DAYS: Threshold =
        Threshold { yellow: Some(14.0), red: Some(3.0), direction: Direction::Below, margin: 1.0 };

    #[test]
    fn above_is_bad() {
        check(DISK, 83.0, Green, Green);
        check(DISK, 83.1, Green, Yellow);
        check(DISK, 85.0, Green, Yellow);
        check(DISK, 85.1, Yellow, Yellow);
        check(DISK, 88.0, Yellow, Yellow);
        check(DISK, 88.1, Yellow, Red);
        check(DISK, 90.0, Yellow, Red);
        check(DISK, 90.1, Red, Red);
        check(DISK, f64::INFINITY, Red, Red);
    }

    #[test]
    fn below_is_bad() {
        check(DAYS, 15.0, Green, Green);
        check(DAYS, 14.0, Green, Yellow);
        check(DAYS, 13.9, Yellow, Yellow);
        check(DAYS, 3.9, Yellow, Red);
        check(DAYS, 3.0, Yellow, Red);
        check(DAYS, 2.9, Red, Red);
        check(DAYS, -5.0, Red, Red);
    }

    #[test]
    fn levels_may_be_missing() {
        check(Threshold { red: None, ..DISK }, 99.0, Yellow, Yellow);
        check(Threshold { yellow: None, ..DISK }, 89.0, Green, Red);
        check(Threshold { yellow: None, red: None, ..DISK }, 99.0, Green, Green);
    }

    #[test]
    fn a_margin_below_zero_never_makes_clearing_milder() {
        for margin in [-5.0, f64::NAN, 0.0] {
            check(Threshold { margin, ..DISK }, 86.0, Yellow, Yellow);
            check(Threshold { margin, ..DISK }, 85.0, Green, Green);
        }
    }

    #[test]
    fn no_number_is_unknown() {
        check(DISK, f64::NAN, Unknown, Unknown);
    }
}
