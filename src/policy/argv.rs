//! Commands as argument vectors, and which of them provably only read.

/// A program and its arguments: no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv(Vec<String>);

/// A command that the classifier proved to be read-only; made here alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnly(Argv);
