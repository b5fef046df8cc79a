//! The tools of the real table, whose executions are counted: all that the gate goes by is the tool's own; what
//! happens is a line in a file, and where the fake estate can do it, that besides.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reef::Fut;
use reef::gate::permit::Permit;
use reef::gate::tool::{Action, Parsed, Tool};
use reef::model::target::Target;
use reef::model::tool::{
    ActionResult, Call, Effect, Holds, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo,
};

use super::place::{Place, Reaper, Way};

/// How much of a tool is real in the estate of these tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Real {
    /// Its arguments, tier, lease keys, and whether it may be repeated. What it would look at is not here.
    Call,
    /// Its preview too, with effect and undo.
    Preview,
    /// All of it: it changes the fake host, or real files.
    Deed,
}

/// What the estate has more of than the call. A tool that is not here is [`Real::Call`].
const REAL: [(&str, Real); 12] = [
    ("container.restart", Real::Deed),
    ("container.start", Real::Deed),
    ("debug.enable", Real::Deed),
    ("files.clean", Real::Deed),
    ("files.compress", Real::Deed),
    ("host.exec", Real::Preview),
    ("host.reboot", Real::Preview),
    ("image.pull", Real::Preview),
    ("logs.rotate", Real::Deed),
    ("mount.mount", Real::Preview),
    ("mount.unmount", Real::Preview),
    ("unit.restart", Real::Deed),
];

pub(super) fn real(tool: &str) -> Real {
    REAL.iter().find(|(name, _)| *name == tool).map_or(Real::Call, |(_, real)| *real)
}

/// What all counted tools of one life share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) way: Way,
    pub(super) folder: PathBuf,
    pub(super) reaper: Arc<Reaper>,
}

/// A tool of the table whose executions are counted: a line in a file, on the disk before it counts as done.
struct Counting {
    tool: Box<dyn Tool>,
    shared: Arc<Shared>,
}

struct Count {
    action: Box<dyn Action>,
    real: Real,
    shared: Arc<Shared>,
}

/// The tools above low, counted.
pub(super) fn counted(table: Vec<Box<dyn Tool>>, shared: &Arc<Shared>) -> Vec<Box<dyn Tool>> {
    let acting = table.into_iter().filter(|tool| tool.spec().max_tier != Tier::Low);
    let counting =
        |tool| -> Box<dyn Tool> { Box::new(Counting { tool, shared: Arc::clone(shared) }) };
    acting.map(counting).collect()
}

impl Tool for Counting {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    fn parse(&self, call: &Call) -> Result<Parsed, ToolError> {
        let real = real(self.spec().name.as_str());
        Ok(match self.tool.parse(call)? {
            Parsed::Query(query) => Parsed::Query(query),
            Parsed::Action(action) => {
                Parsed::Action(Box::new(Count { action, real, shared: Arc::clone(&self.shared) }))
            }
        })
    }
}

fn append(path: &Path, line: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
    file.sync_all().unwrap();
}

impl Action for Count {
    fn tier(&self) -> Tier {
        self.action.tier()
    }

    fn repeat(&self) -> Repeat {
        self.action.repeat()
    }

    fn lease(&self) -> Vec<Target> {
        self.action.lease()
    }

    fn holds(&self) -> Option<Holds> {
        self.action.holds()
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        if Real::Call < self.real {
            return self.action.preview();
        }
        let effect = Effect {
            words: "count one".into(),
            max_items: 1,
            max_bytes: 0,
            takes: None,
            artifact: None,
        };
        Box::pin(async { Ok((effect, Undo::Impossible("counted is counted".into()))) })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        if Real::Call < self.real {
            return self.action.replicas();
        }
        Box::pin(async { Ok(None) })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let Self { action, real, shared } = *self;
            let line = permit.action().to_string();
            if shared.way == Way::Halves {
                append(&shared.folder.join("half"), &line);
                shared.reaper.strike(Place::HalfSent);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            append(&shared.folder.join("effects"), &line);
            match (shared.way, real) {
                (Way::Plain | Way::Halves, Real::Deed) => action.run(permit).await,
                (Way::Plain | Way::Halves, Real::Call | Real::Preview) => {
                    ActionResult::Done("counted".into())
                }
                (Way::Fails, _) => ActionResult::Failed("exit 1".into()),
                (Way::Unheard, _) => ActionResult::Unknown("the link broke".into()),
            }
        })
    }
}

/// The actions that happened, in their order.
pub(super) fn effects(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
