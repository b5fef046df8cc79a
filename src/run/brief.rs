//! The context that an incident deserves: what the agent is told before it looks itself.

use std::io::Read;

use crate::agent::Brief;
use crate::model::ids::HostName;
use crate::model::incident::Incident;
use crate::model::time::Span;
use crate::policy::inventory;
use crate::policy::trend::{self, DriftRule};
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
            inventory: self.inventory_of(incident.signal.target.on()),
            recent_changes: self.recent_changes(&incident).await?,
            runbook: gathered.book.clone(),
            offers: gathered.offers(),
            found: gathered.found.clone(),
            history,
            now: self.clock.now(),
            incident,
        }))
    }

    /// The part of the inventory that is about a host. It is read anew each time, for people correct it.
    fn inventory_of(&self, host: &HostName) -> String {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&self.inventory)
            .and_then(|file| file.take(inventory::LARGEST).read_to_end(&mut bytes));
        match read {
            Ok(_) => inventory::about(&String::from_utf8_lossy(&bytes), host),
            // Most have none: the rest of the context does without.
            Err(_) => String::new(),
        }
    }

    /// What changed on its host in the last day, newest last, and since when its number drifts.
    async fn recent_changes(&self, incident: &Incident) -> anyhow::Result<Vec<String>> {
        let (now, reading) = (self.clock.now(), incident.reading.clone());
        let (changes, hours) = self
            .store
            .readings()
            .call(move |readings| {
                let hours = readings.hourly(&reading.signal, now - trend::LOOKED_BACK)?;
                Ok((readings.changes_since(now - Span::days(1), 500)?, hours))
            })
            .await?;
        let (target, own) = (&incident.signal.target, &incident.signal);
        let of_host: Vec<_> = changes
            .iter()
            .filter(|change| change.host() == target.on() || change.target.name() == target.name())
            .collect();
        let mut lines: Vec<String> = of_host[of_host.len().saturating_sub(MOST)..]
            .iter()
            .map(|change| {
                let (ago, words) = (now.since(change.at), change.words.first_line());
                format!("{ago} ago {} on {}: {words}", change.kind.phrase(), change.target)
            })
            .collect();
        let medians: Vec<_> =
            hours.iter().filter_map(|hour| Some((hour.at, hour.median?))).collect();
        let rule = DriftRule::of(own, incident.reading.unit);
        if let Some(drift) = rule.and_then(|rule| trend::drift(&medians, &rule, now)) {
            let since = match drift.since {
                Some(since) => format!("{} ago", now.since(since)),
                None => format!("more than {} days ago", drift.days),
            };
            lines.push(format!(
                "{own} drifts from {:.1} to {:.1}, begun {since}",
                drift.from, drift.to
            ));
        }
        Ok(lines)
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
