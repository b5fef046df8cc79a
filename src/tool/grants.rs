//! Which commands reef may ever need to run on a host: what a key that may act is authorized for, letter by
//! letter.

use std::collections::BTreeSet;

use crate::clients::docker::anew;
use crate::clients::ssh::gatekeeper::{Images, Kill, Listed, Shapes};
use crate::model::ids::{HostName, ToolName};
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::tool::world::Inventory;
use crate::tool::{certificate, command, container, debug, journal, mount, reload, snapshot, unit};

/// What is known of a host beside the inventory.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Units that are watched on it.
    pub units: BTreeSet<String>,
    /// Commands that runbooks name to the letter.
    pub commands: Vec<Vec<String>>,
    /// Whether a runbook vacuums its journal.
    pub vacuums: bool,
    /// The tools of all steps of all runbooks.
    pub tools: BTreeSet<ToolName>,
}

/// How a key that may act is let do what a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By commands that are listed, letter by letter.
    Listed,
    /// By reef's program for files, below the roots of the runbooks.
    Files,
    /// By a command whose shape is held against what the config declares.
    Shape,
    /// Not over SSH: this machine's command, an API, another program's own way.
    Elsewhere,
}

/// Every tool that changes anything, with how it is let over SSH. A tool without a row does not pass the tests.
pub const WAYS: &[(&str, Way)] = &[
    ("ansible.run", Way::Elsewhere),
    ("backup.create", Way::Listed),
    ("certificate.renew", Way::Listed),
    ("compose.pull", Way::Shape),
    ("compose.restart", Way::Shape),
    ("compose.rollback", Way::Shape),
    ("compose.up", Way::Shape),
    ("container.restart", Way::Listed),
    ("container.start", Way::Listed),
    ("database.restart_standby", Way::Listed),
    ("debug.disable", Way::Listed),
    ("debug.enable", Way::Listed),
    ("dns.record", Way::Elsewhere),
    ("files.clean", Way::Files),
    ("files.compress", Way::Files),
    ("files.decompress", Way::Files),
    ("files.empty_quarantine", Way::Files),
    ("files.quarantine", Way::Files),
    ("files.restore", Way::Files),
    ("firewall.rule", Way::Elsewhere),
    ("host.exec", Way::Listed),
    ("host.reboot", Way::Listed),
    ("image.prune", Way::Shape),
    ("image.pull", Way::Shape),
    ("journal.vacuum", Way::Listed),
    ("kube.apply", Way::Elsewhere),
    ("kube.cordon", Way::Elsewhere),
    ("kube.drain", Way::Elsewhere),
    ("kube.evict", Way::Elsewhere),
    ("kube.evict_bare", Way::Elsewhere),
    ("kube.patch", Way::Elsewhere),
    ("kube.restart", Way::Elsewhere),
    ("kube.rollback", Way::Elsewhere),
    ("kube.scale", Way::Elsewhere),
    ("kube.tls_secret", Way::Elsewhere),
    ("kube.uncordon", Way::Elsewhere),
    ("logs.archive", Way::Files),
    ("logs.fetch", Way::Elsewhere),
    ("logs.rotate", Way::Files),
    ("mcp.call", Way::Elsewhere),
    ("mount.mount", Way::Listed),
    ("mount.unmount", Way::Listed),
    ("postgres.checkpoint", Way::Elsewhere),
    ("postgres.drain", Way::Elsewhere),
    ("process.kill", Way::Shape),
    ("snapshot.create", Way::Listed),
    ("snapshot.forget", Way::Listed),
    ("snapshot.rollback", Way::Listed),
    ("terraform.apply", Way::Elsewhere),
    ("unit.reload", Way::Listed),
    ("unit.restart", Way::Listed),
    ("vm.create", Way::Elsewhere),
    ("vm.delete", Way::Elsewhere),
    ("vm.forget", Way::Elsewhere),
    ("vm.limit", Way::Elsewhere),
    ("vm.rollback", Way::Elsewhere),
    ("vm.snapshot", Way::Elsewhere),
    ("vm.start", Way::Elsewhere),
    ("vm.stop", Way::Elsewhere),
    ("volume.resize", Way::Elsewhere),
];

/// What is let by its shape on a host: what its config declares, and what a runbook has a step for.
pub fn shapes(host: &HostName, inventory: &Inventory, needs: &Needs) -> Shapes {
    let uses = |tools: &[&str]| needs.tools.iter().any(|tool| tools.contains(&tool.as_str()));
    let compose = inventory.stacks.get(host).cloned().unwrap_or_default();
    Shapes {
        kill: if uses(&["process.kill"]) { Kill::May } else { Kill::Never },
        // What is put back is given its name again.
        images: match uses(&["image.pull", "image.prune"]) || !compose.is_empty() {
            true => Images::May,
            false => Images::Never,
        },
        compose,
    }
}

/// All of them, each once, in the order of their texts.
pub fn grants(host: &HostName, inventory: &Inventory, needs: &Needs) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    let mut add = |argv: Argv, timeout: Span| {
        if all.iter().all(|known| known.argv != argv) {
            all.push(Listed { argv, timeout });
        }
    };
    let restartable = inventory.restartable.iter();
    let restartable = restartable.filter(|t| t.on() == host && t.thing() == Thing::Unit);
    let units: BTreeSet<&str> =
        restartable.map(Target::name).chain(needs.units.iter().map(String::as_str)).collect();
    for name in units {
        if let Ok(argv) = unit::restart_command(name) {
            add(argv, unit::RESTART_TIMEOUT);
        }
    }
    // What serves a certificate, and what renews it.
    let served = inventory.endpoints.iter().filter_map(|(name, e)| Some((name, e.tls.as_ref()?)));
    for (name, peer) in served {
        let by = inventory.served_by.get(name).filter(|by| by.on() == host);
        if inventory.places.get(name) == Some(host) {
            for argv in certificate::renew::commands(peer) {
                add(argv, certificate::renew::TIMEOUT);
            }
        }
        if let Some(by) = by
            && by.thing() == Thing::Unit
            && let Ok(argv) = reload::reload_command(by.name())
        {
            add(argv, reload::TIMEOUT);
        }
    }
    for path in inventory.mounts.iter().filter(|m| m.on() == host).filter_map(Target::as_path) {
        for argv in mount::commands(&path) {
            add(argv, mount::TIMEOUT);
        }
    }
    for switch in inventory.switches.values().filter(|switch| switch.host == *host) {
        for argv in switch.commands() {
            add(argv, debug::TIMEOUT);
        }
    }
    for (argv, timeout) in snapshot::commands(inventory, host) {
        add(argv, timeout);
    }
    for job in inventory.backups.values().filter(|job| job.host == *host) {
        add(job.argv.clone(), job.longest);
    }
    // What serves an address, and what may be restarted for using too much.
    let containers: BTreeSet<&str> = inventory
        .restartable
        .iter()
        .chain(inventory.served_by.values())
        .filter(|target| target.on() == host && target.thing() == Thing::Container)
        .map(Target::name)
        .collect();
    for parts in containers.into_iter().flat_map(anew) {
        if let Ok(argv) = command::argv(&parts) {
            add(argv, container::act::TIMEOUT);
        }
    }
    if needs.vacuums
        && let Ok(argv) = journal::command(journal::KEEP)
    {
        add(argv, journal::TIMEOUT);
    }
    let raw = needs.commands.iter().chain(inventory.reboots.get(host));
    for parts in raw {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let Ok(argv) = command::argv(&parts) {
            add(argv, Span::secs(60));
        }
    }
    all.sort_by_key(|listed| listed.argv.to_string());
    all
}
