//! Plans in plain words: what would be done, how much, and how it is undone.

use std::fmt::Write as _;

use crate::model::plan::{Plan, Step, Verify};
use crate::model::tool::{Holds, Undo};

/// One step: `compress: compress 38 files, 61 MiB, to about 4 MiB (high)`, then how it is undone.
pub fn step(step: &Step) -> String {
    let mut words = format!("{} ({}): {}", step.name, step.tier, step.effect.words);
    if let Some(takes) = step.effect.takes {
        // Writing to a string cannot fail.
        let _ = write!(words, "; takes about {takes}");
    }
    let undone = match &step.undo {
        Undo::By(call) => match step.holds {
            None => format!("undo: {}", call.tool),
            Some(Holds::For(span)) => format!("undo: {} for {span}", call.tool),
            Some(Holds::TillNext(span)) => {
                format!("undo: {} for {span}, or until it is done again", call.tool)
            }
        },
        Undo::Impossible(why) => format!("no undo: {why}"),
    };
    let _ = write!(words, ". {undone}");
    words
}

/// A plan, a line a step, and how it will be proven.
pub fn plan(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.steps.iter().map(|s| format!("- {}", step(s))).collect();
    lines.push(match &plan.verify {
        Verify::Probe { signal, within, .. } => format!("proof: {signal} green within {within}"),
        Verify::Query { call, value, is, .. } => {
            format!("proof: {} says {value} = {is}", call.tool)
        }
        Verify::Not(why) => format!("cannot be proven: {why}"),
    });
    lines.join("\n")
}
