//! Whether an action can be undone, until when, and why not: one answer for its record, for who looks it up, who
//! asks, who approves late, and who dispatches.

use crate::clock::zone::stamp;
use crate::gate::rules::UNDO_FOR;
use crate::gate::settle;
use crate::model::ids::{ActionId, RunId};
use crate::model::plan::Step;
use crate::model::time::Millis;
use crate::model::tool::{Holds, Undo};
use crate::store::actions::ActionRow;
use crate::store::db::Db;

/// Until when what undoes a step is there, where the step happens at `at`. Several steps of one run may share it, as
/// a snapshot before them: it counts from the first.
pub fn until(db: &Db, run: RunId, step: &Step, at: Millis) -> anyhow::Result<Millis> {
    let Some(holds) = step.holds else { return Ok(at + UNDO_FOR) };
    let shared = |row: &ActionRow| row.step.undo == step.undo && happened(row);
    let first = db.actions_of(run)?.into_iter().filter(shared).map(|row| row.at).min();
    Ok(first.map_or(at, |first| first.min(at)) + holds.span())
}

/// Why an action cannot be undone, or not any more; `None` where it can.
pub fn no_more(db: &Db, row: &ActionRow, now: Millis) -> anyhow::Result<Option<String>> {
    let id = row.id;
    if let Some(by) = row.undone_by {
        return Ok(Some(format!("{id} was undone by {by} already")));
    }
    if settle::is_unknown(row) {
        return Ok(Some(format!(
            "nobody knows whether {id} happened: `reef settle {id} ran|did-not-run` first"
        )));
    }
    if let Undo::Impossible(why) = &row.step.undo {
        return Ok(Some(format!("{id} cannot be undone: {why}")));
    }
    if let Some(by) = replaced(db, row)? {
        return Ok(Some(format!(
            "{id} cannot be undone any more: {by} did the same to {} since, and what was kept for {id} gave way to what is kept for {by}",
            row.target
        )));
    }
    let until = until(db, row.run, &row.step, row.at)?;
    Ok((until < now).then(|| {
        let until = stamp(until);
        format!("{id} could be undone until {until}; it is too late for reef to do it")
    }))
}

/// The later action that took the place of what this one had kept.
fn replaced(db: &Db, row: &ActionRow) -> anyhow::Result<Option<ActionId>> {
    let Some(Holds::TillNext(_)) = row.step.holds else { return Ok(None) };
    // One that failed may have put its own in the place before it did.
    let next = |other: &ActionRow| {
        row.id < other.id && other.tool == row.tool && other.target == row.target && happened(other)
    };
    Ok(db.actions_since(row.at)?.into_iter().find(next).map(|other| other.id))
}

fn happened(row: &ActionRow) -> bool {
    row.closed.as_ref().is_none_or(|(_, word)| word != "not started")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::step;
    use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
    use crate::model::plan::Origin;
    use crate::model::time::Span;
    use crate::store::Store;
    use crate::store::actions::Drill;

    fn add(store: &Store, run: Option<RunId>, step: &Step, at: Millis, word: &str) -> ActionRow {
        let entry = |kind, payload| AuditEntry { at, actor: "x".into(), kind, payload };
        store
            .call_now(|db| {
                let run = match run {
                    Some(run) => run,
                    None => db.new_run(&Origin::Timer, None, None, at)?,
                };
                let dispatched = entry(AuditKind::Dispatched, AuditPayload::default());
                let id = db.dispatched(&dispatched, run, step, Drill::No)?;
                let (action, outcome) = (Some(id), Some(word.to_owned()));
                let payload = AuditPayload { action, outcome, ..AuditPayload::default() };
                db.append(&entry(AuditKind::Closed, payload))?;
                Ok(db.action(id)?.unwrap())
            })
            .unwrap()
    }

    fn undoable(service: usize, holds: Option<Holds>) -> Step {
        let mut step = step(service);
        step.undo = Undo::By(step.call.clone());
        step.holds = holds;
        step
    }

    fn not(store: &Store, row: &ActionRow, now: Millis) -> Option<String> {
        let row = row.clone();
        store.call_now(|db| no_more(db, &row, now)).unwrap()
    }

    #[test]
    fn an_undo_is_promised_for_as_long_as_what_it_needs_is_kept() {
        let store = Store::in_memory().unwrap();
        let at = Millis(1_000);
        let cases = [
            (None, UNDO_FOR),
            (Some(Holds::For(Span::hours(1))), Span::hours(1)),
            (Some(Holds::TillNext(Span::days(2))), Span::days(2)),
        ];
        for (n, (holds, want)) in cases.into_iter().enumerate() {
            let row = add(&store, None, &undoable(n, holds), at, "done");
            let until = store.call_now(|db| until(db, row.run, &row.step, row.at)).unwrap();
            assert_eq!(until, at + want, "{holds:?}");
            assert_eq!(not(&store, &row, at + want), None, "{holds:?}");
            let late = not(&store, &row, at + want + Span(1)).unwrap();
            assert!(late.contains("could be undone until"), "{late}");
        }
    }

    /// The rollback of a snapshot that was taken before three steps is gone with the snapshot.
    #[test]
    fn what_several_steps_share_counts_from_the_first() {
        let store = Store::in_memory().unwrap();
        let shared = undoable(0, Some(Holds::For(Span::hours(1))));
        let first = add(&store, None, &shared, Millis(0), "done");
        let second = add(&store, Some(first.run), &shared, Millis(600_000), "done");
        assert_eq!(not(&store, &second, Millis(3_600_000)), None);
        assert!(not(&store, &second, Millis(3_600_001)).is_some());
    }

    #[test]
    fn what_gave_way_to_the_next_is_refused_and_says_to_which() {
        let store = Store::in_memory().unwrap();
        let kept = undoable(1, Some(Holds::TillNext(UNDO_FOR)));
        let first = add(&store, None, &kept, Millis(1), "done");
        let elsewhere = undoable(2, Some(Holds::TillNext(UNDO_FOR)));
        add(&store, None, &elsewhere, Millis(2), "done");
        add(&store, None, &kept, Millis(3), "not started");
        assert_eq!(not(&store, &first, Millis(9)), None);
        let next = add(&store, None, &kept, Millis(4), "failed");
        let why = not(&store, &first, Millis(9)).unwrap();
        assert!(
            why.contains(&format!("{} did the same to mini:unit:s1.service since", next.id)),
            "{why}"
        );
        assert_eq!(not(&store, &next, Millis(9)), None);
        // What has a place of its own for each does not give way.
        let own = undoable(3, None);
        let first = add(&store, None, &own, Millis(5), "done");
        add(&store, None, &own, Millis(6), "done");
        assert_eq!(not(&store, &first, Millis(9)), None);
    }
}
