//! Moving files into quarantine, back out of it, and deleting what lies there.

use std::sync::Arc;

use crate::Fut;
use crate::clients::files::{Discard, FilesError, Manifest, Quarantined};
use crate::gate::permit::Permit;
use crate::gate::tool::Action;
use crate::model::ids::{ToolName, Word};
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Repeat, Tier, ToolError, Undo};
use crate::model::value::Value;
use crate::tool::args::{failed, refused};
use crate::tool::compress::{nothing, picked_again};
use crate::tool::pick::{self, Wanted};
use crate::tool::world::World;

/// `files.clean` and `files.quarantine`.
#[derive(Debug)]
pub struct PutAway {
    pub world: World,
    pub call: Call,
    pub wanted: Wanted,
    pub tier: Tier,
    pub timeout: Span,
}

/// The lease over the quarantine's folder.
fn lease(world: &World) -> Target {
    Target::path(world.here.clone(), &world.quarantine)
}

impl Action for PutAway {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        let mut keys = pick::lease(&self.call, &self.wanted.start);
        keys.push(lease(&self.world));
        keys
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let picked = pick::pick(&self.world, &self.wanted).await?;
            if picked.files.is_empty() {
                return Ok(nothing(&self.wanted.start.path, &picked));
            }
            let volume = self.world.files.volume(&self.world.quarantine).await.map_err(failed)?;
            let (frees, takes) = if volume == picked.walked.dev {
                ("on the same volume, so nothing is freed until it is emptied", 1)
            } else {
                ("on another volume", 1 + picked.bytes() / (50 << 20))
            };
            let words = format!(
                "move {} into quarantine {}, {frees}{}",
                picked.counted(),
                self.world.quarantine,
                picked.left()
            );
            let effect = Effect {
                words,
                max_items: picked.files.len() as u64,
                max_bytes: picked.bytes(),
                takes: Some(Span::secs(i64::try_from(takes).unwrap_or(i64::MAX))),
                artifact: None,
            };
            let id = picked.mark(self.call.tool.as_str());
            let undo = Call {
                tool: ToolName::of("files.restore"),
                target: self.call.target.clone(),
                args: [("id".to_owned(), Value::Word(id))].into(),
                bounds: self.call.bounds.clone(),
            };
            Ok((effect, Undo::By(undo)))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            if permit.step().effect.max_items == 0 {
                return ActionResult::Done("nothing to do".into());
            }
            let (id, picked) = match picked_again(&permit, &self.world, &self.wanted).await {
                Ok(found) => found,
                Err(result) => return result,
            };
            let n = pick::within(&picked.files, &permit.step().effect);
            let beyond = picked.files.len() - n;
            let manifest = Arc::new(Manifest {
                id,
                root: self.wanted.start.root.clone(),
                at: self.world.now.now(),
                files: picked.files.into_iter().take(n).collect(),
            });
            self.put_away(&permit, &manifest, beyond).await
        })
    }
}

impl PutAway {
    async fn put_away(
        &self,
        permit: &Permit,
        manifest: &Arc<Manifest>,
        beyond: usize,
    ) -> ActionResult {
        let (files, folder) = (&self.world.files, &self.world.quarantine);
        let opened = files.open_quarantine(permit, folder, manifest.as_ref().clone()).await;
        if let Err(why) = opened {
            return ActionResult::NotStarted(format!("no quarantine could be made: {why}"));
        }
        let until = self.world.now.now() + self.timeout;
        let (mut done, mut bytes, mut kept, mut stopped) = (0_u64, 0_u64, Vec::new(), None);
        for (index, entry) in manifest.files.iter().enumerate() {
            if until <= self.world.now.now() {
                stopped = Some(format!("stopped after {}", self.timeout));
                break;
            }
            match files.put_away(permit, folder, manifest, index).await {
                Ok(()) => {
                    done += 1;
                    bytes = bytes.saturating_add(entry.bytes);
                }
                Err(FilesError::NoRoom) => {
                    stopped = Some("no room left in the quarantine".to_owned());
                    break;
                }
                Err(why @ (FilesError::Changed(_) | FilesError::Failed(_))) => {
                    kept.push(why.to_string());
                }
            }
        }
        let mut words = format!("{} in quarantine {}", pick::counted(done, bytes), manifest.id);
        if 0 < beyond {
            words.push_str(&format!("; {beyond} beyond what was previewed left alone"));
        }
        if let Some(first) = kept.first() {
            words.push_str(&format!(
                "; {} left where they were, the first because {first}",
                kept.len()
            ));
        }
        if done == 0 {
            // Nothing is in it: a folder with a manifest alone would promise what is not there.
            let empty = files.discard(permit, folder, &manifest.id, Discard::IfEmpty).await;
            if let Err(why) = empty {
                words.push_str(&format!("; {why}"));
            }
        }
        match stopped {
            Some(why) => ActionResult::Failed(format!("{words}; {why}")),
            None if done == 0 && !kept.is_empty() => ActionResult::Failed(words),
            None => ActionResult::Done(words),
        }
    }
}

