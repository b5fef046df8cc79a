//! `container.restart`, `container.start`.
//!
//! The engine's yes proves little: a container that ends again at once was started all the same. So the
//! action looks whether it is another life, and whether that lasts for a moment.

use std::sync::OnceLock;
use std::time::Duration;

use crate::Fut;
use crate::clients::docker::engine::Newest;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::container::{Container, ContainerState};
use crate::model::ids::ToolName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Bounds, Effect, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::Kind;
use crate::tool::args::{made, refused, required};
use crate::tool::container::read::state;
use crate::tool::container::{ARGUMENT, At, Named, is_well, touch};
use crate::tool::peers;
use crate::tool::world::World;

/// Most containers stop within their ten seconds; those that were given more have more.
pub const TIMEOUT: Span = Span::secs(150);
/// What ends within this was not healed by being started.
const LASTS: Span = Span::secs(3);

fn restart_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.restart"),
        summary: "Restart a container, which is down for a moment",
        inputs: vec![required("container", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a restart cannot be taken back",
        errors: "a container that somebody stopped, that the engine is restarting, that opted out by label, or that keeps data and is not named by the runbook; no right to use the engine",
        timeout: TIMEOUT,
        example: "tool = \"container.restart\"\nargs = { container = \"mini:container:jellyfin\" }",
    }
}

fn start_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.start"),
        summary: "Start a container that ended by itself; never one that somebody stopped",
        inputs: vec![required("container", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: what it did while it ran stays done",
        errors: "a container that somebody stopped, that runs, that opted out by label, or that keeps data and is not named by the runbook; no right to use the engine",
        timeout: TIMEOUT,
        example: "tool = \"container.start\"\nargs = { container = \"mini:container:jellyfin\" }",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Restart,
    Start,
}

/// `container.restart`.
pub fn restart(world: &World) -> Box<dyn Tool> {
    tool(world, restart_spec(), How::Restart)
}

/// `container.start`.
pub fn start(world: &World) -> Box<dyn Tool> {
    tool(world, start_spec(), How::Start)
}

fn tool(world: &World, spec: ToolSpec, how: How) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec, move |args| {
        let target = args.container("container")?;
        let at = At::of(&world, &target)?;
        let bounds = args.call().bounds.clone();
        Ok(Parsed::Action(Box::new(Anew { at, target, bounds, how, stack: OnceLock::new() })))
    })
}

struct Anew {
    at: At,
    target: Target,
    bounds: Bounds,
    how: How,
    /// The project that it belongs to, once it was looked at: while that is brought up to date, none of its
    /// containers is touched.
    stack: OnceLock<Target>,
}

impl Anew {
    /// The container, if it may be touched now.
    async fn allowed(&self) -> Result<Container, ToolError> {
        let c = self.at.find(&self.target).await?;
        if let Some((project, _)) = c.composed()
            && let Ok(stack) = Target::new(self.target.on().clone(), Thing::Stack, project)
        {
            self.stack.get_or_init(|| stack);
        }
        let named = Named::of(&self.bounds, &self.target, &c);
        let may = touch(&c, named, &self.at.world.inventory.databases);
        if let Some(why) = may.refusal(&c) {
            return Err(refused(why));
        }
        match (self.how, c.state) {
            (How::Start, ContainerState::Running) => {
                Err(refused(format!("{} runs: there is nothing to start", c.name)))
            }
            (How::Start | How::Restart, _) => Ok(c),
        }
    }

    fn verb(&self) -> &'static str {
        match self.how {
            How::Restart => "restart",
            How::Start => "start",
        }
    }
}

