//! Earned autonomy: the record of a runbook on each host, and letting its leash out or taking it in.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::facts::leash_of;
use crate::gate::settle;
use crate::model::ids::{HostName, RunbookName};
use crate::model::plan::Leash;
use crate::operator::order::{Refusal, Who};
use crate::operator::view::{Done, Record, RecordRow};
use crate::operator::{Operator, refuse};
use crate::policy::earned;
use crate::store::runs::RunbookRecord;
use crate::store::shadows::Matches;
use crate::store::switches::Demotion;

/// What one read of the store gives of a runbook.
struct Known {
    runs: Vec<RunbookRecord>,
    matches: Vec<Matches>,
    demotions: Vec<Demotion>,
    /// Actions that nobody knows of, by host.
    unknown: BTreeMap<HostName, u32>,
    leashes: BTreeMap<HostName, Leash>,
}

impl Operator {
    /// What a runbook has shown so far on each host, what that lacks, and the line that raises its leash.
    pub(crate) async fn runbook_record(
        &self,
        name: RunbookName,
        host: Option<&str>,
    ) -> Result<Record, Refusal> {
        let host = self.host_of(&name, host)?;
        let on = host.clone().unwrap_or_else(|| self.here.clone());
        let known = self.known(&name, &on).await?;
        let hosts: BTreeSet<Option<HostName>> = known
            .runs
            .iter()
            .map(|row| row.host.clone())
            .chain(known.matches.iter().map(|row| Some(row.host.clone())))
            .filter(|of| host.is_none() || *of == host)
            .collect();
        let rows = hosts.into_iter().map(|of| self.row(&known, of)).collect();
        Ok(Record { line: format!("[runbook.{name}]\nleash = {{ {on} = \"auto\" }}"), name, rows })
    }

    /// Shortens a leash, at once and until it is promoted again.
    pub(crate) async fn runbook_demote(
        &self,
        name: RunbookName,
        host: Option<&str>,
        leash: Leash,
        note: &str,
        who: Who,
    ) -> Result<Done, Refusal> {
        if leash == Leash::Auto {
            return refuse("a demotion shortens a leash: to \"ask\" or to \"observe\"");
        }
        let on = self.host_of(&name, host)?.unwrap_or_else(|| self.here.clone());
        let (now, by) = (self.now(), who.to_string());
        let why = if note.is_empty() { by.clone() } else { format!("{by}: {note}") };
        let words =
            format!("{name} on {on}: leash {leash} from now on, until it is promoted again");
        let said = words.clone();
        self.store()
            .call(move |db| {
                db.atomically(|db| {
                    db.demote(&name, &on, leash, &why, now)?;
                    settle::note(db, &by, &said, &why, now).map(drop)
                })
            })
            .await?;
        // Plans that wait are judged by it when they are answered.
        self.runner.answers.send_modify(|n| *n += 1);
        Ok(Done { words })
    }

    /// Forgets a demotion: the leash of the config is in force again. The record must bear it, unless the human says
    /// that it need not.
    pub(crate) async fn runbook_promote(
        &self,
        name: RunbookName,
        host: Option<&str>,
        unearned: bool,
        who: Who,
    ) -> Result<Done, Refusal> {
        let on = self.host_of(&name, host)?.unwrap_or_else(|| self.here.clone());
        let known = self.known(&name, &on).await?;
        let row = self.row(&known, Some(on.clone()));
        if !unearned && !row.lacks.is_empty() {
            return refuse(format!(
                "{name} has not earned it on {on}: {}; --unearned grants it all the same",
                row.lacks.join("; ")
            ));
        }
        let (now, by) = (self.now(), who.to_string());
        let (book, of) = (name.clone(), on.clone());
        let what = match unearned && !row.lacks.is_empty() {
            true => format!("promoted {name} on {on}, though its record does not bear it"),
            false => format!("promoted {name} on {on}"),
        };
        let words = match row.demoted {
            Some(_) => format!("{what}: its demotion is forgotten, the config's leash is in force"),
            None => format!("{what}: the config's leash is in force"),
        };
        self.store()
            .call(move |db| {
                db.atomically(|db| {
                    db.end_demotion(&book, &of)?;
                    settle::note(db, &by, &what, &row.lacks.join("; "), now).map(drop)
                })
            })
            .await?;
        Ok(Done { words })
    }

    /// The host that was named; the runbook must be one.
    fn host_of(&self, name: &RunbookName, host: Option<&str>) -> Result<Option<HostName>, Refusal> {
        if self.runner.book(name).is_err() {
            return refuse(format!("there is no runbook {name}; `reef runbook list` shows them"));
        }
        host.map(|host| HostName::new(host).map_err(|e| Refusal { why: e.to_string() })).transpose()
    }

    async fn known(&self, name: &RunbookName, on: &HostName) -> Result<Known, Refusal> {
        let (name, on, rules) = (name.clone(), on.clone(), self.gate().rules());
        let known = self
            .store()
            .call(move |db| {
                let mut demotions = db.demotions()?;
                demotions.retain(|demotion| demotion.runbook == name);
                let mut unknown: BTreeMap<HostName, u32> = BTreeMap::new();
                for row in db.unsettled()? {
                    if row.runbook.as_ref() == Some(&name) {
                        *unknown.entry(row.target.on().clone()).or_default() += 1;
                    }
                }
                let (runs, matches) = (db.runbook_record(&name, None)?, db.matches(&name)?);
                let mut leashes = BTreeMap::new();
                let hosts = runs.iter().filter_map(|row| row.host.clone());
                for host in hosts.chain(matches.iter().map(|m| m.host.clone())).chain([on]) {
                    let leash = leash_of(db, &rules, Some(&name), &host)?;
                    leashes.insert(host, leash);
                }
                Ok(Known { runs, matches, demotions, unknown, leashes })
            })
            .await?;
        Ok(known)
    }

    fn row(&self, known: &Known, host: Option<HostName>) -> RecordRow {
        let runs = known.runs.iter().find(|row| row.host == host);
        let of_host = |of: &HostName| host.as_ref() == Some(of);
        let matches = known.matches.iter().find(|row| of_host(&row.host));
        let demoted = known.demotions.iter().find(|demotion| of_host(&demotion.host));
        let record = earned::Record {
            fixed: runs.map_or(0, |row| row.fixed_since),
            matched: matches.map_or(0, |row| row.matched),
            differed: matches.map_or(0, |row| row.differed),
            failed_at: runs.and_then(|row| row.failed_at),
            unknown: host.as_ref().and_then(|host| known.unknown.get(host)).copied().unwrap_or(0),
            demoted_at: demoted.map(|demotion| demotion.at),
        };
        RecordRow {
            runs: runs.map_or(0, |row| row.runs),
            fixed: runs.map_or(0, |row| row.fixed),
            not_fixed: runs.map_or(0, |row| row.not_fixed),
            last_at: runs.map(|row| row.last_at).unwrap_or_default(),
            matched: record.matched,
            differed: record.differed,
            leash: host.as_ref().and_then(|host| known.leashes.get(host)).copied(),
            lacks: earned::lacks(&record, self.now()),
            demoted: demoted.map(|demotion| demotion.why.clone()),
            host: host.map(|host| host.to_string()),
        }
    }
}
