//! Deleting what lies in quarantine: what one's own plan moved there, or what is past the time in which it can be had
//! back. What another action put there, and can still be undone, is nobody's to delete.

use crate::Fut;
use crate::clients::files::{Discard, FilesError};
use crate::gate::permit::Permit;
use crate::gate::rules::UNDO_FOR;
use crate::gate::tool::Action;
use crate::model::ids::Word;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Effect, Repeat, Tier, ToolError, Undo};
use crate::tool::archive::upload;
use crate::tool::args::refused;
use crate::tool::compress::nothing_below;
use crate::tool::pick::{self, Wanted, Which};
use crate::tool::quarantine::{GoesTo, Lies, bytes_of, find, goes_to, lease, listed};
use crate::tool::world::World;

/// How many quarantines a preview tells of one by one.
const TOLD: usize = 4;
const GONE: &str = "what is deleted is gone";

/// Which quarantines are emptied.
#[derive(Debug, Clone)]
pub enum Empties {
    /// This one, where its time is over.
    One(Word),
    /// All that lie there for this long.
    Over(Span),
    /// The one that an earlier step of the same plan makes: the step of this tool that picks the same.
    Moved(&'static str, Wanted),
}

/// `files.empty_quarantine`.
#[derive(Debug)]
pub struct Empty {
    pub world: World,
    pub which: Empties,
}

impl Empty {
    async fn meant(&self) -> Result<Vec<Lies>, ToolError> {
        let now = self.world.now.now();
        match &self.which {
            Empties::One(id) => {
                let found = find(&self.world, id).await?;
                let since = now.since(found.1.manifest.at);
                match since < UNDO_FOR {
                    true => Err(refused(format!(
                        "what lies in quarantine {id} can still be had back for {}: it is not emptied before",
                        Span(UNDO_FOR.0 - since.0)
                    ))),
                    false => Ok(vec![found]),
                }
            }
            Empties::Over(older) => {
                let mut all = listed(&self.world).await?.0;
                all.retain(|(_, q)| *older <= now.since(q.manifest.at));
                Ok(all)
            }
            Empties::Moved(..) => Err(refused("which one it is stands in the plan alone")),
        }
    }

    /// What the plan's earlier step would move, counted before it did.
    async fn to_be_moved(&self, tool: &str, wanted: &Wanted) -> Result<(Effect, Undo), ToolError> {
        let mut picked = pick::pick(&self.world, wanted).await?;
        if wanted.which == Which::CompressedLogs {
            picked.files.retain(upload::fits);
        }
        if picked.files.is_empty() {
            return Ok(nothing_below(&wanted.start.path, &picked));
        }
        if !matches!(goes_to(&self.world, &picked).await?, GoesTo::SameVolume) {
            let words = format!(
                "nothing to empty: quarantine {} is on another volume",
                self.world.quarantine
            );
            return Ok(counted(words, 0, 0));
        }
        let digest = picked.digest(tool);
        let words = format!(
            "if it is still full then, delete for good what this plan has moved into quarantine {}: {}; it is gone \
             then and cannot be undone",
            pick::mark(&digest),
            picked.counted()
        );
        let (mut effect, undo) = counted(words, picked.files.len() as u64, picked.bytes());
        effect.artifact = Some(digest);
        Ok((effect, undo))
    }

    fn told(&self, meant: &[Lies]) -> String {
        let now = self.world.now.now();
        let one = |(_, q): &Lies| {
            let counted = pick::counted(q.present.len() as u64, bytes_of(q));
            let (id, root, ago) = (&q.manifest.id, &q.manifest.root, now.since(q.manifest.at));
            format!("{id} ({counted}, from below {root}, {ago} ago)")
        };
        let mut told: Vec<String> = meant.iter().take(TOLD).map(one).collect();
        if TOLD < meant.len() {
            told.push(format!("{} more", meant.len() - TOLD));
        }
        told.join(", ")
    }

    /// The quarantines that the permit is for.
    async fn permitted(&self, permit: &Permit) -> Result<Vec<Lies>, ToolError> {
        let (Empties::Moved(..), Some(digest)) = (&self.which, permit.step().effect.artifact)
        else {
            return self.meant().await;
        };
        let id = pick::mark(&digest);
        let mut all = listed(&self.world).await?.0;
        all.retain(|(_, q)| q.manifest.id == id);
        Ok(all)
    }
}

fn counted(words: String, max_items: u64, max_bytes: u64) -> (Effect, Undo) {
    let takes = Some(Span::secs(1));
    let effect = Effect { words, max_items, max_bytes, takes, artifact: None };
    (effect, Undo::Impossible(GONE.into()))
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
            if let Empties::Moved(tool, wanted) = &self.which {
                return self.to_be_moved(tool, wanted).await;
            }
            let meant = self.meant().await?;
            let n: u64 = meant.iter().map(|(_, q)| q.present.len() as u64).sum();
            let bytes = meant.iter().map(|(_, q)| bytes_of(q)).sum();
            let words = match meant.len() {
                0 => "nothing to do: no quarantine is that old".to_owned(),
                _ => format!(
                    "delete {} from quarantine for good: {}",
                    pick::counted(n, bytes),
                    self.told(&meant)
                ),
            };
            Ok(counted(words, n, bytes))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let effect = &permit.step().effect;
            if effect.max_items == 0 {
                return ActionResult::Done("nothing to do".into());
            }
            let meant = match self.permitted(&permit).await {
                Ok(meant) => meant,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let (mut files, mut bytes, mut beyond) = (0_u64, 0_u64, 0_u64);
            for (folder, quarantined) in meant {
                let n = files + quarantined.present.len() as u64;
                if effect.max_items < n || effect.max_bytes < bytes + bytes_of(&quarantined) {
                    beyond += 1;
                    continue;
                }
                let id = &quarantined.manifest.id;
                match self.world.files.discard(&permit, &folder, id, Discard::All).await {
                    Ok((n, freed)) => {
                        files += n;
                        bytes += freed;
                    }
                    Err(FilesError::Unknown(why)) => {
                        let counted = pick::counted(files, bytes);
                        return ActionResult::Unknown(format!(
                            "{why}; before it, {counted} deleted"
                        ));
                    }
                    Err(why) => {
                        let counted = pick::counted(files, bytes);
                        return ActionResult::Failed(format!("deleted {counted}; {why}"));
                    }
                }
            }
            let counted = pick::counted(files, bytes);
            match (files, beyond) {
                (0, 0) => ActionResult::NotStarted("nothing of it lies there any more".into()),
                (0, _) => ActionResult::NotStarted("more lies there than was previewed".into()),
                (_, 0) => ActionResult::Done(format!("deleted {counted}")),
                (_, n) => ActionResult::Done(format!(
                    "deleted {counted}; quarantines left alone, as more lies there than was previewed: {n}"
                )),
            }
        })
    }
}
