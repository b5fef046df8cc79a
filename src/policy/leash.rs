//! Tier, leash and origin give a verdict: the table "Tiers and the leash".

use crate::model::plan::{Leash, Origin, Verdict};
use crate::model::tool::Tier;

/// Why a step is where it is: decided by code, never by a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A step of the runbook that matched this incident.
    MatchedRunbook,
    /// A job that the operator wrote and enabled: a standing approval for its definition.
    EnabledJob,
    /// A revert, an expiry or an undo that was part of an earlier plan's digest.
    Promised,
    Neither,
}

/// What the operator typed at the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmed {
    No,
    /// `y`, or `--yes`.
    Yes,
    /// The target's name, letter by letter.
    Named,
}

/// Whether all that a step touches lies in the drill's own scratch folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scratch {
    Inside,
    Outside,
}

/// One step as the leash sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    pub tier: Tier,
    pub leash: Leash,
    pub origin: &'a Origin,
    pub source: Source,
    pub confirmed: Confirmed,
    pub scratch: Scratch,
}

/// The leash in effect: the least of the ceilings (global, host, runbook), where the runbook starts, a
/// demotion, and what the model's exam allows. Without any ceiling: observe.
pub fn effective(
    ceilings: &[Leash],
    start: Leash,
    demoted: Option<Leash>,
    exam: Option<Leash>,
) -> Leash {
    let Some(ceiling) = ceilings.iter().copied().min() else { return Leash::Observe };
    [Some(ceiling), Some(start), demoted, exam]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(Leash::Observe)
}

/// What the leash says to a step.
pub fn verdict(case: &Case<'_>) -> Verdict {
    let _ = case;
    todo!()
}
