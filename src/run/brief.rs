//! The context that an incident deserves: what the agent is told before it looks itself.

use crate::agent::Brief;
use crate::model::incident::Incident;
use crate::model::time::Span;
use crate::run::inquire::{Gathered, Subject};
use crate::run::runner::Runner;

/// How much of each part of the context there may be.
const MOST: usize = 12;
const LOOKED_BACK: Span = Span::days(90);

impl Runner {
    /// Recent history of the probe, what worked before, related signals, state of the host.
    pub(crate) async fn brief(
        &self,
        subject: &Subject,
        gathered: &Gathered,
    ) -> anyhow::Result<Option<Brief>> {
        let Some(incident) = subject.incident.clone() else { return Ok(None) };
        let id = incident.id;
        let history = self.store.call(move |db| db.incident_readings(id, 20)).await?;
        let around = self.looker.around(incident.signal.target.on()).await;
        let host_state =
            around.iter().map(|r| format!("{} {}: {}", r.severity, r.signal, r.words.first_line()));
        let not_green = |r: &&crate::model::reading::Reading| {
            r.signal != incident.signal && r.severity != crate::model::severity::Severity::Green
        };
        Ok(Some(Brief {
            worked_before: self.worked_before(&incident).await?,
            related: around.iter().filter(not_green).take(MOST).cloned().collect(),
            host_state: host_state.take(2 * MOST).collect(),
            recent_changes: Vec::new(),
            runbook: gathered.book.clone(),
            offers: gathered.offers(),
            found: gathered.found.clone(),
            history,
            now: self.clock.now(),
            incident,
        }))
    }

    /// How earlier runs for the same signal ended.
    async fn worked_before(&self, incident: &Incident) -> anyhow::Result<Vec<String>> {
        let since = self.clock.now() - LOOKED_BACK;
        let (signal, own) = (incident.signal.clone(), incident.id);
        self.store
            .call(move |db| {
                let mut lines = Vec::new();
                for earlier in db
                    .incidents(since, 200)?
                    .into_iter()
                    .filter(|i| i.signal == signal && i.id != own)
                {
                    for run in db.runs_of(earlier.id)? {
                        if let crate::model::run::RunState::Ended(ending) = &run.state {
                            let book =
                                run.runbook.as_ref().map_or("no runbook", |r| r.name.as_str());
                            lines.push(format!("{book}: {} ({})", ending.word(), ending.words()));
                        }
                    }
                    if MOST <= lines.len() {
                        break;
                    }
                }
                Ok(lines)
            })
            .await
    }
}
