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
