//! Who keeps virtual machines: from `[provider]` to what the tools act by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clients::ansible::declared::Playbooks;
use crate::clients::host::Hosts;
use crate::clients::provider::Providers;
use crate::clients::provider::config::{Among, Declared, configure};
use crate::config::globals::Globals;
use crate::config::section::Section;
use crate::daemon::assemble::Assembled;
use crate::model::ids::HostName;
use crate::probe::ask::Context;

/// `[provider]`, read once the clusters that it names are known.
pub(super) fn read(
    root: &mut Section,
    globals: Option<&Globals>,
    cx: &Context,
    playbooks: &Playbooks,
) -> BTreeMap<HostName, Declared> {
    let hosts = globals.iter().flat_map(|g| g.hosts.keys()).chain([&cx.here]);
    let mut taken: BTreeSet<HostName> = hosts.cloned().collect();
    #[cfg(feature = "kube")]
    taken.extend(cx.clusters.all().into_keys());
    taken.insert(HostName::of("this"));
    let among = Among { clusters: &cx.proxmoxes, keys: &cx.keys, playbooks, taken };
    let found = configure(root, &among);
    for (host, section) in globals.iter().flat_map(|g| &g.hosts) {
        let Some(of) = &section.snapshot else { continue };
        if !found.get(of.on()).is_some_and(|declared| declared.names(of)) {
            let why =
                format!("snapshot of {host}: {of} is none of the vms of [provider.{}]", of.on());
            root.mistake("provider", why);
        }
    }
    found
}

/// All of them, with clients of their own.
pub(super) fn known(assembled: &Assembled, hosts: &Hosts) -> Providers {
    let Some(here) = hosts.get(&assembled.globals.host_name) else { return BTreeMap::new() };
    let known = |(name, declared): (&HostName, &Declared)| {
        (name.clone(), Arc::new(declared.known(here, &assembled.redactor)))
    };
    assembled.providers.iter().map(known).collect()
}
