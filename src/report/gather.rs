//! Reads what a report says: the store, the history, and the signals as they stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::facts::{self, PAUSED};
use crate::gate::settle::is_unknown;
use crate::model::approval::{Approval, ApprovalState};
use crate::model::audit::{AuditKind, AuditRecord, ChainHead};
use crate::model::ids::{ActionId, IncidentId, RunId};
use crate::model::incident::{Incident, IncidentState};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::budget::Amount;
use crate::report::morning::{
    Alike, Audit, Blind, Certificate, Chain, Cost, Listed, MOST, Morning, Need, Question, Shadowed,
    Signals, about,
};
use crate::report::{Standing, incidents, trends, waiting};
use crate::run::repeats::{self, Patched};
use crate::store::Store;
use crate::store::actions::{ActionRow, Drill};
use crate::store::audit::AuditFilter;
use crate::store::chain::ChainReport;
use crate::store::db::Db;
use crate::store::outbox::OutboxStats;
use crate::store::runs::RunRow;
use crate::store::shadows::Became;

/// What ended in the period may have begun this much earlier.
const BEFORE: Span = Span::days(7);
/// Incidents that are read; a night with more of them is counted by the ones that it has.
const INCIDENTS: u32 = 5_000;
/// Incidents of which older runs are looked up.
const OLD: usize = 200;
/// Refusals that are read.
const REFUSALS: u32 = 1_000;

/// What a report tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub since: Millis,
    pub until: Millis,
}

/// What one read of the store gives.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) incidents: Vec<Incident>,
    /// Runs that changed lately, oldest first.
    pub(super) runs: Vec<RunRow>,
    /// Incidents of these runs that are too old for `incidents`.
    pub(super) older: BTreeMap<IncidentId, Incident>,
    /// What the actions of a fix said when they were closed, by run.
    pub(super) words: BTreeMap<RunId, Vec<String>>,
    pub(super) approvals: Vec<Approval>,
    pub(super) refused: Vec<AuditRecord>,
    actions: Vec<ActionRow>,
    open: Vec<ActionRow>,
    unended: BTreeSet<RunId>,
    paused: Option<String>,
    hold: Vec<String>,
    spent: Amount,
    model_calls: u32,
    outbox: OutboxStats,
    /// What reef stopped acting on, and how that stands.
    breakers: Vec<(String, String)>,
    /// What was fixed so often that it is not solved.
    patched: Vec<String>,
    shadows: Vec<Shadowed>,
}

/// What reef would have done and what was done without it, newest last.
fn shadows(db: &Db, since: Millis) -> anyhow::Result<Vec<Shadowed>> {
    let mut shadows = Vec::new();
    for shadow in db.shadows_since(since)? {
        let alike = match shadow.ended.map(|(_, became)| became) {
            Some(Became::Matched) => Alike::Yes,
            Some(Became::Differed) => Alike::No,
            Some(Became::Unclear) => Alike::Unclear,
            Some(Became::Acted) | None => continue,
        };
        let counted = db.matches(&shadow.runbook)?;
        let counted = counted.iter().find(|row| row.host == shadow.host);
        shadows.push(Shadowed {
            at: shadow.ended.map_or(shadow.at, |(at, _)| at),
            runbook: shadow.runbook.to_string(),
            host: shadow.host.to_string(),
            alike,
            words: shadow.of.words,
            matched: counted.map_or(0, |row| row.matched),
            of: counted.map_or(0, |row| row.matched + row.differed),
        });
    }
    Ok(shadows)
}

/// As the watch noted them when it told of them.
fn breakers(db: &Db) -> anyhow::Result<Vec<(String, String)>> {
    let noted = db.flags("breaker:")?;
    Ok(noted
        .into_iter()
        .map(|(flag, words, _)| (flag.trim_start_matches("breaker:").to_owned(), words))
        .collect())
}

/// Gathers a report. What cannot be read is said in it: a report always comes.
pub async fn gather(
    store: &Store,
    period: Period,
    standings: Vec<Standing>,
    anchors: Vec<ChainHead>,
) -> Morning {
    let mut troubles = Vec::new();
    let stored = match store.call(move |db| stored(db, period)).await {
        Ok(stored) => stored,
        Err(error) => {
            troubles.push(format!("the store cannot be read: {error:#}"));
            Stored::default()
        }
    };
    let proof = match store.call(move |db| db.verify_chain(&anchors)).await {
        Ok(proof) => Some(proof),
        Err(error) => {
            troubles.push(format!("the audit log cannot be read: {error:#}"));
            None
        }
    };
    let told = trends::History { period, standings };
    let (told, history) = match store.readings().call(move |readings| Ok(told.read(readings))).await
    {
        Ok(read) => read,
        Err(error) => return Morning::of_trouble(period, format!("{error:#}")),
    };
    let history = history.unwrap_or_else(|error| {
        troubles.push(format!("the history of readings cannot be read: {error:#}"));
        trends::Told::default()
    });
    let seen = incidents::sort(&stored, &told.standings, period);
    let mut blind = blind_now(&told.standings);
    blind.extend(history.blind);
    Morning {
        since: period.since,
        until: period.until,
        signals: signals(&told.standings),
        paused: stored.paused.clone(),
        needs: Listed::of(needs(&stored, proof.as_ref(), troubles, seen.needs, period.until)),
        fixed: seen.fixed,
        recorded: Listed::of(seen.recorded),
        shadows: Listed::of(stored.shadows.clone()),
        asked: Listed::of(asked(&stored.approvals, period)),
        blind: Listed::of(blind),
        trends: history.trends,
        certificates: Listed::of(certificates(&told.standings)),
        waiting: waiting::on_hosts(&told.standings),
        cost: cost(&stored, history.readings, period),
        audit: audit(proof.as_ref()),
        ..Morning::default()
    }
}

