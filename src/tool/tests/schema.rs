//! What holds for every tool of the table.

use std::collections::BTreeSet;

use super::stage::{Stage, path, target, word};
use crate::gate::tool::{Parsed, Tool};
use crate::model::ids::HostName;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Bounds, Call, Need, Tier, ToolError};
use crate::model::value::{Kind, Value, Values};

const DIGEST: &str = "0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a";

/// A value of the kind that every tool with such an argument takes, or at least understands.
fn sample(stage: &Stage, name: &str, kind: &Kind) -> Value {
    let thing =
        |thing, name| Value::Target(Target::new(super::stage::here(), thing, name).unwrap());
    match (name, kind) {
        ("container", Kind::Target) => thing(Thing::Container, "web"),
        ("stack", Kind::Target) => thing(Thing::Stack, "media"),
        ("service", Kind::Target) => thing(Thing::Composed, "media/web"),
        ("services", Kind::List(_)) => Value::List(vec![word("web")]),
        ("images", Kind::List(_)) => Value::List(vec![word(DIGEST)]),
        ("unit", Kind::Target) => thing(Thing::Unit, "nginx.service"),
        ("endpoint", Kind::Target) => thing(Thing::Endpoint, "photos"),
        ("within", Kind::Span) => Value::Span(Span::mins(1)),
        ("log", Kind::Target) => thing(Thing::Log, "journal"),
        ("process", Kind::Target) => thing(Thing::Process, "4711@1"),
        ("mount", Kind::Target) => thing(Thing::Path, "/mnt/photos"),
        ("tool", Kind::Target) => thing(Thing::Mcp, "files/read_file"),
        (_, Kind::Line) => Value::Line("192.0.2.7".into()),
        (_, Kind::Json) => Value::Json(serde_json::Map::new()),
        ("vm", Kind::Target) => thing(Thing::Vm, "lab"),
        ("change", Kind::Word) => word("add"),
        ("verdict", Kind::Word) => word("accept"),
        ("direction", Kind::Word) => word("in"),
        ("protocol", Kind::Word) => word("tcp"),
        ("name", Kind::Word) => word("reef-1"),
        (_, Kind::Argv) => Value::Argv(vec!["df".into(), "-h".into()]),
        ("what", Kind::Word) => word("rotated-logs"),
        ("stack", Kind::Word) => word("web"),
        ("plan", Kind::Word) => word(DIGEST),
        ("playbook", Kind::Word) => word("site"),
        ("pod", Kind::Target) => thing(Thing::Object, "media/pod/jellyfin-1"),
        ("workload", Kind::Target) => thing(Thing::Object, "media/deployment/jellyfin"),
        ("of", Kind::Target) => Value::Target(target("mini:/srv/web")),
        ("about", Kind::Target) => thing(Thing::Object, "media/deployment/jellyfin"),
        ("named", Kind::Target) => thing(Thing::Object, "media/statefulset/db"),
        ("secret", Kind::Target) => thing(Thing::Object, "web/secret/site-tls"),
        ("node", Kind::Target) => thing(Thing::Member, "pi-1"),
        ("backup", Kind::Target) => thing(Thing::Backup, "photos"),
        ("manifest", Kind::Word) => word("jellyfin"),
        ("patch", Kind::Word) => word("more-memory"),
        ("urgency", Kind::Word) => word("message"),
        ("debug", Kind::Word) => word("web"),
        ("level", Kind::Word) => word("info"),
        ("for", Kind::Span) => Value::Span(Span::days(1)),
        ("dns", Kind::Word) => word("home"),
        ("type", Kind::Word) => word("A"),
        ("store", Kind::Word) => word("logs"),
        ("service", Kind::Word) => word("api"),
        ("signal", Kind::Word) => word("term"),
        (_, Kind::Word) => word("a1"),
        (_, Kind::Path) => path(&stage.root()),
        (_, Kind::Bytes) => Value::Bytes(1 << 30),
        (_, Kind::Int) => Value::Int(2),
        (_, Kind::Span) => Value::Span(Span::days(30)),
        (_, Kind::Flag) => Value::Flag(true),
        (name, kind) => panic!("no sample for {name}: {kind}"),
    }
}

