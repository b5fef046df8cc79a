//! All unresolved incidents together, inside one transaction: what explains what, the hold, what is to
//! be answered, and the end of an incident.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::crash::Points;
use crate::gate::facts::{HOLD, PAUSED, RESUMED};
use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::ids::IncidentId;
use crate::model::incident::{Announced, HoldScope, Incident, IncidentEvent, IncidentState};
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::tree::{Decision, Hold, Scene, tree};
use crate::run::announce::{announce, loudness};
use crate::store::db::Db;
use crate::watch::breakers;
use crate::watch::responder::{alarm, blame};
use crate::watch::scene;
use crate::watch::ticker::{About, Above};
use crate::watch::words;

/// What the tick loop knows of the signals that incidents are about.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) about: BTreeMap<Signal, About>,
    pub(super) above: BTreeMap<Signal, Above>,
}

/// What a look at the whole picture came to.
#[derive(Debug, Default)]
pub(super) struct Considered {
    /// To be answered now.
    pub(super) begin: Vec<Incident>,
    /// To be looked at once more, so that what hangs on them need not wait for long.
    pub(super) look_at: BTreeSet<Signal>,
    /// When the picture changes by itself: a silence ends, a group is complete.
    pub(super) again_at: Option<Millis>,
}

/// The whole picture, in one transaction: explained and held incidents, the hold itself, and which
/// incidents are to be answered now.
pub(super) fn consider(
    db: &mut Db,
    rules: &Rules,
    scope: HoldScope,
    known: &Known,
    points: &dyn Points,
    now: Millis,
) -> anyhow::Result<Considered> {
    let Known { about, above } = known;
    let (alarms, mut unresolved): (Vec<Incident>, Vec<Incident>) =
        db.unresolved()?.into_iter().partition(Incident::is_security);
    for incident in alarms {
        alarm::tell(db, rules, incident, now)?;
    }
    let mut considered = Considered {
        again_at: silence(db, rules, about, &mut unresolved, now)?,
        ..Considered::default()
    };
    let gathering = scene::gathering(&unresolved, about, above, rules.telling.group_wait, now);
    let before = crate::gate::facts::hold(db)?;
    let resumed_at = db.flag(RESUMED)?.and_then(|at| at.parse().ok()).map(Millis);
    let decide = |unresolved: &[Incident]| {
        let standings = scene::standings(unresolved, about, above, &gathering);
        tree(&Scene { standings: &standings, scope, held: before.as_ref(), resumed_at }, now)
    };
    let mut decision = decide(&unresolved);
    if blame::take_over(db, rules, about, &decision, &mut unresolved, now)? {
        decision = decide(&unresolved);
    }
    keep_hold(db, rules, (before.as_ref(), decision.hold.as_ref()), &unresolved, now)?;
    if let (None, Some(hold)) = (&before, &decision.hold) {
        named_by(db, hold, &mut unresolved)?;
    }
    breakers::tell(db, rules, points, now)?;
    let paused = db.flag(PAUSED)?.map(|by| format!("paused: {by}"));
    for incident in unresolved {
        let gathers = gathering.get(&incident.signal);
        if let (Some(again), false) = (gathers, decision.explained.contains_key(&incident.signal)) {
            considered.again_at = considered.again_at.into_iter().chain([*again]).min();
            let hangs_on = about.get(&incident.signal).into_iter().flat_map(About::above);
            considered.look_at.extend(hangs_on.cloned());
            considered.look_at.extend(incident.care.freed_at.map(|_| incident.signal.clone()));
        }
        let signal = incident.signal.clone();
        let placed = place(db, rules, &decision, paused.as_deref(), incident, now)?;
        if let Some(incident) = placed.filter(|_| !gathering.contains_key(&signal)) {
            considered.begin.push(incident);
        }
    }
    Ok(considered)
}

/// Notes on each incident whether a silence is about it now; when the next of these silences ends.
fn silence(
    db: &mut Db,
    rules: &Rules,
    about: &BTreeMap<Signal, About>,
    unresolved: &mut [Incident],
    now: Millis,
) -> anyhow::Result<Option<Millis>> {
    let typed = db.silences(now)?;
    let mut again_at: Option<Millis> = None;
    for incident in unresolved.iter_mut().filter(|incident| !incident.drill) {
        let name = about.get(&incident.signal).map_or("", |about| about.name.as_str());
        let silenced = rules.telling.silenced(&typed, &incident.signal, name, now);
        again_at = again_at.into_iter().chain(silenced.as_ref().map(|s| s.until)).min();
        let before = incident.care.clone();
        incident.care.silent = silenced.is_some();
        if let Some(silenced) = silenced {
            incident.care.silenced = Some(silenced.words);
        }
        if incident.care != before {
            db.save_incident(incident)?;
        }
    }
    Ok(again_at)
}

