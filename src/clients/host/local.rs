//! This machine as a host: one collection reads each file of /proc at most once, and only what is
//! wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::Fut;
use crate::clients::collector::facts::{Kept, Reading, Whose};
use crate::clients::collector::{CALLED, Request};
use crate::clients::docker::{Docker, Place};
use crate::clients::files::remote;
use crate::clients::host::cgroups::Kills;
use crate::clients::host::guard::Guard;
use crate::clients::host::journal::Journal;
use crate::clients::host::kernel::{failed, text};
use crate::clients::host::lines::Errors;
use crate::clients::host::mounts::Rooms;
use crate::clients::host::scan::Scan;
use crate::clients::host::tail::Tail;
use crate::clients::host::walk::Below;
use crate::clients::host::{
    HostLink, LinkError, Output, arrays, hands, kernel, mountinfo, noted, proc, root, sensors,
    systemd, walk,
};
use crate::clients::process::{Given, Limits, run, run_raw};
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::ids::{HostName, UnitName};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::{self, Standing, Sudo};
use crate::policy::redact::Redactor;

/// What programs may take together: each has less.
const PROGRAMS: Span = Span::secs(60);

/// The machine that reef runs on.
pub struct LocalHost {
    name: HostName,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    /// What is told as change since the last collection. Held over no await.
    counted: Mutex<Counted>,
    /// What is asked of children, one collection at a time.
    rooms: tokio::sync::Mutex<Rooms>,
    journal: tokio::sync::Mutex<Journal>,
    docker: Docker,
    guard: tokio::sync::Mutex<Guard>,
    sudo: Sudo,
}

#[derive(Default)]
struct Counted {
    scan: Scan,
    kills: Kills,
    tails: BTreeMap<AbsPath, Tail>,
    /// Built when a file is first followed: the patterns take memory.
    errors: Option<Errors>,
}

impl fmt::Debug for LocalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine, {}", self.name)
    }
}

impl LocalHost {
    pub fn new(name: HostName, clock: Arc<dyn Clock>, redactor: Arc<Redactor>) -> Self {
        Self {
            name,
            clock,
            redactor,
            counted: Mutex::default(),
            rooms: tokio::sync::Mutex::default(),
            journal: tokio::sync::Mutex::default(),
            docker: Docker::new(Place::default()),
            guard: tokio::sync::Mutex::default(),
            sudo: Sudo::No,
        }
    }

    /// What acts on it runs as root by `sudo -n`.
    #[must_use]
    pub fn with_sudo(self, sudo: Sudo) -> Self {
        Self { sudo, ..self }
    }

    /// With its container engine somewhere else, or with compose files that no container names.
    #[must_use]
    pub fn with_docker(self, place: Place) -> Self {
        Self { docker: Docker::new(place), ..self }
    }

    async fn collect(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let mut facts = self.quick(wanted);
        let (served, walked, units, journal, programs, engine, guard) = tokio::join!(
            self.volumes(wanted),
            walked(wanted),
            self.units(wanted),
            self.journal(wanted),
            self.programs(wanted),
            self.docker.facts(wanted, self.clock.now()),
            self.guard(wanted)
        );
        for more in [served, walked, units, journal, programs, engine, guard] {
            facts.extend(more);
        }
        facts
    }

    /// What the kernel answers at once.
    fn quick(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scanned = Ok(());
        if wanted.iter().any(|fact| matches!(fact, Fact::Busiest | Fact::Processes(_))) {
            scanned = counted.scan.scan(Path::new("/proc")).map_err(|why| failed("/proc", &why));
        }
        let mut facts = Facts::new();
        for fact in wanted {
            let found = match fact {
                Fact::Memory => kernel::memory(),
                Fact::Pressure => kernel::pressure(),
                Fact::OomKills => text("/proc/vmstat").and_then(|vmstat| {
                    let kills = counted.kills.read(&vmstat, Path::new("/sys/fs/cgroup"));
                    kills.map(FactValue::OomKills).map_err(NoFact::Absent)
                }),
                Fact::Cpu => kernel::cpu(),
                Fact::Interfaces => {
                    text("/proc/net/dev").map(|t| FactValue::Interfaces(proc::interfaces(&t)))
                }
                Fact::Uptime => text("/proc/uptime")
                    .and_then(|t| proc::uptime(&t).map_err(NoFact::Failed))
                    .map(FactValue::Uptime),
                Fact::Processes(name) => scanned
                    .clone()
                    .map(|()| FactValue::Processes(counted.scan.named(Path::new("/proc"), name))),
                Fact::Busiest => scanned
                    .clone()
                    .map(|()| FactValue::Busiest(counted.scan.busiest(Path::new("/proc")))),
                Fact::FileLines(path) => self.lines(&mut counted, path),
                Fact::Arrays => std::fs::read_to_string("/proc/mdstat")
                    .map(|text| FactValue::Arrays(arrays::read(&text)))
                    .map_err(|_| NoFact::Absent("this kernel has no software RAID".into())),
                Fact::Sensors => {
                    sensors::here(Path::new("/sys/class/hwmon")).map(FactValue::Sensors)
                }
                Fact::Boot => kernel::boot(),
                Fact::Hands => hands::here(Path::new("/proc")).map(FactValue::Hands),
                Fact::Volumes
                | Fact::Folder(_)
                | Fact::Newest(_)
                | Fact::Unit(_)
                | Fact::FailedUnits
                | Fact::Containers
                | Fact::Stacks
                | Fact::Swarm
                | Fact::JournalErrors
                | Fact::Drives
                | Fact::Pools
                | Fact::TimeSync
                | Fact::Updates
                | Fact::Logins(_)
                | Fact::Listening
                | Fact::Guarded(_)
                | Fact::Renewals
                | Fact::Files(_) => continue,
            };
            facts.insert(fact.clone(), found);
        }
        facts
    }

