//! One step happens: judged, recorded, then run.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::gate::again::{Carried, Carrying};
use crate::gate::crash::Point;
use crate::gate::facts;
use crate::gate::hands::InUse;
use crate::gate::permit::Trace;
use crate::gate::promise;
use crate::gate::record;
use crate::gate::rules::{Mode, Rules};
use crate::gate::tool::{Action, Parsed};
use crate::gate::{Acted, Gate, tier_of, undoing};
use crate::model::audit::{AuditKind, Ran};
use crate::model::digest::Digest;
use crate::model::ids::ActionId;
use crate::model::plan::{Origin, Plan, Step, Verdict};
use crate::model::time::{Millis, Span};
use crate::model::told::Told;
use crate::model::tool::{ActionResult, ToolSpec};
use crate::policy::judge::{Asked, judge, only_hands, waits};
use crate::store::actions::{ActionRow, Drill};
use crate::store::db::Db;

/// What cannot be recorded does not happen.
const UNWRITTEN: &str = "the audit log cannot be written";

/// How an action ended, for its record.
struct Ended<'a> {
    id: ActionId,
    result: &'a ActionResult,
    took: Span,
    ran: Vec<Ran>,
    /// What low tools said right after, where it did not end well.
    around: Vec<String>,
}

/// What a record keeps of why an action failed: both outputs, and those of a second try.
const KEPT: usize = 2_000;

/// What the judging transaction came to.
enum Dispatch {
    Go(ActionId),
    Already(Box<ActionRow>),
    No(String),
    Later(String),
    Ask(String),
}

impl Gate {
    /// Dispatches step `n` of a plan, at most once in a run's whole life: a step that an earlier life
    /// closed answers with what it left, one that was never closed answers [`Acted::Open`].
    pub async fn act(&self, plan: &Plan, n: usize) -> anyhow::Result<Acted> {
        let Some(step) = plan.steps.get(n).cloned() else {
            return Ok(Acted::Refused(format!("the plan has no step {}", n + 1)));
        };
        let (spec, action) = match self.parse(&step.call) {
            Ok((spec, Parsed::Action(action))) => (spec, action),
            Ok((_, Parsed::Query(_))) => return Ok(Acted::Refused("it only looks".into())),
            Err(error) => return Ok(Acted::Refused(error.to_string())),
        };
        // A plan says what it was judged by; what counts is what the tool says now.
        let told_otherwise = contradicts(&step, &spec, action.as_ref());
        let step = match tokio::time::timeout(spec.timeout.duration(), action.replicas()).await {
            Ok(Ok(replicas)) => Step { replicas, ..step },
            Ok(Err(error)) => return Ok(Acted::Refused(error.to_string())),
            Err(_) => return Ok(Acted::Refused("nobody says how many replicas are left".into())),
        };
        let in_use = self.in_use(plan).await;
        let now = self.clock.now();
        // Without it the record would not say why, so it is as a log that cannot be written.
        let told = match self.told(plan.run).await {
            Ok(told) => told,
            Err(error) => return Ok(Acted::Refused(format!("{UNWRITTEN}: {error:#}"))),
        };
        let dispatch = {
            let run = plan.run;
            let (plan, step, rules, told) =
                (plan.clone(), step.clone(), self.rules(), told.clone());
            let judged = move |db: &mut Db| {
                let judging = Judging { rules: &rules, in_use: &in_use, told: &told };
                db.atomically(|db| {
                    if let Some(why) = told_otherwise {
                        return refuse(db, &plan, &step, &told, why, now);
                    }
                    dispatch(db, &judging, &plan, &step, now)
                })
            };
            match self.commit(run, judged).await {
                Ok(dispatch) => dispatch,
                // What cannot be recorded does not happen.
                Err(error) => {
                    return Ok(Acted::Refused(format!("{UNWRITTEN}: {error:#}")));
                }
            }
        };
        let id = match dispatch {
            Dispatch::Go(id) => id,
            Dispatch::Already(row) => return Ok(as_left(&row)),
            Dispatch::No(why) => return Ok(Acted::Refused(why)),
            Dispatch::Later(why) => return Ok(Acted::Busy(why)),
            Dispatch::Ask(why) => return Ok(Acted::Asks(why)),
        };
        self.reached(Point::Dispatched);
        let ran = Trace::default();
        let carrying = Carrying {
            tools: self.tools(),
            store: self.store.clone(),
            points: self.points(),
            run: plan.run,
            id,
            step: step.clone(),
            trace: ran.clone(),
            once_more: record::of_step(plan, &step, AuditKind::Noted, &told, now),
        };
        let began = Instant::now();
        let (ended, result) = oneshot::channel();
        // Whoever asked may be gone; the action goes on, and its dispatch stays open.
        self.tasks.spawn(async move { drop(ended.send(carrying.carry(action).await)) });
        // A task that panics drops its sender: nobody knows how far it came.
        let Carried { result, around } = result.await.unwrap_or_else(|_| Carried {
            result: ActionResult::Unknown("the tool broke while it ran".into()),
            around: Vec::new(),
        });
        let took = began.elapsed().into();
        let ended = Ended { id, result: &result, took, ran: ran.taken(), around };
        self.close(plan, &step, &told, ended).await;
        Ok(Acted::Ended(result))
    }

