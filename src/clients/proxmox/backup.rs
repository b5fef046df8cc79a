//! Proxmox Backup Server by its API: datastores, what is in them, and what was done to them. Reads only.

use serde::Deserialize;

use crate::clients::answer::NoAnswer;
use crate::clients::json::Api;
use crate::clients::proxmox::{Task, list, number};
use crate::model::time::{Millis, Span};

/// One server.
#[derive(Debug, Clone)]
pub struct BackupServer {
    pub api: Api,
}

/// How full a datastore is, in bytes.
#[derive(Debug, Clone, Deserialize)]
pub struct Usage {
    pub store: String,
    #[serde(default, deserialize_with = "number")]
    pub total: u64,
    #[serde(default, deserialize_with = "number")]
    pub used: u64,
    /// Why it cannot be used.
    pub error: Option<String>,
}

/// One snapshot of one guest or host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// vm, ct or host.
    pub backup_type: String,
    pub backup_id: String,
    /// Unix seconds.
    pub backup_time: i64,
    pub verification: Option<Verification>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Verification {
    /// ok or failed.
    pub state: String,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(default)]
    ns: String,
}

/// More namespaces than anybody has.
const NAMESPACES: usize = 50;

impl BackupServer {
    pub async fn datastores(&self) -> Result<Vec<Usage>, NoAnswer> {
        list(&self.api, "status/datastore-usage", &[]).await
    }

    /// All snapshots of a datastore by their namespace, which is empty for the root.
    pub async fn snapshots(&self, store: &str) -> Result<Vec<(String, Snapshot)>, NoAnswer> {
        let below = format!("admin/datastore/{store}");
        let mut spaces: Vec<Namespace> =
            list(&self.api, &format!("{below}/namespace"), &[]).await?;
        spaces.truncate(NAMESPACES);
        if spaces.is_empty() {
            // Before version 2.2 there were none.
            spaces.push(Namespace { ns: String::new() });
        }
        let mut all = Vec::new();
        for Namespace { ns } in spaces {
            let mut query = Vec::new();
            if !ns.is_empty() {
                query.push(("ns", ns.clone()));
            }
            let found: Vec<Snapshot> =
                list(&self.api, &format!("{below}/snapshots"), &query).await?;
            all.extend(found.into_iter().map(|snapshot| (ns.clone(), snapshot)));
        }
        Ok(all)
    }

    /// Its tasks of the last while, newest first.
    pub async fn tasks(&self, now: Millis, back: Span) -> Result<Vec<Task>, NoAnswer> {
        let since = ((now - back).0 / 1_000).to_string();
        let query = [("since", since), ("limit", "1000".to_owned())];
        list(&self.api, "nodes/localhost/tasks", &query).await
    }
}
