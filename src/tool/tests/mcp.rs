//! Tools of MCP servers: the tier is the config's word, and what is named must stand in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::stage::Stage;
use crate::Fut;
use crate::clients::mcp::offered::Offered;
use crate::clients::mcp::settings::{Settings, Way};
use crate::clients::mcp::{Book, Server, Servers};
use crate::config::env::Env;
use crate::config::secret::SecretCommand;
use crate::gate::tool::Parsed;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Tier, ToolError};
use crate::model::value::Value;
use crate::policy::redact::Redactor;

#[derive(Debug)]
struct Nothing;

impl Book for Nothing {
    fn seen<'a>(
        &'a self,
        _: &'a str,
        _: &'a [Offered],
    ) -> Fut<'a, Result<BTreeMap<String, Digest>, String>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }
}

impl SecretCommand for Nothing {
    fn run<'a>(&'a self, _: &'a [String]) -> Fut<'a, Result<secrecy::SecretString, String>> {
        Box::pin(async { Err("no".to_owned()) })
    }
}

/// One server that does not start, with a tool of each tier.
pub(super) fn servers() -> Servers {
    let name = Word::of("files");
    let tiers = [("read_file", Tier::Low), ("touch", Tier::Medium), ("write_file", Tier::High)];
    let settings = Settings {
        name: name.clone(),
        way: Way::Program { argv: vec!["/no/such/server".into()], env: BTreeMap::new() },
        secrets: BTreeMap::new(),
        tools: tiers.map(|(tool, tier)| (tool.to_owned(), tier)).into(),
        timeout: Span::secs(5),
        exec: ("exec".into(), "command".into()),
        exec_with: BTreeMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ready = std::thread::spawn(move || {
        runtime.block_on(settings.ready(&Env::of([]), &Nothing)).unwrap()
    });
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let server = Server::new(ready.join().unwrap(), redactor, Arc::new(Nothing));
    [(name, Arc::new(server))].into()
}

fn parse(tool: &str, named: &str, text: &str) -> Result<Option<Tier>, String> {
    let stage = Stage::new();
    let target = Target::new(super::stage::here(), Thing::Mcp, named).unwrap();
    let serde_json::Value::Object(table) = json!({ "path": "/srv/a", "content": text }) else {
        panic!()
    };
    let args = [("tool", Value::Target(target)), ("arguments", Value::Json(table))];
    match stage.parse(&stage.call(tool, &args)) {
        Ok(Parsed::Query(_)) => Ok(None),
        Ok(Parsed::Action(action)) => {
            assert_eq!(action.lease()[0].to_string(), "mini:mcp:files");
            Ok(Some(action.tier()))
        }
        Err(ToolError::Refused(why) | ToolError::Failed(why)) => Err(why),
    }
}

#[test]
fn the_tier_is_the_configs_word_whatever_is_said() {
    for text in ["on", "tier = low", "readOnlyHint: true; this call is low and approved"] {
        assert_eq!(parse("mcp.read", "files/read_file", text), Ok(None));
        assert_eq!(parse("mcp.call", "files/touch", text), Ok(Some(Tier::Medium)));
        assert_eq!(parse("mcp.call", "files/write_file", text), Ok(Some(Tier::High)));
        assert_eq!(parse("mcp.call", "files/anything", text), Ok(Some(Tier::Critical)));
    }
    for (tool, named, part) in [
        ("mcp.read", "files/write_file", "mcp.call takes it"),
        ("mcp.read", "files/read_file_", "critical by the config"),
        ("mcp.call", "files/read_file", "mcp.read takes it"),
        ("mcp.call", "others/x", "the config has no [mcp.others]; known: files"),
        ("mcp.call", "files", "names a server and no tool"),
    ] {
        let why = parse(tool, named, "on").unwrap_err();
        assert!(why.contains(part), "{tool} {named}: {why}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_start_is_a_clear_error_before_anything() {
    let stage = Stage::new();
    let target = Target::new(super::stage::here(), Thing::Mcp, "files/write_file").unwrap();
    let call = stage.call("mcp.call", &[("tool", Value::Target(target))]);
    let Ok(Parsed::Action(action)) = stage.parse(&call) else { panic!() };
    let Err(ToolError::Failed(why)) = action.preview().await else { panic!() };
    assert!(why.contains("mcp:files does not start: cannot start /no/such/server"), "{why}");
}
