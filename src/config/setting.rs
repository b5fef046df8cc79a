//! What one key's value may be, and how it is shown again.

use crate::clock::cron::Cron;
use crate::clock::window::Window;
use crate::clock::zone::{DayTime, Zone};
use crate::config::given::Given;
use crate::config::mistakes::{closest, hint};
use crate::model::ids::{BadName, HostName, RunbookName, StepName, ToolName, UnitName, Word};
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::model::silence::Pattern;
use crate::model::target::{AbsPath, Target};
use crate::model::tool::Tier;

mod address;
mod quantity;

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

/// A host as the network knows it: a name or an IP address, without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Money in millionths of the operator's currency: `1.00` is 1,000,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

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
    ToolName: "a tool's name", AbsPath: "an absolute path"
);

impl Setting for UnitName {
    /// `nginx` is `nginx.service`, as systemctl has it.
    fn read(given: &Given) -> Result<Self, String> {
        let name = text(given, "a unit's name")?;
        let suffix = if name.is_empty() || name.contains('.') { "" } else { ".service" };
        Self::new(format!("{name}{suffix}")).map_err(|bad| bad.why.to_owned())
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Zone {
    fn read(given: &Given) -> Result<Self, String> {
        let name = text(given, "a time zone")?;
        let why = || match closest(name, Self::names()) {
            Some(near) => format!("is no time zone; did you mean \"{near}\"?"),
            None => "is no time zone; write a name like Europe/Berlin".into(),
        };
        Self::parse(name).ok_or_else(why)
    }
    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Setting for Cron {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a cron time")?)
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Setting for Window {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a window")?)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Pattern {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "the name of a probe, a host or a target")?)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for DayTime {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a time of the day")?)
            .ok_or_else(|| "is no time of the day; write 07:00".into())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Target {
    fn read(given: &Given) -> Result<Self, String> {
        text(given, "a target")?.parse().map_err(|bad: BadName| bad.why.to_owned())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// One value as it was written, for a key whose kind another layer knows: `"30d"`, `5`, `true`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain(pub String);

impl Setting for Plain {
    fn read(given: &Given) -> Result<Self, String> {
        match given {
            Given::Text(text) => Ok(Self(text.clone())),
            Given::Int(n) => Ok(Self(n.to_string())),
            Given::Flag(b) => Ok(Self(b.to_string())),
            Given::Float(_) | Given::List(_) | Given::Table(_) | Given::Other(_) => {
                Err(format!("is {}, not one plain value", given.kind()))
            }
        }
    }
    fn show(&self) -> String {
        self.0.clone()
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
