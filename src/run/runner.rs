//! What a run needs of the world, and how runs begin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Fut;
use crate::agent::Agent;
use crate::clock::Clock;
use crate::gate::Gate;
use crate::model::ids::{HostName, IncidentId, RunId, RunbookName, Word};
use crate::model::incident::{IncidentEvent, IncidentState};
use crate::model::plan::{Origin, RunbookRef};
use crate::model::reading::Reading;
use crate::model::run::RunState;
use crate::model::target::{Signal, Target};
use crate::model::time::Millis;
use crate::model::value::Values;
use crate::policy::budget::Caps;
use crate::runbook::Runbook;
use crate::store::Store;
use crate::store::budgets::Periods;

/// Fresh looks on demand; the tick loop gives them.
pub trait Looker: Send + Sync + fmt::Debug {
    /// Looks at one signal now. The look begins after the call. An error says why there was none.
    fn look<'a>(&'a self, signal: &'a Signal) -> Fut<'a, Result<Reading, String>>;
    /// The last readings of everything on a host, for context.
    fn around<'a>(&'a self, host: &'a HostName) -> Fut<'a, Vec<Reading>>;
}

/// The runbooks in force.
pub type Books = Arc<Vec<Runbook>>;

/// Carries runs. One for the daemon's life.
pub struct Runner {
    pub gate: Arc<Gate>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub looker: Arc<dyn Looker>,
    pub books: watch::Receiver<Books>,
    pub agent: watch::Receiver<Option<Arc<Agent>>>,
    /// Moves whenever a human answered something.
    pub answers: watch::Sender<u64>,
    /// Moves whenever a run ended: incidents look again.
    pub endings: watch::Sender<u64>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    /// The budgets in force.
    pub caps: Box<dyn Fn() -> Caps + Send + Sync>,
    /// When the current day and month began, in the operator's zone.
    pub periods: Box<dyn Fn(Millis) -> Periods + Send + Sync>,
    /// `08:41`, in the operator's zone.
    pub hm: Box<dyn Fn(Millis) -> String + Send + Sync>,
    /// What the operator keeps about the hosts: `inventory.md` of the state folder, whether it is there or not.
    pub inventory: PathBuf,
    /// Bytes for the fence around what a model is shown; fresh each time.
    pub nonce: fn() -> [u8; 16],
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("runner")
    }
}

/// What a run is begun with.
#[derive(Debug, Clone)]
pub struct Start {
    pub origin: Origin,
    pub incident: Option<IncidentId>,
    /// `None`: no runbook fits; diagnosis, and the human.
    pub runbook: Option<RunbookName>,
    /// What it is about where there is no incident.
    pub on: Option<Target>,
    /// `--set k=v` of the operator.
    pub params: Values,
    pub awake: Awake,
}

/// Whether a human sits there and waits for the question: quiet hours hold nothing back then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Awake {
    #[default]
    Unknown,
    Yes,
}

impl Start {
    /// What its origin says and nothing else: of no incident, by no runbook.
    pub(crate) fn by(origin: Origin, on: Option<Target>) -> Self {
        let (incident, runbook, params) = (None, None, Values::new());
        Self { origin, incident, runbook, on, params, awake: Awake::Unknown }
    }
}

impl Runner {
    /// Stores a new run and carries it in a task of its own.
    pub async fn start(self: &Arc<Self>, start: Start) -> anyhow::Result<RunId> {
        let run = self.create(&start).await?;
        self.go_on(run, start);
        Ok(run)
    }

    /// Stores a new run without carrying it: for what is inquired while the operator watches.
    pub async fn create(&self, start: &Start) -> anyhow::Result<RunId> {
        let now = self.clock.now();
        let runbook = match &start.runbook {
            Some(name) => Some(self.reference(name)?),
            None => None,
        };
        let (origin, incident) = (start.origin.clone(), start.incident);
        self.store.call(move |db| db.new_run(&origin, incident, runbook.as_ref(), now)).await
    }

    /// Stores a new run for an incident that is open: both move in one commit, so that no crash leaves
    /// a run without its incident or begins a second one. `None`: it is over meanwhile.
    pub async fn create_for(
        &self,
        incident: IncidentId,
        start: &Start,
    ) -> anyhow::Result<Option<RunId>> {
        let now = self.clock.now();
        let runbook = match &start.runbook {
            Some(name) => Some(self.reference(name)?),
            None => None,
        };
        let origin = start.origin.clone();
        self.store
            .call(move |db| {
                db.atomically(|db| {
                    let found = db.incident(incident)?;
                    let Some(mut found) = found.filter(|i| i.state == IncidentState::Open) else {
                        return Ok(None);
                    };
                    let run = db.new_run(&origin, Some(incident), runbook.as_ref(), now)?;
                    found.state = found.state.next(IncidentEvent::Start { run }, now)?;
                    db.save_incident(&found)?;
                    Ok(Some(run))
                })
            })
            .await
    }

    /// Carries a stored run on, in a task of its own.
    pub fn go_on(self: &Arc<Self>, run: RunId, start: Start) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = this.carry(run, &start).await {
                tracing::error!(%run, "the run could not be carried on: {error:#}");
            }
        });
    }

    /// Picks up what an earlier life left: called once, before the first incident of this one.
    pub async fn resume(self: &Arc<Self>) -> anyhow::Result<usize> {
        let rows = self.store.call(|db| db.unended_runs()).await?;
        let n = rows.len();
        for row in rows {
            let start = Start {
                origin: row.origin.clone(),
                incident: row.incident,
                runbook: row.runbook.map(|r| r.name),
                on: None,
                params: BTreeMap::new(),
                awake: Awake::Unknown,
            };
            let retold = row.incident.is_some() || matches!(row.origin, Origin::Undo(_));
            let lost = matches!(row.state, RunState::Inquiring { .. }) && !retold;
            if lost {
                // What the operator had typed is gone with the terminal; nothing was done yet.
                self.end_lost(row.id).await?;
            } else {
                self.go_on(row.id, start);
            }
        }
        Ok(n)
    }

    /// The runbook by this name, as it is now.
    pub fn book(&self, name: &RunbookName) -> anyhow::Result<Runbook> {
        let books = self.books.borrow();
        let found = books.iter().find(|b| b.name == *name);
        found.cloned().ok_or_else(|| {
            anyhow::anyhow!("there is no runbook {name}; `reef runbook list` shows them")
        })
    }

    /// Whether there is a model to judge what no runbook answers.
    pub fn has_agent(&self) -> bool {
        self.agent.borrow().is_some()
    }

    /// The runbook that answers a reading, if one does.
    pub fn answering(&self, reading: &Reading) -> Option<Runbook> {
        let books = self.books.borrow();
        crate::runbook::select(&books, reading).cloned()
    }

    /// The reasons that runbooks of this probe name, in their order.
    pub fn reasons(&self, probe: &Word) -> Vec<Word> {
        let books = self.books.borrow();
        let of_probe = books.iter().filter(|book| book.matches.probe.contains(probe));
        of_probe.flat_map(|book| book.matches.reason.clone()).collect()
    }

    /// Which runbook that is, to the byte.
    pub(crate) fn reference(&self, name: &RunbookName) -> anyhow::Result<RunbookRef> {
        let book = self.book(name)?;
        Ok(RunbookRef { name: book.name, digest: book.digest })
    }
}
