//! Bindings: the values that references stand for in one round of a run.

use std::collections::BTreeMap;

use crate::model::ids::{HostName, StepName};
use crate::model::reading::Reading;
use crate::model::tool::Found;
use crate::model::value::Values;
use crate::runbook::Runbook;

/// What is known so far: the reading, the front matter, and what each step found.
#[derive(Debug, Clone)]
pub struct Bindings {
    /// Host-less targets are on this one: the reading's own.
    pub(crate) host: HostName,
    pub(crate) reading: Values,
    pub(crate) params: Values,
    pub(crate) steps: BTreeMap<StepName, Bound>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    Found(Values),
    /// Says why; whatever refers to it is skipped too.
    Skipped(String),
}

impl Bindings {
    /// The reading's values and the runbook's params.
    pub fn new(_book: &Runbook, _reading: &Reading) -> Self {
        todo!()
    }

    /// Changes one param, as `--set NAME=VALUE` asks; read by the kind that it has in the runbook.
    pub fn set(&mut self, _name: &str, _text: &str) -> Result<(), String> {
        todo!()
    }

    /// A low step answered.
    pub fn found(&mut self, _step: &StepName, _found: &Found) {
        todo!()
    }

    /// A step was skipped.
    pub fn skipped(&mut self, _step: &StepName, _why: &str) {
        todo!()
    }
}
