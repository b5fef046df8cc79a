//! What model calls may cost: reserved before the call, settled after it.

use anyhow::{Result, bail};
use rusqlite::types::ToSql;

use crate::model::ids::IncidentId;
use crate::model::time::Millis;
use crate::policy::budget::{Amount, Cap, Caps, OverBudget, Spent, reserve};
use crate::store::db::Db;

/// When the current day and month began, in the operator's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    pub day: Millis,
    pub month: Millis,
}

/// A reservation, to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationId(pub i64);

impl Db {
    /// Reserves `want` or says which cap is in the way. What is reserved and never settled stays spent.
    pub fn reserve(
        &mut self,
        incident: Option<IncidentId>,
        want: Amount,
        caps: &Caps,
        periods: Periods,
        now: Millis,
    ) -> Result<Result<ReservationId, OverBudget>> {
        if want.micros < 0 {
            bail!("a call cannot cost less than nothing: {want:?}");
        }
        self.atomically(|db| {
            let (of_incident, cap) = match incident {
                Some(incident) => (db.spent_on(incident)?, caps.incident),
                None => (Amount::default(), Cap::default()),
            };
            let spent = Spent {
                incident: of_incident,
                day: db.spent_since(periods.day)?,
                month: db.spent_since(periods.month)?,
            };
            if let Err(over) = reserve(&Caps { incident: cap, ..*caps }, &spent, want) {
                return Ok(Err(over));
            }
            let id = db.insert(
                "INSERT INTO reservation (incident, at, micros, tokens) VALUES (?1, ?2, ?3, ?4)",
                &[&incident, &now, &want.micros, &tokens(want)],
            )?;
            Ok(Ok(ReservationId(id)))
        })
    }

    /// Replaces the reserved cost by the real one.
    pub fn settle_reservation(
        &mut self,
        id: ReservationId,
        cost: Amount,
        now: Millis,
    ) -> Result<()> {
        let changed = self.write(
            "UPDATE reservation SET micros = ?2, tokens = ?3, settled_at = ?4
              WHERE id = ?1 AND settled_at IS NULL",
            &[&id.0, &cost.micros.max(0), &tokens(cost), &now],
        )?;
        match changed {
            0 => bail!("there is no open reservation {}", id.0),
            _ => Ok(()),
        }
    }

    /// Spent or reserved since then.
    pub fn spent_since(&self, at: Millis) -> Result<Amount> {
        self.cost(
            "SELECT coalesce(sum(micros), 0), coalesce(sum(tokens), 0) FROM reservation WHERE ?1 <= at",
            &[&at],
        )
    }

    /// Spent or reserved on an incident.
    pub fn spent_on(&self, incident: IncidentId) -> Result<Amount> {
        self.cost(
            "SELECT coalesce(sum(micros), 0), coalesce(sum(tokens), 0) FROM reservation
              WHERE incident = ?1",
            &[&incident],
        )
    }

    /// How many calls were reserved since then.
    pub fn model_calls_since(&self, at: Millis) -> Result<u32> {
        let sql = "SELECT count(*) FROM reservation WHERE ?1 <= at";
        Ok(self.row(sql, &[&at], |row| Ok(row.get(0)?))?.unwrap_or(0))
    }

    fn cost(&self, sql: &str, params: &[&dyn ToSql]) -> Result<Amount> {
        let cost = self.row(sql, params, |row| {
            let tokens: i64 = row.get(1)?;
            Ok(Amount { micros: row.get(0)?, tokens: u64::try_from(tokens).unwrap_or(0) })
        })?;
        Ok(cost.unwrap_or_default())
    }
}

/// SQLite has no unsigned numbers; what does not fit is more than any cap.
fn tokens(of: Amount) -> i64 {
    i64::try_from(of.tokens).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    const PERIODS: Periods = Periods { day: Millis(1_000), month: Millis(100) };

    fn money(micros: i64) -> Amount {
        Amount { micros, tokens: 10 }
    }

    #[test]
    fn the_first_cap_in_the_way_is_named() {
        let caps = |incident, day, month| {
            let cap = |micros| Cap { micros: Some(micros), tokens: None };
            Caps { incident: cap(incident), day: cap(day), month: cap(month) }
        };
        let tokens = Caps { day: Cap { micros: None, tokens: Some(29) }, ..Caps::NONE };
        let cases = [
            (caps(50, 90, 140), Ok(())),
            (Caps::NONE, Ok(())),
            (caps(49, 90, 140), Err("incident")),
            (caps(50, 79, 140), Err("day")),
            (caps(50, 90, 129), Err("month")),
            (tokens, Err("day")),
        ];
        for (caps, want) in cases {
            let store = memory();
            let reserve = |incident, micros, caps: &Caps, at| {
                let incident = Some(IncidentId(incident));
                store
                    .call_now(|db| db.reserve(incident, money(micros), caps, PERIODS, Millis(at)))
                    .unwrap()
            };
            let free = Caps::NONE;
            for (incident, micros, at) in
                [(9, 500, 99), (9, 50, 100), (1, 30, 1_000), (2, 30, 2_000)]
            {
                reserve(incident, micros, &free, at).unwrap();
            }
            let got = reserve(1, 20, &caps, 3_000).map(|_| ());
            assert_eq!(got.map_err(|over| over.period), want, "{caps:?}");
        }
    }

    #[test]
    fn settling_gives_back_what_was_not_spent_and_only_once() {
        let store = memory();
        let caps = Caps::NONE;
        let id = store
            .call_now(|db| db.reserve(None, money(100), &caps, PERIODS, Millis(2_000)))
            .unwrap()
            .unwrap();
        let settle = || store.call_now(|db| db.settle_reservation(id, money(40), Millis(2_001)));
        settle().unwrap();
        assert!(settle().is_err());
        assert_eq!(store.call_now(|db| db.spent_since(Millis(0))).unwrap(), money(40));
        let less = Amount { micros: -1, tokens: 0 };
        assert!(store.call_now(|db| db.reserve(None, less, &caps, PERIODS, Millis(1))).is_err());
    }

    #[test]
    fn eight_threads_reserve_no_more_than_the_cap() {
        let store = memory();
        let day = Cap { micros: Some(1_000), tokens: Some(500) };
        let caps = Caps { day, ..Caps::NONE };
        let reserved: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let one = || {
                            store.call_now(|db| {
                                db.reserve(None, money(30), &caps, PERIODS, Millis(2_000))
                            })
                        };
                        (0..20).filter(|_| one().unwrap().is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(reserved, 33);
        let spent = store.call_now(|db| db.spent_since(Millis(0))).unwrap();
        assert_eq!(spent, Amount { micros: 990, tokens: 330 });
        assert_eq!(store.call_now(|db| db.model_calls_since(Millis(0))).unwrap(), 33);
    }
}
