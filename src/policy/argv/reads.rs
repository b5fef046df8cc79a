//! The commands that only read: their whole options and operands. What does not stand here is not
//! taken, so an option that is missing costs a question, never a change.
//!
//! Left out on purpose although they sound like reads: whatever runs for ever (`-f`, `--follow`), writes a
//! file (`journalctl --cursor-file`, `ss -D`), picks another machine or root (`systemctl -H`, `kubectl
//! --kubeconfig`), runs a script (`zpool status -c`), kills (`ss -K`) or shows secrets (`ps e`,
//! `kubectl get secrets`, `/proc/PID/environ`).

use crate::policy::argv::check::Check::{
    self, Data, Device, Field, Format, Kinds, Lines, Match, Name, Names, Numbers, OneOf, Path,
    Property, Readable, Selector, Sort, Stamp, Time, Unit,
};

/// How an option's value follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy::argv) enum Form {
    /// As the next argument.
    Next,
    /// After `=` in the same one.
    Equals,
    Both,
}
use Form::{Both, Equals, Next};

/// An option that takes a value.
pub(in crate::policy::argv) type Valued = (&'static str, Form, Check);

/// One way to call a program that only reads.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy::argv) struct Read {
    pub(in crate::policy::argv) program: &'static str,
    /// Words that the operands begin with, any one of these sequences; none where the program has no
    /// subcommands.
    pub(in crate::policy::argv) verbs: &'static [&'static [&'static str]],
    /// Letters of options without value that may be joined behind one dash.
    pub(in crate::policy::argv) letters: &'static str,
    /// Whole options without value.
    pub(in crate::policy::argv) flags: &'static [&'static str],
    pub(in crate::policy::argv) valued: &'static [Valued],
    /// One of these must stand there: without it the program would not only read, or never end.
    pub(in crate::policy::argv) needs: &'static [&'static str],
    /// How many operands after the verb, at the least and at the most, and what they may be.
    pub(in crate::policy::argv) operands: (usize, usize, Check),
}

const NONE: (usize, usize, Check) = (0, 0, Name);

const fn read(program: &'static str) -> Read {
    Read { program, verbs: &[], letters: "", flags: &[], valued: &[], needs: &[], operands: NONE }
}

const JOURNAL_OUTPUT: Check =
    OneOf(&["short", "short-iso", "short-precise", "short-unix", "cat", "json", "verbose"]);
const DOCKER_FORMAT: Check = OneOf(&[
    "json",
    "{{json .}}",
    "{{json .State}}",
    "{{.ID}}",
    "{{.Names}}",
    "{{.Name}}",
    "{{.Status}}",
    "{{.State.Status}}",
    "{{.State.Health.Status}}",
    "{{.State.ExitCode}}",
    "{{.State.OOMKilled}}",
    "{{.RestartCount}}",
]);
const KUBE_OUTPUT: Check = OneOf(&["json", "yaml", "wide", "name"]);

const KUBE_GET: Read = Read {
    flags: &["-A", "--all-namespaces", "--no-headers", "--show-labels"],
    valued: &[
        ("-n", Next, Name),
        ("--namespace", Both, Name),
        ("-o", Next, KUBE_OUTPUT),
        ("--output", Equals, KUBE_OUTPUT),
        ("-l", Next, Selector),
        ("--selector", Equals, Selector),
        ("--field-selector", Equals, Selector),
        ("--sort-by", Equals, Field),
        ("--request-timeout", Equals, Name),
    ],
    operands: (1, 32, Kinds),
    ..read("kubectl")
};

