//! What was for a stated time is taken back when that is over: tried until it is so, also when reef was down at the time.

use crate::gate::promise::{is_for_a_time, promise};
use crate::gate::rules::UNDO_FOR;
use crate::model::ids::{ActionId, StepName};
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::model::tool::Undo;
use crate::store::actions::ActionRow;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// The longest wait before it is looked at again.
const LONGEST: Span = Span::mins(10);
/// After so many tries a human is told.
const TELL: i64 = 3;

/// How long until the next try: 1, 2, 4, 8 and then 10 minutes.
fn wait(tries: i64) -> Span {
    let doubled = 1_i64 << tries.clamp(0, 10);
    Span::mins(doubled).min(LONGEST)
}

/// Whether there is nothing left to take back: it provably never happened, was taken back, or a later one of its kind made
/// the same promise anew.
fn is_over(row: &ActionRow, later: &[ActionRow]) -> bool {
    let never = row.closed.as_ref().is_some_and(|(_, word)| word == "not started")
        || row.settled.as_ref().is_some_and(|(_, word)| word == "did not run");
    let Undo::By(back) = &row.step.undo else { return true };
    let anew = |other: &&ActionRow| {
        let not_started = other.closed.as_ref().is_some_and(|(_, word)| word == "not started");
        let same = matches!(&other.step.undo, Undo::By(call) if call == back);
        row.id.0 < other.id.0 && !not_started && same && is_for_a_time(&other.step)
    };
    never || row.undone_by.is_some() || later.iter().any(|other| anew(&other))
}

impl Responder {
    /// Takes an action back whose time is over. The promise stands until it is seen to be kept.
    pub(crate) async fn revert(&self, timer: &Timer) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        let number = |key: &str| timer.payload.get(key).and_then(serde_json::Value::as_i64);
        let (id, tries) = (number("action").map(ActionId), number("tries").unwrap_or(0));
        let ended = timer.id;
        let row = match id {
            Some(id) => {
                let found = self.runner.store.call(move |db| {
                    let row = db.action(id)?;
                    let later = db.actions_since(row.as_ref().map_or(now, |row| row.at))?;
                    Ok(row.map(|row| (row, later)))
                });
                found.await?.filter(|(row, later)| !is_over(row, later)).map(|(row, _)| row)
            }
            None => None,
        };
        let given_up = |row: &ActionRow| row.at + UNDO_FOR < now;
        let Some(row) = row.filter(|row| !given_up(row)) else {
            return self.runner.store.call(move |db| db.end_timer(ended)).await;
        };
        let Undo::By(call) = row.step.undo.clone() else { return Ok(()) };
        // Promised anew before it is tried: whatever becomes of this try, there is another one.
        let id = row.id;
        let again = now + wait(tries);
        self.runner.store.call(move |db| promise(db, id, tries + 1, again)).await?;
        let name = StepName::new("revert").map_err(|e| anyhow::anyhow!("{e}"))?;
        match self.runner.gate.preview(&name, &call).await {
            // It is so: nothing is left to do, whoever did it.
            Ok(step) if step.effect.max_items == 0 => {
                let key = format!("revert {id}");
                let end = move |db: &mut crate::store::db::Db| {
                    let kept = db.timers()?.into_iter().find(|timer| timer.key == key);
                    kept.map_or(Ok(()), |timer| db.end_timer(timer.id))
                };
                return self.runner.store.call(end).await;
            }
            Ok(step) => {
                let why = format!("the time of {id} is over");
                self.runner.promised(step, &why, Some(id)).await?;
            }
            Err(error) => tracing::warn!("{call}, which {id} promised, cannot be done: {error}"),
        }
        if tries == TELL {
            self.tell_of(&row, tries).await?;
        }
        Ok(())
    }

    async fn tell_of(&self, row: &ActionRow, tries: i64) -> anyhow::Result<()> {
        let (rules, now) = (self.runner.gate.rules(), self.runner.clock.now());
        let message = Message {
            urgency: Urgency::Message,
            title: format!("not taken back yet: {}", row.step.call),
            body: format!(
                "{} was for a stated time, which is over. {tries} tries to take it back did not succeed (`reef audit list` \
                 says why); reef goes on trying every {LONGEST}.",
                row.id
            ),
            severity: Severity::Yellow,
            incident: None,
            approval: None,
            key: format!("revert {} told", row.id),
        };
        self.runner.store.call(move |db| db.enqueue(&message, &rules.notify, now).map(drop)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_ever_more_seldom_and_never_given_up_within_a_week() {
        let waits: Vec<i64> = (0..6).map(|tries| wait(tries).0 / 60_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(wait(i64::MAX), LONGEST);
    }
}
