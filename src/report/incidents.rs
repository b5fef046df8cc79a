//! What the incidents and runs of a night come to: fixed, left to a human, or only recorded.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::approval::ApprovalState;
use crate::model::audit::AuditRecord;
use crate::model::ids::IncidentId;
use crate::model::incident::{Incident, IncidentState};
use crate::model::plan::{Ending, Origin};
use crate::model::run::RunState;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::report::Standing;
use crate::report::gather::{Period, Stored};
use crate::report::morning::{Consent, Fix, How, Listed, MOST, Need, Recorded, Stands, about};
use crate::store::runs::RunRow;

/// How many children of a red parent are named.
const CHILDREN: usize = 5;

/// The incidents, sorted into the sections of a report.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) needs: Vec<Need>,
    pub(super) fixed: Listed<Fix>,
    pub(super) recorded: Vec<Recorded>,
}

/// A run that ended in a proven fix in the period; drills are none.
pub(super) fn is_fix(run: &RunRow, since: Millis) -> bool {
    let fixed = matches!(run.state, RunState::Ended(Ending::Fixed(_)));
    fixed && since <= run.changed_at && run.origin != Origin::Drill
}

pub(super) fn sort(stored: &Stored, standings: &[Standing], period: Period) -> Sorted {
    let endings = endings(&stored.runs);
    let mut sorted = Sorted { fixed: fixed(stored, standings, period), ..Sorted::default() };
    let mut explained: BTreeMap<&Signal, Vec<&Incident>> = BTreeMap::new();
    for incident in stored.incidents.iter().filter(|i| !i.drill) {
        let ending = endings.get(&incident.id).copied();
        match &incident.state {
            IncidentState::Explained { by } => explained.entry(by).or_default().push(incident),
            IncidentState::Resolved { at } => {
                // What was fixed stands there; what was over before the period was told before.
                if period.since <= *at && !matches!(ending, Some(Ending::Fixed(_))) {
                    let tried = ending.map(|e| format!("{}: {}", e.word(), e.words()));
                    sorted.recorded.push(recorded(incident, Some(*at), How::ByItself { tried }));
                }
            }
            IncidentState::Open | IncidentState::Running { .. } => {
                sorted.recorded.push(recorded(incident, None, How::UnderWay));
            }
            IncidentState::Held { why } => match incident.acknowledged_at {
                Some(at) => sorted.recorded.push(known(incident, at, why)),
                None => sorted.needs.push(need(incident, Stands::Held, why)),
            },
            IncidentState::Escalated { why } => match (incident.acknowledged_at, ending) {
                (Some(at), _) => sorted.recorded.push(known(incident, at, why)),
                (None, Some(Ending::Observed(would))) if incident.severity < Severity::Red => {
                    let how = How::Observed { would: would.clone() };
                    sorted.recorded.push(recorded(incident, None, how));
                }
                (None, Some(Ending::Observed(would))) => {
                    sorted.needs.push(need(incident, Stands::Observed, would));
                }
                (None, _) => sorted.needs.push(need(incident, Stands::Escalated, why)),
            },
        }
    }
    sorted.recorded.extend(explained.into_iter().map(|(by, children)| of_parent(by, &children)));
    sorted.recorded.extend(refused(&stored.refused));
    sorted.recorded.sort_by_key(|r| (Reverse(r.severity), r.from));
    sorted.needs.sort_by_key(worst_first);
    sorted
}

fn worst_first(need: &Need) -> (Reverse<Severity>, Millis) {
    match need {
        Need::Incident { severity, since, .. } => (Reverse(*severity), *since),
        Need::Patched { .. } => (Reverse(Severity::Yellow), Millis::default()),
        Need::Settle { at, .. } => (Reverse(Severity::Red), *at),
        Need::Approve { expires_at, .. } => (Reverse(Severity::Red), *expires_at),
        Need::Chain { .. } | Need::Trouble { .. } | Need::Hold { .. } | Need::Breaker { .. } => {
            (Reverse(Severity::Red), Millis::default())
        }
    }
}

/// How the last run of each incident ended.
fn endings(runs: &[RunRow]) -> BTreeMap<IncidentId, &Ending> {
    let ended = |run: &'_ RunRow| match &run.state {
        RunState::Ended(_) => run.incident,
        RunState::Inquiring { .. }
        | RunState::Waiting { .. }
        | RunState::Acting { .. }
        | RunState::Verifying { .. } => None,
    };
    let mut endings = BTreeMap::new();
    for run in runs {
        if let (Some(incident), RunState::Ended(ending)) = (ended(run), &run.state) {
            endings.insert(incident, ending);
        }
    }
    endings
}

fn need(incident: &Incident, stands: Stands, why: &str) -> Need {
    Need::Incident {
        id: incident.id,
        severity: incident.severity,
        signal: about(&incident.signal),
        words: incident.reading.words.first_line().to_owned(),
        since: incident.red_at.unwrap_or(incident.opened_at),
        stands,
        why: why.to_owned(),
    }
}

