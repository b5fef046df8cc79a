//! What was quarantined is deleted when its time is over: the promise that its plan made.

use serde_json::Value as Json;

use crate::gate::rules::UNDO_FOR;
use crate::model::ids::{StepName, ToolName, Word};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{Bounds, Call};
use crate::model::value::Value;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// How long what was quarantined can be had back.
pub const KEPT: Span = UNDO_FOR;
/// How often is looked for what is over its time.
const EVERY: Span = Span::days(1);
const KEY: &str = "quarantine";

impl Responder {
    /// Sees to it that the quarantine is looked at once a day. Called at every start.
    pub async fn promise_quarantine(&self) -> anyhow::Result<()> {
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

    pub(crate) async fn empty_quarantine(&self, timer: &Timer) -> anyhow::Result<()> {
        let (id, at) = (timer.id, self.runner.clock.now() + EVERY);
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    db.end_timer(id)?;
                    db.add_timer(at, &Word::of(KEY), &Json::Null, KEY).map(drop)
                })
            })
            .await?;
        let call = Call {
            tool: ToolName::of("files.empty_quarantine"),
            target: Target::host(self.here.clone()),
            args: [("all".to_owned(), Value::Flag(true)), ("older".to_owned(), Value::Span(KEPT))]
                .into(),
            bounds: Bounds::default(),
        };
        let name = StepName::new("empty").map_err(|e| anyhow::anyhow!("{e}"))?;
        match self.runner.gate.preview(&name, &call).await {
            Ok(step) if step.effect.max_items == 0 => Ok(()),
            Ok(step) => {
                self.runner.promised(step, "quarantined files are over their time").await.map(drop)
            }
            Err(error) => {
                tracing::warn!("the quarantine could not be looked at: {error}");
                Ok(())
            }
        }
    }
}
