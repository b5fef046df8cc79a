//! Proxmox VE by its API (`/api2/json`): what a look at a cluster needs, for which the role PVEAuditor is enough, and
//! what changes a guest.

mod act;
pub mod backup;

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clients::answer::NoAnswer;
use crate::clients::json::{Api, found};
pub use crate::clients::proxmox::act::Rights;

const DENIED: &str = "is the token right, and has it the role PVEAuditor (PBS: Audit) on /?";

/// One cluster, or one node alone.
#[derive(Debug, Clone)]
pub struct Proxmox {
    pub api: Api,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
}

/// Asks for what lies at `path` below the API; `None` where there is no such path, or nothing there.
async fn ask<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    query: &[(&str, String)],
) -> Result<Option<T>, NoAnswer> {
    let answer = api.answer(&format!("api2/json/{path}"), query, Vec::new()).await?;
    if answer.status == 501 {
        // An older version that does not know the path.
        return Ok(None);
    }
    Ok(found::<Envelope<T>>(&answer, DENIED)?.and_then(|envelope| envelope.data))
}

/// Perl writes a flag as 0, 1, "0", "1" or a real one.
fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("0 or 1")
        }
        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_bool<E>(self, flag: bool) -> Result<bool, E> {
            Ok(flag)
        }
        fn visit_u64<E>(self, n: u64) -> Result<bool, E> {
            Ok(n != 0)
        }
        fn visit_i64<E>(self, n: i64) -> Result<bool, E> {
            Ok(n != 0)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<bool, E> {
            match text {
                "0" | "" => Ok(false),
                "1" => Ok(true),
                other => Err(E::invalid_value(Unexpected::Str(other), &self)),
            }
        }
    }
    from.deserialize_any(Flag)
}

/// Perl writes a number as one or as text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_unit<E>(self) -> Result<u64, E> {
            Ok(0)
        }
        fn visit_u64<E>(self, n: u64) -> Result<u64, E> {
            Ok(n)
        }
        fn visit_i64<E>(self, n: i64) -> Result<u64, E> {
            Ok(u64::try_from(n).unwrap_or(0))
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        fn visit_f64<E>(self, n: f64) -> Result<u64, E> {
            Ok(n.clamp(0.0, 9e18) as u64)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
    from.deserialize_any(Number)
}

/// A list that holds what is no entry is a list without it: one odd guest hides no other.
fn some<'de, T: DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(from).map_err(D::Error::custom)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Lenient<T>(#[serde(deserialize_with = "some")] Vec<T>);

async fn list<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    query: &[(&str, String)],
) -> Result<Vec<T>, NoAnswer> {
    let found: Option<Lenient<T>> = ask(api, path, query).await?;
    Ok(found.map(|found| found.0).unwrap_or_default())
}

/// A line of `cluster/status`: the cluster, where there is one, and each node.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Member {
    Cluster {
        name: String,
        #[serde(default, deserialize_with = "flag")]
        quorate: bool,
    },
    Node {
        name: String,
        #[serde(default, deserialize_with = "flag")]
        online: bool,
    },
}

/// A line of `cluster/resources`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Resource {
    Qemu(Guest),
    Lxc(Guest),
    Storage(Storage),
    #[serde(other)]
    Other,
}

/// A virtual machine or a container.
#[derive(Debug, Clone, Deserialize)]
pub struct Guest {
    #[serde(deserialize_with = "number")]
    pub vmid: u64,
    #[serde(default)]
    pub name: String,
    pub node: String,
    /// running, stopped, paused; unknown where its node does not answer.
    #[serde(default)]
    pub status: String,
    #[serde(default, deserialize_with = "flag")]
    pub template: bool,
    /// What holds it at the moment: backup, migrate, snapshot.
    #[serde(default)]
    pub lock: String,
    /// Where the HA manager looks after it: started, stopped, error.
    #[serde(default)]
    pub hastate: String,
}

/// A storage as one node sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct Storage {
    pub storage: String,
    pub node: String,
    /// available; anything else is not.
    #[serde(default)]
    pub status: String,
    #[serde(default, deserialize_with = "number")]
    pub disk: u64,
    #[serde(default, deserialize_with = "number")]
    pub maxdisk: u64,
    #[serde(default)]
    pub plugintype: String,
    #[serde(default, deserialize_with = "flag")]
    pub shared: bool,
}

/// What a guest's config says of its start.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct GuestConfig {
    #[serde(default, deserialize_with = "flag")]
    pub onboot: bool,
}