impl Action for Anew {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        // What ends at once would be begun once more.
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        std::iter::once(&self.target).chain(self.stack.get()).cloned().collect()
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let c = self.allowed().await?;
            let now = self.at.world.now.now();
            let (words, undo) = match self.how {
                How::Restart => (
                    format!(
                        "restart {} (now {}): down for up to some ten seconds",
                        c.name,
                        state(&c, now)
                    ),
                    "a restart cannot be taken back",
                ),
                How::Start => (
                    format!("start {} (now {})", c.name, state(&c, now)),
                    "what it does while it runs stays done",
                ),
            };
            let takes = Some(Span::secs(10));
            let effect = Effect { words, max_items: 1, max_bytes: 0, takes, artifact: None };
            Ok((effect, Undo::Impossible(undo.into())))
        })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(async move {
            match self.how {
                // What is down takes nothing away when it comes.
                How::Start => Ok(None),
                How::Restart => {
                    let one = self.at.find(&self.target).await?;
                    let of_service = replicas_without(&self.at, std::slice::from_ref(&one)).await?;
                    match of_service {
                        Some(replicas) => Ok(Some(replicas)),
                        None => peers::left(&self.at.world, &self.bounds, &self.target).await,
                    }
                }
            }
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            // Since the preview somebody may have stopped it.
            let before = match self.allowed().await {
                Ok(container) => container,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let within = Span(TIMEOUT.0 - LASTS.0 * 4);
            let (engine, name) = (&self.at.engine, before.name.as_str());
            let done = match self.how {
                How::Restart => engine.restart(&permit, name, within).await,
                How::Start => engine.start(&permit, name, within).await,
            };
            match done {
                Ok(()) => settled(&self.at, &before, self.verb()).await,
                Err(why) => why.result(&format!("{} {name}", self.verb())),
            }
        })
    }
}

/// The containers of the same compose service, and how many of them stay well while these are down; `None` for
/// what belongs to no service. One that somebody stopped is no replica.
pub async fn replicas_without(at: &At, down: &[Container]) -> Result<Option<Replicas>, ToolError> {
    let Some(service) = down.first().and_then(Container::composed) else { return Ok(None) };
    let all = at.all().await?;
    let own: Vec<&Container> =
        all.iter().filter(|c| c.composed() == Some(service) && !c.stopped_on_purpose()).collect();
    let well = own.iter().filter(|c| is_well(c));
    let stays = well.clone().filter(|c| down.iter().all(|gone| gone.name != c.name));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Some(Replicas {
        of: count(own.len()),
        healthy: count(well.clone().count()),
        leaves: count(stays.count()),
    }))
}

/// Looks what became of it: another life, that goes on.
pub async fn settled(at: &At, before: &Container, verb: &str) -> ActionResult {
    let name = &before.name;
    tokio::time::sleep(Duration::from_secs(LASTS.0.unsigned_abs() / 1_000)).await;
    let all = match at.all().await {
        Ok(all) => all,
        Err(why) => {
            return ActionResult::Done(format!("{verb} {name}: done, but not seen since: {why}"));
        }
    };
    let Some(after) = all.into_iter().find(|c| c.name == *name) else {
        return ActionResult::Failed(format!("{verb} {name}: it is gone"));
    };
    if after.started_at == before.started_at {
        return ActionResult::Failed(format!(
            "{verb} {name}: the engine said yes, but nothing changed: it was not started anew"
        ));
    }
    match after.state {
        ContainerState::Running if after.restarts == 0 || after.restarts == before.restarts => {
            ActionResult::Done(format!("{verb} {name}: done, it runs"))
        }
        ContainerState::Running
        | ContainerState::Restarting
        | ContainerState::Exited
        | ContainerState::Dead
        | ContainerState::Created
        | ContainerState::Paused
        | ContainerState::Removing
        | ContainerState::Other => {
            let said = at.engine.logs(name, Newest { lines: 20, before: None }).await;
            let said = said.map(|said| {
                let last = said.as_str().lines().rfind(|line| !line.trim().is_empty());
                last.unwrap_or_default().trim().chars().take(200).collect::<String>()
            });
            ActionResult::Failed(format!(
                "{verb} {name}: it was started, and ended again{} within {LASTS}; its last line: {}",
                after.with_code(),
                said.unwrap_or_default()
            ))
        }
    }
}
