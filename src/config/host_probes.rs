//! Which tables below a host set its probes.

use crate::config::section::Section;
use crate::model::ids::HostName;

/// Tables below a host that set its probes, as `[probe.disk]` sets those of this machine. They are read with the
/// probes; a test there holds both lists equal.
pub const PROBES: [&str; 16] = [
    "disk", "memory", "oom", "cpu", "net", "docker", "compose", "swarm", "smart", "zfs", "raid",
    "time", "heat", "updates", "boot", "security",
];

/// Tables of probes are read with the probes; here it is told where none belongs.
pub(super) fn about_probes(section: &mut Section, host: &HostName, this: &HostName) {
    for kind in PROBES {
        section.skip(kind);
        if !section.has(kind) {
            continue;
        }
        if host == this {
            let what = format!("{host} is this machine: write [probe.{kind}]");
            section.mistake(kind, what);
        } else if !section.is_table(kind) {
            let what = format!("is not a table; write [host.{host}.{kind}]");
            section.mistake(kind, what);
        }
    }
}
