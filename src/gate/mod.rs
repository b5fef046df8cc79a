//! The one door: what may happen is judged and recorded here before it happens.
//!
//! A plan comes in by [`Gate::submit`], which answers and never waits: waiting is a state of the run.
//! [`Gate::act`] dispatches one step: one `BEGIN IMMEDIATE` reads what the verdict depends on, policy
//! judges those values, and the same commit appends `dispatched` or `refused`. Only then is there a
//! [`permit::Permit`], and only a permit opens the clients that can change anything.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::gate::crash::{Point, Points, Unwatched};
use crate::gate::hands::Onlooker;
use crate::gate::looks::{Look, Looks};
use crate::gate::permit::Trace;
use crate::gate::rules::Rules;
use crate::gate::tool::{Action, Parsed, Spelled, Tool};
use crate::model::approval::Approval;
use crate::model::ids::{RunId, StepName, ToolName};
use crate::model::plan::{Origin, Step};
use crate::model::told::Told;
use crate::model::tool::{ActionResult, Call, Found, Tier, ToolError, ToolSpec};
use crate::store::Store;

pub mod act;
pub(crate) mod again;
pub mod crash;
pub mod facts;
pub mod hands;
pub mod looks;
pub mod permit;
pub mod promise;
pub(crate) mod record;
pub mod rules;
pub mod settle;
pub mod submit;
#[cfg(test)]
mod tests;
pub mod tool;
pub mod undoing;
pub mod words;

/// The gate. One for the daemon's life.
pub struct Gate {
    /// Swapped whole by a reload; what was parsed from the old ones goes on.
    tools: RwLock<Tools>,
    store: Store,
    clock: Arc<dyn Clock>,
    rules: watch::Receiver<Arc<Rules>>,
    /// Actions run in tasks of their own, which nobody drops.
    tasks: TaskTracker,
    /// What each run is about, for its records: as it is told, and then as it is stored with the run.
    told: Mutex<BTreeMap<RunId, Told>>,
    /// Looks that wait for their run's next commit.
    looks: Looks,
    points: Arc<dyn Points>,
    /// Tells who works on a host by hand; swapped with the hosts.
    onlooker: RwLock<Option<Arc<dyn Onlooker>>>,
}

type Tools = Arc<BTreeMap<ToolName, Box<dyn Tool>>>;

/// What became of a submitted plan.
#[derive(Debug)]
pub enum Submitted {
    Allowed,
    Asked(Approval),
    /// Under observe or in a dry run: recorded what would have been done, in these words.
    Observed(String),
    Forbidden(String),
}

/// What became of a step.
#[derive(Debug)]
pub enum Acted {
    Ended(ActionResult),
    /// An earlier life dispatched it and never closed it: nobody knows. It is not dispatched again.
    Open,
    Refused(String),
    /// Another run is at work on the same thing or host: later, then. Nothing is recorded.
    Busy(String),
    /// Somebody came to the host since the plan was allowed: a human is to be asked now. Nothing is recorded.
    Asks(String),
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gate with {} tools", self.tools().len())
    }
}

