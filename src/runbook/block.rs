//! The fenced blocks: steps, questions, what to leave alone, and the proof.

use std::collections::BTreeMap;

use crate::config::mistakes::closest;
use crate::config::section::{Entry, Section};
use crate::model::ids::{StepName, ToolName};
use crate::model::time::Span;
use crate::runbook::fields::{Toml, read, word_of};
use crate::runbook::literal::Literal;
use crate::runbook::reference::{EachItem, Names, Ref, RefOf, Said, Sees, Template};
use crate::runbook::{
    Arg, AskDef, Asked, Blames, Condition, EscalateDef, LeaveDef, Limit, Lines, Mistake, OptionDef,
    Stands, StepDef, Test, VerifyRule,
};

/// A fenced block with what its references may name.
pub(super) struct Fenced<'a> {
    pub(super) toml: &'a Toml,
    /// Of the opening fence.
    pub(super) line: usize,
    pub(super) names: &'a Names,
}

/// Reads a step; `index` is its place among the steps of the file.
pub(super) fn read_step(at: &Fenced<'_>, index: usize, out: &mut Vec<Mistake>) -> Option<StepDef> {
    let sees = Sees::Before(index);
    let (mut step, lines) = read(at.toml, out, |s| {
        let name = s.need::<StepName>("name");
        let tool = s.need::<ToolName>("tool");
        let when = conditions(s, at.names, sees);
        let args = args(s, at.names, sees);
        let target = s.has("target").then(|| arg(s, "target", at.names, sees)).flatten();
        let asked = if s.or("asked", false) { Asked::Yes } else { Asked::No };
        let lines = Lines::default();
        Some(StepDef { name: name?, tool: tool?, when, args, target, asked, line: at.line, lines })
    })?;
    place(&mut step.when, &lines, "when.value", at.line);
    Some(StepDef { lines, ..step })
}

/// Reads a question.
pub(super) fn read_ask(at: &Fenced<'_>, out: &mut Vec<Mistake>) -> Option<AskDef> {
    let (mut ask, lines) = read(at.toml, out, |s| {
        let when = conditions(s, at.names, Sees::All);
        let stands = if s.or("otherwise", false) { Stands::Otherwise } else { Stands::Always };
        let question = template(s, "question", at.names, EachItem::No);
        let options: Vec<Option<OptionDef>> =
            s.sections("options").into_iter().map(|o| option(o, at.names)).collect();
        if options.is_empty() {
            s.mistake("options", "has none; write options = [{ say = \"I will handle it\" }]");
        }
        let options = options.into_iter().flatten().collect();
        Some(AskDef { when, stands, question: question?, options, line: at.line })
    })?;
    place(&mut ask.when, &lines, "when.value", at.line);
    let mut n_conditions = 0;
    for (n, option) in ask.options.iter_mut().enumerate() {
        option.line = lines.nth("options.say", n, at.line);
        for condition in &mut option.when {
            condition.line = lines.nth("options.when.value", n_conditions, at.line);
            n_conditions += 1;
        }
    }
    Some(ask)
}

fn option(mut s: Section, names: &Names) -> Option<OptionDef> {
    let each_text = s.opt::<String>("each");
    let item = if each_text.is_some() { EachItem::Yes } else { EachItem::No };
    let say = template(&mut s, "say", names, item);
    let steps = s.list::<StepName>("steps").unwrap_or_default();
    let when = conditions(&mut s, names, Sees::All);
    let each = each_text.and_then(|text| reference(&mut s, "each", &text, names, Sees::All));
    s.finish();
    Some(OptionDef { say: say?, steps, when, each, line: 0 })
}

/// Reads what is to be left alone.
pub(super) fn read_leave(at: &Fenced<'_>, out: &mut Vec<Mistake>) -> Option<LeaveDef> {
    let (mut leave, lines) = read(at.toml, out, |s| {
        let when = conditions(s, at.names, Sees::All);
        if when.is_empty() && !s.has("when") {
            s.mistake("when", "is missing; without it nothing would ever be done");
        }
        let why = s.need::<String>("why");
        let again = s.opt::<Span>("again");
        if again.is_some_and(|again| again < Span::mins(1)) {
            s.mistake("again", "is less than a minute; write again = \"15m\"");
        }
        Some(LeaveDef { when, why: why?, again, line: at.line })
    })?;
    if leave.when.is_empty() {
        out.push(Mistake::new(at.line, "when: is empty; without it nothing would ever be done"));
    }
    place(&mut leave.when, &lines, "when.value", at.line);
    Some(leave)
}

