//! Low calls that stand in the audit log: what a model chose, and commands that a runbook spells out.
//!
//! A look needs no record before it, so it waits for the next commit of its run and stands in that one, before what
//! it led to. What a probe looks at is no call, and is not recorded.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::gate::Gate;
use crate::gate::permit::Trace;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload, Ran};
use crate::model::digest::Digest;
use crate::model::ids::RunId;
use crate::model::plan::Origin;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::model::told::Told;
use crate::model::tool::{Call, Found, Tier, ToolError};
use crate::model::value::Value;
use crate::store::db::Db;

/// Looks of one run that are recorded; a runbook and a model's bounds allow fewer.
const MOST: usize = 100;
/// What a record keeps of a call, and of why it failed, in characters.
const KEPT: usize = 500;

tokio::task_local! {
    /// What runs for the low call that this task answers. It belongs to the call and ends with it; a parameter would
    /// have to go through every tool that reads, and could be forgotten in each.
    static RAN: Trace;
}

/// Answers a low call, and notes what runs for it.
pub(in crate::gate) async fn traced<T>(ran: Trace, answering: impl Future<Output = T>) -> T {
    RAN.scope(ran, answering).await
}

/// A command that only reads was run; outside a low call nothing is noted. Both outputs count for the digest.
pub fn noted(argv: &[String], code: Option<i32>, outputs: [&str; 2]) {
    let ran = || Ran {
        argv: argv.to_vec(),
        code,
        output_digest: Some(Digest::of(outputs.concat().as_bytes())),
        output_excerpt: String::new(),
    };
    RAN.try_with(|trace| trace.note(ran())).ok();
}

/// The looks that wait for the next commit of their run.
#[derive(Debug, Default)]
pub(in crate::gate) struct Looks(Mutex<BTreeMap<RunId, OfRun>>);

#[derive(Debug, Default)]
struct OfRun {
    waiting: Vec<AuditEntry>,
    recorded: usize,
    /// The last answer of each call that a proof asks again and again.
    same: BTreeMap<String, Option<Digest>>,
}

impl Looks {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<RunId, OfRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, run: RunId, origin: &Origin, entry: AuditEntry) {
        let mut all = self.all();
        let of_run = all.entry(run).or_default();
        let (call, said) =
            (entry.payload.call.clone().unwrap_or_default(), entry.payload.output_digest);
        let before = of_run.same.insert(call, said);
        let again = before == Some(said) && !matches!(origin, Origin::Proposal(_));
        if again || MOST <= of_run.recorded {
            return;
        }
        of_run.recorded += 1;
        of_run.waiting.push(entry);
    }

    fn take(&self, run: RunId) -> Vec<AuditEntry> {
        self.all()
            .get_mut(&run)
            .map(|of_run| std::mem::take(&mut of_run.waiting))
            .unwrap_or_default()
    }

    fn put_back(&self, run: RunId, mut looks: Vec<AuditEntry>) {
        let mut all = self.all();
        let of_run = all.entry(run).or_default();
        looks.append(&mut of_run.waiting);
        of_run.waiting = looks;
    }

    pub(in crate::gate) fn forget(&self, run: RunId) {
        self.all().remove(&run);
    }
}

/// A low call that was answered, or was not.
pub(in crate::gate) struct Look<'a> {
    pub run: RunId,
    pub origin: &'a Origin,
    pub call: &'a Call,
    pub ran: Vec<Ran>,
    pub took: Span,
    pub answer: &'a Result<Found, ToolError>,
}

impl Gate {
    /// A look is to be recorded with the next commit of its run.
    pub(in crate::gate) fn looked(&self, look: &Look<'_>) {
        let known =
            self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&look.run).cloned();
        let told = known.unwrap_or_default();
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: actor(look.origin),
            kind: AuditKind::Looked,
            payload: payload(look, &told),
        };
        self.looks.add(look.run, look.origin, entry);
    }

    /// Commits the looks of what has no run.
    pub(crate) async fn flush(&self, run: RunId) {
        let waits = self.looks.all().get(&run).is_some_and(|of_run| !of_run.waiting.is_empty());
        if waits && let Err(error) = self.commit(run, |_| Ok(())).await {
            tracing::error!("what was looked at could not be recorded: {error:#}");
        }
    }

    /// One commit of a run: the looks that led to it, and then what is done.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        run: RunId,
        what: impl FnOnce(&mut Db) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let looks = self.looks.take(run);
        let again = looks.clone();
        let committing = move |db: &mut Db| {
            db.atomically(|db| {
                for look in &looks {
                    db.append(look)?;
                }
                what(db)
            })
        };
        let done = self.store.call(committing).await;
        if done.is_err() {
            self.looks.put_back(run, again);
        }
        done
    }
}