/// A call with the required arguments; `files.empty_quarantine` needs some of its optional ones.
fn smallest(stage: &Stage, tool: &dyn Tool) -> Call {
    let spec = tool.spec();
    let mut args: Vec<(&str, Value)> = spec
        .inputs
        .iter()
        .filter(|i| i.need == Need::Required)
        .map(|i| (i.name, sample(stage, i.name, &i.kind)))
        .collect();
    if spec.name.as_str() == "files.empty_quarantine" {
        let older = ("older", Value::Span(Span::days(40)));
        args = vec![("path", path(&stage.root())), ("what", word("rotated-logs")), older];
    }
    match spec.name.as_str() {
        name if name.starts_with("postgres.") => {
            args = vec![("endpoint", Value::Target(target("mini:endpoint:main")))];
        }
        "alerts.list" | "alerts.rules" | "metrics.query" => {
            args = vec![("endpoint", Value::Target(target("mini:endpoint:rules")))];
        }
        "traces.search" => {
            let jaeger = Value::Target(target("mini:endpoint:jaeger"));
            args = vec![("endpoint", jaeger), ("service", word("api"))];
        }
        name if name.starts_with("database.") => {
            args = vec![("endpoint", Value::Target(target("mini:endpoint:copy")))];
        }
        "mcp.call" => {
            let target = Target::new(super::stage::here(), Thing::Mcp, "files/write_file");
            args = vec![("tool", Value::Target(target.unwrap()))];
        }
        "files.tail" => args = vec![("path", path(&stage.root().join("app.log")))],
        "host.exec" => {
            let parts = ["zpool", "clear", "tank"].map(str::to_owned).to_vec();
            args = vec![("argv", Value::Argv(parts))];
        }
        "dns.record" => {
            let name = ("name", word("photos.home.example"));
            let value = ("value", Value::Line("192.0.2.7".into()));
            args = vec![("dns", word("home")), ("type", word("A")), name, value];
        }
        "vm.limit" => args.push(("cores", Value::Int(2))),
        _ => {}
    }
    let mut call = stage.call(spec.name.as_str(), &args);
    if spec.name.as_str() == "host.reboot" {
        call.target = Target::host(super::stage::here());
    }
    call
}

fn refusal(stage: &Stage, call: &Call) -> String {
    match stage.parse(call) {
        Err(ToolError::Refused(why)) => why,
        Err(ToolError::Failed(why)) => panic!("{call} failed instead of being refused: {why}"),
        Ok(_) => panic!("{call} was taken"),
    }
}

#[test]
fn specs_are_whole() {
    let stage = Stage::new();
    let mut names = BTreeSet::new();
    for tool in stage.tools() {
        let spec = tool.spec();
        let name = spec.name.as_str();
        assert!(names.insert(name.to_owned()), "{name} stands there twice");
        let (family, verb) = name.split_once('.').unwrap();
        assert!(!family.is_empty() && !verb.is_empty() && !verb.contains('.'), "{name}");
        assert!(spec.summary.chars().count() <= 100, "{name}: {}", spec.summary.len());
        assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "{name}");
        assert!(Span(0) < spec.timeout, "{name}");
        let inputs: BTreeSet<_> = spec.inputs.iter().map(|i| i.name).collect();
        assert_eq!(inputs.len(), spec.inputs.len(), "{name}");
        assert!(spec.inputs.iter().all(|i| i.kind != Kind::Text && !i.doc.is_empty()), "{name}");
        assert!(spec.max_tier == Tier::Low || spec.gives.is_empty(), "{name} gives values");
        for words in [spec.tiers, spec.undo, spec.errors] {
            assert!(words.len() > 3 && !words.ends_with('.'), "{name}: {words}");
        }
        assert!(spec.tiers.contains(spec.max_tier.as_str()), "{name}: {}", spec.tiers);
    }
}

