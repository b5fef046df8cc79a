//! The tools as the model sees them: low ones to call, and the four conclusions.
//!
//! Made once and never changed within an investigation: a provider's prompt cache is lost with the
//! first byte that differs. So an input is the pattern of an id, not the list of ids that fit: a look
//! may bring new ones. Which ids fit stands in the evidence, and code checks what is named.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::agent::brief::{Brief, Offer};
use crate::agent::evidence::Evidence;
use crate::model::chat::ToolCard;
use crate::model::tool::{Input, Need, Tier, ToolSpec};
use crate::model::value::Kind;

/// The names of the conclusions.
pub(super) const STEPS: &str = "conclude_steps";
pub(super) const PROPOSE: &str = "propose";
pub(super) const ASK: &str = "ask";
pub(super) const ESCALATE: &str = "escalate";

/// What an evidence id looks like.
const ID: &str = "^E[0-9]+$";
/// The most calls that one proposal may have.
pub(super) const MOST_PROPOSED: usize = 4;
/// The most options of one question.
pub(super) const MOST_OPTIONS: usize = 5;

/// All tools of one investigation.
#[derive(Debug)]
pub(super) struct Cards {
    pub(super) shown: Vec<ToolCard>,
    /// Low tools, by the name that the model calls them.
    pub(super) low: BTreeMap<String, ToolSpec>,
    /// Tools above low: to be named in a proposal, never called.
    pub(super) above: BTreeMap<String, ToolSpec>,
}

impl Cards {
    pub(super) fn new(specs: Vec<ToolSpec>, evidence: &Evidence, brief: &Brief) -> Self {
        let specs: BTreeMap<_, _> = specs
            .into_iter()
            .filter(|spec| is_in_reach(spec, brief))
            .map(|spec| (plain(spec.name.as_str()), spec))
            .collect();
        let low = specs.values().filter(|spec| spec.max_tier == Tier::Low);
        let later: Vec<Kind> =
            low.flat_map(|spec| &spec.gives).flat_map(|gives| with_items(&gives.kind)).collect();
        let (low, above): (BTreeMap<_, _>, BTreeMap<_, _>) = specs
            .into_iter()
            .filter(|(name, spec)| !is_conclusion(name) && can_fill(spec, evidence, &later))
            .partition(|(_, spec)| spec.max_tier == Tier::Low);
        let mut shown: Vec<_> = low.iter().map(|(name, spec)| low_card(name, spec)).collect();
        if !brief.offers.is_empty() {
            shown.push(steps_card(&brief.offers));
        }
        if !above.is_empty() {
            shown.push(propose_card(&above));
        }
        shown.extend([ask_card(), escalate_card()]);
        shown.sort_by(|a, b| a.name.cmp(&b.name));
        Self { shown, low, above }
    }
}

/// What sends a message: a text that a model obeys must not ring the human's phone.
const TELLS: &str = "human.message";

/// A low tool is in reach when it gives something to know: sending a message is what the conclusions
/// are for. One above low may be proposed when the matched runbook lists it; without a runbook, when it
/// touches no path, because nothing declares the roots.
fn is_in_reach(spec: &ToolSpec, brief: &Brief) -> bool {
    match spec.max_tier {
        Tier::Low => !spec.gives.is_empty() && spec.name.as_str() != TELLS,
        Tier::Medium | Tier::High | Tier::Critical => match &brief.runbook {
            Some(book) => book.tools.contains(&spec.name),
            None => spec.inputs.iter().all(|input| !with_items(&input.kind).contains(&Kind::Path)),
        },
    }
}

/// Providers take letters, digits, `_` and `-` in a tool's name, and no dot.
fn plain(name: &str) -> String {
    name.replace('.', "_")
}

pub(super) fn is_conclusion(name: &str) -> bool {
    [STEPS, PROPOSE, ASK, ESCALATE].contains(&name)
}

/// A kind, and for a list the kind of its items, which get ids of their own.
fn with_items(kind: &Kind) -> Vec<Kind> {
    let mut kinds = vec![kind.clone()];
    if let Kind::List(of) = kind {
        kinds.push((**of).clone());
    }
    kinds
}