/// Puts one incident where the decision wants it; gives it back if it is to be answered now.
fn place(
    db: &mut Db,
    rules: &Rules,
    decision: &Decision,
    paused: Option<&str>,
    mut incident: Incident,
    now: Millis,
) -> anyhow::Result<Option<Incident>> {
    let was = incident.state.clone();
    let explained = decision.explained.get(&incident.signal);
    let several = decision.held.contains(&incident.signal).then_some("several independent reds");
    // A run under a pause could only be refused, and nothing would begin another one after it.
    let held = paused.or(several);
    let event = match (&was, explained) {
        (IncidentState::Open | IncidentState::Held { .. }, Some(by)) => {
            Some(IncidentEvent::Explain { by: by.clone() })
        }
        (IncidentState::Explained { by }, Some(now_by)) if by != now_by => {
            Some(IncidentEvent::Explain { by: now_by.clone() })
        }
        (IncidentState::Open, None) if held.is_some() => {
            held.map(|why| IncidentEvent::Hold { why: why.to_owned() })
        }
        (IncidentState::Held { .. }, None) if held.is_none() => Some(IncidentEvent::Release),
        (IncidentState::Explained { .. }, None) => {
            incident.care.freed_at = Some(now);
            Some(IncidentEvent::Release)
        }
        (
            IncidentState::Open
            | IncidentState::Held { .. }
            | IncidentState::Explained { .. }
            | IncidentState::Running { .. }
            | IncidentState::Escalated { .. }
            | IncidentState::Resolved { .. },
            _,
        ) => None,
    };
    if let Some(event) = event {
        incident.state = was.clone().next(event, now)?;
        db.save_incident(&incident)?;
    }
    if incident.care.silent {
        return Ok(None);
    }
    untold(db, rules, &mut incident, now)?;
    if let (IncidentState::Held { .. }, Some(why)) = (&incident.state, held) {
        // A hold's own page named all that it began with: what joins them is told calmly.
        let urgency = match paused {
            Some(_) => loudness(&incident, Urgency::Page),
            None => Urgency::Message,
        };
        let louder = urgency == Urgency::Page && incident.announced != Announced::Page;
        if incident.acknowledged_at.is_none() && (incident.announced == Announced::No || louder) {
            let words = words::one_held(&incident, why);
            announce(db, rules, &mut incident, urgency, &words, now)?;
            db.save_incident(&incident)?;
        }
    }
    if incident.state != IncidentState::Open || incident.acknowledged_at.is_some() {
        return Ok(None);
    }
    Ok(Some(incident))
}

/// What was handed to the human within a silence, when nobody was told: the silence is over, and it is still there.
fn untold(db: &mut Db, rules: &Rules, incident: &mut Incident, now: Millis) -> anyhow::Result<()> {
    let (IncidentState::Escalated { .. }, Announced::No, None) =
        (&incident.state, incident.announced, incident.acknowledged_at)
    else {
        return Ok(());
    };
    let Some(silence) = incident.care.silenced.clone() else { return Ok(()) };
    let words = words::still_there(incident, &silence);
    let urgency = loudness(incident, Urgency::Page);
    announce(db, rules, incident, urgency, &words, now)?;
    db.save_incident(incident)
}

/// Stores a hold that began or ended, with a record; a new one pages once.
fn keep_hold(
    db: &mut Db,
    rules: &Rules,
    (before, after): (Option<&Hold>, Option<&Hold>),
    unresolved: &[Incident],
    now: Millis,
) -> anyhow::Result<()> {
    if before == after {
        return Ok(());
    }
    match after {
        Some(hold) => {
            db.set_flag(HOLD, Some(&serde_json::to_string(hold)?), now)?;
            if before.is_none() {
                let (title, body) = words::held(hold, unresolved);
                settle::note(db, "reef", "held", &title, now)?;
                let message = Message {
                    urgency: Urgency::Page,
                    title,
                    body,
                    severity: Severity::Red,
                    incident: None,
                    approval: None,
                    key: format!("hold {}", hold.since.0),
                };
                db.enqueue(&message, &rules.notify, now)?;
            }
        }
        None => {
            db.set_flag(HOLD, None, now)?;
            settle::note(db, "reef", "hold ended", "at most one red is left", now)?;
        }
    }
    Ok(())
}

/// The page of a new hold names its reds: each was announced by it, so the end of each is told as well.
fn named_by(db: &mut Db, hold: &Hold, unresolved: &mut [Incident]) -> anyhow::Result<()> {
    let named = |i: &&mut Incident| i.announced == Announced::No && hold.by.contains(&i.signal);
    for incident in unresolved.iter_mut().filter(named) {
        incident.announced = Announced::Message;
        db.save_incident(incident)?;
    }
    Ok(())
}

/// Ends an incident, inside a transaction. A message follows where one announced it.
pub fn resolve(
    db: &mut Db,
    rules: &Rules,
    mut incident: Incident,
    now: Millis,
) -> anyhow::Result<()> {
    incident.state = incident.state.clone().next(IncidentEvent::Resolve, now)?;
    if incident.announced != Announced::No {
        let runs = db.runs_of(incident.id)?;
        let words = words::resolved(&incident, runs.iter().max_by_key(|r| r.id), now);
        announce(db, rules, &mut incident, Urgency::Message, &words, now)?;
    }
    end_page(db, incident.id)?;
    db.save_incident(&incident)
}

/// Stops repeating a page.
pub fn end_page(db: &mut Db, id: IncidentId) -> anyhow::Result<()> {
    let key = format!("page {id}");
    for timer in db.timers()?.into_iter().filter(|t| t.key == key) {
        db.end_timer(timer.id)?;
    }
    Ok(())
}
