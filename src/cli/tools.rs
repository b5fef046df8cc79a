//! `reef tools`: needs no daemon, for the tools are the binary's own.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::page::{Detail, Ink, Page, width};
use crate::daemon::wire::tool_specs;
use crate::model::ids::HostName;
use crate::operator::runbooks::tools;
use crate::operator::view::{ToolRow, Tools};

pub(crate) fn run(cx: &mut Cx) -> Result<Exit, Failure> {
    // The specs are the same on every machine.
    let specs = tool_specs(&HostName::of("this-machine"));
    let json = serde_json::to_value(tools(specs.iter())).map_err(anyhow::Error::from)?;
    cx.show(json, render)?;
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

fn full(tool: &ToolRow, page: &Page) -> String {
    let mut out = format!("{}  {}\n", page.ink(Ink::Bold, &tool.name), tool.max_tier);
    out.push_str(&page.wrap(&tool.summary, 2));
    let inputs = if tool.inputs.is_empty() { "nothing" } else { &tool.inputs };
    out.push_str(&page.wrap(&format!("takes {inputs}"), 2));
    out.push_str(&page.wrap(&tool.example, 4));
    out
}
