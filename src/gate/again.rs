//! One dispatched action carried out: once; a second time only where that can do no harm; and a look around where
//! it went wrong. The same for every tool, whatever it reaches.
//!
//! A second try is for what provably reached nobody, and for what its tool declares [`Repeat::Safe`]. It is recorded
//! before it happens, in the commit that sees that nobody paused meanwhile. What ended otherwise is for a human. A look
//! may always be taken again.

use std::sync::Arc;
use std::time::Duration;

use crate::gate::crash::{Point, Points};
use crate::gate::facts::PAUSED;
use crate::gate::permit::{Permit, Trace, Way};
use crate::gate::tool::{Action, Parsed};
use crate::gate::{Gate, Tools};
use crate::model::audit::AuditEntry;
use crate::model::ids::{ActionId, RunId, ToolName};
use crate::model::plan::{Origin, Step};
use crate::model::target::{Target, Thing};
use crate::model::tool::{ActionResult, Call, Found, Repeat, ToolError};
use crate::model::value::{Value, Values};
use crate::store::Store;

/// Before the second try.
const PAUSE: Duration = Duration::from_secs(1);
/// What all looks after a failure may take together: somebody waits to be told.
const LOOKS: Duration = Duration::from_secs(20);
/// What is kept of each look, in characters.
const KEPT: usize = 1_200;
/// Things that are looked at; a call is mostly about one.
const THINGS: usize = 2;

/// What carrying out one step takes.
pub(in crate::gate) struct Carrying {
    pub tools: Tools,
    pub store: Store,
    pub points: Arc<dyn Points>,
    pub run: RunId,
    pub id: ActionId,
    pub step: Step,
    pub trace: Trace,
    /// The record of a second try.
    pub once_more: AuditEntry,
}

/// How it ended, and what was seen around it where it did not end well.
pub(in crate::gate) struct Carried {
    pub result: ActionResult,
    pub around: Vec<String>,
}

impl Carrying {
    pub(in crate::gate) async fn carry(self, action: Box<dyn Action>) -> Carried {
        self.points.reached(Point::Sending);
        let repeat = action.repeat();
        let first = action.run(self.permit()).await;
        let result = match self.second(repeat, &first).await {
            Some(action) => together(&first, &action.run(self.permit()).await),
            None => first,
        };
        self.points.reached(Point::EffectDone);
        let around = match &result {
            ActionResult::Failed(_) | ActionResult::Unknown(_) => self.look_around().await,
            ActionResult::Done(_) | ActionResult::NotStarted(_) => Vec::new(),
        };
        Carried { result, around }
    }

    fn permit(&self) -> Permit {
        Permit::issue(self.run, self.id, self.step.clone(), self.trace.clone())
    }

    /// The action anew, once it stands in the log that it is tried again.
    async fn second(&self, repeat: Repeat, first: &ActionResult) -> Option<Box<dyn Action>> {
        // The plan that was judged must say so too.
        let safe = repeat == Repeat::Safe && self.step.repeat == Repeat::Safe;
        if !may_again(first, self.trace.way(), if safe { Repeat::Safe } else { Repeat::Never }) {
            return None;
        }
        let action = match self.tools.get(&self.step.call.tool)?.parse(&self.step.call) {
            Ok(Parsed::Action(action)) => action,
            Ok(Parsed::Query(_)) | Err(_) => return None,
        };
        tokio::time::sleep(PAUSE).await;
        let mut entry = self.once_more.clone();
        entry.payload.action = Some(self.id);
        entry.payload.outcome = Some("tried once more".into());
        entry.payload.errors = Some(format!("{}: {}", first.word(), first.words()));
        let recorded = self.store.call(move |db| {
            db.atomically(|db| {
                let paused = db.flag(PAUSED)?.is_some();
                if !paused {
                    db.append(&entry)?;
                }
                Ok(!paused)
            })
        });
        // What cannot be recorded does not happen.
        recorded.await.unwrap_or(false).then_some(action)
    }

    /// What low tools say of the things that the step is about; a look that brings nothing is left out.
    async fn look_around(&self) -> Vec<String> {
        let mut said = Vec::new();
        let until = tokio::time::Instant::now() + LOOKS;
        for call in looks(&self.step.call) {
            let Some(Ok(Parsed::Query(query))) =
                self.tools.get(&call.tool).map(|tool| tool.parse(&call))
            else {
                continue;
            };
            if let Ok(Ok(found)) = tokio::time::timeout_at(until, query.run()).await {
                let words: String = found.words.as_str().chars().take(KEPT).collect();
                said.push(format!("{}: {words}", call.tool));
            }
        }
        said
    }
}

