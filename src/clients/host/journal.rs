//! New errors in the journal since the last look, by `journalctl` and its cursor.

use serde_json::Value;
use tokio::time::Instant;

use crate::clients::host::lines::{Counted, Splitter};
use crate::clients::process::{Given, Limits, Raw, RunError, run_into};
use crate::model::fact::{Lines, NoFact};
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// Entries that are read in one look; more are counted only.
const MOST_READ: u64 = 5_000;

/// Bytes of an entry that are held. journalctl itself leaves out fields over 4 KiB.
const LONGEST: usize = 64 << 10;

/// Where the last look ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    Unknown,
    /// The journal had nothing yet: its first entry is new.
    Empty,
    After(String),
}

/// A journal that is followed.
#[derive(Debug)]
pub struct Journal {
    /// `journalctl`, or what stands for it.
    program: Vec<String>,
    position: Position,
    looked_at: Instant,
}

impl Default for Journal {
    fn default() -> Self {
        Self::new(vec!["journalctl".to_owned()])
    }
}

impl Journal {
    pub fn new(program: Vec<String>) -> Self {
        Self { program, position: Position::Unknown, looked_at: Instant::now() }
    }

    /// Counts the entries of priority err and worse that are new; none at the first look.
    pub async fn look(&mut self, redactor: &Redactor) -> Result<Lines, NoFact> {
        if self.position == Position::Unknown {
            self.position = self.newest(redactor).await?;
            self.looked_at = Instant::now();
            return Ok(Counted::default().lines(Span(0)));
        }
        let mut args = vec!["-p".to_owned(), "err".to_owned()];
        let mut known = None;
        if let Position::After(cursor) = &self.position {
            // Not `--after-cursor`: where the entry at the cursor is no error itself, it skips the first
            // that is (systemd 252, `sd_journal_next_skip`).
            args.push(format!("--cursor={cursor}"));
            known = Some(cursor.as_str());
        }
        let found = self.read(&args, known, redactor).await?;
        match found.cursor {
            // Stepping to the end costs one call, and only after a flood.
            _ if found.cut => self.position = self.newest(redactor).await?,
            Some(cursor) => self.position = Position::After(cursor),
            None => {}
        }
        let over = Span::from(self.looked_at.elapsed());
        self.looked_at = Instant::now();
        Ok(found.counted.lines(over))
    }

    async fn newest(&self, redactor: &Redactor) -> Result<Position, NoFact> {
        let found = self.read(&["-n".to_owned(), "1".to_owned()], None, redactor).await?;
        Ok(found.cursor.map_or(Position::Empty, Position::After))
    }

    /// Reads what journalctl shows, without the entry that is `known` already.
    async fn read(
        &self,
        args: &[String],
        known: Option<&str>,
        redactor: &Redactor,
    ) -> Result<Found, NoFact> {
        let always = ["--no-pager", "-o", "json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"];
        let always = always.map(str::to_owned);
        let argv: Vec<String> = self.program.iter().chain(&always).chain(args).cloned().collect();
        let mut found = Found::default();
        let mut splitter = Splitter::new(LONGEST);
        let mut sink = |piece: &[u8]| {
            splitter.take(piece, |line| found.entry(line, known, redactor));
            0
        };
        let limits = Limits { timeout: Span::secs(8), max_output: 4_096 };
        let ended = run_into(&argv, limits, &Given::default(), &mut sink).await;
        match ended {
            Ok(raw) => refusal(&raw, found.counted.errors()).map_or(Ok(found), Err),
            // A flood that could not be read in time: what was read counts.
            Err(RunError::TimedOut { .. }) if 0 < found.counted.errors() => {
                found.cut = true;
                Ok(found)
            }
            Err(RunError::NotStarted(_)) => {
                Err(NoFact::Absent("this host has no journalctl; name a log file instead".into()))
            }
            Err(error) => Err(NoFact::Failed(format!("journalctl {error}"))),
        }
    }
}

/// What one call of journalctl brought.
#[derive(Debug, Default)]
pub struct Found {
    pub counted: Counted,
    pub cursor: Option<String>,
    /// There was more than was read.
    pub cut: bool,
}

impl Found {
    /// Entries that somebody else fetched, one JSON object a line; `known` is counted already.
    pub fn of(text: &[u8], known: Option<&str>, redactor: &Redactor) -> Self {
        let mut found = Self::default();
        for line in text.split(|b| *b == b'\n').filter(|line| line.starts_with(b"{")) {
            found.entry(line, known, redactor);
        }
        found
    }

    fn entry(&mut self, line: &[u8], known: Option<&str>, redactor: &Redactor) {
        // `-- No entries --` is said in every format.
        if line.is_empty() || line.starts_with(b"--") {
            return;
        }
        if MOST_READ <= self.counted.errors() {
            self.counted.estimate(1);
            self.cut = true;
            return;
        }
        let entry: Value = serde_json::from_slice(line).unwrap_or(Value::Null);
        if let Some(cursor) = entry.get("__CURSOR").and_then(Value::as_str) {
            if known == Some(cursor) {
                return;
            }
            self.cursor = Some(cursor.to_owned());
        }
        let who = entry.get("SYSLOG_IDENTIFIER").and_then(Value::as_str).unwrap_or("?");
        let what = message(entry.get("MESSAGE"));
        self.counted.add(&format!("{who}: {}", what.lines().next().unwrap_or("")), redactor);
    }
}

