//! Runbooks and tools as people ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::ids::Word;
use crate::model::plan::Origin;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::value::Value;
use crate::operator::Operator;
use crate::operator::order::Refusal;
use crate::operator::view::{RunbookRow, Runbooks, Tested, ToolRow, Tools};
use crate::policy::leash::effective;
use crate::run::runner::{Awake, Start};
use crate::runbook::Runbook;

impl Operator {
    pub(crate) async fn runbooks(&self) -> Result<Runbooks, Refusal> {
        let books: Vec<Runbook> = self.runner.books.borrow().iter().cloned().collect();
        let rules = self.gate().rules();
        let demotions = self.store().call(|db| db.demotions()).await?;
        let facts = self.facts();
        let mut rows = Vec::new();
        for book in books {
            let name = book.name.clone();
            let record = self.store().call(move |db| db.runbook_record(&name, None)).await?;
            let demoted = demotions.iter().find(|d| d.runbook == book.name && d.host == self.here);
            let leash = effective(
                &rules.ceilings(Some(&book.name), &self.here),
                rules.start(Some(&book.name), &self.here),
                demoted.map(|d| d.leash),
                None,
            );
            rows.push(RunbookRow {
                title: book.title.clone(),
                origin: facts
                    .books
                    .get(book.name.as_str())
                    .cloned()
                    .unwrap_or_else(|| "built in".into()),
                answers: answers(&book),
                max_tier: book.max_tier,
                leash,
                runs: record.iter().map(|r| r.runs).sum(),
                fixed: record.iter().map(|r| r.fixed).sum(),
                name: book.name,
            });
        }
        Ok(Runbooks { runbooks: rows })
    }

    /// Which runbook would answer a reading like this, and what each of its steps would do.
    pub(crate) async fn runbook_test(
        self: &Arc<Self>,
        probe: &str,
        severity: Severity,
        target: Target,
        reason: Option<&str>,
        text: Option<&str>,
    ) -> Result<Tested, Refusal> {
        let word = |given: &str| Word::new(given).map_err(|e| Refusal { why: e.to_string() });
        let probe = word(probe)?;
        let target = target.with_this_as(&self.here);
        // A real reading of that signal brings its values along; else the target speaks for itself.
        let snapshot = self.watch.snapshot().await;
        let known = snapshot.into_iter().map(|s| s.reading);
        let like = known.into_iter().find(|r| r.signal.probe == probe && r.signal.target == target);
        let signal = Signal { probe, target: target.clone(), aspect: Word::of("tested") };
        let mut reading = like.unwrap_or_else(|| {
            Reading::new(
                signal,
                self.now(),
                severity,
                Word::of("tested"),
                text.unwrap_or("tested by hand"),
            )
        });
        reading.severity = severity;
        if let Some(path) = target.as_path() {
            reading.values.entry("path".into()).or_insert(Value::Path(path));
        }
        if target.thing() == Thing::Unit {
            reading.values.entry("unit".into()).or_insert(Value::Target(target.clone()));
        }
        // Who gives no reason asks about any: those that runbooks of this probe answer are tried in turn.
        let reasons = match reason {
            Some(reason) => vec![word(reason)?],
            None => [reading.reason.clone()]
                .into_iter()
                .chain(self.runner.reasons(&reading.signal.probe))
                .collect(),
        };
        let answered = reasons.into_iter().find_map(|reason| {
            reading.reason = reason;
            self.runner.answering(&reading)
        });
        let Some(book) = answered else {
            return Ok(Tested {
                runbook: None,
                lines: vec![
                    "no runbook answers such a reading: it would go to you, with context".into(),
                ],
            });
        };
        let assumed = match (reason, book.matches.reason.is_empty()) {
            (None, false) => {
                Some(format!("for the reason {} (--reason says another)", reading.reason))
            }
            (None, true) | (Some(_), _) => None,
        };
        let start = Start {
            origin: Origin::Operator { uid: 0 },
            incident: None,
            runbook: Some(book.name.clone()),
            on: Some(target),
            params: BTreeMap::new(),
            awake: Awake::Unknown,
        };
        let mut lines: Vec<String> = assumed.into_iter().collect();
        lines.extend(self.runner.rehearse_reading(&start, reading).await?);
        Ok(Tested { runbook: Some(book.name), lines })
    }

    pub(crate) fn tools(&self) -> Tools {
        tools(self.gate().specs().iter())
    }
}

/// The table of tools.
pub fn tools<'a>(specs: impl Iterator<Item = &'a crate::model::tool::ToolSpec>) -> Tools {
    use crate::model::tool::Need;
    let row = |spec: &crate::model::tool::ToolSpec| {
        let input = |i: &crate::model::tool::Input| match i.need {
            Need::Required => format!("{} ({})", i.name, i.kind),
            Need::Optional => format!("{} ({}, optional)", i.name, i.kind),
        };
        ToolRow {
            name: spec.name.to_string(),
            max_tier: spec.max_tier,
            summary: spec.summary.to_owned(),
            inputs: spec.inputs.iter().map(input).collect::<Vec<_>>().join(", "),
            example: spec.example.to_owned(),
            takes: spec.inputs.iter().map(|i| format!("{}: {}", input(i), i.doc)).collect(),
            gives: spec
                .gives
                .iter()
                .map(|gives| format!("{} ({}): {}", gives.name, gives.kind, gives.doc))
                .collect(),
            tiers: spec.tiers.to_owned(),
            timeout: spec.timeout,
            undo: spec.undo.to_owned(),
            errors: spec.errors.to_owned(),
        }
    };
    Tools { tools: specs.map(row).collect() }
}

pub(crate) fn answers(book: &Runbook) -> String {
    let list = |words: Vec<String>| words.join(" or ");
    let probes = list(book.matches.probe.iter().map(ToString::to_string).collect());
    let severities = list(book.matches.severity.iter().map(ToString::to_string).collect());
    format!("{probes} {severities}").trim().to_owned()
}
