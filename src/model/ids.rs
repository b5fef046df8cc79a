//! Names and numbers that identify things; a name is checked once, here.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a string is not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName {
    /// What was refused, shortened for the message.
    pub given: String,
    /// What is wrong with it, as a clause: "is empty".
    pub why: &'static str,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.given, self.why)
    }
}

impl std::error::Error for BadName {}

/// The longest name that anything may have, in bytes.
const LONGEST: usize = 255;

/// What no name may have, whoever it belongs to: an empty or starred name selects too much, a leading
/// dash turns an argument into an option, and control characters forge lines in logs.
fn check(given: &str) -> Result<(), BadName> {
    let why = if given.is_empty() {
        "is empty"
    } else if given.len() > LONGEST {
        "is longer than 255 bytes"
    } else if given.starts_with('-') {
        "starts with a dash, which a program would read as an option"
    } else if given.contains('*') {
        "has a star, which would select more than one thing"
    } else if given.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "has white space or a control character"
    } else {
        return Ok(());
    };
    Err(BadName { given: given.chars().take(60).collect(), why })
}

/// Only the letters of identifiers: what may stand in keys, words and references.
fn check_word(given: &str) -> Result<(), BadName> {
    check(given)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if given.chars().all(plain) {
        return Ok(());
    }
    Err(BadName {
        given: given.chars().take(60).collect(),
        why: "may have letters, digits, '-', '_' and '.' only",
    })
}

// Names are cloned with every reading, so they are shared.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            pub fn new(given: impl Into<String>) -> Result<Self, BadName> {
                let given = given.into();
                $check(&given)?;
                Ok(Self(given.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(given: String) -> Result<Self, BadName> {
                Self::new(given)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name!(
    /// A word of an enumerated or machine-made value: a probe's reason, a class of files.
    Word, check_word
);
name!(
    /// A host as the operator calls it; this machine is called by its own host name.
    HostName, check_word
);
name!(
    /// A tool, as `family.verb`: `disk.usage`.
    ToolName, check_word
);
name!(
    /// A runbook: its file's name without `.md`.
    RunbookName, check_word
);
name!(
    /// A step of a runbook, unique within it.
    StepName, check_word
);
name!(
    /// A systemd unit with its suffix: `nginx.service`.
    UnitName, check
);

impl Word {
    /// A word known when reef was built. Anything that is no word becomes `invalid`, so that a slip
    /// in a literal can neither panic nor select anything; a test over the tables finds it.
    pub fn of(literal: &'static str) -> Self {
        Self::new(literal).unwrap_or_else(|_| Self("invalid".into()))
    }
}

impl HostName {
    /// A host's name known when reef was built; see [`Word::of`].
    pub fn of(literal: &'static str) -> Self {
        Self::new(literal).unwrap_or_else(|_| Self("invalid".into()))
    }
}

impl ToolName {
    /// A tool's name known when reef was built; see [`Word::of`].
    pub fn of(literal: &'static str) -> Self {
        Self::new(literal).unwrap_or_else(|_| Self("invalid".into()))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            /// Takes `A-17` and `17`, in either case.
            fn from_str(given: &str) -> Result<Self, BadName> {
                let digits = given
                    .strip_prefix(concat!($prefix, "-"))
                    .or_else(|| given.to_ascii_uppercase().starts_with(concat!($prefix, "-")).then(|| &given[$prefix.len() + 1..]))
                    .unwrap_or(given);
                match digits.parse() {
                    Ok(n) if 0 < n => Ok(Self(n)),
                    _ => Err(BadName {
                        given: given.chars().take(60).collect(),
                        why: concat!("is not a number like ", $prefix, "-17"),
                    }),
                }
            }
        }
    };
}

id!(
    /// An incident: `I-42`.
    IncidentId, "I"
);
id!(
    /// A run of a plan: `R-9`.
    RunId, "R"
);
id!(
    /// A question to the human: `A-17`.
    ApprovalId, "A"
);
id!(
    /// A dispatched action: the sequence number of its `dispatched` record: `D-31`.
    ActionId, "D"
);
id!(
    /// A message in the outbox: `M-5`.
    MessageId, "M"
);
id!(
    /// A silence: `S-2`.
    SilenceId, "S"
);
id!(
    /// A promise for later: `T-3`.
    TimerId, "T"
);
