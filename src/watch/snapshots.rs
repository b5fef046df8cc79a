//! The snapshots that reef took are removed when their time is over: the promise that their plan made.

use serde_json::Value as Json;

use crate::gate::rules::UNDO_FOR;
use crate::model::ids::{StepName, ToolName, Word};
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
        let at = self.runner.clock.now() + EVERY;
        self.runner
            .store
            .call(move |db| {
                if !db.timers()?.iter().any(|t| t.key == KEY) {
                    db.add_timer(at, &Word::of(KEY), &Json::Null, KEY)?;
                }
                Ok(())
            })
            .await
    }

    pub(crate) async fn forget_snapshots(&self, timer: &Timer) -> anyhow::Result<()> {
        let (id, now) = (timer.id, self.runner.clock.now());
        let rows = self
            .runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    db.end_timer(id)?;
                    db.add_timer(now + EVERY, &Word::of(KEY), &Json::Null, KEY)?;
                    db.actions_since(now - LONGEST)
                })
            })
            .await?;
        for call in over(&rows, now) {
            let name = StepName::new("forget").map_err(|e| anyhow::anyhow!("{e}"))?;
            match self.runner.gate.preview(&name, &call).await {
                // It went away otherwise.
                Ok(step) if step.effect.max_items == 0 => {}
                Ok(step) => {
                    self.runner.promised(step, "the snapshot's time is over").await?;
                }
                Err(error) => {
                    tracing::warn!("{call}: the snapshot could not be looked at: {error}");
                }
            }
        }
        Ok(())
    }
}

/// What removes each snapshot whose time is over. One of which nobody knows whether it was taken is looked for as
/// well.
fn over(rows: &[ActionRow], now: Millis) -> Vec<Call> {
    let happened = |row: &&ActionRow| {
        row.closed.as_ref().is_none_or(|(_, word)| word == "done" || word == "unknown")
    };
    let gone = |call: &Call| {
        rows.iter().filter(happened).any(|row| row.closed.is_some() && row.step.call == *call)
    };
    let taken = rows.iter().filter(|row| row.tool.as_str() == "vm.snapshot").filter(happened);
    taken
        .filter_map(|row| {
            let keep = match row.step.call.args.get("keep") {
                Some(Value::Span(keep)) => *keep,
                Some(_) | None => UNDO_FOR,
            };
            let Undo::By(back) = &row.step.undo else { return None };
            let call = Call { tool: ToolName::of("vm.forget"), ..back.clone() };
            (row.at + keep <= now && !gone(&call)).then_some(call)
        })
        .collect()
}
