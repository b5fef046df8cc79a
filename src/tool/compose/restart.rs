//! `compose.restart`: one service of a project, by compose itself.

use crate::Fut;
use crate::clients::docker::project::{Verb, run};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::container::Container;
use crate::model::ids::{ToolName, Word};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Bounds, Effect, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::Kind;
use crate::tool::args::{made, refused, required};
use crate::tool::compose::{Standing, lease};
use crate::tool::container::act::{replicas_without, settled};
use crate::tool::container::read::state;
use crate::tool::container::{At, Named, touch};
use crate::tool::peers;
use crate::tool::world::World;

const TIMEOUT: Span = Span::secs(180);

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.restart"),
        summary: "Restart the containers of one service of a compose project",
        inputs: vec![required("service", Kind::Target, "HOST:compose:PROJECT/SERVICE")],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a restart cannot be taken back",
        errors: "a project whose files the config does not declare; a service that somebody stopped, or that keeps data and is not named by the runbook; no compose on the host",
        timeout: TIMEOUT,
        example: "tool = \"compose.restart\"\nargs = { service = \"mini:compose:media/jellyfin\" }",
    }
}

/// `compose.restart`.
pub fn restart(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.target("service", Thing::Composed)?.clone();
        let at = At::of(&world, &target)?;
        let bounds = args.call().bounds.clone();
        Ok(Parsed::Action(Box::new(Restart { at, target, bounds })))
    })
}

struct Restart {
    at: At,
    target: Target,
    bounds: Bounds,
}

impl Restart {
    async fn allowed(&self) -> Result<(Standing, Vec<Container>), ToolError> {
        let Some((project, service)) = self.target.as_composed() else {
            return Err(refused(format!("{} is no service of a project", self.target)));
        };
        let stack =
            Target::new(self.target.on().clone(), Thing::Stack, project).map_err(refused)?;
        let standing = Standing::look(&self.at, &stack).await?;
        standing.project(&self.at)?;
        let own = |c: &&Container| c.composed() == Some((project, service));
        let own: Vec<Container> = standing.containers.iter().filter(own).cloned().collect();
        if own.is_empty() {
            return Err(refused(format!("{} has no container", self.target)));
        }
        for c in &own {
            let named = Named::of(&self.bounds, &self.target, c);
            if let Some(why) = touch(c, named, &self.at.world.inventory.databases).refusal(c) {
                return Err(refused(why));
            }
        }
        Ok((standing, own))
    }
}

impl Action for Restart {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        lease(&self.target)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let (standing, own) = self.allowed().await?;
            let now = self.at.world.now.now();
            let each: Vec<String> =
                own.iter().map(|c| format!("{} (now {})", c.name, state(c, now))).collect();
            let effect = Effect {
                words: format!(
                    "restart {} of {}: {}; down for up to some ten seconds",
                    self.target.name(),
                    standing.files(),
                    each.join(", ")
                ),
                max_items: own.len() as u64,
                max_bytes: 0,
                takes: Some(Span::secs(10)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("a restart cannot be taken back".into())))
        })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(async move {
            // Compose restarts all of them at once.
            let (_, own) = self.allowed().await?;
            match replicas_without(&self.at, &own).await? {
                Some(replicas) if 1 < replicas.of => Ok(Some(replicas)),
                Some(_) | None => peers::left(&self.at.world, &self.bounds, &self.target).await,
            }
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let (standing, own) = match self.allowed().await {
                Ok(allowed) => allowed,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let service = self.target.as_composed().and_then(|(_, s)| Word::new(s).ok());
            let (Ok(project), Some(service)) = (standing.project(&self.at), service) else {
                return ActionResult::NotStarted(format!("{} is no service", self.target));
            };
            if permit.step().effect.max_items < own.len() as u64 {
                return ActionResult::NotStarted(
                    "there are more containers than were approved".into(),
                );
            }
            let within = Span(TIMEOUT.0 - 30_000);
            let verb = Verb::Restart(service);
            if let Err(why) = run(&permit, self.at.link.as_ref(), &project, &verb, within).await {
                return why.result(&format!("restart {}", self.target.name()));
            }
            for before in &own {
                match settled(&self.at, before, "restart").await {
                    ActionResult::Done(_) => {}
                    failed @ (ActionResult::NotStarted(_)
                    | ActionResult::Failed(_)
                    | ActionResult::Unknown(_)) => return failed,
                }
            }
            ActionResult::Done(format!(
                "restarted {}: {} containers run",
                self.target.name(),
                own.len()
            ))
        })
    }
}
