//! How an incident is answered: a run of the runbook that fits, a diagnosis, or one calm line.

use std::collections::BTreeMap;

use crate::model::ids::{IncidentId, RunbookName, Word};
use crate::model::incident::{Incident, IncidentEvent};
use crate::model::message::Urgency;
use crate::model::plan::Origin;
use crate::model::severity::Severity;
use crate::run::announce::{announce, asks_later};
use crate::run::runner::{Awake, Start};
use crate::watch::responder::Responder;
use crate::watch::words;

impl Responder {
    /// Begins a run for an incident that nothing holds or explains.
    pub(super) async fn begin(&mut self, incident: Incident) -> anyhow::Result<()> {
        let (origin, runbook) = match (incident.drill, self.runner.answering(&incident.reading)) {
            (true, _) => (Origin::Drill, Some(RunbookName::new("drill")?)),
            _ if self.asks_later(incident.id).await? => return Ok(()),
            (false, Some(book)) if self.rested(&incident, &book.name, book.cooldown).await? => {
                (Origin::Incident(incident.id), Some(book.name))
            }
            (false, Some(_)) => return Ok(()),
            (false, None) if incident.severity == Severity::Red || self.runner.has_agent() => {
                (Origin::Incident(incident.id), None)
            }
            (false, None) => return self.noted(incident).await,
        };
        let id = incident.id;
        let start = Start {
            origin,
            incident: Some(id),
            runbook,
            on: None,
            params: BTreeMap::new(),
            awake: Awake::Unknown,
        };
        let run = self.runner.create_for(id, &start).await?;
        if let Some(run) = run {
            self.runner.go_on(run, start);
        }
        Ok(())
    }

    /// A yellow that no runbook answers: one calm line to the human, who has it from then on.
    async fn noted(&self, mut incident: Incident) -> anyhow::Result<()> {
        let (now, rules) = (self.runner.clock.now(), self.runner.gate.rules());
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    let words = words::opened(&incident);
                    announce(db, &rules, &mut incident, Urgency::Message, &words, now)?;
                    let why = "no runbook answers it".to_owned();
                    incident.state =
                        incident.state.clone().next(IncidentEvent::Escalate { why }, now)?;
                    db.save_incident(&incident)
                })
            })
            .await
    }

    /// Whether its question waits for the morning.
    async fn asks_later(&self, id: IncidentId) -> anyhow::Result<bool> {
        let now = self.runner.clock.now();
        self.runner.store.call(move |db| asks_later(db, id, now)).await
    }

    /// Whether the runbook's cooldown since its last run for this incident is over; if not, a timer
    /// brings the incident up again then.
    async fn rested(
        &self,
        incident: &Incident,
        book: &RunbookName,
        cooldown: crate::model::time::Span,
    ) -> anyhow::Result<bool> {
        let (id, now, book) = (incident.id, self.runner.clock.now(), book.clone());
        self.runner
            .store
            .call(move |db| {
                let runs = db.runs_of(id)?;
                let mut last = None;
                for run in runs {
                    // One that did nothing, because it was held, tried nothing.
                    let of_book = run.runbook.as_ref().is_some_and(|r| r.name == book);
                    if of_book && !db.actions_of(run.id)?.is_empty() {
                        last = last.max(Some(run.changed_at));
                    }
                }
                let Some(last) = last else { return Ok(true) };
                let again = last + cooldown;
                if again <= now {
                    return Ok(true);
                }
                db.add_timer(
                    again,
                    &Word::of("retry"),
                    &serde_json::Value::Null,
                    &format!("retry {id}"),
                )?;
                Ok(false)
            })
            .await
    }
}
