//! The points between a plan and its close at which a crash would hurt most.
//!
//! The gate and the runs call them in passing. The daemon's own do nothing; a crash test passes others
//! in, as any part of the world, and ends the process there.

use std::fmt;

/// A moment on the way of a plan, in the order of that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The plan is made; nothing of it is stored.
    BeforeIntent,
    /// The run with its resolved plan is written, not committed.
    IntentInserted,
    IntentCommitted,
    /// The question, its record and its message are committed; the run does not say yet that it waits.
    ApprovalRequested,
    /// The human's answer is committed; the run has not seen it.
    ApprovalStored,
    /// The `dispatched` record is durable; nothing has happened.
    Dispatched,
    /// The request is on its way: some of it may have been sent.
    Sending,
    /// The effect has happened; nobody has recorded how it went.
    EffectDone,
    /// The `closed` record is written, not committed.
    CloseInserted,
    /// The `closed` record is durable; the run does not know of it.
    CloseCommitted,
    VerifyStarted,
    /// The proof is known and written with the run's ending, not committed.
    VerifyInserted,
    /// What the past failures mean for acting is written, not committed.
    BreakerInserted,
    /// A report lies beside the one that it replaces.
    ReportWritten,
}

impl Point {
    pub const ALL: [Self; 14] = [
        Self::BeforeIntent,
        Self::IntentInserted,
        Self::IntentCommitted,
        Self::ApprovalRequested,
        Self::ApprovalStored,
        Self::Dispatched,
        Self::Sending,
        Self::EffectDone,
        Self::CloseInserted,
        Self::CloseCommitted,
        Self::VerifyStarted,
        Self::VerifyInserted,
        Self::BreakerInserted,
        Self::ReportWritten,
    ];
}

/// Who is told when a point is reached. Called on the way of every action: it must not block.
pub trait Points: Send + Sync + fmt::Debug {
    fn reached(&self, point: Point);
}

/// The daemon's: nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Points for Unwatched {
    fn reached(&self, _: Point) {}
}
