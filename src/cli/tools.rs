//! `reef tools [show NAME]`: needs no daemon, for the tools are the binary's own.

use anyhow::anyhow;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::offered;
use crate::cli::page::{Detail, Ink, Page, width};
use crate::config::mistakes::hint;
use crate::control::client::view;
use crate::daemon::wire::tool_specs;
use crate::model::ids::HostName;
use crate::operator::order::Order;
use crate::operator::runbooks::tools;
use crate::operator::view::{OfferedTools, ToolRow, Tools};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// One tool: inputs, outputs, errors, tier, timeout, undo and an example
    Show {
        /// Its name: files.compress, or mcp:SERVER/TOOL
        name: String,
    },
    /// Accept what a tool of an MCP server says of itself, after a look at it
    Accept {
        /// mcp:SERVER/TOOL, or mcp:SERVER for all of its tools
        name: String,
        /// Do not ask again
        #[arg(short, long)]
        yes: bool,
    },
}

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    // The specs are the same on every machine.
    let specs = tool_specs(&HostName::of("this-machine"));
    let all = tools(specs.iter());
    let name = match &args.command {
        None => return list(cx, all).await,
        Some(Command::Accept { name, yes }) => return offered::accept(cx, name, *yes).await,
        Some(Command::Show { name }) if name.starts_with("mcp:") => {
            return offered::show(cx, name).await;
        }
        Some(Command::Show { name }) => name,
    };
    let Some(tool) = all.tools.iter().find(|tool| tool.name == *name) else {
        let hint = hint(name, all.tools.iter().map(|tool| tool.name.as_str()));
        return Err(anyhow!("there is no tool \"{name}\"{hint}").into());
    };
    cx.show(serde_json::to_value(tool).map_err(anyhow::Error::from)?, full)?;
    Ok(Exit::DONE)
}

/// The tools of MCP servers are known to the daemon that reaches them; without one there are the binary's own.
async fn list(cx: &mut Cx, all: Tools) -> Result<Exit, Failure> {
    let offered = cx.ask_if_running(&Order::Offered { server: None }).await?;
    let mut json = serde_json::to_value(all).map_err(anyhow::Error::from)?;
    let offered = offered.filter(|offered| offered["servers"] != serde_json::json!([]));
    if let Some(offered) = &offered {
        json["servers"] = offered["servers"].clone();
    }
    cx.show(json, |all: &Tools, page| {
        let mut text = render(all, page);
        if let Some(offered) = offered.and_then(|json| view::<OfferedTools>(json).ok()) {
            text.push_str(&offered::list(&offered, page));
        }
        text
    })?;
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
