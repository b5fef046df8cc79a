//! All signals together: what explains what, when actions are held, and the grace after a power cut.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::ids::HostName;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};

/// Reds within this of each other count as one event.
pub const TOGETHER: Span = Span::mins(10);

/// What a red of this signal says about its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The host cannot be reached: explains everything on it.
    HostDown,
    /// The host is short of something (disk, memory, cpu): explains what is no resource on it.
    Resource,
    /// Explains only its children.
    Own,
}

/// Whether a human has it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    New,
    Acknowledged,
    Silenced,
    Escalated,
}

/// How one signal stands at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub signal: Signal,
    /// Confirmed by triage.
    pub severity: Severity,
    /// When it turned red, while it is.
    pub red_at: Option<Millis>,
    pub attention: Attention,
    pub cause: Cause,
    pub parent: Option<Signal>,
    pub drill: bool,
}

/// How far a hold reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldScope {
    #[default]
    Global,
    /// Only reds of one host hold, and only what is on it.
    Host,
}

/// All that the tree looks at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub standings: &'a [Standing],
    pub scope: HoldScope,
    /// The hold that stands, from the last decision.
    pub held: Option<&'a Hold>,
    /// When the operator last said `reef resume`: reds up to then hold nothing.
    pub resumed_at: Option<Millis>,
}

/// Actions above low wait for a human, or until at most one red is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: Millis,
    /// The independent reds that brought it.
    pub by: BTreeSet<Signal>,
    /// Held hosts; `None` holds everything.
    pub hosts: Option<BTreeSet<HostName>>,
}

/// What is to be done now. All of it empty: quiet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Signal -> the red that explains it: probed, but no message, no model call, no action.
    pub explained: BTreeMap<Signal, Signal>,
    /// Yellows: note, and watch the next look.
    pub watch: Vec<Signal>,
    /// Reds: tell, and recover.
    pub recover: Vec<Signal>,
    /// Reds that a hold keeps from recovering.
    pub held: Vec<Signal>,
    pub hold: Option<Hold>,
}

/// The red that explains this signal, if one does: the last in the chain, which nothing explains.
pub fn explained_by(one: &Standing, all: &[Standing]) -> Option<Signal> {
    let _ = (one, all);
    todo!()
}

/// Decides over all signals.
pub fn tree(scene: &Scene<'_>, now: Millis) -> Decision {
    let _ = (scene, now);
    todo!()
}

/// One grace for the whole estate after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grace {
    pub from: Millis,
    pub until: Millis,
}

/// The grace after a power cut. It begins when several hosts booted within the last ten minutes, and
/// ends when the parents have been green for ten minutes (`parents_green_since`; without parents: ten
/// minutes after the last boot), an hour after it began at the latest. `boots` is each host's last boot.
pub fn power_cut(
    before: Option<Grace>,
    boots: &[Millis],
    parents: Parents,
    now: Millis,
) -> Option<Grace> {
    let _ = (before, boots, parents, now);
    todo!()
}

/// How the estate's parents (router, switch, NAS) stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// The config names none.
    None,
    NotGreen,
    GreenSince(Millis),
}
