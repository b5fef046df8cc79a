//! Files: compressing logs, moving old files away, and bringing both back.

use crate::gate::tool::Tool;
use crate::model::ids::ToolName;
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolSpec};
use crate::model::value::Kind;
use crate::tool::args::{made, optional, required};
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
        timeout: Span::mins(30),
        example: "tool = \"files.restore\"\nargs = { id = \"q1f0c22d9\" }",
    }
}

fn empty_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("files.empty_quarantine"),
        summary: "Delete quarantined files for good",
        inputs: vec![
            optional("id", Kind::Word, "one quarantine"),
            optional("all", Kind::Flag, "true for every quarantine there is"),
            optional("older", Kind::Span, "with `all`: only those that lie there for this long"),
        ],
        gives: vec![],
        max_tier: Tier::High,
        timeout: Span::mins(10),
        example: "tool = \"files.empty_quarantine\"\nargs = { all = true, older = \"7d\" }",
    }
}

/// `files.compress`.
pub fn compress(_world: &World) -> Box<dyn Tool> {
    made(compress_spec(), move |_args| todo!())
}

/// `files.decompress`.
pub fn decompress(_world: &World) -> Box<dyn Tool> {
    made(decompress_spec(), move |_args| todo!())
}

/// `files.clean`.
pub fn clean(_world: &World) -> Box<dyn Tool> {
    made(clean_spec(), move |_args| todo!())
}

/// `files.quarantine`.
pub fn quarantine(_world: &World) -> Box<dyn Tool> {
    made(quarantine_spec(), move |_args| todo!())
}

/// `files.restore`.
pub fn restore(_world: &World) -> Box<dyn Tool> {
    made(restore_spec(), move |_args| todo!())
}

/// `files.empty_quarantine`.
pub fn empty_quarantine(_world: &World) -> Box<dyn Tool> {
    made(empty_spec(), move |_args| todo!())
}
