//! How full claimed volumes are, as the kubelets say it where they are asked through the API server.

use serde::Deserialize;

use super::objects::nullable;
use super::{Cluster, NoCluster};

/// One claim's volume on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub namespace: String,
    pub claim: String,
    pub capacity: u64,
    pub available: u64,
    /// Zero where the file system has no fixed number of inodes.
    pub inodes: u64,
    pub inodes_free: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
    #[serde(deserialize_with = "nullable")]
    pods: Vec<PodStats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodStats {
    #[serde(deserialize_with = "nullable")]
    volume: Vec<VolumeStats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeStats {
    pvc_ref: Option<ClaimRef>,
    capacity_bytes: Option<u64>,
    available_bytes: Option<u64>,
    inodes: Option<u64>,
    inodes_free: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ClaimRef {
    name: String,
    namespace: String,
}

impl Cluster {
    /// `GET /api/v1/nodes/NAME/proxy/stats/summary`. A claim that several pods mount comes once.
    pub async fn usage(&self, node: &str) -> Result<Vec<Usage>, NoCluster> {
        let body = self.get(&format!("/api/v1/nodes/{node}/proxy/stats/summary")).await?;
        let summary: Summary = serde_json::from_slice(&body).map_err(|e| {
            NoCluster::Failed(format!("the kubelet's summary of {node} cannot be read: {e}"))
        })?;
        let mut found: Vec<Usage> = Vec::new();
        for volume in summary.pods.into_iter().flat_map(|pod| pod.volume) {
            let (Some(of), Some(capacity), Some(available)) =
                (volume.pvc_ref, volume.capacity_bytes, volume.available_bytes)
            else {
                continue;
            };
            if !found.iter().any(|u| u.namespace == of.namespace && u.claim == of.name) {
                found.push(Usage {
                    namespace: of.namespace,
                    claim: of.name,
                    capacity,
                    available,
                    inodes: volume.inodes.unwrap_or(0),
                    inodes_free: volume.inodes_free.unwrap_or(0),
                });
            }
        }
        Ok(found)
    }
}
