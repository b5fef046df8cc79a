//! Which commands reef may ever need to run on a host: what a key that may act is authorized for, letter by
//! letter.

use std::collections::BTreeSet;

use crate::clients::docker::anew;
use crate::clients::ssh::gatekeeper::Listed;
use crate::model::ids::HostName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::tool::world::Inventory;
use crate::tool::{certificate, command, container, journal, mount, reload, unit};

/// What is known of a host beside the inventory.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Units that are watched on it.
    pub units: BTreeSet<String>,
    /// Commands that runbooks name to the letter.
    pub commands: Vec<Vec<String>>,
    /// Whether a runbook vacuums its journal.
    pub vacuums: bool,
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
