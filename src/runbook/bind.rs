//! Bindings: the values that references stand for in one round of a run.

use std::collections::BTreeMap;

use crate::config::mistakes::hint;
use crate::model::ids::{HostName, StepName, Word};
use crate::model::reading::Reading;
use crate::model::taint::Tainted;
use crate::model::tool::{Found, Gives};
use crate::model::value::{Kind, Value, Values};
use crate::runbook::literal::Literal;
use crate::runbook::{Ref, RefOf, Runbook};

/// What is known so far: the reading, the front matter, and what each step found.
#[derive(Debug, Clone)]
pub struct Bindings {
    /// Host-less targets are on this one: the reading's own.
    pub(super) host: HostName,
    reading: Values,
    params: Values,
    steps: BTreeMap<StepName, Bound>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    Found(Values),
    /// Says why; whatever refers to it is skipped too.
    Skipped(String),
}

/// What every reading gives, whatever its probe.
pub(super) fn always() -> [Gives; 8] {
    let gives = |name, kind, doc| Gives { name, kind, doc };
    [
        gives("target", Kind::Target, "what the reading speaks of"),
        gives("severity", Kind::Word, "yellow, red or unknown"),
        gives("reason", Kind::Word, "why, in one word"),
        gives("probe", Kind::Word, "the probe's kind"),
        gives("aspect", Kind::Word, "which of the probe's aspects: bytes, inodes, status"),
        gives("attempt", Kind::Int, "which run for this incident it is, from 1"),
        gives("host", Kind::Word, "the host of the target"),
        gives("words", Kind::Text, "the reading in one line, for questions"),
    ]
}

impl Bindings {
    /// The reading's values and the runbook's params.
    pub fn new(book: &Runbook, reading: &Reading) -> Self {
        let signal = &reading.signal;
        let host = signal.target.on().clone();
        let mut values = reading.values.clone();
        values.insert("target".into(), Value::Target(signal.target.clone()));
        values.insert("severity".into(), Value::Word(Word::of(reading.severity.as_str())));
        values.insert("reason".into(), Value::Word(reading.reason.clone()));
        values.insert("probe".into(), Value::Word(signal.probe.clone()));
        values.insert("aspect".into(), Value::Word(signal.aspect.clone()));
        values.insert("attempt".into(), Value::Int(1));
        values.insert("words".into(), Value::Text(reading.words.clone()));
        if let Ok(word) = Word::new(host.as_str()) {
            values.insert("host".into(), Value::Word(word));
        }
        let param = |(name, param): (&String, &crate::runbook::Param)| {
            Some((name.clone(), param.literal.read(&param.kind, &host).ok()?))
        };
        let params = book.params.iter().filter_map(param).collect();
        Self { host, reading: values, params, steps: BTreeMap::new() }
    }

    /// Says which run for this incident it is, from 1: the first unless said.
    #[must_use]
    pub fn on_attempt(mut self, n: u32) -> Self {
        self.reading.insert("attempt".into(), Value::Int(i64::from(n)));
        self
    }

    /// Changes one param, as `--set NAME=VALUE` asks; read by the kind that it has in the runbook.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let Some(old) = self.params.get(name) else {
            let known: Vec<&str> = self.params.keys().map(String::as_str).collect();
            return Err(format!("the runbook has no param \"{name}\"{}", hint(name, known)));
        };
        let kind = old.kind();
        let value = Literal::typed(text, &kind)
            .read(&kind, &self.host)
            .map_err(|why| format!("{name}: {why}"))?;
        self.params.insert(name.to_owned(), value);
        Ok(())
    }

    /// A low step answered.
    pub fn found(&mut self, step: &StepName, found: &Found) {
        self.steps.insert(step.clone(), Bound::Found(found.values.clone()));
    }

    /// A step was skipped.
    pub fn skipped(&mut self, step: &StepName, why: &str) {
        // It comes from the steps before, and each adds a word: bounded, so that it does not grow.
        let why = Tainted::bounded(why, 200).as_str().to_owned();
        self.steps.insert(step.clone(), Bound::Skipped(why));
    }

    /// What became of a step, where it was reached.
    pub fn step(&self, step: &StepName) -> Option<&Bound> {
        self.steps.get(step)
    }

    /// The value that a reference stands for, or why there is none.
    pub fn get(&self, r: &Ref) -> Result<&Value, String> {
        let values = match &r.of {
            RefOf::Reading => &self.reading,
            RefOf::Param => &self.params,
            RefOf::Step(name) => match self.steps.get(name) {
                Some(Bound::Found(values)) => values,
                Some(Bound::Skipped(why)) => return Err(format!("{name} was skipped: {why}")),
                None => return Err(format!("{name} has not run")),
            },
        };
        values.get(&r.field).ok_or_else(|| match &r.of {
            RefOf::Reading => format!("the reading gives no {}", r.field),
            RefOf::Param => format!("there is no param {}", r.field),
            RefOf::Step(name) => format!("{name} found no {}", r.field),
        })
    }
}
