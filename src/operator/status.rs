//! How everything stands: what needs a human first.

use std::collections::BTreeSet;

use crate::gate::facts::{self, BREAKER_RESET, PAUSED};
use crate::gate::rules::Mode;
use crate::gate::settle::is_unknown;
use crate::model::time::{Millis, Span};
use crate::operator::order::Refusal;
use crate::operator::view::{Check, Signalled, Status};
use crate::operator::{Operator, refuse};
use crate::policy::breaker::{self, Breaker, Key};
use crate::store::actions::ActionRow;
use crate::store::db::Db;
use crate::watch::pulse::Pulse;
use crate::watch::ticker::Standing;

/// How far back actions count for breakers and for "the last action".
const ACTIONS: Span = Span::days(31);
const WEEK: Span = Span::days(7);

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
        let snapshot = self.watch.snapshot().await;
        let (stored, mut troubles) = match self.store().call(move |db| stored(db, now)).await {
            Ok(stored) => (stored, Vec::new()),
            // A status without a store still says what reef sees.
            Err(error) => (Stored::nothing(), vec![format!("the store cannot be read: {error:#}")]),
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
            breakers: breakers(
                &stored.actions,
                &stored.unended,
                &stored.resets,
                &rules,
                now,
                clock,
            ),
            signals,
            last_action,
            model: facts.model.clone(),
            messages_this_week: u64::from(stored.outbox.delivered),
            messages_waiting: u64::from(stored.outbox.waiting),
            troubles,
            absent: self.absent(None).await,
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
        resets: db
            .flag(BREAKER_RESET)?
            .and_then(|at| at.parse().ok())
            .map(Millis)
            .into_iter()
            .collect(),
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

/// The breakers that do not pass.
fn breakers(
    actions: &[ActionRow],
    unended: &BTreeSet<crate::model::ids::RunId>,
    resets: &[Millis],
    rules: &crate::gate::rules::Rules,
    now: Millis,
    clock: impl Fn(Millis) -> String,
) -> Vec<(String, String)> {
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
        .map(|(name, state)| (name, state.words(&clock)))
        .collect()
}

pub(crate) fn signalled(snapshot: Vec<Standing>) -> Vec<Signalled> {
    snapshot
        .into_iter()
        .map(|s| Signalled { name: s.about.name, reading: s.reading, since: s.since })
        .collect()
}
