//! One conversation: its turns, what was called so far, and what is said back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::agent::bounds::{AgentBounds, NoConclusion};
use crate::agent::brief::Brief;
use crate::agent::call::{Refusal, Scope, resolve};
use crate::agent::cards::{Cards, is_conclusion};
use crate::agent::conclusion::Held;
use crate::agent::context::{LAST_TURN, REMINDER, SYSTEM, body};
use crate::agent::evidence::Evidence;
use crate::agent::guard::Guard;
use crate::llm::ModelError;
use crate::model::chat::{Reply, Turn, WantedCall};
use crate::model::conclusion::Conclusion;
use crate::model::digest::Canonical;
use crate::model::tool::{Call, Found, ToolError, ToolSpec};
use crate::runbook::Runbook;

/// The longest first turn, in characters. Its parts have bounds of their own and stay below it.
const LONGEST_BODY: usize = 20_000;
/// The longest result of a tool, fence and all, in characters.
const LONGEST_RESULT: usize = 2_000;
/// What the fence with its bar before each line, and the last turn's hint, may take of it.
const FRAME: usize = 320;
/// What the values that got an id may take of it.
const LONGEST_VALUES: usize = 900;
/// The longest error of a tool, in characters.
const LONGEST_ERROR: usize = 400;
/// The most calls that one reply may have; the others are answered with a refusal.
const MOST_CALLS: usize = 8;

/// A call that was understood.
#[derive(Debug)]
pub(super) enum Act {
    Query(Call),
    Conclude(Conclusion),
}

/// A call that is not carried out: either the model hears why and goes on, or it is the end.
#[derive(Debug)]
pub(super) enum Problem {
    RespondToModel(String),
    Fatal(NoConclusion),
}

impl From<Refusal> for Problem {
    fn from(Refusal(words): Refusal) -> Self {
        Self::RespondToModel(words)
    }
}

