//! Before the first step of tier high a snapshot, where the config says of what: its rollback is the undo for all
//! that comes after it.

use crate::gate::rules::SnapshotRule;
use crate::model::ids::{RunId, StepName, ToolName, Word};
use crate::model::plan::Step;
use crate::model::tool::{Bounds, Call, Tier, Undo};
use crate::model::value::Value;
use crate::run::runner::Runner;

/// What the step is called in a plan.
const NAME: &str = "snapshot-before";

impl Runner {
    /// The snapshot that stands before these steps, if one of them is high and on a host that has one. An error
    /// where it cannot be taken: then there would be no undo, and a human has to know.
    pub(crate) async fn snapshot_before<'a>(
        &self,
        run: RunId,
        mut steps: impl Iterator<Item = &'a Step>,
    ) -> anyhow::Result<Option<Step>> {
        let rules = self.gate.rules();
        let risky = |step: &&Step| Tier::High <= step.tier && !is_of_snapshots(&step.call.tool);
        let found = steps.find_map(|step| {
            Some(&step).filter(|step| risky(step))?;
            rules.snapshots.get(step.call.target.on())
        });
        let Some(SnapshotRule { tool, target, args, keep }) = found else { return Ok(None) };
        let name = Word::new(format!("reef-run-{}", run.0)).map_err(|e| anyhow::anyhow!("{e}"))?;
        let mut args = args.clone();
        args.insert("name".to_owned(), Value::Word(name));
        args.insert("keep".to_owned(), Value::Span(*keep));
        let call =
            Call { tool: tool.clone(), target: target.clone(), args, bounds: Bounds::default() };
        let name = StepName::new(NAME).map_err(|e| anyhow::anyhow!("{e}"))?;
        match self.gate.preview(&name, &call).await {
            Ok(step) if step.effect.max_items == 0 => Ok(None),
            Ok(step) => Ok(Some(step)),
            Err(why) => anyhow::bail!(
                "the snapshot that the config wants before a step of tier high cannot be taken: {why}"
            ),
        }
    }
}

/// Snapshots themselves need none before them.
fn is_of_snapshots(tool: &ToolName) -> bool {
    ["vm.snapshot", "vm.rollback", "vm.forget"].contains(&tool.as_str())
}

/// The steps with the snapshot before the first that is high; what has no undo of its own has the rollback from
/// there on.
pub(crate) fn with_snapshot(mut steps: Vec<Step>, snapshot: Option<&Step>) -> Vec<Step> {
    let Some(snapshot) = snapshot else { return steps };
    let first = steps.iter().position(|s| Tier::High <= s.tier && !is_of_snapshots(&s.call.tool));
    let Some(first) = first else { return steps };
    for step in steps.iter_mut().skip(first) {
        if let Undo::Impossible(_) = step.undo {
            step.undo = snapshot.undo.clone();
        }
    }
    steps.insert(first, snapshot.clone());
    steps
}
