//! Markdown runbooks: parse, check, select, bind.
//!
//! A runbook is plain Markdown with TOML front matter (`+++`) and fenced TOML blocks `step`, `ask`,
//! `leave`, `escalate` and `verify`. [`parse()`] reads one file alone, [`check()`] holds it against the tools and the
//! readings, [`select()`] finds the one that answers a reading, and [`Bindings`], [`resolve()`] and
//! [`offers`] turn its steps into calls and its questions into words. Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::clock::window::Window;
use crate::clock::zone::Zone;
use crate::config::mistakes::hint;
use crate::model::digest::Digest;
use crate::model::ids::{RunbookName, StepName, ToolName, Word};
use crate::model::message::Urgency;
use crate::model::plan::{Leash, OnFailure};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{Bounds, Tier};
use crate::model::value::Kind;

mod ask;
mod bind;
mod block;
mod check;
mod condition;
mod fields;
mod front;
mod literal;
mod order;
mod parse;
mod reference;
mod resolve;
mod select;
mod shipped;
#[cfg(test)]
mod tests;

pub use ask::{Offer, asks, blames, escalation, leaves, offers, question};
pub use bind::{Bindings, Bound};
pub use check::check;
pub use condition::{Holds, conditions_hold};
pub use literal::Literal;
pub use parse::parse;
pub use reference::{Ref, RefOf, Template};
pub use resolve::{ResolveError, Resolved, resolve, resolve_verify};
pub use select::{Match, Pattern, TargetMatch, knows, select};
pub use shipped::shipped;

/// A runbook as its file says it, references and literals not yet held against any tool.
#[derive(Debug, Clone)]
pub struct Runbook {
    pub name: RunbookName,
    /// Over the file's bytes.
    pub digest: Digest,
    pub title: String,
    pub matches: Match,
    /// Where the runbook starts; ceilings and what was earned say how far it may rise.
    pub leash: Leash,
    /// No step may be able to do more.
    pub max_tier: Tier,
    /// What the steps use, and all that a model may use beside the low tools.
    pub tools: Vec<ToolName>,
    /// Steps above low touch no path outside these.
    pub roots: Vec<AbsPath>,
    /// Commands that run what their arguments say, allowed to the letter.
    pub commands: Vec<Vec<String>>,
    /// Units and containers that do the same work: the last one of them that is well is never restarted.
    pub peers: Vec<Target>,
    /// Runs for one incident, at least 1.
    pub attempts: u32,
    /// The time between two of them.
    pub cooldown: Span,
    /// How the human is told when the runbook gives up or asks.
    pub escalate: Urgency,
    pub on_failure: OnFailure,
    /// More matches than this are refused.
    pub max_targets: u32,
    /// When it may act; always where there is none.
    pub window: Vec<Window>,
    /// Whose wall the windows are on; the operator's where it is not said.
    pub timezone: Option<Zone>,
    /// How long all actions of a run may take together.
    pub at_most: Option<Span>,
    /// What is left to the human where the same fix is needed again and again.
    pub cause: Option<String>,
    /// `param.NAME`: the `params` and the `retention` of the front matter; `--set` changes one.
    pub params: BTreeMap<String, Param>,
    /// Steps and questions in the order of the file.
    pub blocks: Vec<Block>,
    /// What is no fault: where one holds, nothing is done and nobody is told.
    pub leave: Vec<LeaveDef>,
    /// What is told where no step and no question applies; the first that holds.
    pub escalations: Vec<EscalateDef>,
    pub verify: VerifyRule,
    /// The Markdown without the front matter and the machine's blocks.
    pub prose: String,
    pub must_match: Vec<Example>,
    pub must_not_match: Vec<Example>,
    /// Where the keys of the front matter stand.
    pub lines: Lines,
}

/// One block that can become part of a plan.
#[derive(Debug, Clone)]
pub enum Block {
    Step(StepDef),
    Ask(AskDef),
}

/// A call that is made when all its conditions hold.
#[derive(Debug, Clone)]
pub struct StepDef {
    pub name: StepName,
    pub tool: ToolName,
    pub when: Vec<Condition>,
    pub args: BTreeMap<String, Arg>,
    /// What the call is about; the incident's target where it is not said.
    pub target: Option<Arg>,
    pub asked: Asked,
    /// Of the block's opening fence.
    pub line: usize,
    pub lines: Lines,
}

/// Whether a step runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    No,
    /// Only when a human picks an option that names it.
    Yes,
}

/// A question to the human with its options.
#[derive(Debug, Clone)]
pub struct AskDef {
    pub when: Vec<Condition>,
    pub stands: Stands,
    pub question: Template,
    pub options: Vec<OptionDef>,
    pub line: usize,
}

/// How a question relates to the steps above low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Asked whenever its conditions hold.
    Always,
    /// `otherwise = true`: asked only where no step above low applies.
    Otherwise,
}

/// What a human may pick.
#[derive(Debug, Clone)]
pub struct OptionDef {
    pub say: Template,
    /// Steps with `asked = true`; none means that the human handles it.
    pub steps: Vec<StepName>,
    /// Offered only when these hold.
    pub when: Vec<Condition>,
    /// One option for each item of this list, which `say` calls `{{ each }}`.
    pub each: Option<Ref>,
    pub line: usize,
}

