//! `compose.pull` and `compose.up`: a declared project file is applied, and what ran before is kept.

use std::sync::Arc;

use crate::Fut;
use crate::clients::docker::engine::{Engine, ImageName};
use crate::clients::docker::project::{Others, Verb, run};
use crate::gate::permit::Permit;
use crate::gate::rules::UNDO_FOR;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::{Canonical, Digest};
use crate::model::ids::{ToolName, Word};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Bounds, Call, Effect, Holds, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{made, refused, required};
use crate::tool::compose::{ARGUMENT, Standing, image_of, lease, listed};
use crate::tool::container::At;
use crate::tool::container::is_stateful;
use crate::tool::world::World;

const PULL: Span = Span::mins(20);
const UP: Span = Span::mins(10);
/// For what comes around the command: looks, and names for what ran.
const AROUND: Span = Span::secs(60);

fn pull_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.pull"),
        summary: "Fetch newer images of the services of a project that run; nothing is restarted",
        inputs: vec![required("stack", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium: what runs goes on as it is",
        undo: "none needed: what runs goes on with its own image, which is kept",
        errors: "a project whose files the config does not declare; a registry that does not answer or wants a login; no space",
        timeout: Span(PULL.0 + AROUND.0),
        example: "tool = \"compose.pull\"\nargs = { stack = \"mini:stack:media\" }",
    }
}

fn up_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.up"),
        summary: "Apply a declared compose file to the services that run: what changed is made anew",
        inputs: vec![required("stack", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical: what the file asks for is done, whatever it is",
        undo: "compose.rollback to the images that ran before, for 7 days or until the next update",
        errors: "a project whose files the config does not declare, or that changed since they were approved; no compose on the host",
        timeout: Span(UP.0 + AROUND.0),
        example: "tool = \"compose.up\"\nargs = { stack = \"mini:stack:media\" }",
    }
}

/// `compose.pull`.
pub fn pull(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(pull_spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        Ok(Parsed::Action(Box::new(Pull { at, target })))
    })
}

struct Pull {
    at: At,
    target: Target,
}

/// The services that run; none is an error, because then somebody took the project down.
fn running(standing: &Standing) -> Result<Vec<Word>, ToolError> {
    let running: Vec<Word> = standing.running().into_keys().collect();
    if running.is_empty() {
        return Err(refused(format!(
            "nothing of {} runs: somebody took it down, so it is not brought up",
            standing.stack.name
        )));
    }
    Ok(running)
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
        lease(&self.target)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let standing = Standing::look(&self.at, &self.target).await?;
            standing.project(&self.at)?;
            let services = running(&standing)?;
            let effect = Effect {
                words: format!(
                    "fetch what is newer of {} images of {} ({}); nothing is restarted",
                    services.len(),
                    standing.stack.name,
                    listed(&services)
                ),
                max_items: services.len() as u64,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: None,
            };
            let why =
                "what runs goes on with its own image, which is kept: there is nothing to undo";
            Ok((effect, Undo::Impossible(why.into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let looked = async {
                let standing = Standing::look(&self.at, &self.target).await?;
                Ok::<_, ToolError>((standing.project(&self.at)?, running(&standing)?))
            };
            let (project, services) = match looked.await {
                Ok(looked) => looked,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let n = services.len();
            match run(&permit, self.at.link.as_ref(), &project, &Verb::Pull(services), PULL).await {
                Ok(output) => ActionResult::Done(format!(
                    "the images of {n} services of {} are as new as their names, in {}",
                    self.target.name(),
                    output.took
                )),
                Err(why) => why.result(&format!("pull {}", self.target.name())),
            }
        })
    }
}

/// `compose.up`.
pub fn up(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(up_spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        Ok(Parsed::Action(Box::new(Up { at, target })))
    })
}

struct Up {
    at: At,
    target: Target,
}

/// What the files ask for, as far as reef reads them: another text is another plan.
fn asked(standing: &Standing) -> Digest {
    let stack = &standing.stack;
    Canonical::new("compose project 1")
        .text(&stack.name)
        .list(stack.files.iter(), |to, file| to.text(file.as_str()))
        .list(stack.services.iter(), |to, service| to.text(&format!("{service:?}")))
        .list(stack.written.iter(), |to, written| to.bytes(&written.0))
        .finish()
}

/// The call that puts back what runs now; `None` where nothing of it can be put back.
fn back(target: &Target, standing: &Standing) -> Option<Call> {
    let (mut services, mut images) = (Vec::new(), Vec::new());
    for (service, containers) in standing.running() {
        let Some(first) = containers.first() else { continue };
        let tagged = ImageName::new(&first.image).is_some_and(|name| name.tag().is_some());
        if let Some(id) = image_of(first).filter(|_| tagged)
            && let Ok(id) = Word::new(id.as_str())
        {
            services.push(Value::Word(service));
            images.push(Value::Word(id));
        }
    }
    (!services.is_empty()).then(|| Call {
        tool: ToolName::of("compose.rollback"),
        target: target.clone(),
        args: Values::from([
            ("stack".to_owned(), Value::Target(target.clone())),
            ("services".to_owned(), Value::List(services)),
            ("images".to_owned(), Value::List(images)),
        ]),
        bounds: Bounds::default(),
    })
}

