//! How bad a reading is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The severity of one reading. `Unknown` means that the probe could not look; it is never green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Green,
    Unknown,
    Yellow,
    Red,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 4] = [Self::Green, Self::Unknown, Self::Yellow, Self::Red];

    /// The word used in config, tables and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word back.
    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == given)
    }

    /// The exit code of a Nagios plugin: 0 ok, 1 warning, 2 critical, 3 unknown
    /// (Monitoring Plugins guidelines, "Plugin Return Codes").
    pub fn nagios(self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Yellow => 1,
            Self::Red => 2,
            Self::Unknown => 3,
        }
    }

    /// The severity that a Nagios plugin's exit code stands for; what is no such code is unknown.
    pub fn from_nagios(code: i32) -> Self {
        match code {
            0 => Self::Green,
            1 => Self::Yellow,
            2 => Self::Red,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