fn recorded(incident: &Incident, to: Option<Millis>, how: How) -> Recorded {
    Recorded {
        from: incident.opened_at,
        to,
        severity: incident.severity,
        what: about(&incident.signal),
        words: words(incident, to),
        how,
    }
}

/// What it was, and beside it why nobody was told and how long it was down of what is tolerated.
fn words(incident: &Incident, to: Option<Millis>) -> String {
    let mut words = incident.reading.words.first_line().to_owned();
    if let (Some(tolerated), Some(red_at), Some(to)) =
        (incident.care.tolerance, incident.red_at, to)
    {
        let down = to.since(red_at);
        let _ = write!(words, "; down {down} of tolerated {tolerated}");
    }
    if let Some(silence) = &incident.care.silenced {
        let _ = write!(words, "; not told: {silence}");
    }
    words
}

fn known(incident: &Incident, at: Millis, why: &str) -> Recorded {
    recorded(incident, None, How::Acknowledged { at, why: why.to_owned() })
}

/// The children of one red parent in one line.
fn of_parent(by: &Signal, children: &[&Incident]) -> Recorded {
    let mut names: Vec<String> =
        children.iter().take(CHILDREN).map(|child| about(&child.signal)).collect();
    if CHILDREN < children.len() {
        names.push(format!("and {} more", children.len() - CHILDREN));
    }
    Recorded {
        from: children.iter().map(|child| child.opened_at).min().unwrap_or_default(),
        to: None,
        severity: children.iter().map(|c| c.severity).max().unwrap_or(Severity::Unknown),
        what: names.join(", "),
        words: String::new(),
        how: How::Explained { by: about(by), n: children.len() as u64 },
    }
}

/// What the gate said no to: the same call for the same reason is one line.
fn refused(records: &[AuditRecord]) -> Vec<Recorded> {
    let mut same: BTreeMap<(String, String), Recorded> = BTreeMap::new();
    for record in records {
        let Some(payload) = &record.payload else { continue };
        let call = payload.call.clone().unwrap_or_default();
        let why = payload.errors.clone().unwrap_or_else(|| payload.reason.clone());
        let entry = same.entry((call.clone(), why.clone())).or_insert_with(|| Recorded {
            from: record.at,
            to: None,
            severity: Severity::Green,
            what: call,
            words: String::new(),
            how: How::Refused { why, times: 0 },
        });
        entry.from = entry.from.min(record.at);
        if let How::Refused { times, .. } = &mut entry.how {
            *times += 1;
        }
    }
    same.into_values().collect()
}

/// Newest first; only what is shown is looked at closely.
fn fixed(stored: &Stored, standings: &[Standing], period: Period) -> Listed<Fix> {
    let fixes: Vec<&RunRow> =
        stored.runs.iter().rev().filter(|run| is_fix(run, period.since)).collect();
    let more = fixes.len().saturating_sub(MOST);
    let shown = fixes.into_iter().take(MOST).map(|run| fix(stored, standings, run)).collect();
    Listed { shown, more }
}

fn fix(stored: &Stored, standings: &[Standing], run: &RunRow) -> Fix {
    let of_id = |id: IncidentId| {
        stored.incidents.iter().find(|i| i.id == id).or_else(|| stored.older.get(&id))
    };
    let incident = run.incident.and_then(of_id);
    let began = |incident: &Incident| incident.red_at.unwrap_or(incident.opened_at);
    let yes = |state: &ApprovalState| match state {
        ApprovalState::Used { .. } | ApprovalState::Approved { .. } => true,
        ApprovalState::Pending
        | ApprovalState::Denied { .. }
        | ApprovalState::Expired { .. }
        | ApprovalState::Void { .. } => false,
    };
    let approved = stored.approvals.iter().any(|a| a.run == run.id && yes(&a.state));
    let stands = incident.and_then(|i| standings.iter().find(|s| s.reading.signal == i.signal));
    Fix {
        at: run.changed_at,
        signal: incident.map_or_else(|| run.origin.to_string(), |i| about(&i.signal)),
        runbook: run.runbook.as_ref().map(|book| book.name.to_string()),
        lasted: incident.map(|incident| run.changed_at.since(began(incident))),
        severity: incident.map(|incident| incident.severity),
        did: stored.words.get(&run.id).cloned().unwrap_or_default(),
        proof: match &run.state {
            RunState::Ended(ending) => ending.words().to_owned(),
            RunState::Inquiring { .. }
            | RunState::Waiting { .. }
            | RunState::Acting { .. }
            | RunState::Verifying { .. } => String::new(),
        },
        consent: if approved { Consent::Approval } else { Consent::Leash },
        green_since: stands.filter(|s| s.reading.severity == Severity::Green).map(|s| s.since),
    }
}
