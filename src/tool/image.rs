//! Images: `image.pull` fetches, `image.prune` removes what nothing holds on to.

use crate::Fut;
use crate::clients::docker::engine::{Image, ImageName, NotDone};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::{Canonical, Digest};
use crate::model::ids::ToolName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, human_bytes};
use crate::tool::args::{failed, made, refused, required};
use crate::tool::container::{ARGUMENT, At};
use crate::tool::world::World;

const PULL: Span = Span::mins(15);
const PRUNE: Span = Span::mins(5);
/// Nothing younger is tidied away: somebody may just be building.
const YOUNGEST: Span = Span::days(1);

fn pull_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("image.pull"),
        summary: "Fetch what the name of a container's image stands for now; nothing is restarted",
        inputs: vec![required("container", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium: what runs goes on as it is",
        undo: "none needed: what runs goes on with its own image",
        errors: "an image that is pinned by its digest; a registry that does not answer or wants a login; no space",
        timeout: Span(PULL.0 + 30_000),
        example: "tool = \"image.pull\"\nargs = { container = \"mini:container:jellyfin\" }",
    }
}

fn prune_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("image.prune"),
        summary: "Remove images without a name that no container uses and that are older than a span",
        inputs: vec![required(
            "older",
            Kind::Span,
            "only what was made longer ago; a day at least",
        )],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high: only what neither a name nor a container holds on to",
        undo: "none: what was not built here can be fetched again",
        errors: "an engine that is not open to reef; nothing that old",
        timeout: Span(PRUNE.0 + 30_000),
        example: "tool = \"image.prune\"\nargs = { older = \"30d\" }",
    }
}

/// `image.pull`.
pub fn pull(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(pull_spec(), move |args| {
        let target = args.container("container")?;
        let at = At::of(&world, &target)?;
        Ok(Parsed::Action(Box::new(Pull { at, target })))
    })
}

struct Pull {
    at: At,
    target: Target,
}

impl Pull {
    async fn image(&self) -> Result<ImageName, ToolError> {
        let c = self.at.find(&self.target).await?;
        let name = ImageName::new(&c.image).filter(|name| name.tag().is_some());
        name.ok_or_else(|| {
            refused(format!("{} runs {}, to which there is nothing newer", c.name, c.image))
        })
    }
}

impl Action for Pull {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        // What is there already is not fetched again.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let name = self.image().await?;
            let words = format!(
                "fetch what {name} stands for now; {} goes on as it is",
                self.target.name()
            );
            let takes = Some(Span::mins(1));
            let effect = Effect { words, max_items: 1, max_bytes: 0, takes, artifact: None };
            Ok((
                effect,
                Undo::Impossible(
                    "what runs goes on with its own image: there is nothing to undo".into(),
                ),
            ))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let name = match self.image().await {
                Ok(name) => name,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            match self.at.engine.pull(&permit, &name, PULL).await {
                Ok(()) => ActionResult::Done(format!("{name} is as new as its registry has it")),
                Err(why) => why.result(&format!("pull {name}")),
            }
        })
    }
}

/// `image.prune`.
pub fn prune(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(prune_spec(), move |args| {
        let older = args.span("older").unwrap_or(YOUNGEST);
        if older < YOUNGEST {
            return Err(refused(format!("image.prune: older is {older}; {YOUNGEST} is the least")));
        }
        let host = Target::host(args.call().target.on().clone());
        let at = At::of(&world, &host)?;
        Ok(Parsed::Action(Box::new(Prune { at, host, older })))
    })
}

struct Prune {
    at: At,
    host: Target,
    older: Span,
}

impl Prune {
    async fn due(&self) -> Result<Vec<Image>, ToolError> {
        let mut images = self.at.engine.dangling().await.map_err(failed)?;
        let now = self.at.world.now.now();
        let used: Vec<String> =
            self.at.all().await?.into_iter().map(|container| container.image_id).collect();
        images.retain(|image| {
            self.older <= now.since(image.created_at) && !used.contains(&image.id.full())
        });
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }
}

fn digest(images: &[Image]) -> Digest {
    Canonical::new("images 1").list(images.iter(), |to, image| to.text(image.id.as_str())).finish()
}

impl Action for Prune {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.host.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let due = self.due().await?;
            let bytes = due.iter().map(|image| image.bytes).sum();
            let words = match due.len() {
                0 => format!("no image without a name is older than {}", self.older),
                n => format!(
                    "remove {n} images without a name, older than {}, that no container uses: up to {}",
                    self.older,
                    human_bytes(bytes)
                ),
            };
            let effect = Effect {
                words,
                max_items: due.len() as u64,
                max_bytes: bytes,
                takes: Some(Span::secs(10)),
                artifact: Some(digest(&due)),
            };
            Ok((effect, Undo::Impossible("what was not built here can be fetched again".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let due = match self.due().await {
                Ok(due) => due,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let effect = &permit.step().effect;
            if effect.artifact != Some(digest(&due)) {
                return ActionResult::NotStarted(
                    "these are not the images that were previewed".into(),
                );
            }
            let (mut gone, mut bytes, mut kept) = (0, 0, Vec::new());
            for image in &due {
                match self.at.engine.remove_image(&permit, &image.id).await {
                    Ok(()) => (gone, bytes) = (gone + 1, bytes + image.bytes),
                    // A child of it, or a container made meanwhile, holds on to it.
                    Err(NotDone::NotStarted(why) | NotDone::Failed(why)) => {
                        kept.push(format!("{}: {why}", image.id.short()));
                    }
                    Err(NotDone::Unknown(why)) => {
                        return ActionResult::Unknown(format!(
                            "remove {}: {why}",
                            image.id.short()
                        ));
                    }
                }
            }
            let words =
                format!("removed {gone} of {} images, up to {}", due.len(), human_bytes(bytes));
            match (gone, kept.first()) {
                (0, Some(why)) => ActionResult::Failed(format!("{words}; {why}")),
                (_, Some(why)) => {
                    ActionResult::Done(format!("{words}; kept {}, as {why}", kept.len()))
                }
                (_, None) => ActionResult::Done(words),
            }
        })
    }
}
