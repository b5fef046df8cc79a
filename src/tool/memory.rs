//! What uses memory.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, optional};
use crate::tool::world::World;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("memory.usage"),
        summary: "Find the process that holds most memory, and its unit",
        inputs: vec![optional(
            "top",
            Kind::Int,
            "how many processes to tell of, 1 to 50; 10 unless said",
        )],
        gives: vec![
            gives("process", Kind::Target, "the process with the largest resident memory"),
            gives("name", Kind::Word, "its name"),
            gives("unit", Kind::Target, "its unit, where it has one"),
            gives("restartable", Kind::Flag, "whether the config declares that unit restartable"),
            gives("size", Kind::Bytes, "its resident memory"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(20),
        example: "tool = \"memory.usage\"\nargs = { top = 5 }",
    }
}

/// `memory.usage`.
pub fn usage(_world: &World) -> Box<dyn Tool> {
    made(spec(), move |_args| todo!())
}
