//! Snapshots of file systems: read-only, taken before what is risky, rolled back to where it went wrong, removed when
//! their time is over.

mod act;
mod carried;
pub mod files;
pub mod place;

use crate::Fut;
use crate::config::snapshots::SnapshotBy;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, Input, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::policy::argv::Argv;
use crate::tool::args::{Args, gives, made, optional, refused, required};
use crate::tool::command;
use crate::tool::snapshot::act::{Change, Deed};
use crate::tool::snapshot::files::{Files, SLOTS};
use crate::tool::snapshot::place::Place;
use crate::tool::world::{Inventory, World};

/// The words of the argument that every tool here has.
const OF: &str = "HOST:/path, one of the host's `snapshots`";
const NAME: &str = "reef-1 to reef-8: reef touches no other snapshot";
const MARK: &str = "a word by which it is told from an earlier one of the same name";
const ERRORS: &str = "a path that the config does not name; no btrfs subvolume, or a dataset mounted elsewhere; all eight names in use; a missing right or program (the refusal says which)";
/// With the looks before and after.
const TIMEOUT: Span = Span::mins(2);

fn of() -> Input {
    required("of", Kind::Target, OF)
}

fn create_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("snapshot.create"),
        summary: "Take a read-only snapshot of a btrfs subvolume or ZFS dataset, so that what comes next can be undone",
        inputs: vec![
            of(),
            optional(
                "name",
                Kind::Word,
                "reef-1 to reef-8; the first free one where it is left out",
            ),
            optional("mark", Kind::Word, MARK),
            optional(
                "keep",
                Kind::Span,
                "how long it is kept, an hour at least; 7 d where it is left out",
            ),
        ],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "snapshot.rollback to it, which is critical, until it expires",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"snapshot.create\"\ntarget = \"mini:/srv/web\"\nargs = { of = \"mini:/srv/web\", keep = \"1d\" }",
    }
}

fn rollback_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("snapshot.rollback"),
        summary: "Bring all that lies on a file system back to a snapshot, also what others wrote since",
        inputs: vec![of(), required("name", Kind::Word, NAME), optional("mark", Kind::Word, MARK)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "btrfs: snapshot.rollback to what was there before, for 7 d; ZFS: none, what was written since is lost",
        errors: "a snapshot that is gone; of ZFS one that is not the newest; of btrfs other mounts within, or no rsync",
        timeout: Span::mins(40),
        example: "tool = \"snapshot.rollback\"\ntarget = \"mini:/srv/web\"\nargs = { of = \"mini:/srv/web\", name = \"reef-1\" }",
    }
}

fn forget_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("snapshot.forget"),
        summary: "Remove a snapshot that reef took; reef does it by itself when its time is over",
        inputs: vec![of(), required("name", Kind::Word, NAME), optional("mark", Kind::Word, MARK)],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: a snapshot that was removed is gone",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"snapshot.forget\"\ntarget = \"mini:/srv/web\"\nargs = { of = \"mini:/srv/web\", name = \"reef-1\" }",
    }
}

fn list_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("snapshot.list"),
        summary: "Tell which snapshots of reef's a file system has",
        inputs: vec![of(), optional("name", Kind::Word, "whether this one is there")],
        gives: vec![
            gives("count", Kind::Int, "how many of reef's there are"),
            gives(
                "is_there",
                Kind::Flag,
                "whether the one of that name is, where a name was given",
            ),
            gives("names", Kind::Text, "their names"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: ERRORS,
        timeout: Span::secs(50),
        example: "tool = \"snapshot.list\"\ntarget = \"mini:/srv/web\"\nargs = { of = \"mini:/srv/web\" }",
    }
}

