//! Tools of MCP servers: one row to read, one to act, one to see what there is.
//!
//! The tier of a call is the config's word for that tool, critical without one. What a server says of its
//! tools sets nothing: it is shown to the operator, and fenced to a model.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::Fut;
use crate::clients::mcp::settings::ReadTool;
use crate::clients::mcp::{Answer, CallError, Says, Server};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Spelled, Tool};
use crate::model::digest::Digest;
use crate::model::ids::{HostName, ToolName};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, failed, gives, made, optional, refused, required};
use crate::tool::world::World;

/// What is kept of a description where many stand together, in characters.
const BRIEF: usize = 300;
/// What a record and a message keep of an answer.
const KEPT: usize = 600;
/// For a call with its listing: longer than the longest that the config allows.
const LONGEST: Span = Span::mins(12);
const ARGUMENTS: &str = "what the tool takes, by name; reef checks no schema, the server does";

fn tools_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mcp.tools"),
        summary: "List the reading tools of MCP servers that the operator accepted",
        inputs: vec![],
        gives: vec![gives("tools", Kind::List(Box::new(Kind::Target)), "for mcp.read")],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no server of the config that answers",
        timeout: Span::secs(90),
        example: "tool = \"mcp.tools\"",
    }
}

fn read_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mcp.read"),
        summary: "Call a tool of an MCP server that the config says only reads",
        inputs: vec![
            required("tool", Kind::Target, "mcp:SERVER/TOOL"),
            optional("arguments", Kind::Json, ARGUMENTS),
        ],
        gives: vec![
            gives("said", Kind::Text, "what the tool answered"),
            gives("worked", Kind::Flag, "yes; a tool that says it failed is an error"),
        ],
        max_tier: Tier::Low,
        tiers: "always low: what the config does not call low is refused",
        undo: NOTHING_TO_UNDO,
        errors: "a tool that was never accepted, or whose description changed (reef tools accept)",
        timeout: LONGEST,
        example: "tool = \"mcp.read\"\nargs = { tool = \"nas:mcp:files/read_file\", arguments = { path = \"/srv/a.txt\" } }",
    }
}

fn call_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("mcp.call"),
        summary: "Call any other tool of an MCP server of the config",
        inputs: vec![
            required("tool", Kind::Target, "mcp:SERVER/TOOL"),
            optional("arguments", Kind::Json, ARGUMENTS),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "as the config's `tools` of that server say, critical where they say nothing",
        undo: "none: nobody knows what a tool of another program did",
        errors: "a tool that was never accepted, or whose description changed (reef tools accept); unknown where no answer came",
        timeout: LONGEST,
        example: "tool = \"mcp.call\"\nargs = { tool = \"nas:mcp:files/write_file\", arguments = { path = \"/srv/a.txt\", content = \"on\" } }",
    }
}

/// Server, tool and arguments of a call, all of them the config's or the runbook's words.
struct Named {
    server: Arc<Server>,
    tool: String,
    arguments: Map<String, Json>,
}

impl Named {
    fn of(world: &World, args: &Args<'_>) -> Result<Self, ToolError> {
        let target = args.target("tool", Thing::Mcp)?;
        let Some((server, tool)) = target.as_mcp() else {
            return Err(refused(format!("{target} names a server and no tool: mcp:SERVER/TOOL")));
        };
        let known = world.mcp.iter().find(|(name, _)| name.as_str() == server);
        let Some((_, found)) = known else {
            let all: Vec<_> = world.mcp.keys().map(ToString::to_string).collect();
            let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            return Err(refused(format!("the config has no [mcp.{server}]; known: {all}")));
        };
        let arguments = match args.call().args.get("arguments") {
            Some(Value::Json(table)) => table.clone(),
            _ => Map::new(),
        };
        Ok(Self { server: Arc::clone(found), tool: tool.to_owned(), arguments })
    }

    fn full(&self) -> String {
        format!("mcp:{}/{}", self.server.name(), self.tool)
    }
}

/// `mcp.tools`.
pub fn tools(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(tools_spec(), move |args| {
        let servers = world.mcp.values().cloned().collect();
        let host = args.call().target.on().clone();
        Ok(Parsed::Query(Box::new(Tools { servers, host })))
    })
}

struct Tools {
    servers: Vec<Arc<Server>>,
    host: HostName,
}

