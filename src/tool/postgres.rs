//! PostgreSQL servers of the config: their sessions, and what comes before a restart: a drain and a checkpoint.

use std::time::Duration;

use crate::Fut;
use crate::clients::answer::within;
use crate::clients::declared::Engine;
use crate::clients::postgres::{Server, Sessions};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, gives, made, optional, refused, required};
use crate::tool::world::World;

/// Of one look.
const PATIENCE: Span = Span::secs(10);
/// A transaction that is younger ends by itself before a restart asks it to.
const SHORT: Span = Span::secs(2);
/// Between two looks of a drain.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest that a checkpoint of much memory and a slow disk takes.
const CHECKPOINT: Span = Span::mins(10);

const ENDPOINT: &str = "HOST:endpoint:NAME of a postgres probe";

fn connections_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("postgres.connections"),
        summary: "Count a PostgreSQL server's connections, and tell its longest transaction",
        inputs: vec![required("endpoint", Kind::Target, ENDPOINT)],
        gives: vec![
            gives("used", Kind::Int, "connections"),
            gives("most", Kind::Int, "connections that there may be"),
            gives("active", Kind::Int, "sessions with a statement under way"),
            gives("idle", Kind::Int, "sessions that are idle within a transaction"),
            gives("oldest", Kind::Span, "how long the longest transaction is under way"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "an endpoint that is no PostgreSQL server of the config; no answer within ten seconds",
        timeout: Span::secs(15),
        example: "tool = \"postgres.connections\"\nargs = { endpoint = \"mini:endpoint:main\" }",
    }
}

fn drain_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("postgres.drain"),
        summary: "Wait until no transaction of a PostgreSQL server is older than two seconds",
        inputs: vec![
            required("endpoint", Kind::Target, ENDPOINT),
            optional("within", Kind::Span, "how long to wait at the most; 1 min unless said"),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium: it ends nothing, and what comes after it waits",
        undo: "none needed: it changes nothing",
        errors: "a transaction that does not end in time, which is named by its age; sessions that reef's user may not see (GRANT pg_monitor)",
        timeout: Span::mins(11),
        example: "tool = \"postgres.drain\"\nargs = { endpoint = \"mini:endpoint:main\" }",
    }
}

fn checkpoint_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("postgres.checkpoint"),
        summary: "Have a PostgreSQL server write all it holds in memory to disk, so that a restart is short",
        inputs: vec![required("endpoint", Kind::Target, ENDPOINT)],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "none needed: the server does the same by itself every few minutes",
        errors: "no right to do so: GRANT pg_checkpoint TO reef (from version 15 on)",
        timeout: Span::mins(11),
        example: "tool = \"postgres.checkpoint\"\nargs = { endpoint = \"mini:endpoint:main\" }",
    }
}

/// The server of a call: one that the config names.
fn server(world: &World, args: &Args<'_>) -> Result<(Target, Server), ToolError> {
    let target = args.target("endpoint", Thing::Endpoint)?;
    let database = world.inventory.servers.databases.get(target.name());
    match database.map(|database| &database.engine) {
        Some(Engine::Postgres(server)) => Ok((target.clone(), server.clone())),
        Some(Engine::Mariadb(_)) | None => {
            Err(refused(format!("{target} is no PostgreSQL server of the config")))
        }
    }
}

async fn sessions(target: &Target, server: &Server) -> Result<Sessions, ToolError> {
    let mut client = server.client(PATIENCE);
    let seen = within(PATIENCE, client.sessions()).await;
    seen.map_err(|why| failed(format!("{target}: {why}")))
}

/// `postgres.connections`.
pub fn connections(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(connections_spec(), move |args| {
        let (target, server) = server(&world, args)?;
        Ok(Parsed::Query(Box::new(Count { target, server })))
    })
}

struct Count {
    target: Target,
    server: Server,
}

fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

impl Query for Count {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let seen = sessions(&self.target, &self.server).await?;
            let words = format!("{}: {}", self.target, seen.words());
            let values = [
                ("used", int(seen.used)),
                ("most", int(seen.most)),
                ("active", int(seen.active)),
                ("idle", int(seen.idle)),
                ("oldest", Value::Span(seen.oldest)),
            ];
            let values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// `postgres.drain`.
pub fn drain(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(drain_spec(), move |args| {
        let (target, server) = server(&world, args)?;
        let within = args.span("within").unwrap_or(Span::mins(1)).min(CHECKPOINT);
        Ok(Parsed::Action(Box::new(Before { target, server, how: How::Drain(within) })))
    })
}

/// `postgres.checkpoint`.
pub fn checkpoint(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(checkpoint_spec(), move |args| {
        let (target, server) = server(&world, args)?;
        Ok(Parsed::Action(Box::new(Before { target, server, how: How::Checkpoint })))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Drain(Span),
    Checkpoint,
}

/// What comes before a restart.
struct Before {
    target: Target,
    server: Server,
    how: How,
}

impl Action for Before {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        match self.how {
            // It writes what is not written yet.
            How::Checkpoint => Repeat::Safe,
            How::Drain(_) => Repeat::Never,
        }
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let seen = sessions(&self.target, &self.server).await?;
            let (words, takes, undo) = match self.how {
                How::Drain(within) => (
                    format!(
                        "wait up to {within} until no transaction of {} is older than {SHORT} (now {})",
                        self.target,
                        seen.words()
                    ),
                    within,
                    "it changes nothing",
                ),
                How::Checkpoint => (
                    format!("have {} write what it holds in memory to disk", self.target),
                    Span::secs(30),
                    "what is on disk needs no undo",
                ),
            };
            let effect =
                Effect { words, max_items: 1, max_bytes: 0, takes: Some(takes), artifact: None };
            Ok((effect, Undo::Impossible(undo.into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            match self.how {
                How::Drain(for_at_most) => self.drained(for_at_most).await,
                How::Checkpoint => {
                    let mut client = self.server.client(CHECKPOINT);
                    match within(CHECKPOINT, client.checkpoint(&permit)).await {
                        Ok(()) => ActionResult::Done(format!("{} wrote a checkpoint", self.target)),
                        Err(why) if why.is_blindness() => ActionResult::NotStarted(format!(
                            "{}: {why}; GRANT pg_checkpoint TO reef's user serves",
                            self.target
                        )),
                        Err(why) => ActionResult::Failed(format!("{}: {why}", self.target)),
                    }
                }
            }
        })
    }
}

impl Before {
    async fn drained(&self, for_at_most: Span) -> ActionResult {
        let until = tokio::time::Instant::now() + for_at_most.duration();
        loop {
            let seen = match sessions(&self.target, &self.server).await {
                Ok(seen) => seen,
                Err(why) => return ActionResult::Failed(why.to_string()),
            };
            if 0 < seen.hidden {
                return ActionResult::Failed(format!(
                    "{}: {} sessions are hidden from reef's user: GRANT pg_monitor TO it",
                    self.target, seen.hidden
                ));
            }
            if seen.oldest <= SHORT {
                return ActionResult::Done(format!("{} is quiet: {}", self.target, seen.words()));
            }
            if until <= tokio::time::Instant::now() {
                return ActionResult::Failed(format!(
                    "{} did not become quiet within {for_at_most}: {}; what comes after waits",
                    self.target,
                    seen.words()
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
