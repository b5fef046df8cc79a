//! Making logs small, in place of the old or as a rotation, and bringing them back.

use crate::Fut;
use crate::clients::files::{Compress, FilesError, Job, Rooted, Squeezed};
use crate::gate::permit::Permit;
use crate::gate::tool::Action;
use crate::model::ids::{ToolName, Word};
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{
    ActionResult, Call, Effect, Repeat, Tier, ToolError, Undo, nothing_to_do,
};
use crate::model::value::{Value, human_bytes};
use crate::tool::args::failed;
use crate::tool::pick::{self, Picked, Wanted};
use crate::tool::world::World;

/// What reef compresses in a second at the least, for the estimate of how long it takes.
const BYTES_A_SECOND: u64 = 20 << 20;

/// `files.compress` and `logs.rotate`.
#[derive(Debug)]
pub struct Shrink {
    pub world: World,
    pub call: Call,
    pub wanted: Wanted,
    pub how: Compress,
    pub tier: Tier,
    pub timeout: Span,
}

/// The id that a step's undo names: what the preview said, and the human approved.
fn undo_id(permit: &Permit) -> Result<Word, ActionResult> {
    match &permit.step().undo {
        Undo::By(call) => match call.args.get("id") {
            Some(Value::Word(id)) => Ok(id.clone()),
            _ => Err(ActionResult::NotStarted("the step's undo names no id".into())),
        },
        Undo::Impossible(_) => Err(ActionResult::NotStarted(
            "at the preview there was nothing to do; look again".into(),
        )),
    }
}

/// What an action begins with: the id that its undo names, and the files as they are now.
pub async fn picked_again(
    permit: &Permit,
    world: &World,
    wanted: &Wanted,
) -> Result<(Word, Picked), ActionResult> {
    let id = undo_id(permit)?;
    let picked = pick::pick(world, wanted).await;
    Ok((id, picked.map_err(|why| ActionResult::NotStarted(why.to_string()))?))
}

/// The preview where no file is picked.
pub fn nothing_below(path: &AbsPath, picked: &Picked) -> (Effect, Undo) {
    nothing_to_do(format!("nothing to do below {path}{}", picked.left()))
}

impl Action for Shrink {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        pick::lease(&self.call, &self.wanted.start)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let mut picked = pick::pick(&self.world, &self.wanted).await?;
            let path = &self.wanted.start.path;
            let estimate = self.without_dense(&mut picked).await?;
            if picked.files.is_empty() {
                return Ok(nothing_below(path, &picked));
            }
            let (verb, max_bytes) = match self.how {
                Compress::Replace => ("compress", picked.bytes()),
                Compress::CopyTruncate => ("rotate and compress", pick::headroom(picked.bytes())),
            };
            let to = match estimate {
                Some(squeezed) => human_bytes(squeezed.bytes),
                None => "a tenth, as logs mostly do".to_owned(),
            };
            let words = format!(
                "{verb} {}, to about {to}{}{}",
                picked.counted(),
                self.wanted.aged(),
                picked.left()
            );
            let takes = i64::try_from(1 + picked.bytes() / BYTES_A_SECOND).unwrap_or(i64::MAX);
            let effect = Effect {
                words,
                max_items: picked.files.len() as u64,
                max_bytes,
                takes: Some(Span::secs(takes)),
                artifact: None,
            };
            let undo = Call {
                tool: ToolName::of("files.decompress"),
                target: self.call.target.clone(),
                args: [
                    ("path".to_owned(), Value::Path(path.clone())),
                    ("id".to_owned(), Value::Word(picked.mark(self.call.tool.as_str()))),
                ]
                .into(),
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
            let (mark, mut picked) = match picked_again(&permit, &self.world, &self.wanted).await {
                Ok(found) => found,
                Err(result) => return result,
            };
            if let Err(why) = self.without_dense(&mut picked).await {
                return ActionResult::NotStarted(why.to_string());
            }
            self.shrink(&permit, &picked, &mark).await
        })
    }
}

/// What came of the files so far.
#[derive(Default)]
struct Tally {
    done: u64,
    bytes: u64,
    compressed: u64,
    /// Compressed files that found no room at home.
    away: Vec<AbsPath>,
    kept: Vec<String>,
}

impl Shrink {
    /// Leaves out what would not become smaller; answers what the rest would take.
    async fn without_dense(&self, picked: &mut Picked) -> Result<Option<Squeezed>, ToolError> {
        let (files, root) = (&self.world.files, &self.wanted.start.root);
        let estimate = files.estimate(root, picked.files.clone()).await.map_err(failed)?;
        if let Some(squeezed) = &estimate {
            picked.leave_dense(&squeezed.dense);
        }
        Ok(estimate)
    }