    fn lines(&self, counted: &mut Counted, path: &AbsPath) -> Result<FactValue, NoFact> {
        let mounts = mountinfo::parse(&text("/proc/self/mountinfo")?);
        if walk::served(path, &mounts) {
            // Every probe of this host would wait for that server.
            let todo = "lies on a network volume, where reading could hang; follow it where it is";
            return Err(NoFact::Failed(format!("{path} {todo}")));
        }
        if counted.errors.is_none() {
            let errors = Errors::new().map_err(|why| NoFact::Failed(why.to_string()))?;
            counted.errors = Some(errors);
        }
        if !counted.tails.contains_key(path) {
            counted.tails.insert(path.clone(), Tail::new(path)?);
        }
        match (counted.tails.get_mut(path), &counted.errors) {
            (Some(tail), Some(errors)) => tail.look(errors, &self.redactor).map(FactValue::Lines),
            (None, _) | (_, None) => Err(NoFact::Failed(format!("{path} is not followed"))),
        }
    }

    async fn volumes(&self, wanted: &BTreeSet<Fact>) -> Facts {
        if !wanted.contains(&Fact::Volumes) {
            return Facts::new();
        }
        let found = match text("/proc/self/mountinfo") {
            Ok(mounts) => Ok(FactValue::Volumes(self.rooms.lock().await.volumes(&mounts).await)),
            Err(why) => Err(why),
        };
        Facts::from([(Fact::Volumes, found)])
    }

    async fn journal(&self, wanted: &BTreeSet<Fact>) -> Facts {
        if !wanted.contains(&Fact::JournalErrors) {
            return Facts::new();
        }
        let lines = self.journal.lock().await.look(&self.redactor).await;
        Facts::from([(Fact::JournalErrors, lines.map(FactValue::Lines))])
    }

    async fn guard(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let asked =
            |fact: &Fact| matches!(fact, Fact::Logins(_) | Fact::Listening | Fact::Guarded(_));
        match wanted.iter().any(asked) {
            true => self.guard.lock().await.facts(wanted).await,
            false => Facts::new(),
        }
    }

    async fn units(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let mut facts = Facts::new();
        let mut names: Vec<UnitName> = Vec::new();
        for fact in wanted {
            if let Fact::Unit(name) = fact {
                names.push(name.clone());
            }
        }
        let all = wanted.contains(&Fact::FailedUnits);
        if names.is_empty() && !all {
            return facts;
        }
        let absent = systemd::present(Path::new("/")).err();
        let now = systemd::Now { wall: self.clock.now(), monotonic: monotonic() };
        if all {
            let found = match &absent {
                Some(why) => Err(why.clone()),
                None => systemd::failed(now).await.map(FactValue::FailedUnits),
            };
            facts.insert(Fact::FailedUnits, found);
        }
        let found = match absent {
            Some(why) => Err(why),
            None => systemd::units(&names, now).await,
        };
        for (i, name) in names.into_iter().enumerate() {
            let unit = match &found {
                Ok(units) => units
                    .get(i)
                    .map(|unit| FactValue::Unit(unit.clone()))
                    .ok_or_else(|| NoFact::Failed("systemctl did not tell of this unit".into())),
                Err(why) => Err(why.clone()),
            };
            facts.insert(Fact::Unit(name), unit);
        }
        facts
    }

