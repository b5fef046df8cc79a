//! Processes: who is busy and whether that is new, and ending one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::clients::signal::{Ending, Kernel, ProcessId, Signalled};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue, Process};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{failed, gives, made, optional, refused, required};
use crate::tool::busy::{Past, judge};
use crate::tool::command;
use crate::tool::unit::word;
use crate::tool::world::{Inventory, World};

mod remote;

fn list_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("process.list"),
        summary: "Find the busiest process and tell a spike from a runaway and a running job",
        inputs: vec![optional(
            "top",
            Kind::Int,
            "how many processes to tell of, 1 to 50; 10 unless said",
        )],
        gives: vec![
            gives("busiest", Kind::Target, "the process that uses most CPU time"),
            gives("name", Kind::Word, "its name"),
            gives("busy_percent", Kind::Int, "of one core"),
            gives("unit", Kind::Target, "its unit, where it has one"),
            gives("container", Kind::Target, "its container, where it has one"),
            gives("place", Kind::Word, "unit, container, or none: where it runs"),
            gives(
                "restartable",
                Kind::Flag,
                "whether the config declares that unit or container restartable",
            ),
            gives("verdict", Kind::Word, "spike, runaway, job or unsure"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a host that does not answer",
        timeout: Span::secs(20),
        example: "tool = \"process.list\"\nargs = { top = 5 }",
    }
}

fn kill_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("process.kill"),
        summary: "End one process, if it is still the one that was named",
        inputs: vec![
            required("process", Kind::Target, "HOST:pid:PID@START, as process.list gives it"),
            optional("signal", Kind::Word, "`term` (asks it to end) unless said, or `kill`"),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: a process that has ended does not come back",
        errors: "a process that is protected (pid 1, kernel threads, sshd, reef, databases), or is another one by now; no right to end it",
        timeout: Span::secs(20),
        example: "tool = \"process.kill\"\nargs = { process = \"mini:pid:4711@123456\" }",
    }
}

/// `process.list`.
pub fn list(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let past = Arc::new(Mutex::new(Past::default()));
    made(list_spec(), move |args| {
        let top = args.count("top", 10, 50)?;
        let host = args.call().target.on().clone();
        let link = command::link(&world, &args.call().target)?;
        let (world, past) = (world.clone(), past.clone());
        Ok(Parsed::Query(Box::new(List { world, link, host, top, past })))
    })
}

struct List {
    world: World,
    link: Arc<dyn HostLink>,
    host: HostName,
    top: usize,
    past: Arc<Mutex<Past>>,
}

/// The processes that use most, with their use since a moment ago.
pub async fn busiest(link: &dyn HostLink) -> Result<Vec<Process>, ToolError> {
    let wanted = BTreeSet::from([Fact::Busiest]);
    let mut found = ask(link, &wanted).await?;
    if found.iter().all(|p| p.busy.is_none()) {
        // The first collection has nothing to compare with.
        tokio::time::sleep(Duration::from_secs(1)).await;
        found = ask(link, &wanted).await?;
    }
    Ok(found)
}

async fn ask(link: &dyn HostLink, wanted: &BTreeSet<Fact>) -> Result<Vec<Process>, ToolError> {
    match link.facts(wanted).await.remove(&Fact::Busiest) {
        Some(Ok(FactValue::Busiest(found) | FactValue::Processes(found))) => Ok(found),
        Some(Ok(_)) | None => Err(failed("the collection told of no processes")),
        Some(Err(why)) => Err(failed(why)),
    }
}

