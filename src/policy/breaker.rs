//! The breaker: stops what keeps failing. A fold over past actions, so a restart refills nothing.

use std::collections::BTreeMap;

use crate::model::ids::{RunId, ToolName};
use crate::model::plan::Verdict;
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::policy::fact::{ActionFact, Outcome, Proof};

/// Which actions a breaker looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// All of them.
    All,
    /// One tool on one target.
    One { tool: ToolName, target: Target },
}

/// When a breaker trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many failures within `within` pause for `pause`.
    pub failures: u32,
    pub within: Span,
    pub pause: Span,
    /// So many failures in a row wait for a human.
    pub in_a_row: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 2, within: Span::mins(10), pause: Span::mins(30), in_a_row: 5 }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    Passing,
    /// Nothing passes before that instant; at it, one may try.
    PausedUntil(Millis),
    /// The pause is over: one run may try. `by` is the run that does.
    TryingOne {
        by: Option<RunId>,
    },
    /// Too many in a row: until a human resets it.
    WaitsForHuman,
}

/// Folds past actions into a breaker's state. `resets` are the instants at which a human reset it.
///
/// A run counts once, however many steps it took on the key: it failed if one of them did, was unknown,
/// did not start, or its verification failed. What is in flight or still being verified counts for
/// nothing yet, but is the one that tries after a pause.
pub fn state(
    facts: &[ActionFact],
    key: &Key,
    rules: &BreakerRules,
    resets: &[Millis],
    now: Millis,
) -> Breaker {
    let runs = runs(facts, key);
    let mut fold = Fold::default();
    let mut events: Vec<(Millis, Event)> = resets.iter().map(|at| (*at, Event::Reset)).collect();
    events.extend(runs.values().filter_map(|run| Some((run.ended_at?, run.ended?))));
    events.retain(|(at, _)| *at <= now);
    events.sort();
    for (at, event) in events {
        fold.take(event, at, rules);
    }
    let open = |(id, run): (&RunId, &Run)| {
        let after = fold.paused_until.is_some_and(|until| until <= run.at);
        (after && run.ended.is_none()).then_some(*id)
    };
    match fold.paused_until {
        _ if fold.waits => Breaker::WaitsForHuman,
        Some(until) if now < until => Breaker::PausedUntil(until),
        Some(_) => Breaker::TryingOne { by: runs.iter().find_map(open) },
        None => Breaker::Passing,
    }
}

/// What ended. The order is the one in which things of one instant count: a reset wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Success,
    Failure,
    Reset,
}

/// One run's doings on the key.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Its first dispatch.
    at: Millis,
    ended: Option<Event>,
    ended_at: Option<Millis>,
}

fn runs(facts: &[ActionFact], key: &Key) -> BTreeMap<RunId, Run> {
    let mut runs: BTreeMap<RunId, Run> = BTreeMap::new();
    for fact in facts.iter().filter(|f| f.counts() && key.covers(f)) {
        let ended = ended(fact);
        // A close without its time counts from the dispatch.
        let ended_at = ended.map(|_| fact.ended_at.unwrap_or(fact.at));
        let this = Run { at: fact.at, ended, ended_at };
        runs.entry(fact.run).and_modify(|run| *run = run.and(this)).or_insert(this);
    }
    runs
}

impl Run {
    /// A failure of one step is the run's; it succeeded when all did.
    fn and(self, other: Self) -> Self {
        let at = self.at.min(other.at);
        let failed =
            |run: Self| (run.ended == Some(Event::Failure)).then_some(run.ended_at).flatten();
        match (failed(self), failed(other)) {
            (Some(a), Some(b)) => Self { at, ended: self.ended, ended_at: Some(a.min(b)) },
            (Some(_), None) => Self { at, ..self },
            (None, Some(_)) => Self { at, ..other },
            (None, None) if self.ended.is_none() => Self { at, ..self },
            (None, None) if other.ended.is_none() => Self { at, ..other },
            (None, None) => {
                Self { at, ended: self.ended, ended_at: self.ended_at.max(other.ended_at) }
            }
        }
    }
}

fn ended(fact: &ActionFact) -> Option<Event> {
    match (fact.outcome?, fact.proof) {
        (Outcome::NotStarted | Outcome::Failed | Outcome::Unknown, _) => Some(Event::Failure),
        (Outcome::Done, Proof::Failed) => Some(Event::Failure),
        (Outcome::Done, Proof::Passed | Proof::None) => Some(Event::Success),
        (Outcome::Done, Proof::Pending) => None,
    }
}

/// What the events so far add up to.
#[derive(Debug, Default)]
struct Fold {
    in_a_row: u32,
    /// Once too many failed in a row, no late success lifts it: only a reset.
    waits: bool,
    /// Failures since the last success.
    failed_at: Vec<Millis>,
    paused_until: Option<Millis>,
}

impl Fold {
    fn take(&mut self, event: Event, at: Millis, rules: &BreakerRules) {
        match event {
            Event::Reset => *self = Self::default(),
            Event::Success => {
                let still_paused = self.paused_until.is_some_and(|until| at < until);
                // A success of something that began before the pause does not end it.
                let paused_until = self.paused_until.filter(|_| still_paused);
                *self = Self { waits: self.waits, paused_until, ..Self::default() };
            }
            Event::Failure => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.waits |= rules.in_a_row.max(1) <= self.in_a_row;
                self.failed_at.push(at);
                let recent =
                    self.failed_at.iter().filter(|f| at.since(**f) <= rules.within).count();
                let trial = self.paused_until.is_some();
                if trial || rules.failures.max(1) as usize <= recent {
                    self.paused_until = Some(at + rules.pause);
                }
            }
        }
    }
}

impl Key {
    fn covers(&self, fact: &ActionFact) -> bool {
        match self {
            Self::All => true,
            Self::One { tool, target } => fact.tool == *tool && fact.target == *target,
        }
    }
}

impl Breaker {
    /// What the breaker says to one more action of `run`.
    pub fn verdict(&self, run: RunId, of: &str) -> Verdict {
        let forbid = |why: String| Verdict::Forbid { why };
        match self {
            Self::Passing | Self::TryingOne { by: None } => Verdict::Allow,
            Self::TryingOne { by: Some(by) } if *by == run => Verdict::Allow,
            Self::TryingOne { by: Some(by) } => {
                forbid(format!("breaker of {of}: {by} is trying, one at a time"))
            }
            Self::PausedUntil(_) => forbid(format!("breaker of {of}: paused after failures")),
            Self::WaitsForHuman => {
                forbid(format!("breaker of {of}: too many failures in a row, waits for you"))
            }
        }
    }

    /// For people: `passing`, `paused until 03:20`, `trying one`, `waits for you`. `clock` prints an
    /// instant in the operator's zone.
    pub fn words(&self, clock: impl Fn(Millis) -> String) -> String {
        match self {
            Self::Passing => "passing".into(),
            Self::PausedUntil(until) => format!("paused until {}", clock(*until)),
            Self::TryingOne { .. } => "trying one".into(),
            Self::WaitsForHuman => "waits for you".into(),
        }
    }
}

#[cfg(test)]
mod tests;
