//! `firewall.rule`: one rule of one machine, added or removed.

use crate::clients::provider::{Deed, Rule, word_of};
use crate::gate::tool::Tool;
use crate::model::ids::{ToolName, Word};
use crate::model::tool::{Call, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, made, optional, refused, required};
use crate::tool::infra::{ARGUMENT, ERRORS, TIMEOUT, change};
use crate::tool::world::World;

fn rule_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("firewall.rule"),
        summary: "Add one rule to the firewall of a virtual machine, or remove exactly that one",
        inputs: vec![
            required("vm", Kind::Target, ARGUMENT),
            required("change", Kind::Word, "add or remove"),
            required("verdict", Kind::Word, "accept, drop or reject"),
            required("direction", Kind::Word, "in or out"),
            required("protocol", Kind::Word, "tcp or udp"),
            required("port", Kind::Int, "1 to 65535"),
            optional("source", Kind::Word, "an IPv4 address; anybody where it is left out"),
            optional("prefix", Kind::Int, "of the source, 8 to 32; 32 where it is left out"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "firewall.rule the other way round; a rule that was removed comes back as the first one",
        errors: ERRORS,
        timeout: TIMEOUT,
        example: "tool = \"firewall.rule\"\nargs = { vm = \"pve:vm:web\", change = \"add\", verdict = \"accept\", direction = \"in\", protocol = \"tcp\", port = 443 }",
    }
}

/// The call that takes a call back.
pub fn turned(call: &mut Call) {
    let adds = call.args.get("change") == Some(&Value::Word(Word::of("add")));
    let other = if adds { "remove" } else { "add" };
    call.args.insert("change".into(), Value::Word(Word::of(other)));
}

fn rule_of(args: &Args<'_>) -> Result<Rule, ToolError> {
    let given = |name: &str| args.word(name).map_or("", Word::as_str);
    let wrong = |name: &str, known: &[&str]| {
        refused(format!("{name} is {:?}; write one of {}", given(name), known.join(", ")))
    };
    let port = match args.call().args.get("port") {
        Some(Value::Int(port)) => u16::try_from(*port).ok().filter(|port| *port != 0),
        _ => None,
    };
    let prefix = args.count("prefix", 32, 32)?;
    let source = match args.word("source") {
        None if args.call().args.contains_key("prefix") => {
            return Err(refused("prefix stands without a source"));
        }
        None => None,
        Some(source) => {
            let address: std::net::Ipv4Addr = source
                .as_str()
                .parse()
                .map_err(|_| refused(format!("source is {source}, which is no IPv4 address")))?;
            if prefix < 8 {
                return Err(refused("a prefix below 8 is nearly everybody: leave the source out"));
            }
            Some(if prefix == 32 { address.to_string() } else { format!("{address}/{prefix}") })
        }
    };
    Ok(Rule {
        direction: word_of(given("direction"), Rule::DIRECTIONS)
            .ok_or_else(|| wrong("direction", &Rule::DIRECTIONS))?,
        verdict: word_of(given("verdict"), Rule::VERDICTS)
            .ok_or_else(|| wrong("verdict", &Rule::VERDICTS))?,
        protocol: word_of(given("protocol"), Rule::PROTOCOLS)
            .ok_or_else(|| wrong("protocol", &Rule::PROTOCOLS))?,
        port: port.ok_or_else(|| refused("port is 1 to 65535"))?,
        source,
    })
}

/// `firewall.rule`.
pub fn rule(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rule_spec(), move |args| {
        let rule = rule_of(args)?;
        let deed = match args.word("change").map(Word::as_str) {
            Some("add") => Deed::Admit(rule),
            Some("remove") => Deed::Withdraw(rule),
            Some(_) | None => return Err(refused("change is add or remove")),
        };
        change(&world, args, |_, _| Ok(deed))
    })
}
