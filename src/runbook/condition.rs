//! Conditions: `is`, `in`, `above` and `below`, all of which must hold.

use crate::runbook::resolve::ResolveError;
use crate::runbook::{Bindings, Condition};

/// Whether a list of conditions holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    Yes,
    /// Says which one did not, in words for people.
    No(String),
}

/// Whether all conditions hold. A value that is not there (a skipped step, a field that the reading
/// has not) makes its condition not hold.
pub fn conditions_hold(_when: &[Condition], _bindings: &Bindings) -> Result<Holds, ResolveError> {
    todo!()
}
