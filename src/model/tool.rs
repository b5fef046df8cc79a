//! Tools as values: what each takes, gives and may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::digest::{Canonical, Digest};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::value::{Kind, Values};

/// The risk of an action. The order is the order of risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Query and monitoring: changes nothing.
    Low,
    /// A safe state change: a backup, debug logging for a time.
    Medium,
    /// A risky state change: restart, rotate or delete logs, kill.
    High,
    /// Infrastructure, data deletion, and whatever is not classified.
    Critical,
}

impl Tier {
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == given)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One argument that a tool takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub doc: &'static str,
}

/// Whether an argument may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
}

/// One value that a low tool gives; a runbook refers to it as `STEP.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gives {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

/// [`ToolSpec::tiers`] of a tool that only reads.
pub const READS: &str = "always low: it only reads";
/// [`ToolSpec::undo`] of a tool that only reads.
pub const NOTHING_TO_UNDO: &str = "nothing to undo";

/// All that is known of a tool without calling it.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    pub name: ToolName,
    /// One line, at most 100 characters, no full stop.
    pub summary: &'static str,
    pub inputs: Vec<Input>,
    pub gives: Vec<Gives>,
    /// The highest tier that any call of it can have.
    pub max_tier: Tier,
    /// Which call has which tier: "always high", "medium with what = \"rotated\", else high".
    pub tiers: &'static str,
    /// How an action is undone and until when, or `none` and why.
    pub undo: &'static str,
    /// What mostly goes wrong, and what would mend it.
    pub errors: &'static str,
    pub timeout: Span,
    /// A call as it would stand in a runbook's step.
    pub example: &'static str,
}

/// What bounds a call beyond its arguments: declared by the runbook or the operator, part of the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Paths outside these are refused.
    pub roots: Vec<AbsPath>,
    /// More matches than this are refused.
    pub max_targets: u32,
    /// Things that the runbook names letter by letter: what is stateful is restarted only where it is
    /// one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<Target>,
    /// Things that do the same work: one of them stays well while another one is down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Target>,
    /// Commands that run what their arguments say, which the runbook names to the letter: high instead
    /// of critical.
    #[serde(default)]
    pub commands: Vec<Vec<String>>,
}

impl Default for Bounds {
    /// No roots, so no path; up to 10,000 items.
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            max_targets: 10_000,
            named: Vec::new(),
            peers: Vec::new(),
            commands: Vec::new(),
        }
    }
}

/// A call of a tool, resolved: no reference, no template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub tool: ToolName,
    pub target: Target,
    pub args: Values,
    #[serde(default)]
    pub bounds: Bounds,
}

impl Call {
    pub fn canonical(&self, to: Canonical) -> Canonical {
        to.text(self.tool.as_str())
            .text(&self.target.to_string())
            .list(self.args.iter(), |to, (name, value)| value.canonical(to.text(name)))
            .list(self.bounds.roots.iter(), |to, root| to.text(root.as_str()))
            .int(i64::from(self.bounds.max_targets))
            .list(self.bounds.commands.iter(), |to, command| {
                to.list(command.iter(), |to, part| to.text(part))
            })
            .list(self.bounds.named.iter(), |to, thing| to.text(&thing.to_string()))
            .list(self.bounds.peers.iter(), |to, thing| to.text(&thing.to_string()))
    }
}

impl fmt::Display for Call {
    /// `files.compress mini:/var/log older=30 d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tool, self.target)?;
        self.args.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// What an action will do, counted beforehand by its preview. The tool stops at these bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// For people: "compress 38 files, 61 MiB, to about 4 MiB".
    pub words: String,
    pub max_items: u64,
    pub max_bytes: u64,
    /// How long it should take, where that can be said.
    pub takes: Option<Span>,
    /// The digest of what exactly was previewed: a file list, a plan file.
    pub artifact: Option<Digest>,
}

/// The preview of an action that would do nothing; the words say why.
pub fn nothing_to_do(words: String) -> (Effect, Undo) {
    let effect = Effect { words, max_items: 0, max_bytes: 0, takes: None, artifact: None };
    (effect, Undo::Impossible("nothing is to be changed".into()))
}

/// How many of a service's replicas are healthy, before an action and while it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// How many there should be.
    pub of: u32,
    /// How many are healthy now.
    pub healthy: u32,
    /// How many healthy ones the action leaves.
    pub leaves: u32,
}

impl Replicas {
    /// Whether the action takes the last healthy one of several. What has one only has to be down for a
    /// moment; where none is healthy there is none to take.
    pub fn takes_the_last(self) -> bool {
        1 < self.of && 0 < self.healthy && self.leaves == 0
    }
}

/// How an action is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// This call puts it back.
    By(Call),
    /// It cannot be; says why in words for people.
    Impossible(String),
}

/// How long what an undo needs is kept, where that is not as long as reef keeps what it put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// From the action on, or from the first of several in a run that share it.
    For(Span),
    /// So long at the most: the next action of the same tool on the same target takes its place.
    TillNext(Span),
}

impl Holds {
    pub fn span(self) -> Span {
        match self {
            Self::For(span) | Self::TillNext(span) => span,
        }
    }
}

/// Whether doing it twice is as doing it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    Never,
    /// A test proves that twice is as once.
    Safe,
}

/// How a dispatched action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result", content = "words")]
pub enum ActionResult {
    /// It ran to its end; says what it did, in numbers.
    Done(String),
    /// Provably nothing happened.
    NotStarted(String),
    /// It ran and failed.
    Failed(String),
    /// It may or may not have happened. Never run again by itself.
    Unknown(String),
}

/// Stands in the words of what was done before what is left to a human.
const LEFT: &str = "; left to you: ";

impl ActionResult {
    /// Done, but something beside it is for a human to mend.
    pub fn done_but(did: &str, left: &str) -> Self {
        Self::Done(format!("{did}{LEFT}{left}"))
    }

    /// What of it was left to a human, in the words of [`Self::Done`].
    pub fn left(words: &str) -> Option<&str> {
        words.split_once(LEFT).map(|(_, left)| left)
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::NotStarted(_) => "not started",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
        }
    }

    pub fn words(&self) -> &str {
        match self {
            Self::Done(w) | Self::NotStarted(w) | Self::Failed(w) | Self::Unknown(w) => w,
        }
    }
}

/// What a low tool found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Typed, by the names that the spec's `gives` lists.
    pub values: Values,
    /// For people and, fenced, for a model.
    pub words: Tainted,
}

/// Why a tool did not take a call or could not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "error", content = "words")]
pub enum ToolError {
    /// The call is wrong: an unknown argument, a wrong kind, a path outside the roots.
    Refused(String),
    /// The call is right, but the machine did not answer it.
    Failed(String),
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ToolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_a_human_stands_behind_what_was_done() {
        let result = ActionResult::done_but("renewed x", "fix the cron");
        assert_eq!(result.word(), "done");
        assert_eq!(ActionResult::left(result.words()), Some("fix the cron"));
        assert_eq!(ActionResult::left("renewed x; all is well"), None);
    }
}