/// A state of affairs that wants no action and no message: a legitimate spike.
#[derive(Debug, Clone)]
pub struct LeaveDef {
    pub when: Vec<Condition>,
    /// For the report.
    pub why: String,
    /// When it is looked at again, where it is still there by then.
    pub again: Option<Span>,
    pub line: usize,
}

/// What is for a human: the cause, and what to do next.
#[derive(Debug, Clone)]
pub struct EscalateDef {
    /// All must hold; without any it stands when nothing else does.
    pub when: Vec<Condition>,
    pub why: Template,
    pub blames: Blames,
    pub line: usize,
}

/// What is at fault, by what a human is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blames {
    Itself,
    /// What it hangs on: where that turns red as well, it has been told.
    Parent,
}

/// `{ value = "largest.kind", is = "logs" }`. On a list it holds when it holds for one item.
#[derive(Debug, Clone)]
pub struct Condition {
    pub value: Ref,
    pub test: Test,
    pub line: usize,
}

/// What a condition compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Is(Literal),
    In(Vec<Literal>),
    Above(Limit),
    Below(Limit),
    /// As much or more: what [`Test::Below`] the same limit leaves.
    From(Limit),
}

/// A number that a value is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    Literal(Literal),
    /// A param of the front matter, which the config may set.
    Param(Ref),
}

/// Where an argument comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// As written; read by the kind of the input that it fills.
    Literal(Literal),
    Ref(Ref),
}

/// A typed value of the front matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Told by the literal's shape: a duration, a path, a word.
    pub kind: Kind,
    pub literal: Literal,
    pub line: usize,
}

/// How a fix is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyRule {
    /// The probe that fired is green within `within` and stays so for `stays`.
    Probe { within: Span, stays: Span },
    /// A low call whose value is as said, for what the probe cannot show in time.
    Query {
        tool: ToolName,
        args: BTreeMap<String, Arg>,
        /// The name of one value that the tool gives.
        value: String,
        is: Literal,
        /// How long the value may take to become so; no time at all is one look after the last step.
        within: Span,
        stays: Span,
        line: usize,
    },
}

/// Without a verify block: the probe that fired, within the time of a few looks.
pub(crate) const DEFAULT_VERIFY: VerifyRule =
    VerifyRule::Probe { within: Span::mins(5), stays: Span(0) };

/// A reading in short, for `must_match` and `must_not_match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub probe: Word,
    pub severity: Severity,
    pub target: Option<Target>,
    pub reason: Option<Word>,
    /// What a `pattern` is held against.
    pub text: Option<String>,
    pub line: usize,
}

/// The lines on which keys stand, by their dotted path; a key within a list has several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<String, Vec<usize>>);

impl Lines {
    /// The line of a key, or `otherwise` where it is not written.
    pub fn at(&self, key: &str, otherwise: usize) -> usize {
        self.nth(key, 0, otherwise)
    }

    /// The line of the `n`th such key, in the order of the file.
    pub fn nth(&self, key: &str, n: usize, otherwise: usize) -> usize {
        self.0.get(key).and_then(|lines| lines.get(n)).copied().unwrap_or(otherwise)
    }
}

/// What is wrong with a runbook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    pub what: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    /// `line 14: no step is called "largset"; did you mean "largest"?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl Runbook {
    /// The steps in the order of the file.
    pub fn steps(&self) -> impl Iterator<Item = &StepDef> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Step(step) => Some(step),
            Block::Ask(_) => None,
        })
    }

    /// The questions in the order of the file.
    pub fn questions(&self) -> impl Iterator<Item = &AskDef> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Step(_) => None,
            Block::Ask(ask) => Some(ask),
        })
    }

    pub fn step(&self, name: &StepName) -> Option<&StepDef> {
        self.steps().find(|step| step.name == *name)
    }

    /// How the human is told at this severity: only red pages.
    pub fn urgency(&self, severity: Severity) -> Urgency {
        match severity {
            Severity::Red => self.escalate,
            Severity::Yellow | Severity::Unknown | Severity::Green => Urgency::Message,
        }
    }

    /// Another value for a param, as the config says it; read by the kind that the front matter gives it. The error
    /// is a clause that follows the name.
    pub fn set_param(&mut self, name: &str, text: &str) -> Result<(), String> {
        let Some(param) = self.params.get_mut(name) else {
            let known: Vec<&str> = self.params.keys().map(String::as_str).collect();
            return Err(format!("is no param of this runbook{}", hint(name, known)));
        };
        let literal = Literal::typed(text, &param.kind);
        literal.fits(&param.kind)?;
        param.literal = literal;
        Ok(())
    }

    /// The targets that its steps spell out, in full and not by a reference.
    pub fn named(&self) -> BTreeSet<Target> {
        let literal = |arg: &Arg| match arg {
            Arg::Literal(Literal::Text(text)) => text.parse::<Target>().ok(),
            Arg::Literal(_) | Arg::Ref(_) => None,
        };
        self.steps().flat_map(|step| step.args.values()).filter_map(literal).collect()
    }

    /// What bounds every call of this runbook.
    pub fn bounds(&self) -> Bounds {
        let mut named = self.named();
        if let Some(TargetMatch::Exact(target)) = &self.matches.target {
            named.insert(target.clone());
        }
        let named = named.into_iter().collect();
        Bounds {
            roots: self.roots.clone(),
            max_targets: self.max_targets,
            commands: self.commands.clone(),
            named,
            peers: self.peers.clone(),
        }
    }
}