/// The id of the container whose scope a unit is: `docker-ID.scope`, `libpod-ID.scope`.
fn container_of(unit: &str) -> Option<&str> {
    let inner = unit.strip_suffix(".scope")?;
    let id = inner.strip_prefix("docker-").or_else(|| inner.strip_prefix("libpod-"))?;
    (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

/// Adds the container that a process runs in, where it runs in one.
pub async fn contained(
    values: &mut Values,
    link: &dyn HostLink,
    process: &Process,
    inventory: &Inventory,
) {
    let Some(id) = process.unit.as_ref().and_then(|unit| container_of(unit.as_str())) else {
        return;
    };
    let mut facts = link.facts(&BTreeSet::from([Fact::Containers])).await;
    let Some(Ok(FactValue::Containers(all))) = facts.remove(&Fact::Containers) else { return };
    let found = all.into_iter().find(|c| c.id == id);
    let target =
        found.and_then(|c| Target::new(link.name().clone(), Thing::Container, &c.name).ok());
    if let Some(target) = target {
        let restartable = inventory.restartable.contains(&target);
        values.insert("restartable".into(), Value::Flag(restartable));
        values.insert("place".into(), Value::Word(Word::of("container")));
        values.insert("container".into(), Value::Target(target));
    }
}

/// The values by which a runbook names a process: `busiest`, `name`, `unit`, `restartable`.
pub fn identify(host: &HostName, process: &Process, inventory: &Inventory) -> Values {
    let mut values = Values::new();
    let id = format!("{}@{}", process.pid, process.start);
    if let Ok(target) = Target::new(host.clone(), Thing::Process, &id) {
        values.insert("busiest".into(), Value::Target(target));
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = process.comm.chars().map(plain).collect();
    values.insert("name".into(), Value::Word(word(name.trim_start_matches('-'))));
    let unit = process.unit.as_ref();
    let unit = unit.filter(|unit| container_of(unit.as_str()).is_none());
    let unit = unit.and_then(|u| Target::new(host.clone(), Thing::Unit, u.as_str()).ok());
    let place = if unit.is_some() { "unit" } else { "none" };
    values.insert("place".into(), Value::Word(Word::of(place)));
    let restartable = unit.as_ref().is_some_and(|u| inventory.restartable.contains(u));
    values.insert("restartable".into(), Value::Flag(restartable));
    if let Some(unit) = unit {
        values.insert("unit".into(), Value::Target(unit));
    }
    values
}

impl Query for List {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let mut all = busiest(self.link.as_ref()).await?;
            all.sort_by_key(|p| (std::cmp::Reverse(p.busy), p.pid));
            let Some(first) = all.first() else {
                return Err(failed("the collection told of no process"));
            };
            let uptime = self.uptime().await;
            let now = self.world.now.now();
            let (verdict, why) = {
                let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
                let verdict = judge(first, &all, past.of(&self.host, &first.comm), uptime, now);
                past.keep(&self.host, &all, now);
                verdict
            };
            let inventory = &self.world.inventory;
            let mut values = identify(&self.host, first, inventory);
            contained(&mut values, self.link.as_ref(), first, inventory).await;
            let percent = i64::from(first.busy.unwrap_or(0) / 100);
            values.insert("busy_percent".into(), Value::Int(percent));
            values.insert("verdict".into(), Value::Word(Word::of(verdict.as_str())));
            let mut words = format!("{}: {why}", verdict.as_str());
            for p in all.iter().take(self.top) {
                let unit = p.unit.as_ref().map_or("no unit", |unit| unit.as_str());
                let percent = p.busy.unwrap_or(0) / 100;
                words.push_str(&format!("\n{percent} % {} (pid {}, {unit})", p.comm, p.pid));
            }
            Ok(Found { values, words: Tainted::new(&words) })
        })
    }
}

impl List {
    async fn uptime(&self) -> Option<Span> {
        let mut facts = self.link.facts(&BTreeSet::from([Fact::Uptime])).await;
        match facts.remove(&Fact::Uptime) {
            Some(Ok(FactValue::Uptime(span))) => Some(span),
            Some(_) | None => None,
        }
    }
}

/// The names that no call may end, whatever the runbook says.
const NEVER: &[&str] = &[
    "systemd",
    "init",
    "sshd",
    "dropbear",
    "dbus-daemon",
    "dbus-broker",
    "reef",
    "postgres",
    "mysqld",
    "mariadbd",
    "mongod",
    "redis-server",
    "valkey-server",
    "etcd",
    "influxd",
    "clickhouse-server",
    "cockroach",
    "couchdb",
    "beam.smp",
    "slapd",
    "memcached",
    "dockerd",
    "containerd",
    "zed",
];

