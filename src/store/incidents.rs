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
                care: crate::model::incident::Care::default(),
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

    /// Adds a reading; an incident keeps its newest 200.
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
                                                  ORDER BY id DESC LIMIT 1 OFFSET 200)",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{memory, reading, signal};

    #[test]
    fn a_signal_has_one_unresolved_incident_at_the_most() {
        let store = memory();
        let red = reading("mini:/var", Severity::Red);
        let open = |at| store.call_now(|db| db.open_incident(&red, Drill::No, Millis(at)));
        let mut first = open(1).unwrap();
        assert_eq!(first.red_at, Some(Millis(1)));
        assert!(open(2).unwrap_err().to_string().contains("I-1"));
        assert_eq!(store.call_now(|db| db.incident_of(&red.signal)).unwrap(), Some(first.clone()));

        first.state = IncidentState::Resolved { at: Millis(3) };
        store.call_now(|db| db.save_incident(&first)).unwrap();
        assert_eq!(store.call_now(|db| db.incident_of(&red.signal)).unwrap(), None);
        let second = open(4).unwrap();
        assert_eq!(store.call_now(|db| db.unresolved()).unwrap(), [second]);
        assert_eq!(
            store.call_now(|db| db.past_incidents(&red.signal, 5)).unwrap(),
            [first.clone()]
        );
        // The index holds even against whoever does not look first.
        first.state = IncidentState::Open;
        assert!(store.call_now(|db| db.save_incident(&first)).is_err());
    }

    #[test]
    fn listings_are_bounded_and_keep_the_unresolved() {
        let store = memory();
        for i in 0..5 {
            let red = reading(&format!("mini:/{i}"), Severity::Yellow);
            store.call_now(|db| db.open_incident(&red, Drill::No, Millis(i))).unwrap();
        }
        let mut one = store.call_now(|db| db.incident(IncidentId(1))).unwrap().unwrap();
        one.state = IncidentState::Resolved { at: Millis(9) };
        store.call_now(|db| db.save_incident(&one)).unwrap();
        let ids = |since, limit| -> Vec<i64> {
            let found = store.call_now(|db| db.incidents(Millis(since), limit)).unwrap();
            found.iter().map(|i| i.id.0).collect()
        };
        assert_eq!(ids(0, 10), [5, 4, 3, 2, 1]);
        assert_eq!(ids(3, 10), [5, 4, 3, 2]);
        assert_eq!(ids(0, 2), [5, 4]);
    }

    #[test]
    fn an_incident_keeps_its_newest_readings() {
        let store = memory();
        let mut reading = reading("mini:/var", Severity::Red);
        let id = store.call_now(|db| db.open_incident(&reading, Drill::Yes, Millis(1))).unwrap().id;
        store
            .call_now(|db| {
                db.atomically(|db| {
                    for at in 0..250 {
                        reading.at = Millis(at);
                        db.add_incident_reading(id, &reading)?;
                    }
                    Ok(())
                })
            })
            .unwrap();
        let kept = store.call_now(|db| db.incident_readings(id, 5_000)).unwrap();
        assert_eq!((kept.len(), kept[0].at, kept[199].at), (200, Millis(50), Millis(249)));
        let last = store.call_now(|db| db.incident_readings(id, 2)).unwrap();
        assert_eq!(last.iter().map(|r| r.at.0).collect::<Vec<_>>(), [248, 249]);
        assert!(store.call_now(|db| db.add_incident_reading(IncidentId(9), &reading)).is_err());
    }

    #[test]
    fn triage_is_added_to_and_forgotten_by_signal() {
        let store = memory();
        let save = |pairs: &[(&str, Json)]| {
            let counters = pairs.iter().map(|(t, v)| (signal(t), v.clone())).collect();
            store.call_now(|db| db.save_triage(&counters)).unwrap();
        };
        save(&[("mini:/a b", 1.into()), ("mini:/c", 2.into())]);
        save(&[("mini:/a b", Json::Null), ("mini:/d", 3.into())]);
        let got = store.call_now(|db| db.triage()).unwrap();
        let want = [(signal("mini:/c"), 2.into()), (signal("mini:/d"), 3.into())];
        assert_eq!(got, BTreeMap::from(want));
    }
}
