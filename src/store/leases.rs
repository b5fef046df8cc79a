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
        _keys: &[Target],
        _run: RunId,
        _now: Millis,
    ) -> Result<Result<(), Target>> {
        todo!()
    }

    pub fn release_leases(&mut self, _run: RunId) -> Result<()> {
        todo!()
    }

    pub fn leases(&self) -> Result<Vec<Lease>> {
        todo!()
    }
}
