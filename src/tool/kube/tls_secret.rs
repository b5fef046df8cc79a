//! `kube.tls_secret`: a renewed certificate and its key into the one secret that a runbook names.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::change::NotChanged;
use crate::clients::kube::declared::Wire;
use crate::clients::tls::TlsServer;
use crate::clients::tls::pair::{Pair, PairFiles};
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::Kind;
use crate::tool::args::{failed, made, refused, required};
use crate::tool::kube::{CHANGE, cluster, not_started, object, seen};
use crate::tool::network::Web;
use crate::tool::world::{KnownCluster, World};

fn secret_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.tls_secret"),
        summary: "Replace certificate and key of the TLS secret that the runbook names",
        inputs: vec![required(
            "secret",
            Kind::Target,
            "CLUSTER/NAMESPACE/secret/NAME, spelled out in the runbook and declared below [kubernetes.CLUSTER.tls_secret]",
        )],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high, and only as a step of a runbook that spells the secret out",
        undo: "none: the former key is not kept",
        errors: "a secret that the config does not declare; files that reef may not read, or that do not belong together; an endpoint that goes on serving the former one; no right to patch that one secret (the refusal prints the grant)",
        timeout: CHANGE,
        example: "tool = \"kube.tls_secret\"\nargs = { secret = \"k3s/web/secret/site-tls\" }",
    }
}

/// `kube.tls_secret`.
pub fn tls_secret(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(secret_spec(), move |args| {
        let (target, secret) = object(args, "secret", &[ObjectKind::Secret])?;
        let known = cluster(&world, args)?;
        let files = known.declared.secrets.get(&secret).cloned().ok_or_else(|| {
            refused(format!(
                "the config does not say which files go into {target}: declare it below [kubernetes.{}.tls_secret]",
                target.on()
            ))
        })?;
        let wire = files.wire.map(|wire| {
            let peer = world.inventory.endpoints.get(&wire.endpoint).and_then(|e| e.tls.clone());
            let peer = peer.ok_or_else(|| {
                refused(format!(
                    "[kubernetes.{}.tls_secret] names the endpoint {}, and no tls probe of the config has that name",
                    target.on(),
                    wire.endpoint
                ))
            });
            peer.map(|peer| (wire, peer))
        });
        let (wire, files) = (wire.transpose()?, files.files);
        let (clock, web) = (Arc::clone(&world.now), Arc::clone(&world.web));
        Ok(Parsed::Action(Box::new(Replace { known, clock, web, target, secret, files, wire })))
    })
}

struct Replace {
    known: Arc<KnownCluster>,
    clock: Arc<dyn Clock>,
    web: Arc<dyn Web>,
    target: Target,
    secret: Object,
    files: PairFiles,
    /// Where it is read once it is replaced.
    wire: Option<(Wire, TlsServer)>,
}

/// How often what is served is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

impl Replace {
    /// What is served since: a secret that nobody reads anew has mended nothing.
    async fn served(&self, serial: &str) -> ActionResult {
        let done = format!("replaced certificate and key of {} (serial {serial})", self.target);
        let Some((wire, peer)) = &self.wire else {
            return ActionResult::Done(format!(
                "{done}; what is served was not looked at: the config names no endpoint for it"
            ));
        };
        let until = tokio::time::Instant::now() + wire.within.duration();
        loop {
            let shown = self.web.certificate(peer).await;
            match &shown {
                Ok(leaf) if leaf.serial == serial => {
                    return ActionResult::Done(format!("{done}; {} serves it", wire.endpoint));
                }
                Ok(_) | Err(_) if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(LOOK).await;
                }
                Ok(leaf) => {
                    return ActionResult::Failed(format!(
                        "{done}, but {} still serves serial {} after {}: what serves it has not read it anew",
                        wire.endpoint, leaf.serial, wire.within
                    ));
                }
                Err(why) => {
                    return ActionResult::Failed(format!(
                        "{done}, but what {} serves could not be seen: {why}",
                        wire.endpoint
                    ));
                }
            }
        }
    }
}

impl Action for Replace {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        // The very pair that was planned, whatever is in the secret by then.
        Repeat::Safe
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let pair = Pair::read(&self.files, now).map_err(refused)?;
            // Neither this question nor its answer has a key in it.
            let note = match self.known.cluster.rehearse_tls_secret(&self.secret).await {
                Ok(()) => String::new(),
                Err(why @ NotChanged::Denied(_)) => format!(". Not rehearsed: {why}"),
                Err(NotChanged::Invalid(_)) => {
                    return Err(refused(format!("{} is no secret of certificates", self.target)));
                }
                Err(
                    why @ (NotChanged::NotSent(_) | NotChanged::Unknown(_) | NotChanged::Lost(_)),
                ) => {
                    return Err(failed(format!("it could not be rehearsed: {why}")));
                }
                Err(why) => return Err(refused(format!("{}: {why}", self.target))),
            };
            let names: Vec<String> = pair.leaf.names.iter().map(ToString::to_string).collect();
            let words = format!(
                "replace certificate and key of {} by those of {}: for {}, good for {}{note}",
                self.target,
                self.files.certificate,
                names.join(", "),
                pair.leaf.not_after.since(now)
            );
            let effect = Effect {
                words,
                max_items: 1,
                max_bytes: 0,
                takes: Some(Span::secs(2)),
                artifact: Some(seen(&[&pair.digest.to_string()])),
            };
            Ok((effect, Undo::Impossible("the former key is not kept".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let pair = match Pair::read(&self.files, self.clock.now()) {
                Ok(pair) => pair,
                Err(why) => return not_started(&refused(why)),
            };
            if permit.step().effect.artifact != Some(seen(&[&pair.digest.to_string()])) {
                return ActionResult::NotStarted(format!(
                    "{} holds another certificate than when this was planned",
                    self.files.certificate
                ));
            }
            match self.known.cluster.replace_tls_secret(&permit, &self.secret, &pair).await {
                Ok(()) => self.served(&pair.leaf.serial).await,
                Err(why) => why.result(),
            }
        })
    }
}
