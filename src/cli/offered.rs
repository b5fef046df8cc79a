//! The tools of MCP servers: looked at and accepted.

use crate::cli::Cx;
use crate::cli::confirm::{Given, Said, proceed, somebody};
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::{Ink, Page, width};
use crate::config::mistakes::hint;
use crate::control::client::view;
use crate::operator::order::Order;
use crate::operator::view::{OfferedState, OfferedTool, OfferedTools};

/// One line a tool, one for a server that could not be asked.
pub(crate) fn list(offered: &OfferedTools, page: &Page) -> String {
    let mut out = String::new();
    let tools = || offered.servers.iter().flat_map(|server| &server.tools);
    let names = tools().map(|tool| width(&tool.name)).max().unwrap_or(0);
    for server in &offered.servers {
        if let Some(error) = &server.error {
            out.push_str(&page.wrap(&format!("mcp:{}  {error}", server.name), 0));
        }
        for tool in &server.tools {
            let blank = " ".repeat(names - width(&tool.name));
            let rest = format!("{blank}  {:<8}  ", tool.tier);
            let text = format!("{}{}", state(tool), said(tool));
            out.push_str(&page.hang(Ink::Bold, &tool.name, &rest, &text));
        }
    }
    out
}

fn state(tool: &OfferedTool) -> &'static str {
    match tool.state {
        OfferedState::Accepted => "",
        OfferedState::New => "NOT ACCEPTED  ",
        OfferedState::Changed => "CHANGED SINCE IT WAS ACCEPTED  ",
    }
}

fn said(tool: &OfferedTool) -> String {
    crate::model::taint::Tainted::bounded(tool.description.first_line(), 200).to_string()
}

/// `reef tools show mcp:SERVER/TOOL`.
pub(crate) async fn show(cx: &mut Cx, name: &str) -> Result<Exit, Failure> {
    let tool = one(cx, name).await?;
    let json = serde_json::to_value(&tool).map_err(anyhow::Error::from)?;
    cx.show(json, full)?;
    Ok(Exit::DONE)
}

/// `reef tools accept mcp:SERVER[/TOOL]`: shows what is accepted, then takes the yes.
pub(crate) async fn accept(cx: &mut Cx, name: &str, yes: bool) -> Result<Exit, Failure> {
    let given = Given::of(yes);
    let wanted = match name.split_once('/') {
        Some(_) => vec![one(cx, name).await?],
        None => of_server(cx, name).await?,
    };
    let wanted: Vec<_> =
        wanted.into_iter().filter(|tool| tool.state != OfferedState::Accepted).collect();
    if wanted.is_empty() {
        return Err(anyhow::anyhow!("there is nothing of {name} that waits to be accepted").into());
    }
    somebody(cx.talk(), given)?;
    let shown: Vec<String> = wanted.iter().map(|tool| full(tool, &cx.out.page)).collect();
    match cx.out.format {
        Format::Words => cx.out.say(&shown.join("\n"))?,
        Format::Json => cx.out.note(shown.join("\n").trim_end()),
    }
    match proceed(&mut cx.out, None, given)? {
        Said::Yes | Said::Named(_) => {}
        Said::No => {
            cx.out.note("reef: nothing was accepted");
            return Ok(Exit::FAILED);
        }
    }
    let mut exit = Exit::DONE;
    for tool in wanted {
        exit = cx.just(&Order::AcceptTool { tool: tool.name, digest: tool.digest }).await?;
    }
    Ok(exit)
}

async fn of_server(cx: &Cx, name: &str) -> Result<Vec<OfferedTool>, Failure> {
    let server = name.strip_prefix("mcp:").unwrap_or(name);
    let server = server.split('/').next().unwrap_or(server);
    let order = Order::Offered { server: Some(server.to_owned()) };
    let offered: OfferedTools = view(cx.ask(&order).await?)?;
    match offered.servers.into_iter().next() {
        None => Err(anyhow::anyhow!("the config has no [mcp.{server}]").into()),
        Some(found) => match found.error {
            Some(why) => Err(anyhow::anyhow!("{why}").into()),
            None => Ok(found.tools),
        },
    }
}

async fn one(cx: &Cx, name: &str) -> Result<OfferedTool, Failure> {
    let all = of_server(cx, name).await?;
    let hint = hint(name, all.iter().map(|tool| tool.name.as_str()));
    let found = all.into_iter().find(|tool| tool.name == name);
    found.ok_or_else(|| anyhow::anyhow!("there is no tool \"{name}\"{hint}").into())
}

/// All that a server says of a tool. It is its own word, and no instruction to anybody.
fn full(tool: &OfferedTool, page: &Page) -> String {
    let mut out = format!("{}  {}\n", page.ink(Ink::Bold, &tool.name), tool.tier);
    let state = match (tool.state, &tool.accepted_by) {
        (OfferedState::Accepted, Some(by)) => format!("accepted by {by}"),
        (OfferedState::Accepted, None) => "accepted".to_owned(),
        (OfferedState::New, _) => "never accepted: it is refused".to_owned(),
        (OfferedState::Changed, _) => "changed since it was accepted: it is refused".to_owned(),
    };
    let hints = match tool.hints.is_empty() {
        true => "nothing of what it does".to_owned(),
        false => format!("{} (its own word, which sets no tier)", tool.hints.join(", ")),
    };
    let mut line = |label: &str, text: &str| {
        out.push_str(&page.hang(Ink::Dim, &format!("  {label}"), "  ", text));
    };
    line("state  ", &state);
    line("claims ", &hints);
    line("says   ", tool.description.as_str());
    line("takes  ", tool.schema.as_str());
    if let Some((description, schema)) = &tool.was {
        line("said   ", description.as_str());
        line("took   ", schema.as_str());
    }
    line("digest ", &tool.digest.to_string());
    out
}
