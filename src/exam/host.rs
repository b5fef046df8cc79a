//! A fake host: keeps its state, and answers and refuses as a real one does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Fut;
use crate::clients::host::{HostLink, LinkError, Output, noted};
use crate::clock::Clock;
use crate::exam::unit::{FakeUnit, OnRestart, Restarted};
use crate::gate::permit::Permit;
use crate::model::container::Container;
use crate::model::digest::Digest;
use crate::model::fact::{
    Boot, Cpu, Fact, FactValue, Facts, Interface, Lines, Memory, Newest, NoFact, OomKills,
    Pressure, Process, TimeSync, Updates, Volume,
};
use crate::model::guard::{Guarded, GuardedFile, Guards, Listener, Login, Logins, Protocol};
use crate::model::hands::Hands;
use crate::model::ids::{ActionId, HostName, UnitName};
use crate::model::renewal::Renewals;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::redact::Redactor;

const GIB: u64 = 1 << 30;
/// As the real clients bound what a command printed.
const LONGEST: usize = 64 << 10;

/// How the host can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Up,
    /// No route: refused at once.
    Down,
    /// Takes the connection and never answers.
    Hangs,
    /// Answers after this.
    Slow(Span),
}

/// A command as the host ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub at: Millis,
    pub argv: Vec<String>,
    /// The dispatch that it ran under; none for what only reads.
    pub action: Option<ActionId>,
}

/// Looks on at the very moment of an effect, before it happens.
pub type Witness = Box<dyn Fn(&Permit, &Argv) + Send + Sync>;

/// One host of the estate.
pub struct FakeHost {
    name: HostName,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
    witness: Mutex<Option<Witness>>,
}

pub(in crate::exam) struct State {
    reach: Reach,
    booted_at: Millis,
    volumes: Vec<Volume>,
    memory: Memory,
    /// None: a kernel that tells no pressure.
    pressure: Option<Pressure>,
    kills: OomKills,
    load: f64,
    units: BTreeMap<UnitName, FakeUnit>,
    processes: Vec<Process>,
    /// Error lines of the journal that no collection has seen yet.
    errors: Vec<String>,
    /// None: a host without a container engine.
    pub(in crate::exam) containers: Option<Vec<Container>>,
    /// What a restart of a container comes to, by its name; it heals unless said.
    pub(in crate::exam) moods: BTreeMap<String, OnRestart>,
    /// Who came in and who tried, since the last collection.
    logins: Logins,
    ports: BTreeSet<Listener>,
    guarded: BTreeMap<String, GuardedFile>,
    /// The newest backup of each service that makes them, in its folder.
    backups: BTreeMap<UnitName, (AbsPath, Newest)>,
    /// Who works on it by hand.
    hands: Hands,
    pub(in crate::exam) ran: Vec<Ran>,
    /// What no caller may do: the tests expect none.
    pub(in crate::exam) violations: Vec<String>,
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fake host {}", self.name)
    }
}

impl FakeHost {
    /// A healthy machine that booted a month ago: one volume at 40 %, half its memory free.
    pub fn new(name: HostName, clock: Arc<dyn Clock>, redactor: Arc<Redactor>) -> Self {
        let root = Volume {
            mount: AbsPath::root(),
            source: "/dev/sda1".into(),
            fs: "ext4".into(),
            total_bytes: 200 * GIB,
            free_bytes: 120 * GIB,
            total_inodes: 13_000_000,
            free_inodes: 12_000_000,
            read_only: false,
            stale: None,
        };
        let memory =
            Memory { total: 16 * GIB, available: 8 * GIB, swap_total: 2 * GIB, swap_free: 2 * GIB };
        let state = State {
            reach: Reach::Up,
            booted_at: clock.now() - Span::days(30),
            volumes: vec![root],
            memory,
            pressure: Some(Pressure::default()),
            kills: OomKills::default(),
            load: 0.2,
            units: BTreeMap::new(),
            processes: Vec::new(),
            errors: Vec::new(),
            containers: None,
            logins: Logins { failed: Some(0), ..Logins::default() },
            ports: BTreeSet::from([port(22, "sshd")]),
            guarded: BTreeMap::new(),
            moods: BTreeMap::new(),
            backups: BTreeMap::new(),
            hands: Hands::default(),
            ran: Vec::new(),
            violations: Vec::new(),
        };
        Self { name, clock, redactor, state: Mutex::new(state), witness: Mutex::new(None) }
    }

