//! `compose.ps` and `compose.check`: what a project has, and what is wanted before it is updated.

use std::collections::BTreeSet;

use crate::Fut;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::container::Health;
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::tool::args::{gives, made, required};
use crate::tool::compose::{ARGUMENT, Standing, listed};
use crate::tool::container::At;
use crate::tool::container::read::state;
use crate::tool::world::World;

fn ps_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.ps"),
        summary: "List a compose project's services and what their containers do",
        inputs: vec![required("stack", Kind::Target, ARGUMENT)],
        gives: vec![
            gives("services", Kind::Int, "that its files ask for"),
            gives("running", Kind::Int, "services of which a container runs"),
            gives("unwell", Kind::Int, "containers that run and are sick or restarting"),
            gives(
                "declared",
                Kind::Flag,
                "whether the config declares its files, so that reef may apply them",
            ),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such project; files that are not understood",
        timeout: Span::secs(20),
        example: "tool = \"compose.ps\"\nargs = { stack = \"mini:stack:media\" }",
    }
}

fn check_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("compose.check"),
        summary: "Look at what an update needs: the host's health, free space, the project, its compose",
        inputs: vec![required("stack", Kind::Target, ARGUMENT)],
        gives: vec![
            gives("uptime", Kind::Span, "of the host"),
            gives("load_percent", Kind::Int, "load of the last minute, of all cores"),
            gives("free", Kind::Bytes, "on the volume on which the engine keeps its images"),
            gives("running", Kind::Int, "services of which a container runs"),
            gives("unwell", Kind::Int, "containers that run and are sick or restarting"),
            gives("declared", Kind::Flag, "whether the config declares its files"),
            gives("compose", Kind::Word, "plugin, apart, or none"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such project; a host that does not answer",
        timeout: Span::secs(40),
        example: "tool = \"compose.check\"\nargs = { stack = \"mini:stack:media\" }",
    }
}

/// `compose.ps`.
pub fn ps(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(ps_spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Ps { at, target })))
    })
}

struct Ps {
    at: At,
    target: Target,
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn unwell(standing: &Standing) -> usize {
    let running = standing.running();
    let sick = |c: &&&crate::model::container::Container| {
        matches!(c.health, Health::Unhealthy { .. })
            || c.state == crate::model::container::ContainerState::Restarting
    };
    running.values().flatten().filter(sick).count()
}

impl Query for Ps {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (at, now) = (&self.at, self.at.world.now.now());
            let standing = Standing::look(at, &self.target).await?;
            let declared = standing.project(at);
            let values = Values::from([
                ("services".to_owned(), count(standing.stack.services.len())),
                ("running".to_owned(), count(standing.running().len())),
                ("unwell".to_owned(), count(unwell(&standing))),
                ("declared".to_owned(), Value::Flag(declared.is_ok())),
            ]);
            let mut words = format!(
                "{} of {}: {} of {} services run",
                standing.stack.name,
                standing.files(),
                standing.running().len(),
                standing.stack.services.len()
            );
            for c in standing.containers.iter().take(50) {
                words.push_str(&format!("\n{}: {} ({})", c.name, state(c, now), c.image));
            }
            if let Err(why) = declared {
                words.push_str(&format!("\n{why}"));
            }
            Ok(Found { values, words: Tainted::bounded(&words, 8_000) })
        })
    }
}

/// `compose.check`.
pub fn check(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(check_spec(), move |args| {
        let target = args.target("stack", Thing::Stack)?.clone();
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Check { at, target })))
    })
}

struct Check {
    at: At,
    target: Target,
}

impl Query for Check {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let at = &self.at;
            let wanted = BTreeSet::from([Fact::Uptime, Fact::Cpu, Fact::Volumes]);
            let facts = at.link.facts(&wanted).await;
            let mut values = Values::new();
            let mut words = Vec::new();
            if let Some(Ok(FactValue::Uptime(up))) = facts.get(&Fact::Uptime) {
                values.insert("uptime".into(), Value::Span(*up));
                words.push(format!("{} is up for {up}", at.link.name()));
            }
            if let Some(Ok(FactValue::Cpu(cpu))) = facts.get(&Fact::Cpu) {
                #[expect(clippy::cast_possible_truncation, reason = "clamped just before")]
                let percent =
                    (cpu.load_1 / f64::from(cpu.cores.max(1)) * 100.0).clamp(0.0, 1e6) as i64;
                values.insert("load_percent".into(), Value::Int(percent));
                words.push(format!("load {percent} %"));
            }
            match at.engine.root().await {
                Ok(root) => {
                    if let Some(Ok(FactValue::Volumes(volumes))) = facts.get(&Fact::Volumes) {
                        let over = volumes.iter().filter(|v| root.is_below(&v.mount));
                        if let Some(v) = over.max_by_key(|v| v.mount.as_str().len()) {
                            values.insert("free".into(), Value::Bytes(v.free_bytes));
                            words.push(format!("{} free below {root}", human_bytes(v.free_bytes)));
                        }
                    }
                }
                Err(why) => words.push(format!("where images are kept is not known: {why}")),
            }
            let standing = Standing::look(at, &self.target).await?;
            let running = standing.running();
            values.insert("running".into(), count(running.len()));
            values.insert("unwell".into(), count(unwell(&standing)));
            words.push(format!("{} run ({})", running.len(), listed(running.keys())));
            let declared = standing.project(at);
            values.insert("declared".into(), Value::Flag(declared.is_ok()));
            words.extend(declared.err().map(|why| why.to_string()));
            use crate::clients::docker::project::{Generation, generation};
            let compose = match generation(at.link.as_ref()).await {
                Ok(Generation::Plugin) => "plugin",
                Ok(Generation::Apart) => "apart",
                Err(why) => {
                    words.push(why);
                    "none"
                }
            };
            values.insert("compose".into(), Value::Word(Word::of(compose)));
            Ok(Found { values, words: Tainted::bounded(&words.join("; "), 4_000) })
        })
    }
}
