//! A report on the disk: whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::gate::crash::{Point, Points};

/// The newest report under a name that does not change.
pub const LATEST: &str = "latest.md";

/// Writes the same text under each of the names, in turn. A file is replaced by a rename, so that
/// whoever reads it sees the old or the new one; what a crash leaves behind is `.NAME.new`, which the
/// next write uses again and which no reader takes for a report.
pub fn put(folder: &Path, names: &[String], text: &str, points: &dyn Points) -> anyhow::Result<()> {
    // Reports name hosts, services and faults: nobody else's business.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for name in names {
        replace(folder, name, text.as_bytes(), points)
            .with_context(|| format!("cannot write {}", folder.join(name).display()))?;
    }
    Ok(())
}

fn replace(folder: &Path, name: &str, text: &[u8], points: &dyn Points) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    points.reached(Point::ReportWritten);
    fs::rename(&beside, folder.join(name))?;
    // The rename is durable only with the folder.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::crash::Unwatched;

    fn names() -> [String; 2] {
        ["2026-03-04.md".to_owned(), LATEST.to_owned()]
    }

    #[test]
    fn what_a_crash_left_behind_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("reports");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".2026-03-04.md.new"), "half a rep").unwrap();
        put(&folder, &names(), "whole", &Unwatched).unwrap();
        let mut found: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        found.sort();
        assert_eq!(found, ["2026-03-04.md", "latest.md"]);
        assert_eq!(fs::read_to_string(folder.join(LATEST)).unwrap(), "whole");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_report_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &names(), "old", &Unwatched).unwrap();
        // The place for the new text is taken by a folder: as good as a full disk, and true for root too.
        fs::create_dir(dir.path().join(".2026-03-04.md.new")).unwrap();
        let error = format!("{:#}", put(dir.path(), &names(), "new", &Unwatched).unwrap_err());
        assert!(error.contains("cannot write") && error.contains("2026-03-04.md"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("2026-03-04.md")).unwrap(), "old");
    }

    #[test]
    fn a_reader_never_sees_half_a_report() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = ("1".repeat(200_000), "2".repeat(100_000));
        put(dir.path(), &names(), &one, &Unwatched).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..20 {
                    put(dir.path(), &names(), if n % 2 == 0 { &two } else { &one }, &Unwatched)
                        .unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read_to_string(dir.path().join(LATEST)).unwrap();
                assert!(seen == one || seen == two, "{} bytes", seen.len());
            }
        });
    }
}
