//! `kube.drain`: a node takes no new pods, and those on it go elsewhere, one after the other.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::changes::Cordon;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::Pod;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
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
        errors: "a pod that nobody would make anew: the node is not drained; a disruption budget: it stops there; no right to patch nodes or create pods/eviction (the refusal prints the grant)",
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
        Ok(Parsed::Action(Box::new(Drain { known, call, target })))
    })
}

struct Drain {
    known: Arc<KnownCluster>,
    call: Call,
    target: Target,
}

impl Drain {
    /// The pods that would go, each with the uid that it has now. A node is not drained by half: one pod that
    /// would not come back keeps all.
    async fn choose(&self) -> Result<Vec<(Object, String)>, ToolError> {
        let all = self.known.cluster.list::<Pod>(&[], Fresh::Store, None).await.map_err(unread)?;
        let mut chosen = Vec::new();
        for pod in all.items.iter().filter(|pod| pod.spec.node_name == self.target.name()) {
            let (kind, _) = pod.keeper();
            if pod.is_mirror() || pod.is_over() || pod.is_ending() || kind == ObjectKind::DaemonSet
            {
                continue;
            }
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

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move { self.act(&permit).await })
    }
}
