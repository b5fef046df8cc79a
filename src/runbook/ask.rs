//! Questions: the only place where values become part of a text.

use crate::model::ids::StepName;
use crate::model::taint::Tainted;
use crate::model::value::Value;
use crate::runbook::reference::{Part, Template};
use crate::runbook::resolve::ResolveError;
use crate::runbook::{
    AskDef, Bindings, Blames, EscalateDef, Holds, LeaveDef, Runbook, Stands, conditions_hold,
};

/// The most characters that one value adds to a question.
const LONGEST_VALUE: usize = 200;

/// The longest question, in characters: one that fits a phone.
const LONGEST: usize = 1_000;

/// The most options that one list spreads into.
const MOST_OPTIONS: usize = 8;

/// An option as the human sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub say: String,
    /// None: nothing is done.
    pub steps: Vec<StepName>,
}

/// The questions that stand, given how many steps above low apply by themselves.
pub fn asks<'a>(
    book: &'a Runbook,
    bindings: &Bindings,
    n_acting: usize,
) -> Result<Vec<&'a AskDef>, ResolveError> {
    let mut standing = Vec::new();
    for ask in book.questions() {
        let wanted = match ask.stands {
            Stands::Always => true,
            Stands::Otherwise => n_acting == 0,
        };
        if wanted && conditions_hold(&ask.when, bindings)? == Holds::Yes {
            standing.push(ask);
        }
    }
    Ok(standing)
}

/// The first `leave` block that holds: nothing is wrong, nothing is done, nobody is told.
pub fn leaves<'a>(
    book: &'a Runbook,
    bindings: &Bindings,
) -> Result<Option<&'a LeaveDef>, ResolveError> {
    for leave in &book.leave {
        if conditions_hold(&leave.when, bindings)? == Holds::Yes {
            return Ok(Some(leave));
        }
    }
    Ok(None)
}

/// What a human is told where no step and no question applies: the first `escalate` block that holds.
pub fn escalation(book: &Runbook, bindings: &Bindings) -> Result<Option<String>, ResolveError> {
    Ok(escalates(book, bindings)?.map(|escalate| escalate.why.fill(bindings, None)))
}

/// What is at fault, by what a human would be told.
pub fn blames(book: &Runbook, bindings: &Bindings) -> Result<Blames, ResolveError> {
    Ok(escalates(book, bindings)?.map_or(Blames::Itself, |escalate| escalate.blames))
}

fn escalates<'a>(
    book: &'a Runbook,
    bindings: &Bindings,
) -> Result<Option<&'a EscalateDef>, ResolveError> {
    for escalate in &book.escalations {
        if conditions_hold(&escalate.when, bindings)? == Holds::Yes {
            return Ok(Some(escalate));
        }
    }
    Ok(None)
}

/// The question in words; each value bounded and on one line.
pub fn question(ask: &AskDef, bindings: &Bindings) -> String {
    ask.question.fill(bindings, None)
}

/// The options that are offered now, those with `each` spread over their list.
pub fn offers(ask: &AskDef, bindings: &Bindings) -> Result<Vec<Offer>, ResolveError> {
    let mut offers = Vec::new();
    for option in &ask.options {
        if conditions_hold(&option.when, bindings)? != Holds::Yes {
            continue;
        }
        let offer =
            |item| Offer { say: option.say.fill(bindings, item), steps: option.steps.clone() };
        match option.each.as_ref().map(|list| bindings.get(list)) {
            None => offers.push(offer(None)),
            Some(Ok(Value::List(items))) => {
                offers.extend(items.iter().take(MOST_OPTIONS).map(|item| offer(Some(item))));
            }
            Some(Ok(one)) => offers.push(offer(Some(one))),
            Some(Err(_)) => {}
        }
    }
    Ok(offers)
}

impl Template {
    /// A line whose values are all missing says nothing, and is left out: nobody is asked about "(no unit)".
    fn fill(&self, bindings: &Bindings, each: Option<&Value>) -> String {
        let (mut lines, mut line) = (Vec::new(), Line::default());
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    for (n, piece) in text.split('\n').enumerate() {
                        if 0 < n {
                            lines.push(std::mem::take(&mut line));
                        }
                        line.text.push_str(piece);
                    }
                }
                Part::Value(r) => match bindings.get(r) {
                    Ok(value) => {
                        line.there += 1;
                        line.text.push_str(&shown(value));
                    }
                    Err(_) => {
                        line.missing += 1;
                        line.text.push_str(&format!("(no {})", r.field));
                    }
                },
                Part::Each => line.text.push_str(&each.map_or_else(String::new, shown)),
            }
        }
        lines.push(line);
        let some = lines.iter().any(Line::says);
        let said = lines.iter().filter(|line| line.says() || !some);
        let filled = said.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
        Tainted::bounded(&filled, LONGEST).as_str().trim().to_owned()
    }
}

/// A line of a template being filled, and how many of its values there are.
#[derive(Debug, Default)]
struct Line {
    text: String,
    there: usize,
    missing: usize,
}

impl Line {
    fn says(&self) -> bool {
        self.missing == 0 || 0 < self.there
    }
}

/// A value on one line, without what would steer a terminal.
fn shown(value: &Value) -> String {
    let line = value.to_string().replace('\n', " ");
    Tainted::bounded(&line, LONGEST_VALUE).as_str().to_owned()
}