impl Action for Up {
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
            let standing = Standing::look(&self.at, &self.target).await?;
            standing.project(&self.at)?;
            let services = running(&standing)?;
            let mut words = format!(
                "apply {} to the {} services of {} that run ({}): each whose image or settings changed is made anew and down meanwhile; what they run now is kept under the name {}*",
                standing.files(),
                services.len(),
                standing.stack.name,
                listed(&services),
                KEPT,
            );
            let stopped = standing.stopped();
            if !stopped.is_empty() {
                words.push_str(&format!("; {} stay stopped", stopped.join(", ")));
            }
            let databases = &self.at.world.inventory.databases;
            let data: Vec<&str> = standing
                .running()
                .values()
                .flatten()
                .filter(|c| is_stateful(c, databases))
                .map(|c| c.name.as_str())
                .collect();
            if !data.is_empty() {
                words.push_str(&format!("; {} keep data: is there a backup?", data.join(", ")));
            }
            let effect = Effect {
                words,
                max_items: services.len() as u64,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(asked(&standing)),
            };
            let undo = match back(&self.target, &standing) {
                Some(call) => Undo::By(call),
                None => {
                    Undo::Impossible("its images have no names that could be given back".into())
                }
            };
            Ok((effect, undo))
        })
    }

    fn holds(&self) -> Option<Holds> {
        // One image a service is kept under a name: the next update's takes the name.
        Some(Holds::TillNext(UNDO_FOR))
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let not = |why: String| ActionResult::NotStarted(why);
            let standing = match Standing::look(&self.at, &self.target).await {
                Ok(standing) => standing,
                Err(why) => return not(why.to_string()),
            };
            let (project, services) = match (standing.project(&self.at), running(&standing)) {
                (Ok(project), Ok(services)) => (project, services),
                (Err(why), _) | (_, Err(why)) => return not(why.to_string()),
            };
            let effect = &permit.step().effect;
            if effect.artifact != Some(asked(&standing)) {
                return not(format!("{} changed since it was approved", standing.files()));
            }
            if effect.max_items < services.len() as u64 {
                return not("there are more services than were approved".into());
            }
            // Without this a tidy engine could remove what the undo needs.
            if let Err(why) = keep(&permit, &self.at.engine, &standing).await {
                return not(why);
            }
            let others = match standing.stopped().is_empty() {
                true => Others::Come,
                false => Others::Stay,
            };
            let n = services.len();
            let verb = Verb::Up { services, others };
            let link = self.at.link.as_ref();
            if let Err(why) = run(&permit, link, &project, &verb, UP).await {
                return why.result(&format!("up {}", self.target.name()));
            }
            ActionResult::Done(match Standing::look(&self.at, &self.target).await {
                Ok(after) => changed(&standing, &after),
                Err(_) => format!("applied to {n} services of {}", self.target.name()),
            })
        })
    }
}

/// Which services run another image now.
pub fn changed(before: &Standing, after: &Standing) -> String {
    let (was, is) = (before.running(), after.running());
    let image = |containers: Option<&Vec<&crate::model::container::Container>>| {
        containers.and_then(|c| c.first()).and_then(|c| image_of(c))
    };
    let mut lines = Vec::new();
    for service in was.keys() {
        let (old, new) = (image(was.get(service)), image(is.get(service)));
        match (old, new) {
            (Some(old), Some(new)) if old != new => {
                lines.push(format!("{service}: {} -> {}", old.short(), new.short()));
            }
            (_, None) => lines.push(format!("{service} does not run")),
            (_, Some(_)) => {}
        }
    }
    match lines.is_empty() {
        true => format!("{}: no service runs another image than before", before.stack.name),
        false => format!("{}: {}", before.stack.name, lines.join(", ")),
    }
}

/// The names under which what ran before an update is kept, so that nothing tidies it away.
pub const KEPT: &str = "reef-kept/";

/// Gives what runs now a name of its own for each service: one image a service, the newest update's.
async fn keep(
    permit: &Permit,
    engine: &Arc<dyn Engine>,
    standing: &Standing,
) -> Result<(), String> {
    for (service, containers) in standing.running() {
        let Some(id) = containers.first().and_then(|c| image_of(c)) else { continue };
        let place = format!("{KEPT}{}-{service}:before", standing.stack.name).to_lowercase();
        let Some(name) = ImageName::new(&place) else { continue };
        engine.tag(permit, &id, &name).await.map_err(|why| {
            format!("{service}'s image could not be kept, so nothing was changed: {why:?}")
        })?;
    }
    Ok(())
}