    pub(in crate::exam) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::exam) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Waits as long as an answer takes, and refuses where none can come.
    pub(in crate::exam) async fn reached(&self, timeout: Span) -> Result<(), LinkError> {
        let reach = self.state().reach;
        match reach {
            Reach::Up => Ok(()),
            Reach::Down => Err(LinkError::NotStarted(format!("{}: no route to host", self.name))),
            Reach::Hangs => {
                tokio::time::sleep(timeout.duration()).await;
                Err(LinkError::TimedOut(timeout))
            }
            Reach::Slow(by) if timeout <= by => {
                tokio::time::sleep(timeout.duration()).await;
                Err(LinkError::TimedOut(timeout))
            }
            Reach::Slow(by) => {
                tokio::time::sleep(by.duration()).await;
                Ok(())
            }
        }
    }

    fn output(&self, code: i32, stdout: &str, stderr: &str) -> Output {
        let clean = |text: &str| Tainted::bounded(&self.redactor.redact(text), LONGEST);
        Output { code: Some(code), stdout: clean(stdout), stderr: clean(stderr), took: Span(800) }
    }
}

/// What happens to the host.
impl FakeHost {
    pub fn reach(&self, reach: Reach) {
        self.state().reach = reach;
    }

    /// It was without power and starts now.
    pub fn boots(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        state.booted_at = now;
        state.kills = OomKills::default();
    }

    /// So many percent of a volume are used.
    pub fn fills(&self, mount: &str, percent: u64) {
        for volume in self.state().volumes.iter_mut().filter(|v| v.mount.as_str() == mount) {
            volume.free_bytes = volume.total_bytes / 100 * 100_u64.saturating_sub(percent);
        }
    }

    /// A volume as it is from now on: another, or one of that mount point with other figures.
    pub fn volume(&self, volume: Volume) {
        let mut state = self.state();
        match state.volumes.iter_mut().find(|known| known.mount == volume.mount) {
            Some(known) => *known = volume,
            None => state.volumes.push(volume),
        }
    }

    /// The manager restarts a unit that crashed; it runs again at once.
    pub fn unit_crashes(&self, unit: &UnitName) {
        if let Some(unit) = self.state().units.get_mut(unit) {
            unit.unit.restarts += 1;
        }
    }

    /// So many percent of the memory are available.
    pub fn memory(&self, percent: u64) {
        let memory = &mut self.state().memory;
        memory.available = memory.total / 100 * percent.min(100);
    }

    /// The share of the last minute in which tasks waited for memory; none for a kernel that does not
    /// tell.
    pub fn memory_pressure(&self, percent: Option<u32>) {
        self.state().pressure = percent.map(|some| Pressure {
            memory_some_10: some * 100,
            memory_some_60: some * 100,
            memory_full_10: some * 50,
            ..Pressure::default()
        });
    }

    /// The kernel kills a process of this unit for want of memory, and the unit with it.
    pub fn oom_kills(&self, unit: &UnitName) {
        let now = self.clock.now();
        let mut state = self.state();
        state.kills.host += 1;
        *state.kills.cgroups.entry(format!("/system.slice/{unit}")).or_default() += 1;
        if let Some(unit) = state.units.get_mut(unit) {
            unit.fail("oom-kill", now);
        }
    }

    /// The load per core.
    pub fn load(&self, per_core: f64) {
        self.state().load = per_core;
    }

    /// A unit that runs.
    pub fn unit(&self, unit: &UnitName) {
        self.state().units.insert(unit.clone(), FakeUnit::running(unit));
    }