/// The state of one conversation.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    brief: &'a Brief,
    guard: &'a Guard,
    bounds: AgentBounds,
    scope: Scope,
    evidence: Evidence,
    pub(super) cards: Cards,
    pub(super) turns: Vec<Turn>,
    pub(super) tools_called: Vec<String>,
    /// How often each call was wanted, by what it comes to.
    same: BTreeMap<String, u32>,
    /// Replies that were taken.
    replies: u32,
    reminders: u32,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        brief: &'a Brief,
        guard: &'a Guard,
        bounds: AgentBounds,
        specs: Vec<ToolSpec>,
    ) -> Self {
        let own = brief.incident.signal.target.clone();
        // Without a runbook nothing declares roots: paths may be looked at, and none be touched.
        let bounds_of_calls = brief.runbook.as_ref().map(Runbook::bounds).unwrap_or_default();
        let evidence = Evidence::of(brief);
        let cards = Cards::new(specs, &evidence, brief);
        let text = guard.opening(&body(brief, &evidence, guard), LONGEST_BODY);
        Self {
            brief,
            guard,
            bounds,
            scope: Scope { own, bounds: bounds_of_calls },
            evidence,
            cards,
            turns: vec![Turn::User { text }],
            tools_called: Vec::new(),
            same: BTreeMap::new(),
            replies: 0,
            reminders: 0,
        }
    }

    /// How many bytes the next request has.
    pub(super) fn bytes(&self) -> usize {
        let turns = serde_json::to_vec(&self.turns).map_or(usize::MAX / 2, |bytes| bytes.len());
        let cards = serde_json::to_vec(&self.cards.shown).map_or(0, |bytes| bytes.len());
        SYSTEM.len() + turns + cards
    }

    /// Takes a reply into the conversation; gives its calls. A reply without one is reminded once.
    pub(super) fn take(&mut self, reply: Reply) -> Result<Vec<WantedCall>, NoConclusion> {
        self.replies += 1;
        check_ids(&reply.calls)?;
        self.turns.push(Turn::Assistant { raw: reply.raw });
        if reply.calls.is_empty() {
            if 0 < self.reminders {
                return Err(NoConclusion::Malformed(
                    "it neither called a tool nor concluded".into(),
                ));
            }
            self.reminders += 1;
            self.turns.push(Turn::User { text: REMINDER.to_owned() });
        }
        Ok(reply.calls)
    }

    /// What a call of the reply comes to. `at` is its place among `calls`.
    pub(super) fn read(&mut self, calls: &[WantedCall], at: usize) -> Result<Act, Problem> {
        let Some(wanted) = calls.get(at).filter(|_| at < MOST_CALLS) else {
            return Err(Refusal(format!("not done: at most {MOST_CALLS} calls at once")).into());
        };
        let read = self.understand(calls, wanted);
        let key = match &read {
            Ok(Act::Query(call)) => call.canonical(Canonical::new("call")).finish().to_string(),
            Ok(Act::Conclude(_)) => return read,
            Err(_) => format!("{} {}", wanted.name, wanted.arguments),
        };
        let times = self.same.entry(key).or_default();
        *times += 1;
        if self.bounds.same_call <= *times {
            return Err(Problem::Fatal(NoConclusion::Repeated));
        }
        read
    }

    fn understand(&self, calls: &[WantedCall], wanted: &WantedCall) -> Result<Act, Problem> {
        let name = wanted.name.as_str();
        let empty = serde_json::Map::new();
        let arguments = match &wanted.arguments {
            Json::Object(given) => given,
            // Some servers send no arguments at all to a tool that requires none.
            Json::Null if self.cards.low.contains_key(name) => &empty,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                return Err(Refusal::from("the arguments must be a JSON object").into());
            }
        };
        if is_conclusion(name) {
            if 1 < calls.iter().filter(|call| is_conclusion(&call.name)).count() {
                return Err(Refusal::from("conclude once: these contradict each other").into());
            }
            let held = Held {
                offers: &self.brief.offers,
                cards: &self.cards,
                evidence: &self.evidence,
                scope: &self.scope,
                guard: self.guard,
            };
            return Ok(Act::Conclude(held.conclude(name, arguments)?));
        }
        if self.cards.above.contains_key(name) {
            return Err(Refusal::from("this tool changes things: it can only be proposed").into());
        }
        let spec = self.cards.low.get(name).ok_or_else(|| {
            let names: Vec<_> = self.cards.shown.iter().map(|card| card.name.as_str()).collect();
            Refusal(format!("there is no such tool; there are: {}", names.join(", ")))
        })?;
        Ok(Act::Query(resolve(spec, arguments, &self.evidence, &self.scope)?))
    }

    /// Turns what a look brought into a result for the model; its values get ids.
    pub(super) fn found(
        &mut self,
        call: &Call,
        found: Result<Found, ToolError>,
    ) -> Result<String, String> {
        self.tools_called.push(call.tool.to_string());
        match found {
            Err(error) => {
                let text = self.guard.quote(&error.to_string(), LONGEST_ERROR);
                Err(self.guard.fenced("error", &text, LONGEST_RESULT - FRAME))
            }
            Ok(found) => {
                let lines = self.evidence.add_all(call.tool.as_str(), &found.values);
                let mut text = String::new();
                for line in lines {
                    let line = self.guard.line(&line);
                    if LONGEST_VALUES < text.chars().count() + line.chars().count() {
                        break;
                    }
                    text.push_str(&line);
                    text.push('\n');
                }
                text.push_str(&self.guard.quote(found.words.as_str(), LONGEST_RESULT));
                Ok(self.guard.fenced("result", &text, LONGEST_RESULT - FRAME))
            }
        }
    }

    /// Why a model gave no reply, in words that are safe to keep.
    pub(super) fn no_reply(&self, error: ModelError) -> NoConclusion {
        let words = |why: &str| self.guard.line(why);
        match error {
            ModelError::Down(why) => NoConclusion::ModelDown(words(&why)),
            ModelError::Rejected(why) => NoConclusion::Refused(words(&why)),
            ModelError::Slow => NoConclusion::Slow,
            ModelError::Malformed(why) => NoConclusion::Malformed(words(&why)),
        }
    }

    /// Puts the result of a call into the conversation.
    pub(super) fn answer(&mut self, wanted: &WantedCall, words: Result<String, String>) {
        let ok = words.is_ok();
        let text = match words {
            Ok(words) | Err(words) => words,
        };
        let (call_id, name) = (wanted.id.clone(), wanted.name.clone());
        self.turns.push(Turn::ToolResult { call_id, name, text, ok });
    }

    /// Tells the model when one turn is left, so that it need not guess its bounds.
    pub(super) fn hint(&mut self) {
        if self.replies + 1 != self.bounds.turns {
            return;
        }
        if let Some(Turn::ToolResult { text, .. } | Turn::User { text }) = self.turns.last_mut() {
            text.push_str(LAST_TURN);
        }
    }
}

/// What every provider refuses to see again: a call without an id, two with one id, a name with
/// other characters than these. Such a reply cannot be continued.
fn check_ids(calls: &[WantedCall]) -> Result<(), NoConclusion> {
    let mut ids = BTreeSet::new();
    for call in calls {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let named = !call.name.is_empty() && call.name.len() <= 64 && call.name.chars().all(plain);
        if !named || call.id.is_empty() || !ids.insert(call.id.as_str()) {
            return Err(NoConclusion::Malformed(
                "a call has a bad name, or its id is missing or double".into(),
            ));
        }
    }
    Ok(())
}
