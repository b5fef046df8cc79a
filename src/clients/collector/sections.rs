//! The sections that there are, one row each.

use crate::clients::collector::Section;

const KERNEL: &str = include_str!("sections/kernel.sh");
const VOLUMES_SH: &str = include_str!("sections/volumes.sh");
const UNITS_SH: &str = include_str!("sections/units.sh");
const PROCESSES_SH: &str = include_str!("sections/processes.sh");
const FILES: &str = include_str!("sections/files.sh");
const JOURNAL_SH: &str = include_str!("sections/journal.sh");
const DISKS: &str = include_str!("sections/disks.sh");
const DOCKER: &str = include_str!("sections/docker.sh");
const SYSTEM: &str = include_str!("sections/system.sh");
const RENEWALS_SH: &str = include_str!("sections/renewals.sh");
const GUARD: &str = include_str!("sections/guard.sh");
const TREE: &str = include_str!("sections/tree.sh");

macro_rules! sections {
    ($($(#[$doc:meta])* $constant:ident = $name:literal in $text:ident;)*) => {
        $($(#[$doc])* pub const $constant: Section = Section { name: $name, text: $text };)*

        /// All of them: what an installed collector knows.
        pub const ALL: &[Section] = &[$($constant),*];
    };
}

sections! {
    MEMINFO = "meminfo" in KERNEL;
    ARCSTATS = "arcstats" in KERNEL;
    /// Parts `loadavg` and `stat`.
    CPU = "cpu" in KERNEL;
    UPTIME = "uptime" in KERNEL;
    /// Parts `cpu`, `memory` and `io`.
    PRESSURE = "pressure" in KERNEL;
    /// The count that is known, or `-`; part `cgroups` where it is another.
    OOM = "oom" in KERNEL;
    INTERFACES = "interfaces" in KERNEL;
    BOOT = "boot" in KERNEL;
    /// Parts `mountinfo`, `blocks` and `inodes`.
    VOLUMES = "volumes" in VOLUMES_SH;
    /// What hung before; lines `answers PATH`, `refuses PATH`, `hangs PID PATH`.
    SERVED = "served" in VOLUMES_SH;
    /// Names; parts `uptime` and `units`.
    UNITS = "units" in UNITS_SH;
    FAILED = "failed" in UNITS_SH;
    /// Parts `stat`, `about`, `cgroup` and `programs`.
    PROCESSES = "processes" in PROCESSES_SH;
    /// Lines `NAME:UID`.
    PEOPLE = "people" in PROCESSES_SH;
    /// A path.
    BELOW = "below" in FILES;
    /// `INODE SKIP PATH`; parts `list`, `listold`, `old`, `head`, `new`.
    LINES = "lines" in FILES;
    /// A cursor or `-`; parts `newest` and `entries`.
    JOURNAL = "journal" in JOURNAL_SH;
    /// A part `disk DEVICE` of JSON for each disk.
    SMART = "smart" in DISKS;
    /// Parts `list` and `status`.
    POOLS = "pools" in DISKS;
    ARRAYS = "arrays" in DISKS;
    /// Parts `containers` (JSON, one object each), `events` (the same) and `images`.
    CONTAINERS = "containers" in DOCKER;
    /// Places of compose files; a part `file PATH` for each.
    STACKS = "stacks" in DOCKER;
    /// Parts `nodes`, `replicas` and `services`.
    SWARM = "swarm" in DOCKER;
    /// Parts `chrony`, `timedatectl` and `now`, as far as there are such tools.
    TIME = "time" in SYSTEM;
    /// Parts by package manager, and `reboot`.
    UPDATES = "updates" in SYSTEM;
    /// Lines `CHIP LABEL INPUT MAX CRIT`.
    SENSORS = "sensors" in SYSTEM;
    /// `CURSOR INODE SKIP`; parts `journal`, or `file` and `lines`, or `why`; `size`, `wtmp` and `end`.
    LOGINS = "logins" in GUARD;
    /// Parts `tcp`, `tcp6`, `udp`, `udp6` and `who`.
    LISTENING = "listening" in GUARD;
    /// Parts `lineage=NAME`, `cert=NAME`, `kept`, `cron`, `daemon`, `systemd`, `timers`, `hidden`, `end`.
    RENEWALS = "renewals" in RENEWALS_SH;
    /// Lines `root NAME`, `file KIND DIGEST LINES PATH` and `hidden KIND PATH`.
    GUARDED = "guarded" in GUARD;
    /// A path; parts `dev`, `room` and `lots`.
    SIZES = "sizes" in TREE;
    /// A path; parts `dev`, `room` and `files`.
    LISTED = "listed" in TREE;
    /// A volume's number; parts `who`, `open` and `mapped`.
    HOLDERS = "holders" in TREE;
    /// A path; the number of its volume.
    VOLUME = "volume" in TREE;
}
