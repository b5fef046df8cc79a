//! The tables, as steps: a database carries in `user_version` how many of them it has seen.

/// One of the two database files.
#[derive(Debug)]
pub(in crate::store) struct Schema {
    pub(in crate::store) file: &'static str,
    /// Tells reef's files from any other SQLite file.
    pub(in crate::store) application_id: i32,
    /// Never changed once released, only added to.
    pub(in crate::store) steps: &'static [&'static str],
    /// Set before the first step of a new file, and at each opening.
    pub(in crate::store) pragmas: &'static str,
    /// Files up to this size are checked whole at each opening; above it only the head of the file is, because
    /// the first look must not wait for it.
    pub(in crate::store) check_below: u64,
    /// What is lost when the operator moves a damaged file away.
    pub(in crate::store) holds: &'static str,
}

impl Schema {
    pub(in crate::store) fn known(&self) -> i64 {
        i64::try_from(self.steps.len()).unwrap_or(i64::MAX)
    }
}

/// What is erased is overwritten. A page that was not written must never have to be spilled before the commit: so a full disk shows at the commit alone,
/// where the whole transaction can be done again once there is room.
pub(in crate::store) const STATE: Schema = Schema {
    file: "reef.db",
    application_id: 0x7265_6566,
    steps: &[
        include_str!("schema/state-1.sql"),
        include_str!("schema/state-2.sql"),
        include_str!("schema/state-3.sql"),
        include_str!("schema/state-4.sql"),
        include_str!("schema/state-5.sql"),
        include_str!("schema/state-6.sql"),
    ],
    pragmas: "PRAGMA synchronous = FULL;
              PRAGMA foreign_keys = ON;
              PRAGMA secure_delete = ON;
              PRAGMA temp_store = MEMORY;
              PRAGMA cache_spill = OFF;
              PRAGMA cache_size = -1024;
              PRAGMA cell_size_check = ON;
              PRAGMA trusted_schema = OFF;",
    check_below: 32 << 20,
    holds: "incidents, approvals and the audit log, whose heads in audit.head beside it go with it",
};

pub(in crate::store) const READINGS: Schema = Schema {
    file: "readings.db",
    application_id: 0x7265_6572,
    steps: &[include_str!("schema/readings-1.sql"), include_str!("schema/readings-2.sql")],
    pragmas: "PRAGMA auto_vacuum = INCREMENTAL;
              PRAGMA synchronous = NORMAL;
              PRAGMA temp_store = MEMORY;
              PRAGMA cache_size = -512;
              PRAGMA journal_size_limit = 4194304;
              PRAGMA cell_size_check = ON;
              PRAGMA trusted_schema = OFF;",
    check_below: 4 << 20,
    holds: "the history of readings",
};
