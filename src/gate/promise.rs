//! What takes itself back: a step that is for a stated time promises its own undo in the commit that dispatches it, so that
//! there is no moment at which it may have happened and nobody has promised to end it.

use serde_json::json;

use crate::model::ids::{ActionId, Word};
use crate::model::plan::Step;
use crate::model::time::{Millis, Span};
use crate::model::tool::Undo;
use crate::model::value::Value;
use crate::store::db::Db;

/// The kind of timer that takes an action back.
pub const REVERT: &str = "revert";

/// Steps that take themselves back, and the argument that says after what time.
const FOR_A_TIME: &[(&str, &str)] = &[("debug.enable", "for")];

/// After what time a step takes itself back, if it does.
fn after(step: &Step) -> Option<Span> {
    let (Undo::By(_), 1..) = (&step.undo, step.effect.max_items) else { return None };
    let (_, arg) = FOR_A_TIME.iter().find(|(tool, _)| *tool == step.call.tool.as_str())?;
    match step.call.args.get(*arg) {
        Some(Value::Span(after)) => Some(*after),
        Some(_) | None => None,
    }
}

/// Whether a step is for a stated time.
pub fn is_for_a_time(step: &Step) -> bool {
    after(step).is_some()
}

/// Promises what a step that is being dispatched has to have taken back. Within the transaction of its dispatch.
pub(crate) fn make(db: &mut Db, id: ActionId, step: &Step, now: Millis) -> anyhow::Result<()> {
    let Some(after) = after(step) else { return Ok(()) };
    promise(db, id, 0, now + after)
}

/// Promises it for this time; an earlier promise of the same is replaced.
pub fn promise(db: &mut Db, id: ActionId, tries: i64, at: Millis) -> anyhow::Result<()> {
    let payload = json!({ "action": id, "tries": tries });
    db.add_timer(at, &Word::of(REVERT), &payload, &format!("revert {id}")).map(drop)
}