impl Morning {
    fn of_trouble(period: Period, what: String) -> Self {
        let needs = Listed::of(vec![Need::Trouble { what }]);
        Self { since: period.since, until: period.until, needs, ..Self::default() }
    }
}

fn stored(db: &mut Db, period: Period) -> anyhow::Result<Stored> {
    let since = period.since;
    let incidents = db.incidents(since - BEFORE, INCIDENTS)?;
    let runs = db.runs_since(since - BEFORE)?;
    let fixes: Vec<&RunRow> = runs.iter().filter(|run| incidents::is_fix(run, since)).collect();
    let old_runs = old_runs(db, &incidents, &runs)?;
    let known: BTreeSet<IncidentId> = incidents.iter().map(|i| i.id).collect();
    let mut older = BTreeMap::new();
    for id in fixes.iter().filter_map(|run| run.incident).filter(|id| !known.contains(id)) {
        if let Some(incident) = db.incident(id)? {
            older.insert(id, incident);
        }
    }
    let mut words = BTreeMap::new();
    // Only what is shown is looked up.
    for run in fixes.iter().rev().take(MOST) {
        words.insert(run.id, closing_words(db, run.id)?);
    }
    let refused = AuditFilter {
        kind: Some(AuditKind::Refused),
        since: Some(since),
        limit: REFUSALS,
        ..AuditFilter::default()
    };
    Ok(Stored {
        refused: db.audit_list(&refused)?,
        approvals: approvals(db, since)?,
        actions: db.actions_since(since)?,
        open: db.open_dispatches()?.into_iter().chain(db.unsettled()?).collect(),
        unended: db.unended_runs()?.into_iter().map(|run| run.id).collect(),
        paused: db.flag(PAUSED)?,
        hold: facts::hold(db)?.map(|hold| hold.by.iter().map(about).collect()).unwrap_or_default(),
        breakers: breakers(db)?,
        patched: repeats::findings(db, period.until)?.iter().map(Patched::words).collect(),
        shadows: shadows(db, since)?,
        spent: db.spent_since(since)?,
        model_calls: db.model_calls_since(since)?,
        outbox: db.outbox_stats(since)?,
        incidents,
        runs: old_runs.into_iter().chain(runs).collect(),
        older,
        words,
    })
}

/// The runs of incidents that have stood for so long that none of theirs is among `runs`.
fn old_runs(db: &Db, incidents: &[Incident], runs: &[RunRow]) -> anyhow::Result<Vec<RunRow>> {
    let seen: BTreeSet<IncidentId> = runs.iter().filter_map(|run| run.incident).collect();
    let stands = |i: &&Incident| matches!(i.state, IncidentState::Escalated { .. });
    let mut old = Vec::new();
    for incident in incidents.iter().filter(stands).filter(|i| !seen.contains(&i.id)).take(OLD) {
        old.extend(db.runs_of(incident.id)?);
    }
    Ok(old)
}

/// Asked in the period, or asked before and pending still or ended in it.
fn approvals(db: &Db, since: Millis) -> anyhow::Result<Vec<Approval>> {
    let mut all: BTreeMap<_, _> =
        db.approvals_since(since - BEFORE)?.into_iter().map(|a| (a.id, a)).collect();
    all.extend(db.pending_approvals()?.into_iter().map(|a| (a.id, a)));
    Ok(all.into_values().collect())
}

/// "freed 57 MiB": what each action of a run said when it was closed, oldest first.
fn closing_words(db: &Db, run: RunId) -> anyhow::Result<Vec<String>> {
    let kind = Some(AuditKind::Closed);
    let filter = AuditFilter { run: Some(run), kind, limit: 10, ..AuditFilter::default() };
    let mut records = db.audit_list(&filter)?;
    records.reverse();
    let words = |record: AuditRecord| {
        let payload = record.payload?;
        let tool = payload.tool.unwrap_or_default();
        payload.output_excerpt.or(payload.errors).map(|said| match said.lines().next() {
            Some(line) if !line.is_empty() => format!("{tool}: {line}"),
            Some(_) | None => tool,
        })
    };
    Ok(records.into_iter().filter_map(words).collect())
}

fn signals(standings: &[Standing]) -> Signals {
    let mut signals = Signals::default();
    standings.iter().for_each(|s| signals.add(s.reading.severity));
    signals
}

