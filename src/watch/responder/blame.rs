//! What was told already: a volume that does not answer, because its server does not, was told before the server's
//! own probe saw it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::incident::{Announced, Incident, IncidentEvent, IncidentState};
use crate::model::message::Urgency;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::policy::tree::Decision;
use crate::run::announce::{headline, loudness, page_later};
use crate::store::db::Db;
use crate::watch::responder::picture::end_page;
use crate::watch::ticker::About;

/// Puts what a human has, and what blames what it hangs on, below that one where it is red now. Whoever was told of the
/// child was told of both: the parent takes over that it was, and tells the end of both. Says whether anything changed.
pub(super) fn take_over(
    db: &mut Db,
    rules: &Rules,
    about: &BTreeMap<Signal, About>,
    decision: &Decision,
    unresolved: &mut [Incident],
    now: Millis,
) -> anyhow::Result<bool> {
    let mut changed = false;
    for at in 0..unresolved.len() {
        let mut child = unresolved[at].clone();
        let by = decision.explained.get(&child.signal).filter(|by| blames(&child, by, about));
        let Some(parent) = by.and_then(|by| unresolved.iter().position(|i| i.signal == *by)) else {
            continue;
        };
        let mut above = unresolved[parent].clone();
        let told = child.announced != Announced::No && above.announced == Announced::No;
        let waits = above.state == IncidentState::Open && !above.care.silent;
        // A message is no page: where the parent is worth one it tells of itself.
        let louder = child.announced == Announced::Message
            && loudness(&above, Urgency::Page) == Urgency::Page;
        let event = IncidentEvent::Explain { by: above.signal.clone() };
        if told && waits && !louder {
            above.announced = child.announced;
            above.acknowledged_at = child.acknowledged_at;
            above.care.known_until = child.care.known_until;
            above.care.note = child.care.note.take();
            let why = format!("told with {}: {}", child.id, child.signal);
            settle::note(db, "reef", "told", &format!("{}: {why}", above.signal), now)?;
            let body = format!("{}\n{why}", above.reading.words.first_line());
            above.state = above.state.clone().next(IncidentEvent::Escalate { why }, now)?;
            if above.announced == Announced::Page && above.acknowledged_at.is_none() {
                let title = headline(&above);
                let payload = json!({ "incident": above.id, "title": title, "body": body });
                page_later(db, above.id, &payload, now + rules.page_repeat)?;
            }
            child.announced = Announced::No;
            db.save_incident(&above)?;
        }
        child.state = child.state.clone().next(event, now)?;
        end_page(db, child.id)?;
        db.save_incident(&child)?;
        (unresolved[at], unresolved[parent]) = (child, above);
        changed = true;
    }
    Ok(changed)
}

/// Whether a human has it, and was told that this one, which it hangs on, is at fault.
fn blames(child: &Incident, by: &Signal, about: &BTreeMap<Signal, About>) -> bool {
    let hangs = about.get(&child.signal).is_some_and(|about| about.above().any(|one| one == by));
    hangs && child.care.blames_parent && matches!(child.state, IncidentState::Escalated { .. })
}
