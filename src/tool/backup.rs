//! `backup.create`: one more backup, made as the config declares it.
//!
//! That its command ended well proves little: where the config says where it lies, a newer file has to lie there, and
//! whether it is new enough the backup's own probe says.

use std::sync::Arc;

use crate::Fut;
use crate::clients::backup::{BackupJob, LONGEST};
use crate::clients::host::HostLink;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::fact::{Fact, FactValue, Newest, Volume};
use crate::model::ids::{ToolName, Word};
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, ToolSpec, Undo};
use crate::model::value::{Kind, human_bytes};
use crate::tool::args::{failed, made, refused, required};
use crate::tool::command;
use crate::tool::host::fact;
use crate::tool::outcome::Doing;
use crate::tool::world::World;

/// How far back it is looked how long it took.
const PAST: Span = Span::days(90);

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("backup.create"),
        summary: "Make one more backup, as [backup.NAME] of the config declares it",
        inputs: vec![required("backup", Kind::Target, "HOST:backup:NAME, declared below [backup]")],
        gives: vec![],
        max_tier: Tier::Medium,
        tiers: "always medium",
        undo: "none: a backup more does no harm",
        errors: "a backup that the config does not declare, or of another host; a command that fails; one that ends well and leaves no newer file; no right to run it (`reef host authorize` lists it)",
        timeout: LONGEST,
        example: "tool = \"backup.create\"\nargs = { backup = \"mini:backup:photos\" }",
    }
}

/// `backup.create`.
pub fn create(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(spec(), move |args| {
        let target = args.target("backup", Thing::Backup)?.clone();
        let all = &world.inventory.backups;
        let job = all.iter().find(|(known, _)| known.as_str() == target.name());
        let job = job.map(|(_, job)| Arc::clone(job)).ok_or_else(|| {
            let known: Vec<&str> = all.keys().map(Word::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refused(format!(
                "the config declares no [backup.{}] that reef may make; it declares {known}",
                target.name()
            ))
        })?;
        if *target.on() != job.host {
            return Err(refused(format!(
                "[backup.{}] is made on {}, and not on {}",
                job.name,
                job.host,
                target.on()
            )));
        }
        let link = command::link(&world, &target)?;
        Ok(Parsed::Action(Box::new(Create { world: world.clone(), job, link, target })))
    })
}

struct Create {
    world: World,
    job: Arc<BackupJob>,
    link: Arc<dyn HostLink>,
    target: Target,
}

impl Create {
    async fn newest(&self) -> Result<Option<Newest>, ToolError> {
        let Some(path) = &self.job.path else { return Ok(None) };
        let found = fact(self.link.as_ref(), Fact::Newest(path.clone())).await?;
        let FactValue::Newest(newest) = found else {
            return Err(failed("the collection did not tell of its files"));
        };
        Ok(newest)
    }

    /// The volume that it lies on.
    async fn volume(&self) -> Option<Volume> {
        let path = self.job.path.as_ref()?;
        let FactValue::Volumes(all) = fact(self.link.as_ref(), Fact::Volumes).await.ok()? else {
            return None;
        };
        let of = all.into_iter().filter(|volume| covers(&volume.mount, path));
        of.max_by_key(|volume| volume.mount.as_str().len())
    }

    /// How long those that ended well took, newest last.
    async fn took(&self) -> Vec<Span> {
        let since = self.world.now.now() - PAST;
        let tool = ToolName::of("backup.create");
        self.world.deeds.took(&tool, &self.target, since).await.unwrap_or_default()
    }
}

fn covers(mount: &AbsPath, path: &AbsPath) -> bool {
    mount.as_str() == "/" || mount == path || path.is_below(mount)
}

impl Action for Create {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        // The first may still be at it.
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let now = self.world.now.now();
            let mut words = format!("make the backup {}: {}", self.target, self.job.argv);
            let took = self.took().await;
            let longest = took.iter().max().copied();
            words.push_str(&match (took.last(), longest) {
                (Some(last), Some(longest)) => {
                    let n = took.len();
                    format!("; it took {last} the last time, {longest} at the most of {n}")
                }
                (_, _) => format!("; reef never made it, it may run for {}", self.job.longest),
            });
            match (&self.job.path, self.newest().await?) {
                (Some(_), Some(newest)) => words.push_str(&format!(
                    "; the newest is {} old, {}",
                    now.since(newest.changed_at),
                    human_bytes(newest.bytes)
                )),
                (Some(path), None) => words.push_str(&format!("; nothing lies in {path}")),
                (None, _) => {}
            }
            if let Some(volume) = self.volume().await {
                if volume.read_only || volume.stale.is_some() {
                    return Err(refused(format!("{} cannot be written to", volume.mount)));
                }
                let free = human_bytes(volume.free_bytes);
                words.push_str(&format!("; {free} are free on {}", volume.mount));
            }
            let takes = Some(longest.unwrap_or(self.job.longest));
            let effect = Effect { words, max_items: 1, max_bytes: 0, takes, artifact: None };
            Ok((effect, Undo::Impossible("a backup more does no harm".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let before = match self.newest().await {
                Ok(newest) => newest,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let doing = Doing {
                link: Arc::clone(&self.link),
                argv: self.job.argv.clone(),
                timeout: self.job.longest,
                what: format!("make the backup {}", self.target),
                done: format!("made the backup {}", self.target),
                after: Vec::new(),
            };
            let words = match doing.run(&permit).await {
                ActionResult::Done(words) => words,
                other @ (ActionResult::NotStarted(_)
                | ActionResult::Failed(_)
                | ActionResult::Unknown(_)) => return other,
            };
            let Some(path) = &self.job.path else { return ActionResult::Done(words) };
            match self.newest().await {
                Ok(Some(now)) if before.as_ref() == Some(&now) => ActionResult::Failed(format!(
                    "{words}: it ended well, but nothing changed: {} is still the newest in {path}",
                    now.path
                )),
                Ok(Some(now)) if now.bytes == 0 => {
                    ActionResult::Failed(format!("{words}: but {} is empty", now.path))
                }
                Ok(Some(now)) => {
                    let size = human_bytes(now.bytes);
                    ActionResult::Done(format!("{words}: {}, {size}", now.path))
                }
                Ok(None) => {
                    ActionResult::Failed(format!("{words}: it ended well, but {path} is empty"))
                }
                Err(why) => {
                    ActionResult::Failed(format!("{words}: what it left could not be seen: {why}"))
                }
            }
        })
    }
}