/// What is worst for the trust in reef comes first, then what runs out of time.
fn needs(
    stored: &Stored,
    proof: Option<&ChainReport>,
    troubles: Vec<String>,
    incidents: Vec<Need>,
    now: Millis,
) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(broken) = proof.and_then(|proof| proof.broken.as_ref()) {
        needs.push(Need::Chain { seq: broken.seq, why: broken.why.clone() });
    }
    needs.extend(troubles.into_iter().map(|what| Need::Trouble { what }));
    if !stored.hold.is_empty() {
        needs.push(Need::Hold { by: stored.hold.clone() });
    }
    needs.extend(
        stored
            .breakers
            .iter()
            .map(|(what, words)| Need::Breaker { what: what.clone(), words: words.clone() }),
    );
    let mut pending: Vec<&Approval> = stored
        .approvals
        .iter()
        .filter(|a| a.state == ApprovalState::Pending && now < a.expires_at)
        .collect();
    pending.sort_by_key(|a| (a.expires_at, a.id));
    needs.extend(pending.into_iter().map(|approval| Need::Approve {
        id: approval.id,
        question: approval.question.clone(),
        choices: approval.choices.iter().map(|choice| choice.say.clone()).collect(),
        tier: approval.tier,
        expires_at: approval.expires_at,
    }));
    let unknown: BTreeMap<ActionId, &ActionRow> = stored
        .open
        .iter()
        .filter(|row| is_unknown(row) && !stored.unended.contains(&row.run))
        .map(|row| (row.id, row))
        .collect();
    needs.extend(unknown.into_iter().map(|(id, row)| Need::Settle {
        id,
        call: row.step.call.to_string(),
        at: row.at,
    }));
    needs.extend(incidents);
    needs.extend(stored.patched.iter().map(|words| Need::Patched { words: words.clone() }));
    needs
}

fn asked(approvals: &[Approval], period: Period) -> Vec<Question> {
    let ended_at = |approval: &Approval| match &approval.state {
        ApprovalState::Pending => period.until,
        ApprovalState::Approved { at, .. }
        | ApprovalState::Denied { at, .. }
        | ApprovalState::Expired { at }
        | ApprovalState::Void { at, .. }
        | ApprovalState::Used { at } => *at,
    };
    let told = |approval: &&Approval| {
        period.since <= approval.asked_at || period.since <= ended_at(approval)
    };
    let question = |approval: &Approval| Question {
        id: approval.id,
        question: approval.question.clone(),
        asked_at: approval.asked_at,
        expires_at: approval.expires_at,
        // One whose time is over stands as pending until somebody sweeps.
        state: match approval.state == ApprovalState::Pending && approval.expires_at <= period.until
        {
            true => ApprovalState::Expired { at: approval.expires_at },
            false => approval.state.clone(),
        },
    };
    let mut asked: Vec<Question> = approvals.iter().filter(told).map(question).collect();
    asked.sort_by_key(|q| std::cmp::Reverse(q.id));
    asked
}

fn blind_now(standings: &[Standing]) -> Vec<Blind> {
    let mut blind: Vec<Blind> = standings
        .iter()
        .filter(|s| s.reading.severity == Severity::Unknown)
        .map(|s| Blind {
            signal: about(&s.reading.signal),
            why: s.reading.words.first_line().to_owned(),
            from: s.since,
            to: None,
        })
        .collect();
    blind.sort_by(|a, b| (a.from, &a.signal).cmp(&(b.from, &b.signal)));
    blind
}

fn certificates(standings: &[Standing]) -> Vec<Certificate> {
    let days = |s: &Standing| {
        let is_one = s.reading.signal.probe.as_str() == "tls";
        // Whole days of a certificate's life: nothing near the edge of the type.
        #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
        s.reading.value.filter(|_| is_one).map(|days| days.floor() as i64)
    };
    let mut all: Vec<Certificate> = standings
        .iter()
        .filter_map(|s| Some(Certificate { name: s.name.clone(), days: days(s)? }))
        .collect();
    all.sort_by(|a, b| (a.days, &a.name).cmp(&(b.days, &b.name)));
    all
}

fn cost(stored: &Stored, readings: u64, period: Period) -> Cost {
    let plus = |n: i64| u64::try_from(n).unwrap_or(0);
    let of = |drill: Drill| {
        let began = |row: &&ActionRow| row.drill == drill && period.since <= row.at;
        stored.actions.iter().filter(began).count() as u64
    };
    Cost {
        probes: readings,
        model_calls: u64::from(stored.model_calls),
        tokens: stored.spent.tokens,
        micros: plus(stored.spent.micros),
        actions: of(Drill::No),
        drills: of(Drill::Yes),
        messages: u64::from(stored.outbox.delivered),
        lost: u64::from(stored.outbox.given_up),
    }
}

fn audit(proof: Option<&ChainReport>) -> Audit {
    let Some(proof) = proof else { return Audit::default() };
    let chain = if proof.broken.is_none() { Chain::Ok } else { Chain::Broken };
    Audit { rows: proof.records, chain, head: proof.head }
}
