//! Before the first step of tier high the snapshots that the config wants of what it is about: their rollback is the
//! undo for all that comes after them.

use crate::gate::rules::SnapshotRule;
use crate::model::ids::{RunId, StepName, ToolName, Word};
use crate::model::plan::Step;
use crate::model::tool::{Bounds, Call, Tier, Undo};
use crate::model::value::Value;
use crate::run::runner::Runner;

/// What the step is called in a plan; a second one has a number behind it.
const NAME: &str = "snapshot-before";

/// A snapshot, previewed, and which steps it is for.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub rule: SnapshotRule,
    pub step: Step,
}

impl Runner {
    /// The snapshots that stand before these steps: one of each that covers a step of tier high. An error where one
    /// cannot be taken: then there would be no undo, and a human has to know.
    pub(crate) async fn snapshots_before(
        &self,
        run: RunId,
        steps: &[&Step],
    ) -> anyhow::Result<Vec<Before>> {
        let rules = self.gate.rules();
        let mut found = Vec::new();
        for rule in &rules.snapshots {
            if !steps.iter().any(|step| wants(rule, step)) {
                continue;
            }
            let name = match found.len() {
                0 => NAME.to_owned(),
                n => format!("{NAME}-{}", n + 1),
            };
            let name = StepName::new(name).map_err(|e| anyhow::anyhow!("{e}"))?;
            match self.gate.preview(&name, &call(rule, run)?).await {
                Ok(step) if step.effect.max_items == 0 => {}
                Ok(step) => found.push(Before { rule: rule.clone(), step }),
                Err(why) => anyhow::bail!(
                    "the snapshot that the config wants before a step of tier high cannot be taken: {why}"
                ),
            }
        }
        Ok(found)
    }
}

fn call(rule: &SnapshotRule, run: RunId) -> anyhow::Result<Call> {
    let SnapshotRule { tool, target, args, run_as, keep, .. } = rule;
    let word = Word::new(format!("reef-run-{}", run.0)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut args = args.clone();
    args.insert((*run_as).to_owned(), Value::Word(word));
    args.insert("keep".to_owned(), Value::Span(*keep));
    Ok(Call { tool: tool.clone(), target: target.clone(), args, bounds: Bounds::default() })
}

/// Whether a snapshot is to be taken for this step.
fn wants(rule: &SnapshotRule, step: &Step) -> bool {
    Tier::High <= step.tier && !is_of_snapshots(&step.call.tool) && rule.covers(&step.call)
}

/// Snapshots themselves need none before them.
fn is_of_snapshots(tool: &ToolName) -> bool {
    [
        "snapshot.create",
        "snapshot.forget",
        "snapshot.rollback",
        "vm.forget",
        "vm.rollback",
        "vm.snapshot",
    ]
    .contains(&tool.as_str())
}

/// The steps with each snapshot before the first that it is for; what has no undo of its own has the rollback of the
/// first snapshot that covers it, from there on.
pub(crate) fn with_snapshots(mut steps: Vec<Step>, snapshots: &[Before]) -> Vec<Step> {
    for Before { rule, step: snapshot } in snapshots {
        let Some(first) = steps.iter().position(|step| wants(rule, step)) else { continue };
        for step in steps.iter_mut().skip(first).filter(|step| rule.covers(&step.call)) {
            if let Undo::Impossible(_) = step.undo {
                step.undo = snapshot.undo.clone();
                step.holds = snapshot.holds;
            }
        }
        steps.insert(first, snapshot.clone());
    }
    steps
}
