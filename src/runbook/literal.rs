//! Literals: what a runbook writes down, before the kind that it must have is known.

/// A TOML value that may stand for an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Int(i64),
    Flag(bool),
    List(Vec<Literal>),
}
