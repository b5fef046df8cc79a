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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::store::Store;
    use crate::store::tests::{memory, plan};

    fn draft() -> ApprovalDraft {
        let yes = Choice { say: "compress".into(), plan: Some(plan("mini:/var")), digest: None };
        let no = Choice { say: "I will handle it".into(), plan: None, digest: None };
        ApprovalDraft {
            run: RunId(1),
            incident: None,
            question: "What now?".into(),
            choices: vec![yes, no],
            tier: Tier::High,
            asked_at: Millis(10),
            expires_at: Millis(100),
        }
    }

    fn asked(store: &Store) -> ApprovalId {
        store.call_now(|db| db.ask(draft())).unwrap().id
    }

    fn answer(store: &Store, id: ApprovalId, answer: Answer, at: i64) -> AnswerOutcome {
        store.call_now(|db| db.answer(id, answer, "operator", Millis(at))).unwrap()
    }

    const YES: Answer = Answer::Approve { choice: 0 };

    #[test]
    fn a_choice_carries_its_own_plans_digest_or_is_refused() {
        let store = memory();
        let approval = store.call_now(|db| db.ask(draft())).unwrap();
        assert_eq!(approval.choices[0].digest, Some(plan("mini:/var").digest()));
        let mut forged = draft();
        forged.choices[0].digest = Some(Digest::of(b"another"));
        assert!(store.call_now(|db| db.ask(forged)).is_err());
        assert_eq!(store.call_now(|db| db.pending_approvals()).unwrap(), [approval]);
    }

    #[test]
    fn of_two_answers_from_two_threads_one_wins() {
        for _ in 0..20 {
            let store = memory();
            let id = asked(&store);
            let outcomes = std::thread::scope(|scope| {
                let yes = scope.spawn(|| answer(&store, id, YES, 20));
                let no = scope.spawn(|| answer(&store, id, Answer::Deny, 20));
                [yes.join().unwrap(), no.join().unwrap()]
            });
            let taken = |o: &&AnswerOutcome| matches!(o, AnswerOutcome::Taken(_));
            let late = |o: &&AnswerOutcome| matches!(o, AnswerOutcome::Already(_));
            assert_eq!(outcomes.iter().filter(taken).count(), 1, "{outcomes:?}");
            assert_eq!(outcomes.iter().filter(late).count(), 1, "{outcomes:?}");
        }
    }

    #[test]
    fn a_late_or_wrong_answer_counts_for_nothing() {
        let store = memory();
        let id = asked(&store);
        let none = answer(&store, id, Answer::Approve { choice: 2 }, 20);
        assert!(matches!(none, AnswerOutcome::NoChoice(_)));
        let late = answer(&store, id, YES, 100);
        assert!(matches!(&late, AnswerOutcome::Expired(a) if a.state.word() == "expired"));
        assert!(
            matches!(answer(&store, id, YES, 20), AnswerOutcome::Expired(_)),
            "once is for good"
        );
        assert_eq!(answer(&store, ApprovalId(9), YES, 20), AnswerOutcome::Absent);
        let used = store.call_now(|db| db.use_approval(id, Millis(20))).unwrap();
        assert!(matches!(used, Used::No(_)));
    }

    #[test]
    fn silence_ends_in_no() {
        let store = memory();
        let id = asked(&store);
        let expire = |at| store.call_now(|db| db.expire_approvals(Millis(at))).unwrap();
        assert_eq!(expire(99), []);
        assert_eq!(expire(100).len(), 1);
        assert_eq!(expire(101), [], "it is told once");
        let state = store.call_now(|db| db.approval(id)).unwrap().unwrap().state;
        assert_eq!(state, ApprovalState::Expired { at: Millis(100) });
    }

    #[test]
    fn an_approval_is_used_once_and_each_step_of_it_once() {
        let store = memory();
        let id = asked(&store);
        let step =
            |step, at| store.call_now(|db| db.use_approval_step(id, step, Millis(at))).unwrap();
        assert!(matches!(step(0, 20), Used::No(_)), "nobody has answered");
        answer(&store, id, YES, 20);
        assert!(matches!(step(0, 100), Used::No(_)), "it ran out");
        let first = step(0, 30);
        assert!(matches!(&first, Used::Now(a) if a.state.word() == "approved"), "{first:?}");
        assert!(matches!(step(0, 31), Used::No(_)));
        assert!(matches!(step(1, 200), Used::Now(_)), "a plan that has begun goes on");
        assert!(matches!(step(1, 201), Used::No(_)));
        assert_eq!(store.call_now(|db| db.void_approval(id, "x", Millis(40))).unwrap(), None);
    }

    #[test]
    fn a_void_approval_cannot_be_used() {
        let store = memory();
        let id = asked(&store);
        answer(&store, id, YES, 20);
        let void = store.call_now(|db| db.void_approval(id, "reloaded", Millis(30))).unwrap();
        assert_eq!(void.unwrap().state.word(), "void");
        let used = store.call_now(|db| db.use_approval(id, Millis(31))).unwrap();
        assert!(matches!(used, Used::No(a) if a.state.word() == "void"));
    }
}
