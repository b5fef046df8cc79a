//! Whoever keeps virtual machines: Proxmox by its API, or commands that the operator wrote. One question
//! ("how is it?") and one way to change it, so that every change is proven by asking again.

pub mod command;
pub mod config;
pub mod played;
pub mod proxmox;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::docker::engine::NotDone;
use crate::clients::provider::played::Rehearsed;
use crate::gate::permit::Permit;
use crate::model::digest::Digest;
use crate::model::ids::HostName;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;

/// What stands in the notes of a machine that reef made, so that reef deletes no other.
pub const MARK: &str = "made by reef";

/// A provider: where its machines are, and how they are changed.
pub trait Provider: Send + Sync + fmt::Debug {
    /// How a machine is now. Changes nothing. One that does not exist is [`Power::Absent`].
    fn look<'a>(&'a self, id: &'a str) -> Fut<'a, Result<Machine, String>>;
    /// Does one thing to it, and waits for its end as far as the provider tells it. `seen` is how it was
    /// looked at right before.
    fn act<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a str,
        seen: &'a Machine,
        deed: &'a Deed,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>>;
    /// What it is done by, where that has a tier of its own.
    fn means(&self, _: &Deed) -> Option<Means> {
        None
    }
    /// What a rehearsal says of it, where it can be rehearsed. Changes nothing.
    fn rehearse<'a>(
        &'a self,
        _: &'a str,
        _: &'a Machine,
        _: &'a Deed,
    ) -> Fut<'a, Result<Option<Rehearsed>, String>> {
        Box::pin(async { Ok(None) })
    }
    /// What exactly would be done by it, as [`Provider::rehearse`] said.
    fn exactly<'a>(
        &'a self,
        _: &'a str,
        _: &'a Machine,
        _: &'a Deed,
    ) -> Fut<'a, Result<Option<Digest>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// What a deed is carried out by, where that has a tier of its own: a playbook as its files are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    pub tier: Tier,
}

/// The providers of the config, by name.
pub type Providers = BTreeMap<HostName, Arc<Known>>;

/// One provider with what the config declares of it.
#[derive(Debug)]
pub struct Known {
    pub provider: Arc<dyn Provider>,
    /// The machines that may be touched: the operator's name, and what the provider calls it.
    pub machines: BTreeMap<String, String>,
    /// Of what a machine may be made: the operator's name of it, and what the provider calls its template.
    pub templates: BTreeMap<String, String>,
}

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    Absent,
    Running,
    Stopped,
    /// Neither: paused, suspended, or not known while its node is out of reach.
    Other,
}

impl Power {
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Other => "neither running nor stopped",
        }
    }
}

/// Why a machine is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoppedBy {
    /// It ended, or its host did.
    Itself,
    /// reef's own doing.
    Reef,
    /// Somebody stopped it: says who, where that is told.
    Somebody(String),
    /// Nobody tells.
    Unknown,
}

/// A machine as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub power: Power,
    pub stopped_by: StoppedBy,
    /// In bytes, as configured: what runs may have it only at its next start.
    pub memory: Option<u64>,
    pub cores: Option<u64>,
    /// Bytes by name.
    pub volumes: BTreeMap<String, u64>,
    pub snapshots: Vec<Snapshot>,
    /// The snapshot that its present state goes on from.
    pub since: Option<String>,
    /// For how long it runs.
    pub up: Option<Span>,
    pub rules: Vec<Rule>,
    /// What holds it at the moment: backup, migrate.
    pub lock: Option<String>,
    /// Who else starts and stops it: the HA manager.
    pub manager: Option<String>,
    /// Whether reef made it.
    pub origin: Made,
    /// Where it is, in the provider's own words.
    pub place: String,
    /// The provider's mark of its settings and of its rules: a change of what is no longer so is refused.
    pub digests: Digests,
}

impl Machine {
    /// One that does not exist.
    pub fn absent() -> Self {
        Self {
            power: Power::Absent,
            stopped_by: StoppedBy::Unknown,
            memory: None,
            cores: None,
            volumes: BTreeMap::new(),
            snapshots: Vec::new(),
            since: None,
            up: None,
            rules: Vec::new(),
            lock: None,
            manager: None,
            origin: Made::ByOthers,
            place: String::new(),
            digests: Digests::default(),
        }
    }

    pub fn has_snapshot(&self, name: &str) -> bool {
        self.snapshots.iter().any(|snapshot| snapshot.name == name)
    }
}

/// Marks of what was read, to be said when it is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    pub config: Option<String>,
    pub rules: Option<String>,
}

/// Who made a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    ByReef,
    ByOthers,
}

