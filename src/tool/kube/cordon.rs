//! `kube.cordon` and `kube.uncordon`: whether a node takes new work.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::changes::Cordon;
use crate::clients::kube::objects::Node;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo, nothing_to_do,
};
use crate::model::value::Kind;
use crate::tool::args::{made, required};
use crate::tool::kube::{
    CHANGE, cluster, made as changed, node, not_started, other_than_seen, rehearsed, seen, unread,
};
use crate::tool::world::{KnownCluster, World};

fn cordon_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.cordon"),
        summary: "Let a node take no new pods; those on it stay",
        inputs: vec![required("node", Kind::Target, "CLUSTER:member:NODE")],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "kube.uncordon",
        errors: "a node that is cordoned already is left as it is; no right to patch nodes (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.cordon\"\nargs = { node = \"k3s:member:pi-1\" }",
    }
}

fn uncordon_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.uncordon"),
        summary: "Let a node take new pods again",
        undo: "kube.cordon",
        errors: "a node that takes new pods already is left as it is; no right to patch nodes (the refusal prints the grant)",
        example: "tool = \"kube.uncordon\"\nargs = { node = \"k3s:member:pi-1\" }",
        ..cordon_spec()
    }
}

/// `kube.cordon`.
pub fn cordon(world: &World) -> Box<dyn Tool> {
    tool(world, cordon_spec(), Cordon::On)
}

/// `kube.uncordon`.
pub fn uncordon(world: &World) -> Box<dyn Tool> {
    tool(world, uncordon_spec(), Cordon::Off)
}

fn tool(world: &World, spec: ToolSpec, to: Cordon) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec, move |args| {
        let target = node(args, "node")?;
        let (known, call) = (cluster(&world, args)?, args.call().clone());
        Ok(Parsed::Action(Box::new(Set { known, call, target, to })))
    })
}

struct Set {
    known: Arc<KnownCluster>,
    call: Call,
    target: Target,
    to: Cordon,
}

/// The node as it stands.
pub(super) async fn look(known: &KnownCluster, target: &Target) -> Result<Node, ToolError> {
    known.cluster.one("", target.name()).await.map_err(unread)
}

fn digest(node: &Node) -> crate::model::digest::Digest {
    seen(&[&node.metadata.uid, &node.spec.unschedulable.to_string()])
}

impl Set {
    fn change(&self, node: &Node) -> Change {
        Change::cordon(self.target.name(), &node.metadata.resource_version, self.to)
    }

    fn words(&self) -> String {
        match self.to {
            Cordon::On => {
                format!("cordon {}: it takes no new pods, and those on it stay", self.target)
            }
            Cordon::Off => format!("uncordon {}: it takes new pods again", self.target),
        }
    }
}

impl Action for Set {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        // A state that is set: what is so already stays so.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let node = look(&self.known, &self.target).await?;
            if node.spec.unschedulable == (self.to == Cordon::On) {
                let words = format!("{} is so already", self.target);
                return Ok(nothing_to_do(words));
            }
            let note = rehearsed(&self.known.cluster, &self.change(&node)).await?;
            let effect = Effect {
                words: format!("{}{note}", self.words()),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(1)),
                artifact: Some(digest(&node)),
            };
            let back = match self.to {
                Cordon::On => "kube.uncordon",
                Cordon::Off => "kube.cordon",
            };
            Ok((effect, Undo::By(Call { tool: ToolName::of(back), ..self.call.clone() })))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let node = match look(&self.known, &self.target).await {
                Ok(node) => node,
                Err(why) => return not_started(&why),
            };
            if node.spec.unschedulable == (self.to == Cordon::On) {
                return ActionResult::Done(format!("{} is so already", self.target));
            }
            if let Some(other) = other_than_seen(&permit, digest(&node), &self.target) {
                return other;
            }
            changed(&self.known.cluster, &permit, &self.change(&node), self.words()).await
        })
    }
}
