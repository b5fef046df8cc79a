//! What is known of a signal and is nothing new, over restarts.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::model::guard::Known;
use crate::model::target::Signal;
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

impl Db {
    /// Takes the place of what was known of these signals.
    pub fn save_known(&mut self, learned: &[(Signal, Known)]) -> Result<()> {
        self.atomically(|db| {
            for (signal, known) in learned {
                db.write(
                    "INSERT INTO known (signal, json) VALUES (?1, ?2)
                     ON CONFLICT (signal) DO UPDATE SET json = excluded.json",
                    &[&to_json(signal)?, &to_json(known)?],
                )?;
            }
            Ok(())
        })
    }

    pub fn known(&self) -> Result<BTreeMap<Signal, Known>> {
        let rows = self.rows("SELECT signal, json FROM known", &[], |row| {
            let (signal, json): (String, String) = (row.get(0)?, row.get(1)?);
            let what = format!("what is known of {signal}");
            Ok((from_json(&what, &signal)?, from_json(&what, &json)?))
        })?;
        Ok(rows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{memory, signal};

    #[test]
    fn what_is_known_is_replaced_and_comes_back() {
        let store = memory();
        let of = |item: &str| Known::from([(item.to_owned(), "x".to_owned())]);
        let (a, b) = (signal("mini:/a"), signal("mini:/b"));
        let save = |all: Vec<(Signal, Known)>| {
            store.call_now(move |db| db.save_known(&all)).unwrap();
        };
        save(vec![(a.clone(), of("1")), (b.clone(), of("2"))]);
        save(vec![(a.clone(), of("3"))]);
        let known = store.call_now(|db| db.known()).unwrap();
        assert_eq!(known, BTreeMap::from([(a, of("3")), (b, of("2"))]));
    }
}
