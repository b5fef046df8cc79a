//! What the collector of another host tells of its files, in the words of this house.

use std::collections::{BTreeMap, BTreeSet};

use super::RemoteFiles;
use crate::clients::files::{
    DeletedOpen, Entry, FilesError, Identity, Marked, OpenFiles, Unseen, Walked,
};
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::Word;
use crate::model::listing::{Below, File, Listed, Listing, Mapped};
use crate::model::target::AbsPath;
use crate::policy::denied::Sudo;

impl RemoteFiles {
    pub(super) async fn look(&self, listing: Listing) -> Result<Listed, FilesError> {
        let fact = Fact::Files(listing);
        let mut facts = self.link.facts(&BTreeSet::from([fact.clone()])).await;
        match facts.remove(&fact) {
            Some(Ok(FactValue::Files(listed))) => Ok(listed),
            Some(Err(why)) => Err(match why.to_string() {
                why if why.starts_with("there is no ") => FilesError::Changed(why),
                why => FilesError::Failed(format!("{}: {why}", self.link.name())),
            }),
            Some(Ok(_)) | None => Err(self.odd()),
        }
    }

    pub(super) fn odd(&self) -> FilesError {
        FilesError::Failed(format!("{} answered what it was not asked", self.link.name()))
    }

    pub(super) async fn files(&self, path: &AbsPath) -> Result<Below<File>, FilesError> {
        match self.look(Listing::Files(path.clone())).await? {
            Listed::Files(below) => Ok(below),
            Listed::Sizes(_) | Listed::Open(_) | Listed::Volume(_) => Err(self.odd()),
        }
    }

    /// Who has files of a volume open.
    pub(super) async fn held(&self, dev: u64) -> Result<OpenFiles, FilesError> {
        let Listed::Open(found) = self.look(Listing::Open(dev)).await? else {
            return Err(self.odd());
        };
        let unseen = match self.link.standing().sudo {
            Sudo::Yes => Unseen::SeenWhenActing,
            Sudo::No => Unseen::LeftAlone,
        };
        let mut open = OpenFiles {
            hidden: found.hidden,
            looked_as: found.looked_as,
            unseen,
            ..OpenFiles::default()
        };
        let mut deleted = BTreeMap::new();
        for holder in found.held {
            if holder.links == 0 {
                deleted.entry(holder.ino).or_insert(DeletedOpen {
                    pid: holder.pid,
                    comm: holder.comm,
                    on_disk: holder.on_disk,
                });
            }
            let held = open.held.entry(Identity { dev, ino: holder.ino }).or_default();
            match holder.flags {
                Some(flags) if flags & 0o3 == 0 => held.readers += 1,
                Some(flags) if flags & 0o2000 != 0 => held.appenders += 1,
                // What cannot be told apart counts as the worst.
                Some(_) | None => held.writers += 1,
            }
        }
        for (how, ino) in found.mapped {
            let held = open.held.entry(Identity { dev, ino }).or_default();
            match how {
                Mapped::Reading => held.readers += 1,
                Mapped::Writing => held.writers += 1,
            }
        }
        open.deleted = deleted.into_values().collect();
        open.deleted.sort_by_key(|d| std::cmp::Reverse(d.on_disk));
        Ok(open)
    }

    /// What is still there of what was compressed under a mark.
    pub(super) async fn made(
        &self,
        path: &AbsPath,
        mark: &Word,
    ) -> Result<Vec<Marked>, FilesError> {
        let deeds = self.ledger.deeds(mark).await?;
        let below = self.files(path).await?;
        let dev = below.dev;
        let made = below.found.into_iter().filter_map(|file| {
            let deed = deeds.iter().find(|deed| deed.to() == Some(file.path.as_str()))?;
            // A file of that name and another length is not what was made.
            let same = deed.compressed.is_none_or(|bytes| bytes == file.bytes);
            same.then(|| Marked { how: deed.how(), entry: entry(dev, file) })
        });
        let mut made: Vec<Marked> = made.collect();
        made.sort_by(|a, b| a.entry.cmp(&b.entry));
        Ok(made)
    }
}

pub(super) fn entry(dev: u64, file: File) -> Entry {
    Entry {
        path: file.path,
        id: Identity { dev, ino: file.ino },
        bytes: file.bytes,
        on_disk: file.on_disk,
        modified: file.modified,
        touched: file.touched,
        links: file.links,
        uid: file.uid,
    }
}

pub(super) fn walked<T>(below: &Below<T>, files: u64) -> Walked {
    Walked {
        dev: below.dev,
        files,
        unnamed: below.unnamed,
        mounts: below.mounts,
        unreadable: below.unreadable,
        cut: below.cut.clone(),
        used: below.used,
    }
}
