//! `vm.create`, `vm.delete`, `vm.limit`, `volume.resize`.

use crate::clients::provider::Deed;
use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{made, optional, refused, required};
use crate::tool::infra::{ARGUMENT, ERRORS, TIMEOUT, change};
use crate::tool::world::World;

/// Memory is set in whole MiB.
const MIB: u64 = 1 << 20;
/// Less does not boot, more is a slip of the pen.
const MEMORY: std::ops::RangeInclusive<u64> = (64 * MIB)..=(4 << 40);
const CORES: i64 = 512;

fn create_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.create"),
        summary: "Make a virtual machine as a full copy of the template that the config declares for it",
        inputs: vec![required("vm", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "vm.delete, while it is stopped",
        errors: "a machine without an entry in templates, or whose number is taken; no right to clone the template (the refusal prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"vm.create\"\nargs = { vm = \"pve:vm:lab\" }",
    }
}

fn delete_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.delete"),
        summary: "Delete a stopped virtual machine that reef itself made of a template",
        inputs: vec![required("vm", Kind::Target, ARGUMENT)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: what was deleted is gone",
        errors: "a machine that reef did not make, or that runs; no right to remove it (the refusal prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"vm.delete\"\nargs = { vm = \"pve:vm:lab\" }",
    }
}

fn limit_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("vm.limit"),
        summary: "Set how much memory and how many cores a virtual machine may have",
        inputs: vec![
            required("vm", Kind::Target, ARGUMENT),
            optional(
                "memory",
                Kind::Bytes,
                "in whole MiB, 64 MiB to 4 TiB; stays where it is left out",
            ),
            optional("cores", Kind::Int, "1 to 512; stays where it is left out"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "vm.limit back to what it was",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"vm.limit\"\nargs = { vm = \"pve:vm:web\", memory = \"4GiB\", cores = 2 }",
    }
}

fn resize_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("volume.resize"),
        summary: "Grow a volume of a virtual machine; never shrink one",
        inputs: vec![
            required("vm", Kind::Target, ARGUMENT),
            required("volume", Kind::Word, "as its provider calls it: scsi0, rootfs"),
            required("to", Kind::Bytes, "its new size, more than the present one"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: a volume only grows",
        errors: "a smaller size than the present one; no such volume; no right to change it (the refusal prints the grant)",
        timeout: TIMEOUT,
        example: "tool = \"volume.resize\"\nargs = { vm = \"pve:vm:web\", volume = \"scsi0\", to = \"64GiB\" }",
    }
}

/// `vm.create`.
pub fn create(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(create_spec(), move |args| {
        change(&world, args, |known, target| {
            let template = known.templates.get(target.name()).cloned().ok_or_else(|| {
                refused(format!(
                    "nothing says of what {target} is made; name it in templates of [provider.{}]",
                    target.on()
                ))
            })?;
            Ok(Deed::Create { template, name: target.name().to_owned() })
        })
    })
}

/// `vm.delete`.
pub fn delete(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(delete_spec(), move |args| {
        change(&world, args, |known, target| match known.templates.contains_key(target.name()) {
            true => Ok(Deed::Delete),
            false => {
                Err(refused(format!("{target} is none that reef makes, and it deletes no other")))
            }
        })
    })
}

/// `vm.limit`.
pub fn limit(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(limit_spec(), move |args| {
        let memory = args.bytes("memory");
        if memory.is_some_and(|m| !MEMORY.contains(&m) || m % MIB != 0) {
            return Err(refused("memory is 64 MiB to 4 TiB, in whole MiB"));
        }
        let cores = match args.call().args.get("cores") {
            Some(Value::Int(n)) if (1..=CORES).contains(n) => u64::try_from(*n).ok(),
            Some(_) => return Err(refused(format!("cores is 1 to {CORES}"))),
            None => None,
        };
        if memory.is_none() && cores.is_none() {
            return Err(refused("vm.limit needs memory or cores"));
        }
        change(&world, args, |_, _| Ok(Deed::Limit { memory, cores }))
    })
}

/// `volume.resize`.
pub fn resize(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(resize_spec(), move |args| {
        let volume = args.word("volume").ok_or_else(|| refused("volume is missing"))?.to_string();
        let to = args.bytes("to").ok_or_else(|| refused("to is missing"))?;
        if to == 0 || to % 1_024 != 0 {
            return Err(refused("to is a size in whole KiB"));
        }
        change(&world, args, |_, _| Ok(Deed::Grow { volume, to }))
    })
}
