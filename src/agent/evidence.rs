//! The values that code holds, by the ids that a model may name.
//!
//! A value gets an id when its kind may fill an argument and every target in it lies on the incident's
//! own host. What has no id cannot be named, so it cannot get into a call.

use crate::agent::brief::Brief;
use crate::model::ids::HostName;
use crate::model::reading::Reading;
use crate::model::target::Target;
use crate::model::value::{Kind, Value, Values};

/// The most values that get an id before the first request, and in one investigation; what comes
/// later gets none.
const MOST_AT_FIRST: usize = 32;
const MOST: usize = 64;
/// The most items of one list that get an id of their own.
const MOST_ITEMS: usize = 6;

/// One value and where it came from.
#[derive(Debug)]
struct Item {
    value: Value,
    from: String,
}

/// All values that may be named, in the order of their ids.
#[derive(Debug)]
pub(super) struct Evidence {
    host: HostName,
    items: Vec<Item>,
    most: usize,
}

impl Evidence {
    /// What is known before the first request: the incident's target and host, the values of its
    /// reading and of the inquiry, and what is watched beside it on the same host.
    pub(super) fn of(brief: &Brief) -> Self {
        let own = &brief.incident.signal.target;
        let mut evidence = Self { host: own.on().clone(), items: Vec::new(), most: MOST_AT_FIRST };
        evidence.add("incident.target", &Value::Target(own.clone()));
        evidence.add("incident.host", &Value::Target(Target::host(own.on().clone())));
        evidence.add_all("reading", &brief.incident.reading.values);
        for (name, param) in brief.runbook.iter().flat_map(|book| &book.params) {
            // The runbook was checked at load: a param that does not read has no value to name.
            if let Ok(value) = param.literal.read(&param.kind, own.on()) {
                evidence.add(&format!("param.{name}"), &value);
            }
        }
        for (step, found) in &brief.found {
            evidence.add_all(step.as_str(), &found.values);
        }
        for Reading { signal, .. } in &brief.related {
            evidence.add("related", &Value::Target(signal.target.clone()));
        }
        evidence.most = MOST;
        evidence
    }

    /// Adds the values of a reading or of a finding; gives the line for each that may be named.
    pub(super) fn add_all(&mut self, from: &str, values: &Values) -> Vec<String> {
        values.iter().flat_map(|(name, value)| self.add(&format!("{from}.{name}"), value)).collect()
    }

    /// Adds one value, and the first items of a list. A value that is known keeps its id.
    fn add(&mut self, from: &str, value: &Value) -> Vec<String> {
        let mut lines: Vec<String> = self.add_one(from, value).into_iter().collect();
        if let Value::List(items) = value {
            let each = items.iter().take(MOST_ITEMS).enumerate();
            lines.extend(each.filter_map(|(n, item)| self.add_one(&format!("{from}[{n}]"), item)));
        }
        lines
    }

    fn add_one(&mut self, from: &str, value: &Value) -> Option<String> {
        if !self.may_be_named(value) {
            return None;
        }
        let at = match self.items.iter().position(|item| item.value == *value) {
            Some(at) => at,
            None if self.most <= self.items.len() => return None,
            None => {
                let from = from.chars().take(60).collect();
                self.items.push(Item { value: value.clone(), from });
                self.items.len() - 1
            }
        };
        self.line(at)
    }

    fn may_be_named(&self, value: &Value) -> bool {
        match value {
            // A command or a line is the runbook's or the operator's to write: it has no id.
            Value::Text(_) | Value::Argv(_) | Value::Json(_) | Value::Line(_) => false,
            Value::Target(target) => target.on() == &self.host,
            Value::List(items) => !items.is_empty() && items.iter().all(|i| self.may_be_named(i)),
            Value::Int(_)
            | Value::Bytes(_)
            | Value::Span(_)
            | Value::Flag(_)
            | Value::Word(_)
            | Value::Path(_) => true,
        }
    }

    /// The value behind an id as the model wrote it: `E7`, nothing looser.
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        let digits = id.strip_prefix('E')?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let n: usize = plain.then(|| digits.parse().ok())??;
        self.items.get(n.checked_sub(1)?).map(|item| &item.value)
    }

    /// The ids whose values fit a kind, in their order.
    pub(super) fn fitting<'a>(&'a self, kind: &'a Kind) -> impl Iterator<Item = String> + 'a {
        let fits = |item: &Item| item.value.fits(kind);
        let numbered = self.items.iter().enumerate();
        numbered.filter(move |(_, item)| fits(item)).map(|(at, _)| id(at))
    }

    /// `E3 path reading.path: /var/log`, for each value.
    pub(super) fn lines(&self) -> Vec<String> {
        (0..self.items.len()).filter_map(|at| self.line(at)).collect()
    }

    fn line(&self, at: usize) -> Option<String> {
        let Item { value, from } = self.items.get(at)?;
        Some(format!("{} {} {from}: {value}", id(at), value.kind()))
    }
}

fn id(at: usize) -> String {
    format!("E{}", at + 1)
}
