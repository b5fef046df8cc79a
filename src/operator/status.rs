//! How everything stands: what needs a human first.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::gate::facts::{self, PAUSED};
use crate::gate::rules::Mode;
use crate::gate::settle::is_unknown;
use crate::model::time::{Millis, Span};
use crate::operator::order::Refusal;
use crate::operator::view::{Check, Signalled, Status};
use crate::operator::{Operator, refuse};
use crate::store::actions::ActionRow;
use crate::store::db::Db;
use crate::watch::breakers::{self, ACTIONS};
use crate::watch::pulse::Pulse;
use crate::watch::ticker::Standing;

const WEEK: Span = Span::days(7);
/// How long a status waits for the tick loop and for the store, at the same time.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one read of the store gives for a status.
struct Stored {
    paused: Option<String>,
    hold: Option<Vec<String>>,
    approvals: Vec<crate::model::approval::Approval>,
    incidents: Vec<crate::model::incident::Incident>,
    actions: Vec<ActionRow>,
    unended: BTreeSet<crate::model::ids::RunId>,
    resets: Vec<Millis>,
    outbox: crate::store::outbox::OutboxStats,
}

impl Operator {
    pub async fn status(&self) -> Result<Status, Refusal> {
        let now = self.now();
        let facts = self.facts();
        let rules = self.gate().rules();
        let mut troubles = Vec::new();
        // Whoever asks how reef stands is answered, however busy it is: what does not come in time is said to be missing.
        let looking = async { (self.watch.snapshot().await, self.absent(None).await) };
        let (looked, read) = tokio::join!(
            timeout(PATIENCE, looking),
            timeout(PATIENCE, self.store().call(move |db| stored(db, now)))
        );
        let (snapshot, absent) = looked.unwrap_or_else(|_| {
            troubles.push("the tick loop is busy: what it sees is not shown; ask again".into());
            Default::default()
        });
        let stored = match read {
            Ok(Ok(stored)) => stored,
            // A status without a store still says what reef sees.
            Ok(Err(error)) => {
                troubles.push(format!("the store cannot be read: {error:#}"));
                Stored::nothing()
            }
            Err(_) => {
                troubles
                    .push("the store is busy: what waits for you is not shown; ask again".into());
                Stored::nothing()
            }
        };
        troubles.extend(self.troubles());
        let clock = |at: Millis| facts.zone.hm(at);
        let last_action = stored.actions.iter().max_by_key(|row| row.at).map(|row| {
            let how = row.closed.as_ref().map_or("in flight or unknown", |(_, word)| word.as_str());
            (row.at, format!("{} {} ({how})", row.tool, row.target))
        });
        let mut signals = signalled(snapshot);
        for signal in &mut signals {
            // A restart sees anew what has been so for long: its incident remembers.
            let own = stored.incidents.iter().find(|i| i.signal == signal.reading.signal);
            if let Some(incident) = own
                && incident.severity == signal.reading.severity
            {
                let began = incident.red_at.unwrap_or(incident.opened_at);
                signal.since = signal.since.min(began);
            }
        }
        Ok(Status {
            now,
            zone: facts.zone.to_string(),
            host: self.here.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_at: self.started_at,
            config: facts.config.clone(),
            page: facts.page.clone().filter(|_| self.no_page.get().is_none()),
            ceiling: rules.ceiling,
            dry_run: rules.mode == Mode::DryRun,
            paused: stored.paused,
            hold: stored.hold,
            approvals: stored.approvals,
            incidents: stored.incidents,
            unknown_actions: unknown(&stored.actions, &stored.unended),
            breakers: breakers::open(&stored.actions, &stored.unended, &stored.resets, &rules, now)
                .into_iter()
                .map(|(what, state)| (what, state.words(clock)))
                .collect(),
            signals,
            last_action,
            model: facts.model.clone(),
            messages_this_week: u64::from(stored.outbox.delivered),
            messages_waiting: u64::from(stored.outbox.waiting),
            troubles,
            absent,
            findings: facts.findings.clone(),
        })
    }

