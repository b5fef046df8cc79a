//! What a human typed at the prompt, as a confirmation.

use crate::model::plan::Plan;
use crate::policy::leash::Confirmed;

/// Reads an answer to `Proceed? [Y/N]`, or for a critical plan to "type the target's name".
pub fn confirm(plan: &Plan, typed: &str) -> Confirmed {
    let _ = (plan, typed);
    todo!()
}
