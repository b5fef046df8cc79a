//! Facts about a host: what probes want, and what one collection brings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::container::{Container, Stack, Swarm};
use crate::model::guard::{Guarded, Listener, Logins};
use crate::model::hands::Hands;
use crate::model::ids::UnitName;
use crate::model::listing::{Listed, Listing};
use crate::model::renewal::Renewals;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
pub use crate::model::upkeep::{Boot, Sensor, TimeSync, Updates};

/// A fact that a probe may want of a host. All that are due on one host in one tick are brought by
/// one collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Every real volume with its bytes and inodes.
    Volumes,
    /// A folder's size against a budget, for folders that have one.
    Folder(AbsPath),
    /// /proc/meminfo and the ZFS ARC.
    Memory,
    /// /proc/pressure/{cpu,memory,io}; absent on kernels without PSI.
    Pressure,
    /// OOM kills: /proc/vmstat and the memory cgroups, v1 or v2.
    OomKills,
    /// /proc/loadavg, /proc/stat, number of cores.
    Cpu,
    /// /proc/net/dev.
    Interfaces,
    /// Time since boot.
    Uptime,
    /// One unit's state.
    Unit(UnitName),
    /// All units of the host that are failed.
    FailedUnits,
    /// Processes whose name (comm, or the file name of argv 0) equals this.
    Processes(String),
    /// The processes that use most CPU time and memory.
    Busiest,
    /// The newest file below a path: when it changed, how large it is.
    Newest(AbsPath),
    /// New lines of priority err and worse of the journal since the last collection.
    JournalErrors,
    /// New lines of a file since the last collection.
    FileLines(AbsPath),
    /// Every container of the Docker or Podman engine, running or not.
    Containers,
    /// The compose projects whose files the containers name, and those in the host's `stacks`.
    Stacks,
    /// Nodes and services of the Swarm that this host manages.
    Swarm,
    /// What SMART tells of every disk that is awake.
    Drives,
    /// ZFS pools.
    Pools,
    /// Arrays of Linux' software RAID: /proc/mdstat.
    Arrays,
    /// Whether the clock is kept in time, and by how much it is off.
    TimeSync,
    /// Packages that wait, and whether a reboot does.
    Updates,
    /// Temperatures of hwmon.
    Sensors,
    /// Which boot this is, and when it was.
    Boot,
    /// Who came in and who tried, by the journal, the log of logins (or this file instead) and wtmp.
    Logins(Option<AbsPath>),
    /// Ports on which something listens for other machines.
    Listening,
    /// Digests of what says who may come in and what runs by itself: keys, sudoers, crontabs; these files
    /// too, as keys. Never what stands in them.
    Guarded(Vec<AbsPath>),
    /// Who works there by hand: people that are logged in, and programs that somebody would not want to be
    /// disturbed. Asked for when a step is judged, by no probe.
    Hands,
    /// Who renews certificates there, and what starts it. Asked for by tools, by no probe.
    Renewals,
    /// What lies below a folder, or who has it open. Asked for by tools, by no probe.
    Files(Listing),
}

impl Fact {
    /// The file or folder that it is about, for what a host lets reef look at.
    pub fn path(&self) -> Option<&AbsPath> {
        if let Self::Folder(path) | Self::Newest(path) | Self::FileLines(path) = self {
            Some(path)
        } else {
            None
        }
    }

    pub fn unit(&self) -> Option<&UnitName> {
        if let Self::Unit(name) = self { Some(name) } else { None }
    }
}

/// A mounted volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub mount: AbsPath,
    /// What is mounted: `/dev/sda1`, `tank/home`.
    pub source: String,
    pub fs: String,
    pub total_bytes: u64,
    /// What an ordinary user may still write (statvfs f_bavail).
    pub free_bytes: u64,
    /// 0 where the file system has no fixed number of inodes.
    pub total_inodes: u64,
    pub free_inodes: u64,
    pub read_only: bool,
    /// `Some` says why the volume could not be looked at: a stale mount.
    pub stale: Option<String>,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub total: u64,
    /// MemAvailable, plus what the ZFS ARC would give back (its size above `c_min`).
    pub available: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

/// Pressure stall information: the share of the last 10 and 60 s in which some, or all, tasks waited, in
/// hundredths of a percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    pub memory_some_10: u32,
    pub memory_some_60: u32,
    pub memory_full_10: u32,
    pub cpu_some_60: u32,
    pub io_full_60: u32,
}

/// OOM kills since boot, and where they happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKills {
    /// The host's own count (/proc/vmstat `oom_kill`), which has those of limited cgroups too.
    pub host: u64,
    /// Cgroups with a count above zero, by their path below the controller.
    pub cgroups: BTreeMap<String, u64>,
}

/// The processor's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    pub cores: u32,
    pub load_1: f64,
    pub load_5: f64,
    pub load_15: f64,
    /// Context switches since boot.
    pub switches: u64,
    /// Busy and total time since boot, in clock ticks over all cores.
    pub busy_ticks: u64,
    pub total_ticks: u64,
}

/// An interface's error counters since it came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    pub name: String,
    pub packets: u64,
    pub errors: u64,
    pub drops: u64,
}