    /// What a restart of it will come to.
    pub fn on_restart(&self, unit: &UnitName, what: OnRestart) {
        if let Some(unit) = self.state().units.get_mut(unit) {
            unit.on_restart = what;
        }
    }

    pub fn unit_fails(&self, unit: &UnitName) {
        let now = self.clock.now();
        if let Some(unit) = self.state().units.get_mut(unit) {
            unit.fail("exit-code", now);
        }
    }

    /// It is started by hand.
    pub fn unit_starts(&self, unit: &UnitName) {
        let mut state = self.state();
        if let Some(known) = state.units.get_mut(unit) {
            let (log, on_restart) = (std::mem::take(&mut known.log), known.on_restart);
            *known = FakeUnit { log, on_restart, ..FakeUnit::running(unit) };
        }
    }

    /// Somebody stops it on purpose.
    pub fn unit_stops(&self, unit: &UnitName) {
        let now = self.clock.now();
        if let Some(unit) = self.state().units.get_mut(unit) {
            unit.stop(now);
        }
    }

    /// Its program writes a line into the journal.
    pub fn unit_says(&self, unit: &UnitName, line: &str) {
        if let Some(unit) = self.state().units.get_mut(unit) {
            unit.log.push(line.to_owned());
        }
    }

    /// An error line in the journal, for the error rate.
    pub fn journal_error(&self, line: &str) {
        self.state().errors.push(line.to_owned());
    }

    /// What one container does from now on.
    pub fn container(&self, name: &str, change: impl FnOnce(&mut Container)) {
        let mut state = self.state();
        let all = state.containers.iter_mut().flatten();
        if let Some(container) = all.into_iter().find(|c| c.name == name) {
            change(container);
        }
    }

    /// What a restart of it will come to.
    pub fn on_container_restart(&self, name: &str, what: OnRestart) {
        self.state().moods.insert(name.to_owned(), what);
    }

    /// Its container engine tells of exactly these.
    pub fn containers(&self, containers: Vec<Container>) {
        self.state().containers = Some(containers);
    }

    /// Somebody comes in from there.
    pub fn login(&self, user: &str, source: &str) {
        let login = Login { user: user.to_owned(), source: source.to_owned() };
        self.state().logins.accepted.push(login);
    }

    /// Somebody tries so often from there.
    pub fn logins_fail(&self, times: u64, source: &str) {
        let mut state = self.state();
        *state.logins.failed.get_or_insert_default() += times;
        state.logins.failed_from.push((source.to_owned(), times));
    }

    /// A program listens on a TCP port from now on.
    pub fn listens(&self, on: u16, program: &str) {
        self.state().ports.insert(port(on, program));
    }

    /// Nothing listens there any more.
    pub fn closes(&self, on: u16) {
        self.state().ports.retain(|listener| listener.port != on);
    }

    /// A file of keys has these lines from now on.
    pub fn keys(&self, path: &str, lines: &[&str]) {
        let file = GuardedFile {
            guards: Guards::Keys,
            path: path.to_owned(),
            digest: Digest::of(lines.join("\n").as_bytes()).short(),
            lines: lines.len() as u64,
        };
        self.state().guarded.insert(path.to_owned(), file);
    }

    /// The newest backup of a folder, its age, and the service that makes one more.
    pub fn backups(&self, newest: &AbsPath, age: Span, by: &UnitName) {
        let Some((folder, _)) = newest.as_str().rsplit_once('/') else { return };
        let Ok(folder) = AbsPath::new(folder) else { return };
        let (path, changed_at) = (newest.clone(), self.clock.now() - age);
        let newest = Newest { path, changed_at, bytes: 3 * GIB, files: 1 };
        self.state().backups.insert(by.clone(), (folder, newest));
    }

    pub fn process(&self, process: Process) {
        self.state().processes.push(process);
    }

