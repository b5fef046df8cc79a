//! `kube.rollout` and `kube.rollback`: what was brought out, and back to what was there before.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::ReplicaSet;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{
    ActionResult, Call, Effect, Found, NOTHING_TO_UNDO, READS, Repeat, Tier, ToolError, ToolSpec,
    Undo,
};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{failed, gives, made, refused, required};
use crate::tool::kube::restart::Standing;
use crate::tool::kube::{
    CHANGE, LOOK, cluster, made as changed, not_started, object, other_than_seen, rehearsed, told,
    unread,
};
use crate::tool::world::{KnownCluster, World};

fn rollout_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.rollout"),
        summary: "Tell a deployment's rollouts: which revision runs, since when, and what ran before",
        inputs: vec![required("workload", Kind::Target, "CLUSTER/NAMESPACE/deployment/NAME")],
        gives: vec![
            gives("revision", Kind::Int, "the one that is wanted now"),
            gives("previous", Kind::Int, "the one before, where it is kept"),
            gives("age", Kind::Span, "since the present one was made"),
            gives("ready", Kind::Int, "its pods that are ready"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no right to list replicasets (`reef install --print k8s-role`)",
        timeout: LOOK,
        example: "tool = \"kube.rollout\"\nargs = { workload = \"k3s/media/deployment/jellyfin\" }",
    }
}

/// `kube.rollout`.
pub fn rollout(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rollout_spec(), move |args| {
        let (target, workload) = object(args, "workload", &[ObjectKind::Deployment])?;
        let (known, now) = (cluster(&world, args)?, world.now.now());
        Ok(Parsed::Query(Box::new(History { known, target, workload, now })))
    })
}

/// The ReplicaSets of a deployment by their revisions, the newest first.
async fn history(
    known: &KnownCluster,
    deployment: &Object,
) -> Result<Vec<(i64, ReplicaSet)>, ToolError> {
    let namespace = [deployment.namespace().to_owned()];
    let all = known.cluster.list::<ReplicaSet>(&namespace, Fresh::Store, None).await;
    let own = |set: &ReplicaSet| {
        let by = set.metadata.controller();
        by.is_some_and(|by| by.kind == "Deployment" && by.name == deployment.name())
    };
    let numbered = |set: ReplicaSet| {
        let revision = set.metadata.annotations.revision.as_ref()?.parse().ok()?;
        Some((revision, set))
    };
    let all = all.map_err(unread)?.items;
    let mut found: Vec<_> = all.into_iter().filter(own).filter_map(numbered).collect();
    found.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    Ok(found)
}

struct History {
    known: Arc<KnownCluster>,
    target: Target,
    workload: Object,
    now: Millis,
}

impl Query for History {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let all = history(&self.known, &self.workload).await?;
            let mut values = Values::new();
            let mut words = format!("{}: no rollout is kept", self.target);
            if let Some((revision, set)) = all.first() {
                let age =
                    set.metadata.creation_timestamp.0.map_or(Span(0), |at| self.now.since(at));
                values.insert("revision".into(), Value::Int(*revision));
                values.insert("age".into(), Value::Span(age));
                values.insert("ready".into(), Value::Int(set.status.ready_replicas));
                words = format!("{}: revision {revision}, made {age} ago", self.target);
            }
            if let Some((revision, _)) = all.get(1) {
                values.insert("previous".into(), Value::Int(*revision));
                words += &format!("; before it was revision {revision}");
            }
            for (revision, set) in all.iter().take(10) {
                let containers = set.spec.template["spec"]["containers"].as_array();
                let images: Vec<&str> = containers
                    .into_iter()
                    .flatten()
                    .filter_map(|one| one["image"].as_str())
                    .collect();
                words += &format!("\nrevision {revision}: {}", images.join(", "));
            }
            Ok(Found { values, words: told(&self.known, &words) })
        })
    }
}

