//! `container.list`, `container.inspect`, `container.logs`.

use crate::Fut;
use crate::clients::docker::engine::Newest;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::container::{Container, ContainerState, Health};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Bounds, Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::tool::args::{failed, gives, made, optional, required};
use crate::tool::container::{ARGUMENT, At, Named, Touch, is_well, target_of, touch};
use crate::tool::lines::{Keep, Lines};
use crate::tool::world::World;

const UNREACHED: &str = "an engine that does not answer, or that is not open to reef";

fn list_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.list"),
        summary: "List a host's containers, those that are not well first",
        inputs: vec![optional("top", Kind::Int, "how many to tell of, 1 to 200; 30 unless said")],
        gives: vec![
            gives("count", Kind::Int, "all of them"),
            gives("running", Kind::Int, "those that run"),
            gives("unwell", Kind::Int, "those that are sick, restart, or ended by themselves"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: UNREACHED,
        timeout: Span::secs(20),
        example: "tool = \"container.list\"\nargs = { top = 20 }",
    }
}

fn inspect_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.inspect"),
        summary: "Look at a container: state, health, exit code, OOM kill, limits, image",
        inputs: vec![required("container", Kind::Target, ARGUMENT)],
        gives: vec![
            gives("container", Kind::Target, "the container itself, by its name"),
            gives("state", Kind::Word, "running, restarting, exited, paused, created ..."),
            gives("health", Kind::Word, "none, starting, healthy, unhealthy"),
            gives("exit_code", Kind::Int, "what it ended with last"),
            gives("oom", Kind::Flag, "whether it was killed for want of memory when it ended last"),
            gives(
                "steady",
                Kind::Flag,
                "whether it runs, is not sick, and was not restarted by the engine",
            ),
            gives("restarts", Kind::Int, "by the engine since it was started by hand"),
            gives("started", Kind::Int, "when it was started last, in seconds since 1970"),
            gives("limit", Kind::Bytes, "what it may use in memory, where limited"),
            gives("image", Kind::Word, "the digest of its image, 64 digits"),
            gives("name", Kind::Text, "what its image was asked for by"),
            gives("intended", Kind::Flag, "whether somebody stopped it, or its work is done"),
            gives(
                "restartable",
                Kind::Flag,
                "whether a runbook that does not name it may restart it",
            ),
            gives("why_not", Kind::Text, "why not, where it may not"),
            gives("declared", Kind::Flag, "whether the config declares it restartable"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such container; an engine that does not answer",
        timeout: Span::secs(20),
        example: "tool = \"container.inspect\"\nargs = { container = \"mini:container:jellyfin\" }",
    }
}

fn logs_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("container.logs"),
        summary: "Read a container's newest lines as templates, of its present or its previous run",
        inputs: vec![
            required("container", Kind::Target, ARGUMENT),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 1000; 200 unless said"),
            optional("previous", Kind::Flag, "what it said before its present run began"),
        ],
        gives: vec![
            gives("template", Kind::Text, "the most frequent template among its errors, or of all"),
            gives("errors", Kind::Int, "how many lines speak of an error"),
            gives("last", Kind::Text, "the last line of all"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no such container; a logging driver that keeps nothing to be read",
        timeout: Span::secs(20),
        example: "tool = \"container.logs\"\nargs = { container = \"mini:container:jellyfin\", previous = true }",
    }
}

/// `container.list`.
pub fn list(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(list_spec(), move |args| {
        let top = args.count("top", 30, 200)?;
        let at = At::of(&world, &args.call().target)?;
        Ok(Parsed::Query(Box::new(List { at, top })))
    })
}

struct List {
    at: At,
    top: usize,
}

impl Query for List {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (mut all, now) = (self.at.all().await?, self.at.world.now.now());
            let unwell = |c: &Container| !is_well(c) && !c.stopped_on_purpose();
            all.sort_by_key(|c| (!unwell(c), c.state != ContainerState::Running, c.name.clone()));
            let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
            let running = all.iter().filter(|c| c.state == ContainerState::Running).count();
            let values = Values::from([
                ("count".to_owned(), count(all.len())),
                ("running".to_owned(), count(running)),
                ("unwell".to_owned(), count(all.iter().filter(|c| unwell(c)).count())),
            ]);
            let mut words = format!("{} containers, {running} run", all.len());
            for c in all.iter().take(self.top) {
                words.push_str(&format!("\n{}: {} ({})", c.name, state(c, now), c.image));
            }
            Ok(Found { values, words: Tainted::bounded(&words, 20_000) })
        })
    }
}

/// `container.inspect`.
pub fn inspect(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(inspect_spec(), move |args| {
        let target = args.container("container")?;
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Inspect { at, target })))
    })
}

struct Inspect {
    at: At,
    target: Target,
}

/// What a container does, in words: `runs for 3 d, unhealthy (5 in a row)`.
pub fn state(c: &Container, now: Millis) -> String {
    let since = |at: Option<Millis>| at.map(|at| now.since(at));
    let mut words = match (c.state, since(c.started_at), since(c.finished_at)) {
        (ContainerState::Running, Some(up), _) => format!("runs for {up}"),
        (ContainerState::Exited, _, Some(ago)) => {
            format!("ended{} {ago} ago", c.with_code())
        }
        (state, _, _) => state.as_str().to_owned(),
    };
    match c.health {
        Health::None => {}
        Health::Unhealthy { streak } => words.push_str(&format!(", unhealthy ({streak} in a row)")),
        Health::Starting | Health::Healthy => words.push_str(&format!(", {}", c.health.as_str())),
    }
    if c.oom_killed {
        words.push_str(", killed for want of memory");
    }
    if 0 < c.restarts {
        words.push_str(&format!(", restarted {} times by the engine", c.restarts));
    }
    words
}

