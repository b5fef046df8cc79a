//! Questions to the human: asked, answered once, used once.

use anyhow::Result;

use crate::model::approval::{Approval, Choice};
use crate::model::ids::{ApprovalId, IncidentId, RunId};
use crate::model::time::Millis;
use crate::model::tool::Tier;
use crate::store::db::Db;

/// A question before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDraft {
    pub run: RunId,
    pub incident: Option<IncidentId>,
    pub question: String,
    /// The digest of a choice with a plan must be that plan's; left out, it is filled in.
    pub choices: Vec<Choice>,
    pub tier: Tier,
    pub asked_at: Millis,
    pub expires_at: Millis,
}

/// What a human says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The index of the choice.
    Approve {
        choice: usize,
    },
    Deny,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// It counts.
    Taken(Approval),
    /// Somebody was first, or it is void or used; the approval says what it is.
    Already(Approval),
    /// Too late.
    Expired(Approval),
    /// There is no such choice.
    NoChoice(Approval),
    /// There is no such question.
    Absent,
}

/// Whether an approval may be acted on, this once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    Now(Approval),
    /// It is not approved, was used, or ran out; the approval says which.
    No(Approval),
    Absent,
}

impl Db {
    pub fn ask(&mut self, _draft: ApprovalDraft) -> Result<Approval> {
        todo!()
    }

    pub fn approval(&self, _id: ApprovalId) -> Result<Option<Approval>> {
        todo!()
    }

    /// Oldest first.
    pub fn pending_approvals(&self) -> Result<Vec<Approval>> {
        todo!()
    }

    /// Asked since then, oldest first.
    pub fn approvals_since(&self, _at: Millis) -> Result<Vec<Approval>> {
        todo!()
    }

    /// All questions of a run, oldest first.
    pub fn approvals_of(&self, _run: RunId) -> Result<Vec<Approval>> {
        todo!()
    }

    /// The first answer wins; one that comes after the expiry says so.
    pub fn answer(
        &mut self,
        _id: ApprovalId,
        _answer: Answer,
        _by: &str,
        _now: Millis,
    ) -> Result<AnswerOutcome> {
        todo!()
    }

    /// Ends all pending ones whose time is over, and gives them.
    pub fn expire_approvals(&mut self, _now: Millis) -> Result<Vec<Approval>> {
        todo!()
    }

    /// Makes a pending or approved one void; `None` where it was neither.
    pub fn void_approval(
        &mut self,
        _id: ApprovalId,
        _why: &str,
        _now: Millis,
    ) -> Result<Option<Approval>> {
        todo!()
    }

    /// Single use: the first call gets `Now`, every later one `No`.
    pub fn use_approval(&mut self, _id: ApprovalId, _now: Millis) -> Result<Used> {
        todo!()
    }

    /// As [`Db::use_approval`] for plans of several steps: each step of the approved plan may be used once.
    pub fn use_approval_step(
        &mut self,
        _id: ApprovalId,
        _step: usize,
        _now: Millis,
    ) -> Result<Used> {
        todo!()
    }
}
