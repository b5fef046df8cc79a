//! The tools and readings that the tests check against.

use std::collections::BTreeMap;

use crate::model::ids::{RunbookName, StepName, ToolName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Found, Gives, Input, Need, Tier, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::runbook::{Mistake, Runbook, check, parse};

const NEED: Need = Need::Required;
const MAY: Need = Need::Optional;

fn spec(
    name: &'static str,
    tier: Tier,
    inputs: &[(&'static str, Kind, Need)],
    gives: &[(&'static str, Kind)],
) -> ToolSpec {
    let input = |(name, kind, need): &(&'static str, Kind, Need)| Input {
        name,
        kind: kind.clone(),
        need: *need,
        doc: "what it acts on",
    };
    ToolSpec {
        name: ToolName::of(name),
        summary: "a stub",
        inputs: inputs.iter().map(input).collect(),
        gives: gives.iter().map(|(name, kind)| give(name, kind)).collect(),
        max_tier: tier,
        tiers: "",
        undo: "",
        errors: "",
        timeout: Span::secs(5),
        example: "",
    }
}

fn give(name: &'static str, kind: &Kind) -> Gives {
    Gives { name, kind: kind.clone(), doc: "a value" }
}

#[expect(clippy::too_many_lines, reason = "one table, a line for each tool")]
pub(super) fn tool(name: &ToolName) -> Option<ToolSpec> {
    use Kind::{Bytes, Flag, Int, Path, Span, Target, Text, Word};
    use Tier::{Critical, High, Low};
    let words = || Kind::List(Box::new(Word));
    let paths = || Kind::List(Box::new(Path));
    let n = match name.as_str() {
        "disk.usage" => spec(
            "disk.usage",
            Low,
            &[("path", Path, NEED), ("top", Int, MAY)],
            &[
                ("path", Path),
                ("kind", Word),
                ("size", Bytes),
                ("age", Span),
                ("growth", Bytes),
                ("safe", Flag),
                ("ambiguous", Flag),
                ("candidates", words()),
                ("holds", Text),
                ("found", Kind::List(Box::new(Text))),
            ],
        ),
        "journal.vacuum" => spec("journal.vacuum", High, &[("keep", Bytes, MAY)], &[]),
        "logs.rotate" => spec(
            "logs.rotate",
            High,
            &[("path", Path, NEED), ("older", Span, MAY), ("held", Flag, MAY)],
            &[],
        ),
        "logs.archive" => spec(
            "logs.archive",
            High,
            &[("path", Path, NEED), ("older", Span, MAY), ("store", Word, MAY)],
            &[],
        ),
        "logs.store" => {
            spec("logs.store", Low, &[("store", Word, MAY)], &[("state", Word), ("why", Text)])
        }
        "database.replication" => spec(
            "database.replication",
            Low,
            &[("endpoint", Target, NEED)],
            &[
                ("cause", Word),
                ("why", Text),
                ("next", Text),
                ("primary", Word),
                ("standby", Word),
                ("server", Target),
                ("restartable", Flag),
                ("behind", Bytes),
            ],
        ),
        "database.restart_standby" => {
            spec("database.restart_standby", High, &[("endpoint", Target, NEED)], &[])
        }
        "files.compress" => spec(
            "files.compress",
            High,
            &[("path", Path, NEED), ("older", Span, MAY), ("what", Word, MAY)],
            &[],
        ),
        "files.clean" => spec(
            "files.clean",
            High,
            &[("path", Path, NEED), ("older", Span, NEED), ("what", Word, NEED)],
            &[],
        ),
        "files.empty_quarantine" => spec(
            "files.empty_quarantine",
            High,
            &[
                ("id", Word, MAY),
                ("all", Flag, MAY),
                ("older", Span, MAY),
                ("path", Path, MAY),
                ("what", Word, MAY),
            ],
            &[],
        ),
        "files.destroy" => spec("files.destroy", Critical, &[("path", Path, NEED)], &[]),
        "files.move" => spec("files.move", High, &[("paths", paths(), NEED)], &[("moved", Int)]),
        "files.find" => spec("files.find", Low, &[("path", Path, NEED)], &[("paths", paths())]),
        "container.inspect" => spec(
            "container.inspect",
            Low,
            &[("container", Target, NEED)],
            &[
                ("container", Target),
                ("state", Word),
                ("health", Word),
                ("exit_code", Int),
                ("restartable", Flag),
                ("steady", Flag),
                ("why_not", Text),
            ],
        ),
        "container.logs" => spec(
            "container.logs",
            Low,
            &[("container", Target, NEED), ("lines", Int, MAY), ("previous", Flag, MAY)],
            &[("template", Text), ("errors", Int), ("last", Text)],
        ),
        "container.memory" => spec(
            "container.memory",
            Low,
            &[("container", Target, NEED)],
            &[("verdict", Word), ("why", Text), ("limit", Bytes), ("kills", Int)],
        ),
        "container.restart" => spec("container.restart", High, &[("container", Target, NEED)], &[]),
        "container.start" => spec("container.start", High, &[("container", Target, NEED)], &[]),
        "compose.check" => spec(
            "compose.check",
            Low,
            &[("stack", Target, NEED)],
            &[("free", Bytes), ("declared", Flag), ("compose", Word)],
        ),
        "compose.health" => spec(
            "compose.health",
            Low,
            &[("stack", Target, NEED)],
            &[("healthy", Flag), ("why", Text)],
        ),
        "compose.pull" => spec("compose.pull", Tier::Medium, &[("stack", Target, NEED)], &[]),
        "compose.up" => spec("compose.up", Critical, &[("stack", Target, NEED)], &[]),
        "unit.status" => spec(
            "unit.status",
            Low,
            &[("unit", Target, NEED)],
            &[("state", Word), ("result", Word), ("restarts", Int), ("restartable", Flag)],
        ),
        "unit.restart" => spec("unit.restart", High, &[("unit", Target, NEED)], &[]),
        "unit.logs" => spec(
            "unit.logs",
            Low,
            &[("unit", Target, NEED), ("lines", Int, MAY)],
            &[("template", Text), ("errors", Int)],
        ),
        "process.list" => spec(
            "process.list",
            Low,
            &[("top", Int, MAY)],
            &[
                ("busiest", Target),
                ("name", Word),
                ("busy_percent", Int),
                ("unit", Target),
                ("container", Target),
                ("place", Word),
                ("restartable", Flag),
                ("verdict", Word),
            ],
        ),
        "process.kill" => spec("process.kill", High, &[("process", Target, NEED)], &[]),
        "http.get" => {
            spec("http.get", Low, &[("endpoint", Target, NEED)], &[("status", Int), ("took", Span)])
        }
        "certificate.inspect" => spec(
            "certificate.inspect",
            Low,
            &[("path", Path, NEED)],
            &[
                ("days", Int),
                ("method", Word),
                ("called", Text),
                ("why", Text),
                ("issuer", Text),
                ("due", Flag),
                ("broken", Text),
            ],
        ),
        "tls.inspect" => spec(
            "tls.inspect",
            Low,
            &[("endpoint", Target, NEED)],
            &[
                ("days", Int),
                ("method", Word),
                ("called", Text),
                ("why", Text),
                ("issuer", Text),
                ("serial", Text),
                ("due", Flag),
                ("starts", Word),
                ("broken", Text),
                ("unit", Target),
                ("container", Target),
            ],
        ),
        "certificate.renew" => spec("certificate.renew", High, &[("endpoint", Target, NEED)], &[]),
        "unit.reload" => spec("unit.reload", High, &[("unit", Target, NEED)], &[]),
        "logs.patterns" => spec(
            "logs.patterns",
            Low,
            &[("log", Target, NEED), ("lines", Int, MAY)],
            &[("known", Flag), ("template", Text), ("count", Int)],
        ),
        "memory.usage" => spec(
            "memory.usage",
            Low,
            &[("top", Int, MAY)],
            &[
                ("process", Target),
                ("name", Word),
                ("unit", Target),
                ("restartable", Flag),
                ("size", Bytes),
            ],
        ),
        "host.df" => spec(
            "host.df",
            Low,
            &[],
            &[("path", Path), ("used_percent", Int), ("free", Bytes), ("stale", Int)],
        ),
        "host.run" => spec("host.run", Low, &[("argv", Kind::Argv, NEED)], &[("code", Int)]),
        "host.exec" => spec("host.exec", Critical, &[("argv", Kind::Argv, NEED)], &[]),
        "terraform.plan" => spec(
            "terraform.plan",
            Low,
            &[("stack", Word, NEED)],
            &[
                ("plan", Word),
                ("changes", Int),
                ("destroyed", Int),
                ("in_place", Flag),
                ("counted", Text),
                ("lines", Text),
            ],
        ),
        "terraform.apply" => {
            spec("terraform.apply", Critical, &[("stack", Word, NEED), ("plan", Word, NEED)], &[])
        }
        "ansible.run" => spec("ansible.run", Critical, &[("playbook", Word, NEED)], &[]),
        "net.reach" => spec("net.reach", Low, &[], &[("port", Word), ("ping", Word)]),
        "dns.lookup" => spec(
            "dns.lookup",
            Low,
            &[("endpoint", Target, NEED)],
            &[("own", Word), ("upstream", Word), ("alive", Flag)],
        ),
        "mount.status" => spec(
            "mount.status",
            Low,
            &[("mount", Target, NEED)],
            &[
                ("state", Word),
                ("declared", Flag),
                ("source", Text),
                ("server", Target),
                ("server_port", Word),
                ("server_ping", Word),
            ],
        ),
        "mount.mount" => spec("mount.mount", Tier::Medium, &[("mount", Target, NEED)], &[]),
        "mount.unmount" => spec(
            "mount.unmount",
            Tier::Medium,
            &[("mount", Target, NEED), ("lazy", Flag, MAY)],
            &[],
        ),
        "human.message" => {
            spec("human.message", Low, &[("urgency", Word, MAY)], &[("urgency", Word)])
        }
        "kube.pods" => spec(
            "kube.pods",
            Low,
            &[("workload", Target, NEED)],
            &[("pod", Target), ("class", Word), ("count", Int), ("ready", Int)],
        ),
        "kube.pod" => spec(
            "kube.pod",
            Low,
            &[("pod", Target, NEED)],
            &[
                ("class", Word),
                ("says", Text),
                ("owner", Target),
                ("healthy", Flag),
                ("owner_kind", Word),
                ("stateless", Flag),
                ("restarts", Int),
                ("evictions", Int),
            ],
        ),
        "kube.logs" => spec(
            "kube.logs",
            Low,
            &[("pod", Target, NEED), ("previous", Flag, MAY)],
            &[("template", Text), ("last", Text)],
        ),
        "kube.events" => spec("kube.events", Low, &[("about", Target, NEED)], &[("reason", Word)]),
        "kube.rollout" => {
            spec("kube.rollout", Low, &[("workload", Target, NEED)], &[("revision", Int)])
        }
        "kube.node" => spec(
            "kube.node",
            Low,
            &[("node", Target, NEED)],
            &[
                ("cause", Word),
                ("says", Text),
                ("cordoned", Flag),
                ("pods", Int),
                ("host_answers", Word),
            ],
        ),
        "kube.evict" => {
            spec("kube.evict", High, &[("pod", Target, NEED), ("named", Target, MAY)], &[])
        }
        "kube.cordon" => spec("kube.cordon", Critical, &[("node", Target, NEED)], &[]),
        _ => return None,
    };
    Some(n)
}

pub(super) fn readings(probe: &Word) -> Option<Vec<Gives>> {
    use Kind::{Bytes, Int, Path, Target, Text, Word};
    let gives: &[(&'static str, Kind)] = match probe.as_str() {
        "disk" => &[("path", Path), ("free", Bytes), ("used_percent", Int), ("source", Text)],
        "memory" => &[("available", Bytes), ("available_percent", Int), ("unit", Target)],
        "cpu" => &[("load_percent", Int)],
        "unit" => &[("unit", Target), ("result", Word), ("restarts", Int), ("main_pid", Int)],
        "http" => &[("endpoint", Target), ("status", Int), ("unit", Target), ("container", Target)],
        "docker" => &[("container", Target), ("state", Word), ("exit_code", Int)],
        "compose" => &[("stack", Target)],
        "cert" => &[("endpoint", Target), ("path", Path), ("days", Int)],
        "tls" => &[("endpoint", Target), ("days", Int), ("ends", Int), ("by_hand", Kind::Flag)],
        "errors" => &[("log", Target), ("template", Text), ("count", Int), ("baseline", Int)],
        "process" => &[("process", Word)],
        "kube" => &[("workload", Target), ("member", Target), ("ready", Int), ("restarts", Int)],
        "drift" => &[("stack", Word), ("changes", Int), ("destroyed", Int)],
        "dns" => &[("endpoint", Target), ("unit", Target)],
        "postgres" | "mariadb" => &[("endpoint", Target)],
        "host" => &[],
        _ => return None,
    };
    Some(gives.iter().map(|(name, kind)| give(name, kind)).collect())
}

pub(super) fn name(name: &str) -> RunbookName {
    RunbookName::new(name).unwrap()
}

pub(super) fn step_name(name: &str) -> StepName {
    StepName::new(name).unwrap()
}

/// A file with this front matter (title and match are given) and body.
pub(super) fn file(front: &str, body: &str) -> String {
    let matches = if front.starts_with("match =") { "" } else { "match = { probe = \"disk\" }\n" };
    format!("+++\ntitle = \"A book\"\n{matches}{front}\n+++\n{body}\n")
}

#[track_caller]
pub(super) fn book(front: &str, body: &str) -> Runbook {
    match parse(name("book"), &file(front, body)) {
        Ok(book) => book,
        Err(mistakes) => panic!("{}", told(&mistakes)),
    }
}

/// All that parse or check has to say.
pub(super) fn mistakes(text: &str) -> Vec<Mistake> {
    match parse(name("book"), text) {
        Ok(book) => check(&book, &tool, &readings),
        Err(mistakes) => mistakes,
    }
}

pub(super) fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

pub(super) fn reading(probe: &str, target: &str, severity: Severity) -> Reading {
    let signal = Signal {
        probe: Word::new(probe).unwrap(),
        target: target.parse().unwrap(),
        aspect: Word::of("bytes"),
    };
    Reading::new(signal, Millis(0), severity, Word::of("bytes"), "92 %, 3 GiB free")
}

pub(super) fn found(values: &[(&str, Value)]) -> Found {
    let values: BTreeMap<String, Value> =
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Found { values, words: crate::model::taint::Tainted::new("found") }
}