impl Gate {
    /// Runs a low call as [`Gate::query`] does, and once more where nothing answered: a link that was broken for a moment
    /// is no reason to wake anybody. Both errors are told where they differ.
    pub async fn query_again(
        &self,
        run: RunId,
        origin: &Origin,
        call: &Call,
    ) -> Result<Found, ToolError> {
        let first = match self.query(run, origin, call).await {
            Err(ToolError::Failed(first)) => first,
            answered @ (Ok(_) | Err(ToolError::Refused(_))) => return answered,
        };
        tokio::time::sleep(PAUSE).await;
        self.query(run, origin, call).await.map_err(|second| match second {
            ToolError::Failed(second) if second != first => {
                ToolError::Failed(format!("{second} (the first time: {first})"))
            }
            same @ (ToolError::Failed(_) | ToolError::Refused(_)) => same,
        })
    }
}

/// Whether it may be tried a second time.
fn may_again(first: &ActionResult, way: Way, repeat: Repeat) -> bool {
    match (first, way, repeat) {
        (ActionResult::Done(_), _, _) | (_, Way::Denied, _) => false,
        // Somebody looked and said no, which means stop; where nobody was there to say anything, it may come.
        (ActionResult::NotStarted(_), way, _) => way == Way::Unreached,
        (ActionResult::Failed(_) | ActionResult::Unknown(_), _, repeat) => repeat == Repeat::Safe,
    }
}

/// What two tries come to: what the first may have done is not undone by the second that was refused.
fn together(first: &ActionResult, second: &ActionResult) -> ActionResult {
    let words = format!(
        "at the second try: {} (the first was {}: {})",
        second.words(),
        first.word(),
        first.words()
    );
    match (first, second) {
        // What is left to a human stands at the end of what was done.
        (_, ActionResult::Done(did)) => {
            ActionResult::Done(format!("at the second try, the first was {}: {did}", first.word()))
        }
        (ActionResult::Unknown(_), _) | (_, ActionResult::Unknown(_)) => {
            ActionResult::Unknown(words)
        }
        (ActionResult::NotStarted(_), ActionResult::NotStarted(_)) => {
            ActionResult::NotStarted(words)
        }
        (_, ActionResult::NotStarted(_) | ActionResult::Failed(_)) => ActionResult::Failed(words),
    }
}

/// What is looked at after a failure, by what a call is about: its own target first, then what its arguments name.
pub(crate) fn looks(failed: &Call) -> Vec<Call> {
    let named = failed.args.values().filter_map(|value| match value {
        Value::Target(target) => Some(target),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Path(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::List(_)
        | Value::Text(_) => None,
    });
    let mut things: Vec<&Target> = std::iter::once(&failed.target).chain(named).collect();
    things.dedup();
    let about = |thing: &Target| {
        let of = move |(tool, arg, more): &(&'static str, &'static str, &[(&str, i64)])| {
            let mut args = Values::new();
            if !arg.is_empty() {
                args.insert((*arg).to_owned(), Value::Target(thing.clone()));
            }
            args.extend(more.iter().map(|(name, n)| ((*name).to_owned(), Value::Int(*n))));
            let (target, bounds) = (thing.clone(), failed.bounds.clone());
            Call { tool: ToolName::of(tool), target, args, bounds }
        };
        of_thing(thing).iter().map(of).collect::<Vec<_>>()
    };
    let all = things.into_iter().map(about).filter(|calls| !calls.is_empty());
    all.take(THINGS).flatten().collect()
}

/// A low tool, the argument that takes the thing, and counts beside it.
type Look = (&'static str, &'static str, &'static [(&'static str, i64)]);

fn of_thing(thing: &Target) -> &'static [Look] {
    match thing.thing() {
        Thing::Unit => &[("unit.status", "unit", &[]), ("unit.logs", "unit", &[("lines", 100)])],
        Thing::Container | Thing::Composed => &[
            ("container.inspect", "container", &[]),
            ("container.logs", "container", &[("lines", 100)]),
        ],
        Thing::Stack => &[("compose.ps", "stack", &[])],
        Thing::Object => of_object(thing),
        Thing::Member => &[("kube.node", "node", &[]), ("kube.events", "about", &[])],
        Thing::Path => &[("host.df", "", &[])],
        Thing::Host
        | Thing::Process
        | Thing::Endpoint
        | Thing::Interface
        | Thing::Log
        | Thing::Backup
        | Thing::Check
        | Thing::Service
        | Thing::Node
        | Thing::Terraform
        | Thing::Playbook
        | Thing::Mcp
        | Thing::Vm
        | Thing::Reef => &[],
    }
}