/// Reads what is told to a human.
pub(super) fn read_escalate(at: &Fenced<'_>, out: &mut Vec<Mistake>) -> Option<EscalateDef> {
    let (mut escalate, lines) = read(at.toml, out, |s| {
        let when = conditions(s, at.names, Sees::All);
        let why = template(s, "why", at.names, EachItem::No);
        let blames = word_of(
            s,
            "blames",
            Blames::Itself,
            &[("itself", Blames::Itself), ("parent", Blames::Parent)],
        );
        Some(EscalateDef { when, why: why?, blames, line: at.line })
    })?;
    place(&mut escalate.when, &lines, "when.value", at.line);
    Some(escalate)
}

/// Reads how a fix is proven.
pub(super) fn read_verify(at: &Fenced<'_>, out: &mut Vec<Mistake>) -> Option<VerifyRule> {
    let (rule, _) = read(at.toml, out, |s| {
        if !s.has("query") {
            let within = s.or("within", Span::mins(5));
            let stays = s.or("stays", Span(0));
            // Known here, so that a slip in its name is told as one.
            drop(s.sections("query"));
            if within == Span(0) {
                s.mistake("within", "is no time at all; write 5m");
            }
            return Some(VerifyRule::Probe { within, stays });
        }
        // Without them it is asked once, after the last step.
        let within = s.or("within", Span(0));
        let stays = s.or("stays", Span(0));
        let mut q = s.section("query");
        let tool = q.need::<ToolName>("tool");
        let value = q.need::<String>("value");
        let is = q.need::<Literal>("is");
        let args = args(&mut q, at.names, Sees::All);
        q.finish();
        let (tool, value, is) = (tool?, value?, is?);
        Some(VerifyRule::Query { tool, args, value, is, within, stays, line: at.line })
    })?;
    Some(rule)
}

/// Puts each condition on its line.
fn place(conditions: &mut [Condition], lines: &Lines, key: &str, otherwise: usize) {
    for (n, condition) in conditions.iter_mut().enumerate() {
        condition.line = lines.nth(key, n, otherwise);
    }
}

/// The list `when` of a table.
fn conditions(s: &mut Section, names: &Names, sees: Sees) -> Vec<Condition> {
    let tables = s.sections("when");
    tables.into_iter().filter_map(|table| condition(table, names, sees)).collect()
}

/// What a condition may compare with.
const TESTS: [&str; 5] = ["is", "in", "above", "below", "from"];

/// A limit as it is written, or a param that the config may set.
fn limit(s: &mut Section, key: &str, literal: Literal, names: &Names, sees: Sees) -> Option<Limit> {
    let Literal::Text(text) = &literal else { return Some(Limit::Literal(literal)) };
    match names.say(text, sees) {
        Said::Literal => Some(Limit::Literal(literal)),
        Said::Ref(r) if r.of == RefOf::Param => Some(Limit::Param(r)),
        Said::Ref(r) => {
            s.mistake(key, format!("is {r}; a limit is a number or a param"));
            None
        }
        Said::Wrong(why) => {
            s.mistake(key, why);
            None
        }
    }
}

fn condition(mut s: Section, names: &Names, sees: Sees) -> Option<Condition> {
    let value = s.need::<String>("value");
    let value = value.and_then(|text| reference(&mut s, "value", &text, names, sees));
    let mut tests = Vec::new();
    for key in TESTS {
        if !s.has(key) {
            // Asked for all the same: then a slip in a key is told with the right ones.
            s.opt::<Literal>(key);
            continue;
        }
        let Some(literal) = s.opt::<Literal>(key) else { continue };
        let test = match (key, literal) {
            ("is", literal) => Test::Is(literal),
            ("above" | "below" | "from", literal) => {
                let Some(limit) = limit(&mut s, key, literal, names, sees) else { continue };
                match key {
                    "above" => Test::Above(limit),
                    "below" => Test::Below(limit),
                    _ => Test::From(limit),
                }
            }
            (_, Literal::List(items)) if !items.is_empty() => Test::In(items),
            (_, _) => {
                s.mistake("in", "is no list of at least one; write in = [\"yellow\", \"red\"]");
                continue;
            }
        };
        tests.push((key, test));
    }
    let test = match tests.as_slice() {
        [(_, test)] => Some(test.clone()),
        [] => {
            if !TESTS.iter().any(|key| s.has(key)) {
                s.mistake("value", "is compared with nothing; add is, in, above, below or from");
            }
            None
        }
        [_, (second, _), ..] => {
            s.mistake(second, "is one comparison too many; write a condition for each");
            None
        }
    };
    s.finish();
    Some(Condition { value: value?, test: test?, line: 0 })
}