    /// Writes how an action ended. Where that fails the dispatch stays open, which reads as unknown.
    async fn close(&self, plan: &Plan, step: &Step, told: &Told, ended: Ended<'_>) {
        let Ended { id, result, took, ran, around } = ended;
        let mut entry = record::of_step(plan, step, AuditKind::Closed, told, self.clock.now());
        entry.payload.tools_called = told.tools_and(&step.call.tool);
        entry.payload.action = Some(id);
        entry.payload.outcome = Some(result.word().to_owned());
        entry.payload.took = Some(took);
        entry.payload.output_digest = Some(Digest::of(result.words().as_bytes()));
        entry.payload.commands = ran;
        entry.payload.around = around;
        match result {
            ActionResult::Done(words) => {
                entry.payload.output_excerpt = Some(words.chars().take(500).collect());
            }
            ActionResult::NotStarted(why)
            | ActionResult::Failed(why)
            | ActionResult::Unknown(why) => {
                entry.payload.errors = Some(why.chars().take(KEPT).collect());
            }
        }
        let points = self.points();
        let closing = move |db: &mut Db| {
            db.atomically(|db| {
                db.append(&entry)?;
                points.reached(Point::CloseInserted);
                Ok(())
            })
        };
        match self.store.call(closing).await {
            Ok(()) => self.reached(Point::CloseCommitted),
            Err(error) => {
                tracing::error!(action = %id, "the end of the action could not be recorded: {error:#}");
            }
        }
    }
}

/// What a step is judged with beside the store.
struct Judging<'a> {
    rules: &'a Rules,
    in_use: &'a InUse,
    told: &'a Told,
}

fn dispatch(
    db: &mut Db,
    judging: &Judging<'_>,
    plan: &Plan,
    step: &Step,
    now: Millis,
) -> anyhow::Result<Dispatch> {
    let Judging { rules, in_use, told } = *judging;
    if let Some(row) = facts::already(db, plan, step)? {
        return Ok(Dispatch::Already(Box::new(row)));
    }
    // It may have been undone by another since this was asked. What was promised takes back what nobody knows of too.
    if plan.origin != Origin::Timer
        && let Some(undone) = told.undoes.map(|id| db.action(id)).transpose()?.flatten()
        && let Some(why) = undoing::no_more(db, &undone, now)?
    {
        return refuse(db, plan, step, told, why, now);
    }
    let facts = facts::read(db, rules, plan, step, in_use, now);
    let asked = Asked { run: plan.run, plan: plan.digest(), origin: &plan.origin, step };
    let verdict = match &facts {
        Ok(facts) => judge(&asked, Ok(facts), now),
        Err(error) => judge(&asked, Err(&format!("{error:#}")), now),
    };
    let verdict = match rules.mode {
        Mode::Live => verdict,
        Mode::DryRun => {
            verdict.and(Verdict::Forbid { why: "a dry run: nothing is dispatched".into() })
        }
    };
    if let Ok(facts) = &facts
        && rules.mode == Mode::Live
        && let Some(why) = waits(&asked, facts, now)
    {
        return Ok(Dispatch::Later(why));
    }
    let why = match verdict {
        Verdict::Allow => match db.take_leases(&step.lease, plan.run, now)? {
            Ok(()) => {
                let drill = if plan.origin == Origin::Drill { Drill::Yes } else { Drill::No };
                let approval = facts::approved_by(db, plan)?;
                let until = undoing::until(db, plan.run, step, now)?;
                let entry = record::dispatched(plan, step, told, approval, until, now);
                let id = db.dispatched(&entry, plan.run, step, drill)?;
                promise::make(db, id, step, now)?;
                return Ok(Dispatch::Go(id));
            }
            Err(key) => format!("{key} is in use by another run"),
        },
        // Somebody came meanwhile, and nothing else stands against it: they may say yes to what is left.
        Verdict::Ask { why }
            if facts.as_ref().is_ok_and(|facts| only_hands(&asked, facts, now)) =>
        {
            return Ok(Dispatch::Ask(why));
        }
        Verdict::Ask { why } => format!("it would need a yes: {why}"),
        Verdict::Forbid { why } => why,
    };
    refuse(db, plan, step, told, why, now)
}

/// Why a step is not what its tool makes of its call: milder than it is, or without what must be free for it.
fn contradicts(step: &Step, spec: &ToolSpec, action: &dyn Action) -> Option<String> {
    let tier = tier_of(spec, action);
    if step.tier < tier {
        return Some(format!("the plan calls {} {}, and it is {tier}", step.call, step.tier));
    }
    let missing = action.lease().into_iter().find(|key| !step.lease.contains(key))?;
    Some(format!("the plan does not say that {} needs {missing} for itself", step.call))
}

fn refuse(
    db: &mut Db,
    plan: &Plan,
    step: &Step,
    told: &Told,
    why: String,
    now: Millis,
) -> anyhow::Result<Dispatch> {
    let mut entry = record::of_step(plan, step, AuditKind::Refused, told, now);
    entry.payload.outcome = Some("forbid".into());
    entry.payload.errors = Some(why.clone());
    db.append(&entry)?;
    Ok(Dispatch::No(why))
}

/// What an earlier dispatch of the same step left behind.
fn as_left(row: &ActionRow) -> Acted {
    let Some((_, word)) = &row.closed else { return Acted::Open };
    let said = format!("{word}, as recorded before reef was restarted");
    Acted::Ended(match word.as_str() {
        "done" => ActionResult::Done(said),
        "not started" => ActionResult::NotStarted(said),
        "failed" => ActionResult::Failed(said),
        _ => ActionResult::Unknown(said),
    })
}
