//! The journal's size.

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, human_bytes};
use crate::policy::argv::{Argv, ReadOnly};
use crate::tool::args::{made, optional, refused};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

/// What is kept unless something else is said, and at the least: hours of the noisiest host.
pub const KEEP: u64 = 500 << 20;
const LEAST: u64 = 64 << 20;
pub const TIMEOUT: Span = Span::secs(120);

fn vacuum_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("journal.vacuum"),
        summary: "Delete the journal's oldest archived entries until so much is left",
        inputs: vec![optional(
            "keep",
            Kind::Bytes,
            "what stays, 64 MiB or more; 500 MiB unless said",
        )],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: deleted entries are gone",
        errors: "no journal on the host; no right to delete its files",
        timeout: Span::mins(3),
        example: "tool = \"journal.vacuum\"\nargs = { keep = \"500 MiB\" }",
    }
}

/// The command that leaves so many bytes.
pub fn command(keep: u64) -> Result<Argv, ToolError> {
    command::argv(&["journalctl", &format!("--vacuum-size={keep}")])
}

/// `journal.vacuum`.
pub fn vacuum(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(vacuum_spec(), move |args| {
        let keep = args.bytes("keep").unwrap_or(KEEP);
        if keep < LEAST {
            let (keep, least) = (human_bytes(keep), human_bytes(LEAST));
            return Err(refused(format!("keep is {keep}; at least {least} stay")));
        }
        let link = command::link(&world, &args.call().target)?;
        let journal = Target::new(args.call().target.on().clone(), Thing::Log, "journal");
        let journal = journal.map_err(refused)?;
        let usage = command::read_only(&["journalctl", "--disk-usage"])?;
        Ok(Parsed::Action(Box::new(Vacuum { link, argv: command(keep)?, journal, usage, keep })))
    })
}

struct Vacuum {
    link: Arc<dyn HostLink>,
    argv: Argv,
    journal: Target,
    usage: ReadOnly,
    keep: u64,
}

impl Action for Vacuum {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.journal.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = command::read(self.link.as_ref(), &self.usage, Span::secs(10)).await?;
            let words = format!(
                "delete the oldest entries of {} until {} are left ({})",
                self.journal,
                human_bytes(self.keep),
                now.stdout.first_line()
            );
            let effect = Effect {
                words,
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(20)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("deleted entries are gone".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let doing = Doing {
                link: self.link,
                argv: self.argv,
                timeout: TIMEOUT,
                what: format!("vacuum {}", self.journal),
                done: format!("vacuumed {} to {}", self.journal, human_bytes(self.keep)),
                after: vec![self.usage],
            };
            doing.run(&permit).await
        })
    }
}
