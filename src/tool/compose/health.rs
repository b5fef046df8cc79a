//! `compose.health`: whether a project does what it is there for: its containers run and are not sick, and the
//! endpoints that the config says it serves answer.

use crate::Fut;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::container::{ContainerState, Health};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{gives, made, required};
use crate::tool::compose::{ARGUMENT, Standing};
use crate::tool::container::At;
use crate::tool::world::World;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.health"),
        summary: "Tell whether a project is well: containers run, health checks pass, endpoints answer",
        inputs: vec![required("stack", Kind::Target, ARGUMENT)],
        gives: vec![
            gives("healthy", Kind::Flag, "all of it is well"),
            gives("endpoints", Kind::Int, "endpoints that the config says it serves"),
            gives("why", Kind::Text, "what is not well"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such project; an engine that does not answer",
        timeout: Span::secs(40),
        example: "tool = \"compose.health\"\nargs = { stack = \"mini:stack:media\" }",
    }
}

/// `compose.health`.
pub fn health(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Look { at, target })))
    })
}

struct Look {
    at: At,
    target: Target,
}

/// The endpoints that a project serves, as `served_by` on their probes says.
fn served(at: &At, standing: &Standing) -> Vec<String> {
    let serves = |by: &Target| {
        by.on() == at.link.name()
            && match by.as_composed() {
                Some((project, _)) => project == standing.stack.name,
                None => {
                    by.thing() == Thing::Container
                        && standing.containers.iter().any(|c| c.name == by.name())
                }
            }
    };
    let inventory = &at.world.inventory;
    inventory.served_by.iter().filter(|(_, by)| serves(by)).map(|(name, _)| name.clone()).collect()
}

impl Query for Look {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let at = &self.at;
            let standing = Standing::look(at, &self.target).await?;
            let mut wrong = Vec::new();
            for c in &standing.containers {
                let sick = match (c.state, c.health) {
                    (ContainerState::Running, Health::None | Health::Healthy) => None,
                    (ContainerState::Running, health) => Some(health.as_str()),
                    // What somebody stopped, or what is done, is not missed.
                    _ if c.stopped_on_purpose() => None,
                    (state, _) => Some(state.as_str()),
                };
                wrong.extend(sick.map(|word| format!("{} is {word}", c.name)));
            }
            if standing.running().is_empty() {
                wrong.push("nothing of it runs".into());
            }
            let mut endpoints = 0;
            for name in served(at, &standing) {
                let Some(url) = at.world.inventory.endpoints.get(&name).and_then(|e| e.url.clone())
                else {
                    continue;
                };
                endpoints += 1;
                match at.world.web.get(&url).await {
                    Ok(answer) if (200..400).contains(&answer.status) => {}
                    Ok(answer) => wrong.push(format!("{name} answers {}", answer.status)),
                    Err(why) => wrong.push(format!("{name}: {why}")),
                }
            }
            let mut values = Values::from([
                ("healthy".to_owned(), Value::Flag(wrong.is_empty())),
                ("endpoints".to_owned(), Value::Int(endpoints)),
            ]);
            let runs = standing.running().len();
            let words = match wrong.is_empty() {
                true => format!(
                    "{}: {runs} services run, {endpoints} endpoints answer",
                    standing.stack.name
                ),
                false => {
                    let why = wrong.join("; ");
                    values.insert("why".to_owned(), Value::Text(Tainted::bounded(&why, 400)));
                    format!("{}: {why}", standing.stack.name)
                }
            };
            Ok(Found { values, words: Tainted::bounded(&words, 2_000) })
        })
    }
}
