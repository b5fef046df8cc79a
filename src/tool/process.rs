//! Processes: who is busy and whether that is new, and ending one.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, optional, required};
use crate::tool::world::World;

fn list_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("process.list"),
        summary: "Find the busiest process and tell a spike from a runaway and a running job",
        inputs: vec![optional(
            "top",
            Kind::Int,
            "how many processes to tell of, 1 to 50; 10 unless said",
        )],
        gives: vec![
            gives("busiest", Kind::Target, "the process that uses most CPU time"),
            gives("name", Kind::Word, "its name"),
            gives("busy_percent", Kind::Int, "of one core"),
            gives("unit", Kind::Target, "its unit, where it has one"),
            gives("restartable", Kind::Flag, "whether the config declares that unit restartable"),
            gives("verdict", Kind::Word, "spike, runaway, job or unsure"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(20),
        example: "tool = \"process.list\"\nargs = { top = 5 }",
    }
}

fn kill_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("process.kill"),
        summary: "End one process, if it is still the one that was named",
        inputs: vec![
            required("process", Kind::Target, "HOST:pid:PID@START, as process.list gives it"),
            optional("signal", Kind::Word, "`term` (asks it to end) unless said, or `kill`"),
        ],
        gives: vec![],
        max_tier: Tier::High,
        timeout: Span::secs(20),
        example: "tool = \"process.kill\"\nargs = { process = \"busy.busiest\" }",
    }
}

/// `process.list`.
pub fn list(_world: &World) -> Box<dyn Tool> {
    made(list_spec(), move |_args| todo!())
}

/// `process.kill`.
pub fn kill(_world: &World) -> Box<dyn Tool> {
    made(kill_spec(), move |_args| todo!())
}
