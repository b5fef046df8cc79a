//! The shadow record: what reef would have done, and whether a human then did the same by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::ids::{IncidentId, RunId, ToolName};
use crate::model::plan::{Origin, Plan, Step};
use crate::model::target::Thing;
use crate::model::tool::{Bounds, Call};
use crate::model::value::{Value, Values};
use crate::run::runner::Runner;
use crate::store::actions::Drill;
use crate::store::shadows::{Became, Shadow, ShadowOf};

/// When a container was started last, as `container.inspect` tells it.
const STARTED: &str = "started";

impl Runner {
    /// Keeps a plan that was recorded or asked about, with what its targets are like now.
    pub(crate) async fn keep_shadow(&self, plan: &Plan) -> anyhow::Result<()> {
        let (Origin::Incident(incident), Some(book), Some(first)) =
            (&plan.origin, &plan.runbook, plan.steps.first())
        else {
            return Ok(());
        };
        let mut before = BTreeMap::new();
        for step in &plan.steps {
            if let Some(found) = self.state_of(plan.run, step).await {
                before.insert(step.name.to_string(), found);
            }
        }
        let shadow = Shadow {
            run: plan.run,
            incident: *incident,
            runbook: book.name.clone(),
            host: first.call.target.on().clone(),
            at: self.clock.now(),
            of: ShadowOf { plan: plan.clone(), before, words: String::new() },
            ended: None,
        };
        self.store.call(move |db| db.add_shadow(&shadow)).await
    }

    /// An incident is over: what would have been done is held against what was.
    pub fn compare(self: &Arc<Self>, incident: IncidentId) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = this.compared(incident).await {
                tracing::warn!(%incident, "what was done by hand could not be compared: {error:#}");
            }
        });
    }

    async fn compared(&self, incident: IncidentId) -> anyhow::Result<()> {
        let (open, acted) = self
            .store
            .call(move |db| {
                let open = db.open_shadows(incident)?;
                let mut acted = false;
                for run in db.runs_of(incident)? {
                    let actions = db.actions_of(run.id)?;
                    acted |= actions.iter().any(|row| row.drill == Drill::No);
                }
                Ok((open, acted))
            })
            .await?;
        for mut shadow in open {
            let (became, words) = match acted {
                true => (Became::Acted, "reef did it".to_owned()),
                false => self.judged(&shadow).await,
            };
            shadow.of.words = words;
            let now = self.clock.now();
            self.store.call(move |db| db.end_shadow(&shadow, became, now)).await?;
        }
        Ok(())
    }

    /// All steps must have been done by somebody; one that was not is another way.
    async fn judged(&self, shadow: &Shadow) -> (Became, String) {
        let (mut became, mut words) = (Became::Matched, Vec::new());
        for step in &shadow.of.plan.steps {
            let (of_step, said) = self.done_by_hand(shadow, step).await;
            words.push(format!("{}: {said}", step.name));
            became = match (became, of_step) {
                (Became::Differed, _) | (_, Became::Differed) => Became::Differed,
                (Became::Unclear, _) | (_, Became::Unclear) => Became::Unclear,
                (Became::Matched | Became::Acted, one) => one,
            };
        }
        (became, words.join("; "))
    }

    async fn done_by_hand(&self, shadow: &Shadow, step: &Step) -> (Became, String) {
        let before = shadow.of.before.get(step.name.as_str());
        if let (Some(before), Some(now)) = (before, self.state_of(shadow.run, step).await) {
            return restarted(before, &now);
        }
        // What there was to do is gone: somebody did it.
        if 1 < step.effect.max_items {
            return match self.gate.preview(&step.name, &step.call).await {
                Ok(now) if now.effect.max_items * 2 <= step.effect.max_items => {
                    let (was, is) = (step.effect.max_items, now.effect.max_items);
                    (Became::Matched, format!("of {was} there are {is} left"))
                }
                Ok(now) => (Became::Differed, format!("{} are still there", now.effect.max_items)),
                Err(error) => (Became::Unclear, error.to_string()),
            };
        }
        let (since, target) = (shadow.at, step.call.target.clone());
        let changes = self.store.readings().call(move |r| r.changes_since(since, 500)).await;
        let of_it = changes.unwrap_or_default().into_iter().find(|change| change.target == target);
        match of_it {
            Some(change) => (Became::Matched, change.kind.phrase().to_owned()),
            None => (Became::Unclear, "nothing tells what became of it".to_owned()),
        }
    }

    /// What a low tool says of a step's target, where there is one that tells whether somebody restarted it.
    async fn state_of(&self, run: RunId, step: &Step) -> Option<Values> {
        let tells = [
            (Thing::Unit, "unit.status", "unit"),
            (Thing::Container, "container.inspect", "container"),
        ];
        let thing = step.call.target.thing();
        let (_, tool, input) = tells.into_iter().find(|(of, ..)| *of == thing)?;
        let tool = ToolName::of(tool);
        let target = step.call.target.clone();
        let args = [(input.to_owned(), Value::Target(target.clone()))].into();
        let call = Call { tool, target, args, bounds: Bounds::default() };
        self.gate.query(run, &Origin::Timer, &call).await.ok().map(|found| found.values)
    }
}

/// Whether somebody restarted a unit or a container: it has another process, or another start, than before, and its
/// manager is not the reason.
fn restarted(before: &Values, now: &Values) -> (Became, String) {
    let number = |values: &Values, name: &str| values.get(name).and_then(Value::as_number);
    let (what, who) = match before.contains_key(STARTED) || now.contains_key(STARTED) {
        true => (STARTED, "the engine"),
        false => ("pid", "its manager"),
    };
    let (was, is) = (number(before, what), number(now, what));
    if number(before, "restarts") < number(now, "restarts") {
        return (Became::Differed, format!("{who} restarted it"));
    }
    match (was, is) {
        (Some(was), Some(is)) if was != is && 0 < is => {
            (Became::Matched, "restarted by hand".to_owned())
        }
        (Some(_), Some(_)) => (Became::Differed, "it was not restarted".to_owned()),
        (None, _) | (_, None) => (Became::Unclear, "nobody knows when it was started".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_by_hand_is_told_from_one_by_the_manager() {
        let unit = |pid, restarts| -> Values {
            [("pid".to_owned(), Value::Int(pid)), ("restarts".to_owned(), Value::Int(restarts))]
                .into()
        };
        for (before, now, want) in [
            (unit(0, 2), unit(4_711, 2), Became::Matched),
            (unit(17, 2), unit(4_711, 2), Became::Matched),
            (unit(17, 2), unit(4_711, 3), Became::Differed),
            (unit(17, 2), unit(17, 2), Became::Differed),
            (unit(17, 2), unit(0, 2), Became::Differed),
            (unit(17, 2), Values::new(), Became::Unclear),
        ] {
            assert_eq!(restarted(&before, &now).0, want, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_container_started_by_hand_is_told_from_one_that_the_engine_started() {
        let container = |started, restarts| -> Values {
            [
                (STARTED.to_owned(), Value::Int(started)),
                ("restarts".to_owned(), Value::Int(restarts)),
            ]
            .into()
        };
        for (before, now, want) in [
            (container(100, 0), container(900, 0), Became::Matched),
            // A start by hand counts anew.
            (container(100, 3), container(900, 0), Became::Matched),
            (container(100, 0), container(900, 1), Became::Differed),
            (container(100, 3), container(100, 3), Became::Differed),
            (container(100, 3), Values::new(), Became::Unclear),
        ] {
            assert_eq!(restarted(&before, &now).0, want, "{before:?} {now:?}");
        }
    }
}
