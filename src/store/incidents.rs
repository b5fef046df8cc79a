//! Incidents, their readings, and triage's counters.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rusqlite::Row;
use serde_json::Value as Json;

use crate::model::ids::IncidentId;
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::store::actions::Drill;
use crate::store::columns::{from_json, signal_key, to_json};
use crate::store::db::Db;

impl Db {
    /// Opens an incident; an error where the signal has an unresolved one already.
    pub fn open_incident(
        &mut self,
        reading: &Reading,
        drill: Drill,
        now: Millis,
    ) -> Result<Incident> {
        self.atomically(|db| {
            if let Some(open) = db.incident_of(&reading.signal)? {
                bail!("{} has an unresolved incident already: {}", reading.signal, open.id);
            }
            let mut incident = Incident {
                id: IncidentId(0),
                signal: reading.signal.clone(),
                severity: reading.severity,
                opened_at: now,
                red_at: (reading.severity == Severity::Red).then_some(now),
                state: IncidentState::Open,
                reading: reading.clone(),
                acknowledged_at: None,
                announced: Announced::No,
                drill: drill == Drill::Yes,
                attempts: 0,
            };
            let id = db.insert(
                "INSERT INTO incident (signal, host, state, drill, opened_at, json)
                 VALUES (?1, ?2, 'open', ?3, ?4, '')",
                &[
                    &signal_key(&incident.signal),
                    &incident.signal.target.on().as_str(),
                    &drill.column(),
                    &now,
                ],
            )?;
            incident.id = IncidentId(id);
            db.save_incident(&incident)?;
            db.add_incident_reading(incident.id, reading)?;
            Ok(incident)
        })
    }

    /// Stores all that may change of an incident; its signal may not.
    pub fn save_incident(&mut self, incident: &Incident) -> Result<()> {
        let saved = self.write(
            "UPDATE incident SET state = ?2, json = ?3 WHERE id = ?1 AND signal = ?4",
            &[
                &incident.id,
                &incident.state.word(),
                &to_json(incident)?,
                &signal_key(&incident.signal),
            ],
        );
        match saved.with_context(|| format!("cannot store incident {}", incident.id))? {
            0 => bail!("there is no incident {} of {}", incident.id, incident.signal),
            _ => Ok(()),
        }
    }

    pub fn incident(&self, id: IncidentId) -> Result<Option<Incident>> {
        self.row("SELECT id, json FROM incident WHERE id = ?1", &[&id], incident)
    }

    /// Oldest first.
    pub fn unresolved(&self) -> Result<Vec<Incident>> {
        let sql = "SELECT id, json FROM incident WHERE state <> 'resolved' ORDER BY id";
        self.rows(sql, &[], incident)
    }

    /// Opened since then, or still unresolved; newest first.
    pub fn incidents(&self, since: Millis, limit: u32) -> Result<Vec<Incident>> {
        self.rows(
            "SELECT id, json FROM incident WHERE ?1 <= opened_at OR state <> 'resolved'
              ORDER BY id DESC LIMIT ?2",
            &[&since, &limit],
            incident,
        )
    }

    /// The unresolved incident of a signal.
    pub fn incident_of(&self, signal: &Signal) -> Result<Option<Incident>> {
        let sql = "SELECT id, json FROM incident WHERE signal = ?1 AND state <> 'resolved'";
        self.row(sql, &[&signal_key(signal)], incident)
    }

    /// Earlier incidents of a signal, the newest first: what was tried before.
    pub fn past_incidents(&self, signal: &Signal, limit: u32) -> Result<Vec<Incident>> {
        self.rows(
            "SELECT id, json FROM incident WHERE signal = ?1 AND state = 'resolved'
              ORDER BY id DESC LIMIT ?2",
            &[&signal_key(signal), &limit],
            incident,
        )
    }

    /// Adds a reading; an incident keeps its newest thousand.
    pub fn add_incident_reading(&mut self, id: IncidentId, reading: &Reading) -> Result<()> {
        self.atomically(|db| {
            let added = db.write(
                "INSERT INTO incident_reading (incident, json) VALUES (?1, ?2)",
                &[&id, &to_json(reading)?],
            );
            added.with_context(|| format!("there is no incident {id}"))?;
            db.write(
                "DELETE FROM incident_reading
                  WHERE incident = ?1 AND id <= (SELECT id FROM incident_reading WHERE incident = ?1
                                                  ORDER BY id DESC LIMIT 1 OFFSET 1000)",
                &[&id],
            )?;
            Ok(())
        })
    }

    /// The newest readings of an incident, oldest of them first.
    pub fn incident_readings(&self, id: IncidentId, limit: u32) -> Result<Vec<Reading>> {
        let mut readings = self.rows(
            "SELECT json FROM incident_reading WHERE incident = ?1 ORDER BY id DESC LIMIT ?2",
            &[&id, &limit],
            |row| {
                let json: String = row.get(0)?;
                from_json(&format!("a reading of {id}"), &json)
            },
        )?;
        readings.reverse();
        Ok(readings)
    }

    /// Stores the counters given, in one go; `Null` forgets a signal's.
    pub fn save_triage(&mut self, counters: &BTreeMap<Signal, Json>) -> Result<()> {
        self.atomically(|db| {
            for (signal, counter) in counters {
                let key = to_json(signal)?;
                if counter.is_null() {
                    db.write("DELETE FROM triage WHERE signal = ?1", &[&key])?;
                } else {
                    db.write(
                        "INSERT INTO triage (signal, json) VALUES (?1, ?2)
                         ON CONFLICT (signal) DO UPDATE SET json = excluded.json",
                        &[&key, &to_json(counter)?],
                    )?;
                }
            }
            Ok(())
        })
    }

    pub fn triage(&self) -> Result<BTreeMap<Signal, Json>> {
        let rows = self.rows("SELECT signal, json FROM triage", &[], |row| {
            let (signal, json): (String, String) = (row.get(0)?, row.get(1)?);
            let what = format!("triage of {signal}");
            Ok((from_json(&what, &signal)?, from_json(&what, &json)?))
        })?;
        Ok(rows.into_iter().collect())
    }
}

fn incident(row: &Row<'_>) -> Result<Incident> {
    let id: IncidentId = row.get(0)?;
    let json: String = row.get(1)?;
    from_json(&format!("incident {id}"), &json)
}
