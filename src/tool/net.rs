//! Hosts and name servers of the config, from outside: a knock at a host's door, a resolver's answers.
//! No name comes from a call.

use std::sync::Arc;

use crate::Fut;
use crate::clients::dns::Resolver;
use crate::config::hosts::Ssh;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{gives, made, refused, required};
use crate::tool::network::Web;
use crate::tool::world::World;

fn reach_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("net.reach"),
        summary: "Knock at a host of the config: its SSH port, and a ping",
        inputs: vec![],
        gives: vec![
            gives("port", Kind::Word, "open, refused, timeout, unreachable, dns, or behind"),
            gives("ping", Kind::Word, "answers, silent or unknown"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that the config does not name",
        timeout: Span::secs(15),
        example: "tool = \"net.reach\"",
    }
}

fn lookup_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("dns.lookup"),
        summary: "Ask a name server of the config for the two names that its probe asks for",
        inputs: vec![required("endpoint", Kind::Target, "HOST:endpoint:NAME of a `dns` probe")],
        gives: vec![
            gives("own", Kind::Word, "its own name: ok, nxdomain, servfail, refused, timeout ..."),
            gives("upstream", Kind::Word, "the same for a name of the world"),
            gives("alive", Kind::Flag, "whether it answered anything at all"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a name that is no name server of the config",
        timeout: Span::secs(15),
        example: "tool = \"dns.lookup\"\nargs = { endpoint = \"nas:endpoint:pihole\" }",
    }
}

/// `net.reach`.
pub fn reach(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(reach_spec(), move |args| {
        let host = args.call().target.on().clone();
        let Some(ssh) = world.inventory.ways.get(&host).cloned() else {
            let known: Vec<_> = world.inventory.ways.keys().map(ToString::to_string).collect();
            return Err(refused(format!(
                "{host} is no other host of the config; known: {}",
                known.join(", ")
            )));
        };
        Ok(Parsed::Query(Box::new(Reach { web: world.web.clone(), host, ssh })))
    })
}

struct Reach {
    web: Arc<dyn Web>,
    host: HostName,
    ssh: Ssh,
}

impl Query for Reach {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let knocked = self.web.knock(&self.host, &self.ssh).await;
            let values = Values::from([
                ("port".to_owned(), Value::Word(Word::of(knocked.port))),
                ("ping".to_owned(), Value::Word(Word::of(knocked.ping))),
            ]);
            let words = format!("{}: SSH port {}, ping {}", self.host, knocked.port, knocked.ping);
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// `dns.lookup`.
pub fn lookup(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(lookup_spec(), move |args| {
        let target = args.target("endpoint", Thing::Endpoint)?.clone();
        let Some(resolver) = world.inventory.resolvers.get(target.name()).cloned() else {
            let known: Vec<_> = world.inventory.resolvers.keys().cloned().collect();
            return Err(refused(format!(
                "{target} is no name server of the config; known: {}",
                known.join(", ")
            )));
        };
        Ok(Parsed::Query(Box::new(Lookup { web: world.web.clone(), target, resolver })))
    })
}

struct Lookup {
    web: Arc<dyn Web>,
    target: Target,
    resolver: Resolver,
}

/// What only a server that is not there leaves.
const DEAD: &[&str] = &["refused", "timeout", "unreachable", "broken", "setup"];

impl Query for Lookup {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let said = self.web.resolve(&self.resolver).await;
            let alive = said.own.iter().chain([&said.upstream]).any(|word| !DEAD.contains(word));
            let mut values = Values::from([
                ("upstream".to_owned(), Value::Word(Word::of(said.upstream))),
                ("alive".to_owned(), Value::Flag(alive)),
            ]);
            let mut words =
                format!("{}: {} is {}", self.target, self.resolver.upstream, said.upstream);
            if let (Some(own), Some(name)) = (said.own, &self.resolver.own) {
                values.insert("own".into(), Value::Word(Word::of(own)));
                words.push_str(&format!(", its own {name} is {own}"));
            }
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}
