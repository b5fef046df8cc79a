//! What a tool is to the gate.

use crate::Fut;
use crate::gate::permit::Permit;
use crate::model::target::Target;
use crate::model::tool::{
    ActionResult, Call, Effect, Found, Holds, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo,
};

/// A tool: parses calls into queries or actions. How to write one: one file in `tool/` for its
/// family, one row in the table there; every method of [`Action`] that says what is safe is required,
/// because a default that is safe for one tool is not for the next.
pub trait Tool: Send + Sync {
    fn spec(&self) -> &ToolSpec;
    /// Checks the arguments' names and kinds, the target and the roots. Looks at nothing.
    fn parse(&self, call: &Call) -> Result<Parsed, ToolError>;
}

/// A call that was understood.
#[allow(missing_debug_implementations, reason = "holds trait objects")]
pub enum Parsed {
    Query(Box<dyn Query>),
    Action(Box<dyn Action>),
}

/// A call of tier low: it has no permit in reach, so it cannot change anything.
pub trait Query: Send {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>>;
    /// Whether its call spells out what runs, to the letter: such a look stands in the audit log.
    fn spelled(&self) -> Spelled {
        Spelled::No
    }
}

/// Who says what runs for a low call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// The tool, in code.
    No,
    /// The call: a command, another program's tool.
    Out,
}

/// A call above low.
pub trait Action: Send + Sync {
    /// From the parsed arguments alone.
    fn tier(&self) -> Tier;
    fn repeat(&self) -> Repeat;
    /// What no other action may hold meanwhile.
    fn lease(&self) -> Vec<Target>;
    /// Counts what would happen and how it would be undone. Reads only: no permit in reach.
    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>>;
    /// How many healthy replicas of the service there are and would be left, for what has replicas: the last
    /// healthy one is never taken. Reads only.
    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(async { Ok(None) })
    }
    /// How long what its undo needs is kept, where that is not as long as reef keeps what it put away.
    fn holds(&self) -> Option<Holds> {
        None
    }
    /// Does it, within the effect that the permit's step carries.
    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult>;
}
