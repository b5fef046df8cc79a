//! Kubernetes clusters: what runs there, and the few things that may be done about it.
//!
//! Whatever is done is rehearsed by the API server first (`dryRun=All`), bound to the very object that was
//! looked at, and asked once: a refusal, a conflict or a disruption budget means stop. Nothing here deletes a
//! namespace or speaks of rights.

pub mod apply;
pub mod cordon;
pub mod drain;
pub mod evict;
pub mod ill;
pub mod node;
pub mod patch;
pub mod pod;
pub mod restart;
pub mod rollout;
pub mod said;
pub mod scale;
pub mod tls_secret;

use std::sync::Arc;

use crate::clients::kube::change::{Change, NotChanged};
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::Pod;
use crate::clients::kube::{Cluster, NoCluster};
use crate::gate::permit::Permit;
use crate::model::digest::Digest;
use crate::model::object::{Object, ObjectKind};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, ToolError};
use crate::tool::args::{Args, failed, refused};
use crate::tool::world::{KnownCluster, World};

/// For a look of a few requests.
const LOOK: Span = Span::secs(20);
/// For a change with the looks before it.
const CHANGE: Span = Span::secs(40);

/// The cluster that a call is about.
fn cluster(world: &World, args: &Args<'_>) -> Result<Arc<KnownCluster>, ToolError> {
    let name = args.call().target.on();
    world.clusters.get(name).cloned().ok_or_else(|| {
        let known: Vec<_> = world.clusters.keys().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        refused(format!("{name} is no cluster of the config; known: {known}"))
    })
}

/// An argument that names an object of one of these kinds.
fn object(
    args: &Args<'_>,
    name: &str,
    kinds: &[ObjectKind],
) -> Result<(Target, Object), ToolError> {
    let target = args.target(name, Thing::Object)?;
    match target.as_object() {
        Some(object) if kinds.contains(&object.kind()) => Ok((target.clone(), object)),
        Some(_) | None => {
            let kinds: Vec<_> = kinds.iter().map(ToString::to_string).collect();
            Err(refused(format!("{name} is {target}, which is no {}", kinds.join(" or "))))
        }
    }
}

/// A node of the cluster; its name is checked as the API server checks it, because it becomes part of a path.
fn node(args: &Args<'_>, name: &str) -> Result<Target, ToolError> {
    let target = args.target(name, Thing::Member)?;
    Object::new("default", ObjectKind::Pod, target.name()).map_err(refused)?;
    Ok(target.clone())
}

/// What the cluster says, for people: bounded, and without secrets.
fn told(known: &KnownCluster, words: &str) -> Tainted {
    let plain = Tainted::new(words);
    Tainted::new(&known.declared.settings.redactor.redact(plain.as_str()))
}

/// A look that failed.
fn unread(why: NoCluster) -> ToolError {
    if let NoCluster::Denied(_) = why {
        return failed(format!("{why}; `reef install --print k8s-role` prints the rights to look"));
    }
    failed(why)
}

/// The pods that a workload keeps; a pod of its own keeps itself.
async fn pods_of(cluster: &Cluster, workload: &Object) -> Result<Vec<Pod>, ToolError> {
    let namespace = [workload.namespace().to_owned()];
    let all = cluster.list::<Pod>(&namespace, Fresh::Store, None).await.map_err(unread)?;
    let alone = workload.kind() == ObjectKind::Pod;
    let own = |pod: &Pod| {
        let kept = pod.keeper() == (workload.kind(), workload.name().to_owned());
        if alone { pod.metadata.name == workload.name() } else { kept }
    };
    Ok(all.items.into_iter().filter(own).collect())
}

/// Has the API server try a change without making it. A right that the account has not got is told beside what
/// would be done, so that a plan can be shown and the grant be given; everything else that it refuses is no plan.
async fn rehearsed(cluster: &Cluster, change: &Change) -> Result<String, ToolError> {
    match cluster.rehearse(change).await {
        Ok(()) => Ok(String::new()),
        Err(why @ NotChanged::Denied(_)) => Ok(format!(". Not rehearsed: {why}")),
        Err(
            why @ (NotChanged::Held(_)
            | NotChanged::Invalid(_)
            | NotChanged::Conflict(_)
            | NotChanged::Missing(_)
            | NotChanged::NotOffered(_)),
        ) => Err(refused(why)),
        Err(why @ (NotChanged::NotSent(_) | NotChanged::Unknown(_) | NotChanged::Lost(_))) => {
            Err(failed(format!("it could not be rehearsed: {why}")))
        }
    }
}

/// Makes a change; says what was done.
async fn made(cluster: &Cluster, permit: &Permit, change: &Change, done: String) -> ActionResult {
    match cluster.change(permit, change).await {
        Ok(()) => ActionResult::Done(done),
        Err(why) => why.result(),
    }
}

/// What a plan was made of: the object, and the state of it that matters.
fn seen(parts: &[&str]) -> Digest {
    Digest::of(parts.join("\n").as_bytes())
}

/// Why a permit is not for what is there now.
fn other_than_seen(permit: &Permit, now: Digest, what: &Target) -> Option<ActionResult> {
    (permit.step().effect.artifact != Some(now)).then(|| {
        ActionResult::NotStarted(format!("{what} is no longer as it was when this was planned"))
    })
}

/// A look before an action that failed: nothing was done.
fn not_started(why: &ToolError) -> ActionResult {
    ActionResult::NotStarted(why.to_string())
}
