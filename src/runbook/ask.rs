//! Questions: the only place where values become part of a text.

use crate::model::ids::StepName;
use crate::runbook::resolve::ResolveError;
use crate::runbook::{AskDef, Bindings, LeaveDef, Runbook};

/// An option as the human sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub say: String,
    /// None: nothing is done.
    pub steps: Vec<StepName>,
}

/// The questions that stand, given how many steps above low apply.
pub fn asks<'a>(
    _book: &'a Runbook,
    _bindings: &Bindings,
    _n_acting: usize,
) -> Result<Vec<&'a AskDef>, ResolveError> {
    todo!()
}

/// The first `leave` block that holds: nothing is wrong, nothing is done, nobody is told.
pub fn leaves<'a>(
    _book: &'a Runbook,
    _bindings: &Bindings,
) -> Result<Option<&'a LeaveDef>, ResolveError> {
    todo!()
}

/// The question in words; each value bounded and on one line.
pub fn question(_ask: &AskDef, _bindings: &Bindings) -> String {
    todo!()
}

/// The options that are offered now, `each` spread over its list.
pub fn offers(_ask: &AskDef, _bindings: &Bindings) -> Result<Vec<Offer>, ResolveError> {
    todo!()
}
