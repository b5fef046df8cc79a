//! The real files of this machine: each call on a thread that may block.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Compressed, Discard, Entry, Files, FilesError, Job, Limits, Manifest, Marked, OpenFiles,
    Opened, Quarantined, Receiving, Rooted, Squeezed, Visit, Walked, Weigh, gzip, quarantine,
    reading, receiving, unzip, walk,
};
use crate::Fut;
use crate::gate::permit::Permit;
use crate::model::ids::Word;
use crate::model::listing::Lot;
use crate::model::target::AbsPath;

/// The real files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFiles;

/// Runs blocking work; a panic in it is an error here.
pub(super) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Fut<'static, Result<T, FilesError>> {
    Box::pin(async move {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => Err(FilesError::Failed(format!("the work on files broke off: {error}"))),
        }
    })
}

impl Files for LocalFiles {
    fn walk(
        &self,
        start: &Rooted,
        limits: Limits,
        visit: Visit,
    ) -> Fut<'_, Result<Walked, FilesError>> {
        let start = start.clone();
        blocking(move || walk::walk(&start, limits, visit))
    }

    fn sizes(
        &self,
        start: &Rooted,
        limits: Limits,
        mut weigh: Weigh,
    ) -> Fut<'_, Result<Walked, FilesError>> {
        let mut linked = BTreeSet::new();
        let visit = move |entry: Entry| {
            if entry.links == 1 || linked.insert(entry.id) {
                let Entry { path, on_disk, modified: newest, .. } = entry;
                weigh(Lot { path, files: 1, on_disk, newest });
            }
        };
        self.walk(start, limits, Box::new(visit))
    }

    fn open<'a>(
        &'a self,
        root: &'a AbsPath,
        entry: &'a Entry,
    ) -> Fut<'a, Result<Opened, FilesError>> {
        let (root, entry) = (root.clone(), entry.clone());
        blocking(move || reading::open(&root, &entry))
    }

    fn open_files(&self, dev: u64) -> Fut<'_, Result<OpenFiles, FilesError>> {
        blocking(move || walk::open_files(dev))
    }

    fn volume(&self, folder: &AbsPath) -> Fut<'_, Result<u64, FilesError>> {
        let folder = folder.clone();
        blocking(move || {
            let there = folder.as_path().ancestors().find_map(|p| rustix::fs::stat(p).ok());
            there.map(|stat| stat.st_dev).ok_or_else(|| {
                FilesError::Failed(format!("cannot tell which volume {folder} lies on"))
            })
        })
    }

    fn room(&self, folder: &AbsPath) -> Fut<'_, Result<Option<u64>, FilesError>> {
        let folder = folder.clone();
        blocking(move || {
            let there = folder.as_path().ancestors().find_map(|p| rustix::fs::statvfs(p).ok());
            Ok(there.map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)))
        })
    }

    fn estimate(
        &self,
        root: &AbsPath,
        entries: Vec<Entry>,
    ) -> Fut<'_, Result<Option<Squeezed>, FilesError>> {
        let root = root.clone();
        blocking(move || gzip::estimate(&root, entries).map(Some))
    }

    fn marked(&self, start: &Rooted, mark: &Word) -> Fut<'_, Result<Vec<Marked>, FilesError>> {
        let (start, mark) = (start.clone(), mark.clone());
        blocking(move || {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let into = seen.clone();
            let visit = Box::new(move |entry: Entry| {
                if entry.path.as_str().ends_with(".gz") {
                    into.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
                }
            });
            walk::walk(&start, Limits::default(), visit)?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.sort();
            Ok(seen
                .drain(..)
                .filter_map(|entry| {
                    let how = unzip::made_by(&start, &entry, mark.as_str())?;
                    Some(Marked { entry, how })
                })
                .collect())
        })
    }

    fn quarantines(
        &self,
        folder: &AbsPath,
    ) -> Fut<'_, Result<(Vec<Quarantined>, u64), FilesError>> {
        let folder = folder.clone();
        blocking(move || quarantine::list(&folder))
    }

    fn compress<'a>(&'a self, _: &'a Permit, job: Job) -> Fut<'a, Result<Compressed, FilesError>> {
        blocking(move || gzip::compress(&job))
    }

    fn receive<'a>(
        &'a self,
        _: &'a Permit,
        to: &'a Rooted,
        bytes: u64,
    ) -> Fut<'a, Result<Receiving, FilesError>> {
        let to = to.clone();
        blocking(move || receiving::begin(&to, bytes))
    }

    fn decompress<'a>(
        &'a self,
        _: &'a Permit,
        root: &'a AbsPath,
        file: Marked,
    ) -> Fut<'a, Result<u64, FilesError>> {
        let root = root.clone();
        blocking(move || unzip::decompress(&root, &file))
    }

    fn open_quarantine<'a>(
        &'a self,
        _: &'a Permit,
        folder: &'a AbsPath,
        manifest: Manifest,
    ) -> Fut<'a, Result<(), FilesError>> {
        let folder = folder.clone();
        blocking(move || quarantine::open(&folder, &manifest))
    }

    fn put_away<'a>(
        &'a self,
        _: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>> {
        let (folder, manifest) = (folder.clone(), manifest.clone());
        blocking(move || quarantine::put_away(&folder, &manifest, index))
    }

    fn put_back<'a>(
        &'a self,
        _: &'a Permit,
        folder: &'a AbsPath,
        manifest: &'a Arc<Manifest>,
        index: usize,
    ) -> Fut<'a, Result<(), FilesError>> {
        let (folder, manifest) = (folder.clone(), manifest.clone());
        blocking(move || quarantine::put_back(&folder, &manifest, index))
    }

    fn discard<'a>(
        &'a self,
        _: &'a Permit,
        folder: &'a AbsPath,
        id: &'a Word,
        what: Discard,
    ) -> Fut<'a, Result<(u64, u64), FilesError>> {
        let (folder, id) = (folder.clone(), id.clone());
        blocking(move || quarantine::discard(&folder, &id, what))
    }
}
