//! What reef promised to do again and again: a timer of its own kind, which sets the next one, and a call that is made
//! where there is something to do.

use serde_json::Value as Json;

use crate::model::ids::{StepName, Word};
use crate::model::time::Span;
use crate::model::tool::Call;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

impl Responder {
    /// Sees to it that there is a timer of this kind. Called at every start.
    pub(crate) async fn recurs(&self, key: &'static str, every: Span) -> anyhow::Result<()> {
        let at = self.runner.clock.now() + every;
        self.runner
            .store
            .call(move |db| {
                if !db.timers()?.iter().any(|t| t.key == key) {
                    db.add_timer(at, &Word::of(key), &Json::Null, key)?;
                }
                Ok(())
            })
            .await
    }

    /// Ends a timer that was due, and sets the next of its kind.
    pub(crate) async fn recur(
        &self,
        timer: &Timer,
        key: &'static str,
        every: Span,
    ) -> anyhow::Result<()> {
        let (id, at) = (timer.id, self.runner.clock.now() + every);
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    db.end_timer(id)?;
                    db.add_timer(at, &Word::of(key), &Json::Null, key).map(drop)
                })
            })
            .await
    }

    /// Makes the call unless there is nothing to do. `what` says in the log of what it could not be seen.
    pub(crate) async fn keep_promise(
        &self,
        name: &str,
        call: &Call,
        what: &str,
        why: &str,
    ) -> anyhow::Result<()> {
        let name = StepName::new(name).map_err(|e| anyhow::anyhow!("{e}"))?;
        match self.runner.gate.preview(&name, call).await {
            Ok(step) if step.effect.max_items == 0 => Ok(()),
            Ok(step) => self.runner.promised(step, why, None).await.map(drop),
            Err(error) => {
                tracing::warn!("{what} could not be looked at: {error}");
                Ok(())
            }
        }
    }
}
