//! References: how a runbook names a value that is known only when it runs.

use std::fmt;

use crate::model::ids::StepName;

/// `NAME.FIELD`: a value of the reading, of a step before, or of the front matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    pub of: RefOf,
    pub field: String,
}

/// Whose value a reference names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefOf {
    Reading,
    Param,
    Step(StepName),
}

/// Text with `{{ NAME.FIELD }}` in it: only what is shown to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    pub(crate) parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Value(Ref),
    /// `{{ each }}`: the item that an option was made for.
    Each,
}
