//! From a step to a call: every reference replaced by its value.

use std::fmt;

use crate::model::plan::Verify;
use crate::model::target::{Signal, Target};
use crate::model::tool::{Bounds, Call, ToolSpec};
use crate::runbook::{Bindings, StepDef, VerifyRule};

/// What a step became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Call(Call),
    /// It does not apply; says why: a condition, or a value that is not there.
    Skip(String),
}

/// A step that cannot be resolved although it applies: the run escalates with these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError(pub String);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolveError {}

/// Makes the call of a step, or says why it does not apply. `bounds` are the runbook's, `target` is
/// what the call is about where the step does not say it: the incident's own.
pub fn resolve(
    _step: &StepDef,
    _spec: &ToolSpec,
    _bindings: &Bindings,
    _bounds: &Bounds,
    _target: &Target,
) -> Result<Resolved, ResolveError> {
    todo!()
}

/// How the plan is verified; `spec` is the query's tool, where the rule names one. A query whose
/// values are not there ends in [`Verify::Not`].
pub fn resolve_verify(
    _rule: &VerifyRule,
    _signal: &Signal,
    _spec: Option<&ToolSpec>,
    _bindings: &Bindings,
    _bounds: &Bounds,
) -> Result<Verify, ResolveError> {
    todo!()
}
