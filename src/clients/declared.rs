//! What the config says beside its probes of the servers that tools may use: collected while the probes are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::http::Http;
use crate::clients::json::Api;
use crate::clients::mysql::Mysql;
#[cfg(feature = "postgres")]
use crate::clients::postgres::Server;
use crate::clients::s3::Bucket;
use crate::clients::traces::Traces;
use crate::model::target::Target;

/// A bucket into which logs may go.
#[derive(Debug, Clone)]
pub struct Store {
    pub bucket: Bucket,
    pub http: Http,
}

/// A database server that is watched.
#[derive(Debug, Clone)]
pub struct Database {
    pub target: Target,
    pub engine: Engine,
    /// The unit or container that it is.
    pub served_by: Option<Target>,
    /// The name of the probe of the server that it follows: what makes it a standby.
    pub primary: Option<String>,
    /// What its primary calls it.
    pub standby: String,
}

#[derive(Debug, Clone)]
pub enum Engine {
    #[cfg(feature = "postgres")]
    Postgres(Server),
    Mariadb(Mysql),
}

/// All of them, by the names of their probes.
#[derive(Debug, Clone, Default)]
pub struct All {
    pub stores: BTreeMap<String, Store>,
    pub databases: BTreeMap<String, Database>,
    /// Servers that may be a Prometheus.
    pub rules: BTreeMap<String, Api>,
    /// What each probe of a Prometheus asks it.
    pub expressions: BTreeMap<String, String>,
    pub traces: BTreeMap<String, Traces>,
}

impl All {
    /// The standby that a primary knows by this name.
    pub fn standby_of(&self, primary: &str, called: &str) -> Option<(&String, &Database)> {
        let is = |database: &Database| {
            database.primary.as_deref() == Some(primary) && database.standby == called
        };
        self.databases.iter().find(|(_, database)| is(database))
    }
}

/// Filled while the config is read; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Declared(Arc<Mutex<All>>);

impl Declared {
    pub fn add(&self, add: impl FnOnce(&mut All)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn all(&self) -> All {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The target of the standby that a primary knows by this name.
    pub fn standby_of(&self, primary: &str, called: &str) -> Option<Target> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.standby_of(primary, called).map(|(_, database)| database.target.clone())
    }

    /// The target of the server that one follows, and what that one calls it.
    pub fn primary_of(&self, standby: &str) -> Option<(Target, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.databases.get(standby)?;
        let primary = all.databases.get(own.primary.as_ref()?)?;
        Some((primary.target.clone(), own.standby.clone()))
    }
}
