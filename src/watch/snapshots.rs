//! The snapshots that reef took are removed when their time is over: the promise that their plan made.

use crate::gate::rules::UNDO_FOR;
use crate::model::ids::ToolName;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, Undo};
use crate::model::value::Value;
use crate::store::actions::ActionRow;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// How often is looked for what is over its time.
const EVERY: Span = Span::hours(1);
/// No snapshot is kept longer.
const LONGEST: Span = Span::days(90);
pub const KEY: &str = "snapshots";

impl Responder {
    /// Sees to it that the snapshots are looked at. Called at every start.
    pub async fn promise_snapshots(&self) -> anyhow::Result<()> {
        self.recurs(KEY, EVERY).await
    }

    pub(crate) async fn forget_snapshots(&self, timer: &Timer) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        self.recur(timer, KEY, EVERY).await?;
        let rows = self.runner.store.call(move |db| db.actions_since(now - LONGEST)).await?;
        for call in over(&rows, now) {
            let what = format!("{call}: the snapshot");
            self.keep_promise("forget", &call, &what, "the snapshot's time is over").await?;
        }
        Ok(())
    }
}

/// What removes each snapshot whose time is over. One of which nobody knows whether it was taken is looked for as
/// well.
fn over(rows: &[ActionRow], now: Millis) -> Vec<Call> {
    let gone = |taken: &ActionRow, call: &Call| {
        let later = rows.iter().filter(|row| taken.id < row.id && happened(row));
        later.into_iter().any(|row| row.closed.is_some() && row.step.call == *call)
    };
    let removes = |row: &ActionRow| {
        let (tool, keep) = taken(row)?;
        let Undo::By(back) = &row.step.undo else { return None };
        let call = Call { tool, ..back.clone() };
        (row.at + keep <= now && !gone(row, &call)).then_some(call)
    };
    rows.iter().filter(|row| happened(row)).filter_map(removes).collect()
}

fn happened(row: &ActionRow) -> bool {
    match row.closed.as_ref().map(|(_, word)| word.as_str()) {
        None | Some("done" | "unknown") => true,
        // It keeps what it replaces before it begins.
        Some("failed") => row.tool.as_str() == "snapshot.rollback",
        Some(_) => false,
    }
}

/// What removes the snapshot that this action took, and how long it is kept.
fn taken(row: &ActionRow) -> Option<(ToolName, Span)> {
    let keep = match (row.step.holds, row.step.call.args.get("keep")) {
        (Some(holds), _) => holds.span(),
        (None, Some(Value::Span(keep))) => *keep,
        (None, Some(_) | None) => UNDO_FOR,
    };
    match row.tool.as_str() {
        "vm.snapshot" => Some((ToolName::of("vm.forget"), keep)),
        "snapshot.create" => Some((ToolName::of("snapshot.forget"), keep)),
        // Of what it replaced.
        "snapshot.rollback" => Some((ToolName::of("snapshot.forget"), UNDO_FOR)),
        _ => None,
    }
}