    /// Every signal as it stands.
    pub async fn signals(&self) -> Vec<Signalled> {
        signalled(self.watch.snapshot().await)
    }

    /// What is not there to be looked at, on all hosts or on one.
    async fn absent(&self, host: Option<&str>) -> Vec<String> {
        let all = self.watch.absent().await.into_iter();
        let on = host.map(|host| if host == "this" { self.here.as_str() } else { host });
        all.filter(|(_, of, _)| on.is_none_or(|on| of.as_str() == on))
            .map(|(probe, host, why)| match host == self.here {
                true => format!("{probe}: {}", why.replace(" there", " here")),
                false => format!("{host} {probe}: {why}"),
            })
            .collect()
    }

    /// Looks at everything, or at everything of a host, and says how it stands then.
    pub(crate) async fn check(&self, host: Option<&str>) -> Result<Check, Refusal> {
        let began = tokio::time::Instant::now();
        self.watch.look_all().await;
        let mut signals = signalled(self.watch.snapshot().await);
        if let Some(host) = host {
            let host = if host == "this" { self.here.as_str() } else { host };
            signals.retain(|s| s.reading.signal.target.on().as_str() == host);
            if signals.is_empty() {
                return refuse(format!(
                    "nothing is watched on {host}; `reef status` names the hosts"
                ));
            }
        }
        Ok(Check {
            now: self.now(),
            zone: self.facts().zone.to_string(),
            signals,
            absent: self.absent(host).await,
            took: began.elapsed().into(),
        })
    }

    /// What is wrong with reef itself.
    fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<String> = self.no_page.get().cloned().into_iter().collect();
        let health = self.store().health();
        if let Some(error) = health.last_error {
            troubles.push(format!("the last write to the store failed: {error}"));
        }
        if let crate::store::ballast::BallastState::Released = health.ballast {
            troubles.push("the ballast file was released because the disk is full".into());
        }
        if !self.pulse.alive(self.now(), Span::secs(30)) {
            troubles.push("the tick loop does not move".into());
        }
        let broken = Pulse::count(&self.pulse.broken);
        if 0 < broken {
            troubles.push(format!("{broken} looks broke, which is a defect in reef: see its log"));
        }
        troubles
    }
}

impl Stored {
    fn nothing() -> Self {
        Self {
            paused: None,
            hold: None,
            approvals: vec![],
            incidents: vec![],
            actions: vec![],
            unended: BTreeSet::new(),
            resets: vec![],
            outbox: crate::store::outbox::OutboxStats::default(),
        }
    }
}

fn stored(db: &mut Db, now: Millis) -> anyhow::Result<Stored> {
    Ok(Stored {
        paused: db.flag(PAUSED)?,
        hold: facts::hold(db)?.map(|hold| hold.by.iter().map(ToString::to_string).collect()),
        approvals: db.pending_approvals()?,
        incidents: db.unresolved()?,
        actions: db.actions_since(now - ACTIONS)?,
        unended: db.unended_runs()?.into_iter().map(|run| run.id).collect(),
        resets: breakers::resets(db)?,
        outbox: db.outbox_stats(now - WEEK)?,
    })
}

/// Actions that wait for somebody to say what became of them; one that is in flight does not.
fn unknown(
    actions: &[ActionRow],
    unended: &BTreeSet<crate::model::ids::RunId>,
) -> Vec<crate::model::ids::ActionId> {
    actions
        .iter()
        .filter(|row| is_unknown(row) && !unended.contains(&row.run))
        .map(|row| row.id)
        .collect()
}

pub(crate) fn signalled(snapshot: Vec<Standing>) -> Vec<Signalled> {
    snapshot
        .into_iter()
        .map(|s| Signalled { name: s.about.name, reading: s.reading, since: s.since })
        .collect()
}
