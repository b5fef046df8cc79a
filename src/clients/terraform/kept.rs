//! Plan files in reef's own state folder: each under the digest of its bytes, so that what was approved is what is
//! applied.

use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clients::terraform::plan::Changes;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::target::AbsPath;

/// Plans of one stack that are kept; the oldest goes first.
const MOST: usize = 8;
/// A larger plan file is none.
const LARGEST: u64 = 64 << 20;

/// A plan that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Of the plan file's bytes.
    pub plan: Digest,
    /// Of all that the file says but its time.
    pub means: Digest,
    /// Of the state that it was planned over.
    pub state: Digest,
    pub changes: Changes,
}

/// The folder of all plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(pub AbsPath);

impl Plans {
    /// Where the next plan is written, with nothing there. Its folder is for reef alone: plans hold secrets.
    pub(super) fn fresh(&self, stack: &Word) -> Result<AbsPath, String> {
        let folder = self.folder(stack);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = self.path(stack, "new.tfplan")?;
        match std::fs::remove_file(file.as_path()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{file}: {e}")),
            Ok(()) | Err(_) => Ok(file),
        }
    }

    /// Keeps a fresh plan, unless one of the same meaning is kept already: then that one is the answer.
    pub(super) fn keep(&self, stack: &Word, fresh: &AbsPath, kept: Kept) -> Result<Kept, String> {
        let mut all = self.all(stack);
        let alike = |old: &&Kept| old.means == kept.means && old.state == kept.state;
        if let Some((old, _)) = all
            .iter()
            .map(|(_, old)| old)
            .find(alike)
            .and_then(|old| self.find(stack, old.plan).ok())
        {
            drop(std::fs::remove_file(fresh.as_path()));
            return Ok(old);
        }
        let at = |suffix: &str| self.path(stack, &format!("{}.{suffix}", kept.plan));
        let text =
            serde_json::to_string(&kept).map_err(|e| format!("a plan cannot be kept: {e}"))?;
        let (plan, about) = (at("tfplan")?, at("json")?);
        std::fs::rename(fresh.as_path(), plan.as_path()).map_err(|e| format!("{plan}: {e}"))?;
        std::fs::write(about.as_path(), text).map_err(|e| format!("{about}: {e}"))?;
        all.sort_by_key(|(age, _)| *age);
        for (_, old) in all.iter().rev().skip(MOST - 1) {
            for suffix in ["json", "tfplan"] {
                // What cannot be removed is removed the next time.
                drop(std::fs::remove_file(
                    self.folder(stack).join(format!("{}.{suffix}", old.plan)),
                ));
            }
        }
        Ok(kept)
    }

    /// What is known of a kept plan. A file of the state folder is read; nothing is run.
    pub fn about(&self, stack: &Word, plan: Digest) -> Result<Kept, String> {
        let file = self.path(stack, &format!("{plan}.json"))?;
        let text = std::fs::read(file.as_path()).map_err(|_| {
            format!("the plan {} of {stack} is not kept (any more): plan anew", plan.short())
        })?;
        let kept: Kept = serde_json::from_slice(&text).map_err(|e| {
            format!("what is kept of the plan {} of {stack} is not understood: {e}", plan.short())
        })?;
        if kept.plan != plan {
            return Err(format!(
                "what is kept of the plan {} of {stack} is another's",
                plan.short()
            ));
        }
        Ok(kept)
    }

    /// A kept plan and its file, which has the bytes of its name.
    pub fn find(&self, stack: &Word, plan: Digest) -> Result<(Kept, AbsPath), String> {
        let kept = self.about(stack, plan)?;
        let file = self.path(stack, &format!("{plan}.tfplan"))?;
        if Digest::of(&bytes(&file)?) != plan {
            return Err(format!("{file} is not the plan that was made: plan anew"));
        }
        Ok((kept, file))
    }

    fn folder(&self, stack: &Word) -> PathBuf {
        self.0.as_path().join(stack.as_str())
    }

    fn path(&self, stack: &Word, name: &str) -> Result<AbsPath, String> {
        AbsPath::new(&format!("{}/{stack}/{name}", self.0)).map_err(|bad| bad.to_string())
    }

    /// All that are kept, each with when it was.
    fn all(&self, stack: &Word) -> Vec<((i64, i64), Kept)> {
        let entries = std::fs::read_dir(self.folder(stack)).into_iter().flatten().flatten();
        let one = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let plan = Digest::try_from(name.strip_suffix(".json")?.to_owned()).ok()?;
            let about = entry.metadata().ok()?;
            Some(((about.mtime(), about.mtime_nsec()), self.about(stack, plan).ok()?))
        };
        entries.filter_map(one).collect()
    }
}

/// A plan file's bytes.
pub(super) fn bytes(file: &AbsPath) -> Result<Vec<u8>, String> {
    let opened = std::fs::File::open(file.as_path()).map_err(|e| format!("{file}: {e}"))?;
    let mut bytes = Vec::new();
    opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| format!("{file}: {e}"))?;
    match u64::try_from(bytes.len()) {
        Ok(n) if n <= LARGEST => Ok(bytes),
        Ok(_) | Err(_) => Err(format!("{file} is larger than {LARGEST} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(plans: &Plans, content: &str, means: &str) -> Kept {
        let stack = Word::of("web");
        let fresh = plans.fresh(&stack).unwrap();
        std::fs::write(fresh.as_path(), content).unwrap();
        let changes = Changes { all: Vec::new(), outputs: 1, strange: Vec::new() };
        let state = Digest::of(b"state");
        let new = Kept {
            plan: Digest::of(content.as_bytes()),
            means: Digest::of(means.as_bytes()),
            state,
            changes,
        };
        plans.keep(&stack, &fresh, new).unwrap()
    }

    #[test]
    fn a_plan_is_found_by_its_bytes_and_by_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let plans = Plans(AbsPath::new(folder.path().join("plans").to_str().unwrap()).unwrap());
        let stack = Word::of("web");
        let first = kept(&plans, "one", "same");
        // Another file of the same plan over the same world: what is kept stays.
        assert_eq!(kept(&plans, "two", "same"), first);
        let (found, file) = plans.find(&stack, first.plan).unwrap();
        assert_eq!(found, first);
        assert!(plans.find(&stack, Digest::of(b"two")).unwrap_err().contains("plan anew"));
        assert!(plans.find(&Word::of("other"), first.plan).is_err());
        std::fs::write(file.as_path(), "one, and more").unwrap();
        assert!(plans.find(&stack, first.plan).unwrap_err().contains("not the plan that was made"));
        // A spoilt file is no answer to the same plan either.
        assert_eq!(kept(&plans, "three", "same").plan, Digest::of(b"three"));
        for n in 0..20 {
            kept(&plans, &format!("n{n}"), &format!("m{n}"));
        }
        assert!(plans.all(&stack).len() <= MOST);
        assert!(plans.find(&stack, Digest::of(b"n19")).is_ok());
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(plans.folder(&stack)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
