//! What reef did to the files of another host, written down on this machine before it is done.
//!
//! A quarantine is a folder `ID` with its manifest, and an empty file for each file that is, or may be,
//! there; what was compressed is a folder `marks/MARK` with one small file each.

use serde::{Deserialize, Serialize};

use crate::clients::files::local::blocking;
use crate::clients::files::{Compress, Entry, FilesError, Job, Manifest, open};
use crate::model::ids::Word;
use crate::model::target::AbsPath;

/// The folder of one host.
#[derive(Debug, Clone)]
pub(super) struct Ledger(pub AbsPath);

/// One file that was compressed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Deed {
    /// As it was before.
    entry: Entry,
    /// `compress` or `rotate`.
    how: String,
    /// The compressed file, as soon as it is known.
    to: Option<AbsPath>,
    pub(super) compressed: Option<u64>,
}

impl Deed {
    pub(super) fn of(job: &Job) -> Self {
        let how = job.how.word().to_owned();
        // A rotated copy gets a number that only the host knows.
        let gz = || AbsPath::new(&format!("{}.gz", job.entry.path)).ok();
        let to = if job.how == Compress::Replace { gz() } else { None };
        Self { entry: job.entry.clone(), how, to, compressed: None }
    }

    pub(super) fn done(&mut self, to: &AbsPath, compressed: u64) {
        (self.to, self.compressed) = (Some(to.clone()), Some(compressed));
    }

    pub(super) fn to(&self) -> Option<&str> {
        self.to.as_ref().map(AbsPath::as_str)
    }

    pub(super) fn how(&self) -> Compress {
        match self.how == Compress::Replace.word() {
            true => Compress::Replace,
            false => Compress::CopyTruncate,
        }
    }
}

/// The manifest's entry of an index.
pub(super) fn entry(manifest: &Manifest, index: usize) -> Result<&Entry, FilesError> {
    manifest.files.get(index).ok_or_else(|| {
        FilesError::Failed(format!("quarantine {} has no file {index}", manifest.id))
    })
}

impl Ledger {
    /// An id or a mark names a child of this folder and nothing else.
    fn below(&self, rest: &str, word: &Word) -> Result<AbsPath, FilesError> {
        let plain = word.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        match AbsPath::new(&format!("{}/{rest}{word}", self.0)) {
            Ok(path) if plain => Ok(path),
            Ok(_) | Err(_) => Err(FilesError::Failed(format!("{word} is no id of reef's"))),
        }
    }

    pub(super) async fn write(&self, mark: &Word, deed: &Deed) -> Result<(), FilesError> {
        let folder = self.below("marks/", mark)?;
        let name = format!("{}/{}", folder, deed.entry.id.ino);
        let json = serde_json::to_vec(deed)
            .map_err(|e| FilesError::Failed(format!("cannot write down what is done: {e}")))?;
        blocking(move || {
            let wrong = |e: std::io::Error| open::failed_io("write", &folder, &e);
            std::fs::create_dir_all(folder.as_path()).map_err(wrong)?;
            let part = format!("{name}.part");
            std::fs::write(&part, json).map_err(wrong)?;
            std::fs::rename(&part, &name).map_err(wrong)
        })
        .await
    }

    /// What was not done leaves no trace.
    pub(super) async fn forget(&self, mark: &Word, deed: &Deed) {
        let Ok(folder) = self.below("marks/", mark) else { return };
        let ino = deed.entry.id.ino;
        let gone = blocking(move || {
            let file = folder.as_path().join(ino.to_string());
            std::fs::remove_file(file).map_err(|e| open::failed_io("remove", &folder, &e))
        });
        if let Err(why) = gone.await {
            tracing::warn!("{why}");
        }
    }

    pub(super) async fn deeds(&self, mark: &Word) -> Result<Vec<Deed>, FilesError> {
        let folder = self.below("marks/", mark)?;
        blocking(move || {
            let wrong = |e: std::io::Error| open::failed_io("read", &folder, &e);
            let files = match std::fs::read_dir(folder.as_path()) {
                Ok(files) => files,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(wrong(e)),
            };
            let mut deeds = Vec::new();
            for file in files {
                let path = file.map_err(wrong)?.path();
                if path.extension().is_none() {
                    let json = std::fs::read(&path).map_err(wrong)?;
                    // One that is damaged is one that cannot be undone; the others can.
                    deeds.extend(serde_json::from_slice::<Deed>(&json).ok());
                }
            }
            Ok(deeds)
        })
        .await
    }

    /// From now on the file of this index may be in quarantine.
    pub(super) async fn put(&self, id: &Word, index: usize) -> Result<(), FilesError> {
        let folder = self.below("", id)?;
        blocking(move || {
            std::fs::write(folder.as_path().join(index.to_string()), b"")
                .map_err(|e| open::failed_io("write", &folder, &e))
        })
        .await
    }

    /// It is not.
    pub(super) async fn take(&self, id: &Word, index: usize) -> Result<(), FilesError> {
        let folder = self.below("", id)?;
        blocking(move || match std::fs::remove_file(folder.as_path().join(index.to_string())) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(open::failed_io("remove", &folder, &e)),
        })
        .await
    }
}
