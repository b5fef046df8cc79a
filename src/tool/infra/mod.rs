//! Virtual machines of declared providers: power, shape, firewall and snapshots. Each is one deed, proven by
//! looking at the machine again: a provider's yes proves nothing.

pub mod firewall;
pub mod power;
pub mod shape;
pub mod snapshot;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::Fut;
use crate::clients::provider::{Deed, Known, Machine, Made, Power, StoppedBy};
use crate::gate::permit::Permit;
use crate::gate::rules::UNDO_FOR;
use crate::gate::tool::{Action, Parsed};
use crate::model::digest::Digest;
use crate::model::ids::ToolName;
use crate::model::target::{Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Holds, Repeat, Tier, ToolError, Undo, nothing_to_do,
};
use crate::model::value::{Value, human_bytes};
use crate::tool::args::{Args, failed, refused};
use crate::tool::world::World;

/// The words of every tool's one argument.
const ARGUMENT: &str = "PROVIDER:vm:NAME, which [provider.PROVIDER] vms names";
/// What mostly goes wrong, with every one of them.
const ERRORS: &str = "a machine that the config does not name, or that a backup or a migration holds; a right that the token does not have (the refusal prints the grant)";
/// Tasks of minutes: a shutdown, a full copy, a rollback.
const TIMEOUT: Span = Span::mins(10);
/// What is left of it for the looks before and after.
const LOOKS: Span = Span::secs(60);
/// A change may show a moment later.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// A deed on one machine of a provider.
struct Change {
    world: World,
    known: Arc<Known>,
    call: Call,
    /// The operator's name of it.
    target: Target,
    /// What its provider calls it.
    id: String,
    deed: Deed,
    /// The tier of what carries it out, where that has one of its own: as it is now.
    means: Option<Tier>,
}

/// The call of a tool here, once its deed is known.
fn change(
    world: &World,
    args: &Args<'_>,
    deed: impl FnOnce(&Known, &Target) -> Result<Deed, ToolError>,
) -> Result<Parsed, ToolError> {
    let target = args.target("vm", Thing::Vm)?.clone();
    let known = world.providers.get(target.on()).cloned().ok_or_else(|| {
        let names: Vec<_> = world.providers.keys().map(ToString::to_string).collect();
        refused(format!(
            "{} is no provider of the config; write [provider.{0}]. Known: {}",
            target.on(),
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        ))
    })?;
    let id = known.machines.get(target.name()).cloned().ok_or_else(|| {
        refused(format!(
            "{target} is not among the machines that reef may touch; name it in vms of [provider.{}]",
            target.on()
        ))
    })?;
    let deed = deed(&known, &target)?;
    let call = args.call().clone();
    let means = known.provider.means(&deed).map(|means| means.tier);
    let world = world.clone();
    Ok(Parsed::Action(Box::new(Change { world, known, call, target, id, deed, means })))
}

impl Change {
    /// How the machine is, if this may be done to it now.
    async fn allowed(&self) -> Result<Machine, ToolError> {
        let machine = self.known.provider.look(&self.id).await.map_err(failed)?;
        if let Some(why) = self.against(&machine).await? {
            return Err(refused(format!("{}: {why}", self.target)));
        }
        Ok(machine)
    }

    /// Why not, if anything stands against it.
    async fn against(&self, now: &Machine) -> Result<Option<String>, ToolError> {
        let makes = matches!(self.deed, Deed::Create { .. });
        if now.power == Power::Absent {
            let deletes = self.deed == Deed::Delete;
            return Ok((!makes && !deletes).then(|| "there is no such machine".to_owned()));
        }
        if makes {
            return Ok(Some("there is a machine of this number already".into()));
        }
        if let Some(lock) = &now.lock {
            return Ok(Some(format!("{lock} holds it at the moment")));
        }
        let switches =
            matches!(self.deed, Deed::Start | Deed::Stop | Deed::Rollback { .. } | Deed::Delete);
        if switches && let Some(manager) = &now.manager {
            return Ok(Some(format!("{manager} starts and stops it: ask that")));
        }
        Ok(match &self.deed {
            Deed::Start | Deed::Stop if now.power == Power::Other => {
                Some(format!("it is {}: look at it", now.power.word()))
            }
            Deed::Start if now.power == Power::Stopped => self.stopped(now).await?,
            Deed::Grow { volume, to } => match now.volumes.get(volume) {
                Some(size) if to < size => Some(format!(
                    "{volume} has {}: a volume only grows, because what is cut off is lost",
                    human_bytes(*size)
                )),
                Some(_) => None,
                None => {
                    let known: Vec<_> = now.volumes.keys().map(String::as_str).collect();
                    Some(format!("it has no volume {volume}; it has {}", known.join(", ")))
                }
            },
            Deed::Limit { cores: Some(_), .. } if now.cores.is_none() => {
                Some("it has no number of cores, which could not be put back".into())
            }
            Deed::Limit { memory: Some(_), .. } if now.memory.is_none() => {
                Some("its memory is not told, and could not be put back".into())
            }
            Deed::Delete if now.origin != Made::ByReef => {
                Some("reef did not make it, and deletes no other".into())
            }
            Deed::Delete if now.power != Power::Stopped => {
                Some(format!("it is {}: only a stopped one is deleted", now.power.word()))
            }
            Deed::Rollback { name } if !now.has_snapshot(name) => {
                Some(format!("it has no snapshot {name} (any more)"))
            }
            Deed::Start
            | Deed::Stop
            | Deed::Create { .. }
            | Deed::Delete
            | Deed::Limit { .. }
            | Deed::Admit(_)
            | Deed::Withdraw(_)
            | Deed::Snapshot { .. }
            | Deed::Rollback { .. }
            | Deed::Forget { .. } => None,
        })
    }