/// The file system that a call names, if the config does.
fn place(world: &World, args: &Args<'_>) -> Result<Place, ToolError> {
    let at = args.target("of", Thing::Path)?.clone();
    let Some(of) = files(&world.inventory, &at, world) else {
        let (host, path) = (at.on(), at.name());
        return Err(refused(format!(
            "{at} is not among the file systems that reef may take snapshots of; write \
             snapshots.\"{path}\" = {{}} under [host.{host}]"
        )));
    };
    if let (SnapshotBy::Zfs(dataset), Some(own)) = (&of.by, of.protected.first()) {
        return Err(refused(format!(
            "{own} lies on {dataset}, and a rollback would take reef's own audit log back: take \
             snapshots of it by hand"
        )));
    }
    Ok(Place { link: command::link(world, &at)?, at, of })
}

fn files(inventory: &Inventory, at: &Target, world: &World) -> Option<Files> {
    let (path, by) = (at.as_path()?, inventory.filesystems.get(at)?.clone());
    let own =
        inventory.protected.iter().filter(|own| *at.on() == world.here && own.is_below(&path));
    Some(Files { protected: own.cloned().collect(), path, by })
}

/// Every command by which the snapshots of another host's file systems are taken, rolled back to and removed.
pub fn commands(inventory: &Inventory, host: &crate::model::ids::HostName) -> Vec<(Argv, Span)> {
    let here = inventory.filesystems.iter().filter(|(at, _)| at.on() == host);
    let files = here.filter_map(|(at, by)| {
        Some(Files { path: at.as_path()?, by: by.clone(), protected: Vec::new() })
    });
    files.flat_map(|files| files.commands()).collect()
}

/// One of reef's own names.
fn name(args: &Args<'_>) -> Result<Option<&'static str>, ToolError> {
    let Some(given) = args.word("name").map(Word::as_str) else { return Ok(None) };
    match SLOTS.into_iter().find(|name| *name == given) {
        Some(name) => Ok(Some(name)),
        None => Err(refused(format!("{given} is no snapshot of reef's own: {NAME}"))),
    }
}

fn change(
    world: &World,
    args: &Args<'_>,
    deed: impl FnOnce(Option<&'static str>) -> Result<Deed, ToolError>,
) -> Result<Parsed, ToolError> {
    let (place, deed) = (place(world, args)?, deed(name(args)?)?);
    let (world, call) = (world.clone(), args.call().clone());
    Ok(Parsed::Action(Box::new(Change { world, place, call, deed })))
}

/// `snapshot.create`.
pub fn create(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(create_spec(), move |args| {
        if args.span("keep").is_some_and(|keep| keep < Span::hours(1)) {
            return Err(refused("keep is an hour at least"));
        }
        change(&world, args, |name| Ok(Deed::Create { name }))
    })
}

/// `snapshot.rollback`.
pub fn rollback(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rollback_spec(), move |args| {
        change(&world, args, |name| {
            Ok(Deed::Rollback { name: name.ok_or_else(|| refused("name is missing"))? })
        })
    })
}

/// `snapshot.forget`.
pub fn forget(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(forget_spec(), move |args| {
        change(&world, args, |name| {
            Ok(Deed::Forget { name: name.ok_or_else(|| refused("name is missing"))? })
        })
    })
}

/// `snapshot.list`.
pub fn list(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(list_spec(), move |args| {
        Ok(Parsed::Query(Box::new(List { place: place(&world, args)?, name: name(args)? })))
    })
}

struct List {
    place: Place,
    name: Option<&'static str>,
}

impl Query for List {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let seen = self.place.look().await?;
            let names: Vec<&str> = seen.own.iter().map(|own| own.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let count = i64::try_from(seen.own.len()).unwrap_or(i64::MAX);
            let mut values = Values::from([
                ("count".to_owned(), Value::Int(count)),
                ("names".to_owned(), Value::Text(Tainted::new(&names))),
            ]);
            if let Some(name) = self.name {
                values.insert("is_there".into(), Value::Flag(seen.find(name).is_some()));
            }
            let words = format!("snapshots of reef's of {}: {names}", self.place.words());
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
