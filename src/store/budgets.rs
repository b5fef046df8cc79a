//! What model calls may cost: reserved before the call, settled after it.

use anyhow::Result;

use crate::model::ids::IncidentId;
use crate::model::time::Millis;
use crate::store::db::Db;

/// Money in millionths of the budget's currency, and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub micros: i64,
    pub tokens: i64,
}

/// The most of each; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cap {
    pub micros: Option<i64>,
    pub tokens: Option<i64>,
}

/// The caps of one incident, of the day and of the month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    pub incident: Cap,
    pub day: Cap,
    pub month: Cap,
}

/// When the current day and month began, in the operator's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    pub day: Millis,
    pub month: Millis,
}

/// A reservation, to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationId(pub i64);

/// Which cap a reservation would have broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// `incident`, `day` or `month`.
    pub period: &'static str,
    /// `money` or `tokens`.
    pub what: &'static str,
    pub used: i64,
    pub cap: i64,
}

impl Db {
    /// Reserves `cost` or says which cap is in the way. What is reserved and never settled stays spent.
    pub fn reserve(
        &mut self,
        _incident: Option<IncidentId>,
        _cost: Cost,
        _caps: &Caps,
        _periods: Periods,
        _now: Millis,
    ) -> Result<Result<ReservationId, Spent>> {
        todo!()
    }

    /// Replaces the reserved cost by the real one.
    pub fn settle_reservation(
        &mut self,
        _id: ReservationId,
        _cost: Cost,
        _now: Millis,
    ) -> Result<()> {
        todo!()
    }

    /// Spent or reserved since then.
    pub fn spent_since(&self, _at: Millis) -> Result<Cost> {
        todo!()
    }

    /// Spent or reserved on an incident.
    pub fn spent_on(&self, _incident: IncidentId) -> Result<Cost> {
        todo!()
    }

    /// How many calls were reserved since then.
    pub fn model_calls_since(&self, _at: Millis) -> Result<u64> {
        todo!()
    }
}