/// A snapshot of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub name: String,
    /// When it was taken, where that is told.
    pub at: Option<Millis>,
}

/// One rule of a machine's firewall, in the few words that a rule of reef's has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// in or out.
    pub direction: &'static str,
    /// accept, drop or reject.
    pub verdict: &'static str,
    /// tcp or udp.
    pub protocol: &'static str,
    pub port: u16,
    /// `10.0.0.0/24`; anybody where it is left out.
    pub source: Option<String>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, verdict, protocol, port, source } = self;
        let from = source.as_deref().unwrap_or("anybody");
        write!(f, "{verdict} {direction} {protocol} port {port} from {from}")
    }
}

impl Rule {
    pub const DIRECTIONS: [&'static str; 2] = ["in", "out"];
    pub const VERDICTS: [&'static str; 3] = ["accept", "drop", "reject"];
    pub const PROTOCOLS: [&'static str; 2] = ["tcp", "udp"];
}

/// The one of these words that was given, in any case.
pub fn word_of<const N: usize>(given: &str, known: [&'static str; N]) -> Option<&'static str> {
    known.into_iter().find(|word| word.eq_ignore_ascii_case(given))
}

/// What can be done with a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Start,
    /// Asked to shut down; never cut off.
    Stop,
    /// As a full copy of a template.
    Create {
        template: String,
        name: String,
    },
    Delete,
    /// To so many bytes.
    Grow {
        volume: String,
        to: u64,
    },
    /// Bytes of memory and a number of cores; what is left out stays.
    Limit {
        memory: Option<u64>,
        cores: Option<u64>,
    },
    Admit(Rule),
    Withdraw(Rule),
    /// Of its volumes, not of what is in its memory.
    Snapshot {
        name: String,
    },
    Rollback {
        name: String,
    },
    Forget {
        name: String,
    },
}

impl Deed {
    /// Whether a machine is as the deed would leave it. Of a rollback nothing shows it beforehand.
    pub fn is_so(&self, now: &Machine) -> bool {
        match self {
            Self::Start => now.power == Power::Running,
            Self::Stop => now.power == Power::Stopped,
            Self::Create { .. } => now.power != Power::Absent,
            Self::Delete => now.power == Power::Absent,
            Self::Grow { volume, to } => now.volumes.get(volume).is_some_and(|size| to <= size),
            Self::Limit { memory, cores } => {
                let same =
                    |now: Option<u64>, wanted: &Option<u64>| wanted.is_none() || now == *wanted;
                same(now.memory, memory) && same(now.cores, cores)
            }
            Self::Admit(rule) => now.rules.contains(rule),
            Self::Withdraw(rule) => !now.rules.contains(rule),
            Self::Snapshot { name } => now.has_snapshot(name),
            Self::Rollback { .. } => false,
            Self::Forget { name } => !now.has_snapshot(name),
        }
    }

    /// Whether it came to pass, by what is seen afterwards.
    pub fn came(&self, before: &Machine, after: &Machine) -> bool {
        match self {
            // What ran was started anew; what did not shows it by the snapshot that it goes on from alone.
            Self::Rollback { name } => {
                let anew = match (before.up, after.up) {
                    // Whoever had run for seconds only cannot be told by that.
                    (Some(before), Some(after)) => after < before || before < Span::mins(1),
                    (None, _) | (_, None) => true,
                };
                after.since.as_deref() == Some(name.as_str()) && anew
            }
            Self::Start
            | Self::Stop
            | Self::Create { .. }
            | Self::Delete
            | Self::Grow { .. }
            | Self::Limit { .. }
            | Self::Admit(_)
            | Self::Withdraw(_)
            | Self::Snapshot { .. }
            | Self::Forget { .. } => self.is_so(after),
        }
    }

    /// What must still be as it was when the human said yes.
    pub fn seen(&self, now: &Machine) -> Digest {
        let text = match self {
            Self::Start | Self::Stop => now.power.word().to_owned(),
            Self::Create { .. } | Self::Delete => format!("{} {:?}", now.power.word(), now.origin),
            Self::Grow { volume, .. } => format!("{:?}", now.volumes.get(volume)),
            Self::Limit { .. } => format!("{:?} {:?}", now.memory, now.cores),
            Self::Admit(rule) | Self::Withdraw(rule) => {
                format!("{rule} {} of {}", now.rules.contains(rule), now.rules.len())
            }
            Self::Snapshot { name } | Self::Rollback { name } | Self::Forget { name } => {
                format!("{name} {}", now.has_snapshot(name))
            }
        };
        Digest::of(text.as_bytes())
    }
}