/// Every tool, as the table has them.
const TOOLS: &[&str] = &[
    "alerts.list",
    "alerts.rules",
    "ansible.check",
    "ansible.run",
    "backup.create",
    "certificate.inspect",
    "certificate.renew",
    "compose.check",
    "compose.health",
    "compose.ps",
    "compose.pull",
    "compose.restart",
    "compose.rollback",
    "compose.up",
    "container.inspect",
    "container.list",
    "container.logs",
    "container.memory",
    "container.restart",
    "container.start",
    "database.replication",
    "database.restart_standby",
    "debug.disable",
    "debug.enable",
    "disk.usage",
    "dns.lookup",
    "dns.record",
    "files.clean",
    "files.compress",
    "files.decompress",
    "files.empty_quarantine",
    "files.quarantine",
    "files.restore",
    "files.tail",
    "git.log",
    "host.df",
    "host.exec",
    "host.load",
    "host.reboot",
    "host.run",
    "http.get",
    "human.message",
    "image.prune",
    "image.pull",
    "journal.vacuum",
    "logs.archive",
    "logs.fetch",
    "logs.patterns",
    "logs.rotate",
    "logs.store",
    "memory.usage",
    "metrics.query",
    "mount.mount",
    "mount.status",
    "mount.unmount",
    "net.reach",
    "process.kill",
    "process.list",
    "snapshot.create",
    "snapshot.forget",
    "snapshot.list",
    "snapshot.rollback",
    "terraform.apply",
    "terraform.plan",
    "tls.inspect",
    "traces.search",
    "unit.logs",
    "unit.reload",
    "unit.restart",
    "unit.status",
    "firewall.rule",
    "vm.create",
    "vm.delete",
    "vm.forget",
    "vm.limit",
    "vm.rollback",
    "vm.snapshot",
    "vm.start",
    "vm.stop",
    "volume.resize",
    "postgres.checkpoint",
    "postgres.connections",
    "postgres.drain",
    "kube.apply",
    "kube.cordon",
    "kube.drain",
    "kube.events",
    "kube.evict",
    "kube.evict_bare",
    "kube.logs",
    "kube.node",
    "kube.patch",
    "kube.pod",
    "kube.pods",
    "kube.restart",
    "kube.rollback",
    "kube.rollout",
    "kube.scale",
    "kube.tls_secret",
    "kube.uncordon",
    "mcp.call",
    "mcp.read",
    "mcp.tools",
];

#[test]
fn the_table_is_what_runbooks_are_written_against() {
    let stage = Stage::new();
    let names: Vec<_> = stage.tools().iter().map(|t| t.spec().name.to_string()).collect();
    assert_eq!(names, TOOLS);
}

#[test]
fn tiers_leases_and_bounds_hold_for_every_tool() {
    let stage = Stage::new();
    for tool in stage.tools() {
        let spec = tool.spec();
        match tool.parse(&smallest(&stage, tool.as_ref())) {
            Ok(Parsed::Query(_)) => assert_eq!(spec.max_tier, Tier::Low, "{}", spec.name),
            Ok(Parsed::Action(action)) => {
                assert!(Tier::Low < action.tier(), "{}", spec.name);
                assert!(action.tier() <= spec.max_tier, "{}", spec.name);
                assert!(!action.lease().is_empty(), "{} takes no lease", spec.name);
            }
            Err(why) => panic!("{}: {why}", spec.name),
        }
    }
}

