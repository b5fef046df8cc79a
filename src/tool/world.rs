//! What tools are given: the machines, the files, and what the config names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::clients::files::Files;
use crate::clients::host::Hosts;
use crate::clients::signal::Processes;
use crate::clock::Clock;
use crate::model::ids::HostName;
use crate::model::message::Urgency;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::{Millis, Span};

/// Everything that tools reach, wired by the composition root. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// This machine's name: file tools and `process.kill` work here only.
    pub here: HostName,
    pub hosts: Hosts,
    /// This machine's files.
    pub files: Arc<dyn Files>,
    /// This machine's processes, for signals.
    pub processes: Arc<dyn Processes>,
    pub web: Arc<dyn Web>,
    pub outbox: Arc<dyn Outbox>,
    pub inventory: Arc<Inventory>,
    pub now: Arc<dyn Clock>,
    /// The folder that `files.clean` moves things into, a folder of its own for each call.
    pub quarantine: AbsPath,
}

/// What the config names, so that no model and no machine has to.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Endpoints by their name in the config.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Units that may be restarted for using too much; a failed unit needs no entry.
    pub restartable: BTreeSet<Target>,
    /// Logs by their name in the config.
    pub logs: BTreeMap<String, LogSource>,
    /// Folders that no action touches: reef's own state, and what the operator adds.
    pub protected: Vec<AbsPath>,
    /// The drill's scratch folder: lies within the protected state, and may be touched.
    pub scratch: Option<AbsPath>,
    /// Names of database processes beside the well-known ones.
    pub databases: BTreeSet<String>,
    /// Log templates that runbooks match (`pattern` in their front matter).
    pub patterns: Vec<String>,
    /// Where certbot keeps its renewal files, commonly `/etc/letsencrypt/renewal`.
    pub certbot: Option<AbsPath>,
    /// Units that serve certificates themselves, by the host they run on: how `tls.inspect` knows that
    /// Caddy or Traefik renews.
    pub served_by: BTreeMap<String, Target>,
}

/// A network endpoint that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL to fetch, where it is one.
    pub url: Option<String>,
    /// `host:port` of its TLS server, where it has one.
    pub tls: Option<String>,
}

/// Where a log's lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// The system journal.
    Journal,
    File(AbsPath),
}

/// Requests to endpoints of the inventory. GET only.
pub trait Web: Send + Sync + fmt::Debug {
    fn get<'a>(&'a self, endpoint: &'a Endpoint) -> Fut<'a, Result<Answer, String>>;
    /// The certificate that the endpoint presents, whether or not it is trusted.
    fn certificate<'a>(&'a self, endpoint: &'a Endpoint) -> Fut<'a, Result<Certificate, String>>;
}

/// What a GET brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub took: Span,
}

/// A server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub ends_at: Millis,
    /// The issuer as the certificate tells it.
    pub issuer: Tainted,
    /// The subject as the certificate tells it; equal to the issuer where it signed itself.
    pub subject: Tainted,
    /// DNS names that it is for.
    pub names: Vec<String>,
    /// The `Server` header, where the endpoint answered HTTP.
    pub server: Option<Tainted>,
}

/// Where messages to the human go.
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Enqueues a message about the open incident of `about`. Its text is composed by the outbox's
    /// owner from that incident: no text comes from a call. Answers what was enqueued.
    fn tell<'a>(&'a self, about: &'a Target, urgency: Urgency) -> Fut<'a, Result<String, String>>;
}
