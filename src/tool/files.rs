//! Files: compressing logs, moving old files away, and bringing both back.

use crate::clients::files::{Compress, Rooted};
use crate::gate::rules::UNDO_FOR;
use crate::gate::tool::{Parsed, Tool};
use crate::model::ids::{ToolName, Word};
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolError, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{Args, made, optional, refused, required};
use crate::tool::compress::{Grow, Shrink};
use crate::tool::empty::{Empties, Empty};
use crate::tool::kinds::{self, In};
use crate::tool::pick::{self, Wanted, Which};
use crate::tool::quarantine::{PutAway, PutBack};
use crate::tool::world::World;

fn compress_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.compress"),
        summary: "Compress logs below a path that nobody writes to, smallest first: NAME becomes NAME.gz",
        inputs: vec![
            required("path", Kind::Path, "a log, or a folder of logs, within the declared roots"),
            optional("older", Kind::Span, "only logs not written to for this long"),
            optional(
                "what",
                Kind::Word,
                "`rotated` for already rotated logs only (medium), or `all`",
            ),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "medium with what = \"rotated\", else high",
        undo: "files.decompress, with the id that it carried",
        errors: "a path outside the roots; no room for the compressed copy",
        timeout: Span::mins(30),
        example: "tool = \"files.compress\"\nargs = { path = \"/var/log\", older = \"30d\" }",
    }
}

fn decompress_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.decompress"),
        summary: "Bring back what one compress or rotate made small, byte by byte as it was",
        inputs: vec![
            required("path", Kind::Path, "where it was done"),
            required("id", Kind::Word, "the id that the compress or rotate carried"),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none needed: compress them again",
        errors: "no room for the larger files; a file that is there again under its old name",
        timeout: Span::mins(30),
        example: "tool = \"files.decompress\"\nargs = { path = \"/var/log\", id = \"c3a5f0d2\" }",
    }
}

fn clean_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.clean"),
        summary: "Move old temp files, rotated logs or package caches into quarantine",
        inputs: vec![
            required("path", Kind::Path, "a folder within the declared roots"),
            required(
                "older",
                Kind::Span,
                "rotated logs: 30 days or more; temp files: 10 days or more",
            ),
            required("what", Kind::Word, "`temp`, `rotated-logs` or `package-cache`"),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "files.restore, until the quarantine is emptied",
        errors: "a path outside the roots; logs younger than 30 days; more matches than the bounds",
        timeout: Span::mins(30),
        example: "tool = \"files.clean\"\n\
                  args = { path = \"/var/log\", older = \"30d\", what = \"rotated-logs\" }",
    }
}

fn quarantine_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.quarantine"),
        summary: "Move any old files below a path into quarantine, whatever they are",
        inputs: vec![
            required("path", Kind::Path, "a file or folder within the declared roots"),
            optional("older", Kind::Span, "only files not changed for this long"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "files.restore, until the quarantine is emptied",
        errors: "a path outside the roots; more matches than the bounds",
        timeout: Span::mins(30),
        example: "tool = \"files.quarantine\"\nargs = { path = \"/var/log/app\", older = \"7d\" }",
    }
}

fn restore_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.restore"),
        summary: "Move the files of a quarantine back to where they were",
        inputs: vec![required("id", Kind::Word, "the quarantine's id")],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "none needed: clean them again",
        errors: "a file that is there again; a quarantine that was emptied",
        timeout: Span::mins(30),
        example: "tool = \"files.restore\"\nargs = { id = \"q1f0c22d9\" }",
    }
}

fn empty_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.empty_quarantine"),
        summary: "Delete quarantined files for good: what this plan moved there, or what is over its time",
        inputs: vec![
            optional("id", Kind::Word, "one quarantine, whose time is over"),
            optional("all", Kind::Flag, "true for every quarantine whose time is over"),
            optional(
                "older",
                Kind::Span,
                "with `all`: only those that lie there for this long, 7 days or more; with `path`: as that step has it",
            ),
            optional(
                "path",
                Kind::Path,
                "what an earlier step of the same plan moves from here: `files.clean` with the same arguments",
            ),
            optional(
                "what",
                Kind::Word,
                "with `path`: as that step has it, or `archived-logs` for what logs.archive moves",
            ),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: what is deleted is gone",
        errors: "a quarantine that is not there any more, or whose files can still be had back",
        timeout: Span::mins(10),
        example: "tool = \"files.empty_quarantine\"\n\
                  args = { path = \"/var/log\", what = \"rotated-logs\", older = \"30d\" }",
    }
}

