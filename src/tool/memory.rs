//! What uses memory.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{HostName, ToolName};
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, human_bytes};
use crate::tool::args::{failed, gives, made, optional};
use crate::tool::command;
use crate::tool::process;
use crate::tool::world::{Inventory, World};

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
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that does not answer",
        timeout: Span::secs(20),
        example: "tool = \"memory.usage\"\nargs = { top = 5 }",
    }
}

/// `memory.usage`.
pub fn usage(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let top = args.count("top", 10, 50)?;
        let host = args.call().target.on().clone();
        let link = command::link(&world, &args.call().target)?;
        let inventory = world.inventory.clone();
        Ok(Parsed::Query(Box::new(Usage { link, host, top, inventory })))
    })
}

struct Usage {
    link: Arc<dyn HostLink>,
    host: HostName,
    top: usize,
    inventory: Arc<Inventory>,
}

impl Query for Usage {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let mut all = process::busiest(self.link.as_ref()).await?;
            all.sort_by_key(|p| (std::cmp::Reverse(p.rss_bytes), p.pid));
            let Some(first) = all.first() else {
                return Err(failed("the collection told of no process"));
            };
            let mut values = process::identify(&self.host, first, &self.inventory);
            values.remove("place");
            if let Some(target) = values.remove("busiest") {
                values.insert("process".into(), target);
            }
            values.insert("size".into(), Value::Bytes(first.rss_bytes));
            let rows = all.iter().take(self.top).map(|p| {
                let unit = p.unit.as_ref().map_or("no unit", |unit| unit.as_str());
                format!("{} {} (pid {}, {unit})", human_bytes(p.rss_bytes), p.comm, p.pid)
            });
            let words = rows.collect::<Vec<_>>().join("\n");
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
