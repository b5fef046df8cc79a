//! What `reef init` found: values only, so that what is written of them can be tested without any machine.

use std::path::PathBuf;

use crate::clients::survey::jobs::Job;
use crate::clients::survey::month::Month;
use crate::model::container::{Container, Stack};
use crate::model::fact::Volume;
use crate::model::ids::{HostName, RunbookName, UnitName};
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// What comes first: its runbooks may ask, the others only record until their lines are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Concern {
    Health,
    Backups,
    Certificates,
    Logs,
}

impl Concern {
    pub(crate) const ALL: [Self; 4] = [Self::Health, Self::Backups, Self::Certificates, Self::Logs];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Backups => "backups",
            Self::Certificates => "certificates",
            Self::Logs => "logs",
        }
    }

    /// Which one a probe belongs to.
    pub(crate) fn of_probe(probe: &str) -> Self {
        match probe {
            "backup" | "push" | "s3" | "pbs" => Self::Backups,
            "tls" | "cert" | "domain" => Self::Certificates,
            "errors" => Self::Logs,
            _ => Self::Health,
        }
    }
}

/// All that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// This machine.
    pub(crate) here: HostName,
    /// When it was looked at: `2026-03-03 10:22`.
    pub(crate) at: String,
    pub(crate) volumes: Result<Vec<Volume>, String>,
    /// Units that are failed now.
    pub(crate) failed: Vec<UnitName>,
    /// How many services run.
    pub(crate) running: Result<usize, String>,
    /// The services that get a line: the usual ones and the operator's own.
    pub(crate) units: Vec<UnitName>,
    pub(crate) engine: Engine,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) databases: Vec<Database>,
    pub(crate) backups: Vec<Job>,
    /// Backup tools that are installed without a job that was found.
    pub(crate) idle: Vec<&'static str>,
    pub(crate) folders: Vec<Folder>,
    pub(crate) month: Result<Month, String>,
    pub(crate) remotes: Remotes,
    /// The shipped runbooks with their concerns.
    pub(crate) books: Vec<(RunbookName, Concern)>,
}

impl Found {
    /// A machine on which nothing was found.
    pub(crate) fn nothing(here: HostName, at: String) -> Self {
        Self {
            here,
            at,
            volumes: Ok(Vec::new()),
            failed: Vec::new(),
            running: Ok(0),
            units: Vec::new(),
            engine: Engine::None,
            clusters: Vec::new(),
            endpoints: Vec::new(),
            databases: Vec::new(),
            backups: Vec::new(),
            idle: Vec::new(),
            folders: Vec::new(),
            month: Ok(Month::default()),
            remotes: Remotes::default(),
            books: Vec::new(),
        }
    }

    /// The containers that are watched one by one.
    pub(crate) fn containers(&self) -> &[Container] {
        match &self.engine {
            Engine::Runs { containers, .. } => containers,
            Engine::None | Engine::Silent(_) => &[],
        }
    }

    /// What may be down for a while, by the names that people use.
    pub(crate) fn services(&self) -> Vec<String> {
        let containers = self.containers().iter().map(|container| container.name.clone());
        let mut names: Vec<String> =
            containers.chain(self.units.iter().map(|unit| short(unit).to_owned())).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A service's name as people say it.
pub(crate) fn short(unit: &UnitName) -> &str {
    unit.as_str().strip_suffix(".service").unwrap_or(unit.as_str())
}

/// `once`, `3 times`.
pub(crate) fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// The container engine.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    None,
    /// It is there and tells nothing: why.
    Silent(String),
    Runs {
        /// Where it is, if not where engines usually are.
        socket: Option<AbsPath>,
        containers: Vec<Container>,
        stacks: Vec<Stack>,
        /// Folders with compose files that no container needs to name: `/opt/stacks/*`.
        places: Vec<String>,
    },
}

/// A kubeconfig.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) name: HostName,
    pub(crate) kubeconfig: AbsPath,
    /// Whether its cluster answered; why not.
    pub(crate) state: Result<(), String>,
}

/// A port of this machine that speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// As it is dialled: `127.0.0.1:443`.
    pub(crate) server: String,
    /// The name that its certificate was asked for.
    pub(crate) name: String,
    /// How long the certificate is still good; or why nobody would trust it.
    pub(crate) state: Result<Span, String>,
}

/// A database server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// `PostgreSQL`
    pub(crate) kind: &'static str,
    /// By what it was found: `port 5432`, `container db`.
    pub(crate) by: String,
    /// A line of config for a closer look, where there is a probe for it.
    pub(crate) line: Option<&'static str>,
}

/// A folder in which backups lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: AbsPath,
    /// How old its newest file is.
    pub(crate) age: Span,
}

impl Folder {
    /// How often a backup comes, by the age of the last one; none where no job seems to be left.
    pub(crate) fn rhythm(&self) -> Option<&'static str> {
        match self.age {
            age if age <= Span::hours(30) => Some("24h"),
            age if age <= Span::days(8) => Some("7d"),
            _ => None,
        }
    }
}

/// The hosts of an ssh config.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remotes {
    /// The file they stand in; `None` where there is none.
    pub(crate) file: Option<PathBuf>,
    /// The file, where ssh would not find it by itself.
    pub(crate) ssh_config: Option<AbsPath>,
    /// As whom they were dialled.
    pub(crate) user: String,
    pub(crate) hosts: Vec<Remote>,
    /// Names that are no hosts of this home, with why.
    pub(crate) left_out: Vec<(String, String)>,
}

impl Remotes {
    pub(crate) fn answering(&self) -> impl Iterator<Item = &Remote> {
        self.hosts.iter().filter(|host| host.state.is_ok())
    }
}

/// One host of them.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) name: HostName,
    /// Other names that lead to it.
    pub(crate) also: Vec<String>,
    /// The way as ssh would go: `root@10.0.0.5 via gate`.
    pub(crate) way: String,
    /// The host that is gone through.
    pub(crate) through: Option<HostName>,
    /// What it is like; or why it did not answer.
    pub(crate) state: Result<Seen, String>,
    /// The host keys that it offers, where none of them is known.
    pub(crate) fingerprints: Vec<String>,
}

/// A host at its first look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) up: Span,
    pub(crate) volumes: Vec<String>,
    /// `None` where it has no engine that tells.
    pub(crate) containers: Option<Vec<String>>,
    pub(crate) failed: Vec<UnitName>,
}
