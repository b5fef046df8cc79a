//! Acting by hand: undo, settle, start a runbook. All of it goes through the gate as ever.

use std::sync::Arc;

use crate::gate::settle::{self, Became, NotSettled};
use crate::model::ids::{ActionId, ApprovalId, HostName, RunId, RunbookName};
use crate::model::incident::{IncidentEvent, IncidentState};
use crate::model::plan::{Ending, Origin, Verdict};
use crate::model::run::RunState;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Millis;
use crate::model::value::Value;
use crate::operator::order::{self, Refusal, Who};
use crate::operator::view::{Done, Planned, RunView};
use crate::operator::{Operator, refuse};
use crate::run::runner::{Awake, Start};
use crate::store::actions::ActionRow;
use crate::store::db::Db;

/// How long to wait for a run that inquires: its low steps have timeouts of their own.
const INQUIRY: std::time::Duration = std::time::Duration::from_secs(60);

impl Operator {
    /// Plans the undo of an action; the operator is asked before it happens.
    pub(crate) async fn undo(
        self: &Arc<Self>,
        action: ActionId,
        who: Who,
    ) -> Result<Planned, Refusal> {
        let run = self.runner.undo(action, Origin::Operator { uid: who.uid }).await?;
        self.planned(run).await
    }

    /// Plans an old question afresh from the present state; it is asked again, not approved.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        id: ApprovalId,
        who: Who,
    ) -> Result<Planned, Refusal> {
        let Some(old) = self.store().call(move |db| db.approval(id)).await? else {
            return refuse(format!("there is no question {id}; `reef approvals --all` shows them"));
        };
        match self.runner.renew(&old, &who.to_string()).await? {
            Ok(run) => self.planned(run).await,
            Err(why) => refuse(why),
        }
    }

    /// What a human says of an unknown action, and what that means for its incident, in one commit.
    pub(crate) async fn settle(
        &self,
        action: ActionId,
        became: order::Became,
        note: &str,
        who: Who,
    ) -> Result<Done, Refusal> {
        let became = match became {
            order::Became::Ran => Became::Ran,
            order::Became::DidNotRun => Became::DidNotRun,
        };
        let row = self.store().call(move |db| db.action(action)).await?;
        let book = row.and_then(|row| row.runbook).and_then(|name| self.runner.book(&name).ok());
        let attempts = book.map_or(0, |book| book.attempts);
        let (note, by, now) = (note.to_owned(), who.to_string(), self.now());
        let settled = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    Ok(match settle::settle(db, action, became, &note, &by, now)? {
                        Ok(row) => Ok(goes_on(db, &row, became, attempts, now)?),
                        Err(not) => Err(not),
                    })
                })
            })
            .await?;
        // The incident looks what is to be done now.
        self.runner.endings.send_modify(|n| *n += 1);
        match settled {
            Ok(next) => {
                Ok(Done { words: format!("{action} is settled: it {}{next}", became.as_str()) })
            }
            Err(NotSettled(why)) => refuse(why),
        }
    }

    /// Starts a runbook by hand. A dry run plans, shows and ends there.
    pub(crate) async fn runbook_run(
        self: &Arc<Self>,
        name: RunbookName,
        on: Target,
        set: Vec<(String, String)>,
        dry_run: bool,
        who: Who,
    ) -> Result<Planned, Refusal> {
        let on = on.with_this_as(&self.here);
        self.is_known(&on).await?;
        let params =
            set.into_iter().map(|(key, value)| (key, Value::Text(Tainted::new(&value)))).collect();
        let start = Start {
            origin: Origin::Operator { uid: who.uid },
            incident: None,
            runbook: Some(name),
            on: Some(on),
            params,
            awake: Awake::Yes,
        };
        if dry_run {
            return self.dry_run(&start).await;
        }
        let run = self.runner.start(start).await?;
        self.planned(run).await
    }

    /// Refuses what is on a host that reef does not know: a slip would else be told as whatever its steps say of it.
    async fn is_known(&self, on: &Target) -> Result<(), Refusal> {
        match on.thing() {
            Thing::Host
            | Thing::Path
            | Thing::Unit
            | Thing::Process
            | Thing::Container
            | Thing::Stack
            | Thing::Composed => {}
            // Their hosts are clusters, providers and servers by the names that the config gives them.
            Thing::Endpoint
            | Thing::Interface
            | Thing::Log
            | Thing::Backup
            | Thing::Check
            | Thing::Member
            | Thing::Service
            | Thing::Node
            | Thing::Object
            | Thing::Terraform
            | Thing::Playbook
            | Thing::Mcp
            | Thing::Vm
            | Thing::Reef => return Ok(()),
        }
        let host = on.on();
        let facts = self.facts();
        let watched = || async {
            self.watch.snapshot().await.iter().any(|s| s.reading.signal.target.on() == host)
        };
        if *host == self.here || facts.hosts.contains(host) || watched().await {
            return Ok(());
        }
        let named: Vec<&str> =
            std::iter::once(&self.here).chain(&facts.hosts).map(HostName::as_str).collect();
        refuse(format!(
            "reef knows no host {host}: it knows {}. Another one is added as [host.{host}] in the config",
            named.join(", ")
        ))
    }

    async fn dry_run(&self, start: &Start) -> Result<Planned, Refusal> {
        let (plan, words) = self.runner.rehearse(start).await?;
        let verdict = match &plan {
            Some(plan) => self.gate().verdict(plan).await?,
            None => Verdict::Allow,
        };
        Ok(Planned { run: RunId(0), approval: None, plan, verdict, words })
    }

    /// Waits until a run has its question, or ended without one.
    async fn planned(&self, run: RunId) -> Result<Planned, Refusal> {
        let deadline = tokio::time::Instant::now() + INQUIRY;
        loop {
            let row = self.store().call(move |db| db.run(run)).await?;
            let Some(row) = row else { return refuse(format!("there is no run {run}")) };
            match row.state {
                RunState::Waiting { plan, .. } => {
                    let asked = self.store().call(move |db| db.approvals_of(run)).await?;
                    let approval = asked.into_iter().max_by_key(|a| a.id);
                    let words = match &approval {
                        Some(approval) => approval.question.clone(),
                        None => crate::gate::words::plan(&plan),
                    };
                    let verdict =
                        Verdict::Ask { why: "you typed it; reef asks before it acts".into() };
                    return Ok(Planned {
                        run,
                        approval: approval.map(|a| a.id),
                        plan: Some(plan),
                        verdict,
                        words,
                    });
                }
                RunState::Acting { plan, .. } | RunState::Verifying { plan, .. } => {
                    let words = crate::gate::words::plan(&plan);
                    return Ok(Planned {
                        run,
                        approval: None,
                        plan: Some(plan),
                        verdict: Verdict::Allow,
                        words,
                    });
                }
                RunState::Ended(ending) => {
                    let words = format!("{}: {}", ending.word(), ending.words());
                    let verdict = Verdict::Forbid { why: words.clone() };
                    return Ok(Planned { run, approval: None, plan: None, verdict, words });
                }
                RunState::Inquiring { .. } if deadline <= tokio::time::Instant::now() => {
                    return refuse(format!(
                        "{run} is still looking; `reef status` shows it when it asks"
                    ));
                }
                RunState::Inquiring { .. } => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
    }

    pub(crate) async fn run_view(&self, run: RunId) -> Result<RunView, Refusal> {
        let (row, actions) =
            self.store().call(move |db| Ok((db.run(run)?, db.actions_of(run)?))).await?;
        let Some(row) = row else { return refuse(format!("there is no run {run}")) };
        let (ending, words) = match &row.state {
            RunState::Ended(ending) => (Some(ending.word().to_owned()), ending.words().to_owned()),
            state @ (RunState::Inquiring { .. }
            | RunState::Waiting { .. }
            | RunState::Acting { .. }
            | RunState::Verifying { .. }) => {
                (None, state.plan().map(crate::gate::words::plan).unwrap_or_default())
            }
        };
        let actions = actions.into_iter().map(|a| a.id).collect();
        Ok(RunView { run, state: row.state.word().to_owned(), ending, words, actions })
    }
}

/// The incident of a settled action, inside a transaction: nobody waits for it any more, so it is tried
/// anew, by a new run with a plan of its own, where its runbook has attempts left. Else it stays with
/// the human. Gives words for the human.
fn goes_on(
    db: &mut Db,
    row: &ActionRow,
    became: Became,
    attempts: u32,
    now: Millis,
) -> anyhow::Result<String> {
    let Some(id) = row.incident else { return Ok(String::new()) };
    let Some(mut incident) = db.incident(id)? else { return Ok(String::new()) };
    let waits = matches!(incident.state, IncidentState::Escalated { .. });
    if !waits || incident.drill {
        return Ok(String::new());
    }
    if incident.acknowledged_at.is_some() {
        return Ok(format!("; {id} stays yours, as you acknowledged it"));
    }
    let failed = match db.run(row.run)?.map(|run| run.state) {
        Some(RunState::Ended(ending)) => matches!(ending, Ending::NotFixed(_)),
        Some(_) | None => false,
    };
    match became {
        // What did not happen was no attempt.
        Became::DidNotRun => incident.attempts = incident.attempts.saturating_sub(1),
        // Done, and no probe can say in time whether it helped: that is for a human to see.
        Became::Ran if !failed => return Ok(format!("; whether it helped {id} is for you to see")),
        Became::Ran => {}
    }
    if attempts <= incident.attempts {
        return Ok(format!("; {id} stays yours: its runbook has no attempts left"));
    }
    incident.state = incident.state.next(IncidentEvent::Settled, now)?;
    db.save_incident(&incident)?;
    Ok(format!("; {id} is looked at anew, with a plan of its own"))
}
