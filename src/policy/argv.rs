//! Commands as argument vectors, and which of them provably only read.

use std::fmt;

use crate::model::value::write_part;

mod check;
pub mod classify;
mod programs;
mod reads;

/// The most arguments of a command, its program included.
const MOST: usize = 256;
/// The longest command, in bytes over all arguments.
const LONGEST: usize = 64 * 1_024;

/// A program and its arguments: no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv(Vec<String>);

/// Why a list of strings is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadArgv(&'static str);

impl fmt::Display for BadArgv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command {}", self.0)
    }
}

impl std::error::Error for BadArgv {}

impl Argv {
    /// Takes a program and its arguments as they will be handed over: at most 256 of them and 64 KiB,
    /// none with a NUL byte, the program not empty.
    pub fn new(parts: Vec<String>) -> Result<Self, BadArgv> {
        let why = if parts.first().is_none_or(String::is_empty) {
            "names no program"
        } else if MOST < parts.len() {
            "has more than 256 arguments"
        } else if LONGEST < parts.iter().map(String::len).sum() {
            "is longer than 64 KiB"
        } else if parts.iter().any(|part| part.contains('\0')) {
            "has a NUL byte"
        } else {
            return Ok(Self(parts));
        };
        Err(BadArgv(why))
    }

    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    pub fn args(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The program and its arguments.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Argv {
    /// For people: quoted where a reader could mistake where an argument ends. Never for a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            write_part(f, part)?;
        }
        Ok(())
    }
}

/// A command that the classifier proved to be read-only. Its field is private to this module and
/// [`classify::classify`] is its only maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnly(Argv);

impl ReadOnly {
    pub fn argv(&self) -> &Argv {
        &self.0
    }
}