/// A container's values, as `container.inspect` gives them.
pub fn values(at: &At, c: &Container) -> Values {
    let word = |text: &str| Value::Word(Word::new(text).unwrap_or_else(|_| Word::of("other")));
    let inventory = &at.world.inventory;
    // Bounds without names: what holds for a runbook that names nothing.
    let target = target_of(at, c);
    let named = target.as_ref().map_or(Named::No, |t| Named::of(&Bounds::default(), t, c));
    let may = touch(c, named, &inventory.databases);
    let declared = target.as_ref().is_some_and(|t| inventory.restartable.contains(t));
    let mut values = Values::from([
        ("state".to_owned(), word(c.state.as_str())),
        ("health".to_owned(), word(c.health.as_str())),
        ("oom".to_owned(), Value::Flag(c.oom_killed)),
        ("steady".to_owned(), Value::Flag(is_well(c) && c.restarts == 0)),
        ("restarts".to_owned(), Value::Int(i64::from(c.restarts))),
        ("image".to_owned(), word(c.image_id.trim_start_matches("sha256:"))),
        ("name".to_owned(), Value::Text(Tainted::bounded(&c.image, 200))),
        ("intended".to_owned(), Value::Flag(c.stopped_on_purpose())),
        ("restartable".to_owned(), Value::Flag(may == Touch::May)),
        ("declared".to_owned(), Value::Flag(declared)),
    ]);
    values.extend(c.exit_code.map(|code| ("exit_code".to_owned(), Value::Int(i64::from(code)))));
    values.extend(target.map(|target| ("container".to_owned(), Value::Target(target))));
    values.extend(c.started_at.map(|at| ("started".to_owned(), Value::Int(at.0 / 1_000))));
    values.extend(c.memory_limit.map(|limit| ("limit".to_owned(), Value::Bytes(limit))));
    if let Some(why) = may.refusal(c) {
        values.insert("why_not".to_owned(), Value::Text(Tainted::bounded(&why, 400)));
    }
    values
}

impl Query for Inspect {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (at, now) = (&self.at, self.at.world.now.now());
            let c = at.find(&self.target).await?;
            let values = values(at, &c);
            let limit = match c.memory_limit {
                Some(limit) => format!("memory limit {}", human_bytes(limit)),
                None => "no memory limit".to_owned(),
            };
            let id = c.image_id.trim_start_matches("sha256:").get(..12).unwrap_or("unknown");
            let words = format!(
                "{}: {}; policy {}, {limit}, image {} ({id})",
                c.name,
                state(&c, now),
                c.policy.as_str(),
                c.image
            );
            Ok(Found { values, words: Tainted::bounded(&words, 1_000) })
        })
    }
}

/// `container.logs`.
pub fn logs(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(logs_spec(), move |args| {
        let target = args.container("container")?;
        let lines = args.count("lines", 200, 1_000)?;
        let run = match args.flag("previous") {
            Some(true) => Run::Previous,
            Some(false) | None => Run::Present,
        };
        let at = At::of(&world, &target)?;
        Ok(Parsed::Query(Box::new(Logs { at, target, lines, run })))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Present,
    Previous,
}

struct Logs {
    at: At,
    target: Target,
    lines: usize,
    run: Run,
}

impl Query for Logs {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let Self { at, target, lines, run } = *self;
            let c = at.find(&target).await?;
            let runs = matches!(c.state, ContainerState::Running | ContainerState::Restarting);
            // Of one that ended the newest lines are those of the run that ended.
            let before = match run {
                Run::Previous if runs => c.started_at,
                Run::Previous | Run::Present => None,
            };
            let said = at.engine.logs(&c.name, Newest { lines, before }).await;
            let said = said.map_err(|why| failed(format!("{}: {why}", c.name)))?;
            let errors = Lines::of(said.as_str(), Keep::Errors);
            let shown = match errors.kept {
                0 => Lines::of(said.as_str(), Keep::All),
                _ => errors.clone(),
            };
            let template = shown.templates.first().map_or("", |(template, _)| template);
            let last = said.as_str().lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
            let values = Values::from([
                ("template".to_owned(), Value::Text(Tainted::bounded(template, 300))),
                ("errors".to_owned(), Value::Int(i64::try_from(errors.kept).unwrap_or(i64::MAX))),
                ("last".to_owned(), Value::Text(Tainted::bounded(last.trim(), 300))),
            ]);
            let which = match run {
                Run::Present => "",
                Run::Previous => " of the run before",
            };
            let words = format!(
                "{}: {} of {} lines{which} speak of errors, the last one was: {}{}",
                c.name,
                errors.kept,
                errors.seen,
                last.trim(),
                shown.words(5)
            );
            Ok(Found { values, words: Tainted::bounded(&words, 4_000) })
        })
    }
}