/// The table. A program may have several rows.
pub(in crate::policy::argv) const READS: &[Read] = &[
    Read {
        verbs: &[
            &["show"],
            &["status"],
            &["cat"],
            &["is-active"],
            &["is-failed"],
            &["is-enabled"],
            &["is-system-running"],
            &["list-units"],
            &["list-timers"],
            &["list-sockets"],
            &["list-unit-files"],
            &["list-dependencies"],
            &["list-jobs"],
            &["list-paths"],
            &["get-default"],
        ],
        letters: "alq",
        flags: &[
            "--no-pager",
            "--plain",
            "--no-legend",
            "--full",
            "--all",
            "--failed",
            "--value",
            "--quiet",
            "--no-ask-password",
        ],
        valued: &[
            ("-p", Next, Names),
            ("--property", Both, Names),
            ("-t", Next, Names),
            ("--type", Equals, Names),
            ("--state", Equals, Names),
            ("-n", Next, Numbers),
            ("--lines", Both, Numbers),
            ("-o", Next, JOURNAL_OUTPUT),
            ("--output", Both, JOURNAL_OUTPUT),
            ("--timestamp", Equals, OneOf(&["pretty", "unix", "us", "utc"])),
        ],
        operands: (0, 64, Unit),
        ..read("systemctl")
    },
    Read {
        letters: "bkqra",
        flags: &[
            "--no-pager",
            "--dmesg",
            "--boot",
            "--quiet",
            "--reverse",
            "--utc",
            "--all",
            "--no-hostname",
            "--show-cursor",
            "--disk-usage",
            "--list-boots",
        ],
        valued: &[
            ("-u", Next, Unit),
            ("--unit", Both, Unit),
            ("-t", Next, Name),
            ("--identifier", Both, Name),
            ("-n", Next, Numbers),
            ("--lines", Both, Numbers),
            ("-p", Next, Names),
            ("--priority", Both, Names),
            ("-S", Next, Time),
            ("--since", Both, Time),
            ("-U", Next, Time),
            ("--until", Both, Time),
            ("-o", Next, JOURNAL_OUTPUT),
            ("--output", Both, JOURNAL_OUTPUT),
            ("--output-fields", Equals, Names),
            ("--after-cursor", Equals, Selector),
        ],
        operands: (0, 8, Match),
        ..read("journalctl")
    },
    Read {
        letters: "hHkmPTial",
        flags: &["--local", "--total", "--inodes", "--all"],
        valued: &[
            ("-t", Next, Name),
            ("-x", Next, Name),
            ("--type", Equals, Name),
            ("--exclude-type", Equals, Name),
            ("--output", Equals, Names),
        ],
        operands: (0, 64, Path),
        ..read("df")
    },
    Read {
        letters: "xshkmbac",
        flags: &["--apparent-size", "--one-file-system"],
        valued: &[("-d", Next, Numbers), ("--max-depth", Equals, Numbers)],
        operands: (1, 64, Path),
        ..read("du")
    },
    Read {
        letters: "eflFLTw",
        flags: &["--no-headers"],
        valued: &[
            ("-o", Next, Names),
            ("-p", Next, Numbers),
            ("-C", Next, Name),
            ("--sort", Equals, Sort),
        ],
        operands: (0, 1, OneOf(&["aux", "auxww", "ax", "axu"])),
        ..read("ps")
    },
    Read {
        letters: "lahAdn1tSrRisF",
        flags: &["--full-time", "--all", "--almost-all"],
        valued: &[("--time-style", Equals, OneOf(&["iso", "long-iso", "full-iso"]))],
        operands: (0, 64, Path),
        ..read("ls")
    },
    Read {
        letters: "Lft",
        valued: &[("-c", Next, Format), ("--format", Equals, Format)],
        operands: (1, 64, Path),
        ..read("stat")
    },
    Read { flags: &["-p", "-s"], ..read("uptime") },
    Read { letters: "bkmghwt", ..read("free") },
    Read { operands: (1, 64, Readable), ..read("cat") },
    Read {
        valued: &[("-n", Next, Lines), ("-c", Next, Lines), ("--lines", Equals, Lines)],
        operands: (1, 16, Readable),
        ..read("head")
    },
    Read {
        valued: &[("-n", Next, Lines), ("-c", Next, Lines), ("--lines", Equals, Lines)],
        operands: (1, 16, Readable),
        ..read("tail")
    },
    Read {
        verbs: &[&["link"], &["addr"], &["address"], &["route"], &["neigh"]],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        ..read("ip")
    },
    Read {
        verbs: &[
            &["link", "show"],
            &["addr", "show"],
            &["address", "show"],
            &["route", "show"],
            &["neigh", "show"],
        ],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        operands: (0, 1, Name),
        ..read("ip")
    },
    Read {
        verbs: &[
            &["link", "show", "dev"],
            &["addr", "show", "dev"],
            &["address", "show", "dev"],
            &["route", "show", "dev"],
            &["neigh", "show", "dev"],
        ],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        operands: (1, 1, Name),
        ..read("ip")
    },
    Read { letters: "ltnuapxsemioHO46", ..read("ss") },
    Read { letters: "asnrvmpio", ..read("uname") },
    Read { letters: "ugGnr", operands: (0, 1, Name), ..read("id") },
    Read { flags: &["-s", "-f", "-I"], ..read("hostname") },
    Read { flags: &["-u", "-R", "-Is", "--utc"], operands: (0, 1, Stamp), ..read("date") },
    Read { ..read("nproc") },
    Read { flags: &["-J", "-e"], ..read("lscpu") },
    Read { flags: &["-j", "-u"], ..read("sensors") },
    Read {
        verbs: &[&["show"], &["status"]],
        flags: &["--no-pager"],
        valued: &[("-p", Next, Names), ("--property", Equals, Names)],
        ..read("timedatectl")
    },
    Read {
        letters: "AbDJlnrRuks",
        flags: &["--json", "--real", "--bytes", "--noheadings", "--raw", "--df", "--list"],
        valued: &[
            ("-o", Next, Names),
            ("--output", Both, Names),
            ("-t", Next, Names),
            ("--types", Equals, Names),
            ("-T", Next, Path),
            ("--target", Both, Path),
        ],
        operands: (0, 1, Path),
        ..read("findmnt")
    },
    Read {
        letters: "abdfiJlmnprStO",
        flags: &["--json", "--bytes", "--noheadings", "--nodeps", "--list", "--all"],
        valued: &[("-o", Next, Names), ("--output", Both, Names)],
        operands: (0, 16, Device),
        ..read("lsblk")
    },
    Read {
        verbs: &[&["ps"]],
        letters: "aqsl",
        flags: &["--all", "--no-trunc", "--quiet", "--size", "--latest"],
        valued: &[
            ("--format", Both, DOCKER_FORMAT),
            ("--filter", Both, Selector),
            ("-f", Next, Selector),
            ("-n", Next, Numbers),
            ("--last", Both, Numbers),
        ],
        ..read("docker")
    },
    Read {
        verbs: &[&["inspect"]],
        flags: &["-s", "--size"],
        valued: &[
            ("--type", Both, OneOf(&["container", "image", "network", "volume"])),
            ("--format", Both, DOCKER_FORMAT),
            ("-f", Next, DOCKER_FORMAT),
        ],
        operands: (1, 32, Name),
        ..read("docker")
    },
    Read {
        verbs: &[&["logs"]],
        flags: &["-t", "--timestamps", "--details"],
        valued: &[
            ("-n", Next, Numbers),
            ("--tail", Both, Numbers),
            ("--since", Both, Time),
            ("--until", Both, Time),
        ],
        operands: (1, 1, Name),
        ..read("docker")
    },
    Read { verbs: &[&["version"], &["info"]], ..read("docker") },
    Read {
        verbs: &[&["system", "df"]],
        flags: &["-v", "--verbose"],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        ..read("docker")
    },
    Read { verbs: &[&["get"]], ..KUBE_GET },
    Read {
        verbs: &[&["describe"]],
        flags: &["-A", "--all-namespaces"],
        valued: &[
            ("-n", Next, Name),
            ("--namespace", Both, Name),
            ("-l", Next, Selector),
            ("--selector", Equals, Selector),
            ("--request-timeout", Equals, Name),
        ],
        ..KUBE_GET
    },
    Read {
        verbs: &[&["logs"]],
        flags: &["-p", "--previous", "--timestamps", "--all-containers"],
        valued: &[
            ("-n", Next, Name),
            ("--namespace", Both, Name),
            ("-c", Next, Name),
            ("--container", Both, Name),
            ("--tail", Both, Numbers),
            ("--since", Both, Name),
            ("--limit-bytes", Equals, Lines),
            ("--request-timeout", Equals, Name),
        ],
        operands: (1, 1, Name),
        ..read("kubectl")
    },
    Read {
        verbs: &[&["top", "pods"], &["top", "pod"], &["top", "nodes"], &["top", "node"]],
        flags: &["-A", "--all-namespaces", "--no-headers"],
        valued: &[("-n", Next, Name), ("--namespace", Both, Name)],
        operands: (0, 1, Name),
        ..read("kubectl")
    },
    Read { verbs: &[&["status"]], letters: "xvpLP", operands: (0, 16, Data), ..read("zpool") },
    Read {
        verbs: &[&["list"]],
        letters: "HpvLP",
        valued: &[("-o", Next, Names)],
        operands: (0, 16, Data),
        ..read("zpool")
    },
    Read {
        verbs: &[&["list"]],
        letters: "Hpr",
        valued: &[
            ("-o", Next, Names),
            ("-t", Next, Names),
            ("-d", Next, Numbers),
            ("-s", Next, Name),
        ],
        operands: (0, 16, Data),
        ..read("zfs")
    },
    Read {
        flags: &["-H", "-A", "-i", "-c", "-a", "-x", "-j"],
        valued: &[
            ("-l", Next, OneOf(&["error", "selftest"])),
            ("-n", Next, OneOf(&["standby", "sleep", "idle", "never"])),
            ("-d", Next, OneOf(&["auto", "ata", "scsi", "nvme", "sat"])),
        ],
        operands: (1, 1, Device),
        ..read("smartctl")
    },
    Read { flags: &["--scan", "-j"], needs: &["--scan"], ..read("smartctl") },
    // Who is there, and since when.
    Read { letters: "abHqru", ..read("who") },
    Read { letters: "hsfi", ..read("w") },
    Read { letters: "xFwai", valued: &[("-n", Next, Lines)], ..read("last") },
    Read { ..read("users") },
    Read { ..read("whoami") },
    Read {
        verbs: &[&["list-sessions"], &["list-users"]],
        flags: &["--no-pager", "--no-legend"],
        ..read("loginctl")
    },
    // The kernel.
    Read {
        letters: "Txkut",
        valued: &[("-l", Next, Names), ("--level", Both, Names), ("--facility", Both, Names)],
        ..read("dmesg")
    },
    Read { letters: "nvkt", ..read("lspci") },
    Read { letters: "tv", ..read("lsusb") },
    Read { ..read("lsmod") },
    Read { operands: (1, 8, Name), letters: "n", ..read("sysctl") },
    Read { letters: "sdwa", ..read("vmstat") },
    Read { letters: "xdkmcyz", ..read("iostat") },
    Read { valued: &[("-t", Next, Names)], ..read("dmidecode") },
    Read {
        verbs: &[&["time"], &["blame"], &["critical-chain"]],
        flags: &["--no-pager"],
        ..read("systemd-analyze")
    },
    Read { verbs: &[&["status"]], flags: &["--static", "--no-pager"], ..read("hostnamectl") },
    Read {
        verbs: &[&["status"], &["statistics"], &["dns"]],
        flags: &["--no-pager"],
        ..read("resolvectl")
    },
    Read {
        verbs: &[&["tracking"], &["sources"], &["sourcestats"]],
        flags: &["-n", "-c"],
        ..read("chronyc")
    },
    // Processes.
    Read {
        letters: "alfxc",
        valued: &[("-u", Next, Name)],
        operands: (1, 1, Name),
        ..read("pgrep")
    },
    Read { letters: "s", operands: (1, 4, Name), ..read("pidof") },
    Read { letters: "apuT", ..read("pstree") },
    Read { letters: "vmuc", operands: (1, 4, Path), ..read("fuser") },
    Read { letters: "nP", flags: &["-i"], ..read("lsof") },
    // Files.
    Read { letters: "lcwm", operands: (1, 16, Readable), ..read("wc") },
    Read { operands: (1, 8, Readable), ..read("zcat") },
    Read { letters: "femn", operands: (1, 16, Path), ..read("readlink") },
    Read { operands: (1, 16, Path), ..read("realpath") },
    Read { operands: (1, 8, Name), letters: "a", ..read("which") },
    // Networks. What asks a name of another machine is not here: a name can carry a secret away.
    Read { letters: "tulnpaeirs", ..read("netstat") },
    Read { letters: "na", ..read("arp") },
    Read { letters: "n", ..read("route") },
    Read { flags: &["-i", "-S", "-k", "-g"], operands: (1, 1, Name), ..read("ethtool") },
    Read { verbs: &[&["rule"], &["rule", "show"]], flags: &["-j", "-4", "-6"], ..read("ip") },
    Read { verbs: &[&["show"]], operands: (0, 1, Name), ..read("wg") },
    Read { verbs: &[&["list", "ruleset"], &["list", "tables"]], ..read("nft") },
    Read { verbs: &[&["status"], &["status", "verbose"], &["status", "numbered"]], ..read("ufw") },
    // Disks.
    Read {
        flags: &["--show", "--noheadings", "--bytes", "-s"],
        needs: &["--show", "-s"],
        ..read("swapon")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("pvs")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("vgs")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("lvs")
    },
    Read {
        flags: &["--detail", "-D"],
        needs: &["--detail", "-D"],
        operands: (1, 8, Device),
        ..read("mdadm")
    },
    Read { flags: &["-C", "-I"], needs: &["-C", "-I"], operands: (1, 8, Device), ..read("hdparm") },
    Read { flags: &["-l"], needs: &["-l"], operands: (0, 8, Device), ..read("fdisk") },
    Read { flags: &["-l"], needs: &["-l"], operands: (1, 1, Device), ..read("tune2fs") },
    Read { flags: &["-h"], needs: &["-h"], operands: (1, 1, Device), ..read("dumpe2fs") },
    Read {
        verbs: &[&["list"]],
        valued: &[("-o", Next, OneOf(&["json", "normal"]))],
        ..read("nvme")
    },
    Read {
        verbs: &[&["smart-log"], &["error-log"], &["id-ctrl"]],
        valued: &[("-o", Next, OneOf(&["json", "normal"]))],
        operands: (1, 1, Device),
        ..read("nvme")
    },
    Read {
        verbs: &[
            &["filesystem", "df"],
            &["filesystem", "usage"],
            &["device", "stats"],
            &["scrub", "status"],
            &["subvolume", "list"],
        ],
        letters: "b",
        operands: (1, 1, Path),
        ..read("btrfs")
    },
    Read { verbs: &[&["filesystem", "show"]], operands: (0, 1, Path), ..read("btrfs") },
    Read { verbs: &[&["iostat"]], letters: "vLP", operands: (0, 16, Data), ..read("zpool") },
    Read { verbs: &[&["history"]], letters: "l", operands: (0, 16, Data), ..read("zpool") },
    Read {
        verbs: &[&["get"]],
        letters: "Hp",
        valued: &[("-o", Next, Names)],
        operands: (1, 16, Property),
        ..read("zpool")
    },
    Read {
        verbs: &[&["get"]],
        letters: "Hpr",
        valued: &[
            ("-o", Next, Names),
            ("-t", Next, Names),
            ("-s", Next, Names),
            ("-d", Next, Numbers),
        ],
        operands: (1, 16, Property),
        ..read("zfs")
    },
    Read { letters: "bpS", ..read("smbstatus") },
    // Packages, from what is here already.
    Read {
        flags: &["--upgradable", "--installed"],
        verbs: &[&["list"]],
        needs: &["--upgradable", "--installed"],
        ..read("apt")
    },
    Read { verbs: &[&["policy"], &["show"]], operands: (1, 8, Name), ..read("apt-cache") },
    Read {
        flags: &["-l", "-s", "-L"],
        needs: &["-l", "-s", "-L"],
        operands: (0, 8, Name),
        ..read("dpkg")
    },
    Read {
        flags: &["-qa", "-q", "-qi", "-ql"],
        needs: &["-qa", "-q", "-qi", "-ql"],
        operands: (0, 8, Name),
        ..read("rpm")
    },
    Read {
        flags: &["-Q", "-Qu", "-Qi"],
        needs: &["-Q", "-Qu", "-Qi"],
        operands: (0, 8, Name),
        ..read("pacman")
    },
    Read { verbs: &[&["info"], &["version"]], letters: "v", ..read("apk") },
    Read { verbs: &[&["list"]], ..read("snap") },
    // More of Docker and Kubernetes.
    Read {
        verbs: &[
            &["images"],
            &["image", "ls"],
            &["volume", "ls"],
            &["network", "ls"],
            &["node", "ls"],
            &["service", "ls"],
        ],
        flags: &["-a", "-q", "--all", "--quiet", "--no-trunc", "--digests"],
        valued: &[("--format", Both, DOCKER_FORMAT), ("--filter", Both, Selector)],
        ..read("docker")
    },
    Read {
        verbs: &[
            &["image", "inspect"],
            &["volume", "inspect"],
            &["network", "inspect"],
            &["port"],
            &["top"],
            &["diff"],
        ],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        operands: (1, 8, Name),
        ..read("docker")
    },
    Read {
        verbs: &[&["stats"]],
        flags: &["--no-stream", "--no-trunc", "-a", "--all"],
        valued: &[("--format", Both, DOCKER_FORMAT)],
        needs: &["--no-stream"],
        operands: (0, 16, Name),
        ..read("docker")
    },
    Read { verbs: &[&["version"], &["cluster-info"], &["api-resources"]], ..read("kubectl") },
    Read {
        verbs: &[&["rollout", "history"]],
        valued: &[("-n", Next, Name), ("--namespace", Both, Name)],
        operands: (1, 1, Kinds),
        ..read("kubectl")
    },
];

const LVM: &[Valued] = &[
    ("-o", Next, Names),
    ("--units", Both, OneOf(&["b", "k", "m", "g", "h"])),
    ("--reportformat", Both, OneOf(&["json", "basic"])),
];

/// Programs whose subcommand must be their very first argument: what stands before it would be an option
/// of the program itself, such as another endpoint or config.
pub(in crate::policy::argv) const VERB_FIRST: &[&str] = &[
    "docker",
    "kubectl",
    "zpool",
    "zfs",
    "btrfs",
    "nvme",
    "nft",
    "wg",
    "ufw",
    "snap",
    "apk",
    "systemd-analyze",
];
