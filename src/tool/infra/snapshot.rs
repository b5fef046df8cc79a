//! `vm.snapshot`, `vm.rollback`, `vm.forget`: a machine's volumes as they were, had back or let go.

use crate::clients::provider::Deed;
use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolError, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{Args, made, optional, refused, required};
use crate::tool::infra::{ARGUMENT, ERRORS, TIMEOUT, change};
use crate::tool::world::World;

/// What the names of reef's own snapshots begin with: it touches no other.
pub const OWN: &str = "reef-";
/// As long as Proxmox takes.
const LONGEST: usize = 40;
const NAME: &str =
    "reef-NAME, of letters, digits, - and _, at most 40: reef touches no other snapshot";

fn snapshot_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.snapshot"),
        summary: "Take a snapshot of a virtual machine's volumes, so that what comes next can be undone",
        inputs: vec![
            required("vm", Kind::Target, ARGUMENT),
            required("name", Kind::Word, NAME),
            optional(
                "keep",
                Kind::Span,
                "how long it is kept, an hour at least; 7 d where it is left out",
            ),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "medium; critical where a playbook does it",
        undo: "vm.rollback to it, which is critical, until it expires",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"vm.snapshot\"\nargs = { vm = \"pve:vm:web\", name = \"reef-before\", keep = \"1d\" }",
    }
}

fn rollback_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.rollback"),
        summary: "Put a virtual machine's volumes back to a snapshot; what was written since is lost",
        inputs: vec![required("vm", Kind::Target, ARGUMENT), required("name", Kind::Word, NAME)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: what was written since is lost",
        errors: "a snapshot that expired; a machine that a backup holds; no right to roll back (the refusal prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"vm.rollback\"\nargs = { vm = \"pve:vm:web\", name = \"reef-before\" }",
    }
}

fn forget_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.forget"),
        summary: "Remove a snapshot that reef took; reef does it by itself when its time is over",
        inputs: vec![required("vm", Kind::Target, ARGUMENT), required("name", Kind::Word, NAME)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: a snapshot that was removed is gone",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"vm.forget\"\nargs = { vm = \"pve:vm:web\", name = \"reef-before\" }",
    }
}

fn name(args: &Args<'_>) -> Result<String, ToolError> {
    let name = args.word("name").ok_or_else(|| refused("name is missing"))?.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_own = name.strip_prefix(OWN).is_some_and(|rest| !rest.is_empty());
    match is_own && name.len() <= LONGEST && name.chars().all(plain) {
        true => Ok(name.to_owned()),
        false => Err(refused(format!("{name} is no snapshot of reef's own: {NAME}"))),
    }
}

/// `vm.snapshot`.
pub fn snapshot(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(snapshot_spec(), move |args| {
        let name = name(args)?;
        if args.span("keep").is_some_and(|keep| keep < Span::hours(1)) {
            return Err(refused("keep is an hour at least"));
        }
        change(&world, args, |_, _| Ok(Deed::Snapshot { name }))
    })
}

/// `vm.rollback`.
pub fn rollback(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rollback_spec(), move |args| {
        let name = name(args)?;
        change(&world, args, |_, _| Ok(Deed::Rollback { name }))
    })
}

/// `vm.forget`.
pub fn forget(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(forget_spec(), move |args| {
        let name = name(args)?;
        change(&world, args, |_, _| Ok(Deed::Forget { name }))
    })
}
