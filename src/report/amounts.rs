//! Numbers of a report as people say them.

use crate::model::reading::Unit;
use crate::model::value::human_bytes;
use crate::report::morning::Growth;
use crate::report::plain::{counted, grouped, plain};

/// `pve1:/ full in 41 days at +1.2 GiB/day, 62 % used`.
pub(super) fn growth(growth: &Growth) -> String {
    let a_day = match growth.bytes_a_day {
        Some(bytes) => format!("+{}/day", human_bytes(bytes)),
        None => format!("+{:.1} %/day", growth.percent_a_day),
    };
    let full = match growth.full_in_days {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within a year"
        )]
        Some(days) => format!("full in {} at ", counted(days.round() as u64, "day")),
        None => String::new(),
    };
    format!("{} {full}{a_day}, {:.0} % used", plain(&growth.volume), growth.used_percent)
}

/// A number in its unit.
pub(super) fn shown(value: f64, unit: Option<Unit>) -> String {
    match unit {
        Some(Unit::Percent) => format!("{value:.0} %"),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate"
        )]
        Some(Unit::Bytes) => human_bytes(value as u64),
        Some(Unit::Millis) => format!("{value:.0} ms"),
        Some(Unit::Seconds) => format!("{value:.0} s"),
        Some(Unit::Rate) => format!("{value:.1}/s"),
        Some(Unit::Days | Unit::Count) => format!("{value:.0}"),
        Some(Unit::Ratio) | None => format!("{value:.2}"),
    }
}

/// Without a currency: the budget's has no name. What is too small for two digits gets four.
pub(super) fn money(micros: u64) -> String {
    let whole = micros / 1_000_000;
    match micros % 1_000_000 {
        rest if whole == 0 && 0 < rest && rest < 10_000 => format!("0.{:04}", rest / 100),
        rest => format!("{}.{:02}", grouped(whole), rest / 10_000),
    }
}