/// `files.compress`.
pub fn compress(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = compress_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        let world = world.on(args.call().target.on())?;
        let start = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &start)?;
        // A path that ends like a rotated log is one file, or a folder with an odd name: either way
        // only rotated logs are taken.
        let path = start.path.as_str();
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let rotated = kinds::is_rotated_log(name, In::of(path));
        let (which, tier) = match args.word("what").map(Word::as_str) {
            Some("rotated") => (Which::RotatedLogs, Tier::Medium),
            None if rotated => (Which::RotatedLogs, Tier::Medium),
            None | Some("all") => (Which::Logs, Tier::High),
            Some(other) => return Err(refused(format!("what is rotated or all, not {other}"))),
        };
        let wanted = wanted(args, start, which, args.span("older"));
        let call = args.call().clone();
        let how = Compress::Replace;
        Ok(Parsed::Action(Box::new(Shrink { world, call, wanted, how, tier, timeout })))
    })
}

fn wanted(args: &Args<'_>, start: Rooted, which: Which, older: Option<Span>) -> Wanted {
    Wanted { start, which, older, most: args.call().bounds.max_targets }
}

/// `files.decompress`.
pub fn decompress(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(decompress_spec(), move |args| {
        let world = world.on(args.call().target.on())?;
        let start = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &start)?;
        let id = args.word("id").ok_or_else(|| refused("id is missing"))?.clone();
        let call = args.call().clone();
        Ok(Parsed::Action(Box::new(Grow { world, call, start, id })))
    })
}

/// `files.clean`. What is younger than its kind's age is refused here: `files.quarantine`, which is
/// critical, is for that.
pub fn clean(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = clean_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        let world = world.on(args.call().target.on())?;
        let wanted = cleaned(args, &world)?;
        let call = args.call().clone();
        let tier = Tier::High;
        Ok(Parsed::Action(Box::new(PutAway { world, call, wanted, tier, timeout })))
    })
}

/// What `files.clean` takes by its arguments.
fn cleaned(args: &Args<'_>, world: &World) -> Result<Wanted, ToolError> {
    let start = args.rooted("path")?;
    pick::guard(&world.inventory, &world.quarantine, &start)?;
    let mut older = args.span("older").ok_or_else(|| refused("older is missing"))?;
    let (which, least) = match args.word("what").map(Word::as_str) {
        Some("rotated-logs") => (Which::OldLogs, Span::days(30)),
        Some("temp") => (Which::Temp, Span::days(10)),
        Some("package-cache") => (Which::PackageCache, Span(0)),
        what => {
            let what = what.unwrap_or("nothing");
            return Err(refused(format!(
                "what is temp, rotated-logs or package-cache, not {what}; anything else is for \
                     files.quarantine, which is critical"
            )));
        }
    };
    if older < least {
        return Err(refused(format!(
            "older is {older}, but these are kept for {least}: younger ones are for \
                 files.quarantine, which is critical"
        )));
    }
    // What lies there outlives a reboot, and is kept longer than what lies in /tmp (tmpfiles.d).
    if which == Which::Temp && start.path.as_str().starts_with("/var/tmp") {
        older = older.max(Span::days(30));
    }
    Ok(wanted(args, start, which, Some(older)))
}

/// `files.quarantine`.
pub fn quarantine(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = quarantine_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        let world = world.on(args.call().target.on())?;
        let start = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &start)?;
        let wanted = wanted(args, start, Which::Anything, args.span("older"));
        let call = args.call().clone();
        let tier = Tier::Critical;
        Ok(Parsed::Action(Box::new(PutAway { world, call, wanted, tier, timeout })))
    })
}

/// `files.restore`.
pub fn restore(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(restore_spec(), move |args| {
        let world = world.on(args.call().target.on())?;
        let id = args.word("id").ok_or_else(|| refused("id is missing"))?.clone();
        Ok(Parsed::Action(Box::new(PutBack { world, id })))
    })
}

/// `files.empty_quarantine`.
pub fn empty_quarantine(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(empty_spec(), move |args| {
        let world = world.on(args.call().target.on())?;
        let which = empties(args, &world)?;
        Ok(Parsed::Action(Box::new(Empty { world, which })))
    })
}

fn empties(args: &Args<'_>, world: &World) -> Result<Empties, ToolError> {
    let (older, what) = (args.span("older"), args.word("what").map(Word::as_str));
    let all = args.flag("all") == Some(true);
    match (args.word("id"), args.path("path"), all) {
        (Some(id), None, false) if older.is_none() && what.is_none() => {
            Ok(Empties::One(id.clone()))
        }
        (None, None, true) if what.is_none() => match older.unwrap_or(UNDO_FOR) {
            older if older < UNDO_FOR => Err(refused(format!(
                "older is {older}, but what lies there for less than {UNDO_FOR} can still be had back"
            ))),
            older => Ok(Empties::Over(older)),
        },
        (None, Some(_), false) if what == Some("archived-logs") => {
            let start = args.rooted("path")?;
            pick::guard(&world.inventory, &world.quarantine, &start)?;
            let wanted = wanted(args, start, Which::CompressedLogs, older);
            Ok(Empties::Moved("logs.archive", wanted))
        }
        (None, Some(_), false) => Ok(Empties::Moved("files.clean", cleaned(args, world)?)),
        _ => Err(refused(
            "name one quarantine by id, say all = true, or give the path, what and older of the files.clean before",
        )),
    }
}