    /// What somebody stopped is not started: that is no fault. What reef itself stopped or made may be.
    async fn stopped(&self, now: &Machine) -> Result<Option<String>, ToolError> {
        Ok(match &now.stopped_by {
            StoppedBy::Itself | StoppedBy::Reef => None,
            StoppedBy::Somebody(who) => Some(format!("{who} stopped it, and reef leaves it so")),
            StoppedBy::Unknown => {
                let since = self.world.now.now() - UNDO_FOR;
                let (mut own, deeds) = (0, &self.world.deeds);
                for tool in ["vm.stop", "vm.create"] {
                    let count = deeds.count(&ToolName::of(tool), &self.call.target, since).await;
                    own += count.map_err(failed)?;
                }
                (own == 0).then(|| {
                    "nobody tells why it is stopped, and what was stopped on purpose stays so"
                        .into()
                })
            }
        })
    }

    /// What must still be as it was when the human said yes: the machine, and what changes it.
    fn mark(&self, now: &Machine, exactly: Option<Digest>) -> Digest {
        let seen = self.deed.seen(now);
        match exactly {
            Some(exactly) => Digest::of(format!("{seen} {exactly}").as_bytes()),
            None => seen,
        }
    }

    /// Looks whether it came to pass.
    async fn proven(&self, before: &Machine) -> ActionResult {
        let what = self.words(before);
        let mut is = String::new();
        for n in 0..TRIES {
            if 0 < n {
                tokio::time::sleep(PAUSE).await;
            }
            match self.known.provider.look(&self.id).await {
                Ok(after) if self.deed.came(before, &after) => {
                    return ActionResult::Done(format!("done and seen: {what}"));
                }
                Ok(after) => is = format!("it is {}", after.power.word()),
                Err(why) => {
                    return ActionResult::Unknown(format!(
                        "{what}: the provider said yes, and how it is now was not seen: {why}"
                    ));
                }
            }
        }
        ActionResult::Failed(format!("{what}: the provider said yes, but nothing changed; {is}"))
    }
}

impl Action for Change {
    fn tier(&self) -> Tier {
        let own = match &self.deed {
            // Nothing is lost by it, and it takes little room at first.
            Deed::Snapshot { .. } => Tier::Medium,
            // As a restart of a service is.
            Deed::Start | Deed::Stop => Tier::High,
            Deed::Create { .. }
            | Deed::Delete
            | Deed::Grow { .. }
            | Deed::Limit { .. }
            | Deed::Admit(_)
            | Deed::Withdraw(_)
            | Deed::Rollback { .. }
            | Deed::Forget { .. } => Tier::Critical,
        };
        // What a playbook does is as risky as the playbook, whatever it is called for.
        self.means.map_or(own, |means| means.max(own))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn holds(&self) -> Option<Holds> {
        let Deed::Snapshot { .. } = &self.deed else { return None };
        // It is removed when this is over, and with it the way back.
        match self.call.args.get("keep") {
            Some(Value::Span(keep)) => Some(Holds::For(*keep)),
            Some(_) | None => None,
        }
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = self.allowed().await?;
            if self.deed.is_so(&now) {
                let words = format!("it is so already, {} is {}", self.target, now.power.word());
                return Ok(nothing_to_do(words));
            }
            let max_bytes = match &self.deed {
                Deed::Grow { volume, to } => {
                    to.saturating_sub(now.volumes.get(volume).copied().unwrap_or(0))
                }
                Deed::Start
                | Deed::Stop
                | Deed::Create { .. }
                | Deed::Delete
                | Deed::Limit { .. }
                | Deed::Admit(_)
                | Deed::Withdraw(_)
                | Deed::Snapshot { .. }
                | Deed::Rollback { .. }
                | Deed::Forget { .. } => 0,
            };
            let rehearsed = self.known.provider.rehearse(&self.id, &now, &self.deed).await;
            let (mut words, mut exactly) = (self.words(&now), None);
            if let Some(rehearsed) = rehearsed.map_err(failed)? {
                words.push_str(&format!(", {}", rehearsed.words));
                exactly = Some(rehearsed.exactly);
            }
            let effect = Effect {
                words,
                max_items: 1,
                max_bytes,
                takes: Some(Span::mins(1)),
                artifact: Some(self.mark(&now, exactly)),
            };
            Ok((effect, self.undo(&now)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let before = match self.allowed().await {
                Ok(machine) => machine,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let exactly = match self.known.provider.exactly(&self.id, &before, &self.deed).await {
                Ok(exactly) => exactly,
                Err(why) => return ActionResult::NotStarted(format!("{}: {why}", self.target)),
            };
            if permit.step().effect.artifact != Some(self.mark(&before, exactly)) {
                return ActionResult::NotStarted(format!(
                    "{} is no longer as it was when this was planned, or what would do it is not",
                    self.target
                ));
            }
            let within = Span(TIMEOUT.0 - LOOKS.0);
            let provider = &self.known.provider;
            match provider.act(&permit, &self.id, &before, &self.deed, within).await {
                Ok(()) => self.proven(&before).await,
                Err(why) => why.result(&self.words(&before)),
            }
        })
    }
}
