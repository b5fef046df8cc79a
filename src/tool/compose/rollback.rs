//! `compose.rollback`: the images that ran before are what their names stand for again, and the project is
//! brought up with them.

use crate::Fut;
use crate::clients::docker::engine::{ImageId, ImageName};
use crate::clients::docker::project::{Others, Verb, run};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::container::Container;
use crate::model::ids::{ToolName, Word};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, Value};
use crate::tool::args::{made, refused, required};
use crate::tool::compose::update::changed;
use crate::tool::compose::{ARGUMENT, Standing, image_of, lease};
use crate::tool::container::At;
use crate::tool::world::World;

const UP: Span = Span::mins(10);
const AROUND: Span = Span::secs(60);

fn spec() -> ToolSpec {
    let words = || Kind::List(Box::new(Kind::Word));
    ToolSpec {
        name: ToolName::of("compose.rollback"),
        summary: "Put services of a project back on the images that they ran before",
        inputs: vec![
            required("stack", Kind::Target, ARGUMENT),
            required("services", words(), "the services"),
            required(
                "images",
                words(),
                "the digest of each one's image, 64 digits, in the same order",
            ),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical; by itself only as the undo of an update that was approved with it",
        undo: "none: pull and update again",
        errors: "an image that is there no longer; a service without a container; an image that the file pins",
        timeout: Span(UP.0 + AROUND.0),
        example: "tool = \"compose.rollback\"\nargs = { stack = \"mini:stack:media\", services = [\"web\"], images = [\"0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a\"] }",
    }
}

/// `compose.rollback`.
pub fn rollback(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        let words = |name: &str| -> Vec<Word> {
            let Some(Value::List(items)) = args.call().args.get(name) else { return Vec::new() };
            // The spec lets nothing but words through.
            let word = |item: &Value| Word::new(item.to_string()).ok();
            items.iter().filter_map(word).collect()
        };
        let (services, images) = (words("services"), words("images"));
        if services.len() != images.len() {
            return Err(refused(format!(
                "compose.rollback has {} services and {} images: each needs its own",
                services.len(),
                images.len()
            )));
        }
        let id = |word: &Word| {
            ImageId::new(word.as_str())
                .ok_or_else(|| refused(format!("images: {word} is no digest of 64 digits")))
        };
        let images = images.iter().map(id).collect::<Result<Vec<_>, _>>()?;
        let wanted = services.into_iter().zip(images).collect();
        Ok(Parsed::Action(Box::new(Rollback { at, target, wanted })))
    })
}

struct Rollback {
    at: At,
    target: Target,
    wanted: Vec<(Word, ImageId)>,
}

/// A service that does not run what it shall: its image, and the name that is to stand for it again.
struct Due {
    service: Word,
    id: ImageId,
    name: ImageName,
}

impl Rollback {
    async fn due(&self) -> Result<(Standing, Vec<Due>), ToolError> {
        let standing = Standing::look(&self.at, &self.target).await?;
        standing.project(&self.at)?;
        let mut due = Vec::new();
        for (service, id) in &self.wanted {
            let of = |c: &&Container| c.composed().is_some_and(|(_, s)| s == service.as_str());
            let c = standing.containers.iter().find(of).ok_or_else(|| {
                refused(format!(
                    "{service} of {} has no container to go back from",
                    self.target.name()
                ))
            })?;
            let name =
                ImageName::new(&c.image).filter(|name| name.tag().is_some()).ok_or_else(|| {
                    refused(format!(
                        "{service} runs {}, which the file pins: change the file",
                        c.image
                    ))
                })?;
            due.push(Due { service: service.clone(), id: id.clone(), name });
        }
        Ok((standing, due))
    }
}

impl Action for Rollback {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        lease(&self.target)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let (standing, due) = self.due().await?;
            let each: Vec<String> = due
                .iter()
                .map(|d| format!("{} to {} (as {})", d.service, d.id.short(), d.name))
                .collect();
            let effect = Effect {
                words: format!("put {} back: {}", standing.stack.name, each.join(", ")),
                max_items: due.len() as u64,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("pull and update again".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let (before, due) = match self.due().await {
                Ok(due) => due,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let project = match before.project(&self.at) {
                Ok(project) => project,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let what = format!("roll {} back", self.target.name());
            for Due { id, name, .. } in &due {
                if let Err(why) = self.at.engine.tag(&permit, id, name).await {
                    return why.result(&format!("{what}: {} is to be {name} again", id.short()));
                }
            }
            let services: Vec<Word> = due.iter().map(|due| due.service.clone()).collect();
            let verb = Verb::Up { services, others: Others::Stay };
            if let Err(why) = run(&permit, self.at.link.as_ref(), &project, &verb, UP).await {
                return why.result(&what);
            }
            let after = match Standing::look(&self.at, &self.target).await {
                Ok(after) => after,
                Err(why) => {
                    return ActionResult::Done(format!("{what}: done, but not seen since: {why}"));
                }
            };
            let running = after.running();
            let back = |due: &&Due| {
                let of = running.get(&due.service);
                of.and_then(|c| c.first()).and_then(|c| image_of(c)).as_ref() == Some(&due.id)
            };
            match due.iter().find(|due| !back(due)) {
                Some(due) => ActionResult::Failed(format!(
                    "{what}: {} does not run {} after it",
                    due.service,
                    due.id.short()
                )),
                None => ActionResult::Done(changed(&before, &after)),
            }
        })
    }
}
