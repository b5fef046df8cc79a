//! `kube.apply`: a manifest that the operator wrote and declared.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::Change;
use crate::clients::kube::declared::DeclaredFile;
use crate::clients::kube::manifest::{Document, documents};
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::tool::args::{made, refused, required};
use crate::tool::kube::{cluster, not_started, rehearsed};
use crate::tool::world::{KnownCluster, World};

fn apply_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.apply"),
        summary: "Apply a manifest that the config declares with its hash, as kubectl apply --server-side does",
        inputs: vec![required(
            "manifest",
            Kind::Word,
            "its name below [kubernetes.CLUSTER.manifest]",
        )],
        gives: vec![],
        max_tier: Tier::Critical,
        tiers: "always critical",
        undo: "none: apply the manifest of before",
        errors: "a manifest that the config does not declare, or that is no longer what was declared; namespaces, rights and secrets; a field that another manager owns (a conflict); no right to patch what it holds (the refusal prints the grant)",
        timeout: Span::mins(2),
        example: "tool = \"kube.apply\"\nargs = { manifest = \"jellyfin\" }",
    }
}

/// `kube.apply`.
pub fn apply(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(apply_spec(), move |args| {
        let known = cluster(&world, args)?;
        let name = args.word("manifest").map_or("", |word| word.as_str());
        let file = known.declared.manifests.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.declared.manifests.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            refused(format!("the config declares no manifest {name}; it declares {names}"))
        })?;
        let target = Target::host(args.call().target.on().clone());
        Ok(Parsed::Action(Box::new(Apply { known, target, file })))
    })
}

struct Apply {
    known: Arc<KnownCluster>,
    /// The cluster.
    target: Target,
    file: DeclaredFile,
}

impl Apply {
    /// What the file wants, as long as it is the file that was declared.
    fn documents(&self) -> Result<Vec<Document>, ToolError> {
        let text = self.file.read().map_err(refused)?;
        documents(&text).map_err(|why| refused(format!("{}: {why}", self.file.file)))
    }

    async fn act(&self, permit: &Permit) -> ActionResult {
        let wanted = match self.documents() {
            Ok(wanted) => wanted,
            Err(why) => return not_started(&why),
        };
        // The preview's own words for the file: another one is another plan.
        if permit.step().effect.artifact != Some(self.file.digest) {
            return ActionResult::NotStarted(format!(
                "{} is no longer what was planned",
                self.file.file
            ));
        }
        let n = wanted.len();
        for (done, document) in wanted.iter().enumerate() {
            if let Err(why) = self.known.cluster.change(permit, &Change::apply(document)).await {
                if done == 0 {
                    return why.result();
                }
                let words =
                    format!("{done} of {n} objects were applied, then at {document}: {why}");
                return match why.result() {
                    ActionResult::Unknown(_) => ActionResult::Unknown(words),
                    ActionResult::Done(_)
                    | ActionResult::NotStarted(_)
                    | ActionResult::Failed(_) => ActionResult::Failed(words),
                };
            }
        }
        ActionResult::Done(format!("applied {n} objects of {}", self.file.file))
    }
}

impl Action for Apply {
    fn tier(&self) -> Tier {
        Tier::Critical
    }

    fn repeat(&self) -> Repeat {
        // What a manifest says is said once more, to the same fields.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let wanted = self.documents()?;
            let mut note = String::new();
            for document in &wanted {
                let rehearsal = rehearsed(&self.known.cluster, &Change::apply(document)).await;
                let rehearsal = rehearsal.map_err(|why| refused(format!("{document}: {why}")))?;
                if note.is_empty() {
                    note = rehearsal;
                }
            }
            let names: Vec<String> = wanted.iter().take(10).map(ToString::to_string).collect();
            let effect = Effect {
                words: format!(
                    "apply {} objects of {} (sha256 {}): {}{note}",
                    wanted.len(),
                    self.file.file,
                    self.file.digest.short(),
                    names.join(", ")
                ),
                max_items: u64::try_from(wanted.len()).unwrap_or(u64::MAX),
                max_bytes: 0,
                takes: Some(Span::mins(1)),
                artifact: Some(self.file.digest),
            };
            Ok((effect, Undo::Impossible("what was there before is not kept".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move { self.act(&permit).await })
    }
}
