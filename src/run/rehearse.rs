//! A rehearsal: the inquiry and the previews of a run that is never stored, asked or carried out.

use std::sync::Arc;

use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::reading::Reading;
use crate::model::time::Span;
use crate::run::inquire::{Case, Inquired, Subject};
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
                let mut lines = vec![format!("would ask: {question}")];
                for choice in &choices {
                    lines.push(format!("  {}", choice.say));
                    lines.extend(choice.plan.iter().map(crate::gate::words::plan));
                }
                (None, lines.join("\n"))
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
        self.gate.forget(NOBODY);
        let gathered = gathered?;
        let found = gathered
            .found
            .iter()
            .map(|(name, found)| format!("{name} (low): {}", found.words.first_line()));
        let steps = gathered.steps.iter().map(crate::gate::words::step);
        let asked = gathered
            .asked
            .values()
            .map(|step| format!("if asked for: {}", crate::gate::words::step(step)));
        let skipped = gathered.skipped.iter().map(|why| format!("skipped: {why}"));
        Ok(found.chain(steps).chain(asked).chain(skipped).collect())
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
