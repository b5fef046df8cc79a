//! An old question, asked anew: planned afresh from the present state and judged as ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gate::settle;
use crate::model::approval::{Approval, ApprovalState};
use crate::model::ids::{IncidentId, RunId};
use crate::model::incident::{IncidentEvent, IncidentState};
use crate::model::plan::Origin;
use crate::run::runner::{Awake, Runner, Start};
use crate::store::db::Db;

impl Runner {
    /// Begins a run that plans afresh what `old` asked about. The inner error says why it may not: it still waits, it
    /// was used, or its incident is over.
    pub async fn renew(
        self: &Arc<Self>,
        old: &Approval,
        by: &str,
    ) -> anyhow::Result<Result<RunId, String>> {
        let (id, run) = (old.id, old.run);
        let acted = self.store.call(move |db| Ok(!db.actions_of(run)?.is_empty())).await?;
        match old.state {
            ApprovalState::Pending if self.clock.now() < old.expires_at => {
                return Ok(Err(format!("{id} still waits: `reef approve {id}`")));
            }
            ApprovalState::Approved { .. } => {
                return Ok(Err(format!("{id} is approved and under way")));
            }
            ApprovalState::Used { .. } if acted => {
                return Ok(Err(format!("{id} was approved and done; `reef audit list` shows it")));
            }
            ApprovalState::Pending
            | ApprovalState::Used { .. }
            | ApprovalState::Denied { .. }
            | ApprovalState::Expired { .. }
            | ApprovalState::Void { .. } => {}
        }
        let Some(row) = self.store.call(move |db| db.run(run)).await? else {
            return Ok(Err(format!("the run behind {id} is gone from the store")));
        };
        match (row.origin, row.incident) {
            (Origin::Incident(incident), _) | (Origin::Proposal(incident), _) => {
                let start = Start {
                    origin: Origin::Incident(incident),
                    incident: Some(incident),
                    runbook: row.runbook.map(|book| book.name),
                    on: None,
                    params: BTreeMap::new(),
                    awake: Awake::Yes,
                };
                // The runbook may be gone by now; whoever answers such a reading today does.
                let start = match &start.runbook {
                    Some(name) if self.book(name).is_err() => Start { runbook: None, ..start },
                    Some(_) | None => start,
                };
                self.renew_for(incident, start, old, by).await
            }
            (Origin::Undo(action), _) => Ok(Err(format!("`reef undo {action}` plans it afresh"))),
            (Origin::Operator { .. }, _) => {
                Ok(Err(format!("{id} was asked because somebody typed a command: type it again")))
            }
            (Origin::Drill | Origin::Timer, _) => {
                Ok(Err(format!("{id} is asked again by itself when its time comes")))
            }
        }
    }

    async fn renew_for(
        self: &Arc<Self>,
        incident: IncidentId,
        start: Start,
        old: &Approval,
        by: &str,
    ) -> anyhow::Result<Result<RunId, String>> {
        let now = self.clock.now();
        let reference = match &start.runbook {
            Some(name) => Some(self.reference(name)?),
            None => None,
        };
        let (id, by, origin) = (old.id, by.to_owned(), start.origin.clone());
        let begun = self
            .store
            .call(move |db| {
                db.atomically(|db| {
                    let state = match reopened(db, incident)? {
                        Ok(state) => state,
                        Err(why) => return Ok(Err(why)),
                    };
                    let run = db.new_run(&origin, Some(incident), reference.as_ref(), now)?;
                    if let Some(mut found) = db.incident(incident)? {
                        found.state = state.next(IncidentEvent::Start { run }, now)?;
                        db.save_incident(&found)?;
                    }
                    settle::note(db, &by, &format!("renewed {id}"), "planned afresh", now)?;
                    Ok(Ok(run))
                })
            })
            .await?;
        if let Ok(run) = begun {
            self.go_on(run, start);
        }
        Ok(begun)
    }
}

/// The incident's state, where a new run may begin for it.
fn reopened(db: &Db, id: IncidentId) -> anyhow::Result<Result<IncidentState, String>> {
    let Some(incident) = db.incident(id)? else {
        return Ok(Err(format!("there is no incident {id} any more")));
    };
    Ok(match incident.state {
        state @ (IncidentState::Open | IncidentState::Escalated { .. }) => Ok(state),
        IncidentState::Resolved { .. } => {
            Err(format!("{id} is resolved: there is nothing left to do"))
        }
        IncidentState::Running { run } => {
            Err(format!("{run} is at it already; `reef approvals` shows what it asks"))
        }
        IncidentState::Held { why } => Err(format!("{id} is held: {why}; `reef resume` lifts it")),
        IncidentState::Explained { by } => {
            Err(format!("{id} is explained by {by}: mend that first"))
        }
    })
}
