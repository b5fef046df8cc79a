//! Faults that announce themselves: a process that ends, a log that grows. An event only wakes the
//! probes that want the fact; what it means they find out by looking.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::clients::docker::stream::Listening;
use crate::model::fact::{Fact, FactValue, Facts};
use crate::model::ids::UnitName;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// Processes of one name that are watched.
const MOST: usize = 16;

/// How long a source rests after it woke somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rests {
    /// A busy log must not wake without end.
    pub file: Span,
    /// The journal costs a program to read, and every service writes to it.
    pub journal: Span,
    /// Until a file that is not there is looked for again.
    pub missing: Span,
}

impl Default for Rests {
    fn default() -> Self {
        Self { file: Span::secs(1), journal: Span::secs(30), missing: Span::secs(15) }
    }
}

/// Why a probe should look now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WakeReason {
    /// A unit's main process ended.
    UnitExit(UnitName),
    /// A process of this name ended.
    ProcessExit(String),
    FileChanged(AbsPath),
    JournalChanged,
    /// A container started, ended, or turned healthy or sick.
    ContainersChanged,
}

impl WakeReason {
    /// The fact that may have changed: who wants it is due.
    pub fn fact(&self) -> Fact {
        match self {
            Self::UnitExit(unit) => Fact::Unit(unit.clone()),
            Self::ProcessExit(name) => Fact::Processes(name.clone()),
            Self::FileChanged(path) => Fact::FileLines(path.clone()),
            Self::JournalChanged => Fact::JournalErrors,
            Self::ContainersChanged => Fact::Containers,
        }
    }
}

/// The event sources of this machine.
#[derive(Debug)]
pub struct Events {
    exits: JoinSet<(u32, WakeReason)>,
    /// Who is watched for whom.
    watched: BTreeMap<(WakeReason, u32), AbortHandle>,
    files: Files,
    containers: Listening,
    ready: VecDeque<WakeReason>,
}

impl Events {
    pub fn new(rests: Rests) -> io::Result<Self> {
        Ok(Self {
            exits: JoinSet::new(),
            watched: BTreeMap::new(),
            files: Files::new(rests)?,
            containers: Listening::default(),
            ready: VecDeque::new(),
        })
    }

    /// Where the container engine is. Nobody listens there before a collection found one.
    pub fn engine_at(&mut self, socket: PathBuf) {
        self.containers.at(socket);
    }

    /// Watches the logs among what probes want; those that nobody wants any more are left alone.
    pub fn watch(&mut self, wanted: &BTreeSet<Fact>) {
        let mut sources = BTreeMap::new();
        for fact in wanted {
            match fact {
                Fact::FileLines(path) => {
                    let reason = WakeReason::FileChanged(path.clone());
                    sources.insert(reason, (path.as_path().to_owned(), self.files.rests.file));
                }
                Fact::JournalErrors => {
                    let rest = self.files.rests.journal;
                    let folder = journal_folder(Path::new("/"));
                    sources.extend(folder.map(|it| (WakeReason::JournalChanged, (it, rest))));
                }
                Fact::Volumes
                | Fact::Folder(_)
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
                | Fact::Containers
                | Fact::Stacks
                | Fact::Swarm
                | Fact::Newest(_)
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
                | Fact::Files(_) => {}
            }
        }
        self.files.set(sources);
        if !wanted.contains(&Fact::Containers) {
            self.containers.end();
        }
    }

    /// Watches the processes that a collection of this machine found, until they end.
    pub fn follow(&mut self, facts: &Facts) {
        for (fact, found) in facts {
            match (fact, found) {
                (Fact::Unit(name), Ok(FactValue::Unit(unit))) => {
                    let pids = Some(unit.main_pid).filter(|pid| *pid != 0);
                    self.only(&WakeReason::UnitExit(name.clone()), pids.into_iter().collect());
                }
                (Fact::Processes(name), Ok(FactValue::Processes(found))) => {
                    let pids = found.iter().take(MOST).map(|p| p.pid).collect();
                    self.only(&WakeReason::ProcessExit(name.clone()), pids);
                }
                (Fact::Containers, Ok(_)) => self.containers.begin(),
                (_, _) => {}
            }
        }
    }