impl Gate {
    pub fn new(
        tools: Vec<Box<dyn Tool>>,
        store: Store,
        clock: Arc<dyn Clock>,
        rules: watch::Receiver<Arc<Rules>>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            tools: RwLock::new(by_name(tools)),
            store,
            clock,
            rules,
            tasks,
            told: Mutex::default(),
            looks: Looks::default(),
            points: Arc::new(Unwatched),
            onlooker: RwLock::new(None),
        }
    }

    /// From now on somebody tells who works on the hosts.
    pub fn look_by(&self, onlooker: Arc<dyn Onlooker>) {
        *self.onlooker.write().unwrap_or_else(PoisonError::into_inner) = Some(onlooker);
    }

    fn onlooker(&self) -> Option<Arc<dyn Onlooker>> {
        self.onlooker.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same gate, with somebody who is told of each crash point.
    #[must_use]
    pub fn watched(mut self, points: Arc<dyn Points>) -> Self {
        self.points = points;
        self
    }

    /// A point on the way of a plan was reached.
    pub(crate) fn reached(&self, point: Point) {
        self.points.reached(point);
    }

    /// For what reaches a point inside a transaction.
    pub(crate) fn points(&self) -> Arc<dyn Points> {
        Arc::clone(&self.points)
    }

    fn tools(&self) -> Tools {
        Arc::clone(&self.tools.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other tools from now on: the config names other things.
    pub fn replace_tools(&self, tools: Vec<Box<dyn Tool>>) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = by_name(tools);
    }

    pub fn spec(&self, name: &ToolName) -> Option<ToolSpec> {
        self.tools().get(name).map(|tool| tool.spec().clone())
    }

    /// All tools, by name.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.tools().values().map(|tool| tool.spec().clone()).collect()
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// Runs a low call of a run. What is above low is refused here: there is no permit on this way. What a model
    /// chose, and what the call itself spells out, is recorded with the run's next commit.
    pub async fn query(
        &self,
        run: RunId,
        origin: &Origin,
        call: &Call,
    ) -> Result<Found, ToolError> {
        let (spec, parsed) = self.parse(call)?;
        let Parsed::Query(query) = parsed else {
            return Err(ToolError::Refused(format!(
                "{} changes things, so it cannot be asked as a question",
                call.tool
            )));
        };
        let within = spec.timeout;
        let recorded = match (origin, query.spelled()) {
            (Origin::Proposal(_), _) | (_, Spelled::Out) => Some(Trace::default()),
            (_, Spelled::No) => None,
        };
        let began = tokio::time::Instant::now();
        let asking = looks::traced(recorded.clone().unwrap_or_default(), query.run());
        let answer = match tokio::time::timeout(within.duration(), asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ToolError::Failed(format!("no answer within {within}"))),
        };
        if let Some(ran) = recorded {
            let (ran, took, answer) = (ran.taken(), began.elapsed().into(), &answer);
            self.looked(&Look { run, origin, call, ran, took, answer });
        }
        answer
    }

    /// What a call above low would do, as a step that can be judged. Changes nothing.
    pub async fn preview(&self, name: &StepName, call: &Call) -> Result<Step, ToolError> {
        let (spec, parsed) = self.parse(call)?;
        let Parsed::Action(action) = parsed else {
            return Err(ToolError::Refused(format!(
                "{} only looks, so it is no step of a plan",
                call.tool
            )));
        };
        let within = spec.timeout;
        let looking = async {
            let (effect, undo) = action.preview().await?;
            Ok::<_, ToolError>((effect, undo, action.replicas().await?))
        };
        let (effect, undo, replicas) = match tokio::time::timeout(within.duration(), looking).await
        {
            Ok(previewed) => previewed?,
            Err(_) => {
                let why = format!("its preview did not end within {within}");
                return Err(ToolError::Failed(why));
            }
        };
        Ok(Step {
            name: name.clone(),
            call: call.clone(),
            tier: tier_of(&spec, action.as_ref()),
            effect,
            undo,
            repeat: action.repeat(),
            lease: action.lease(),
            replicas,
            holds: action.holds(),
        })
    }

    /// What a run is about, for its records. It is stored with the run's plan.
    pub fn tell(&self, run: RunId, told: Told) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(run).and_modify(|t| t.reason.clone_from(&told.reason)).or_insert(told);
    }

    /// A low call was made in a run that was told of.
    pub fn called(&self, run: RunId, call: &Call) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = all.get_mut(&run) {
            told.called(call);
        }
    }

    /// What a look of the verification showed, for the record of the proof.
    pub fn showed(&self, run: RunId, proof: String) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = all.get_mut(&run) {
            told.proof = Some(proof);
        }
    }

    /// What was told of a run, in this life or in one before it.
    pub async fn told(&self, run: RunId) -> anyhow::Result<Told> {
        if let Some(told) = self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&run) {
            return Ok(told.clone());
        }
        let stored = self.store.call(move |db| db.told(run)).await?.unwrap_or_default();
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.entry(run).or_insert(stored).clone())
    }

    /// The run ended: nothing more will be recorded of it.
    pub fn forget(&self, run: RunId) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&run);
        self.looks.forget(run);
    }

    fn parse(&self, call: &Call) -> Result<(ToolSpec, Parsed), ToolError> {
        let tools = self.tools();
        let tool = tools.get(&call.tool);
        let tool =
            tool.ok_or_else(|| ToolError::Refused(format!("there is no tool {}", call.tool)))?;
        Ok((tool.spec().clone(), tool.parse(call)?))
    }
}

/// A step for tests of what takes a permit.
#[cfg(test)]
pub(crate) fn step_for_test() -> Step {
    tests::step(0)
}

/// A tool that calls itself milder than its table allows is taken at its word. Beyond its table it is a defect, and
/// what is unclassified is critical.
fn tier_of(spec: &ToolSpec, action: &dyn Action) -> Tier {
    let tier = action.tier();
    if tier <= spec.max_tier { tier } else { Tier::Critical }
}

fn by_name(tools: Vec<Box<dyn Tool>>) -> Tools {
    Arc::new(tools.into_iter().map(|tool| (tool.spec().name.clone(), tool)).collect())
}
