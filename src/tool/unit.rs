//! systemd units: state, log lines, restart.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, optional, required};
use crate::tool::world::World;

fn status_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.status"),
        summary: "Look at a systemd unit: state, last result, restarts by its manager",
        inputs: vec![required("unit", Kind::Target, "HOST:unit:NAME")],
        gives: vec![
            gives("state", Kind::Word, "active, inactive, failed, activating ..., or not-found"),
            gives(
                "result",
                Kind::Word,
                "success, exit-code, oom-kill, timeout, watchdog, signal ...",
            ),
            gives("restarts", Kind::Int, "by its manager"),
            gives("restartable", Kind::Flag, "whether the config declares it restartable"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(10),
        example: "tool = \"unit.status\"\nargs = { unit = \"mini:unit:nginx.service\" }",
    }
}

fn logs_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.logs"),
        summary: "Read a unit's newest journal lines as templates",
        inputs: vec![
            required("unit", Kind::Target, "HOST:unit:NAME"),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 1000; 200 unless said"),
        ],
        gives: vec![
            gives("template", Kind::Text, "the most frequent template among its errors"),
            gives("errors", Kind::Int, "how many lines speak of an error"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(20),
        example: "tool = \"unit.logs\"\nargs = { unit = \"mini:unit:nginx.service\", lines = 100 }",
    }
}

fn restart_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.restart"),
        summary: "Restart a systemd unit, which is down for a moment",
        inputs: vec![required("unit", Kind::Target, "HOST:unit:NAME")],
        gives: vec![],
        max_tier: Tier::High,
        timeout: Span::secs(120),
        example: "tool = \"unit.restart\"\nargs = { unit = \"mini:unit:nginx.service\" }",
    }
}

/// `unit.status`.
pub fn status(_world: &World) -> Box<dyn Tool> {
    made(status_spec(), move |_args| todo!())
}

/// `unit.logs`.
pub fn logs(_world: &World) -> Box<dyn Tool> {
    made(logs_spec(), move |_args| todo!())
}

/// `unit.restart`.
pub fn restart(_world: &World) -> Box<dyn Tool> {
    made(restart_spec(), move |_args| todo!())
}