#[test]
fn unknown_wrong_and_missing_arguments_are_refused() {
    let stage = Stage::new();
    for tool in stage.tools() {
        let spec = tool.spec();
        let good = smallest(&stage, tool.as_ref());
        let mut unknown = good.clone();
        unknown.args.insert("force".into(), Value::Flag(true));
        assert!(refusal(&stage, &unknown).contains("\"force\""), "{}", spec.name);
        for input in &spec.inputs {
            for wrong in [Value::List(vec![]), Value::Text(crate::model::taint::Tainted::new("x"))]
            {
                let mut call = good.clone();
                call.args.insert(input.name.into(), wrong);
                assert!(refusal(&stage, &call).contains(input.name), "{}", spec.name);
            }
            if input.need == Need::Required {
                let mut call = good.clone();
                call.args.remove(input.name);
                assert!(refusal(&stage, &call).contains(input.name), "{}", spec.name);
            }
        }
        let mut other = good;
        other.tool = crate::model::ids::ToolName::of("other.tool");
        assert!(matches!(tool.parse(&other), Err(ToolError::Refused(_))), "{}", spec.name);
    }
}

#[test]
fn actions_on_paths_stay_within_their_roots() {
    let stage = Stage::with(|inventory, dir| {
        inventory.protected = vec![super::stage::abs(&dir.join("files/state"))];
        inventory.scratch = Some(super::stage::abs(&dir.join("files/state/drill")));
    });
    let with = |good: &Call, at: &str, bounds: Bounds| {
        let mut call = good.clone();
        call.args.insert("path".into(), Value::Path(AbsPath::new(at).unwrap()));
        call.bounds = bounds;
        call
    };
    let roots = |roots: &[&str]| Bounds {
        roots: roots.iter().map(|r| AbsPath::new(r).unwrap()).collect(),
        ..Bounds::default()
    };
    let mut seen = 0;
    for tool in stage.tools() {
        let spec = tool.spec();
        if spec.max_tier == Tier::Low || !spec.inputs.iter().any(|i| i.name == "path") {
            continue;
        }
        seen += 1;
        let good = smallest(&stage, tool.as_ref());
        let root = stage.root().to_str().unwrap().to_owned();
        for (path, bounds, why) in [
            ("/", roots(&["/"]), "everything"),
            ("/var/log", roots(&["/"]), "outside"),
            ("/var/log", roots(&[]), "roots"),
            ("/var/logs", roots(&["/var/log"]), "outside"),
            ("/var", roots(&["/var/log"]), "outside"),
            ("/etc/nginx", roots(&["/etc"]), "system"),
            ("/usr", roots(&["/usr"]), "system"),
            (&format!("{root}/state/db"), roots(&[&root]), "protected"),
            (stage.world.quarantine.as_str(), roots(&["/tmp"]), "protected"),
        ] {
            let call = with(&good, path, bounds);
            assert!(refusal(&stage, &call).contains(why), "{}: {path}", spec.name);
        }
        let scratch = with(&good, &format!("{root}/state/drill"), roots(&[&root]));
        assert!(stage.parse(&scratch).is_ok(), "{}: the drill's scratch", spec.name);
    }
    assert_eq!(seen, 8);
}

#[test]
fn tools_of_this_machine_refuse_other_hosts_and_calls_stay_on_one() {
    let stage = Stage::new();
    let nas = HostName::new("nas").unwrap();
    for tool in stage.tools() {
        let name = tool.spec().name.as_str();
        let mut call = smallest(&stage, tool.as_ref());
        call.target = Target::host(nas.clone());
        // A message about any host is sent from here, and servers are the same for all.
        if !["human.message", "mcp.tools"].contains(&name) {
            let why = refusal(&stage, &call);
            assert!(why.contains("nas"), "{name}: {why}");
        }
    }
}

#[test]
fn the_tier_comes_from_the_arguments() {
    let stage = Stage::new();
    let tier = |name: &str, args: &[(&str, Value)]| stage.action(&stage.call(name, args)).tier();
    let at = |name: &str| ("path", path(&stage.root().join(name)));
    assert_eq!(tier("files.compress", &[at("log")]), Tier::High);
    assert_eq!(tier("files.compress", &[at("app.log")]), Tier::High);
    assert_eq!(tier("files.compress", &[at("app.log.1")]), Tier::Medium);
    assert_eq!(tier("files.compress", &[at("log"), ("what", word("rotated"))]), Tier::Medium);
    assert_eq!(tier("files.compress", &[at("app.log.1"), ("what", word("all"))]), Tier::High);
    assert_eq!(tier("files.quarantine", &[at("x")]), Tier::Critical);
}

