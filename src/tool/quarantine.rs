//! Moving files into quarantine, and back out of it.

use std::sync::Arc;

use crate::Fut;
use crate::clients::files::{Discard, Entry, FilesError, Manifest, Quarantined};
use crate::gate::permit::Permit;
use crate::gate::tool::Action;
use crate::model::ids::{ToolName, Word};
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, Undo, nothing_to_do,
};
use crate::model::value::{Value, human_bytes};
use crate::tool::args::{failed, refused};
use crate::tool::compress::{nothing_below, picked_again};
use crate::tool::pick::{self, Picked, Wanted};
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

/// What moving picked files into quarantine is planned as, in `takes` seconds, and what brings them back.
pub(crate) fn as_planned(
    picked: &Picked,
    call: &Call,
    words: String,
    takes: u64,
) -> (Effect, Undo) {
    let effect = Effect {
        words,
        max_items: picked.files.len() as u64,
        max_bytes: picked.bytes(),
        takes: Some(Span::secs(i64::try_from(takes).unwrap_or(i64::MAX))),
        artifact: None,
    };
    let id = picked.mark(call.tool.as_str());
    let undo = Call {
        tool: ToolName::of("files.restore"),
        target: call.target.clone(),
        args: [("id".to_owned(), Value::Word(id))].into(),
        bounds: call.bounds.clone(),
    };
    (effect, Undo::By(undo))
}

/// The manifest of as many of these files as were planned, and how many there are beyond them.
pub(crate) fn planned(
    permit: &Permit,
    world: &World,
    wanted: &Wanted,
    id: Word,
    mut files: Vec<Entry>,
) -> (Arc<Manifest>, usize) {
    let n = pick::within(&files, &permit.step().effect);
    let beyond = files.len() - n;
    files.truncate(n);
    let (root, at) = (wanted.start.root.clone(), world.now.now());
    (Arc::new(Manifest { id, root, at, files }), beyond)
}

/// Where moving picked files would take them.
pub(crate) enum GoesTo {
    /// A rename: nothing is freed.
    SameVolume,
    Another,
    /// Another volume that does not take them; says so.
    NoRoom(String),
}

/// What another volume keeps free when files are moved to it: filling it up would be the same fault there.
const SPARED: u64 = 64 << 20;

/// Where the files would go.
pub(crate) async fn goes_to(world: &World, picked: &Picked) -> Result<GoesTo, ToolError> {
    let (files, folder) = (&world.files, &world.quarantine);
    if files.volume(folder).await.map_err(failed)? == picked.walked.dev {
        return Ok(GoesTo::SameVolume);
    }
    let free = files.room(folder).await.map_err(failed)?;
    let spared = |free: u64| SPARED.min(free / 10);
    Ok(match free {
        Some(free) if free - spared(free) < picked.bytes() => GoesTo::NoRoom(format!(
            "{} would not fit into quarantine {folder}, on whose volume {} are free",
            picked.counted(),
            human_bytes(free)
        )),
        Some(_) | None => GoesTo::Another,
    })
}

/// The lease over the quarantine's folder.
pub(crate) fn lease(world: &World) -> Target {
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
                return Ok(nothing_below(&self.wanted.start.path, &picked));
            }
            let (frees, takes) = match goes_to(&self.world, &picked).await? {
                GoesTo::SameVolume => {
                    ("on the same volume, so nothing is freed until it is emptied", 1)
                }
                GoesTo::Another => ("on another volume", 1 + picked.bytes() / (50 << 20)),
                GoesTo::NoRoom(why) => return Ok(nothing_to_do(why)),
            };
            let words = format!(
                "move {} into quarantine {}{}, {frees}{}",
                picked.counted(),
                self.world.quarantine,
                self.wanted.aged(),
                picked.left()
            );
            Ok(as_planned(&picked, &self.call, words, takes))
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
            let (manifest, beyond) = planned(&permit, &self.world, &self.wanted, id, picked.files);
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
                Err(FilesError::NotStarted(why)) if done == 0 => {
                    let empty = files.discard(permit, folder, &manifest.id, Discard::IfEmpty).await;
                    let more = empty.err().map(|e| format!("; {e}")).unwrap_or_default();
                    return ActionResult::NotStarted(format!("{why}{more}"));
                }
                Err(FilesError::NotStarted(why)) => {
                    stopped = Some(why);
                    break;
                }
                Err(FilesError::Unknown(why)) => {
                    return ActionResult::Unknown(format!(
                        "{why}; before it, {done} moved into quarantine {}",
                        manifest.id
                    ));
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

/// A quarantine with the folder that it lies in.
pub(crate) type Lies = (AbsPath, Quarantined);

/// All quarantines, oldest first, and how many could not be read.
pub(crate) async fn listed(world: &World) -> Result<(Vec<Lies>, u64), ToolError> {
    let (mut all, mut unreadable) = (Vec::new(), 0);
    for folder in world.formerly.iter().chain([&world.quarantine]) {
        let (found, not) = world.files.quarantines(folder).await.map_err(failed)?;
        all.extend(found.into_iter().map(|quarantined| (folder.clone(), quarantined)));
        unreadable += not;
    }
    Ok((all, unreadable))
}

/// The quarantine of an id.
pub(crate) async fn find(world: &World, id: &Word) -> Result<Lies, ToolError> {
    let (all, unreadable) = listed(world).await?;
    let found = all.into_iter().find(|(_, q)| q.manifest.id == *id);
    found.ok_or_else(|| {
        let hint = match unreadable {
            0 => String::new(),
            n => format!("; {n} manifests could not be read"),
        };
        refused(format!(
            "{} has no quarantine {id}: it was emptied, or brought back{hint}",
            world.quarantine
        ))
    })
}

pub(crate) fn bytes_of(quarantined: &Quarantined) -> u64 {
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
            let (_, quarantined) = find(&self.world, &self.id).await?;
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
            let (folder, quarantined) = match find(&self.world, &self.id).await {
                Ok(found) => found,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let (files, folder) = (&self.world.files, &folder);
            let manifest = Arc::new(quarantined.manifest);
            let most = usize::try_from(permit.step().effect.max_items).unwrap_or(usize::MAX);
            let (mut done, mut bytes, mut kept) = (0_u64, 0_u64, Vec::new());
            for index in quarantined.present.iter().take(most) {
                match files.put_back(&permit, folder, &manifest, *index).await {
                    Ok(()) => {
                        done += 1;
                        bytes += manifest.files.get(*index).map_or(0, |e| e.bytes);
                    }
                    Err(FilesError::Unknown(why)) => {
                        return ActionResult::Unknown(format!(
                            "{why}; before it, {done} moved back"
                        ));
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