/// A string that must be a reference.
fn reference(s: &mut Section, key: &str, text: &str, names: &Names, sees: Sees) -> Option<Ref> {
    match names.say(text, sees) {
        Said::Ref(r) => Some(r),
        Said::Wrong(why) => {
            s.mistake(key, why);
            None
        }
        Said::Literal => {
            let what = format!(
                "\"{}\" is no reference; write reading.NAME, param.NAME or STEP.NAME of a step before",
                crate::runbook::fields::brief(text)
            );
            s.mistake(key, what);
            None
        }
    }
}

fn template(s: &mut Section, key: &str, names: &Names, each: EachItem) -> Option<Template> {
    let text = s.need::<String>(key)?;
    if text.trim().is_empty() {
        s.mistake(key, "is empty");
    }
    match Template::read(&text, names, each) {
        Ok(template) => Some(template),
        Err(wrong) => {
            wrong.into_iter().for_each(|why| s.mistake(key, why));
            None
        }
    }
}

/// The table `args`.
fn args(s: &mut Section, names: &Names, sees: Sees) -> BTreeMap<String, Arg> {
    let mut table = s.section("args");
    let mut found = BTreeMap::new();
    for (name, entry) in table.entries() {
        let arg = match entry {
            Entry::Table(inner) if inner.keys() == ["literal"] => literally(inner),
            Entry::Table(inner) => Some(written_out(inner, names)),
            Entry::Short(_) | Entry::Other => arg(&mut table, &name, names, sees),
        };
        found.extend(arg.map(|arg| (name, arg)));
    }
    table.finish();
    found
}

/// `{ literal = "reading.path" }`.
fn literally(mut s: Section) -> Option<Arg> {
    let literal = s.need::<Literal>("literal");
    s.finish();
    literal.map(Arg::Literal)
}

/// A table of literals, for an argument that is one.
fn written_out(mut s: Section, names: &Names) -> Arg {
    let mut entries = BTreeMap::new();
    let keys = s.keys();
    let alone = keys.len() == 1;
    for key in keys {
        let Some(literal) = s.opt::<Literal>(&key) else { continue };
        if alone && closest(&key, ["literal"]).is_some() {
            s.mistake(&key, "is not a key here; did you mean \"literal\"?");
        }
        if is_reference(&literal, names) {
            let hint = "a table is written out, or wholly meant so: { literal = { ... } }";
            s.mistake(&key, format!("is a reference within a table; {hint}"));
        }
        entries.insert(key, literal);
    }
    s.finish();
    Arg::Literal(Literal::Table(entries))
}

fn arg(s: &mut Section, key: &str, names: &Names, sees: Sees) -> Option<Arg> {
    let literal = s.opt::<Literal>(key)?;
    let wrong = match &literal {
        Literal::Text(text) if text.contains("{{") => {
            "has {{ }}; text is filled in only in questions, an argument is one reference or literal"
                .to_owned()
        }
        Literal::Text(text) => match names.say(text, sees) {
            Said::Ref(r) => return Some(Arg::Ref(r)),
            Said::Literal => return Some(Arg::Literal(literal)),
            Said::Wrong(why) => why,
        },
        Literal::List(items) if items.iter().any(|item| is_reference(item, names)) => {
            "has a reference in a list; a list goes whole: write \"STEP.LIST\"".to_owned()
        }
        Literal::List(_) | Literal::Table(_) | Literal::Int(_) | Literal::Flag(_) => {
            return Some(Arg::Literal(literal));
        }
    };
    s.mistake(key, wrong);
    None
}

fn is_reference(item: &Literal, names: &Names) -> bool {
    match item {
        Literal::Text(text) => names.say(text, Sees::All) != Said::Literal,
        Literal::List(items) => items.iter().any(|item| is_reference(item, names)),
        Literal::Table(entries) => entries.values().any(|entry| is_reference(entry, names)),
        Literal::Int(_) | Literal::Flag(_) => false,
    }
}