#[test]
fn young_files_and_other_kinds_are_not_for_clean() {
    let stage = Stage::new();
    let clean = |days: i64, what: &str| {
        let older = Value::Span(Span::days(days));
        stage.call(
            "files.clean",
            &[("path", path(&stage.root())), ("older", older), ("what", word(what))],
        )
    };
    assert!(refusal(&stage, &clean(29, "rotated-logs")).contains("files.quarantine"));
    assert!(refusal(&stage, &clean(9, "temp")).contains("files.quarantine"));
    assert!(refusal(&stage, &clean(90, "data")).contains("files.quarantine"));
    assert!(stage.parse(&clean(30, "rotated-logs")).is_ok());
    assert!(stage.parse(&clean(10, "temp")).is_ok());
    assert!(stage.parse(&clean(0, "package-cache")).is_ok());
}

/// The arguments of an example, by the kinds of the spec.
fn arguments(tool: &dyn Tool) -> Values {
    let example: toml::Table = tool.spec().example.parse().unwrap();
    assert_eq!(example["tool"].as_str(), Some(tool.spec().name.as_str()));
    let args = example.get("args").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let value = |name: &str, given: &toml::Value| {
        let input = tool.spec().inputs.iter().find(|i| i.name == name).unwrap();
        let text = given.as_str().unwrap_or_default();
        match &input.kind {
            Kind::Int => Value::Int(given.as_integer().unwrap()),
            Kind::Flag => Value::Flag(given.as_bool().unwrap()),
            Kind::Word => word(text),
            Kind::Path => Value::Path(AbsPath::new(text).unwrap()),
            Kind::Target => Value::Target(target(text)),
            Kind::Span => Value::Span(Span::days(text.strip_suffix('d').unwrap().parse().unwrap())),
            Kind::List(_) => {
                let items = given.as_array().unwrap().iter();
                Value::List(items.map(|item| word(item.as_str().unwrap())).collect())
            }
            Kind::Bytes => {
                use crate::config::setting::{Bytes, Setting};
                let given = crate::config::given::Given::Text(text.to_owned());
                Value::Bytes(Bytes::read(&given).unwrap().0)
            }
            Kind::Argv => {
                let parts = given.as_array().unwrap().iter();
                Value::Argv(parts.map(|part| part.as_str().unwrap().to_owned()).collect())
            }
            Kind::Json => {
                Value::Json(serde_json::to_value(given).unwrap().as_object().unwrap().clone())
            }
            Kind::Line => Value::Line(text.to_owned()),
            other @ Kind::Text => panic!("no example of {other}"),
        }
    };
    args.iter().map(|(n, v)| (n.clone(), value(n, v))).collect()
}

#[test]
fn every_example_parses() {
    let stage = Stage::with(|inventory, _| {
        let jellyfin = inventory.endpoints["photos"].clone();
        inventory.endpoints.insert("jellyfin".into(), jellyfin);
    });
    for tool in stage.tools() {
        let mut args = arguments(tool.as_ref());
        for value in args.values_mut() {
            // The examples speak of a host of their own.
            if let Value::Target(target) = value {
                let moved = Target::new(super::stage::here(), target.thing(), target.name());
                *target = moved.unwrap();
            }
        }
        let mut call = stage.call(tool.spec().name.as_str(), &[]);
        call.args = args;
        if tool.spec().name.as_str() == "host.reboot" {
            call.target = Target::host(super::stage::here());
        }
        call.bounds.roots = vec![AbsPath::new("/var/log").unwrap()];
        if let Err(why) = stage.parse(&call) {
            panic!("{}: {why}", tool.spec().name);
        }
    }
}
