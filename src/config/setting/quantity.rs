//! Durations, sizes, shares and money, as people write them.

use crate::config::given::Given;
use crate::config::setting::{Bytes, Micros, Percent, Setting};
use crate::model::time::Span;

/// A number like `1.5` times `unit`, rounded down, without the errors of floating point.
fn times(number: &str, unit: i128) -> Option<i128> {
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.len() <= 15 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(rest.len()).ok()?)?;
    let whole = whole.parse::<i128>().ok()?.checked_mul(unit)?;
    whole.checked_add(rest.parse::<i128>().ok()?.checked_mul(unit)? / scale)
}

/// The leading number of `text`, and the rest without the white space between.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// The units that spans are shown in, largest first.
const SPANS: [(i64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];

/// No interval, timeout or age is longer than this; more is a slip.
const LONGEST: i128 = 100 * 366 * 86_400_000;

impl Setting for Span {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no duration; write 30s, 5 min, 1h 30min or 14d";
        let Given::Text(text) = given else { return Err(WHY.into()) };
        let mut rest = text.trim();
        let mut sum: i128 = 0;
        if rest.is_empty() {
            return Err(WHY.into());
        }
        while !rest.is_empty() {
            let (n, after) = number(rest);
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let unit = match &after[..end] {
                "ms" => 1,
                "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
                "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
                "h" | "hr" | "hour" | "hours" => 3_600_000,
                "d" | "day" | "days" => 86_400_000,
                "w" | "week" | "weeks" => 7 * 86_400_000,
                _ => return Err(WHY.into()),
            };
            sum += times(n, unit).filter(|ms| *ms <= LONGEST).ok_or(WHY)?;
            rest = after[end..].trim_start();
            if LONGEST < sum {
                return Err("is longer than 100 years".into());
            }
        }
        i64::try_from(sum).map(Span).map_err(|_| WHY.into())
    }
    fn show(&self) -> String {
        let fits = |(unit, _): &&(i64, &str)| self.0 % unit == 0 && 0 < self.0;
        let (unit, name) = SPANS.iter().find(fits).copied().unwrap_or((1_000, "s"));
        format!("{} {name}", self.0 / unit)
    }
}

/// Units of sizes; the first that divides a size is the one it is shown in.
const SIZES: [(u64, &str); 10] = [
    (1 << 50, "PiB"),
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1_000_000_000_000_000, "PB"),
    (1_000_000_000_000, "TB"),
    (1_000_000_000, "GB"),
    (1_000_000, "MB"),
    (1 << 10, "KiB"),
    (1_000, "KB"),
];

impl Setting for Bytes {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no size; write 50 GiB, 1.5TB, 200M or a number of bytes";
        let text = match given {
            Given::Int(n) => return u64::try_from(*n).map(Self).map_err(|_| WHY.into()),
            Given::Text(text) => text.trim(),
            Given::Float(_)
            | Given::Flag(_)
            | Given::List(_)
            | Given::Table(_)
            | Given::Other(_) => return Err(WHY.into()),
        };
        let (n, unit) = number(text);
        let unit = match unit {
            "" | "B" => 1,
            "K" | "k" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            "T" => 1 << 40,
            named => {
                let known = |(_, name): &&(u64, &str)| name.eq_ignore_ascii_case(named);
                SIZES.iter().find(known).map(|(size, _)| i128::from(*size)).ok_or(WHY)?
            }
        };
        let bytes = times(n, unit).ok_or(WHY)?;
        u64::try_from(bytes).map(Self).map_err(|_| "is larger than 16 EiB".into())
    }
    fn show(&self) -> String {
        match SIZES.iter().find(|(unit, _)| 0 < self.0 && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{} {name}", self.0 / unit),
            None => format!("{} B", self.0),
        }
    }
}

impl Setting for Percent {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no share from 0 to 100 %; write 85 %";
        let n = match given {
            Given::Text(text) => {
                let bare = text.trim().trim_end_matches('%').trim_end();
                f64::read(&Given::Text(bare.to_owned()))
            }
            Given::Int(_)
            | Given::Float(_)
            | Given::Flag(_)
            | Given::List(_)
            | Given::Table(_)
            | Given::Other(_) => f64::read(given),
        };
        match n {
            Ok(n) if (0.0..=100.0).contains(&n) => Ok(Self(n)),
            Ok(_) | Err(_) => Err(WHY.into()),
        }
    }
    fn show(&self) -> String {
        format!("{} %", self.0)
    }
}

impl Setting for Micros {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no amount of money; write 1.00";
        let text = match given {
            Given::Int(n) => n.to_string(),
            Given::Float(n) => format!("{n:.6}"),
            Given::Text(text) => text.trim().to_owned(),
            Given::Flag(_) | Given::List(_) | Given::Table(_) | Given::Other(_) => {
                return Err(WHY.into());
            }
        };
        let micros = times(&text, 1_000_000).and_then(|n| i64::try_from(n).ok());
        micros.map(Self).ok_or_else(|| WHY.into())
    }
    fn show(&self) -> String {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let cents = format!("{rest:06}");
        let kept = cents.trim_end_matches('0').len().max(2);
        format!("{whole}.{}", &cents[..kept])
    }
}
