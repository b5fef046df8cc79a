//! Reads of systemd and the services around it.

use crate::policy::argv::check::Check::{
    self, Match, Name, Names, Numbers, OneOf, Selector, Time, Unit,
};
use crate::policy::argv::reads::Form::{Both, Equals, Next};
use crate::policy::argv::reads::{Read, read};

const JOURNAL_OUTPUT: Check =
    OneOf(&["short", "short-iso", "short-precise", "short-unix", "cat", "json", "verbose"]);

pub(super) const READS: &[Read] = &[
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
        // With a second operand it would set the level.
        verbs: &[&["service-log-level"]],
        flags: &["--no-pager"],
        operands: (1, 1, Unit),
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
        verbs: &[&["show"], &["status"]],
        flags: &["--no-pager"],
        valued: &[("-p", Next, Names), ("--property", Equals, Names)],
        ..read("timedatectl")
    },
    Read {
        verbs: &[&["list-sessions"], &["list-users"]],
        flags: &["--no-pager", "--no-legend"],
        ..read("loginctl")
    },
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
];
