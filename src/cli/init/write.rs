//! Puts a file in its place whole, or not at all, and never over another.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{CWD, Gid, RenameFlags, Uid};

use crate::config::places::ServiceUser;

/// Who may read a file beside its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Nobody,
    /// The service's group: the file stays root's.
    Service(ServiceUser),
}

/// Makes the folders above `path`, for nobody else where they are new.
pub(crate) fn folder_of(path: &Path, mode: u32) -> anyhow::Result<()> {
    let Some(folder) = path.parent() else { bail!("{} is no file's name", path.display()) };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Writes a new file; the error says so where one is there by now.
pub(crate) fn new_file(path: &Path, text: &str, readers: Readers) -> anyhow::Result<()> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random name for a file: {e}"))?;
    let random: String = random.iter().map(|b| format!("{b:02x}")).collect();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let beside = path.with_file_name(format!(".{}.{random}", name.unwrap_or_default()));
    let done = fill(&beside, text, readers)
        .with_context(|| format!("cannot write {}", beside.display()))
        .and_then(|()| {
            put(&beside, path).with_context(|| format!("cannot write {}", path.display()))
        });
    if done.is_err() {
        // It may not even have come to be.
        drop(std::fs::remove_file(&beside));
    }
    done
}

fn fill(path: &Path, text: &str, readers: Readers) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Readers::Service(user) = readers {
        rustix::fs::fchown(&file, None, Some(Gid::from_raw(user.gid)))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Renames without replacing: what came meanwhile stays.
fn put(from: &Path, to: &Path) -> std::io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that cannot: a link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes room for a new file: what is there is kept beside it under the first free name.
pub(crate) fn keep_older(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for n in 1..1_000 {
        let older = path.with_file_name(format!("{name}.{n}"));
        match rustix::fs::renameat_with(CWD, path, CWD, &older, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(Some(older)),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => {
                return Err(anyhow::Error::from(error)).with_context(|| {
                    format!("{} cannot be kept as {}", path.display(), older.display())
                });
            }
        }
    }
    bail!("there are a thousand older ones beside {}: move them away", path.display())
}

/// Gives a path to the service, whose user must write there.
pub(crate) fn hand_over(path: &Path, user: ServiceUser) -> anyhow::Result<()> {
    rustix::fs::chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
        .with_context(|| format!("{} cannot be given to the user reef", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/config.toml");
        folder_of(&path, 0o700).unwrap();
        new_file(&path, "one", Readers::Nobody).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let why = new_file(&path, "two", Readers::Nobody).unwrap_err();
        assert!(format!("{why:#}").contains("exists"), "{why:#}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let folder = std::fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_says_which() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let why = folder_of(&dir.path().join("file/x/config.toml"), 0o700).unwrap_err();
        assert!(why.to_string().contains("file/x"), "{why}");
        let why = new_file(&dir.path().join("none/config.toml"), "", Readers::Nobody).unwrap_err();
        assert!(why.to_string().contains("cannot write"), "{why}");
    }

    #[test]
    fn what_was_there_is_kept_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inventory.md");
        assert_eq!(keep_older(&path).unwrap(), None);
        for (n, text) in ["mine", "newer"].iter().enumerate() {
            std::fs::write(&path, text).unwrap();
            let older = keep_older(&path).unwrap().unwrap();
            assert_eq!(older, dir.path().join(format!("inventory.md.{}", n + 1)));
            assert_eq!(std::fs::read_to_string(older).unwrap(), *text);
        }
    }
}
