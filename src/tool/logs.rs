//! Logs: rotating current ones, and what their lines say.

use std::sync::Arc;

use regex::Regex;

use crate::Fut;
use crate::clients::files::Compress;
use crate::clients::host::HostLink;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::policy::argv::ReadOnly;
use crate::tool::args::{gives, made, optional, refused, required};
use crate::tool::command;
use crate::tool::compress::Shrink;
use crate::tool::lines::{Keep, Lines};
use crate::tool::pick::{self, Wanted, Which};
use crate::tool::world::{LogSource, World};

fn rotate_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.rotate"),
        summary: "Compress a copy of each current log below a path to NAME.1.gz, then empty the log",
        inputs: vec![
            required("path", Kind::Path, "a log, or a folder of logs, within the declared roots"),
            optional("older", Kind::Span, "only logs not written to for this long"),
            optional(
                "held",
                Kind::Flag,
                "true for those only that somebody has open to append to: files.compress takes the others",
            ),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "files.decompress, with the id that it carried",
        errors: "a file that is no current log; a path outside the roots",
        timeout: Span::mins(30),
        example: "tool = \"logs.rotate\"\nargs = { path = \"/var/log\" }",
    }
}

fn patterns_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.patterns"),
        summary: "Template a log's newest error lines and say whether a runbook knows the most frequent",
        inputs: vec![
            required("log", Kind::Target, "a log by its name in the config"),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 2000; 500 unless said"),
        ],
        gives: vec![
            gives("known", Kind::Flag, "whether a runbook's pattern matches the template"),
            gives("template", Kind::Text, "the most frequent template"),
            gives("count", Kind::Int, "how many lines have it"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no log of the config; a file that cannot be read",
        timeout: Span::secs(20),
        example: "tool = \"logs.patterns\"\nargs = { log = \"mini:log:journal\" }",
    }
}

/// `logs.rotate`.
pub fn rotate(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = rotate_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        let world = world.on(args.call().target.on())?;
        let start = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &start)?;
        let older = args.span("older");
        let most = args.call().bounds.max_targets;
        let which = match args.flag("held") {
            Some(true) => Which::HeldLogs,
            Some(false) | None => Which::CurrentLogs,
        };
        let wanted = Wanted { start, which, older, most };
        let call = args.call().clone();
        let (how, tier) = (Compress::CopyTruncate, Tier::High);
        Ok(Parsed::Action(Box::new(Shrink { world, call, wanted, how, tier, timeout })))
    })
}

/// `logs.patterns`. Reads the log itself and not the collection's new lines: those are counted by the
/// probe, and a look by a tool must not take them away from it.
pub fn patterns(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(patterns_spec(), move |args| {
        let log = args.target("log", Thing::Log)?.clone();
        let n = args.count("lines", 500, 2_000)?.to_string();
        let link = command::link(&world, &log)?;
        let known: Vec<_> = world.inventory.logs.keys().cloned().collect();
        let (argv, keep) = match world.inventory.logs.get(log.name()) {
            Some(LogSource::Journal) => {
                let priority = ["-p", "err", "--reverse", "-o", "cat"];
                let parts = ["journalctl", "-n", &n, "--no-pager"];
                (command::read_only(&[&parts[..], &priority[..]].concat())?, Keep::All)
            }
            Some(LogSource::File(path)) => {
                (command::read_log(&["tail", "-n", &n, path.as_str()], path)?, Keep::Errors)
            }
            None => {
                return Err(refused(format!(
                    "{log} is no log of the config; known: {}",
                    known.join(", ")
                )));
            }
        };
        let patterns = world.inventory.patterns.clone();
        Ok(Parsed::Query(Box::new(Patterns { link, argv, keep, log, patterns })))
    })
}

struct Patterns {
    link: Arc<dyn HostLink>,
    argv: ReadOnly,
    keep: Keep,
    log: Target,
    patterns: Vec<String>,
}

impl Query for Patterns {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let output = command::read(self.link.as_ref(), &self.argv, Span::secs(15)).await?;
            let lines = Lines::of(output.stdout.as_str(), self.keep);
            let (template, count) = match lines.templates.first() {
                Some((template, count)) => (template.as_str(), *count),
                None => ("", 0),
            };
            // They were compiled once when their runbooks were checked.
            let matches = |p: &String| Regex::new(p).is_ok_and(|p| p.is_match(template));
            let known = self.patterns.iter().any(|p| !p.is_empty() && matches(p));
            let values = [
                ("known".to_owned(), Value::Flag(known)),
                ("template".to_owned(), Value::Text(Tainted::new(template))),
                ("count".to_owned(), Value::Int(i64::try_from(count).unwrap_or(i64::MAX))),
            ];
            let words = format!("{}: {} error lines{}", self.log, lines.kept, lines.words(8));
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}