/// Whether the model may name a value for this input. What may be left out and is a plain literal (a
/// number, a span) is left to the tool's default: nothing of an incident is worth choosing it by.
pub(super) fn is_open(input: &Input) -> bool {
    input.need == Need::Required || matches!(input.kind, Kind::Path | Kind::Target | Kind::List(_))
}

/// A tool whose required input nothing fits, now or after a look, is not shown.
fn can_fill(spec: &ToolSpec, evidence: &Evidence, later: &[Kind]) -> bool {
    let mut required = spec.inputs.iter().filter(|input| input.need == Need::Required);
    required.all(|i| later.contains(&i.kind) || evidence.fitting(&i.kind).next().is_some())
}

fn low_card(name: &str, spec: &ToolSpec) -> ToolCard {
    let open: Vec<_> = spec.inputs.iter().filter(|input| is_open(input)).collect();
    let schema = |input: &Input| {
        let description = format!("evidence id of a {}: {}", input.kind, input.doc);
        json!({"type": "string", "pattern": ID, "description": description})
    };
    let properties = open.iter().map(|input| (input.name.to_owned(), schema(input))).collect();
    let required = open.iter().filter(|input| input.need == Need::Required);
    let required: Vec<_> = required.map(|input| input.name).collect();
    card(name, spec.summary.to_owned(), &properties, &required)
}

fn propose_card(above: &BTreeMap<String, ToolSpec>) -> ToolCard {
    let names: Vec<_> = above.keys().collect();
    let id = json!({"type": "string", "pattern": ID});
    let call = json!({
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": names},
            "args": {"type": "object", "additionalProperties": id},
        },
        "required": ["tool", "args"],
        "additionalProperties": false,
    });
    let mut description =
        "End: propose a plan of these tools to the human, who decides. Arguments are evidence ids."
            .to_owned();
    for (name, spec) in above {
        let open = spec.inputs.iter().filter(|input| is_open(input));
        let input = |i: &Input| match i.need {
            Need::Required => format!("{}: {}", i.name, i.kind),
            Need::Optional => format!("{}?: {}", i.name, i.kind),
        };
        let inputs: Vec<_> = open.map(input).collect();
        description.push_str(&format!("\n- {name}({}) {}", inputs.join(", "), spec.summary));
    }
    let mut properties = why();
    properties.insert(
        "calls".to_owned(),
        json!({"type": "array", "items": call, "minItems": 1, "maxItems": MOST_PROPOSED}),
    );
    card(PROPOSE, description, &properties, &["calls", "why"])
}

fn steps_card(offers: &[Offer]) -> ToolCard {
    let names: BTreeSet<_> = offers.iter().map(|offer| offer.step.as_str()).collect();
    let item = json!({"type": "string", "enum": names});
    let mut properties = why();
    properties.insert(
        "steps".to_owned(),
        json!({"type": "array", "items": item, "minItems": 1, "maxItems": names.len()}),
    );
    let description = "End: run these steps of the matched runbook, which code has resolved.";
    card(STEPS, description.to_owned(), &properties, &["steps", "why"])
}

fn ask_card() -> ToolCard {
    let text = json!({"type": "string"});
    let mut properties = Map::new();
    properties.insert("question".to_owned(), text.clone());
    properties.insert(
        "options".to_owned(),
        json!({"type": "array", "items": text, "minItems": 1, "maxItems": MOST_OPTIONS}),
    );
    let description = "End: ask the human one question with options to pick from.";
    card(ASK, description.to_owned(), &properties, &["options", "question"])
}

fn escalate_card() -> ToolCard {
    let description = "End: hand over to the human, with what you found out.";
    card(ESCALATE, description.to_owned(), &why(), &["why"])
}

fn why() -> Map<String, Json> {
    let why = json!({"type": "string", "description": "the cause in a sentence or two, with evidence ids"});
    Map::from_iter([("why".to_owned(), why)])
}

fn card(
    name: &str,
    description: String,
    properties: &Map<String, Json>,
    required: &[&str],
) -> ToolCard {
    let parameters = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    ToolCard { name: name.to_owned(), description, parameters }
}
