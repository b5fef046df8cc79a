//! The hash chain over the audit log.

use anyhow::Result;

use crate::model::audit::ChainHead;
use crate::store::db::Db;

/// What the verification of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Records that hold.
    pub records: u64,
    /// Records whose payload was erased, with a record that says so.
    pub erased: u64,
    pub head: Option<ChainHead>,
    /// The first record that does not hold; `None`: the log is whole.
    pub broken: Option<Broken>,
}

/// The first record that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub seq: i64,
    /// What is wrong with it, for people.
    pub why: String,
}

impl Db {
    /// Reads the whole log once and checks every hash, every payload and the `anchors` (heads seen earlier).
    pub fn verify_chain(&self, _anchors: &[ChainHead]) -> Result<ChainReport> {
        todo!()
    }
}
