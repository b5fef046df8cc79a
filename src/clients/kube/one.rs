//! Reads of single things: an object, a log, the memory that a container uses.

use serde::Deserialize;

use super::list::{Listed, Place, path};
use super::objects::{Meta, Scale, nullable};
use super::{Cluster, NoBody, NoCluster};
use crate::model::object::{Object, ObjectKind};
use crate::model::taint::Tainted;

/// Bytes of a log that are read at the most.
const LOG: usize = 256 << 10;

/// Which run of a container a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    Current,
    /// The one before: it explains a crash.
    Previous,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodMetrics {
    #[serde(deserialize_with = "nullable")]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerMetrics {
    name: String,
    usage: std::collections::BTreeMap<String, String>,
}

/// An object without what it holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bare {
    #[serde(deserialize_with = "nullable")]
    metadata: Meta,
}

impl Cluster {
    /// One object by its checked name.
    pub async fn one<T: Listed>(&self, namespace: &str, name: &str) -> Result<T, NoCluster> {
        let within = (T::PLACE == Place::Namespaced).then_some(namespace);
        let body = self.get(&format!("{}/{name}", path::<T>(within))).await?;
        // Never the body: it may be a secret's.
        serde_json::from_slice(&body).map_err(|e| {
            NoCluster::Failed(format!("one of its {} cannot be read: {e}", T::RESOURCE))
        })
    }

    /// What every object has, of one of any kind that may be patched.
    pub async fn meta(&self, object: &Object) -> Result<Meta, NoCluster> {
        let (group, resource) = object.kind().place();
        let (namespace, name) = (object.namespace(), object.name());
        let body = self.get(&format!("{group}/namespaces/{namespace}/{resource}/{name}")).await?;
        let bare: Bare = serde_json::from_slice(&body)
            .map_err(|e| NoCluster::Failed(format!("{object} cannot be read: {e}")))?;
        Ok(bare.metadata)
    }

    /// How many pods a deployment or a stateful set shall have.
    pub async fn scale_of(
        &self,
        namespace: &str,
        kind: ObjectKind,
        name: &str,
    ) -> Result<Scale, NoCluster> {
        let (group, resource) = kind.place();
        let body =
            self.get(&format!("{group}/namespaces/{namespace}/{resource}/{name}/scale")).await?;
        serde_json::from_slice(&body)
            .map_err(|e| NoCluster::Failed(format!("the scale of {name} cannot be read: {e}")))
    }

    /// The newest lines of a container's log, without secrets. `None` where there is none: it never ran, or
    /// its former run is gone.
    pub async fn log(
        &self,
        (namespace, pod, container): (&str, &str, &str),
        instance: Instance,
        lines: usize,
    ) -> Result<Option<Tainted>, NoCluster> {
        let previous = match instance {
            Instance::Current => "",
            Instance::Previous => "&previous=true",
        };
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={lines}&limitBytes={LOG}{previous}"
        );
        match self.fetch(&path).await {
            Ok(body) => {
                let text = String::from_utf8_lossy(&body);
                Ok(Some(Tainted::new(&self.settings.redactor.redact(&text))))
            }
            Err(NoBody::Refused(refusal)) if refusal.code == 400 => Ok(None),
            Err(why) => Err(why.sorted()),
        }
    }

    /// The memory that a container uses, where the cluster has a metrics server and the account may ask it.
    pub async fn memory(&self, namespace: &str, pod: &str, container: &str) -> Option<u64> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{pod}");
        let body = self.get(&path).await.ok()?;
        let metrics: PodMetrics = serde_json::from_slice(&body).ok()?;
        let own = metrics.containers.iter().find(|one| one.name == container)?;
        super::objects::bytes(own.usage.get("memory")?)
    }
}

impl ObjectKind {
    /// Where the API server keeps objects of this kind: `/apis/GROUP/VERSION`, and its plural.
    pub(in crate::clients::kube) fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Deployment => ("/apis/apps/v1", "deployments"),
            Self::StatefulSet => ("/apis/apps/v1", "statefulsets"),
            Self::DaemonSet => ("/apis/apps/v1", "daemonsets"),
            Self::Job => ("/apis/batch/v1", "jobs"),
            Self::CronJob => ("/apis/batch/v1", "cronjobs"),
            Self::Pod => ("/api/v1", "pods"),
            Self::Claim => ("/api/v1", "persistentvolumeclaims"),
            Self::Secret => ("/api/v1", "secrets"),
            Self::Ingress => ("/apis/networking.k8s.io/v1", "ingresses"),
        }
    }
}