    /// How busy a process is from now on, in hundredths of a percent of a core.
    pub fn busy(&self, pid: u32, busy: u32) {
        let mut state = self.state();
        for process in state.processes.iter_mut().filter(|process| process.pid == pid) {
            process.busy = Some(busy);
        }
    }

    /// Who works on it by hand from now on.
    pub fn hands(&self, hands: Hands) {
        self.state().hands = hands;
    }

    /// Somebody who looks on at each effect, before it happens.
    pub fn witness(&self, witness: Witness) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
    }
}

/// What can be asked of it afterwards.
impl FakeHost {
    /// Every command that ran, oldest first.
    pub fn ran(&self) -> Vec<Ran> {
        self.state().ran.clone()
    }

    /// The commands that ran under a permit.
    pub fn effects(&self) -> Vec<Ran> {
        self.ran().into_iter().filter(|ran| ran.action.is_some()).collect()
    }

    /// What a caller did that none may.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    pub fn is_active(&self, unit: &UnitName) -> bool {
        self.state().units.get(unit).is_some_and(|unit| unit.unit.active == "active")
    }
}

impl State {
    fn fact(&mut self, fact: &Fact, now: Millis, redactor: &Redactor) -> Result<FactValue, NoFact> {
        let none = |what: &str| Err(NoFact::Failed(format!("{what}: no such file or folder")));
        match fact {
            Fact::Volumes => Ok(FactValue::Volumes(self.volumes.clone())),
            Fact::Memory => Ok(FactValue::Memory(self.memory)),
            Fact::Pressure => match self.pressure {
                Some(pressure) => Ok(FactValue::Pressure(pressure)),
                None => Err(NoFact::Absent("this kernel tells no pressure".into())),
            },
            Fact::OomKills => Ok(FactValue::OomKills(self.kills.clone())),
            Fact::Cpu => Ok(FactValue::Cpu(self.cpu(now))),
            Fact::Interfaces => {
                let up = now.since(self.booted_at).0.unsigned_abs();
                let eth0 = Interface { name: "eth0".into(), packets: up / 10, errors: 0, drops: 0 };
                Ok(FactValue::Interfaces(vec![eth0]))
            }
            Fact::Uptime => Ok(FactValue::Uptime(now.since(self.booted_at))),
            Fact::Unit(name) => {
                let known = self.units.get(name).map(|unit| unit.unit.clone());
                Ok(FactValue::Unit(known.unwrap_or_else(|| FakeUnit::not_found(name))))
            }
            Fact::FailedUnits => {
                let units = self.units.values().map(|unit| &unit.unit);
                Ok(FactValue::FailedUnits(
                    units.filter(|u| u.active == "failed").cloned().collect(),
                ))
            }
            Fact::Processes(name) => {
                let named = self.processes.iter().filter(|p| p.comm == *name);
                Ok(FactValue::Processes(named.cloned().collect()))
            }
            Fact::Busiest => Ok(FactValue::Busiest(self.processes.clone())),
            Fact::JournalErrors => Ok(FactValue::Lines(self.new_errors(redactor))),
            // Files are real: those of a drill's scratch folder.
            Fact::Folder(path) => match size_of(path.as_path()) {
                Some((bytes, files)) => Ok(FactValue::Folder { bytes, files }),
                None => none(path.as_str()),
            },
            Fact::Containers => match &self.containers {
                Some(containers) => Ok(FactValue::Containers(containers.clone())),
                None => Err(NoFact::Absent("there is no container engine".into())),
            },
            Fact::Stacks if self.containers.is_some() => Ok(FactValue::Stacks(Vec::new())),
            Fact::Stacks | Fact::Swarm => {
                Err(NoFact::Absent("there is no container engine".into()))
            }
            Fact::Newest(path) => match self.backups.values().find(|(folder, _)| folder == path) {
                Some((_, newest)) => Ok(FactValue::Newest(Some(newest.clone()))),
                None => none(path.as_str()),
            },
            Fact::FileLines(path) => none(path.as_str()),
            Fact::Drives => Err(NoFact::Absent("smartctl is not installed there".into())),
            Fact::Pools => Err(NoFact::Absent("zpool is not installed there".into())),
            Fact::Arrays => Err(NoFact::Absent("this kernel has no software RAID".into())),
            Fact::TimeSync => {
                let kept =
                    TimeSync { synced: Some(true), by: "chrony".into(), ..TimeSync::default() };
                Ok(FactValue::TimeSync(kept))
            }
            Fact::Updates => {
                Ok(FactValue::Updates(Updates { pending: Some(0), ..Updates::default() }))
            }
            Fact::Sensors => Err(NoFact::Absent("no temperatures there".into())),
            Fact::Logins(_) => {
                let none = Logins { failed: Some(0), ..Logins::default() };
                Ok(FactValue::Logins(std::mem::replace(&mut self.logins, none)))
            }
            Fact::Listening => Ok(FactValue::Listening(self.ports.iter().cloned().collect())),
            Fact::Guarded(_) => Ok(FactValue::Guarded(Guarded {
                files: self.guarded.values().cloned().collect(),
                roots: vec!["root".into()],
                hidden: Vec::new(),
            })),
            Fact::Hands => Ok(FactValue::Hands(self.hands.clone())),
            Fact::Renewals => Ok(FactValue::Renewals(Renewals::default())),
            Fact::Files(_) => Err(NoFact::Absent("nothing is known of its files".into())),
            Fact::Boot => {
                let id = format!("boot-{}", self.booted_at.0);
                Ok(FactValue::Boot(Boot { id, at: self.booted_at }))
            }
        }
    }