fn rollback_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.rollback"),
        summary: "Put a former template of a deployment back, as kubectl rollout undo does",
        inputs: vec![
            required("workload", Kind::Target, "CLUSTER/NAMESPACE/deployment/NAME"),
            required("revision", Kind::Int, "which one, as kube.rollout tells it"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "kube.rollback to the revision that ran before, while the cluster keeps it",
        errors: "a revision that is no longer kept; one that was changed meanwhile; no right to patch it (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.rollback\"\nargs = { workload = \"k3s/media/deployment/jellyfin\", revision = 6 }",
    }
}

/// `kube.rollback`.
pub fn rollback(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(rollback_spec(), move |args| {
        let (target, workload) = object(args, "workload", &[ObjectKind::Deployment])?;
        let revision = match args.call().args.get("revision") {
            Some(Value::Int(n)) if 0 < *n => *n,
            _ => return Err(refused("revision is a number from 1")),
        };
        let (known, call) = (cluster(&world, args)?, args.call().clone());
        Ok(Parsed::Action(Box::new(Rollback { known, call, target, workload, revision })))
    })
}

struct Rollback {
    known: Arc<KnownCluster>,
    call: Call,
    target: Target,
    workload: Object,
    revision: i64,
}

impl Rollback {
    /// The deployment, the revision that it is at, and the change.
    async fn plan(&self) -> Result<(Standing, i64, Change), ToolError> {
        let standing = Standing::of(&self.known, &self.workload).await?;
        let all = history(&self.known, &self.workload).await?;
        let now = all.first().map_or(0, |(revision, _)| *revision);
        if now == self.revision {
            return Err(refused(format!("{} is at revision {now} already", self.target)));
        }
        let kept = all.iter().find(|(revision, _)| *revision == self.revision);
        let Some((_, set)) = kept else {
            let kept: Vec<String> = all.iter().map(|(revision, _)| revision.to_string()).collect();
            return Err(refused(format!(
                "the cluster keeps no revision {} of {}; it keeps {}",
                self.revision,
                self.target,
                kept.join(", ")
            )));
        };
        let mut template = set.spec.template.clone();
        // The hash is the ReplicaSet's own mark, not part of what was brought out.
        let labels = template.pointer_mut("/metadata/labels").and_then(|l| l.as_object_mut());
        labels.and_then(|labels| labels.remove("pod-template-hash"));
        if template.is_null() {
            return Err(failed(format!("revision {} has no template", self.revision)));
        }
        let version = &standing.meta.resource_version;
        let change = Change::roll_back(&self.workload, version, &template);
        Ok((standing, now, change))
    }
}

/// The call that puts a deployment's present revision back.
pub(super) async fn back(
    known: &KnownCluster,
    workload: &Object,
    call: &Call,
    target: &Target,
) -> Undo {
    let revision = match history(known, workload).await {
        Ok(all) => all.first().map(|(revision, _)| *revision),
        Err(_) => None,
    };
    match revision {
        Some(revision) => Undo::By(Call {
            tool: ToolName::of("kube.rollback"),
            target: call.target.clone(),
            args: Values::from([
                ("workload".to_owned(), Value::Target(target.clone())),
                ("revision".to_owned(), Value::Int(revision)),
            ]),
            bounds: call.bounds.clone(),
        }),
        None => Undo::Impossible("the cluster tells of no revision to go back to".into()),
    }
}

impl Action for Rollback {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let (standing, now, change) = self.plan().await?;
            let note = rehearsed(&self.known.cluster, &change).await?;
            let effect = Effect {
                words: format!(
                    "put {} back from revision {now} to {}: its {} pods are brought out anew{note}",
                    self.target, self.revision, standing.pods
                ),
                max_items: standing.items(),
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(standing.digest()),
            };
            Ok((effect, back(&self.known, &self.workload, &self.call, &self.target).await))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let (standing, _, change) = match self.plan().await {
                Ok(planned) => planned,
                Err(why) => return not_started(&why),
            };
            if let Some(other) = other_than_seen(&permit, standing.digest(), &self.target) {
                return other;
            }
            let done = format!("put {} back to revision {}", self.target, self.revision);
            changed(&self.known.cluster, &permit, &change, done).await
        })
    }
}
