//! A handful of fake hosts under one clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::docker::engine::Engines;
use crate::clients::files::LocalFiles;
use crate::clients::host::Hosts;
use crate::clock::Clock;
use crate::exam::hands::Hands;
use crate::exam::host::FakeHost;
use crate::exam::phone::Phone;
use crate::exam::web::{FakeProcesses, FakeWeb};
use crate::model::ids::HostName;
use crate::model::target::AbsPath;
use crate::model::time::Millis;
use crate::policy::redact::Redactor;
use crate::tool::world::{Inventory, NoDeeds, NoHistory, Outbox, World};

/// The estate: its hosts, its clock and the human's phone. It outlives the daemons that watch it.
#[derive(Debug)]
pub struct Estate {
    pub hands: Arc<Hands>,
    pub phone: Arc<Phone>,
    pub redactor: Arc<Redactor>,
    pub processes: Arc<FakeProcesses>,
    pub web: Arc<FakeWeb>,
    hosts: BTreeMap<HostName, Arc<FakeHost>>,
}

impl Estate {
    /// Healthy hosts; it is `start` now. Made within the runtime whose time it follows.
    pub fn new(start: Millis, names: &[HostName], redactor: Arc<Redactor>) -> Self {
        let hands = Arc::new(Hands::starting_at(start));
        let clock: Arc<dyn Clock> = Arc::clone(&hands) as _;
        let host = |name: &HostName| {
            let host = FakeHost::new(name.clone(), Arc::clone(&clock), Arc::clone(&redactor));
            (name.clone(), Arc::new(host))
        };
        let hosts = names.iter().map(host).collect();
        let (phone, processes) = (Arc::default(), Arc::default());
        Self { hands, phone, redactor, processes, web: Arc::new(FakeWeb::new(200)), hosts }
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.hands) as _
    }

    pub fn now(&self) -> Millis {
        self.hands.now()
    }

    pub fn host(&self, name: &HostName) -> Option<&Arc<FakeHost>> {
        self.hosts.get(name)
    }

    /// The ways to all of them, as probes and tools take them.
    pub fn links(&self) -> Hosts {
        self.hosts.iter().map(|(name, host)| (name.clone(), Arc::clone(host) as _)).collect()
    }

    /// Their container engines.
    pub fn engines(&self) -> Engines {
        self.hosts.iter().map(|(name, host)| (name.clone(), Arc::clone(host) as _)).collect()
    }

    /// The world of tools over this estate, in which nothing was seen before. File tools work on real files below real roots.
    pub fn world(
        &self,
        here: HostName,
        inventory: Inventory,
        outbox: Arc<dyn Outbox>,
        quarantine: AbsPath,
    ) -> World {
        World {
            here,
            hosts: self.links(),
            files: Arc::new(LocalFiles),
            processes: Arc::clone(&self.processes) as _,
            engines: self.engines(),
            history: Arc::new(NoHistory),
            web: Arc::clone(&self.web) as _,
            outbox,
            deeds: Arc::new(NoDeeds),
            #[cfg(feature = "kube")]
            clusters: BTreeMap::new(),
            #[cfg(feature = "mcp")]
            mcp: BTreeMap::new(),
            providers: BTreeMap::new(),
            inventory: Arc::new(inventory),
            now: self.clock(),
            quarantine,
            formerly: None,
        }
    }

    /// What any host saw that no caller may do.
    pub fn violations(&self) -> Vec<String> {
        self.hosts.values().flat_map(|host| host.violations()).collect()
    }
}
