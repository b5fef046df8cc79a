//! Runs, and the record of each runbook on each host.

use anyhow::{Context, Result, bail};
use rusqlite::Row;

use crate::model::ids::{HostName, IncidentId, RunId, RunbookName};
use crate::model::plan::{Origin, RunbookRef};
use crate::model::run::RunState;
use crate::model::time::Millis;
use crate::model::told::Told;
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub id: RunId,
    pub origin: Origin,
    pub incident: Option<IncidentId>,
    pub runbook: Option<RunbookRef>,
    pub state: RunState,
    pub started_at: Millis,
    pub changed_at: Millis,
}

/// How a runbook did on a host; drills do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookRecord {
    pub runbook: RunbookName,
    /// `None`: runs that never had a target.
    pub host: Option<HostName>,
    pub runs: u32,
    pub fixed: u32,
    pub not_fixed: u32,
    pub last_at: Millis,
    /// When it last failed to fix.
    pub failed_at: Option<Millis>,
    /// Fixes after that.
    pub fixed_since: u32,
}

impl Db {
    /// A new run, inquiring in its first round.
    pub fn new_run(
        &mut self,
        origin: &Origin,
        incident: Option<IncidentId>,
        runbook: Option<&RunbookRef>,
        now: Millis,
    ) -> Result<RunId> {
        let state = RunState::Inquiring { round: 1 };
        let is_drill = i64::from(*origin == Origin::Drill);
        let id = self.insert(
            "INSERT INTO run (origin, incident, runbook, runbook_digest, host, drill, state,
                              started_at, changed_at, json)
             VALUES (?1, ?2, ?3, ?4, (SELECT host FROM incident WHERE id = ?2),
                     max(?5, coalesce((SELECT drill FROM incident WHERE id = ?2), 0)),
                     ?6, ?7, ?7, ?8)",
            &[
                &to_json(origin)?,
                &incident,
                &runbook.map(|r| r.name.as_str()),
                &runbook.map(|r| r.digest),
                &is_drill,
                &state.word(),
                &now,
                &to_json(&state)?,
            ],
        )?;
        Ok(RunId(id))
    }

    pub fn save_run(&mut self, id: RunId, state: &RunState, now: Millis) -> Result<()> {
        let ending = match state {
            RunState::Ended(ending) => Some(ending.word()),
            RunState::Inquiring { .. }
            | RunState::Waiting { .. }
            | RunState::Acting { .. }
            | RunState::Verifying { .. } => None,
        };
        // A run that a human started has no incident: its first step says where it works.
        let host =
            state.plan().and_then(|plan| plan.steps.first()).map(|s| s.call.target.on().as_str());
        let saved = self.write(
            "UPDATE run SET state = ?2, ending = ?3, host = coalesce(host, ?4), changed_at = ?5,
                            json = ?6
              WHERE id = ?1",
            &[&id, &state.word(), &ending, &host, &now, &to_json(state)?],
        );
        match saved.with_context(|| format!("cannot store run {id}"))? {
            0 => bail!("there is no run {id}"),
            _ => Ok(()),
        }
    }

    /// Stores what the records of a run say beside its plan.
    pub fn keep_told(&mut self, id: RunId, told: &Told) -> Result<()> {
        let kept = self.write("UPDATE run SET told = ?2 WHERE id = ?1", &[&id, &to_json(told)?])?;
        if kept == 0 {
            bail!("there is no run {id}");
        }
        Ok(())
    }

    /// What the records of a run say beside its plan; what the run itself tells where nothing was stored.
    pub fn told(&self, id: RunId) -> Result<Option<Told>> {
        let found =
            self.row("SELECT told, origin, incident FROM run WHERE id = ?1", &[&id], |row| {
                let what = format!("run {id}");
                let (told, origin): (Option<String>, String) = (row.get(0)?, row.get(1)?);
                let told = told.map(|told| from_json(&what, &told)).transpose()?;
                let incident: Option<IncidentId> = row.get(2)?;
                Ok((told, from_json(&what, &origin)?, incident))
            })?;
        let (origin, incident): (Origin, _) = match found {
            None => return Ok(None),
            Some((Some(told), ..)) => return Ok(Some(told)),
            Some((None, origin, incident)) => (origin, incident),
        };
        if let Some(incident) = incident.map(|id| self.incident(id)).transpose()?.flatten() {
            return Ok(Some(Told::about(&incident.reading, Some(incident.id))));
        }
        let mut told = Told { reason: origin.to_string(), ..Told::default() };
        if let Origin::Undo(action) = origin {
            told.undoes = Some(action);
            told.incident = self.action(action)?.and_then(|row| row.incident);
        }
        Ok(Some(told))
    }

    pub fn run(&self, id: RunId) -> Result<Option<RunRow>> {
        self.row("SELECT * FROM run WHERE id = ?1", &[&id], run)
    }

    /// Oldest first.
    pub fn unended_runs(&self) -> Result<Vec<RunRow>> {
        self.rows("SELECT * FROM run WHERE state <> 'ended' ORDER BY id", &[], run)
    }

    /// Oldest first.
    pub fn runs_of(&self, incident: IncidentId) -> Result<Vec<RunRow>> {
        self.rows("SELECT * FROM run WHERE incident = ?1 ORDER BY id", &[&incident], run)
    }

    /// Started or changed since then, oldest first.
    pub fn runs_since(&self, at: Millis) -> Result<Vec<RunRow>> {
        self.rows("SELECT * FROM run WHERE ?1 <= changed_at ORDER BY id", &[&at], run)
    }

    /// How a runbook did, by host; of one host where that is named.
    pub fn runbook_record(
        &self,
        runbook: &RunbookName,
        host: Option<&HostName>,
    ) -> Result<Vec<RunbookRecord>> {
        let host = host.map(HostName::as_str);
        self.rows(
            "WITH failed (of, at) AS (
                 SELECT host, max(changed_at) FROM run
                  WHERE runbook = ?1 AND drill = 0 AND ending = 'not fixed' GROUP BY host)
             SELECT host, count(*), count(*) FILTER (WHERE ending = 'fixed'),
                    count(*) FILTER (WHERE ending = 'not fixed'), max(changed_at), max(at),
                    count(*) FILTER (WHERE ending = 'fixed' AND coalesce(at, -1) < changed_at)
               FROM run LEFT JOIN failed ON of IS host
              WHERE runbook = ?1 AND drill = 0 AND (?2 IS NULL OR host = ?2)
              GROUP BY host ORDER BY host",
            &[&runbook.as_str(), &host],
            |row| {
                let host: Option<String> = row.get(0)?;
                Ok(RunbookRecord {
                    runbook: runbook.clone(),
                    host: host.map(HostName::new).transpose()?,
                    runs: row.get(1)?,
                    fixed: row.get(2)?,
                    not_fixed: row.get(3)?,
                    last_at: row.get(4)?,
                    failed_at: row.get(5)?,
                    fixed_since: row.get(6)?,
                })
            },
        )
    }
}

