//! How a command ends: its exit code and, where it failed, its words.

use std::fmt;

use crate::control::client::NoAnswer;
use crate::model::severity::Severity;
use crate::operator::order::Refusal;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    pub const DONE: Self = Self(0);
    pub const FAILED: Self = Self(1);
    /// Wrong usage or a wrong config.
    pub const USAGE: Self = Self(2);

    /// As a Nagios plugin ends.
    pub fn nagios(worst: Severity) -> Self {
        Self(worst.nagios())
    }
}

/// What `--help` says about exit codes.
pub(crate) const CODES: &str = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage or config.
`reef check` speaks Nagios: 0 green, 1 yellow, 2 red, 3 unknown.";

/// Why a command did not do what it was to do.
#[derive(Debug)]
pub enum Failure {
    /// The command line or the config is wrong.
    Usage(String),
    /// The daemon did not answer, or answered no.
    NoAnswer(NoAnswer),
    Failed(anyhow::Error),
    /// Whoever read the output has gone: nothing is wrong, and nobody listens.
    Closed,
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::USAGE,
            Self::NoAnswer(_) | Self::Failed(_) => Exit::FAILED,
            Self::Closed => Exit::DONE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => f.write_str(why),
            Self::NoAnswer(why) => why.fmt(f),
            Self::Failed(why) => write!(f, "{why:#}"),
            Self::Closed => f.write_str("the output was closed"),
        }
    }
}

impl From<NoAnswer> for Failure {
    fn from(why: NoAnswer) -> Self {
        Self::NoAnswer(why)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::NoAnswer(NoAnswer::Refused(refusal))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(why: anyhow::Error) -> Self {
        Self::Failed(why)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Failed(error.into())
    }
}
