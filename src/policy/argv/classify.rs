//! Decides what a command is from its arguments alone: what is not proven to read is critical.

use crate::policy::argv::{Argv, ReadOnly};

/// What a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Every option and operand stands in the table of commands that only read.
    ReadOnly(ReadOnly),
    /// Not proven to read. Says why.
    Critical { why: String },
    /// Runs what its arguments say: critical unless a runbook pins the exact command (then high).
    Evaluator { why: String },
}

/// Classifies a command. Anything not in the table is critical.
pub fn classify(argv: &Argv) -> Class {
    let _ = argv;
    todo!()
}
