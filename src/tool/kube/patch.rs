//! `kube.patch`: a patch that the operator wrote and declared, for one object.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::declared::DeclaredFile;
use crate::clients::kube::objects::Meta;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::digest::Digest;
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::tool::args::{made, refused, required};
use crate::tool::kube::rollout::back;
use crate::tool::kube::{
    CHANGE, cluster, made as changed, not_started, other_than_seen, rehearsed, seen, unread,
};
use crate::tool::world::{KnownCluster, World};

fn patch_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.patch"),
        summary: "Patch one object of a cluster as a file says that the config declares with its hash",
        inputs: vec![required("patch", Kind::Word, "its name below [kubernetes.CLUSTER.patch]")],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "a deployment by kube.rollback to the revision before; anything else cannot be undone",
        errors: "a patch that the config does not declare; a file that is no longer what was declared; an object that was changed meanwhile; no right to patch it (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.patch\"\nargs = { patch = \"more-memory\" }",
    }
}

/// `kube.patch`.
pub fn patch(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(patch_spec(), move |args| {
        let known = cluster(&world, args)?;
        let name = args.word("patch").map_or("", |word| word.as_str());
        let declared = known.declared.patches.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.declared.patches.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            refused(format!("the config declares no patch {name}; it declares {names}"))
        })?;
        let (object, file) = declared;
        let call = args.call().clone();
        let target = Target::object(call.target.on().clone(), &object);
        Ok(Parsed::Action(Box::new(Patch { known, call, target, object, file })))
    })
}

struct Patch {
    known: Arc<KnownCluster>,
    call: Call,
    target: Target,
    object: Object,
    file: DeclaredFile,
}

impl Patch {
    async fn plan(&self) -> Result<(Change, Digest), ToolError> {
        let body = self.file.read().map_err(refused)?;
        let body: serde_json::Value = serde_saphyr::from_str(&body)
            .map_err(|_| refused(format!("{} is neither JSON nor YAML", self.file.file)))?;
        let meta: Meta = self.known.cluster.meta(&self.object).await.map_err(unread)?;
        if !body.is_object() {
            return Err(refused(format!("{} is no patch: it must be a table", self.file.file)));
        }
        // What an object is called, whose it is and what it holds on to is not patched.
        if body.get("metadata").is_some_and(|meta| {
            ["name", "namespace", "ownerReferences", "finalizers", "resourceVersion", "uid"]
                .iter()
                .any(|key| meta.get(key).is_some())
        }) {
            return Err(refused(format!(
                "{} changes who the object is; labels and annotations are all of metadata that may be patched",
                self.file.file
            )));
        }
        let digest =
            seen(&[&meta.uid, &meta.generation.to_string(), &self.file.digest.to_string()]);
        Ok((Change::declared(&self.object, &meta.resource_version, body), digest))
    }
}

impl Action for Patch {
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
            let (change, digest) = self.plan().await?;
            let note = rehearsed(&self.known.cluster, &change).await?;
            let effect = Effect {
                words: format!(
                    "patch {} as {} says (sha256 {}){note}",
                    self.target,
                    self.file.file,
                    self.file.digest.short()
                ),
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(digest),
            };
            let undo = match self.object.kind() {
                ObjectKind::Deployment => {
                    back(&self.known, &self.object, &self.call, &self.target).await
                }
                ObjectKind::StatefulSet
                | ObjectKind::DaemonSet
                | ObjectKind::Job
                | ObjectKind::CronJob
                | ObjectKind::Pod
                | ObjectKind::Claim
                | ObjectKind::Secret
                | ObjectKind::Ingress => {
                    Undo::Impossible("what the patch replaces is not kept".into())
                }
            };
            Ok((effect, undo))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let (change, digest) = match self.plan().await {
                Ok(planned) => planned,
                Err(why) => return not_started(&why),
            };
            if let Some(other) = other_than_seen(&permit, digest, &self.target) {
                return other;
            }
            let done = format!("patched {} as {} says", self.target, self.file.file);
            changed(&self.known.cluster, &permit, &change, done).await
        })
    }
}
