//! `kube.evict`: one pod goes, and its controller makes another one. `kube.evict_bare`: one goes for good.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::{Change, NotChanged};
use crate::clients::kube::manifest::is_system;
use crate::clients::kube::objects::Pod;
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Replicas, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::tool::args::{made, optional, refused, required};
use crate::tool::kube::pod::owner;
use crate::tool::kube::{
    CHANGE, cluster, ill, not_started, object, other_than_seen, pods_of, rehearsed, seen, told,
    unread,
};
use crate::tool::world::{KnownCluster, World};

fn evict_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.evict"),
        summary: "Evict one pod, so that its controller makes another one",
        inputs: vec![
            required("pod", Kind::Target, "CLUSTER/NAMESPACE/pod/NAME"),
            optional(
                "named",
                Kind::Target,
                "the workload in full, where it keeps state or is the cluster's own: only in a runbook that spells it out",
            ),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none: its controller makes another one, and the old one is gone",
        errors: "stateful, daemon, bare and system pods without a runbook that names them; the last replica that serves; a disruption budget; no right to create pods/eviction (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.evict\"\nargs = { pod = \"k3s/media/pod/jellyfin-7d9f-x2x4k\" }",
    }
}

/// Kinds that a runbook may name.
const NAMED: [ObjectKind; 4] =
    [ObjectKind::Deployment, ObjectKind::StatefulSet, ObjectKind::DaemonSet, ObjectKind::Job];

/// Whether the pod comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    ByController,
    /// Nobody keeps it: it is gone for good.
    ByNobody,
}

fn bare_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.evict_bare"),
        summary: "Evict one pod that nobody keeps: it does not come back",
        inputs: vec![required(
            "pod",
            Kind::Target,
            "CLUSTER/NAMESPACE/pod/NAME: only in a runbook that spells it out",
        )],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: nobody makes another one",
        errors: "a pod that a controller keeps; a disruption budget; no right to create pods/eviction (the refusal prints the grant)",
        example: "tool = \"kube.evict_bare\"\nargs = { pod = \"k3s/media/pod/import\" }",
        ..evict_spec()
    }
}

/// `kube.evict_bare`.
pub fn evict_bare(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(bare_spec(), move |args| {
        let (target, pod) = object(args, "pod", &[ObjectKind::Pod])?;
        let known = cluster(&world, args)?;
        let about = args.call().target.clone();
        let clock = Arc::clone(&world.now);
        let kept = Kept::ByNobody;
        Ok(Parsed::Action(Box::new(Evict { known, clock, about, target, pod, kept, named: None })))
    })
}

/// `kube.evict`.
pub fn evict(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(evict_spec(), move |args| {
        let (target, pod) = object(args, "pod", &[ObjectKind::Pod])?;
        let named = match args.call().args.contains_key("named") {
            true => Some(object(args, "named", &NAMED)?.0),
            false => None,
        };
        let known = cluster(&world, args)?;
        let about = args.call().target.clone();
        let clock = Arc::clone(&world.now);
        let kept = Kept::ByController;
        Ok(Parsed::Action(Box::new(Evict { known, clock, about, target, pod, kept, named })))
    })
}

struct Evict {
    known: Arc<KnownCluster>,
    clock: Arc<dyn Clock>,
    /// What the call is about: mostly the workload.
    about: Target,
    target: Target,
    pod: Object,
    kept: Kept,
    named: Option<Target>,
}

/// A pod that may be evicted.
struct Chosen {
    uid: String,
    words: String,
}

/// The pod with those that the same workload keeps.
struct Family {
    pod: Pod,
    owner: Target,
    of: usize,
    /// How many of the others serve.
    serving: usize,
}

impl Evict {
    async fn family(&self) -> Result<Family, ToolError> {
        let cluster = &self.known.cluster;
        let pod: Pod = cluster.one(self.pod.namespace(), self.pod.name()).await.map_err(unread)?;
        let owner = owner(&self.target, &pod);
        let siblings = match owner.as_object() {
            Some(workload) => pods_of(cluster, &workload).await?,
            None => Vec::new(),
        };
        let now = self.clock.now();
        let others = siblings.iter().filter(|other| other.metadata.uid != pod.metadata.uid);
        let serving = others.filter(|other| other.serves(now)).count();
        Ok(Family { pod, owner, of: siblings.len(), serving })
    }

    /// Looks at the pod and its siblings, and says why it must stay, if it must.
    async fn choose(&self) -> Result<Chosen, ToolError> {
        let Family { pod, owner, serving, .. } = self.family().await?;
        if pod.is_ending() {
            return Err(refused(format!("{} is being deleted already", self.target)));
        }
        self.may_go(&pod, &owner)?;
        let now = self.clock.now();
        if self.kept == Kept::ByController && pod.serves(now) && serving == 0 {
            return Err(refused(format!(
                "{} is the last replica of {owner} that serves: it stays",
                self.target
            )));
        }
        let found = ill::of(&pod, now);
        let words = format!(
            "evict {} of {owner} (now {}, {serving} of its pods serve besides): {}",
            self.target,
            found.shown(),
            match self.kept {
                Kept::ByController => "its controller makes another one",
                Kept::ByNobody => "nobody makes another one, and what it kept is gone",
            }
        );
        Ok(Chosen { uid: pod.metadata.uid, words })
    }

