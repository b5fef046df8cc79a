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
