//! `reef tools [show NAME]`: needs no daemon, for the tools are the binary's own.

use anyhow::anyhow;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::page::{Detail, Ink, Page, width};
use crate::config::mistakes::hint;
use crate::daemon::wire::tool_specs;
use crate::model::ids::HostName;
use crate::operator::runbooks::tools;
use crate::operator::view::{ToolRow, Tools};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// One tool: inputs, outputs, errors, tier, timeout, undo and an example
    Show {
        /// Its name: files.compress
        name: String,
    },
}

pub(crate) fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    // The specs are the same on every machine.
    let specs = tool_specs(&HostName::of("this-machine"));
    let all = tools(specs.iter());
    let Some(Command::Show { name }) = &args.command else {
        let json = serde_json::to_value(all).map_err(anyhow::Error::from)?;
        cx.show(json, render)?;
        return Ok(Exit::DONE);
    };
    let Some(tool) = all.tools.iter().find(|tool| tool.name == *name) else {
        let hint = hint(name, all.tools.iter().map(|tool| tool.name.as_str()));
        return Err(anyhow!("there is no tool \"{name}\"{hint}").into());
    };
    cx.show(serde_json::to_value(tool).map_err(anyhow::Error::from)?, full)?;
    Ok(Exit::DONE)
}

pub(crate) fn render(view: &Tools, page: &Page) -> String {
    if page.detail == Detail::Full {
        let each: Vec<String> = view.tools.iter().map(|tool| full(tool, page)).collect();
        return each.join("\n");
    }
    let names = view.tools.iter().map(|tool| width(&tool.name)).max().unwrap_or(0);
    let row = |tool: &ToolRow| {
        let rest = format!("{}  {:<8}  ", " ".repeat(names - width(&tool.name)), tool.max_tier);
        page.hang(Ink::Bold, &tool.name, &rest, &tool.summary)
    };
    view.tools.iter().map(row).collect()
}

/// All that is known of a tool without calling it.
pub(crate) fn full(tool: &ToolRow, page: &Page) -> String {
    let mut out = format!("{}  {}\n", page.ink(Ink::Bold, &tool.name), tool.max_tier);
    out.push_str(&page.wrap(&tool.summary, 2));
    let mut several = |label: &str, lines: &[String], none: &str| {
        out.push_str(&page.hang(
            Ink::Dim,
            &format!("  {label}"),
            "  ",
            match lines {
                [] => none,
                [first, ..] => first,
            },
        ));
        for line in lines.iter().skip(1) {
            out.push_str(&page.wrap(line, label.len() + 4));
        }
    };
    several("inputs ", &tool.takes, "nothing");
    several("outputs", &tool.gives, "nothing that a later step can use");
    several("errors ", std::slice::from_ref(&tool.errors), "");
    several("tier   ", std::slice::from_ref(&tool.tiers), "");
    several("timeout", &[tool.timeout.to_string()], "");
    several("undo   ", std::slice::from_ref(&tool.undo), "");
    out.push_str(&format!("  {}\n", page.ink(Ink::Dim, "example")));
    out.push_str(&page.wrap(&tool.example, 4));
    out
}