    /// What is not simply made anew goes only where the runbook names it.
    fn may_go(&self, pod: &Pod, owner: &Target) -> Result<(), ToolError> {
        if pod.is_mirror() {
            return Err(refused(format!("{} is kept by its node from a file there", self.target)));
        }
        let by = pod.metadata.controller().map_or("", |owner| owner.kind.as_str());
        match (self.kept, by) {
            (Kept::ByNobody, "") => return Ok(()),
            (Kept::ByNobody, by) => {
                return Err(refused(format!(
                    "{} is kept by a {by}: kube.evict is for that",
                    self.target
                )));
            }
            (Kept::ByController, "") => {
                return Err(refused(format!(
                    "{} is left alone: nobody keeps it, and it would not come back. A runbook that means it says kube.evict_bare and spells it out",
                    self.target
                )));
            }
            (Kept::ByController, _) => {}
        }
        if self.named.as_ref() == Some(owner) {
            return Ok(());
        }
        let why = match by {
            "ReplicaSet" => None,
            "StatefulSet" => Some("it is one of a stateful set"),
            "DaemonSet" => Some("it would come back on the very same node"),
            "Job" => Some("its job would count that as a failure"),
            _ => Some("its controller is none that reef knows"),
        };
        let why = why
            .or_else(|| is_system(self.pod.namespace()).then_some("the cluster itself runs there"))
            .or_else(|| {
                (!pod.is_stateless()).then_some("it mounts a claim or a folder of its node")
            });
        match why {
            None => Ok(()),
            Some(why) => Err(refused(format!(
                "{} is left alone: {why}. A runbook that means it says named = \"{owner}\"",
                self.target
            ))),
        }
    }
}

impl Action for Evict {
    fn tier(&self) -> Tier {
        match self.kept {
            Kept::ByController => Tier::High,
            Kept::ByNobody => Tier::Critical,
        }
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        let mut keys = vec![self.about.clone(), self.target.clone()];
        keys.dedup();
        keys
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let chosen = self.choose().await?;
            let change = Change::evict(&self.pod, &chosen.uid);
            let note = match self.known.cluster.rehearse(&change).await {
                Err(NotChanged::NotOffered(_)) => {
                    let delete = Change::delete_pod(&self.pod, &chosen.uid);
                    let note = rehearsed(&self.known.cluster, &delete).await?;
                    format!("; by deletion, because this API server offers no evictions{note}")
                }
                Err(why @ NotChanged::Denied(_)) => format!(". Not rehearsed: {why}"),
                Err(
                    why @ (NotChanged::NotSent(_) | NotChanged::Unknown(_) | NotChanged::Lost(_)),
                ) => {
                    return Err(crate::tool::args::failed(format!(
                        "it could not be rehearsed: {why}"
                    )));
                }
                Err(why) => return Err(refused(format!("{}: {why}", self.target))),
                Ok(()) => String::new(),
            };
            let words = format!("{}{note}", chosen.words);
            let effect = Effect {
                words: told(&self.known, &words).to_string(),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(30)),
                artifact: Some(seen(&[&chosen.uid])),
            };
            Ok((effect, Undo::Impossible("a pod that is gone does not come back".into())))
        })
    }

    fn replicas(&self) -> Fut<'_, Result<Option<Replicas>, ToolError>> {
        Box::pin(async move {
            if self.kept == Kept::ByNobody {
                return Ok(None);
            }
            let family = self.family().await?;
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let own = usize::from(family.pod.serves(self.clock.now()));
            Ok(Some(Replicas {
                of: count(family.of),
                healthy: count(family.serving + own),
                leaves: count(family.serving),
            }))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let chosen = match self.choose().await {
                Ok(chosen) => chosen,
                Err(why) => return not_started(&why),
            };
            if let Some(other) = other_than_seen(&permit, seen(&[&chosen.uid]), &self.target) {
                return other;
            }
            let cluster = &self.known.cluster;
            let evicted = cluster.change(&permit, &Change::evict(&self.pod, &chosen.uid)).await;
            match evicted {
                Ok(()) => ActionResult::Done(format!("evicted {}", self.target)),
                // Only here: a budget that says no is no reason to delete.
                Err(NotChanged::NotOffered(_)) => {
                    let delete = Change::delete_pod(&self.pod, &chosen.uid);
                    match cluster.change(&permit, &delete).await {
                        Ok(()) => ActionResult::Done(format!(
                            "deleted {}: this API server offers no evictions",
                            self.target
                        )),
                        Err(why) => why.result(),
                    }
                }
                Err(why) => why.result(),
            }
        })
    }
}
