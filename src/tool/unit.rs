//! systemd units: state, log lines, restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue, Unit};
use crate::model::ids::{ToolName, UnitName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Bounds, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Replicas, Tier, ToolError,
    ToolSpec, Undo,
};
use crate::model::value::{Kind, Value};
use crate::policy::argv::{Argv, ReadOnly};
use crate::tool::args::{failed, gives, made, optional, refused, required};
use crate::tool::command;
use crate::tool::lines::{Keep, Lines};
use crate::tool::outcome::Doing;
use crate::tool::peers;
use crate::tool::world::World;

fn status_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.status"),
        summary: "Look at a systemd unit: state, last result, restarts by its manager",
        inputs: vec![required("unit", Kind::Target, "HOST:unit:NAME")],
        gives: vec![
            gives("state", Kind::Word, "active, inactive, failed, activating ..., or not-found"),
            gives(
                "result",
                Kind::Word,
                "success, exit-code, oom-kill, timeout, watchdog, signal ...",
            ),
            gives("restarts", Kind::Int, "by its manager"),
            gives("pid", Kind::Int, "of its main process; 0: none"),
            gives("restartable", Kind::Flag, "whether the config declares it restartable"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that the config does not name; a manager that does not answer",
        timeout: Span::secs(10),
        example: "tool = \"unit.status\"\nargs = { unit = \"mini:unit:nginx.service\" }",
    }
}

fn logs_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.logs"),
        summary: "Read a unit's newest journal lines as templates",
        inputs: vec![
            required("unit", Kind::Target, "HOST:unit:NAME"),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 1000; 200 unless said"),
        ],
        gives: vec![
            gives("template", Kind::Text, "the most frequent template among its errors"),
            gives("errors", Kind::Int, "how many lines speak of an error"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no right to read the journal: the group systemd-journal gives it",
        timeout: Span::secs(20),
        example: "tool = \"unit.logs\"\nargs = { unit = \"mini:unit:nginx.service\", lines = 100 }",
    }
}

fn restart_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("unit.restart"),
        summary: "Restart a systemd unit, which is down for a moment",
        inputs: vec![required("unit", Kind::Target, "HOST:unit:NAME")],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a restart cannot be taken back",
        errors: "a unit that is not loaded, that keeps data and is not named by the runbook, or that reef and its operator sit on; no right to manage units (`reef install --print polkit` prints the grant)",
        timeout: RESTART_TIMEOUT,
        example: "tool = \"unit.restart\"\nargs = { unit = \"mini:unit:nginx.service\" }",
    }
}

/// `unit.status`.
pub fn status(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(status_spec(), move |args| {
        let unit = args.target("unit", Thing::Unit)?.clone();
        let link = command::link(&world, &unit)?;
        let restartable = world.inventory.restartable.contains(&unit);
        Ok(Parsed::Query(Box::new(Status { link, unit, restartable })))
    })
}

struct Status {
    link: Arc<dyn HostLink>,
    unit: Target,
    restartable: bool,
}

/// The unit as the host's collection tells it.
pub(super) async fn look(link: &dyn HostLink, unit: &Target) -> Result<Unit, ToolError> {
    let name = UnitName::new(unit.name()).map_err(refused)?;
    let fact = Fact::Unit(name);
    let mut facts = link.facts(&BTreeSet::from([fact.clone()])).await;
    match facts.remove(&fact) {
        Some(Ok(FactValue::Unit(unit))) => Ok(unit),
        Some(Ok(_)) | None => Err(failed(format!("the collection did not tell of {unit}"))),
        Some(Err(why)) => Err(failed(format!("{unit}: {why}"))),
    }
}

/// A machine's word; `unknown` where it is none.
pub fn word(given: &str) -> Word {
    Word::new(given).unwrap_or_else(|_| Word::of("unknown"))
}

impl Query for Status {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let unit = look(self.link.as_ref(), &self.unit).await?;
            let state = if unit.load == "not-found" { "not-found" } else { &unit.active };
            let values = [
                ("state", Value::Word(word(state))),
                ("result", Value::Word(word(&unit.result))),
                ("restarts", Value::Int(i64::from(unit.restarts))),
                ("pid", Value::Int(i64::from(unit.main_pid))),
                ("restartable", Value::Flag(self.restartable)),
            ];
            let values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            let words = format!(
                "{} is {state} ({}), last result {}, exit code {}, {} restarts by its manager, {}",
                self.unit, unit.sub, unit.result, unit.exit_code, unit.restarts, unit.enabled
            );
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

/// `unit.logs`.
pub fn logs(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(logs_spec(), move |args| {
        let unit = args.target("unit", Thing::Unit)?.clone();
        let lines = args.count("lines", 200, 1_000)?;
        let link = command::link(&world, &unit)?;
        // Newest first: an answer that is cut loses the oldest lines.
        let argv = command::read_only(&[
            "journalctl",
            "-u",
            unit.name(),
            "-n",
            &lines.to_string(),
            "--reverse",
            "-o",
            "cat",
            "--no-pager",
        ])?;
        Ok(Parsed::Query(Box::new(Logs { link, argv, unit })))
    })
}

struct Logs {
    link: Arc<dyn HostLink>,
    argv: ReadOnly,
    unit: Target,
}

impl Query for Logs {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let output = command::read(self.link.as_ref(), &self.argv, Span::secs(15)).await?;
            let lines = Lines::of(output.stdout.as_str(), Keep::Errors);
            let template = lines.templates.first().map_or("", |(template, _)| template);
            let values = [
                ("template".to_owned(), Value::Text(Tainted::new(template))),
                ("errors".to_owned(), Value::Int(i64::try_from(lines.kept).unwrap_or(i64::MAX))),
            ];
            let words = format!(
                "{}: {} of {} lines speak of errors{}",
                self.unit,
                lines.kept,
                lines.seen,
                lines.words(5)
            );
            Ok(Found { values: values.into(), words: Tainted::new(&words) })
        })
    }
}

