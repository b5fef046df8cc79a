//! `kube.restart`: all pods of a workload anew, as its rollout strategy says.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::objects::{DaemonSet, Deployment, Meta, StatefulSet};
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::Digest;
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::tool::args::{made, optional, refused, required};
use crate::tool::kube::{
    CHANGE, cluster, made as changed, not_started, object, other_than_seen, rehearsed, seen, unread,
};
use crate::tool::world::{KnownCluster, World};

/// What can be brought out anew.
const KEEPERS: [ObjectKind; 3] =
    [ObjectKind::Deployment, ObjectKind::StatefulSet, ObjectKind::DaemonSet];

/// A workload as it stands, for changes of its template.
pub(super) struct Standing {
    pub(super) meta: Meta,
    /// Its pods that are wanted.
    pub(super) pods: i64,
}

impl Standing {
    pub(super) async fn of(known: &KnownCluster, workload: &Object) -> Result<Self, ToolError> {
        let (namespace, name) = (workload.namespace(), workload.name());
        let cluster = &known.cluster;
        Ok(match workload.kind() {
            ObjectKind::Deployment => {
                let one: Deployment = cluster.one(namespace, name).await.map_err(unread)?;
                Self { meta: one.metadata, pods: one.spec.replicas.unwrap_or(1) }
            }
            ObjectKind::StatefulSet => {
                let one: StatefulSet = cluster.one(namespace, name).await.map_err(unread)?;
                Self { meta: one.metadata, pods: one.spec.replicas.unwrap_or(1) }
            }
            ObjectKind::DaemonSet => {
                let one: DaemonSet = cluster.one(namespace, name).await.map_err(unread)?;
                Self { meta: one.metadata, pods: one.status.desired_number_scheduled }
            }
            other @ (ObjectKind::Job
            | ObjectKind::CronJob
            | ObjectKind::Pod
            | ObjectKind::Claim
            | ObjectKind::Secret
            | ObjectKind::Ingress) => {
                return Err(refused(format!(
                    "a {other} has no pods that could be brought out anew"
                )));
            }
        })
    }

    /// The very spec that was looked at: a status that changes is none of ours.
    pub(super) fn digest(&self) -> Digest {
        seen(&[&self.meta.uid, &self.meta.generation.to_string()])
    }

    pub(super) fn items(&self) -> u64 {
        u64::try_from(self.pods).unwrap_or(0).max(1)
    }
}

fn restart_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.restart"),
        summary: "Bring all pods of a workload out anew, as its rollout strategy says",
        inputs: vec![
            required("workload", Kind::Target, "CLUSTER/NAMESPACE/deployment/NAME"),
            optional(
                "named",
                Kind::Target,
                "a stateful set in full: only in a runbook that spells it out",
            ),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: its pods are other ones by then",
        errors: "a stateful set without a runbook that names it; one that was changed meanwhile; no right to patch it (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.restart\"\nargs = { workload = \"k3s/media/deployment/jellyfin\" }",
    }
}

/// `kube.restart`.
pub fn restart(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(restart_spec(), move |args| {
        let (target, workload) = object(args, "workload", &KEEPERS)?;
        let named = match args.call().args.contains_key("named") {
            true => Some(object(args, "named", &KEEPERS)?.0),
            false => None,
        };
        if workload.kind() == ObjectKind::StatefulSet && named.as_ref() != Some(&target) {
            return Err(refused(format!(
                "{target} keeps state. A runbook that means it says named = \"{target}\""
            )));
        }
        let (known, clock) = (cluster(&world, args)?, Arc::clone(&world.now));
        Ok(Parsed::Action(Box::new(Restart { known, clock, target, workload })))
    })
}

struct Restart {
    known: Arc<KnownCluster>,
    clock: Arc<dyn Clock>,
    target: Target,
    workload: Object,
}

impl Restart {
    fn change(&self, standing: &Standing) -> Change {
        let at = crate::clock::zone::stamp(self.clock.now());
        Change::restart(&self.workload, &standing.meta.resource_version, &at)
    }
}

impl Action for Restart {
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
            let standing = Standing::of(&self.known, &self.workload).await?;
            let note = rehearsed(&self.known.cluster, &self.change(&standing)).await?;
            let effect = Effect {
                words: format!(
                    "bring the {} pods of {} out anew{note}",
                    standing.pods, self.target
                ),
                max_items: standing.items(),
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(standing.digest()),
            };
            Ok((effect, Undo::Impossible("its pods are other ones by then".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let standing = match Standing::of(&self.known, &self.workload).await {
                Ok(standing) => standing,
                Err(why) => return not_started(&why),
            };
            if let Some(other) = other_than_seen(&permit, standing.digest(), &self.target) {
                return other;
            }
            let done = format!("marked {} to be brought out anew", self.target);
            changed(&self.known.cluster, &permit, &self.change(&standing), done).await
        })
    }
}
