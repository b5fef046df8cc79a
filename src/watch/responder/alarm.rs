//! What may be an intruder's doing: a page at any hour, and nothing happens by itself on that host until a human said
//! that they know it.

use std::collections::BTreeSet;

use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::incident::{Announced, Incident, IncidentEvent, IncidentState};
use crate::model::message::Urgency;
use crate::model::reading::{Concern, Reading};
use crate::model::time::Millis;
use crate::run::announce::announce;
use crate::store::db::Db;
use crate::watch::responder::Responder;
use crate::watch::words;

/// Hands one to the human, once: paged, never answered, explained or held.
pub(super) fn tell(
    db: &mut Db,
    rules: &Rules,
    mut incident: Incident,
    now: Millis,
) -> anyhow::Result<()> {
    let told = matches!(incident.state, IncidentState::Escalated { .. })
        && incident.announced == Announced::Page;
    if told || !incident.waits_for_a_human() {
        return Ok(());
    }
    page(db, rules, &mut incident, now)?;
    let why = "it may be an intruder's doing".to_owned();
    incident.state = incident.state.clone().next(IncidentEvent::Escalate { why }, now)?;
    db.save_incident(&incident)
}

fn page(db: &mut Db, rules: &Rules, incident: &mut Incident, now: Millis) -> anyhow::Result<()> {
    let words = words::alarm(incident);
    announce(db, rules, incident, Urgency::Page, &words, now)?;
    let what = format!("nothing runs by itself on {}", incident.signal.target.on());
    let why = format!("{}: {}", incident.id, incident.reading.words.first_line());
    settle::note(db, "reef", &what, &why, now).map(drop)
}

/// It is not there any more. That heals nothing: whoever was there may have left what nobody sees.
pub(super) fn healed(db: &mut Db, mut incident: Incident, now: Millis) -> anyhow::Result<()> {
    if incident.care.healed_at.is_some() {
        return Ok(());
    }
    incident.care.healed_at = Some(now);
    db.save_incident(&incident)
}

/// It is there again.
pub(super) fn again(db: &mut Db, mut incident: Incident) -> anyhow::Result<()> {
    if incident.care.healed_at.take().is_some() {
        db.save_incident(&incident)?;
    }
    Ok(())
}

impl Responder {
    /// What came to be new after the page is told as well, to whoever acknowledged the first of it too.
    pub(super) async fn evidence(&mut self, readings: &[Reading]) -> anyhow::Result<()> {
        let of_concern = readings.iter().filter(|reading| reading.concern == Concern::Security);
        for reading in of_concern {
            let (reading, now) = (reading.clone(), self.runner.clock.now());
            let rules = self.runner.gate.rules();
            let store = &self.runner.store;
            store.call(move |db| db.atomically(|db| more(db, &rules, reading, now))).await?;
        }
        Ok(())
    }
}

fn more(db: &mut Db, rules: &Rules, reading: Reading, now: Millis) -> anyhow::Result<()> {
    let Some(mut incident) = db.incident_of(&reading.signal)?.filter(Incident::is_security) else {
        return Ok(());
    };
    // A look from before the human answered tells nothing new.
    if incident.acknowledged_at.is_some_and(|at| reading.at <= at) {
        return Ok(());
    }
    let known: BTreeSet<(&str, &str)> = incident.reading.what().into_iter().collect();
    if reading.what().iter().all(|item| known.contains(item)) {
        return Ok(());
    }
    incident.reading = reading;
    incident.acknowledged_at = None;
    incident.care.healed_at = None;
    incident.care.known_until = None;
    db.add_incident_reading(incident.id, &incident.reading)?;
    page(db, rules, &mut incident, now)?;
    db.save_incident(&incident)
}