    /// Watches exactly these processes for a reason.
    fn only(&mut self, reason: &WakeReason, pids: BTreeSet<u32>) {
        self.watched.retain(|(of, pid), task| {
            let keep = of != reason || pids.contains(pid);
            if !keep {
                task.abort();
            }
            keep
        });
        for pid in pids {
            if !self.watched.contains_key(&(reason.clone(), pid)) {
                self.exit_of(pid, reason);
            }
        }
    }

    fn exit_of(&mut self, pid: u32, reason: &WakeReason) {
        let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
        match pidfd_open(id, PidfdFlags::NONBLOCK).map(readiness) {
            Ok(Ok(fd)) => {
                let wake = reason.clone();
                let task = self.exits.spawn(async move {
                    // It becomes readable when the process ends.
                    let _ended: io::Result<()> = fd.readable().await.map(drop);
                    (pid, wake)
                });
                self.watched.insert((reason.clone(), pid), task);
            }
            // It ended between the collection and now.
            Err(Errno::SRCH) => self.ready.push_back(reason.clone()),
            // An old kernel, or no descriptor left: the next look finds out by itself.
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// The next reason to look. Dropping the future loses nothing.
    pub async fn next(&mut self) -> WakeReason {
        loop {
            if let Some(reason) = self.ready.pop_front() {
                return reason;
            }
            tokio::select! {
                Some(ended) = self.exits.join_next(), if !self.exits.is_empty() => {
                    // One that is no longer watched was aborted.
                    if let Ok((pid, reason)) = ended
                        && self.watched.remove(&(reason.clone(), pid)).is_some()
                    {
                        return reason;
                    }
                }
                () = self.files.wait(&mut self.ready) => {}
                () = self.containers.next() => {
                    self.ready.push_back(WakeReason::ContainersChanged);
                }
            }
        }
    }
}

/// Has the runtime wait for a descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe, which this crate forbids; what can go wrong with it needs a \
              descriptor that changes, and an `OwnedFd` that is only borrowed cannot"
)]
fn readiness(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}

/// Where this machine's journal lies.
fn journal_folder(root: &Path) -> Option<PathBuf> {
    let id = std::fs::read_to_string(root.join("etc/machine-id")).ok()?;
    let places = ["var/log/journal", "run/log/journal"].into_iter();
    places.map(|place| root.join(place).join(id.trim())).find(|folder| folder.is_dir())
}

/// Files and folders by inotify, each armed for one event at a time.
#[derive(Debug)]
struct Files {
    inotify: AsyncFd<OwnedFd>,
    rests: Rests,
    sources: BTreeMap<WakeReason, Source>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    rests: Span,
    state: State,
}

#[derive(Debug)]
enum State {
    Armed {
        watch: i32,
    },
    /// It woke somebody, or could not be armed. `stamp` is how it looked then.
    Resting {
        until: Instant,
        stamp: Option<u64>,
    },
}

impl Files {
    fn new(rests: Rests) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify: readiness(inotify)?, rests, sources: BTreeMap::new() })
    }

    fn set(&mut self, wanted: BTreeMap<WakeReason, (PathBuf, Span)>) {
        let gone: Vec<WakeReason> =
            self.sources.keys().filter(|reason| !wanted.contains_key(reason)).cloned().collect();
        for reason in gone {
            if let Some(Source { state: State::Armed { watch }, .. }) = self.sources.remove(&reason)
            {
                // A watch that fired a moment ago is gone already.
                let _gone = inotify::remove_watch(&self.inotify, watch);
            }
        }
        for (reason, (path, rests)) in wanted {
            if !self.sources.contains_key(&reason) {
                let stamp = stamp(&path);
                let state = State::Resting { until: Instant::now(), stamp };
                let mut source = Source { path, rests, state };
                source.arm(&self.inotify, self.rests.missing);
                self.sources.insert(reason, source);
            }
        }
    }

    /// Waits for events, or for a source to have rested, and adds what they mean to `ready`.
    async fn wait(&mut self, ready: &mut VecDeque<WakeReason>) {
        let resting = self.sources.values().filter_map(|source| match source.state {
            State::Resting { until, .. } => Some(until),
            State::Armed { .. } => None,
        });
        let next = resting.min();
        let rested = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rested => {}
            guard = self.inotify.readable() => {
                if let Ok(mut guard) = guard {
                    let fired = drain(guard.get_inner());
                    guard.clear_ready();
                    self.fired(&fired, ready);
                }
            }
        }
        let now = Instant::now();
        for (reason, source) in &mut self.sources {
            if let State::Resting { until, stamp: before } = source.state
                && until <= now
            {
                source.arm(&self.inotify, self.rests.missing);
                // What changed while nobody watched is not lost.
                if before != stamp(&source.path) {
                    source.rest();
                    ready.push_back(reason.clone());
                }
            }
        }
    }

    fn fired(&mut self, watches: &BTreeSet<i32>, ready: &mut VecDeque<WakeReason>) {
        for (reason, source) in &mut self.sources {
            if let State::Armed { watch } = source.state
                && watches.contains(&watch)
            {
                source.rest();
                ready.push_back(reason.clone());
            }
        }
    }
}

