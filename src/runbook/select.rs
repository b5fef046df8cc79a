//! Which runbook answers a reading.

use regex::Regex;

use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Target, Thing};
use crate::runbook::Runbook;

/// What a runbook answers. An empty list takes everything, but no match is empty as a whole.
#[derive(Debug, Clone)]
pub struct Match {
    pub probe: Vec<Word>,
    pub severity: Vec<Severity>,
    pub target: Option<TargetMatch>,
    pub reason: Vec<Word>,
    pub pattern: Option<Pattern>,
}

/// Which targets are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetMatch {
    /// `nas:/var`.
    Exact(Target),
    /// `:/var` or `:unit:nginx.service`: on any host.
    AnyHost { thing: Thing, name: String },
    /// `unit`: any thing of this kind.
    Kind(Thing),
}

/// A regular expression over a log's template; matching takes linear time.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl Match {
    /// Whether a reading is of the kind that this runbook answers.
    pub fn takes(&self, _reading: &Reading) -> bool {
        todo!()
    }

    /// Whether steps above low may stand in a plan at this severity: only where the match names it
    /// (red, where it names none). Elsewhere the runbook only diagnoses.
    pub fn acts_at(&self, _severity: Severity) -> bool {
        todo!()
    }
}

/// The most specific match wins (target, then pattern, reason, severity, probe); among equals the
/// first by name.
pub fn select<'a>(_books: &'a [Runbook], _reading: &Reading) -> Option<&'a Runbook> {
    todo!()
}
