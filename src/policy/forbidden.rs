//! What no leash and no approval allows.

use crate::model::plan::Step;
use crate::model::target::AbsPath;
use crate::policy::leash::Scratch;

/// What must not be touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// reef's own state, audit, config and runbooks.
    pub paths: Vec<AbsPath>,
    /// The drill's scratch folder, which may lie below one of them.
    pub scratch: Option<AbsPath>,
}

impl Protected {
    /// Whether all that the step touches lies in the drill's scratch, by name alone.
    pub fn scratch_of(&self, step: &Step) -> Scratch {
        let _ = step;
        todo!()
    }
}

/// Why the step is forbidden for good, if it is. `scratch` as [`Protected::scratch_of`] says, for a
/// drill; [`Scratch::Outside`] for everybody else.
pub fn forbidden(step: &Step, protected: &Protected, scratch: Scratch) -> Option<String> {
    let _ = (step, protected, scratch);
    todo!()
}
