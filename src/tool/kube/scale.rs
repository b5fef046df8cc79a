//! `kube.scale`: how many pods a workload shall have.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo, nothing_to_do,
};
use crate::model::value::{Kind, Value};
use crate::tool::args::{made, refused, required};
use crate::tool::kube::{
    CHANGE, cluster, made as changed, not_started, object, other_than_seen, rehearsed, seen, unread,
};
use crate::tool::world::{KnownCluster, World};

/// More pods of one workload are a slip of the pen.
const MOST: i64 = 50;

fn scale_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.scale"),
        summary: "Set how many pods a deployment or a stateful set shall have",
        inputs: vec![
            required("workload", Kind::Target, "CLUSTER/NAMESPACE/deployment/NAME"),
            required("replicas", Kind::Int, "1 to 50: nothing is scaled to none"),
        ],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "kube.scale back to what it was",
        errors: "one that was scaled meanwhile; no right to patch its scale (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.scale\"\nargs = { workload = \"k3s/media/deployment/jellyfin\", replicas = 2 }",
    }
}

/// `kube.scale`.
pub fn scale(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(scale_spec(), move |args| {
        let kinds = [ObjectKind::Deployment, ObjectKind::StatefulSet];
        let (target, workload) = object(args, "workload", &kinds)?;
        let replicas = match args.call().args.get("replicas") {
            Some(Value::Int(n)) if (1..=MOST).contains(n) => *n,
            _ => {
                return Err(refused(format!(
                    "replicas is 1 to {MOST}: to switch {target} off is a human's decision"
                )));
            }
        };
        let (known, call) = (cluster(&world, args)?, args.call().clone());
        Ok(Parsed::Action(Box::new(Scale { known, call, target, workload, replicas })))
    })
}

struct Scale {
    known: Arc<KnownCluster>,
    call: Call,
    target: Target,
    workload: Object,
    replicas: i64,
}

/// The scale as it stands, and the change of it.
struct Planned {
    uid: String,
    now: i64,
    change: Change,
}

impl Scale {
    async fn plan(&self) -> Result<Planned, ToolError> {
        let (namespace, name) = (self.workload.namespace(), self.workload.name());
        let cluster = &self.known.cluster;
        let scale =
            cluster.scale_of(namespace, self.workload.kind(), name).await.map_err(unread)?;
        let change = Change::scale(&self.workload, &scale.metadata.resource_version, self.replicas);
        Ok(Planned { uid: scale.metadata.uid, now: scale.spec.replicas, change })
    }
}

impl Planned {
    fn digest(&self) -> crate::model::digest::Digest {
        seen(&[&self.uid, &self.now.to_string()])
    }
}

impl Action for Scale {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        // A number that is set: what is so already stays so.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let planned = self.plan().await?;
            let changes = planned.now.abs_diff(self.replicas);
            if changes == 0 {
                let words = format!("{} shall have {} pods already", self.target, self.replicas);
                return Ok(nothing_to_do(words));
            }
            let note = rehearsed(&self.known.cluster, &planned.change).await?;
            let effect = Effect {
                words: format!(
                    "scale {} from {} to {} pods{note}",
                    self.target, planned.now, self.replicas
                ),
                max_items: changes,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(planned.digest()),
            };
            let undo = match planned.now {
                0 => Undo::Impossible("it was switched off: that is a human's decision".into()),
                before => {
                    let mut back = self.call.clone();
                    back.args.insert("replicas".into(), Value::Int(before));
                    Undo::By(back)
                }
            };
            Ok((effect, undo))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let planned = match self.plan().await {
                Ok(planned) => planned,
                Err(why) => return not_started(&why),
            };
            if planned.now == self.replicas {
                let words = format!("{} shall have {} pods already", self.target, planned.now);
                return ActionResult::Done(words);
            }
            if let Some(other) = other_than_seen(&permit, planned.digest(), &self.target) {
                return other;
            }
            let done =
                format!("scaled {} from {} to {} pods", self.target, planned.now, self.replicas);
            changed(&self.known.cluster, &permit, &planned.change, done).await
        })
    }
}