    fn cpu(&self, now: Millis) -> Cpu {
        let up = now.since(self.booted_at).0.unsigned_abs();
        let load = self.load * 4.0;
        Cpu {
            cores: 4,
            load_1: load,
            load_5: load,
            load_15: load,
            switches: up * 2,
            busy_ticks: up / 50,
            total_ticks: up / 10 * 4,
        }
    }

    /// Told once, as by a cursor.
    fn new_errors(&mut self, redactor: &Redactor) -> Lines {
        let mut templates: BTreeMap<String, u64> = BTreeMap::new();
        for line in std::mem::take(&mut self.errors) {
            *templates.entry(redactor.redact(&line).into_owned()).or_default() += 1;
        }
        let errors = templates.values().sum();
        let templates = templates.into_iter().map(|(t, n)| (Tainted::new(&t), n)).collect();
        Lines { errors, templates, over: Span::mins(1) }
    }

    /// Runs a command: its code and what it printed. `None`: the host has no such program.
    fn command(
        &mut self,
        argv: &[String],
        now: Millis,
    ) -> Option<Result<(i32, String), Restarted>> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["systemctl", "restart", name] => {
                let known = UnitName::new(*name).ok().and_then(|name| self.units.get_mut(&name));
                Some(match known.map(|unit| unit.restart(now)) {
                    Some(Restarted::Code(code, words)) => Ok((code, words)),
                    Some(lost @ (Restarted::Hangs | Restarted::Lost)) => Err(lost),
                    None => Ok((5, format!("Failed to restart {name}: Unit {name} not found."))),
                })
            }
            ["systemctl", "start", "--wait", name] => {
                let makes = UnitName::new(*name).ok().and_then(|name| self.backups.get_mut(&name));
                Some(Ok(match makes {
                    Some((_, newest)) => {
                        newest.changed_at = now;
                        (0, String::new())
                    }
                    None => (5, format!("Failed to start {name}: Unit {name} not found.")),
                }))
            }
            ["systemctl", "service-log-level", name, level @ ..] => {
                let known = UnitName::new(*name).ok().and_then(|name| self.units.get_mut(&name));
                Some(Ok(match (known, level) {
                    (Some(unit), [level]) => {
                        unit.level = (*level).to_owned();
                        (0, String::new())
                    }
                    (Some(unit), _) => (0, unit.level.clone()),
                    (None, _) => (1, format!("Unit {name} not found.")),
                }))
            }
            ["journalctl", "-u", name, ..] => {
                let known = UnitName::new(*name).ok().and_then(|name| self.units.get(&name));
                let lines = known.map(|unit| unit.log.iter().rev().cloned().collect::<Vec<_>>());
                Some(Ok((0, lines.unwrap_or_default().join("\n"))))
            }
            _ => None,
        }
    }
}

