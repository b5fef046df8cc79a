//! A plan: the steps above low of one round, fully resolved, with their digest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::digest::{Canonical, Digest};
use crate::model::ids::{ActionId, IncidentId, RunId, RunbookName, StepName};
use crate::model::target::{Signal, Target};
use crate::model::time::Span;
use crate::model::tool::{Call, Effect, Holds, Repeat, Replicas, Tier, Undo};

/// Who or what wanted the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An incident's runbook.
    Incident(IncidentId),
    /// A proposal of the agent for an incident: always at least asks.
    Proposal(IncidentId),
    /// A human at the socket, by peer uid.
    Operator { uid: u32 },
    /// The undo of an action that a human or a runbook asked for.
    Undo(ActionId),
    /// `reef drill`, bound to its own scratch folder.
    Drill,
    /// A promise that came due: a quarantine to empty.
    Timer,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(id) => write!(f, "incident {id}"),
            Self::Proposal(id) => write!(f, "proposal for {id}"),
            Self::Operator { uid } => write!(f, "operator uid {uid}"),
            Self::Undo(id) => write!(f, "undo of {id}"),
            Self::Drill => f.write_str("drill"),
            Self::Timer => f.write_str("timer"),
        }
    }
}

/// One step above low.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: StepName,
    pub call: Call,
    pub tier: Tier,
    pub effect: Effect,
    pub undo: Undo,
    pub repeat: Repeat,
    /// What no other action may hold while this one runs and is verified.
    pub lease: Vec<Target>,
    /// What stands behind the service beside what this step takes away, where the tool can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// How long what `undo` needs is kept; `None`: as long as reef keeps what it put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holds>,
}

/// How a plan's success is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// The probe that fired must turn green within `within` and stay green for `stays`.
    Probe { signal: Signal, within: Span, stays: Span },
    /// A low call whose value must become as said within `within` and stay so for `stays`: for what no
    /// probe shows in time.
    Query {
        call: Call,
        value: String,
        is: String,
        #[serde(default)]
        within: Span,
        #[serde(default)]
        stays: Span,
    },
    /// Nothing can prove it; the ending says "not verified". Says why.
    Not(String),
}

/// What happens when a step failed or the verification did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Stop and tell the human.
    Stop,
    /// Undo the steps that are known to be done, newest first; never an unknown one.
    Undo,
}

/// What a run is about to do. Its digest is what an approval names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub run: RunId,
    pub round: u32,
    pub origin: Origin,
    pub runbook: Option<RunbookRef>,
    pub steps: Vec<Step>,
    pub verify: Verify,
    pub on_failure: OnFailure,
}

/// A runbook as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRef {
    pub name: RunbookName,
    /// Over the file's bytes.
    pub digest: Digest,
}

impl Plan {
    /// The highest tier of its steps; low for a plan without steps.
    pub fn tier(&self) -> Tier {
        self.steps.iter().map(|s| s.tier).max().unwrap_or(Tier::Low)
    }

    /// How long it should take as far as its previews say; what they do not say counts for nothing.
    pub fn takes(&self) -> Span {
        let all = self.steps.iter().filter_map(|step| step.effect.takes);
        Span(all.fold(0_i64, |sum, takes| sum.saturating_add(takes.0)))
    }

    /// Over tools, resolved arguments, targets, bounds, artifacts, runbook, verification and
    /// on-failure: one changed byte is another plan. Not over words for people and not over the round,
    /// so that a plan made anew over an unchanged world has the digest that was approved.
    pub fn digest(&self) -> Digest {
        let to = Canonical::new("reef plan 1").int(self.run.0).text(&self.origin.to_string());
        let to = match &self.runbook {
            Some(r) => to.text(r.name.as_str()).bytes(&r.digest.0),
            None => to.text("no runbook"),
        };
        let to = to.list(self.steps.iter(), |to, step| step.canonical(to));
        let to = match &self.verify {
            Verify::Probe { signal, within, stays } => {
                to.text("probe").text(&signal.to_string()).int(within.0).int(stays.0)
            }
            Verify::Query { call, value, is, within, stays } => {
                let to = call.canonical(to.text("query")).text(value).text(is);
                to.int(within.0).int(stays.0)
            }
            Verify::Not(why) => to.text("not").text(why),
        };
        let on_failure = match self.on_failure {
            OnFailure::Stop => "stop",
            OnFailure::Undo => "undo",
        };
        to.text(on_failure).finish()
    }
}

impl Step {
    fn canonical(&self, to: Canonical) -> Canonical {
        let to = self.call.canonical(to.text(self.name.as_str())).text(self.tier.as_str());
        let to = to
            .bytes(&self.effect.max_items.to_be_bytes())
            .bytes(&self.effect.max_bytes.to_be_bytes());
        let to = match &self.effect.artifact {
            Some(digest) => to.bytes(&digest.0),
            None => to.text("no artifact"),
        };
        let to = match &self.undo {
            Undo::By(call) => call.canonical(to.text("undo")),
            Undo::Impossible(_) => to.text("no undo"),
        };
        let repeat = match self.repeat {
            Repeat::Never => "never",
            Repeat::Safe => "safe",
        };
        let to = to.text(repeat).list(self.lease.iter(), |to, key| to.text(&key.to_string()));
        let to = match self.replicas {
            Some(Replicas { of, healthy, leaves }) => {
                to.text("replicas").int(of.into()).int(healthy.into()).int(leaves.into())
            }
            None => to,
        };
        match self.holds {
            Some(Holds::For(span)) => to.text("holds for").int(span.0),
            Some(Holds::TillNext(span)) => to.text("holds till next").int(span.0),
            None => to,
        }
    }
}

/// The gate's answer. The order is the order of strictness: a plan's verdict is its strictest step's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    Allow,
    Ask { why: String },
    Forbid { why: String },
}

impl Verdict {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask { .. } => "ask",
            Self::Forbid { .. } => "forbid",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Allow => "",
            Self::Ask { why } | Self::Forbid { why } => why,
        }
    }

    /// The stricter of two; the reasons of the milder are dropped.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// How much of its own accord reef may do. The order is the order of freedom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leash {
    /// Only looks; what would have been done is a record.
    Observe,
    /// Each plan waits for a human.
    Ask,
    /// Steps of the matched runbook run by themselves.
    Auto,
}

impl Leash {
    pub const ALL: [Self; 3] = [Self::Observe, Self::Ask, Self::Auto];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Ask => "ask",
            Self::Auto => "auto",
        }
    }

    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == given)
    }
}

impl fmt::Display for Leash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The ways a run ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ending", content = "words")]
pub enum Ending {
    /// Verified by the probe that fired.
    Fixed(String),
    NotFixed(String),
    /// Done, but nothing could prove it.
    NotVerified(String),
    NothingToDo(String),
    /// Under observe: what would have been done was recorded.
    Observed(String),
    /// Over to the human, with context.
    Escalated(String),
}

impl Ending {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fixed(_) => "fixed",
            Self::NotFixed(_) => "not fixed",
            Self::NotVerified(_) => "done but not verified",
            Self::NothingToDo(_) => "nothing to do",
            Self::Observed(_) => "observed",
            Self::Escalated(_) => "escalated",
        }
    }

    pub fn words(&self) -> &str {
        match self {
            Self::Fixed(w)
            | Self::NotFixed(w)
            | Self::NotVerified(w)
            | Self::NothingToDo(w)
            | Self::Observed(w)
            | Self::Escalated(w) => w,
        }
    }
}
