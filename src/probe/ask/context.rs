//! What every kind of probe is made with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clients::http::Http;
use crate::clients::tls::Tls;
use crate::clock::zone::Zone;
use crate::config::keys::Keys;
use crate::model::ids::{HostName, Word};
use crate::model::target::{Signal, Target};
use crate::policy::redact::Redactor;
use crate::probe::care::Care;
use crate::probe::if_there::Sleeps;
use crate::probe::push::Board;
use crate::probe::reef_self::{Tally, Uncounted};

/// What probes are made with: the machines that the config knows, and the clients that they share.
#[derive(Clone)]
pub struct Context {
    /// This machine.
    pub here: HostName,
    /// Every host that the config names, this machine among them.
    pub hosts: BTreeSet<HostName>,
    /// Those reached over the network, with what the config names as their parent.
    pub remotes: BTreeMap<HostName, Option<String>>,
    /// What the config says of how they are told when nobody reaches them.
    pub care: BTreeMap<HostName, Care>,
    /// Hosts all of whose probes may page at night.
    pub wakes: BTreeSet<HostName>,
    /// Hosts that may be off.
    pub sleepers: BTreeSet<HostName>,
    /// Other names and addresses under which a URL may speak of a host, in lower case.
    pub known_as: BTreeMap<String, HostName>,
    pub http: Http,
    pub tls: Tls,
    /// Whether systemd is this machine's manager (sd_booted(3)).
    pub runs_systemd: bool,
    /// Where systemd keeps what the administrator enabled.
    pub systemd: PathBuf,
    /// The clusters of the config, for the tools.
    #[cfg(feature = "kube")]
    pub clusters: crate::clients::kube::declared::DeclaredClusters,
    /// The folders of Terraform, for the tools.
    pub stacks: crate::clients::terraform::declared::DeclaredStacks,
    /// The servers that tools may use.
    pub servers: crate::clients::declared::Declared,
    /// The clusters of Proxmox VE, for the providers that act on them.
    pub proxmoxes: crate::clients::provider::proxmox::Clusters,
    /// The secrets that probes need, fetched before the first look.
    pub keys: Keys,
    /// What takes secrets out of a program's output.
    pub redactor: Arc<Redactor>,
    /// Who counts looks, for the probe of reef itself.
    pub tally: Arc<dyn Tally>,
    /// What jobs reported.
    pub pushes: Arc<Board>,
    /// The operator's.
    pub zone: Zone,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context of {}", self.here)
    }
}

impl Context {
    /// A context that knows this machine only.
    pub fn new(here: HostName) -> Self {
        Self {
            hosts: BTreeSet::from([here.clone()]),
            here,
            remotes: BTreeMap::new(),
            care: BTreeMap::new(),
            wakes: BTreeSet::new(),
            sleepers: BTreeSet::new(),
            known_as: BTreeMap::new(),
            http: Http::new(),
            tls: Tls::new(),
            runs_systemd: std::path::Path::new("/run/systemd/system").is_dir(),
            systemd: PathBuf::from("/etc/systemd/system"),
            #[cfg(feature = "kube")]
            clusters: crate::clients::kube::declared::DeclaredClusters::default(),
            stacks: crate::clients::terraform::declared::DeclaredStacks::default(),
            servers: crate::clients::declared::Declared::default(),
            proxmoxes: crate::clients::provider::proxmox::Clusters::default(),
            keys: Keys::default(),
            redactor: Arc::new(Redactor::new(Vec::new())),
            tally: Arc::new(Uncounted),
            pushes: Arc::default(),
            zone: Zone::UTC,
        }
    }

    /// Whether a host may be off.
    pub fn sleeps(&self, host: &HostName) -> Sleeps {
        if self.sleepers.contains(host) { Sleeps::Yes } else { Sleeps::No }
    }

    /// The hosts that are reached over the network, by all that they are called.
    pub fn others(&self) -> BTreeMap<String, HostName> {
        let by_name = self.hosts.iter().map(|host| (host.as_str().to_ascii_lowercase(), host));
        let known_as = self.known_as.iter().map(|(called, host)| (called.clone(), host));
        by_name
            .chain(known_as)
            .filter(|(_, host)| self.remotes.contains_key(*host))
            .map(|(called, host)| (called, host.clone()))
            .collect()
    }

    /// The known host that a URL's or server's host part speaks of.
    pub fn host_of(&self, called: &str) -> Option<HostName> {
        if matches!(called, "localhost" | "127.0.0.1" | "::1") {
            return Some(self.here.clone());
        }
        let called = called.to_ascii_lowercase();
        self.known_as.get(&called).cloned().or_else(|| {
            self.hosts.iter().find(|host| host.as_str().eq_ignore_ascii_case(&called)).cloned()
        })
    }
}

/// The signal that says whether a remote host can be reached: the parent of all that lies on it.
pub fn host_signal(host: &HostName) -> Signal {
    Signal {
        probe: Word::of("host"),
        target: Target::host(host.clone()),
        aspect: Word::of("reach"),
    }
}
