//! `logs.archive`: each file is uploaded, read back to its last byte, and only then moved into quarantine.

use std::sync::Arc;

use crate::Fut;
use crate::clients::declared::Store;
use crate::clients::files::{Discard, Entry, FilesError, Manifest, Opened};
use crate::clients::s3::NoList;
use crate::clients::s3::objects::{Held, LARGEST, Upload};
use crate::clock::zone;
use crate::gate::permit::Permit;
use crate::gate::tool::{Action, Parsed, Tool};
use crate::model::ids::ToolName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo, nothing_to_do,
};
use crate::model::value::Kind;
use crate::tool::archive::{meant, place, words};
use crate::tool::args::{made, optional, refused, required};
use crate::tool::compress::{nothing_below, picked_again};
use crate::tool::pick::{self, Picked, Wanted, Which};
use crate::tool::quarantine::{self, GoesTo};
use crate::tool::world::World;

/// What goes up and comes back in a second at the least, for the estimate of how long it takes.
const BYTES_A_SECOND: u64 = 2 << 20;
/// A server that takes less in a second is given up.
const SLOWEST: u64 = 64 << 10;

fn archive_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("logs.archive"),
        summary: "Upload compressed rotated logs to a bucket, read each back, then put it into quarantine",
        inputs: vec![
            required("path", Kind::Path, "a log, or a folder of logs, within the declared roots"),
            optional("older", Kind::Span, "only logs not written to for this long"),
            optional(
                "store",
                Kind::Word,
                "one of the config's s3 probes with archive = true; left out, the only one",
            ),
        ],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "files.restore, until the quarantine is emptied; from then on the object in the bucket is the only copy",
        errors: "no store in the config; a path outside the roots; a bucket that refuses, is gone or gives back other bytes: nothing is moved then",
        timeout: Span::mins(60),
        example: "tool = \"logs.archive\"\nargs = { path = \"/var/log\", older = \"30d\" }",
    }
}

/// `logs.archive`.
pub fn archive(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let spec = archive_spec();
    let timeout = spec.timeout;
    made(spec, move |args| {
        args.only_on(&world.here)?;
        let world = world.on(&world.here)?;
        let start = args.rooted("path")?;
        pick::guard(&world.inventory, &world.quarantine, &start)?;
        let Some((_, store)) = meant(&world.inventory, args)? else {
            return Err(refused(
                "the config declares no store for logs: write archive = true into an s3 probe",
            ));
        };
        let most = args.call().bounds.max_targets;
        let older = args.span("older");
        let wanted = Wanted { start, which: Which::CompressedLogs, older, most };
        let call = args.call().clone();
        Ok(Parsed::Action(Box::new(Archive { world, call, wanted, store, timeout })))
    })
}

#[derive(Debug)]
struct Archive {
    world: World,
    call: Call,
    wanted: Wanted,
    store: Store,
    timeout: Span,
}

impl Action for Archive {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        let mut keys = pick::lease(&self.call, &self.wanted.start);
        keys.push(quarantine::lease(&self.world));
        keys
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let picked = self.pick().await?;
            if picked.files.is_empty() {
                return Ok(nothing_below(&self.wanted.start.path, &picked));
            }
            let frees = match quarantine::goes_to(&self.world, &picked).await? {
                GoesTo::SameVolume => "on the same volume, so nothing is freed until it is emptied",
                GoesTo::Another => "on another volume",
                GoesTo::NoRoom(why) => return Ok(nothing_to_do(why)),
            };
            let words = format!(
                "upload {} to {}, read each back, then move it into quarantine {}, {frees}{}",
                picked.counted(),
                place(&self.store),
                self.world.quarantine,
                picked.left()
            );
            let takes = 1 + picked.bytes() / BYTES_A_SECOND;
            Ok(quarantine::as_planned(&picked, &self.call, words, takes))
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
            let files: Vec<Entry> = picked.files.into_iter().filter(fits).collect();
            let (manifest, beyond) =
                quarantine::planned(&permit, &self.world, &self.wanted, id, files);
            self.carry(&permit, &manifest, beyond).await
        })
    }
}

/// How long one upload may take: a server that takes a few bytes now and then takes none.
fn patience(bytes: u64) -> Span {
    Span::secs(60 + i64::try_from(bytes / SLOWEST).unwrap_or(i64::MAX / 2_000))
}

