//! What the values and operands of reading commands may be: each kind has its own small alphabet.

use crate::model::taint::Tainted;
use crate::model::target::AbsPath;

/// A kind of value.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy::argv) enum Check {
    /// A number or a comma list of them.
    Numbers,
    /// A count of lines or bytes: digits alone, so that no `+N` reads all of a file.
    Lines,
    /// A name of one thing.
    Name,
    /// Names in a comma list, as columns and properties are given.
    Names,
    /// A sort key: names with a sign.
    Sort,
    /// A systemd unit; no glob.
    Unit,
    /// A point in time as people write it.
    Time,
    /// A journal match, `_SYSTEMD_UNIT=x`.
    Match,
    /// A label or filter selector, a journal cursor.
    Selector,
    /// A JSON field path: `.metadata.name`.
    Field,
    /// A format of stat(1).
    Format,
    /// `date`'s `+%s`. Without the plus it would set the clock.
    Stamp,
    /// An absolute path in normal form.
    Path,
    /// A path whose contents may be shown.
    Readable,
    /// A device.
    Device,
    /// A ZFS pool or data set; begins with a letter, so it is no interval.
    Data,
    /// The same, or a comma list of a data set's properties.
    Property,
    /// Kinds of a cluster that hold no secret, or `kind/name`.
    Kinds,
    /// One of these, letter by letter.
    OneOf(&'static [&'static str]),
}

impl Check {
    /// Whether the value is of this kind.
    pub(in crate::policy::argv) fn takes(self, value: &str) -> bool {
        let all = |more: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        let first = value.chars().next();
        let first_plain = first.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let first_letter = first.is_some_and(|c| c.is_ascii_alphabetic());
        if 1_024 < value.len() {
            return false;
        }
        match self {
            Self::Numbers => value.split(',').all(|n| (1..=10).contains(&n.len()) && digits(n)),
            Self::Lines => (1..=7).contains(&value.len()) && digits(value),
            Self::Name => first_plain && all("_.:@-"),
            Self::Names => (first_plain || first == Some('%')) && all("_.:@-,=%"),
            Self::Sort => !value.is_empty() && all("_,+-%"),
            Self::Unit => first_plain && all("_.:@-\\"),
            Self::Time => !value.is_empty() && all(" :.+-"),
            Self::Match => value.split_once('=').is_some_and(|(field, is)| {
                !field.is_empty()
                    && field.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                    && is.chars().all(|c| c.is_ascii_alphanumeric() || "_.:@-/\\".contains(c))
            }),
            Self::Selector => first_plain && all("_.:@-,=!/;"),
            Self::Field => first == Some('.') && all("._"),
            Self::Format => !value.is_empty() && all("%_.:,/= -"),
            Self::Stamp => first == Some('+') && all("+%_.:,/ -"),
            Self::Path => plain_path(value),
            Self::Readable => plain_path(value) && readable(value),
            Self::Device => value.starts_with("/dev/") && plain_path(value) && all("_.:/-"),
            Self::Data => first_letter && all("_.:@-/"),
            Self::Property => first_letter && all("_.:@-/,"),
            Self::Kinds => kinds(value),
            Self::OneOf(words) => words.contains(&value),
        }
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// An absolute path in normal form without the characters that a shell or a glob would read, should
/// one ever stand between here and the program.
fn plain_path(value: &str) -> bool {
    let odd = |c: char| "*?[]{}$`;|&<>()!\\\"'~#\u{7f}".contains(c) || c.is_control();
    // A name that hides or turns letters around is not the one that a human read.
    let shown = Tainted::bounded(value, 2 * value.len());
    AbsPath::new(value).is_ok_and(|path| path.as_str() == value)
        && !value.contains(odd)
        && shown.as_str() == value
}

/// Files of /proc that hold figures and no secret, and that can be read twice.
const PROC: &[&str] = &[
    "meminfo",
    "loadavg",
    "stat",
    "uptime",
    "version",
    "cpuinfo",
    "vmstat",
    "diskstats",
    "swaps",
    "filesystems",
    "partitions",
    "mdstat",
    "mounts",
    "interrupts",
    "softirqs",
    "buddyinfo",
    "zoneinfo",
    "net/dev",
    "net/sockstat",
    "net/sockstat6",
    "net/snmp",
    "net/netstat",
    "net/softnet_stat",
    "pressure/cpu",
    "pressure/memory",
    "pressure/io",
    "sys/fs/file-nr",
    "sys/fs/inode-nr",
    "sys/kernel/random/boot_id",
    "sys/kernel/osrelease",
    "spl/kstat/zfs/arcstats",
    "self/mountinfo",
];

/// The same of a process. Not `environ`, `mem`, `root`, `cwd`, `fd`.
const PROC_PID: &[&str] = &[
    "status",
    "stat",
    "statm",
    "cgroup",
    "limits",
    "comm",
    "io",
    "oom_score",
    "oom_score_adj",
    "cmdline",
];

const FOLDERS: &[&str] = &[
    "/var/log/",
    "/sys/class/net/",
    "/sys/class/hwmon/",
    "/sys/class/thermal/",
    "/sys/class/power_supply/",
    "/sys/class/block/",
    "/sys/block/",
    "/sys/fs/cgroup/",
    "/sys/devices/system/cpu/",
];

fn readable(path: &str) -> bool {
    if let Some(rest) = path.strip_prefix("/proc/") {
        return PROC.contains(&rest)
            || rest
                .split_once('/')
                .is_some_and(|(pid, file)| digits(pid) && PROC_PID.contains(&file));
    }
    // btmp keeps what people typed for a user name, now and then their password.
    FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains("/btmp")
}

/// Kinds of a cluster without secrets in them.
const KINDS: &[&str] = &[
    "pod",
    "pods",
    "po",
    "node",
    "nodes",
    "no",
    "deployment",
    "deployments",
    "deploy",
    "statefulset",
    "statefulsets",
    "sts",
    "daemonset",
    "daemonsets",
    "ds",
    "replicaset",
    "replicasets",
    "rs",
    "job",
    "jobs",
    "cronjob",
    "cronjobs",
    "cj",
    "service",
    "services",
    "svc",
    "ingress",
    "ingresses",
    "ing",
    "event",
    "events",
    "ev",
    "pvc",
    "persistentvolumeclaim",
    "persistentvolumeclaims",
    "pv",
    "persistentvolume",
    "persistentvolumes",
    "namespace",
    "namespaces",
    "ns",
    "endpoints",
    "ep",
    "hpa",
    "storageclass",
    "storageclasses",
    "sc",
];

/// `pods`, `pods,nodes` or `deploy/web`; after the kind also plain names.
fn kinds(value: &str) -> bool {
    if let Some((kind, name)) = value.split_once('/') {
        return KINDS.contains(&kind) && Check::Name.takes(name);
    }
    value.split(',').all(|kind| KINDS.contains(&kind))
}
