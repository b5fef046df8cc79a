//! Patched is not solved: a fix that is needed again and again is a finding of its own, and shortens the leash.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::gate::facts::leash_of;
use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::ids::{RunId, RunbookName};
use crate::model::message::{Message, Urgency};
use crate::model::plan::{Leash, Origin, Plan};
use crate::model::severity::Severity;
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::store::actions::Drill;
use crate::store::db::Db;

/// So many verified fixes of one target within a day, or ...
const IN_A_DAY: usize = 3;
/// ... within a week are a finding.
const IN_A_WEEK: usize = 5;
/// So many within a week, and the runbook asks from then on.
const DEMOTES: usize = 3;
pub const DAY: Span = Span::days(1);
pub const WEEK: Span = Span::days(7);

/// The switch that holds a finding, by runbook and target.
pub const PATCHED: &str = "patched:";

/// A fix that was needed too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patched {
    pub runbook: RunbookName,
    pub target: Target,
    pub day: usize,
    pub week: usize,
    /// Words of the runbook.
    pub cause: Option<String>,
    /// The last of them.
    pub at: Millis,
}

impl Patched {
    /// `service-failed fixed mini:unit:web.service 3 times in 24 h: consider a memory limit increase`.
    pub fn words(&self) -> String {
        let often = match IN_A_DAY <= self.day {
            true => format!("{} times in 24 h", self.day),
            false => format!("{} times in 7 days", self.week),
        };
        let cause = self.cause.as_deref().unwrap_or("find out why it comes back");
        format!("{} fixed {} {often}: {cause}", self.runbook, self.target)
    }
}

/// Called inside the transaction that recorded a verified fix.
pub(crate) fn after_fix(
    db: &mut Db,
    rules: &Rules,
    plan: &Plan,
    cause: Option<&str>,
    now: Millis,
) -> anyhow::Result<()> {
    let (Some(book), Some(step)) = (&plan.runbook, plan.steps.first()) else { return Ok(()) };
    if plan.origin == Origin::Drill {
        return Ok(());
    }
    let target = &step.call.target;
    let (mut day, mut week) = (BTreeSet::<RunId>::new(), BTreeSet::<RunId>::new());
    for row in db.actions_since(now - WEEK)? {
        let same = row.runbook.as_ref() == Some(&book.name) && row.target == *target;
        // What was dispatched before and only verified since is none of this week's.
        if same && row.verified == Some(true) && row.drill == Drill::No && now - WEEK < row.at {
            week.insert(row.run);
            if now - DAY < row.at {
                day.insert(row.run);
            }
        }
    }
    let asks =
        DEMOTES <= week.len() && leash_of(db, rules, Some(&book.name), target.on())? == Leash::Auto;
    if asks {
        let why = format!("{} verified fixes of {target} in 7 days", week.len());
        demote(db, &book.name, target, &why, now)?;
    }
    let patched = Patched {
        runbook: book.name.clone(),
        target: target.clone(),
        day: day.len(),
        week: week.len(),
        cause: cause.map(str::to_owned),
        at: now,
    };
    let finding = IN_A_DAY <= patched.day || IN_A_WEEK <= patched.week;
    let flag = format!("{PATCHED}{} {target}", book.name);
    let told = db.flag(&flag)?.and_then(|json| serde_json::from_str::<Patched>(&json).ok());
    if finding {
        db.set_flag(&flag, Some(&serde_json::to_string(&patched)?), now)?;
        settle::note(db, "reef", "patched, not solved", &patched.words(), now)?;
    }
    // The finding is told once a day, however often it is confirmed; that reef asks from now on, at once.
    let news = finding && told.is_none_or(|told| told.at + DAY <= now);
    let news: Vec<News> = [(News::Finding, news), (News::Asks, asks)]
        .into_iter()
        .filter_map(|(n, is)| is.then_some(n))
        .collect();
    if let Some(first) = news.first() {
        db.enqueue(&message(&patched, *first, &news, now), &rules.notify, now)?;
    }
    Ok(())
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Finding,
    Asks,
}

fn message(patched: &Patched, first: News, all: &[News], now: Millis) -> Message {
    let Patched { runbook, target, week, .. } = patched;
    let mut lines = vec![patched.words()];
    for news in all {
        lines.push(match news {
            News::Finding => "patched is not solved: the cause is left to you".into(),
            News::Asks => format!(
                "it was the {week}. verified fix of it in 7 days, so {runbook} asks on {0} from now on; \
                 `reef runbook promote {runbook} {0}` shows its record",
                target.on()
            ),
        });
    }
    Message {
        urgency: Urgency::Message,
        title: match first {
            News::Finding => format!("comes back: {target}"),
            News::Asks => format!("reef asks from now on: {runbook} on {}", target.on()),
        },
        body: lines.join("\n"),
        severity: Severity::Yellow,
        incident: None,
        approval: None,
        key: format!("patched {runbook} {target} {}", now.0),
    }
}

/// A failed verification shortens the leash of its runbook on that host: autonomy is earned.
pub(crate) fn after_failure(
    db: &mut Db,
    plan: &Plan,
    words: &str,
    now: Millis,
) -> anyhow::Result<()> {
    let (Some(book), Some(step)) = (&plan.runbook, plan.steps.first()) else { return Ok(()) };
    if plan.origin == Origin::Drill {
        return Ok(());
    }
    demote(db, &book.name, &step.call.target, words, now)
}

fn demote(
    db: &mut Db,
    book: &RunbookName,
    target: &Target,
    why: &str,
    now: Millis,
) -> anyhow::Result<()> {
    if db.demotion(book, target.on())?.is_none_or(|old| Leash::Ask < old) {
        let what = format!("{book} asks on {} from now on", target.on());
        settle::note(db, "reef", &what, why, now)?;
    }
    db.demote(book, target.on(), Leash::Ask, why, now)
}

/// The findings of the last week, by target.
pub fn findings(db: &Db, now: Millis) -> anyhow::Result<Vec<Patched>> {
    let flags = db.flags(PATCHED)?;
    let read = |(_, json, _): &(String, String, Millis)| serde_json::from_str::<Patched>(json).ok();
    Ok(flags.iter().filter_map(read).filter(|patched| now - WEEK < patched.at).collect())
}
