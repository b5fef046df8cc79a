//! What one key's value may be, and how it is shown again.

use crate::config::given::Given;
use crate::config::mistakes::hint;
use crate::model::ids::{BadName, HostName, RunbookName, StepName, ToolName, UnitName, Word};
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::Tier;

/// A type that a key can have.
pub trait Setting: Sized {
    /// Reads it. `${VAR}` is already expanded. The error is a clause that follows the value and does
    /// not repeat it: "is no duration; write 30s or 5 min".
    fn read(given: &Given) -> Result<Self, String>;
    /// As `config show` prints it; reading it again gives the same.
    fn show(&self) -> String;
}

/// A size in bytes: `"50 GiB"`, `"1.5TB"`, `4096`. `K`, `M`, `G` and `T` alone are powers of 1024.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A share from 0 to 100: `"85 %"` or `85`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

/// An `http://` or `https://` address with a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url(String);

/// Money in millionths of the operator's currency: `1.00` is 1,000,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

impl Url {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without port, user and brackets, in lower case.
    pub fn host(&self) -> String {
        let (host, _) = self.authority();
        host.to_ascii_lowercase()
    }

    /// The port as written, or the scheme's own.
    pub fn port(&self) -> u16 {
        let (_, port) = self.authority();
        port.and_then(|p| p.parse().ok()).unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    pub fn is_https(&self) -> bool {
        self.0.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    fn authority(&self) -> (&str, Option<&str>) {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let whole = rest.split(['/', '?', '#']).next().unwrap_or("");
        let place = whole.rsplit_once('@').map_or(whole, |(_, place)| place);
        if let Some((host, after)) = place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            return (host, after.strip_prefix(':'));
        }
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    }
}

impl Setting for Url {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str = "is no address; write http://HOST/PATH or https://HOST/PATH";
        let text = text(given, "an address")?;
        let (scheme, _) = text.split_once("://").ok_or(WHY)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(WHY.into());
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("has white space or a control character".into());
        }
        let url = Self(text.to_owned());
        let (host, port) = url.authority();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(plain) {
            return Err(WHY.into());
        }
        if port.is_some_and(|port| {
            port.parse::<u16>().is_ok_and(|n| n == 0) || port.parse::<u16>().is_err()
        }) {
            return Err("has no port from 1 to 65535 after its host".into());
        }
        Ok(url)
    }
    fn show(&self) -> String {
        self.0.clone()
    }
}

fn text<'a>(given: &'a Given, wanted: &str) -> Result<&'a str, String> {
    match given {
        Given::Text(text) => Ok(text),
        Given::Int(_)
        | Given::Float(_)
        | Given::Flag(_)
        | Given::List(_)
        | Given::Table(_)
        | Given::Other(_) => Err(format!("is {}, not {wanted} in quotes", given.kind())),
    }
}

impl Setting for String {
    fn read(given: &Given) -> Result<Self, String> {
        text(given, "text").map(str::to_owned)
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for bool {
    fn read(given: &Given) -> Result<Self, String> {
        match given {
            Given::Flag(b) => Ok(*b),
            // A variable can only be text.
            Given::Text(text) if text == "true" => Ok(true),
            Given::Text(text) if text == "false" => Ok(false),
            Given::Text(_)
            | Given::Int(_)
            | Given::Float(_)
            | Given::List(_)
            | Given::Table(_)
            | Given::Other(_) => Err("is not true or false (without quotes)".into()),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(given: &Given) -> Result<Self, String> {
                let wrong = || format!("is no whole number from {} to {}", Self::MIN, Self::MAX);
                match given {
                    Given::Int(n) => Self::try_from(*n).map_err(|_| wrong()),
                    Given::Text(text) => text.trim().parse().map_err(|_| wrong()),
                    Given::Float(_)
                    | Given::Flag(_)
                    | Given::List(_)
                    | Given::Table(_)
                    | Given::Other(_) => Err(wrong()),
                }
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i64, usize);

impl Setting for f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody writes 2^53 where a fraction may stand")]
    fn read(given: &Given) -> Result<Self, String> {
        match given {
            Given::Float(n) => Ok(*n),
            Given::Int(n) => Ok(*n as Self),
            Given::Text(text) => match text.trim().parse::<Self>() {
                Ok(n) if n.is_finite() => Ok(n),
                Ok(_) | Err(_) => Err("is no number".into()),
            },
            Given::Flag(_) | Given::List(_) | Given::Table(_) | Given::Other(_) => {
                Err("is no number".into())
            }
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

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
        match SIZES.iter().find(|(unit, _)| 0 < self.0 && self.0 % unit == 0) {
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

macro_rules! named {
    ($($type:ty: $wanted:literal),*) => {$(
        impl Setting for $type {
            fn read(given: &Given) -> Result<Self, String> {
                Self::new(text(given, $wanted)?).map_err(|bad| bad.why.to_owned())
            }
            fn show(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )*};
}
named!(
    Word: "a word", HostName: "a host's name", RunbookName: "a runbook's name", StepName: "a step's name",
    ToolName: "a tool's name", UnitName: "a unit's name", AbsPath: "an absolute path"
);

impl Setting for Target {
    fn read(given: &Given) -> Result<Self, String> {
        text(given, "a target")?.parse().map_err(|bad: BadName| bad.why.to_owned())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Reads one of a closed set of words, with a hint where it is none of them.
pub fn one_of<T: Copy>(given: &Given, options: &[(&'static str, T)]) -> Result<T, String> {
    let names = options.iter().map(|(name, _)| *name);
    let given = text(given, "a word")?;
    match options.iter().find(|(name, _)| *name == given) {
        Some((_, value)) => Ok(*value),
        None => Err(format!("is not known here{}", hint(given, names))),
    }
}

macro_rules! words {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(given: &Given) -> Result<Self, String> {
                one_of(given, &Self::ALL.map(|value| (value.as_str(), value)))
            }
            fn show(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )*};
}
words!(Leash, Tier, Severity);
