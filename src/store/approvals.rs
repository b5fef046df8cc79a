//! Questions to the human: asked, answered once, used once.

use anyhow::{Context, Result, bail};
use rusqlite::Row;

use crate::model::approval::{Approval, ApprovalState, Choice};
use crate::model::ids::{ApprovalId, IncidentId, RunId};
use crate::model::time::Millis;
use crate::model::tool::Tier;
use crate::store::columns::{from_json, to_json};
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
    /// Yes. The approval as it was: for the first step its state still names the choice.
    Now(Approval),
    /// It is not approved, was used, or ran out; the approval says which.
    No(Approval),
    Absent,
}

impl Db {
    /// Asks. To be called in the transaction that enqueues the message.
    pub fn ask(&mut self, draft: ApprovalDraft) -> Result<Approval> {
        let mut choices = draft.choices;
        for choice in &mut choices {
            let real = choice.plan.as_ref().map(crate::model::plan::Plan::digest);
            if choice.digest.is_some() && choice.digest != real {
                bail!("the choice {:?} carries the digest of another plan", choice.say);
            }
            choice.digest = real;
        }
        let mut approval = Approval {
            id: ApprovalId(0),
            run: draft.run,
            incident: draft.incident,
            question: draft.question,
            choices,
            tier: draft.tier,
            asked_at: draft.asked_at,
            expires_at: draft.expires_at,
            state: ApprovalState::Pending,
        };
        self.atomically(|db| {
            let id = db.insert(
                "INSERT INTO approval (run, state, asked_at, expires_at, json)
                 VALUES (?1, 'pending', ?2, ?3, '')",
                &[&approval.run, &approval.asked_at, &approval.expires_at],
            )?;
            approval.id = ApprovalId(id);
            db.save_approval(&approval)?;
            Ok(approval)
        })
    }

    fn save_approval(&mut self, approval: &Approval) -> Result<()> {
        self.write(
            "UPDATE approval SET state = ?2, json = ?3 WHERE id = ?1",
            &[&approval.id, &approval.state.word(), &to_json(approval)?],
        )
        .with_context(|| format!("cannot store approval {}", approval.id))
        .map(|_| ())
    }

    pub fn approval(&self, id: ApprovalId) -> Result<Option<Approval>> {
        self.row("SELECT id, json FROM approval WHERE id = ?1", &[&id], approval)
    }

    /// Oldest first. One whose time is over stands here until [`Db::expire_approvals`] comes by.
    pub fn pending_approvals(&self) -> Result<Vec<Approval>> {
        let sql = "SELECT id, json FROM approval WHERE state = 'pending' ORDER BY id";
        self.rows(sql, &[], approval)
    }

    /// Asked since then, oldest first.
    pub fn approvals_since(&self, at: Millis) -> Result<Vec<Approval>> {
        let sql = "SELECT id, json FROM approval WHERE ?1 <= asked_at ORDER BY id";
        self.rows(sql, &[&at], approval)
    }

    /// All questions of a run, oldest first.
    pub fn approvals_of(&self, run: RunId) -> Result<Vec<Approval>> {
        self.rows("SELECT id, json FROM approval WHERE run = ?1 ORDER BY id", &[&run], approval)
    }

    /// The first answer wins; one that comes after the expiry says so.
    pub fn answer(
        &mut self,
        id: ApprovalId,
        answer: Answer,
        by: &str,
        now: Millis,
    ) -> Result<AnswerOutcome> {
        self.atomically(|db| {
            let Some(mut approval) = db.approval(id)? else { return Ok(AnswerOutcome::Absent) };
            match approval.state {
                ApprovalState::Pending => {}
                ApprovalState::Expired { .. } => return Ok(AnswerOutcome::Expired(approval)),
                ApprovalState::Approved { .. }
                | ApprovalState::Denied { .. }
                | ApprovalState::Void { .. }
                | ApprovalState::Used { .. } => return Ok(AnswerOutcome::Already(approval)),
            }
            if approval.expires_at <= now {
                approval.state = ApprovalState::Expired { at: now };
                db.save_approval(&approval)?;
                return Ok(AnswerOutcome::Expired(approval));
            }
            approval.state = match answer {
                Answer::Approve { choice } if approval.choices.len() <= choice => {
                    return Ok(AnswerOutcome::NoChoice(approval));
                }
                Answer::Approve { choice } => {
                    ApprovalState::Approved { choice, by: by.into(), at: now }
                }
                Answer::Deny => ApprovalState::Denied { by: by.into(), at: now },
            };
            db.save_approval(&approval)?;
            Ok(AnswerOutcome::Taken(approval))
        })
    }

    /// Ends all pending ones whose time is over, and gives them.
    pub fn expire_approvals(&mut self, now: Millis) -> Result<Vec<Approval>> {
        self.atomically(|db| {
            let mut over = db.rows(
                "SELECT id, json FROM approval WHERE state = 'pending' AND expires_at <= ?1
                  ORDER BY id",
                &[&now],
                approval,
            )?;
            for approval in &mut over {
                approval.state = ApprovalState::Expired { at: now };
                db.save_approval(approval)?;
            }
            Ok(over)
        })
    }

    /// Makes a pending or approved one void; `None` where it was neither.
    pub fn void_approval(
        &mut self,
        id: ApprovalId,
        why: &str,
        now: Millis,
    ) -> Result<Option<Approval>> {
        self.atomically(|db| {
            let Some(mut approval) = db.approval(id)? else { return Ok(None) };
            match approval.state {
                ApprovalState::Pending | ApprovalState::Approved { .. } => {}
                ApprovalState::Denied { .. }
                | ApprovalState::Expired { .. }
                | ApprovalState::Void { .. }
                | ApprovalState::Used { .. } => return Ok(None),
            }
            approval.state = ApprovalState::Void { why: why.into(), at: now };
            db.save_approval(&approval)?;
            Ok(Some(approval))
        })
    }

    /// Single use: the first call gets `Now`, every later one `No`.
    pub fn use_approval(&mut self, id: ApprovalId, now: Millis) -> Result<Used> {
        self.use_approval_step(id, 0, now)
    }

    /// As [`Db::use_approval`] for plans of several steps: each step of the approved plan may be used once. The approval
    /// is used with the first; a plan that has begun is not cut off by the expiry.
    pub fn use_approval_step(&mut self, id: ApprovalId, step: usize, now: Millis) -> Result<Used> {
        self.atomically(|db| {
            let Some(mut approval) = db.approval(id)? else { return Ok(Used::Absent) };
            match approval.state {
                ApprovalState::Approved { .. } if now < approval.expires_at => {}
                ApprovalState::Used { .. } => {}
                ApprovalState::Pending
                | ApprovalState::Approved { .. }
                | ApprovalState::Denied { .. }
                | ApprovalState::Expired { .. }
                | ApprovalState::Void { .. } => return Ok(Used::No(approval)),
            }
            let step = i64::try_from(step).context("a step has a small number")?;
            let added = db.write(
                "INSERT OR IGNORE INTO approval_use (approval, step, at) VALUES (?1, ?2, ?3)",
                &[&id, &step, &now],
            )?;
            if added == 0 {
                return Ok(Used::No(approval));
            }
            let was = approval.clone();
            approval.state = ApprovalState::Used { at: now };
            db.save_approval(&approval)?;
            Ok(Used::Now(was))
        })
    }
}

fn approval(row: &Row<'_>) -> Result<Approval> {
    let id: ApprovalId = row.get(0)?;
    let json: String = row.get(1)?;
    from_json(&format!("approval {id}"), &json)
}
