//! `certificate.inspect`: a certificate that lies in a file of this machine, and who renews it there.

use crate::Fut;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{made, refused, required};
use crate::tool::certificate::inspect::{about, found};
use crate::tool::certificate::look::read;
use crate::tool::world::World;

fn file_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("certificate.inspect"),
        summary: "Look at a certificate in a file: days left, who renews it, what is broken about that",
        inputs: vec![required("path", Kind::Path, "the file, on the machine that reef runs on")],
        gives: about(),
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "another host than reef's own; no such file; a file that may not be read; no certificate in it",
        timeout: Span::secs(30),
        example: "tool = \"certificate.inspect\"\nargs = { path = \"/etc/ssl/web.pem\" }",
    }
}

/// `certificate.inspect`.
pub fn inspect(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(file_spec(), move |args| {
        args.only_on(&world.here)?;
        let path = args.path("path").ok_or_else(|| refused("path is missing"))?.clone();
        Ok(Parsed::Query(Box::new(InFile { world: world.clone(), path })))
    })
}

struct InFile {
    world: World,
    path: AbsPath,
}

impl Query for InFile {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let looked = read(&self.world, &self.path).await?;
            let days = looked.leaf.not_after.since(self.world.now.now()).0.div_euclid(86_400_000);
            let (mut values, words) = found(&looked);
            values.insert("days".into(), Value::Int(days));
            let words = format!("{}: {days} days left, {words}", self.path);
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