fn actor(origin: &Origin) -> String {
    match origin {
        Origin::Proposal(_) => "agent".into(),
        Origin::Operator { uid } => format!("operator uid {uid}"),
        Origin::Drill => "drill".into(),
        Origin::Incident(_) | Origin::Undo(_) | Origin::Timer => "reef".into(),
    }
}

fn payload(look: &Look<'_>, told: &Told) -> AuditPayload {
    let bounded = |text: &str| Tainted::bounded(text, KEPT).as_str().to_owned();
    let Look { run, origin, call, ran, took, answer } = look;
    let mut payload = AuditPayload {
        incident: told.incident,
        // What is only rehearsed has no run.
        run: (0 < run.0).then_some(*run),
        tool: Some(call.tool.to_string()),
        tier: Some(Tier::Low),
        target: Some(call.target.to_string()),
        call: Some(bounded(&call.to_string())),
        reason: told.reason.clone(),
        trigger: Some(origin.to_string()),
        host: Some(call.target.on().to_string()),
        took: Some(*took),
        commands: ran.clone(),
        ..AuditPayload::default()
    };
    match answer {
        Ok(found) => {
            payload.outcome = Some(match found.values.get("code") {
                Some(Value::Int(code)) if ran.is_empty() => format!("code {code}"),
                Some(_) | None => "done".into(),
            });
            payload.output_digest = Some(Digest::of(found.words.as_str().as_bytes()));
        }
        Err(why) => {
            payload.outcome = Some("failed".into());
            payload.errors = Some(bounded(&why.to_string()));
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::IncidentId;
    use crate::model::time::Millis;

    fn entry(call: &str, said: &str) -> AuditEntry {
        let payload = AuditPayload {
            call: Some(call.into()),
            output_digest: Some(Digest::of(said.as_bytes())),
            ..AuditPayload::default()
        };
        AuditEntry { at: Millis(1), actor: "x".into(), kind: AuditKind::Looked, payload }
    }

    #[test]
    fn a_proof_that_sees_the_same_again_is_one_record_and_a_model_is_told_of_each_time() {
        let (looks, run) = (Looks::default(), RunId(1));
        for said in ["a", "a", "b", "b", "a"] {
            looks.add(run, &Origin::Timer, entry("host.run mini", said));
        }
        assert_eq!(looks.take(run).len(), 3);
        assert_eq!(looks.take(run).len(), 0);
        for _ in 0..3 {
            looks.add(run, &Origin::Proposal(IncidentId(1)), entry("host.run mini", "a"));
        }
        assert_eq!(looks.take(run).len(), 3);
        looks.add(RunId(2), &Origin::Timer, entry("host.run mini", "a"));
        assert_eq!(looks.take(RunId(2)).len(), 1, "another run knows nothing of it");
    }

    #[test]
    fn a_run_leaves_so_many_and_what_could_not_be_written_waits_in_its_order() {
        let (looks, run) = (Looks::default(), RunId(1));
        for n in 0..2 * MOST {
            looks.add(run, &Origin::Proposal(IncidentId(1)), entry(&n.to_string(), "a"));
        }
        let taken = looks.take(run);
        assert_eq!(taken.len(), MOST);
        looks.put_back(run, taken.clone());
        assert_eq!(looks.take(run), taken);
        looks.forget(run);
        assert_eq!(looks.take(run), []);
    }

    #[tokio::test]
    async fn a_command_is_noted_for_its_call_and_nowhere_else() {
        let argv = |program: &str| vec![program.to_owned()];
        noted(&argv("df"), Some(0), ["", ""]);
        let (one, other) = (Trace::default(), Trace::default());
        tokio::join!(
            traced(one.clone(), async {
                tokio::task::yield_now().await;
                noted(&argv("ps"), Some(1), ["a", "b"]);
            }),
            traced(other.clone(), async { noted(&argv("df"), None, ["", ""]) }),
        );
        let ran = one.taken();
        assert_eq!((ran.len(), ran[0].argv.clone(), ran[0].code), (1, argv("ps"), Some(1)));
        assert_eq!(ran[0].output_digest, Some(Digest::of(b"ab")));
        assert_eq!(other.taken()[0].argv, argv("df"));
    }
}
