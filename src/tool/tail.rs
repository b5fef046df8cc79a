//! The ends of files below declared folders, and the newest commits of declared working trees.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::policy::argv::ReadOnly;
use crate::policy::argv::classify::git_log;
use crate::tool::args::{gives, made, optional, refused, required};
use crate::tool::command;
use crate::tool::lines::{Keep, Lines};
use crate::tool::world::World;

fn tail_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.tail"),
        summary: "Read the end of a file below the host's declared `tails`, as templates",
        inputs: vec![
            required("path", Kind::Path, "the file"),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 1000; 200 unless said"),
        ],
        gives: vec![
            gives("template", Kind::Text, "the most frequent template among its errors"),
            gives("errors", Kind::Int, "how many lines speak of an error"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a file outside `tails` of its host; a link that leads out of them; no right to read it",
        timeout: Span::secs(20),
        example: "tool = \"files.tail\"\nargs = { path = \"/var/log/app/app.log\", lines = 100 }",
    }
}

fn log_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("git.log"),
        summary: "Tell the newest commits of a working tree that the config declares",
        inputs: vec![
            required("path", Kind::Path, "one of the host's `repositories`"),
            optional("top", Kind::Int, "how many commits, 1 to 50; 10 unless said"),
        ],
        gives: vec![
            gives("commit", Kind::Word, "the newest commit"),
            gives("commits", Kind::Int, "how many were told"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a path that is not among `repositories` of its host; no git there; another owner (git's safe.directory)",
        timeout: Span::secs(20),
        example: "tool = \"git.log\"\nargs = { path = \"/opt/stacks\" }",
    }
}

/// `files.tail`.
pub fn tail(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(tail_spec(), move |args| {
        let path = args.path("path").ok_or_else(|| refused("path is missing"))?.clone();
        let lines = args.count("lines", 200, 1_000)?;
        let host = args.call().target.on();
        let roots: Vec<AbsPath> = world
            .inventory
            .tails
            .iter()
            .filter(|root| root.on() == host)
            .filter_map(Target::as_path)
            .collect();
        if !roots.iter().any(|root| path.is_below(root) && path != *root) {
            return Err(refused(format!(
                "{path} lies outside the folders of {host} that may be read; write tails = \
                 [\"/var/log\"] under [host.{host}]"
            )));
        }
        let link = command::link(&world, &args.call().target)?;
        let real = command::read_only(&["readlink", "-e", path.as_str()])?;
        let argv = command::read_log(&["tail", "-n", &lines.to_string(), path.as_str()], &path)?;
        Ok(Parsed::Query(Box::new(Tail { link, real, argv, path, roots })))
    })
}

struct Tail {
    link: Arc<dyn HostLink>,
    real: ReadOnly,
    argv: ReadOnly,
    path: AbsPath,
    roots: Vec<AbsPath>,
}

impl Query for Tail {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let real = command::read(self.link.as_ref(), &self.real, Span::secs(5)).await?;
            let real =
                AbsPath::new(real.stdout.as_str().trim_end_matches('\n')).map_err(refused)?;
            if !self.roots.iter().any(|root| real.is_below(root)) {
                return Err(refused(format!("{} leads to {real}, outside its folder", self.path)));
            }
            let output = command::read(self.link.as_ref(), &self.argv, Span::secs(10)).await?;
            let lines = Lines::of(output.stdout.as_str(), Keep::Errors);
            let template = lines.templates.first().map_or("", |(template, _)| template);
            let values = [
                ("template".to_owned(), Value::Text(Tainted::new(template))),
                ("errors".to_owned(), Value::Int(i64::try_from(lines.kept).unwrap_or(i64::MAX))),
            ];
            let words = format!(
                "{}: {} of {} lines speak of errors{}",
                self.path,
                lines.kept,
                lines.seen,
                lines.words(5)
            );
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}

/// `git.log`.
pub fn log(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(log_spec(), move |args| {
        let path = args.path("path").ok_or_else(|| refused("path is missing"))?.clone();
        let top = args.count("top", 10, 50)?;
        let host = args.call().target.on();
        if !world.inventory.repositories.contains(&Target::path(host.clone(), &path)) {
            return Err(refused(format!(
                "{path} is no working tree that the config declares on {host}; write repositories = \
                 [\"{path}\"] under [host.{host}]"
            )));
        }
        let link = command::link(&world, &args.call().target)?;
        let argv = git_log(&path, u32::try_from(top).unwrap_or(10));
        Ok(Parsed::Query(Box::new(Log { link, argv, path })))
    })
}

struct Log {
    link: Arc<dyn HostLink>,
    argv: ReadOnly,
    path: AbsPath,
}

impl Query for Log {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let output = command::read(self.link.as_ref(), &self.argv, Span::secs(10)).await?;
            let text = output.stdout.as_str();
            let first = text.lines().next().and_then(|line| line.split(' ').next()).unwrap_or("");
            let n = i64::try_from(text.lines().count()).unwrap_or(i64::MAX);
            let values = [
                ("commit".to_owned(), Value::Word(crate::tool::unit::word(first))),
                ("commits".to_owned(), Value::Int(n)),
            ];
            let words = format!("{}: {n} newest commits\n{}", self.path, text.trim_end());
            Ok(Found { values: values.into(), words: Tainted::bounded(&words, 4_000) })
        })
    }
}
