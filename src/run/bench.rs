//! What the agent may reach: low tools through the gate, and a purse over the store.

use std::sync::Arc;

use crate::Fut;
use crate::agent::{Bench, Purse};
use crate::clock::Clock;
use crate::gate::Gate;
use crate::model::chat::Usage;
use crate::model::ids::{IncidentId, RunId};
use crate::model::plan::Origin;
use crate::model::tool::{Call, Found, ToolError, ToolSpec};
use crate::policy::budget::{Amount, Caps};
use crate::store::Store;
use crate::store::budgets::{Periods, ReservationId};

/// The agent's low tools for one incident.
pub(crate) struct GateBench<'a> {
    pub gate: &'a Gate,
    pub run: RunId,
    pub incident: IncidentId,
}

impl Bench for GateBench<'_> {
    fn specs(&self) -> Vec<ToolSpec> {
        self.gate.specs()
    }

    fn query<'a>(&'a self, call: &'a Call) -> Fut<'a, Result<Found, ToolError>> {
        Box::pin(async move {
            self.gate.called(self.run, call);
            self.gate.query(self.run, &Origin::Proposal(self.incident), call).await
        })
    }
}

/// Budgets in the store: reserved before the call, so that two calls at once cannot overspend.
pub(crate) struct StorePurse<'a> {
    pub store: &'a Store,
    pub clock: &'a Arc<dyn Clock>,
    pub incident: IncidentId,
    pub caps: Caps,
    pub periods: Periods,
}

impl Purse for StorePurse<'_> {
    fn reserve<'a>(&'a self, tokens: u64, micros: i64) -> Fut<'a, Result<i64, String>> {
        let (caps, periods, incident, now) =
            (self.caps, self.periods, self.incident, self.clock.now());
        let want = Amount { micros, tokens };
        Box::pin(async move {
            let reserved = self
                .store
                .call(move |db| db.reserve(Some(incident), want, &caps, periods, now))
                .await;
            match reserved {
                Ok(Ok(id)) => Ok(id.0),
                Ok(Err(over)) => Err(over.words),
                // What cannot be counted is not spent.
                Err(error) => Err(format!("the budget cannot be read: {error:#}")),
            }
        })
    }

    fn settle<'a>(&'a self, reservation: i64, usage: Usage, micros: i64) -> Fut<'a, ()> {
        let now = self.clock.now();
        let spent = Amount { micros, tokens: usage.input.saturating_add(usage.output) };
        Box::pin(async move {
            let settled = self
                .store
                .call(move |db| db.settle_reservation(ReservationId(reservation), spent, now))
                .await;
            if let Err(error) = settled {
                tracing::error!(
                    "a model call could not be settled, its reservation stands: {error:#}"
                );
            }
        })
    }
}
