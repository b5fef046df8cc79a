//! What can only be known with the tools and the readings at hand.

use crate::model::ids::{ToolName, Word};
use crate::model::tool::{Gives, ToolSpec};
use crate::runbook::{Mistake, Runbook};

/// Holds a runbook against the tools and against what the readings of each kind of probe give
/// (`None` where there is no such tool or probe). All mistakes at once, by line.
pub fn check(
    _book: &Runbook,
    _tools: &dyn Fn(&ToolName) -> Option<ToolSpec>,
    _readings: &dyn Fn(&Word) -> Option<Vec<Gives>>,
) -> Vec<Mistake> {
    todo!()
}