/// `unit.restart`.
pub fn restart(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = restart_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        let unit = args.target("unit", Thing::Unit)?.clone();
        let argv = restart_command(unit.name())?;
        let named = args.call().bounds.named.contains(&unit);
        if !named && is_stateful(unit.name(), &world.inventory.databases) {
            return Err(refused(format!(
                "{unit} keeps data: it is restarted only by a runbook that names it, with what has to come before \
                 (postgres.drain, postgres.checkpoint)"
            )));
        }
        let link = command::link(&world, &unit)?;
        let (world, bounds) = (world.clone(), args.call().bounds.clone());
        Ok(Parsed::Action(Box::new(Restart { world, link, argv, unit, bounds, timeout })))
    })
}

/// How long a restart may take.
pub const RESTART_TIMEOUT: Span = Span::secs(120);

/// The command that restarts a service that may be restarted.
pub fn restart_command(name: &str) -> Result<Argv, ToolError> {
    if !name.ends_with(".service") {
        return Err(refused(format!("{name} is no service: name it in full, X.service")));
    }
    if let Some(why) = never(name) {
        return Err(refused(format!("{name} is never restarted by reef: {why}")));
    }
    command::argv(&["systemctl", "restart", name])
}

/// Units whose restart cuts the branch that reef, or the operator, sits on.
pub(super) fn never(unit: &str) -> Option<&'static str> {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let base = name.split_once('@').map_or(name, |(base, _)| base);
    match base {
        _ if base.starts_with("systemd-") => Some("it is a part of systemd"),
        "dbus" | "dbus-broker" | "polkit" => Some("the system's own talk runs through it"),
        "ssh" | "sshd" | "dropbear" => Some("it may be the only way in: do it by hand"),
        "reef" => Some("it is reef"),
        "user" | "getty" | "serial-getty" | "gdm" | "lightdm" | "sddm" => {
            Some("it would end the work of whoever is logged in")
        }
        _ => None,
    }
}

/// Units that keep data, by their name before any `@`.
const STATEFUL: [&str; 24] = [
    "postgresql",
    "postgres",
    "mariadb",
    "mariadbd",
    "mysql",
    "mysqld",
    "mongod",
    "mongodb",
    "redis",
    "redis-server",
    "valkey",
    "valkey-server",
    "influxdb",
    "clickhouse-server",
    "elasticsearch",
    "opensearch",
    "etcd",
    "cassandra",
    "couchdb",
    "neo4j",
    "rabbitmq-server",
    "kafka",
    "minio",
    "zookeeper",
];

/// Whether a unit keeps data that a restart at the wrong moment may hurt. `databases` are names of the operator's own.
fn is_stateful(unit: &str, databases: &BTreeSet<String>) -> bool {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let base = name.split_once('@').map_or(name, |(base, _)| base);
    STATEFUL.contains(&base) || databases.contains(base) || databases.contains(name)
}

struct Restart {
    world: World,
    link: Arc<dyn HostLink>,
    argv: Argv,
    unit: Target,
    bounds: Bounds,
    timeout: Span,
}

impl Action for Restart {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.unit.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let unit = look(self.link.as_ref(), &self.unit).await?;
            if unit.load != "loaded" {
                return Err(refused(format!("{} is {} on this host", self.unit, unit.load)));
            }
            let words = format!(
                "restart {} (now {}, {}): down for a moment",
                self.unit, unit.active, unit.sub
            );
            Ok((brief(words), Undo::Impossible("a restart cannot be taken back".into())))
        })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(peers::left(&self.world, &self.bounds, &self.unit))
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let doing =
                systemctl(self.link, self.argv, self.timeout, &self.unit, ("restart", "restarted"));
            doing.run(&permit).await
        })
    }
}

/// What one command on one unit comes to: over in seconds.
pub(super) fn brief(words: String) -> Effect {
    Effect { words, max_items: 1, max_bytes: 0, takes: Some(Span::secs(5)), artifact: None }
}

/// A command of systemctl on a unit, by its verb and by how it is told when it is done. Where it fails, the gate asks for
/// the unit's state and its newest lines.
pub(super) fn systemctl(
    link: Arc<dyn HostLink>,
    argv: Argv,
    timeout: Span,
    unit: &Target,
    (verb, done): (&str, &str),
) -> Doing {
    Doing {
        link,
        argv,
        timeout,
        what: format!("systemctl {verb} {unit}"),
        done: format!("{done} {unit}"),
        after: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_data_is_known_by_its_name() {
        let own = BTreeSet::from(["paperless-db".to_owned()]);
        for unit in [
            "postgresql.service",
            "postgresql@15-main.service",
            "mariadb.service",
            "redis-server@1.service",
            "paperless-db.service",
        ] {
            assert!(is_stateful(unit, &own), "{unit}");
        }
        for unit in ["nginx.service", "postgres_exporter.service", "redis-commander.service"] {
            assert!(!is_stateful(unit, &own), "{unit}");
        }
    }

    #[test]
    fn what_reef_and_its_operator_sit_on_is_never_restarted() {
        for unit in [
            "systemd-logind.service",
            "dbus.service",
            "ssh.service",
            "sshd@1.service",
            "reef.service",
            "user@1000.service",
        ] {
            assert!(never(unit).is_some(), "{unit}");
        }
        for unit in ["nginx.service", "sshguard.service", "reefd-like.service"] {
            assert!(never(unit).is_none(), "{unit}");
        }
    }
}
