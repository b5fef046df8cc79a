//! The commands that only read: their whole options and operands. What does not stand here is not
//! taken, so an option that is missing costs a question, never a change.
//!
//! Left out on purpose although they sound like reads: whatever runs for ever (`-f`, `--follow`), writes a
//! file (`journalctl --cursor-file`, `ss -D`), picks another machine or root (`systemctl -H`, `kubectl
//! --kubeconfig`), runs a script (`zpool status -c`), kills (`ss -K`) or shows secrets (`ps e`,
//! `kubectl get secrets`, `/proc/PID/environ`).

mod containers;
mod disks;
mod machine;
mod packages;
mod services;

use crate::policy::argv::check::Check;

/// How an option's value follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy::argv) enum Form {
    /// As the next argument.
    Next,
    /// After `=` in the same one.
    Equals,
    Both,
}

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

const NONE: (usize, usize, Check) = (0, 0, Check::Name);

const fn read(program: &'static str) -> Read {
    Read { program, verbs: &[], letters: "", flags: &[], valued: &[], needs: &[], operands: NONE }
}

/// The table. A program may have several rows.
pub(in crate::policy::argv) fn all() -> impl Iterator<Item = &'static Read> {
    [services::READS, machine::READS, disks::READS, containers::READS, packages::READS]
        .into_iter()
        .flatten()
}

/// Programs whose subcommand must be their very first argument: what stands before it would be an option
/// of the program itself, such as another endpoint or config.
pub(in crate::policy::argv) const VERB_FIRST: &[&str] = &[
    "docker",
    "docker-compose",
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