/// The quarantine of an id.
async fn find(world: &World, id: &Word) -> Result<Quarantined, ToolError> {
    let (all, unreadable) = world.files.quarantines(&world.quarantine).await.map_err(failed)?;
    let found = all.into_iter().find(|q| q.manifest.id == *id);
    found.ok_or_else(|| {
        let hint = match unreadable {
            0 => String::new(),
            n => format!("; {n} manifests could not be read"),
        };
        refused(format!("{} has no quarantine {id}{hint}", world.quarantine))
    })
}

fn bytes_of(quarantined: &Quarantined) -> u64 {
    let files = &quarantined.manifest.files;
    quarantined.present.iter().filter_map(|n| files.get(*n)).map(|e| e.bytes).sum()
}

/// `files.restore`.
#[derive(Debug)]
pub struct PutBack {
    pub world: World,
    pub id: Word,
}

impl Action for PutBack {
    fn tier(&self) -> Tier {
        Tier::Medium
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![lease(&self.world)]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let quarantined = find(&self.world, &self.id).await?;
            let (n, bytes) = (quarantined.present.len() as u64, bytes_of(&quarantined));
            let counted = pick::counted(n, bytes);
            let effect = Effect {
                words: format!("move {counted} back below {}", quarantined.manifest.root),
                max_items: n,
                max_bytes: bytes,
                takes: Some(Span::secs(1)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("clean them again with files.clean".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let quarantined = match find(&self.world, &self.id).await {
                Ok(quarantined) => quarantined,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let (files, folder) = (&self.world.files, &self.world.quarantine);
            let manifest = Arc::new(quarantined.manifest);
            let most = usize::try_from(permit.step().effect.max_items).unwrap_or(usize::MAX);
            let (mut done, mut bytes, mut kept) = (0_u64, 0_u64, Vec::new());
            for index in quarantined.present.iter().take(most) {
                match files.put_back(&permit, folder, &manifest, *index).await {
                    Ok(()) => {
                        done += 1;
                        bytes += manifest.files.get(*index).map_or(0, |e| e.bytes);
                    }
                    Err(why) => kept.push(why.to_string()),
                }
            }
            let mut words = format!("moved {} back", pick::counted(done, bytes));
            let left = files.discard(&permit, folder, &self.id, Discard::IfEmpty).await;
            if let Err(why) = left {
                words.push_str(&format!("; {why}"));
            }
            match kept.first() {
                None => ActionResult::Done(words),
                Some(why) => ActionResult::Failed(format!(
                    "{words}; {} stay in quarantine {}, the first because {why}",
                    kept.len(),
                    self.id
                )),
            }
        })
    }
}

/// Which quarantines are emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Empties {
    One(Word),
    /// All, or those that lie there for this long.
    All(Option<Span>),
}

/// `files.empty_quarantine`.
#[derive(Debug)]
pub struct Empty {
    pub world: World,
    pub which: Empties,
}

impl Empty {
    async fn meant(&self) -> Result<Vec<Quarantined>, ToolError> {
        match &self.which {
            Empties::One(id) => Ok(vec![find(&self.world, id).await?]),
            Empties::All(older) => {
                let listed = self.world.files.quarantines(&self.world.quarantine).await;
                let now = self.world.now.now();
                let mut all = listed.map_err(failed)?.0;
                all.retain(|q| older.is_none_or(|older| older <= now.since(q.manifest.at)));
                Ok(all)
            }
        }
    }
}

impl Action for Empty {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![lease(&self.world)]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let meant = self.meant().await?;
            let n: u64 = meant.iter().map(|q| q.present.len() as u64).sum();
            let bytes = meant.iter().map(bytes_of).sum();
            let words = match meant.len() {
                0 => "nothing to do: no quarantine is that old".to_owned(),
                _ => format!("delete {} from quarantine for good", pick::counted(n, bytes)),
            };
            let effect = Effect {
                words,
                max_items: n,
                max_bytes: bytes,
                takes: Some(Span::secs(1)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("what is deleted is gone".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let meant = match self.meant().await {
                Ok(meant) => meant,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let effect = &permit.step().effect;
            let (mut files, mut bytes) = (0_u64, 0_u64);
            for quarantined in meant {
                let n = files + quarantined.present.len() as u64;
                if effect.max_items < n || effect.max_bytes < bytes + bytes_of(&quarantined) {
                    continue;
                }
                let (folder, id) = (&self.world.quarantine, &quarantined.manifest.id);
                match self.world.files.discard(&permit, folder, id, Discard::All).await {
                    Ok((n, freed)) => {
                        files += n;
                        bytes += freed;
                    }
                    Err(why) => {
                        let counted = pick::counted(files, bytes);
                        return ActionResult::Failed(format!("deleted {counted}; {why}"));
                    }
                }
            }
            ActionResult::Done(format!("deleted {}", pick::counted(files, bytes)))
        })
    }
}