impl Source {
    fn arm(&mut self, inotify: &AsyncFd<OwnedFd>, missing: Span) {
        let flags = WatchFlags::MODIFY
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONESHOT;
        self.state = match inotify::add_watch(inotify, &self.path, flags) {
            Ok(watch) => State::Armed { watch },
            Err(_) => {
                let until = Instant::now() + missing.duration();
                State::Resting { until, stamp: stamp(&self.path) }
            }
        };
    }

    fn rest(&mut self) {
        let until = Instant::now() + self.rests.duration();
        self.state = State::Resting { until, stamp: stamp(&self.path) };
    }
}

/// Reads all events that are there; which watches they are of is all that counts.
fn drain(inotify: &OwnedFd) -> BTreeSet<i32> {
    let mut buffer = [MaybeUninit::uninit(); 4_096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut fired = BTreeSet::new();
    loop {
        match reader.next() {
            // A watch that is taken away by hand says so too; that is no event.
            Ok(event) if event.events() == ReadFlags::IGNORED => {}
            Ok(event) => {
                fired.insert(event.wd());
            }
            Err(Errno::INTR) => {}
            Err(_) => return fired,
        }
    }
}

/// How a file, or the files of a folder, look: another number when one was written to.
fn stamp(path: &Path) -> Option<u64> {
    let of = |meta: &std::fs::Metadata| {
        let time = meta.mtime().unsigned_abs().wrapping_mul(1_000_000_007);
        let nanos = meta.mtime_nsec().unsigned_abs();
        time.wrapping_add(nanos).wrapping_add(meta.len().wrapping_mul(31)).wrapping_add(meta.ino())
    };
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_dir() {
        return Some(of(&meta));
    }
    let inside = std::fs::read_dir(path).ok()?.flatten().take(256);
    let stamps = inside.filter_map(|entry| Some(of(&entry.metadata().ok()?)));
    Some(stamps.fold(0, u64::wrapping_add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::{Process, Unit};
    use std::time::Duration;
    use tokio::time::timeout;

    const RESTS: Rests = Rests { file: Span(200), journal: Span(200), missing: Span(200) };
    const SOON: Duration = Duration::from_secs(5);

    /// A shell that ends by itself; only the place that may start programs starts one.
    async fn a_process(secs: &str) -> (u32, JoinSet<()>) {
        use crate::clients::process::{Given, Limits, run_raw};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script =
            format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep {secs}", file.display());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let argv = ["sh", "-c", &script].map(str::to_owned);
            let _ended = run_raw(&argv, Limits::default(), &Given::default()).await;
        });
        loop {
            if let Ok(pid) = std::fs::read_to_string(&file) {
                return (pid.trim().parse().unwrap(), tasks);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn unit(main_pid: u32) -> Facts {
        let unit = Unit {
            name: "web.service".into(),
            active: "active".into(),
            sub: "running".into(),
            load: "loaded".into(),
            result: "success".into(),
            enabled: "enabled".into(),
            restarts: 0,
            main_pid,
            exit_code: 0,
            inactive_at: crate::model::time::Millis(0),
        };
        Facts::from([(Fact::Unit(name()), Ok(FactValue::Unit(unit)))])
    }

    fn name() -> UnitName {
        UnitName::new("web.service").unwrap()
    }

    #[tokio::test]
    async fn a_unit_whose_process_ends_wakes_its_probe() {
        let mut events = Events::new(RESTS).unwrap();
        let (pid, _tasks) = a_process("0.2").await;
        events.follow(&unit(pid));
        events.follow(&unit(pid));
        assert_eq!(events.watched.len(), 1);
        let reason = timeout(SOON, events.next()).await.unwrap();
        assert_eq!(reason, WakeReason::UnitExit(name()));
        assert_eq!(reason.fact(), Fact::Unit(name()));
        // Gone before it could be watched.
        events.follow(&unit(pid));
        assert_eq!(timeout(SOON, events.next()).await.unwrap(), reason);
        assert!(timeout(Duration::from_millis(100), events.next()).await.is_err());
    }

    #[tokio::test]
    async fn processes_that_are_no_longer_meant_wake_nobody() {
        let mut events = Events::new(RESTS).unwrap();
        let (pid, _tasks) = a_process("0.2").await;
        let process = Process {
            pid,
            parent: 1,
            start: 1,
            comm: "sleep".into(),
            uid: 0,
            ticks: 0,
            rss_bytes: 0,
            unit: None,
            busy: None,
        };
        let facts = |found: Vec<Process>| {
            Facts::from([(Fact::Processes("sleep".into()), Ok(FactValue::Processes(found)))])
        };
        events.follow(&facts(vec![process]));
        events.follow(&facts(vec![]));
        assert!(timeout(Duration::from_millis(350), events.next()).await.is_err());
    }

    #[tokio::test]
    async fn a_log_that_grows_wakes_at_once_and_then_rests() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.log");
        std::fs::write(&file, "one\n").unwrap();
        let path = AbsPath::new(file.to_str().unwrap()).unwrap();
        let reason = WakeReason::FileChanged(path.clone());
        let wanted = BTreeSet::from([Fact::FileLines(path), Fact::Cpu]);
        let write = |text: &str| {
            use std::io::Write;
            let mut file = std::fs::File::options().append(true).create(true).open(&file).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        // At once: not after the rest, which is far longer here than anybody waits.
        let mut events = Events::new(Rests { file: Span::mins(1), ..RESTS }).unwrap();
        events.watch(&wanted);
        assert!(timeout(Duration::from_millis(50), events.next()).await.is_err());
        write("ERROR\n");
        assert_eq!(timeout(SOON, events.next()).await.unwrap(), reason);
        write("ERROR\n");
        assert!(timeout(Duration::from_millis(300), events.next()).await.is_err(), "it rests");

        // After its rest it is awake again, and tells what came meanwhile.
        let mut events = Events::new(RESTS).unwrap();
        events.watch(&wanted);
        for _ in 0..2 {
            for _ in 0..100 {
                write("ERROR\n");
            }
            assert_eq!(timeout(SOON, events.next()).await.unwrap(), reason);
        }
        events.watch(&BTreeSet::new());
        write("ERROR\n");
        assert!(timeout(Duration::from_millis(300), events.next()).await.is_err());
    }

    #[tokio::test]
    async fn rotation_wakes_and_the_new_file_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.log");
        std::fs::write(&file, "one\n").unwrap();
        let path = AbsPath::new(file.to_str().unwrap()).unwrap();
        let mut events = Events::new(RESTS).unwrap();
        events.watch(&BTreeSet::from([Fact::FileLines(path)]));
        std::fs::rename(&file, folder.path().join("app.log.1")).unwrap();
        std::fs::write(&file, "").unwrap();
        timeout(SOON, events.next()).await.unwrap();
        assert!(timeout(Duration::from_millis(300), events.next()).await.is_err());
        std::fs::write(&file, "ERROR\n").unwrap();
        timeout(SOON, events.next()).await.unwrap();
    }

    #[test]
    fn the_journal_is_found_where_it_lies() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(journal_folder(root.path()), None);
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/machine-id"), "abc\n").unwrap();
        std::fs::create_dir_all(root.path().join("run/log/journal/abc")).unwrap();
        assert_eq!(journal_folder(root.path()), Some(root.path().join("run/log/journal/abc")));
    }
}
