//! What reef would have done beside what a human then did by hand.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::model::ids::{HostName, IncidentId, RunId, RunbookName};
use crate::model::plan::Plan;
use crate::model::time::Millis;
use crate::model::value::Values;
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// What became of something that reef would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// A human did the same.
    Matched,
    /// It is over, and not by that.
    Differed,
    /// It is over, and nobody can tell why.
    Unclear,
    /// Reef did it after all.
    Acted,
}

impl Became {
    pub const ALL: [Self; 4] = [Self::Matched, Self::Differed, Self::Unclear, Self::Acted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Differed => "differed",
            Self::Unclear => "unclear",
            Self::Acted => "acted",
        }
    }
}

/// A plan that was recorded or asked about, and what became of its incident without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    pub run: RunId,
    pub incident: IncidentId,
    pub runbook: RunbookName,
    pub host: HostName,
    pub at: Millis,
    pub of: ShadowOf,
    pub ended: Option<(Millis, Became)>,
}

/// The part that is kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowOf {
    pub plan: Plan,
    /// What was found of each step's target at that time, by the step's name.
    pub before: BTreeMap<String, Values>,
    /// How it ended, for people.
    #[serde(default)]
    pub words: String,
}

/// How often a human did the same as a runbook would have on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    pub host: HostName,
    pub matched: u32,
    pub differed: u32,
}

impl Db {
    /// One a run; a later one of the same run replaces it.
    pub fn add_shadow(&mut self, shadow: &Shadow) -> Result<()> {
        self.write(
            "INSERT INTO shadow (run, incident, runbook, host, at, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (run) DO UPDATE SET at = excluded.at, json = excluded.json",
            &[
                &shadow.run,
                &shadow.incident,
                &shadow.runbook.as_str(),
                &shadow.host.as_str(),
                &shadow.at,
                &to_json(&shadow.of)?,
            ],
        )
        .map(drop)
    }

    /// Those of an incident of which nobody knows yet what became, oldest first.
    pub fn open_shadows(&self, incident: IncidentId) -> Result<Vec<Shadow>> {
        let sql = "SELECT * FROM shadow WHERE incident = ?1 AND outcome IS NULL ORDER BY run";
        self.rows(sql, &[&incident], shadow)
    }

    /// Those that ended since then, oldest first.
    pub fn shadows_since(&self, at: Millis) -> Result<Vec<Shadow>> {
        let sql = "SELECT * FROM shadow WHERE ?1 <= ended_at ORDER BY ended_at, run";
        self.rows(sql, &[&at], shadow)
    }

    pub fn end_shadow(&mut self, shadow: &Shadow, became: Became, now: Millis) -> Result<()> {
        self.write(
            "UPDATE shadow SET outcome = ?2, ended_at = ?3, json = ?4 WHERE run = ?1",
            &[&shadow.run, &became.as_str(), &now, &to_json(&shadow.of)?],
        )
        .map(drop)
    }

    /// How a runbook's plans compare with what was done by hand, by host.
    pub fn matches(&self, runbook: &RunbookName) -> Result<Vec<Matches>> {
        self.rows(
            "SELECT host, count(*) FILTER (WHERE outcome = 'matched'),
                    count(*) FILTER (WHERE outcome = 'differed')
               FROM shadow WHERE runbook = ?1 AND outcome IS NOT NULL
              GROUP BY host ORDER BY host",
            &[&runbook.as_str()],
            |row| {
                Ok(Matches {
                    host: HostName::new(row.get::<_, String>(0)?)?,
                    matched: row.get(1)?,
                    differed: row.get(2)?,
                })
            },
        )
    }
}

fn shadow(row: &Row<'_>) -> Result<Shadow> {
    let run: RunId = row.get("run")?;
    let json: String = row.get("json")?;
    let (outcome, at): (Option<String>, Option<Millis>) =
        (row.get("outcome")?, row.get("ended_at")?);
    let became = match outcome {
        Some(word) => Some(
            Became::ALL
                .into_iter()
                .find(|became| became.as_str() == word)
                .with_context(|| format!("{word:?} in the database is no end of a shadow"))?,
        ),
        None => None,
    };
    Ok(Shadow {
        run,
        incident: row.get("incident")?,
        runbook: RunbookName::new(row.get::<_, String>("runbook")?)?,
        host: HostName::new(row.get::<_, String>("host")?)?,
        at: row.get("at")?,
        of: from_json(&format!("the shadow of {run}"), &json)?,
        ended: at.zip(became),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{memory, plan};

    fn shadow(run: i64, host: &str) -> Shadow {
        Shadow {
            run: RunId(run),
            incident: IncidentId(run / 10),
            runbook: RunbookName::new("disk-full").unwrap(),
            host: HostName::new(host).unwrap(),
            at: Millis(run),
            of: ShadowOf {
                plan: plan(&format!("{host}:/var")),
                before: BTreeMap::new(),
                words: String::new(),
            },
            ended: None,
        }
    }

    #[test]
    fn shadows_are_kept_until_their_incident_is_over_and_counted_by_host() {
        let store = memory();
        let all =
            [(10, "mini"), (11, "mini"), (20, "nas"), (30, "mini")].map(|(r, h)| shadow(r, h));
        store.call_now(|db| all.iter().try_for_each(|shadow| db.add_shadow(shadow))).unwrap();
        let open = |i| store.call_now(|db| db.open_shadows(IncidentId(i))).unwrap();
        assert_eq!(open(1), all[..2]);
        let end = |shadow: &Shadow, became, at| {
            store.call_now(|db| db.end_shadow(shadow, became, Millis(at))).unwrap();
        };
        end(&all[0], Became::Matched, 100);
        end(&all[1], Became::Differed, 101);
        end(&all[2], Became::Unclear, 102);
        end(&all[3], Became::Acted, 103);
        assert_eq!(open(1), []);
        let since = store.call_now(|db| db.shadows_since(Millis(102))).unwrap();
        assert_eq!(since.iter().map(|s| s.run.0).collect::<Vec<_>>(), [20, 30]);
        assert_eq!(since[0].ended, Some((Millis(102), Became::Unclear)));
        let counted = store.call_now(|db| db.matches(&all[0].runbook)).unwrap();
        let row = |host: &str, matched, differed| Matches {
            host: HostName::new(host).unwrap(),
            matched,
            differed,
        };
        assert_eq!(counted, [row("mini", 1, 1), row("nas", 0, 0)]);
    }
}