impl Query for Tools {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let (mut found, mut words) = (Vec::new(), String::new());
            for server in &self.servers {
                let all = match server.accepted_tools().await {
                    Ok(all) => all,
                    Err(why) => {
                        words.push_str(&format!("{why}\n"));
                        continue;
                    }
                };
                for one in all {
                    let name = format!("{}/{}", server.name(), one.name);
                    let target = Target::new(self.host.clone(), Thing::Mcp, &name);
                    if let (Some(_), Ok(target)) = (server.settings().read_tool(&one.name), target)
                    {
                        let brief = Tainted::bounded(one.description.first_line(), BRIEF);
                        words.push_str(&format!("{target} says of itself: {brief}\n"));
                        found.push(Value::Target(target));
                    }
                }
            }
            if found.is_empty() {
                return Err(failed(format!("no tool that reads was accepted\n{words}")));
            }
            let values = [("tools".to_owned(), Value::List(found))].into();
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// `mcp.read`.
pub fn read(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(read_spec(), move |args| {
        let named = Named::of(&world, args)?;
        let Some(tool) = named.server.settings().read_tool(&named.tool) else {
            let tier = named.server.settings().tier(&named.tool);
            let full = named.full();
            return Err(refused(format!("{full} is {tier} by the config: mcp.call takes it")));
        };
        Ok(Parsed::Query(Box::new(Read { named, tool })))
    })
}

struct Read {
    named: Named,
    tool: ReadTool,
}

impl Query for Read {
    fn spelled(&self) -> Spelled {
        Spelled::Out
    }

    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let Named { server, arguments, .. } = &self.named;
            let full = self.named.full();
            let answer = server.read(&self.tool, arguments).await;
            let answer = answer.map_err(|why| failed(format!("{full}: {why}")))?;
            match answer.says {
                Says::Worked => {
                    let said = Value::Text(Tainted::new(answer.words.as_str()));
                    let words = Tainted::new(&format!("{full} said: {}", answer.words));
                    let worked = ("worked".to_owned(), Value::Flag(true));
                    Ok(Found { values: [("said".to_owned(), said), worked].into(), words })
                }
                Says::Failed => Err(failed(format!("{full} failed: {}", brief(&answer)))),
            }
        })
    }
}

/// `mcp.call`.
pub fn call(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(call_spec(), move |args| {
        let named = Named::of(&world, args)?;
        let tier = named.server.settings().tier(&named.tool);
        if tier == Tier::Low {
            let full = named.full();
            return Err(refused(format!("{full} only reads by the config: mcp.read takes it")));
        }
        let host = args.call().target.on();
        let lease = Target::new(host.clone(), Thing::Mcp, named.server.name().as_str());
        let lease = lease.map_err(|bad| refused(bad.to_string()))?;
        Ok(Parsed::Action(Box::new(Called { named, tier, lease })))
    })
}

struct Called {
    named: Named,
    tier: Tier,
    lease: Target,
}

impl Action for Called {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.lease.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let Named { server, tool, arguments } = &self.named;
            let offered = server.accepted(tool).await.map_err(failed)?;
            let given = Value::Json(arguments.clone());
            let mut words = format!("call {} with {given}", self.named.full());
            if !offered.hints.is_empty() {
                words.push_str(&format!(" (its server says: {})", offered.hints.join(", ")));
            }
            // What was previewed is this description: the plan is void once it is another.
            let effect = Effect {
                words,
                max_items: 1,
                max_bytes: 0,
                takes: None,
                artifact: Some(offered.digest),
            };
            let why = "nobody knows what a tool of another program did";
            Ok((effect, Undo::Impossible(why.into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let full = self.named.full();
            let Some(previewed) = permit.step().effect.artifact else {
                return ActionResult::NotStarted(format!("{full} was never previewed"));
            };
            outcome(&full, self.named.call(&permit, previewed).await)
        })
    }
}

impl Named {
    async fn call(&self, permit: &Permit, previewed: Digest) -> Result<Answer, CallError> {
        self.server.call(permit, &self.tool, &self.arguments, previewed).await
    }
}

/// What became of a call that was sent, or was not.
fn outcome(full: &str, said: Result<Answer, CallError>) -> ActionResult {
    match said {
        Ok(answer) => match answer.says {
            Says::Worked => ActionResult::Done(format!("{full} says: {}", brief(&answer))),
            Says::Failed => ActionResult::Failed(format!("{full} failed: {}", brief(&answer))),
        },
        Err(CallError::NotSent(why)) => ActionResult::NotStarted(why),
        Err(CallError::Refused(why)) => ActionResult::Failed(format!("{full} refused: {why}")),
        Err(why @ (CallError::TimedOut(_) | CallError::Lost(_))) => {
            ActionResult::Unknown(format!("{full}: {why}"))
        }
    }
}

fn brief(answer: &Answer) -> Tainted {
    Tainted::bounded(answer.words.as_str().trim(), KEPT)
}