/// A finished or running task of a node.
#[derive(Debug, Clone, Deserialize)]
pub struct Task {
    /// vzdump, qmstart, qmshutdown, vzstop and so on; PBS calls the same `worker_type`.
    #[serde(rename = "type", alias = "worker_type")]
    pub kind: String,
    /// Of what: a guest's number, a datastore; empty for a job of many.
    #[serde(default, alias = "worker_id")]
    pub id: Option<String>,
    #[serde(default)]
    pub user: String,
    pub starttime: i64,
    /// Unix seconds; absent while it runs.
    pub endtime: Option<i64>,
    /// `OK`, `WARNINGS: 2`, or what went wrong; absent while it runs.
    pub status: Option<String>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Running,
    Good,
    Warned,
    Failed,
}

impl Task {
    pub fn outcome(&self) -> Outcome {
        match self.status.as_deref() {
            None | Some("" | "running" | "RUNNING") => Outcome::Running,
            Some("OK") => Outcome::Good,
            Some(status) if status.starts_with("WARNINGS") => Outcome::Warned,
            Some(_) => Outcome::Failed,
        }
    }
}

/// A replication job, as its source node tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct Replication {
    /// GUEST-NUMBER.
    pub id: String,
    #[serde(default)]
    pub target: String,
    #[serde(default, deserialize_with = "number")]
    pub fail_count: u64,
    #[serde(default, deserialize_with = "number")]
    pub last_sync: u64,
    pub error: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    pub disable: bool,
}

/// A thin pool of LVM, in bytes.
#[derive(Debug, Clone, Deserialize)]
pub struct ThinPool {
    pub lv: String,
    pub vg: String,
    #[serde(default, deserialize_with = "number")]
    pub lv_size: u64,
    #[serde(default, deserialize_with = "number")]
    pub used: u64,
    #[serde(default, deserialize_with = "number")]
    pub metadata_size: u64,
    #[serde(default, deserialize_with = "number")]
    pub metadata_used: u64,
}

/// A pool of ZFS.
#[derive(Debug, Clone, Deserialize)]
pub struct ZfsPool {
    pub name: String,
    #[serde(default)]
    pub health: String,
    #[serde(default, deserialize_with = "number")]
    pub size: u64,
    #[serde(default, deserialize_with = "number")]
    pub alloc: u64,
}

/// A job of the cluster that backs guests up.
#[derive(Debug, Clone, Deserialize)]
pub struct BackupJob {
    #[serde(default)]
    pub id: String,
    #[serde(default = "yes", deserialize_with = "flag")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A guest that no job backs up.
#[derive(Debug, Clone, Deserialize)]
pub struct Uncovered {
    #[serde(deserialize_with = "number")]
    pub vmid: u64,
    #[serde(default)]
    pub name: String,
}

impl Proxmox {
    pub async fn members(&self) -> Result<Vec<Member>, NoAnswer> {
        let members = list(&self.api, "cluster/status", &[]).await?;
        match members.is_empty() {
            true => Err(NoAnswer::Broken("it names no node: is this a Proxmox VE?".into())),
            false => Ok(members),
        }
    }

    pub async fn resources(&self) -> Result<Vec<Resource>, NoAnswer> {
        list(&self.api, "cluster/resources", &[]).await
    }

    /// `kind` is `qemu` or `lxc`.
    pub async fn config(&self, node: &str, kind: &str, vmid: u64) -> Result<GuestConfig, NoAnswer> {
        let path = format!("nodes/{node}/{kind}/{vmid}/config");
        Ok(ask(&self.api, &path, &[]).await?.unwrap_or_default())
    }

    /// Newest first.
    pub async fn tasks(&self, node: &str, query: &[(&str, String)]) -> Result<Vec<Task>, NoAnswer> {
        list(&self.api, &format!("nodes/{node}/tasks"), query).await
    }

    pub async fn replication(&self, node: &str) -> Result<Vec<Replication>, NoAnswer> {
        list(&self.api, &format!("nodes/{node}/replication"), &[]).await
    }

    pub async fn thin_pools(&self, node: &str) -> Result<Vec<ThinPool>, NoAnswer> {
        list(&self.api, &format!("nodes/{node}/disks/lvmthin"), &[]).await
    }

    pub async fn zfs_pools(&self, node: &str) -> Result<Vec<ZfsPool>, NoAnswer> {
        list(&self.api, &format!("nodes/{node}/disks/zfs"), &[]).await
    }

    pub async fn backup_jobs(&self) -> Result<Vec<BackupJob>, NoAnswer> {
        list(&self.api, "cluster/backup", &[]).await
    }

    pub async fn not_backed_up(&self) -> Result<Vec<Uncovered>, NoAnswer> {
        list(&self.api, "cluster/backup-info/not-backed-up", &[]).await
    }
}