/// Whether one upload takes it.
pub(crate) fn fits(entry: &Entry) -> bool {
    (1..=LARGEST).contains(&entry.bytes)
}

/// Why one file stayed where it was.
enum Stays {
    /// It alone.
    File(String),
    /// No other would do better.
    All(String),
}

impl From<FilesError> for Stays {
    fn from(why: FilesError) -> Self {
        match why {
            FilesError::NoRoom => Self::All("no room left in the quarantine".into()),
            FilesError::Changed(_)
            | FilesError::Failed(_)
            | FilesError::NotStarted(_)
            | FilesError::Unknown(_) => Self::File(why.to_string()),
        }
    }
}

impl Archive {
    async fn pick(&self) -> Result<Picked, ToolError> {
        let mut picked = pick::pick(&self.world, &self.wanted).await?;
        picked.files.retain(fits);
        Ok(picked)
    }

    async fn carry(
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
            let left = until.since(self.world.now.now());
            if left == Span(0) {
                stopped = Some(format!("stopped after {}", self.timeout));
                break;
            }
            match self.one(permit, manifest, (index, entry), left).await {
                Ok(()) => {
                    done += 1;
                    bytes = bytes.saturating_add(entry.bytes);
                }
                Err(Stays::File(why)) => kept.push(why),
                Err(Stays::All(why)) => {
                    stopped = Some(format!("{}: {why}", entry.path));
                    break;
                }
            }
        }
        let mut words =
            format!("{} archived in {}", pick::counted(done, bytes), place(&self.store));
        match done {
            0 => {
                let empty = files.discard(permit, folder, &manifest.id, Discard::IfEmpty).await;
                if let Err(why) = empty {
                    words.push_str(&format!("; {why}"));
                }
            }
            _ => words.push_str(&format!(
                ", each read back; the local files lie in quarantine {}",
                manifest.id
            )),
        }
        if 0 < beyond {
            words.push_str(&format!("; {beyond} beyond what was previewed left alone"));
        }
        if let Some(first) = kept.first() {
            words.push_str(&format!(
                "; {} left where they were, the first because {first}",
                kept.len()
            ));
        }
        match stopped {
            Some(why) => ActionResult::Failed(format!("{words}; no other file was moved: {why}")),
            None if done == 0 && !kept.is_empty() => ActionResult::Failed(words),
            None => ActionResult::Done(words),
        }
    }

    /// One file: up, back, compared, away. It goes only if all before it held.
    async fn one(
        &self,
        permit: &Permit,
        manifest: &Arc<Manifest>,
        (index, entry): (usize, &Entry),
        left: Span,
    ) -> Result<(), Stays> {
        let Store { bucket, http } = &self.store;
        let store = |why: NoList| Stays::All(words(&why, &self.store));
        let files = &self.world.files;
        let opened: Opened = files.open(&manifest.root, entry).await?;
        let is = Held { bytes: opened.bytes(), sha256: opened.sha256().await? };
        let key = self.key(entry, &is);
        let file = opened.file()?;
        let upload = Upload {
            key: key.clone(),
            file,
            is: is.clone(),
            timeout: left.min(patience(is.bytes)),
        };
        bucket.put(permit, http, upload, self.world.now.now()).await.map_err(store)?;
        let held = bucket.held(http, &key, is.bytes, self.world.now.as_ref()).await;
        let held = held.map_err(store)?;
        if held != is {
            return Err(Stays::All(format!(
                "the bucket gives back {} bytes with digest {:.12}, not {} with {:.12}",
                held.bytes, held.sha256, is.bytes, is.sha256
            )));
        }
        opened.is_as_it_was()?;
        let folder = &self.world.quarantine;
        files.put_away(permit, folder, manifest, index).await?;
        if let Err(why) = opened.is_as_it_was() {
            // Somebody wrote to it between the comparison and the move: what is in the bucket is not all of it.
            files.put_back(permit, folder, manifest, index).await?;
            return Err(why.into());
        }
        Ok(())
    }

    /// Where a file goes. Its digest is in the name: two rotations never share one, what is uploaded twice lies there
    /// once, and what is fetched back is known by it.
    fn key(&self, entry: &Entry, is: &Held) -> String {
        let (folder, name) = entry.path.as_str().rsplit_once('/').unwrap_or_default();
        let day = zone::stamp(entry.modified);
        format!(
            "{}{}{folder}/{:.10}-{}-{name}",
            self.store.bucket.prefix, self.world.here, day, is.sha256
        )
    }
}