impl HostLink for FakeHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        Box::pin(async move {
            // As long as the collection of a remote host may take; looks give up before.
            if let Err(why) = self.reached(Span::mins(10)).await {
                let missing = Err(NoFact::Failed(why.to_string()));
                return wanted.iter().map(|fact| (fact.clone(), missing.clone())).collect();
            }
            let (now, mut state) = (self.clock.now(), self.state());
            wanted.iter().map(|f| (f.clone(), state.fact(f, now, &self.redactor))).collect()
        })
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            self.reached(timeout).await?;
            let (at, argv) = (self.clock.now(), argv.argv().as_slice());
            let mut state = self.state();
            state.ran.push(Ran { at, argv: argv.to_vec(), action: None });
            match argv.first().map(String::as_str) {
                Some("journalctl" | "systemctl") => match state.command(argv, at) {
                    Some(Ok((code, words))) => Ok(self.output(code, &words, "")),
                    Some(Err(_)) | None => Err(no_program(argv)),
                },
                _ => Err(no_program(argv)),
            }
        })
    }

    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        timeout: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            let ended = self.executed(permit, argv, timeout).await;
            noted(permit, argv.as_slice(), ended, &self.redactor)
        })
    }
}

impl FakeHost {
    async fn executed(
        &self,
        permit: &Permit,
        argv: &Argv,
        timeout: Span,
    ) -> Result<Output, LinkError> {
        if permit.step().call.target.on() != &self.name {
            let words = format!("a permit for {} on {}", permit.step().call.target, self.name);
            self.state().violations.push(words.clone());
            return Err(LinkError::NotStarted(words));
        }
        self.reached(timeout).await?;
        if let Some(witness) = self.witness.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            witness(permit, argv);
        }
        let at = self.clock.now();
        let done = {
            let mut state = self.state();
            let action = Some(permit.action());
            if state.ran.iter().any(|ran| ran.action == action) {
                state.violations.push(format!("{} ran twice", permit.action()));
            }
            let done = state.command(argv.as_slice(), at);
            if done.is_some() {
                state.ran.push(Ran { at, argv: argv.as_slice().to_vec(), action });
            }
            done
        };
        match done {
            Some(Ok((0, words))) => Ok(self.output(0, &words, "")),
            Some(Ok((code, words))) => Ok(self.output(code, "", &words)),
            Some(Err(Restarted::Lost)) => Err(LinkError::Lost("the connection was reset".into())),
            Some(Err(Restarted::Hangs | Restarted::Code(..))) => {
                tokio::time::sleep(timeout.duration()).await;
                Err(LinkError::TimedOut(timeout))
            }
            None => Err(no_program(argv.as_slice())),
        }
    }
}

fn port(on: u16, program: &str) -> Listener {
    Listener { protocol: Protocol::Tcp, port: on, uid: 0, process: Some(program.to_owned()) }
}

/// Bytes and files below a folder; links are not followed.
fn size_of(folder: &Path) -> Option<(u64, u64)> {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(folder).ok()? {
        let about = entry.ok().and_then(|e| Some((e.path(), e.metadata().ok()?)));
        match about {
            Some((path, meta)) if meta.is_dir() => {
                let (more, inside) = size_of(&path)?;
                (bytes, files) = (bytes + more, files + inside);
            }
            Some((_, meta)) => (bytes, files) = (bytes + meta.len(), files + 1),
            None => {}
        }
    }
    Some((bytes, files))
}

fn no_program(argv: &[String]) -> LinkError {
    let program = argv.first().map_or("", String::as_str);
    LinkError::NotStarted(format!("{program}: command not found"))
}
