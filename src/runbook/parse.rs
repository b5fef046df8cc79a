//! From a file's text to a runbook, or to all that is wrong with it.

use crate::model::ids::RunbookName;
use crate::runbook::{Mistake, Runbook};

/// Reads one runbook. What needs the tools or the readings is left to [`crate::runbook::check`].
pub fn parse(_name: RunbookName, _text: &str) -> Result<Runbook, Vec<Mistake>> {
    todo!()
}