/// `process.kill`.
pub fn kill(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(kill_spec(), move |args| {
        let target = args.target("process", Thing::Process)?.clone();
        let id = ProcessId::parse(target.name())
            .ok_or_else(|| refused(format!("{target} is no process: write PID@START")))?;
        let ending = match args.word("signal").map(Word::as_str) {
            None | Some("term") => Ending::Term,
            Some("kill") => Ending::Kill,
            Some(other) => return Err(refused(format!("signal is term or kill, not {other}"))),
        };
        if id.pid <= 1 {
            return Err(refused("pid 1 is the whole machine"));
        }
        if *target.on() != world.here {
            let link = command::link(&world, &target)?;
            return remote::kill_there(&world, link, target, id, ending);
        }
        Ok(Parsed::Action(Box::new(Kill { world: world.clone(), target, id, ending })))
    })
}

struct Kill {
    world: World,
    target: Target,
    id: ProcessId,
    ending: Ending,
}

impl Kill {
    /// The process as it is now, if it is the one that was named and may be ended.
    async fn check(&self) -> Result<crate::clients::signal::Process, ToolError> {
        let found = self.world.processes.look(self.id.pid).await.map_err(failed)?;
        let gone =
            || refused(format!("{} has ended; nothing has its number and start", self.target));
        let process = found.filter(|p| p.id == self.id).ok_or_else(gone)?;
        let line = self.world.processes.own_line().await.map_err(failed)?;
        if process.kernel == Kernel::Thread {
            return Err(refused(format!("{} is a thread of the kernel", process.comm)));
        }
        if line.contains(&self.id.pid) {
            return Err(refused(format!("{} is reef or what it runs under", process.comm)));
        }
        let program = process.program.as_deref().unwrap_or("");
        may_end(&self.world.inventory, &process.comm, program)?;
        Ok(process)
    }
}

/// Refuses what no call may end. The kernel keeps 15 bytes of a name; a process may call itself what it
/// likes, so the program's file counts too.
pub(super) fn may_end(inventory: &Inventory, comm: &str, program: &str) -> Result<(), ToolError> {
    let databases = inventory.databases.iter().map(String::as_str);
    for name in NEVER.iter().copied().chain(databases) {
        if comm == name.get(..15).unwrap_or(name) || program == name {
            return Err(refused(format!("{name} is never ended by reef")));
        }
    }
    Ok(())
}

/// The effect of ending a process, in words.
pub(super) fn effect(comm: &str, id: ProcessId, ending: Ending) -> (Effect, Undo) {
    let how = match ending {
        Ending::Term => "asks it to end (SIGTERM)",
        Ending::Kill => "ends it at once (SIGKILL), what it had not saved is lost",
    };
    let effect = Effect {
        words: format!("end {comm} (pid {}): {how}", id.pid),
        max_items: 1,
        max_bytes: 0,
        takes: Some(Span::secs(5)),
        artifact: None,
    };
    (effect, Undo::Impossible("a process that has ended does not come back".into()))
}

impl Action for Kill {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let process = self.check().await?;
            Ok(effect(&process.comm, self.id, self.ending))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let process = match self.check().await {
                Ok(process) => process,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let name = format!("{} (pid {})", process.comm, self.id.pid);
            match self.world.processes.signal(&permit, self.id, self.ending).await {
                Ok(Signalled::Ended) => ActionResult::Done(format!("ended {name}")),
                Ok(Signalled::StillThere) => ActionResult::Failed(format!(
                    "{name} got {} and is still there after 5 s",
                    self.ending.word()
                )),
                Ok(Signalled::Gone) => {
                    ActionResult::NotStarted(format!("{name} had ended by itself"))
                }
                Err(why) => ActionResult::NotStarted(why),
            }
        })
    }
}
