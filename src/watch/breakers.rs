//! Breakers that do not pass: a watcher that stopped acting says so once, and every report says it again.

use std::collections::BTreeSet;

use crate::gate::crash::{Point, Points};
use crate::gate::facts::{self, BREAKER_RESET};
use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::ids::RunId;
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::breaker::{self, Breaker, Key};
use crate::store::actions::ActionRow;
use crate::store::db::Db;

/// How far back actions count for breakers.
pub const ACTIONS: Span = Span::days(31);
/// The switch that says that a breaker's state was told, by its key.
pub const TOLD: &str = "breaker:";

/// What each is about and how it stands; those that pass are left out.
pub fn open(
    actions: &[ActionRow],
    unended: &BTreeSet<RunId>,
    resets: &[Millis],
    rules: &Rules,
    now: Millis,
) -> Vec<(String, Breaker)> {
    let past: Vec<_> = actions.iter().map(|row| facts::fact(row, unended)).collect();
    let mut keys: BTreeSet<Key> =
        past.iter().map(|f| Key::One { tool: f.tool.clone(), target: f.target.clone() }).collect();
    keys.insert(Key::All);
    let named = |key: &Key| match key {
        Key::All => "all actions".to_owned(),
        Key::One { tool, target } => format!("{tool} {target}"),
    };
    keys.iter()
        .map(|key| (named(key), breaker::state(&past, key, &rules.breaker, resets, now)))
        .filter(|(_, state)| *state != Breaker::Passing)
        .collect()
}

/// When a human reset them last.
pub fn resets(db: &Db) -> anyhow::Result<Vec<Millis>> {
    let at = db.flag(BREAKER_RESET)?.and_then(|at| at.parse().ok()).map(Millis);
    Ok(at.into_iter().collect())
}

/// Tells of each that opened since the last time, and notes those that pass again. Inside a transaction.
pub fn tell(db: &mut Db, rules: &Rules, points: &dyn Points, now: Millis) -> anyhow::Result<()> {
    let actions = db.actions_since(now - ACTIONS)?;
    let told = db.flags(TOLD)?;
    let mut changed = false;
    if actions.is_empty() && told.is_empty() {
        return Ok(());
    }
    let unended = db.unended_runs()?.into_iter().map(|run| run.id).collect();
    let open = open(&actions, &unended, &resets(db)?, rules, now);
    for (flag, ..) in &told {
        let name = flag.trim_start_matches(TOLD);
        if open.iter().all(|(what, _)| what != name) {
            db.set_flag(flag, None, now)?;
            changed = true;
            settle::note(db, "reef", "acts again", name, now)?;
        }
    }
    for (what, state) in open {
        let words = state.words(|at| rules.telling.zone.hm(at));
        let flag = format!("{TOLD}{what}");
        if db.flag(&flag)?.as_ref() == Some(&words) {
            continue;
        }
        db.set_flag(&flag, Some(&words), now)?;
        changed = true;
        let (urgency, severity) = match state {
            // The pause is over: no news for anybody.
            Breaker::TryingOne { .. } | Breaker::Passing => continue,
            Breaker::PausedUntil(_) => (Urgency::Message, Severity::Yellow),
            Breaker::WaitsForHuman => (Urgency::Page, Severity::Red),
        };
        settle::note(db, "reef", &format!("stopped acting: {words}"), &what, now)?;
        let message = Message {
            urgency,
            title: format!("reef stopped acting: {what}"),
            body: format!(
                "{what}: {words}, because it failed too often.\n`reef audit list` shows what was tried; `reef resume` lets it pass."
            ),
            severity,
            incident: None,
            approval: None,
            key: format!("breaker {what} {words}"),
        };
        db.enqueue(&message, &rules.notify, now)?;
    }
    if changed {
        points.reached(Point::BreakerInserted);
    }
    Ok(())
}
