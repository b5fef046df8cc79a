//! A rehearsal: the inquiry and the previews of a run that is never stored, asked or carried out.

use std::sync::Arc;

use crate::model::approval::Choice;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::reading::Reading;
use crate::model::time::Span;
use crate::run::inquire::{Case, Inquired, Subject, left_alone, nothing_applies};
use crate::run::runner::{Runner, Start};
use crate::store::db::Db;

/// No run has this number: the store counts from 1.
const NOBODY: RunId = RunId(0);

impl Runner {
    /// What a run would do now, in words, with its plan where there is one. Only low tools are called.
    pub async fn rehearse(
        self: &Arc<Self>,
        start: &Start,
    ) -> anyhow::Result<(Option<Plan>, String)> {
        let inquired = self.inquire_without_agent(NOBODY, start).await;
        self.gate.flush(NOBODY).await;
        self.gate.forget(NOBODY);
        Ok(match inquired? {
            Inquired::Plan(plan) => {
                let words = format!(
                    "{}{}",
                    crate::gate::words::plan(&plan),
                    self.usual_duration(&plan).await?
                );
                (Some(*plan), words)
            }
            Inquired::Question { question, choices } => {
                (None, asked(&question, &choices).join("\n"))
            }
            Inquired::Ended(ending) => (None, format!("{}: {}", ending.word(), ending.words())),
        })
    }

    /// The same for a reading that somebody made up: a line a step.
    pub async fn rehearse_reading(
        self: &Arc<Self>,
        start: &Start,
        reading: Reading,
    ) -> anyhow::Result<Vec<String>> {
        let book = match &start.runbook {
            Some(name) => Some(self.book(name)?),
            None => None,
        };
        let subject = Subject { incident: None, reading };
        let case = Case { run: NOBODY, round: 0, start, subject: &subject };
        let gathered = self.gather(case, book).await;
        self.gate.flush(NOBODY).await;
        self.gate.forget(NOBODY);
        let gathered = gathered?;
        let ends = match left_alone(&gathered)? {
            Some(leave) => vec![format!("would leave it alone: {}", leave.why)],
            None => match self.routine(case, &gathered)? {
                Some(Inquired::Plan(_)) => Vec::new(),
                Some(Inquired::Question { question, choices }) => asked(&question, &choices),
                Some(Inquired::Ended(ending)) => {
                    vec![format!("would go to you: {}", ending.words())]
                }
                None => vec![format!(
                    "would go to you: {}",
                    nothing_applies(&subject, &gathered).words()
                )],
            },
        };
        let found = gathered
            .found
            .iter()
            .map(|(name, found)| format!("{name} (low): {}", found.words.first_line()));
        let steps = gathered.steps.iter().map(crate::gate::words::step);
        let picked = gathered
            .asked
            .values()
            .map(|step| format!("if asked for: {}", crate::gate::words::step(step)));
        let skipped = gathered.skipped.iter().map(|why| format!("skipped: {why}"));
        Ok(found.chain(steps).chain(picked).chain(skipped).chain(ends).collect())
    }

    /// How long such a plan took before, for the dry run: the median over its tools' past actions.
    async fn usual_duration(&self, plan: &Plan) -> anyhow::Result<String> {
        const LOOKED_BACK: Span = Span::days(90);
        let since = self.clock.now() - LOOKED_BACK;
        let tools: Vec<_> = plan.steps.iter().map(|step| step.call.tool.clone()).collect();
        let took = self
            .store
            .call(move |db: &mut Db| {
                let rows = db.actions_since(since)?;
                let one = |row: &crate::store::actions::ActionRow| {
                    row.closed.as_ref().map(|(at, _)| at.since(row.at))
                };
                let mut took: Vec<Span> =
                    rows.iter().filter(|r| tools.contains(&r.tool)).filter_map(one).collect();
                took.sort();
                Ok(took)
            })
            .await?;
        Ok(match took.get(took.len() / 2) {
            Some(median) => {
                format!("\nestimated duration: {median} a step, from {} past ones", took.len())
            }
            None => String::new(),
        })
    }
}

/// The question as it would be asked: a line an option, each with what it would do.
fn asked(question: &str, choices: &[Choice]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in question.lines() {
        lines.push(match lines.is_empty() {
            true => format!("would ask: {line}"),
            false => format!("  {line}"),
        });
    }
    for (n, choice) in choices.iter().enumerate() {
        lines.push(format!("  {}: {}", n + 1, choice.say));
        let plan = choice.plan.iter().map(crate::gate::words::plan).collect::<String>();
        lines.extend(plan.lines().map(|line| format!("     {line}")));
    }
    lines
}
