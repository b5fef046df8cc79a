//! Logs: rotating current ones, and what their lines say.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, optional, required};
use crate::tool::world::World;

fn rotate_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.rotate"),
        summary: "Compress a copy of each current log below a path to NAME.1.gz, then empty the log",
        inputs: vec![
            required("path", Kind::Path, "a log, or a folder of logs, within the declared roots"),
            optional("older", Kind::Span, "only logs not written to for this long"),
        ],
        gives: vec![],
        max_tier: Tier::High,
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
        timeout: Span::secs(20),
        example: "tool = \"logs.patterns\"\nargs = { log = \"mini:log:journal\" }",
    }
}

/// `logs.rotate`.
pub fn rotate(_world: &World) -> Box<dyn Tool> {
    made(rotate_spec(), move |_args| todo!())
}

/// `logs.patterns`.
pub fn patterns(_world: &World) -> Box<dyn Tool> {
    made(patterns_spec(), move |_args| todo!())
}
