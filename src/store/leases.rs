//! What one run holds and no other may act on meanwhile.

use anyhow::Result;

use crate::model::ids::RunId;
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::store::db::Db;

/// One key held by one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub key: Target,
    pub run: RunId,
    pub since: Millis,
}

impl Db {
    /// Takes all keys or none; the inner error is a key that another run holds. Keys that this run holds
    /// already are fine.
    pub fn take_leases(
        &mut self,
        keys: &[Target],
        run: RunId,
        now: Millis,
    ) -> Result<Result<(), Target>> {
        self.atomically(|db| {
            for key in keys {
                let held: Option<RunId> =
                    db.row("SELECT run FROM lease WHERE key = ?1", &[&key.to_string()], |row| {
                        Ok(row.get(0)?)
                    })?;
                if held.is_some_and(|by| by != run) {
                    return Ok(Err(key.clone()));
                }
            }
            for key in keys {
                db.write(
                    "INSERT OR IGNORE INTO lease (key, run, at) VALUES (?1, ?2, ?3)",
                    &[&key.to_string(), &run, &now],
                )?;
            }
            Ok(Ok(()))
        })
    }

    pub fn release_leases(&mut self, run: RunId) -> Result<()> {
        self.write("DELETE FROM lease WHERE run = ?1", &[&run]).map(|_| ())
    }

    /// By key.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        self.rows("SELECT key, run, at FROM lease ORDER BY key", &[], |row| {
            let key: String = row.get(0)?;
            Ok(Lease { key: key.parse()?, run: row.get(1)?, since: row.get(2)? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    #[test]
    fn a_key_is_held_by_one_run_and_all_keys_or_none_are_taken() {
        let store = memory();
        let keys = |names: &[&str]| -> Vec<Target> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        let take = |names: &[&str], run| {
            store.call_now(|db| db.take_leases(&keys(names), RunId(run), Millis(1))).unwrap()
        };
        assert_eq!(take(&["mini:/a", "mini:/b"], 1), Ok(()));
        assert_eq!(take(&["mini:/b"], 1), Ok(()), "its own");
        assert_eq!(take(&["mini:/c", "mini:/b"], 2), Err("mini:/b".parse().unwrap()));
        let held: Vec<String> = store
            .call_now(|db| db.leases())
            .unwrap()
            .iter()
            .map(|lease| format!("{} {}", lease.key, lease.run))
            .collect();
        assert_eq!(held, ["mini:/a R-1", "mini:/b R-1"]);
        store.call_now(|db| db.release_leases(RunId(1))).unwrap();
        assert_eq!(take(&["mini:/c", "mini:/b"], 2), Ok(()));
    }

    #[test]
    fn of_eight_threads_one_gets_the_lease() {
        let store = memory();
        let key: [Target; 1] = ["mini:unit:nginx.service".parse().unwrap()];
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (1..=8)
                .map(|run| {
                    let (store, key) = (&store, &key);
                    scope.spawn(move || {
                        store.call_now(|db| db.take_leases(key, RunId(run), Millis(1))).unwrap()
                    })
                })
                .collect();
            tries.into_iter().filter_map(|t| t.join().unwrap().ok()).count()
        });
        assert_eq!(won, 1);
    }
}