/// The cursor of one entry, and `PROGRAM: MESSAGE` of its first line.
pub fn entry(line: &[u8]) -> Option<(String, String)> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    let cursor = entry.get("__CURSOR").and_then(Value::as_str)?.to_owned();
    let who = entry.get("SYSLOG_IDENTIFIER").and_then(Value::as_str).unwrap_or("?");
    let what = message(entry.get("MESSAGE"));
    Some((cursor, format!("{who}: {}", what.lines().next().unwrap_or(""))))
}

/// A message is text, or an array of bytes where it is no UTF-8, or null where it is too long.
pub(in crate::clients) fn message(field: Option<&Value>) -> String {
    match field {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(bytes)) => {
            let byte = |b: &Value| b.as_u64().and_then(|b| u8::try_from(b).ok());
            let bytes: Vec<u8> = bytes.iter().filter_map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            "a message too long to read".to_owned()
        }
    }
}

/// What journalctl says where it shows less than there is.
pub fn refused(words: &str) -> Option<NoFact> {
    if words.contains("not seeing messages from other users") {
        let todo =
            "reef may not read the system journal: add its user to the group systemd-journal";
        return Some(NoFact::Failed(todo.into()));
    }
    if words.contains("No journal files were") {
        return Some(NoFact::Absent("this host keeps no journal; name a log file instead".into()));
    }
    None
}

/// Why what came is not the whole truth, where it is not.
fn refusal(raw: &Raw, entries: u64) -> Option<NoFact> {
    let words = String::from_utf8_lossy(&raw.stderr);
    if let Some(refused) = refused(&words) {
        return Some(refused);
    }
    match raw.code {
        Some(0) => None,
        // Without entries some versions end with 1, and say nothing.
        Some(1) if entries == 0 && words.trim().is_empty() => None,
        Some(_) | None => {
            let why: String = words.lines().next().unwrap_or("failed").chars().take(200).collect();
            Some(NoFact::Failed(format!("journalctl: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for journalctl: `$@` are its arguments.
    fn journal(script: &str) -> Journal {
        Journal::new(["sh", "-c", script, "journalctl"].map(str::to_owned).to_vec())
    }

    fn redactor() -> Redactor {
        Redactor::new(Vec::new())
    }

    #[tokio::test]
    async fn each_entry_counts_once() {
        // The cursor that it is given decides what it tells.
        let script = r#"case "$*" in
            *cursor=c3*) echo '{"__CURSOR":"c3","MESSAGE":"seen"}' ;;
            *cursor=c1*)
                printf '%s\n' '{"__CURSOR":"c2","SYSLOG_IDENTIFIER":"app","MESSAGE":"cannot reach 10.0.0.1"}'
                printf '%s\n' '{"__CURSOR":"c3","MESSAGE":[255,104,105]}' 'no json' ;;
            *-n*1*) echo '{"__CURSOR":"c1","MESSAGE":"old"}' ;;
            esac"#;
        let mut journal = journal(script);
        assert_eq!(journal.look(&redactor()).await.unwrap().errors, 0);
        let lines = journal.look(&redactor()).await.unwrap();
        assert_eq!((lines.errors, lines.templates.len()), (3, 3), "{lines:?}");
        assert!(lines.templates.iter().any(|(t, _)| t.as_str().starts_with("app: cannot reach")));
        assert_eq!(journal.look(&redactor()).await.unwrap().errors, 0);
    }

    #[tokio::test]
    async fn a_flood_is_counted_and_left_behind() {
        let script = r#"case "$*" in
            *-n*1*) echo '{"__CURSOR":"end","MESSAGE":"x"}' ;;
            *cursor=end*) yes '{"__CURSOR":"c","MESSAGE":"boom"}' | head -n 20000 ;;
            esac"#;
        let mut journal = journal(script);
        journal.look(&redactor()).await.unwrap();
        assert_eq!(journal.look(&redactor()).await.unwrap().errors, 20_000);
        assert_eq!(journal.position, Position::After("end".into()));
    }

    #[tokio::test]
    async fn a_journal_that_may_not_be_read_is_no_quiet_journal() {
        for (script, want) in [
            (
                "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2",
                "systemd-journal",
            ),
            ("echo 'No journal files were found.' >&2", "keeps no journal"),
            ("echo 'Failed to open: broken' >&2; exit 1", "broken"),
        ] {
            let why = journal(script).look(&redactor()).await.unwrap_err().to_string();
            assert!(why.contains(want), "{why}");
        }
        let mut none = Journal::new(vec!["/no/such/journalctl".into()]);
        assert!(matches!(none.look(&redactor()).await, Err(NoFact::Absent(_))));
    }

    #[tokio::test]
    async fn a_hundred_megabyte_entry_is_one_entry() {
        let script = r#"case "$*" in
            *-n*1*) echo '{"__CURSOR":"c","MESSAGE":"x"}' ;;
            *) head -c 100000000 /dev/zero; echo ;;
            esac"#;
        let mut journal = journal(script);
        journal.look(&redactor()).await.unwrap();
        let lines = journal.look(&redactor()).await.unwrap();
        assert_eq!(lines.errors, 1);
    }
}