    /// What only programs tell: by the same collector as on any other host.
    async fn programs(&self, wanted: &BTreeSet<Fact>) -> Facts {
        use Fact::{Drives, Files, Pools, Renewals, TimeSync, Updates};
        let by_program =
            |f: &&Fact| matches!(f, Drives | Pools | TimeSync | Updates | Renewals | Files(_));
        let wanted: BTreeSet<Fact> = wanted.iter().filter(by_program).cloned().collect();
        if wanted.is_empty() {
            return Facts::new();
        }
        let mut kept = Kept::default();
        let failed = |why: String| -> Facts {
            let missing = Err(NoFact::Failed(why));
            wanted.iter().map(|fact| (fact.clone(), missing.clone())).collect()
        };
        let request = match Request::new(kept.asks(&wanted)) {
            Ok(request) => request,
            Err(why) => return failed(why),
        };
        let argv = ["sh".to_owned(), "-c".to_owned(), request.program(), CALLED.to_owned()];
        let limits = Limits { timeout: PROGRAMS, max_output: 4 << 20 };
        let given = Given { stdin: request.input().into_bytes(), ..Given::default() };
        match run_raw(&argv, limits, &given).await {
            Ok(raw) => {
                let with =
                    Reading { now: self.clock.now(), redactor: &self.redactor, whose: Whose::Own };
                kept.answer(&wanted, &request.read(&raw.stdout), with)
            }
            Err(why) => failed(why.to_string()),
        }
    }

    async fn run(&self, argv: &[String], timeout: Span) -> Result<Output, LinkError> {
        let limits = Limits { timeout, ..Limits::default() };
        run(argv, limits, &Given::default(), &self.redactor).await
    }
}

impl HostLink for LocalHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        Box::pin(self.collect(wanted))
    }

    fn standing(&self) -> Standing {
        Standing { user: root::own_name(), sudo: self.sudo, place: denied::Place::Here }
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(self.run(argv.argv().as_slice(), timeout))
    }

    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        timeout: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            let given = argv.as_slice();
            let brought = remote::brought(given);
            let (exact, ended) = match self.sudo {
                Sudo::No => (given.to_vec(), self.run(&brought, timeout).await),
                Sudo::Yes => {
                    let ended = root::run(&brought, timeout, &self.redactor).await;
                    (root::raised(given, timeout), ended)
                }
            };
            noted(permit, &exact, ended, &self.redactor)
        })
    }
}

/// Folders and newest files, one after the other: they share a disk.
async fn walked(wanted: &BTreeSet<Fact>) -> Facts {
    let mut facts = Facts::new();
    let mut mounts = None;
    for fact in wanted {
        let (path, what): (_, fn(Below) -> FactValue) = match fact {
            Fact::Folder(path) => {
                (path, |below| FactValue::Folder { bytes: below.bytes, files: below.files })
            }
            Fact::Newest(path) => (path, |below| FactValue::Newest(below.newest())),
            Fact::Volumes
            | Fact::Memory
            | Fact::Pressure
            | Fact::OomKills
            | Fact::Cpu
            | Fact::Interfaces
            | Fact::Uptime
            | Fact::Unit(_)
            | Fact::FailedUnits
            | Fact::Processes(_)
            | Fact::Busiest
            | Fact::JournalErrors
            | Fact::Containers
            | Fact::Stacks
            | Fact::Swarm
            | Fact::FileLines(_)
            | Fact::Drives
            | Fact::Pools
            | Fact::Arrays
            | Fact::TimeSync
            | Fact::Updates
            | Fact::Sensors
            | Fact::Boot
            | Fact::Hands
            | Fact::Logins(_)
            | Fact::Listening
            | Fact::Guarded(_)
            | Fact::Renewals
            | Fact::Files(_) => continue,
        };
        let mounts = mounts.get_or_insert_with(|| {
            mountinfo::parse(&text("/proc/self/mountinfo").unwrap_or_default())
        });
        let below = walk::below(path, mounts).await;
        let found = below.map(what);
        facts.insert(fact.clone(), found);
    }
    facts
}

