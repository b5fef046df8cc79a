//! What fills a volume: classified by code, each group with size, age, growth and whether it is safe.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{gives, made, optional, required};
use crate::tool::world::World;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("disk.usage"),
        summary: "Find what fills a path: kind, size, age, growth, and whether it is safe to touch",
        inputs: vec![
            required("path", Kind::Path, "a folder; its volume is not left"),
            optional("top", Kind::Int, "how many groups to tell of, 1 to 50; 10 unless said"),
        ],
        gives: vec![
            gives("path", Kind::Path, "where the largest group lies"),
            gives(
                "kind",
                Kind::Word,
                "logs, journal, temp, package-cache, images, backups, database, crash-dumps, \
                 deleted-open or unknown",
            ),
            gives("size", Kind::Bytes, "what the largest group takes"),
            gives("age", Kind::Span, "how long ago its newest file changed"),
            gives("growth", Kind::Bytes, "since the last answer for this path; 0 without one"),
            gives("safe", Kind::Flag, "whether steps below critical may touch it"),
            gives("ambiguous", Kind::Flag, "whether a human must choose among the candidates"),
            gives("candidates", Kind::List(Box::new(Kind::Word)), "all kinds, largest first"),
        ],
        max_tier: Tier::Low,
        timeout: Span::secs(30),
        example: "tool = \"disk.usage\"\nargs = { path = \"/var\", top = 10 }",
    }
}

/// `disk.usage`.
pub fn usage(_world: &World) -> Box<dyn Tool> {
    made(spec(), move |_args| todo!())
}