/// A unit as `systemctl show` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
    /// `active`, `failed`, `activating` ... (ActiveState)
    pub active: String,
    /// `running`, `auto-restart`, `dead` ... (SubState)
    pub sub: String,
    /// `loaded`, `not-found`, `masked` (LoadState)
    pub load: String,
    /// `success`, `exit-code`, `oom-kill`, `timeout`, `watchdog`, `signal` (Result)
    pub result: String,
    /// `enabled`, `disabled`, `static` ... (UnitFileState)
    pub enabled: String,
    /// How often the manager restarted it by itself (NRestarts).
    pub restarts: u32,
    pub main_pid: u32,
    pub exit_code: i32,
    /// When it left the active state last; zero if never.
    pub inactive_at: Millis,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// Clock ticks since boot at which it started: with the pid its identity.
    pub start: u64,
    pub comm: String,
    /// Real user id.
    pub uid: u32,
    /// CPU time used so far, in clock ticks.
    pub ticks: u64,
    pub rss_bytes: u64,
    /// The unit of its cgroup, where it has one.
    pub unit: Option<UnitName>,
    /// CPU use since the collection before, in hundredths of one core; `None` at the first.
    pub busy: Option<u32>,
}

/// The newest file below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    pub path: AbsPath,
    pub changed_at: Millis,
    pub bytes: u64,
    pub files: u64,
}

/// New lines of a log since the last collection: their templates and how often each came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// All lines that count as errors.
    pub errors: u64,
    /// Template -> count, the most frequent first; the rest is in `errors` alone.
    pub templates: Vec<(Tainted, u64)>,
    /// How long the lines cover.
    pub over: Span,
}

/// A disk as SMART tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// `/dev/sda`.
    pub device: String,
    pub model: String,
    pub serial: String,
    pub state: DriveState,
}

/// Whether a disk could be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveState {
    /// It stands still and was left so.
    #[default]
    Asleep,
    Told(Smart),
    /// Why it told nothing: no SMART, no right.
    Silent(String),
}

/// What SMART tells; `None` where a disk does not count it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smart {
    /// The disk's own verdict.
    pub passed: Option<bool>,
    /// Sectors that were replaced (ATA 5), that wait to be (197), that cannot be read (198).
    pub reallocated: Option<u64>,
    pub pending: Option<u64>,
    pub uncorrectable: Option<u64>,
    /// NVMe: errors of the medium, the critical warning bits, and spare left in percent.
    pub media_errors: Option<u64>,
    pub critical_warning: Option<u64>,
    pub spare: Option<u64>,
    /// Life used, in percent.
    pub worn: Option<u64>,
    pub celsius: Option<i64>,
    pub hours: Option<u64>,
    /// Whether the last self-test that ended found a fault.
    pub self_test_failed: Option<bool>,
}

/// A ZFS pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub name: String,
    /// `ONLINE`, `DEGRADED`, `FAULTED`, `SUSPENDED` ...
    pub health: String,
    pub size: u64,
    pub allocated: u64,
    pub free: u64,
    /// What `zpool status` says of it, shortened.
    pub status: String,
    /// The last or present scrub or resilver, as it is told.
    pub scan: String,
    /// Parts that are not well, as `NAME STATE`.
    pub ill: Vec<String>,
    /// Read, write and checksum errors over all parts.
    pub errors: u64,
    /// Files with errors that nothing could repair.
    pub data_errors: String,
}

/// An array of software RAID.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// `md0`
    pub name: String,
    /// `raid1`; empty for an inactive one.
    pub level: String,
    pub active: bool,
    /// Members that there should be, and those in use.
    pub wanted: u32,
    pub in_use: u32,
    /// Members marked as failed.
    pub failed: Vec<String>,
    /// `recovery = 12.6 %`, `check = 3.0 %`; empty where nothing goes on.
    pub doing: String,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactValue {
    Volumes(Vec<Volume>),
    /// Bytes and files below a folder.
    Folder {
        bytes: u64,
        files: u64,
    },
    Memory(Memory),
    Pressure(Pressure),
    OomKills(OomKills),
    Cpu(Cpu),
    Interfaces(Vec<Interface>),
    Uptime(Span),
    Unit(Unit),
    FailedUnits(Vec<Unit>),
    Processes(Vec<Process>),
    Busiest(Vec<Process>),
    Newest(Option<Newest>),
    Lines(Lines),
    Containers(Vec<Container>),
    Stacks(Vec<Stack>),
    /// `None` where the host is no manager of a swarm.
    Swarm(Option<Swarm>),
    Drives(Vec<Drive>),
    Pools(Vec<Pool>),
    Arrays(Vec<Array>),
    TimeSync(TimeSync),
    Updates(Updates),
    Sensors(Vec<Sensor>),
    Boot(Boot),
    Logins(Logins),
    Listening(Vec<Listener>),
    Guarded(Guarded),
    Hands(Hands),
    Renewals(Renewals),
    Files(Listed),
}

/// Why a fact could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFact {
    /// The host has no such thing: no systemd, no PSI. Says what to do where something can be done.
    Absent(String),
    /// Not allowed, timed out, cut off.
    Failed(String),
}

impl std::fmt::Display for NoFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// What one collection brought.
pub type Facts = BTreeMap<Fact, Result<FactValue, NoFact>>;