/// What systemd's monotonic times are on.
fn monotonic() -> Span {
    let now = clock_gettime(ClockId::Monotonic);
    Span(now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Millis;

    #[derive(Debug)]
    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Millis {
            Millis(1_700_000_000_000)
        }
    }

    fn host() -> LocalHost {
        let redactor = Arc::new(Redactor::new(Vec::new()));
        LocalHost::new(HostName::new("mini").unwrap(), Arc::new(Fixed), redactor)
    }

    #[tokio::test]
    async fn every_fact_is_answered_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| AbsPath::new(folder.path().join(name).to_str().unwrap()).unwrap();
        std::fs::write(folder.path().join("log"), "ERROR before\n").unwrap();
        let wanted = BTreeSet::from([
            Fact::Volumes,
            Fact::Folder(path("")),
            Fact::Memory,
            Fact::Pressure,
            Fact::OomKills,
            Fact::Cpu,
            Fact::Interfaces,
            Fact::Uptime,
            Fact::Unit(UnitName::new("no-such.service").unwrap()),
            Fact::FailedUnits,
            Fact::Processes("no-such-program".into()),
            Fact::Busiest,
            Fact::Newest(path("")),
            Fact::JournalErrors,
            Fact::FileLines(path("log")),
            Fact::FileLines(path("none")),
        ]);
        let facts = host().facts(&wanted).await;
        assert_eq!(facts.keys().cloned().collect::<BTreeSet<_>>(), wanted);
        for (fact, found) in &facts {
            // What a machine need not have, and the file that is not there.
            let may_be_missing = [Fact::FailedUnits, Fact::JournalErrors, Fact::Pressure]
                .contains(fact)
                || matches!(fact, Fact::Unit(_))
                || *fact == Fact::FileLines(path("none"));
            let must_be_had = !may_be_missing;
            assert!(found.is_ok() || !must_be_had, "{fact:?}: {found:?}");
        }
        let Ok(FactValue::Memory(memory)) = &facts[&Fact::Memory] else { panic!() };
        assert!(0 < memory.available && memory.available < memory.total);
        let Ok(FactValue::Interfaces(nets)) = &facts[&Fact::Interfaces] else { panic!() };
        assert!(nets.iter().any(|n| n.name == "lo"));
        assert_eq!(facts[&Fact::Folder(path(""))], Ok(FactValue::Folder { bytes: 13, files: 1 }));
        assert_eq!(
            facts[&Fact::Processes("no-such-program".into())],
            Ok(FactValue::Processes(vec![]))
        );
    }

    #[tokio::test]
    async fn nothing_is_read_that_nobody_wants() {
        assert_eq!(host().facts(&BTreeSet::new()).await, Facts::new());
    }

    #[tokio::test]
    async fn new_lines_are_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "ERROR before\n").unwrap();
        let fact = Fact::FileLines(AbsPath::new(file.to_str().unwrap()).unwrap());
        let wanted = BTreeSet::from([fact.clone()]);
        let host = host();
        let mut errors = Vec::new();
        for text in ["", "ERROR a\nERROR b\n", ""] {
            let before = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, before + text).unwrap();
            let Ok(FactValue::Lines(lines)) = &host.facts(&wanted).await[&fact] else { panic!() };
            errors.push(lines.errors);
        }
        assert_eq!(errors, [0, 2, 0]);
    }

    /// On a machine with systemd: its own journal service always runs.
    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
    async fn real_units_are_read() {
        if systemd::present(Path::new("/")).is_err() {
            eprintln!("SKIPPED: no systemd here; it runs in the systemd host of tests/lab");
            return;
        }
        let unit = |name: &str| Fact::Unit(UnitName::new(name).unwrap());
        let (journald, none) = (unit("systemd-journald.service"), unit("no-such.service"));
        let wanted = BTreeSet::from([journald.clone(), none.clone(), Fact::FailedUnits]);
        let facts = host().facts(&wanted).await;
        let Ok(FactValue::Unit(runs)) = &facts[&journald] else { panic!("{facts:?}") };
        assert_eq!(
            (runs.name.as_str(), runs.active.as_str()),
            ("systemd-journald.service", "active")
        );
        assert!(0 < runs.main_pid);
        let Ok(FactValue::Unit(gone)) = &facts[&none] else { panic!("{facts:?}") };
        assert_eq!(gone.load, "not-found");
        assert!(matches!(&facts[&Fact::FailedUnits], Ok(FactValue::FailedUnits(_))), "{facts:?}");
    }

    /// In a container made for tests an error may be written to the journal: it is told once, and the
    /// journal's growth is an event.
    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
    async fn a_real_journal_is_followed() {
        use crate::clients::events::{Events, Rests, WakeReason};
        use crate::clients::process::run_raw;
        if systemd::present(Path::new("/")).is_err() || !Path::new("/.dockerenv").exists() {
            eprintln!("SKIPPED: no journal to write to; it runs in the systemd host of tests/lab");
            return;
        }
        let wanted = BTreeSet::from([Fact::JournalErrors]);
        let host = host();
        let errors = |facts: &Facts| match &facts[&Fact::JournalErrors] {
            Ok(FactValue::Lines(lines)) => lines.errors,
            other => panic!("{other:?}"),
        };
        errors(&host.facts(&wanted).await);
        let mut events = Events::new(Rests::default()).unwrap();
        events.watch(&wanted);
        let script = "echo 'cannot reach 10.0.0.1' | systemd-cat -p err -t reef-test";
        let argv = ["sh", "-c", script].map(str::to_owned);
        run_raw(&argv, Limits::default(), &Given::default()).await.unwrap();
        let woken = tokio::time::timeout(Span::secs(5).duration(), events.next()).await;
        assert_eq!(woken.unwrap(), WakeReason::JournalChanged);
        tokio::time::sleep(Span(300).duration()).await;
        assert_eq!(errors(&host.facts(&wanted).await), 1);
        assert_eq!(errors(&host.facts(&wanted).await), 0);
    }
}