fn of_object(thing: &Target) -> &'static [Look] {
    use crate::model::object::ObjectKind;
    match thing.as_object().map(|object| object.kind()) {
        Some(ObjectKind::Pod) => &[
            ("kube.pod", "pod", &[]),
            ("kube.events", "about", &[]),
            ("kube.logs", "pod", &[("lines", 100)]),
        ],
        Some(ObjectKind::Deployment | ObjectKind::StatefulSet | ObjectKind::DaemonSet) => {
            &[("kube.pods", "workload", &[]), ("kube.events", "about", &[])]
        }
        Some(
            ObjectKind::Job
            | ObjectKind::CronJob
            | ObjectKind::Claim
            | ObjectKind::Secret
            | ObjectKind::Ingress,
        ) => &[("kube.events", "about", &[])],
        None => &[],
    }
}

/// What a test wants to know of a step that was carried out.
#[cfg(test)]
pub(crate) struct CarriedOut {
    pub result: ActionResult,
    pub around: Vec<String>,
    pub tries: usize,
}

/// Carries a step out as the gate does once it was dispatched, with these tools and a store of its own.
#[cfg(test)]
pub(crate) async fn carried_out(
    tools: Vec<Box<dyn crate::gate::tool::Tool>>,
    step: &Step,
) -> CarriedOut {
    use crate::gate::crash::Unwatched;
    use crate::model::audit::{AuditKind, AuditPayload};
    use crate::model::time::Millis;
    use crate::store::audit::AuditFilter;

    let tools = crate::gate::by_name(tools);
    let store = Store::in_memory().unwrap();
    let Ok(Parsed::Action(action)) = tools[&step.call.tool].parse(&step.call) else {
        panic!("{} is no action", step.call)
    };
    let (at, actor, kind) = (Millis(1), "a test".to_owned(), AuditKind::Noted);
    let carrying = Carrying {
        tools,
        store: store.clone(),
        points: Arc::new(Unwatched),
        run: RunId(1),
        id: ActionId(1),
        step: step.clone(),
        trace: Trace::default(),
        once_more: AuditEntry { at, actor, kind, payload: AuditPayload::default() },
    };
    let Carried { result, around } = carrying.carry(action).await;
    let noted = store.call_now(|db| db.audit_list(&AuditFilter::default())).unwrap();
    CarriedOut { result, around, tries: 1 + noted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_is_for_what_reached_nobody_or_is_safe() {
        let of = |word: &str| match word {
            "done" => ActionResult::Done("d".into()),
            "not started" => ActionResult::NotStarted("n".into()),
            "failed" => ActionResult::Failed("f".into()),
            _ => ActionResult::Unknown("u".into()),
        };
        use Repeat::{Never, Safe};
        for (first, way, repeat, may) in [
            ("done", Way::Unsaid, Safe, false),
            ("not started", Way::Unreached, Never, true),
            // A conflict, a budget, a look that says no.
            ("not started", Way::Unsaid, Never, false),
            ("not started", Way::Unsaid, Safe, false),
            ("not started", Way::Denied, Safe, false),
            ("failed", Way::Unsaid, Never, false),
            ("failed", Way::Unreached, Never, false),
            ("failed", Way::Unsaid, Safe, true),
            ("failed", Way::Denied, Safe, false),
            ("unknown", Way::Unsaid, Never, false),
            ("unknown", Way::Unsaid, Safe, true),
        ] {
            assert_eq!(may_again(&of(first), way, repeat), may, "{first} {way:?} {repeat:?}");
        }
    }

    #[test]
    fn what_the_first_try_may_have_done_is_not_forgotten() {
        let unknown = ActionResult::Unknown("lost".into());
        let failed = ActionResult::Failed("exit 1".into());
        let not_started = ActionResult::NotStarted("it is so already".into());
        assert_eq!(together(&unknown, &not_started).word(), "unknown");
        assert_eq!(together(&failed, &not_started).word(), "failed");
        assert_eq!(together(&failed, &unknown).word(), "unknown");
        assert_eq!(together(&not_started, &failed).word(), "failed");
        let done = together(&unknown, &ActionResult::done_but("did it", "mend the cron"));
        assert_eq!(ActionResult::left(done.words()), Some("mend the cron"));
        let both = together(&failed, &ActionResult::Failed("exit 2".into()));
        assert!(both.words().contains("exit 1") && both.words().contains("exit 2"), "{both:?}");
    }
}
