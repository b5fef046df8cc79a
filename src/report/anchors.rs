//! The audit log's head in a report, and back out of the reports that were kept.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::model::audit::ChainHead;
use crate::model::digest::Digest;

/// A report that is larger than this is not reef's.
const LARGEST: u64 = 1 << 20;
/// Ten years of reports; the newest count.
const MOST: usize = 4_000;

/// How the line of the audit log begins. No text of a machine can stand at the beginning of a line.
pub const AUDIT: &str = "- audit ";
const HEAD: &str = "  head ";

/// The line with the head, for people and for [`parse`].
pub fn line(head: ChainHead) -> String {
    format!("{HEAD}{} {}", head.seq, head.hash)
}

/// The head that a report carries.
pub fn parse(markdown: &str) -> Option<ChainHead> {
    let mut of_audit = false;
    for line in markdown.lines() {
        if let Some(head) = line.strip_prefix(HEAD).filter(|_| of_audit) {
            let (seq, hash) = head.split_once(' ')?;
            return Some(ChainHead {
                seq: seq.parse().ok()?,
                hash: Digest::try_from(hash.to_owned()).ok()?,
            });
        }
        of_audit = line.starts_with(AUDIT);
    }
    None
}

/// The heads of all reports in a folder, oldest first. What cannot be read is logged and left out: a
/// report that was lost proves nothing.
pub fn of_folder(folder: &Path) -> Vec<ChainHead> {
    let mut heads: Vec<ChainHead> = reports(folder)
        .iter()
        .filter_map(|path| match read(path) {
            Ok(text) => parse(&text),
            Err(error) => {
                tracing::warn!("cannot read the report {}: {error}", path.display());
                None
            }
        })
        .collect();
    heads.sort_by_key(|head| head.seq);
    heads
}

/// The reports of days: `YYYY-MM-DD.md`, oldest first.
fn reports(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flatten().filter(|e| is_day(e.file_name().to_str())).map(|e| e.path()).collect();
    found.sort();
    let old = found.len().saturating_sub(MOST);
    found.drain(..old);
    found
}

fn is_day(name: Option<&str>) -> bool {
    let Some(day) = name.and_then(|name| name.strip_suffix(".md")) else { return false };
    let dashes = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    day.len() == 10 && day.bytes().enumerate().all(dashes)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(LARGEST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: i64) -> ChainHead {
        ChainHead { seq, hash: Digest::of(&seq.to_be_bytes()) }
    }

    #[test]
    fn a_head_is_read_back_as_it_was_written() {
        let report = format!("# x\n\n{AUDIT}31 rows, chain ok,\n{}\n- reef: 1\n", line(head(31)));
        assert_eq!(parse(&report), Some(head(31)));
    }

    #[test]
    fn only_the_audit_line_has_a_head() {
        let other = format!("- a log line said\n{}\n", line(head(9)));
        assert_eq!(parse(&other), None);
        assert_eq!(parse("- audit 3 rows,\n  head 3 beef\n"), None);
        assert_eq!(parse("- audit 3 rows,\n  head three\n"), None);
        assert_eq!(parse("- audit 0 rows, chain ok\n- reef\n"), None);
    }

    #[test]
    fn the_reports_of_days_count_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let report = |seq| format!("{AUDIT}1 rows,\n{}\n", line(head(seq)));
        for (name, seq) in [
            ("2026-03-05.md", 40),
            ("2026-03-04.md", 31),
            ("latest.md", 99),
            (".2026-03-06.md.new", 98),
            ("2026-03-0x.md", 97),
        ] {
            fs::write(dir.path().join(name), report(seq)).unwrap();
        }
        fs::write(dir.path().join("2026-03-07.md"), b"\xff\xfe not a report").unwrap();
        fs::create_dir(dir.path().join("2026-03-08.md")).unwrap();
        assert_eq!(of_folder(dir.path()), [head(31), head(40)]);
        assert_eq!(of_folder(&dir.path().join("none")), []);
    }
}