fn run(row: &Row<'_>) -> Result<RunRow> {
    let id: RunId = row.get("id")?;
    let what = format!("run {id}");
    let (origin, state): (String, String) = (row.get("origin")?, row.get("json")?);
    let name: Option<String> = row.get("runbook")?;
    let runbook = match (name, row.get("runbook_digest")?) {
        (Some(name), Some(digest)) => Some(RunbookRef { name: RunbookName::new(name)?, digest }),
        (_, None) | (None, _) => None,
    };
    Ok(RunRow {
        id,
        origin: from_json(&what, &origin)?,
        incident: row.get("incident")?,
        runbook,
        state: from_json(&what, &state)?,
        started_at: row.get("started_at")?,
        changed_at: row.get("changed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::plan::Ending;
    use crate::model::severity::Severity;
    use crate::store::actions::Drill;
    use crate::store::tests::{memory, plan, reading};

    fn book() -> RunbookRef {
        RunbookRef { name: RunbookName::new("disk-full").unwrap(), digest: Digest::of(b"x") }
    }

    #[test]
    fn a_run_comes_back_as_it_was_left() {
        let store = memory();
        let origin = Origin::Operator { uid: 1_000 };
        let id = store.call_now(|db| db.new_run(&origin, None, Some(&book()), Millis(1))).unwrap();
        let row = || store.call_now(|db| db.run(id)).unwrap().unwrap();
        assert_eq!(row().state, RunState::Inquiring { round: 1 });
        let plan = plan("nas:/var");
        let states = [
            RunState::Waiting { plan: plan.clone(), until: Millis(9) },
            RunState::Acting { plan: plan.clone(), step: 0 },
            RunState::Verifying {
                plan,
                done: 1,
                sure: crate::model::run::Sure::No,
                green_since: None,
                until: Millis(9),
            },
            RunState::Ended(Ending::Fixed("green".into())),
        ];
        for (at, state) in (2..).zip(states) {
            store.call_now(|db| db.save_run(id, &state, Millis(at))).unwrap();
            let open = store.call_now(|db| db.unended_runs()).unwrap();
            assert_eq!(open.is_empty(), matches!(state, RunState::Ended(_)));
            let want = RunRow {
                id,
                origin: origin.clone(),
                incident: None,
                runbook: Some(book()),
                state,
                started_at: Millis(1),
                changed_at: Millis(at),
            };
            assert_eq!(row(), want);
        }
        assert_eq!(store.call_now(|db| db.runs_since(Millis(5))).unwrap(), [row()]);
        let state = row().state;
        assert!(store.call_now(|db| db.save_run(RunId(9), &state, Millis(1))).is_err());
    }

    #[test]
    fn what_a_run_is_about_is_stored_and_else_read_off_the_run() {
        let store = memory();
        let red = reading("mini:/var", Severity::Red);
        let of_incident = store
            .call_now(|db| {
                let incident = db.open_incident(&red, Drill::No, Millis(1))?.id;
                db.new_run(&Origin::Incident(incident), Some(incident), None, Millis(1))
            })
            .unwrap();
        let undo = Origin::Undo(crate::model::ids::ActionId(7));
        let of_undo = store.call_now(|db| db.new_run(&undo, None, None, Millis(1))).unwrap();
        let told = |id| store.call_now(|db| db.told(id)).unwrap();
        assert_eq!(told(of_incident), Some(Told::about(&red, Some(IncidentId(1)))));
        assert_eq!(told(of_undo).unwrap().undoes, Some(crate::model::ids::ActionId(7)));
        assert_eq!(told(RunId(9)), None);
        let own = Told { reason: "it \"said\" so".into(), ..Told::default() };
        store.call_now(|db| db.keep_told(of_undo, &own)).unwrap();
        assert_eq!(told(of_undo), Some(own.clone()));
        assert!(store.call_now(|db| db.keep_told(RunId(9), &own)).is_err());
    }

    #[test]
    fn the_record_of_a_runbook_counts_by_host_and_leaves_drills_out() {
        let store = memory();
        let ended = |host: &str, drill, ending: Ending, at| {
            store
                .call_now(|db| {
                    let red = reading(&format!("{host}:/{at}"), Severity::Red);
                    let incident = db.open_incident(&red, drill, Millis(at))?.id;
                    let origin = Origin::Incident(incident);
                    let run = db.new_run(&origin, Some(incident), Some(&book()), Millis(at))?;
                    db.save_run(run, &RunState::Ended(ending), Millis(at))
                })
                .unwrap();
        };
        ended("mini", Drill::No, Ending::Fixed("x".into()), 1);
        ended("mini", Drill::No, Ending::NotFixed("x".into()), 2);
        ended("mini", Drill::No, Ending::Escalated("x".into()), 3);
        ended("mini", Drill::Yes, Ending::Fixed("x".into()), 4);
        ended("nas", Drill::No, Ending::Fixed("x".into()), 5);
        let record = |host: &str, runs, fixed, not_fixed, last| RunbookRecord {
            runbook: book().name,
            host: Some(HostName::new(host).unwrap()),
            runs,
            fixed,
            not_fixed,
            last_at: Millis(last),
            failed_at: (0 < not_fixed).then_some(Millis(2)),
            fixed_since: u32::from(host == "nas"),
        };
        let all = store.call_now(|db| db.runbook_record(&book().name, None)).unwrap();
        assert_eq!(all, [record("mini", 3, 1, 1, 3), record("nas", 1, 1, 0, 5)]);
        let nas = HostName::new("nas").unwrap();
        let one = store.call_now(|db| db.runbook_record(&book().name, Some(&nas))).unwrap();
        assert_eq!(one, [record("nas", 1, 1, 0, 5)]);
    }
}
