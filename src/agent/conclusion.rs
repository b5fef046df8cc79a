//! The four ends that a model may choose, each checked against what code holds.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::agent::brief::Offer;
use crate::agent::call::{Refusal, Scope, check_roots, resolve};
use crate::agent::cards::{ASK, Cards, ESCALATE, MOST_OPTIONS, MOST_PROPOSED, PROPOSE, STEPS};
use crate::agent::evidence::Evidence;
use crate::agent::guard::Guard;
use crate::model::conclusion::Conclusion;
use crate::model::ids::StepName;
use crate::model::taint::Tainted;

/// The longest reason or question, and the longest option, in characters.
const LONGEST_TEXT: usize = 600;
const LONGEST_OPTION: usize = 120;
/// The most names that a list of steps may have, doubles and all.
const MOST_STEPS: usize = 32;

/// What a conclusion is checked against.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) offers: &'a [Offer],
    pub(super) cards: &'a Cards,
    pub(super) evidence: &'a Evidence,
    pub(super) scope: &'a Scope,
    pub(super) guard: &'a Guard,
}

impl Held<'_> {
    /// Reads a conclusion; `name` is one of the four.
    pub(super) fn conclude(
        &self,
        name: &str,
        given: &Map<String, Json>,
    ) -> Result<Conclusion, Refusal> {
        let known: &[&str] = match name {
            STEPS => &["steps", "why"],
            PROPOSE => &["calls", "why"],
            ASK => &["question", "options"],
            ESCALATE => &["why"],
            _ => return Err("there is no such conclusion".into()),
        };
        if given.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(Refusal(format!("{name} takes only: {}", known.join(", "))));
        }
        match name {
            STEPS => self.steps(given),
            PROPOSE => self.propose(given),
            ASK => self.ask(given),
            _ => {
                Ok(Conclusion::Escalate { why: self.text(given.get("why"), "why", LONGEST_TEXT)? })
            }
        }
    }

    fn steps(&self, given: &Map<String, Json>) -> Result<Conclusion, Refusal> {
        let offered: Vec<_> = self.offers.iter().map(|offer| offer.step.as_str()).collect();
        let refusal = || match offered.as_slice() {
            [] => Refusal::from("no step is offered: propose, ask or escalate"),
            offered => Refusal(format!("steps must be some of: {}", offered.join(", "))),
        };
        let mut wanted = BTreeSet::new();
        for name in items(given.get("steps"), MOST_STEPS).ok_or_else(refusal)? {
            let name = name.as_str().filter(|name| offered.contains(name)).ok_or_else(refusal)?;
            wanted.insert(name);
        }
        // In the runbook's order: which step comes first is not the model's to say.
        let steps: Vec<StepName> = self
            .offers
            .iter()
            .filter(|offer| wanted.contains(offer.step.as_str()))
            .map(|offer| offer.step.clone())
            .collect();
        Ok(Conclusion::Steps { steps, why: self.text(given.get("why"), "why", LONGEST_TEXT)? })
    }

    fn propose(&self, given: &Map<String, Json>) -> Result<Conclusion, Refusal> {
        let shape = || Refusal(format!("calls must be 1 to {MOST_PROPOSED} of {{tool, args}}"));
        let none = Map::new();
        let mut calls = Vec::new();
        for call in items(given.get("calls"), MOST_PROPOSED).ok_or_else(shape)? {
            let call = call.as_object().ok_or_else(shape)?;
            if call.keys().any(|key| !["tool", "args"].contains(&key.as_str())) {
                return Err(shape());
            }
            let tool = call.get("tool").and_then(Json::as_str).ok_or_else(shape)?;
            let spec = self.cards.above.get(tool).ok_or_else(|| {
                let names: Vec<_> = self.cards.above.keys().map(String::as_str).collect();
                Refusal(format!("only these can be proposed: {}", names.join(", ")))
            })?;
            let arguments = match call.get("args") {
                None | Some(Json::Null) => &none,
                Some(args) => args.as_object().ok_or_else(shape)?,
            };
            let call = resolve(spec, arguments, self.evidence, self.scope)?;
            check_roots(&call)?;
            calls.push(call);
        }
        Ok(Conclusion::Propose { calls, why: self.text(given.get("why"), "why", LONGEST_TEXT)? })
    }

    fn ask(&self, given: &Map<String, Json>) -> Result<Conclusion, Refusal> {
        let question = self.text(given.get("question"), "question", LONGEST_TEXT)?;
        let options = items(given.get("options"), MOST_OPTIONS)
            .ok_or_else(|| Refusal(format!("options must be 1 to {MOST_OPTIONS} texts")))?;
        let options = options
            .iter()
            .map(|option| self.text(Some(option), "an option", LONGEST_OPTION))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Conclusion::Ask { question, options })
    }

    /// The model's words: redacted, bounded, and tainted for whoever shows them.
    fn text(&self, given: Option<&Json>, name: &str, longest: usize) -> Result<Tainted, Refusal> {
        let text = given.and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refusal(format!("{name} must be a text")))?;
        Ok(Tainted::bounded(&self.guard.redacted(text), longest))
    }
}

/// The items of a list that has at least one and at most so many.
fn items(given: Option<&Json>, most: usize) -> Option<&[Json]> {
    let items = given?.as_array()?;
    (!items.is_empty() && items.len() <= most).then_some(items)
}
