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
use crate::tool::args::{failed, made, optional, refused};
use crate::tool::command;
use crate::tool::outcome::Doing;
use crate::tool::pick;
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
        errors: "no journal on the host; no right to delete its files; only active files, which stay",
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

/// What the journal takes, by what `journalctl --disk-usage` prints: `... take up 104.0M in the file system.`
fn taken(said: &str) -> Option<u64> {
    let (_, after) = said.split_once("take up ")?;
    let size = after.split_whitespace().next()?.trim_end_matches('.');
    let digits = size.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(size.len());
    let (number, unit) = size.split_at_checked(digits)?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    // At most one decimal is printed.
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let tenths: u64 = tenths.get(..1)?.parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(factor)?.checked_add(factor / 10 * tenths)
}

/// Asks the host what its journal takes.
async fn measure(link: &dyn HostLink, usage: &ReadOnly) -> Result<u64, ToolError> {
    let said = command::read(link, usage, Span::secs(10)).await?;
    taken(said.stdout.as_str()).ok_or_else(|| {
        failed(format!(
            "journalctl does not say what the journal takes: {}",
            said.stdout.first_line()
        ))
    })
}

impl Action for Vacuum {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        // Down to a size: where it is that small already, nothing is deleted.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.journal.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = measure(self.link.as_ref(), &self.usage).await?;
            let (takes, keep) = (human_bytes(now), human_bytes(self.keep));
            let beyond = now.saturating_sub(self.keep);
            let (words, max_items) = match beyond {
                0 => (format!("nothing to do: {} takes {takes}, and {keep} stay", self.journal), 0),
                _ => (
                    format!(
                        "delete the oldest entries of {} until {keep} are left: it takes {takes}, so about {} are freed",
                        self.journal,
                        human_bytes(beyond)
                    ),
                    1,
                ),
            };
            let effect = Effect {
                words,
                max_items,
                // It grows while the plan waits.
                max_bytes: if beyond == 0 { 0 } else { pick::headroom(beyond) },
                takes: Some(Span::secs(20)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("deleted entries are gone".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let before = match measure(self.link.as_ref(), &self.usage).await {
                Ok(before) => before,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let doing = Doing {
                link: Arc::clone(&self.link),
                argv: self.argv,
                timeout: TIMEOUT,
                what: format!("vacuum {}", self.journal),
                done: format!("vacuumed {}", self.journal),
                after: vec![self.usage.clone()],
            };
            let result = doing.run(&permit).await;
            let ActionResult::Done(did) = result else { return result };
            // Its exit code says only that it looked.
            match measure(self.link.as_ref(), &self.usage).await {
                Ok(after) if after < before => {
                    let freed = human_bytes(before - after);
                    ActionResult::Done(format!(
                        "{did}, freed {freed}: {} are left",
                        human_bytes(after)
                    ))
                }
                Ok(after) => ActionResult::Failed(format!(
                    "{did}, and nothing was freed: it takes {}, as before; only archived files are deleted, and \
                     `journalctl --rotate` makes the active ones such",
                    human_bytes(after)
                )),
                Err(why) => ActionResult::Failed(format!("{did}, but not proven: {why}")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_journalctl_prints_is_read() {
        for (said, want) in [
            ("Archived and active journals take up 104.0M in the file system.", Some(104 << 20)),
            (
                "Archived and active journals take up 3.9G in the file system.",
                Some((3 << 30) + (1 << 30) / 10 * 9),
            ),
            ("Archived and active journals take up 0B in the file system.", Some(0)),
            ("Journals take up 48.0K.", Some(48 << 10)),
            ("No journal files were found.", None),
            ("take up 1.5X in", None),
            ("take up .M", None),
            ("take up 99999999999999999999G in", None),
            ("", None),
        ] {
            assert_eq!(taken(said), want, "{said}");
        }
    }
}
