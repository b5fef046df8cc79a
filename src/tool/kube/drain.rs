//! `kube.drain`: a node takes no new pods, and those on it go elsewhere, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::changes::Cordon;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::Pod;
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo,
};
use crate::model::value::Kind;
use crate::tool::args::{made, refused, required};
use crate::tool::kube::cordon::look;
use crate::tool::kube::{cluster, node, not_started, rehearsed, unread};
use crate::tool::world::{KnownCluster, World};

fn drain_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.drain"),
        summary: "Cordon a node and evict the pods on it, but for those of daemon sets",
        inputs: vec![required("node", Kind::Target, "CLUSTER:member:NODE")],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "kube.uncordon; pods that went elsewhere do not come back by themselves",
        errors: "a pod that nobody would make anew, or the last replicas that serve: the node is not drained; a disruption budget: it stops there; no right to patch nodes or create pods/eviction (the refusal prints the grant)",
        timeout: Span::mins(5),
        example: "tool = \"kube.drain\"\nargs = { node = \"k3s:member:pi-1\" }",
    }
}

/// `kube.drain`.
pub fn drain(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(drain_spec(), move |args| {
        let target = node(args, "node")?;
        let (known, call) = (cluster(&world, args)?, args.call().clone());
        let clock = Arc::clone(&world.now);
        Ok(Parsed::Action(Box::new(Drain { known, clock, call, target })))
    })
}

struct Drain {
    known: Arc<KnownCluster>,
    clock: Arc<dyn Clock>,
    call: Call,
    target: Target,
}

impl Drain {
    async fn pods(&self) -> Result<Vec<Pod>, ToolError> {
        let all = self.known.cluster.list::<Pod>(&[], Fresh::Store, None).await;
        Ok(all.map_err(unread)?.items)
    }

    /// Whether a drain would send this pod away.
    fn goes(&self, pod: &Pod) -> bool {
        let stays = pod.is_mirror() || pod.is_over() || pod.is_ending();
        pod.spec.node_name == self.target.name()
            && !stays
            && pod.keeper().0 != ObjectKind::DaemonSet
    }

    /// The workloads with pods that would go: how many of each serve, and how many would be left elsewhere.
    fn families(&self, all: &[Pod]) -> Vec<(String, Replicas)> {
        let now = self.clock.now();
        let of = |pod: &Pod| (pod.metadata.namespace.clone(), pod.keeper());
        let hit: BTreeSet<_> = all.iter().filter(|pod| self.goes(pod)).map(of).collect();
        let family = |family: &(String, (ObjectKind, String))| {
            let own = || all.iter().filter(|pod| of(pod) == *family && !pod.is_over());
            let serving = || own().filter(|pod| pod.serves(now));
            let stay = serving().filter(|pod| !self.goes(pod)).count();
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let (namespace, (kind, name)) = family;
            let replicas = Replicas {
                of: count(own().count()),
                healthy: count(serving().count()),
                leaves: count(stay),
            };
            (format!("{namespace}/{kind}/{name}"), replicas)
        };
        hit.iter().map(family).collect()
    }

    /// The pods that would go, each with the uid that it has now. A node is not drained by half: one pod that
    /// would not come back keeps all.
    async fn choose(&self) -> Result<Vec<(Object, String)>, ToolError> {
        let all = self.pods().await?;
        if let Some((workload, _)) =
            self.families(&all).into_iter().find(|(_, left)| left.takes_the_last())
        {
            return Err(refused(format!(
                "the last replicas of {workload} that serve are on {}: it is not drained before one serves elsewhere (cordon it, and evict one of them)",
                self.target
            )));
        }
        let mut chosen = Vec::new();
        for pod in all.iter().filter(|pod| self.goes(pod)) {
            let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
            if pod.metadata.controller().is_none() {
                return Err(refused(format!(
                    "{namespace}/{name} on {} is kept by nobody and would not come back: {} is not drained",
                    self.target, self.target
                )));
            }
            let object = Object::new(namespace, ObjectKind::Pod, name).map_err(refused)?;
            chosen.push((object, pod.metadata.uid.clone()));
        }
        Ok(chosen)
    }

    async fn act(&self, permit: &Permit) -> ActionResult {
        let chosen = match self.choose().await {
            Ok(chosen) => chosen,
            Err(why) => return not_started(&why),
        };
        let n = chosen.len();
        if permit.step().effect.max_items < u64::try_from(n).unwrap_or(u64::MAX).max(1) {
            return ActionResult::NotStarted(format!(
                "{n} pods are on {} by now, more than was planned",
                self.target
            ));
        }
        let node = match look(&self.known, &self.target).await {
            Ok(node) => node,
            Err(why) => return not_started(&why),
        };
        let cluster = &self.known.cluster;
        if !node.spec.unschedulable {
            let version = &node.metadata.resource_version;
            let cordon = Change::cordon(self.target.name(), version, Cordon::On);
            if let Err(why) = cluster.change(permit, &cordon).await {
                return why.result();
            }
        }
        for (done, (pod, uid)) in chosen.iter().enumerate() {
            if let Err(why) = cluster.change(permit, &Change::evict(pod, uid)).await {
                let words = format!(
                    "{} is cordoned, {done} of {n} pods were evicted, then at {}/{}: {why}",
                    self.target,
                    pod.namespace(),
                    pod.name()
                );
                return match why.result() {
                    ActionResult::Unknown(_) => ActionResult::Unknown(words),
                    ActionResult::Done(_)
                    | ActionResult::NotStarted(_)
                    | ActionResult::Failed(_) => ActionResult::Failed(words),
                };
            }
        }
        ActionResult::Done(format!("cordoned {} and evicted {n} pods from it", self.target))
    }
}

impl Action for Drain {
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
            let chosen = self.choose().await?;
            let node = look(&self.known, &self.target).await?;
            let version = &node.metadata.resource_version;
            let cordon = Change::cordon(self.target.name(), version, Cordon::On);
            let mut note = rehearsed(&self.known.cluster, &cordon).await?;
            for (pod, uid) in &chosen {
                let rehearsal = rehearsed(&self.known.cluster, &Change::evict(pod, uid)).await?;
                if note.is_empty() {
                    note = rehearsal;
                }
            }
            let stateful = "those of stateful sets among them";
            let words = format!(
                "cordon {} and evict the {} pods on it, {stateful}{note}",
                self.target,
                chosen.len()
            );
            let effect = Effect {
                words,
                max_items: u64::try_from(chosen.len()).unwrap_or(u64::MAX).max(1),
                max_bytes: 0,
                takes: Some(Span::mins(2)),
                artifact: None,
            };
            let undo = match node.spec.unschedulable {
                true => {
                    Undo::Impossible("it was cordoned before, and its pods went elsewhere".into())
                }
                false => {
                    let tool = ToolName::of("kube.uncordon");
                    Undo::By(Call { tool, ..self.call.clone() })
                }
            };
            Ok((effect, undo))
        })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(async move {
            let families = self.families(&self.pods().await?);
            // The one that fares worst speaks for all.
            let worst = families.into_iter().map(|(_, replicas)| replicas);
            Ok(worst.max_by_key(|one| (one.takes_the_last(), std::cmp::Reverse(one.leaves))))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move { self.act(&permit).await })
    }
}
