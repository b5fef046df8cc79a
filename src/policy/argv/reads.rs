//! The commands that only read: their whole options and operands. What does not stand here is not
//! taken, so an option that is missing costs a question, never a change.
//!
//! Left out on purpose although they sound like reads: whatever runs for ever (`-f`, `--follow`), writes a
//! file (`journalctl --cursor-file`, `ss -D`), picks another machine or root (`systemctl -H`, `kubectl
//! --kubeconfig`), runs a script (`zpool status -c`), kills (`ss -K`) or shows secrets (`ps e`,
//! `kubectl get secrets`, `/proc/PID/environ`).

use crate::policy::argv::check::Check::{
    self, Data, Device, Field, Format, Kinds, Lines, Match, Name, Names, Numbers, OneOf, Path,
    Readable, Selector, Sort, Stamp, Time, Unit,
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
    /// How many operands after the verb, at the least and at the most, and what they may be.
    pub(in crate::policy::argv) operands: (usize, usize, Check),
}

const NONE: (usize, usize, Check) = (0, 0, Name);

const fn read(program: &'static str) -> Read {
    Read { program, verbs: &[], letters: "", flags: &[], valued: &[], operands: NONE }
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
    Read { verbs: &[&["version"], &["info"], &["compose", "version"]], ..read("docker") },
    Read { verbs: &[&["version"]], ..read("docker-compose") },
    Read {
        verbs: &[&["images"]],
        flags: &["-a", "--all", "-q", "--quiet", "--no-trunc"],
        valued: &[
            ("--format", Both, DOCKER_FORMAT),
            ("--filter", Both, Selector),
            ("-f", Next, Selector),
        ],
        ..read("docker")
    },
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
];

/// Programs whose subcommand must be their very first argument: what stands before it would be an option
/// of the program itself, such as another endpoint or config.
pub(in crate::policy::argv) const VERB_FIRST: &[&str] =
    &["docker", "docker-compose", "kubectl", "zpool", "zfs"];