    async fn shrink(&self, permit: &Permit, picked: &Picked, mark: &Word) -> ActionResult {
        let until = self.world.now.now() + self.timeout;
        let n = pick::within(&picked.files, &permit.step().effect);
        let mut tally = Tally::default();
        let mut stopped = None;
        for entry in &picked.files[..n] {
            let within = until.since(self.world.now.now());
            if within == Span(0) {
                stopped = Some(format!("stopped after {}", self.timeout));
                break;
            }
            let job = Job {
                root: self.wanted.start.root.clone(),
                entry: entry.clone(),
                how: self.how,
                mark: mark.clone(),
                spare: self.world.quarantine.clone(),
                within,
            };
            match self.world.files.compress(permit, job).await {
                Ok(made) => {
                    tally.done += 1;
                    tally.bytes += made.bytes;
                    tally.compressed += made.compressed;
                    if made.to.is_below(&self.world.quarantine) {
                        tally.away.push(made.to);
                    }
                }
                Err(FilesError::NoRoom) => {
                    stopped = Some("no room left even for the next smallest".to_owned());
                    break;
                }
                Err(why @ (FilesError::Changed(_) | FilesError::Failed(_))) => {
                    tally.kept.push(why.to_string());
                }
                Err(FilesError::NotStarted(why)) if tally.done == 0 => {
                    return ActionResult::NotStarted(why);
                }
                Err(FilesError::NotStarted(why)) => {
                    stopped = Some(why);
                    break;
                }
                Err(FilesError::Unknown(why)) => return tally.unknown(&why),
            }
        }
        tally.result(picked.files.len() - n, stopped)
    }
}

impl Tally {
    /// What was done before is told with what is not known.
    fn unknown(self, why: &str) -> ActionResult {
        ActionResult::Unknown(format!("{why}; before it, {} done", self.done))
    }

    fn result(self, beyond: usize, stopped: Option<String>) -> ActionResult {
        let files = if self.done == 1 { "file" } else { "files" };
        let freed = human_bytes(self.bytes.saturating_sub(self.compressed));
        let mut words = format!("{} {files}, freed {freed}", self.done);
        if 0 < beyond {
            words.push_str(&format!("; {beyond} beyond what was previewed left alone"));
        }
        if let Some(first) = self.kept.first() {
            words.push_str(&format!(
                "; {} left as they were, the first because {first}",
                self.kept.len()
            ));
        }
        for path in &self.away {
            words.push_str(&format!("; no room at home, so the compressed file is {path}"));
        }
        match stopped {
            Some(why) => ActionResult::Failed(format!("{words}; {why}")),
            None if self.done == 0 && !self.kept.is_empty() => ActionResult::Failed(words),
            None => ActionResult::Done(words),
        }
    }
}

/// `files.decompress`.
#[derive(Debug)]
pub struct Grow {
    pub world: World,
    pub call: Call,
    pub start: Rooted,
    pub id: Word,
}

impl Action for Grow {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        pick::lease(&self.call, &self.start)
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        Box::pin(async move {
            let marked = self.world.files.marked(&self.start, &self.id).await.map_err(failed)?;
            let compressed: u64 = marked.iter().map(|m| m.entry.bytes).sum();
            let counted = pick::counted(marked.len() as u64, compressed);
            let words = match marked.len() {
                0 => format!("nothing below {} carries the id {}", self.start.path, self.id),
                _ => format!("bring back {counted} compressed, as they were"),
            };
            let effect = Effect {
                words,
                max_items: marked.len() as u64,
                // Deflate makes nothing smaller than by 1 to 1032.
                max_bytes: compressed.saturating_mul(1_032),
                takes: Some(Span::secs(1)),
                artifact: None,
            };
            Ok((effect, Undo::Impossible("compress them again with files.compress".into())))
        })
    }

    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let marked = match self.world.files.marked(&self.start, &self.id).await {
                Ok(marked) => marked,
                Err(why) => return ActionResult::NotStarted(why.to_string()),
            };
            let most = usize::try_from(permit.step().effect.max_items).unwrap_or(usize::MAX);
            let total = marked.len();
            let (mut done, mut bytes, mut kept) = (0_u64, 0_u64, Vec::new());
            for file in marked.into_iter().take(most) {
                if let Err(why) = self.is_free(&file).await {
                    kept.push(why);
                    continue;
                }
                match self.world.files.decompress(&permit, &self.start.root, file).await {
                    Ok(n) => {
                        done += 1;
                        bytes = bytes.saturating_add(n);
                    }
                    Err(FilesError::Unknown(why)) => {
                        return ActionResult::Unknown(format!("{why}; before it, {done} done"));
                    }
                    Err(why) => kept.push(why.to_string()),
                }
            }
            let words = format!("brought back {} of {total}", pick::counted(done, bytes));
            match kept.first() {
                None => ActionResult::Done(words),
                Some(why) => ActionResult::Failed(format!("{words}; {why}")),
            }
        })
    }
}

impl Grow {
    /// A rotated log that somebody writes to gets nothing put before its new lines.
    async fn is_free(&self, file: &crate::clients::files::Marked) -> Result<(), String> {
        if file.how == Compress::Replace {
            return Ok(());
        }
        let gz = file.entry.path.as_str();
        let plain = gz.strip_suffix(".gz").and_then(|p| p.rsplit_once('.')).map(|(name, _)| name);
        let path = plain.and_then(|p| AbsPath::new(p).ok()).ok_or("has an odd name")?;
        let start = Rooted { root: self.start.root.clone(), path: path.clone() };
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let into = seen.clone();
        let visit = Box::new(move |entry| {
            *into.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(entry);
        });
        let limits = crate::clients::files::Limits::default();
        match self.world.files.walk(&start, limits, visit).await {
            // The log itself is gone: its earlier lines take its name again.
            Err(FilesError::Changed(_)) => return Ok(()),
            Err(why) => return Err(why.to_string()),
            Ok(_) => {}
        }
        let entry = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(entry) = entry else { return Ok(()) };
        let open = self.world.files.open_files(entry.id.dev).await.map_err(|e| e.to_string())?;
        let held = open.of(&entry)?;
        if held.writers == 0 && held.appenders == 0 {
            return Ok(());
        }
        Err(format!("{path} is being written to: its earlier lines stay in {gz}"))
    }
}
