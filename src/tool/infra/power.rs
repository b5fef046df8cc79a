//! `vm.start`, `vm.stop`.

use crate::clients::provider::Deed;
use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{made, required};
use crate::tool::infra::{ARGUMENT, ERRORS, TIMEOUT, change};
use crate::tool::world::World;

fn start_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.start"),
        summary: "Start a virtual machine that ended by itself; never one that somebody stopped",
        inputs: vec![required("vm", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "high; critical by a playbook that is not declared high with its own hash",
        undo: "vm.stop",
        errors: "a machine that somebody stopped, or that an HA manager starts; one that the config does not name; a right that the token does not have (the refusal prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"vm.start\"\nargs = { vm = \"pve:vm:web\" }",
    }
}

fn stop_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.stop"),
        summary: "Shut a virtual machine down, as its own power button would; never by force",
        inputs: vec![required("vm", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "high; critical by a playbook that is not declared high with its own hash",
        undo: "vm.start",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"vm.stop\"\nargs = { vm = \"pve:vm:web\" }",
    }
}

/// `vm.start`.
pub fn start(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(start_spec(), move |args| change(&world, args, |_, _| Ok(Deed::Start)))
}

/// `vm.stop`.
pub fn stop(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(stop_spec(), move |args| change(&world, args, |_, _| Ok(Deed::Stop)))
}
