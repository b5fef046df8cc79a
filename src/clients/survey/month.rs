//! What broke most in the past month, by the journal: units that failed, processes that were killed for want of memory,
//! errors by their templates. Bounded in time, lines and bytes; what could not be read in time is said.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clients::host::journal::{message, refused};
use crate::clients::host::lines::{Counted, Splitter};
use crate::clients::process::{Given, Limits, RunError, run_into};
use crate::model::fact::{Lines, NoFact};
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};
use crate::policy::redact::Redactor;

/// How far back.
pub const BACK: Span = Span::days(30);
/// For each of the two questions.
const WITHIN: Span = Span::secs(15);
/// The newest entries are read first, and no more than these.
const MOST: &str = "20000";
/// Bytes of an entry that are held, and of all entries that are read.
const LONGEST: usize = 64 << 10;
const LARGEST: usize = 64 << 20;
/// Names that are told of.
const TOLD: usize = 8;

/// systemd's own ids of "failed with a result", "could not be started", "killed for want of memory".
const FAILED: [&str; 2] = ["d9b373ed55a64feb8242e02dbe79a49c", "be02cf6855d2428ba40df7e9d022f03d"];
const OOM: &str = "fe6faa94e7774663a0da52717891d8ef";

/// What a month came to, the most frequent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Month {
    /// Units and how often they failed.
    pub failed: Vec<(Tainted, u64)>,
    /// Processes that the kernel killed for want of memory.
    pub killed: Vec<(Tainted, u64)>,
    /// Entries of priority err and worse; `over` is how long they cover.
    pub errors: Lines,
}

/// Asks the journal. `program` is `journalctl`, or what stands for it.
pub async fn month(program: &[String], redactor: &Redactor, now: Millis) -> Result<Month, NoFact> {
    let errors = ["--output-fields=MESSAGE,SYSLOG_IDENTIFIER", "-p", "err"].map(str::to_owned);
    let mut failures = vec!["--output-fields=MESSAGE_ID,UNIT,USER_UNIT".to_owned()];
    failures.extend(FAILED.iter().chain([&OOM]).map(|id| format!("MESSAGE_ID={id}")));
    let (mut told, mut broke) = (Told::default(), Broke::default());
    let (of_errors, of_failures) = tokio::join!(
        read(program, &errors, |entry| told.take(entry, redactor)),
        read(program, &failures, |entry| broke.take(entry)),
    );
    of_errors?;
    of_failures?;
    if told.counted.errors() == 0 && broke.units.is_empty() {
        // A journal that holds nothing at all is no quiet month.
        let mut any = false;
        read(program, &["-n", "1"].map(str::to_owned), |_| any = true).await?;
        if !any {
            return Err(NoFact::Absent("the journal of this host holds nothing".into()));
        }
    }
    let over = told.oldest.map_or(Span(0), |oldest| now.since(oldest));
    Ok(Month {
        failed: most(broke.units),
        killed: most(told.killed),
        errors: Lines { over, ..told.counted.lines(over) },
    })
}

#[derive(Default)]
struct Told {
    counted: Counted,
    killed: BTreeMap<String, u64>,
    oldest: Option<Millis>,
}

impl Told {
    fn take(&mut self, entry: &Value, redactor: &Redactor) {
        let who = entry.get("SYSLOG_IDENTIFIER").and_then(Value::as_str).unwrap_or("?");
        let what = message(entry.get("MESSAGE"));
        if who == "kernel"
            && let Some(name) = killed(&what)
        {
            *self.killed.entry(name.to_owned()).or_default() += 1;
        }
        self.counted.add(&format!("{who}: {}", what.lines().next().unwrap_or("")), redactor);
        let at = entry.get("__REALTIME_TIMESTAMP").and_then(Value::as_str);
        let at =
            at.and_then(|micros| micros.parse::<i64>().ok()).map(|micros| Millis(micros / 1_000));
        self.oldest = [self.oldest, at].into_iter().flatten().min();
    }
}

#[derive(Default)]
struct Broke {
    units: BTreeMap<String, u64>,
}

impl Broke {
    fn take(&mut self, entry: &Value) {
        let unit = ["UNIT", "USER_UNIT"].iter().find_map(|key| entry.get(key)?.as_str());
        // A scope is a login or a container that ended; nobody looks after those.
        if let Some(unit) = unit.filter(|unit| !unit.ends_with(".scope")) {
            *self.units.entry(unit.to_owned()).or_default() += 1;
        }
    }
}

/// `Out of memory: Killed process 4711 (jellyfin) total-vm:...`, with or without `Memory cgroup` before it.
fn killed(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("Killed process ")?;
    let (_, rest) = rest.split_once('(')?;
    rest.split_once(')').map(|(name, _)| name).filter(|name| !name.is_empty())
}

fn most(counted: BTreeMap<String, u64>) -> Vec<(Tainted, u64)> {
    let mut all: Vec<(String, u64)> = counted.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(TOLD);
    all.into_iter().map(|(name, n)| (Tainted::bounded(&name.replace('\n', " "), 100), n)).collect()
}

/// Reads the entries of the month, newest first, until they end, or the time or the bytes do.
async fn read(
    program: &[String],
    args: &[String],
    mut each: impl FnMut(&Value) + Send,
) -> Result<(), NoFact> {
    let always = ["--no-pager", "-o", "json", "-r", "-n", MOST, "--since=-30d"].map(str::to_owned);
    let argv: Vec<String> = program.iter().chain(&always).chain(args).cloned().collect();
    let mut splitter = Splitter::new(LONGEST);
    let (mut bytes, mut entries) = (0_usize, 0_u64);
    let mut sink = |piece: &[u8]| {
        bytes = bytes.saturating_add(piece.len());
        if LARGEST < bytes {
            return piece.len();
        }
        splitter.take(piece, |line| {
            if let Ok(entry) = serde_json::from_slice::<Value>(line) {
                entries += 1;
                each(&entry);
            }
        });
        0
    };
    let limits = Limits { timeout: WITHIN, max_output: 4_096 };
    match run_into(&argv, limits, &Given::default(), &mut sink).await {
        Ok(raw) => {
            let words = String::from_utf8_lossy(&raw.stderr);
            if let Some(why) = refused(&words) {
                return Err(why);
            }
            match raw.code {
                Some(0) => Ok(()),
                // Without entries some versions end with 1, and say nothing.
                Some(1) if entries == 0 && words.trim().is_empty() => Ok(()),
                Some(_) | None => {
                    let why = Tainted::bounded(words.lines().next().unwrap_or("failed"), 200);
                    Err(NoFact::Failed(format!("journalctl: {why}")))
                }
            }
        }
        // The newest part of a large journal counts.
        Err(RunError::TimedOut { .. }) if 0 < entries => Ok(()),
        Err(RunError::NotStarted(_)) => Err(NoFact::Absent("this host has no journalctl".into())),
        Err(error) => Err(NoFact::Failed(format!("journalctl {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for journalctl: `$@` are its arguments.
    async fn of(script: &str) -> Result<Month, NoFact> {
        let program = ["sh", "-c", script, "journalctl"].map(str::to_owned);
        month(&program, &Redactor::new(Vec::new()), Millis(2_000_000_000_000)).await
    }

    #[tokio::test]
    async fn what_broke_most_comes_first() {
        let script = r#"case "$*" in
            *MESSAGE_ID=d9b3*)
                for unit in nginx.service nginx.service session-4.scope backup.service nginx.service; do
                    printf '{"UNIT":"%s","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c"}\n' $unit
                done ;;
            *-p*err*)
                printf '%s\n' '{"__REALTIME_TIMESTAMP":"1999999400000000","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"Memory cgroup out of memory: Killed process 12 (jellyfin) total-vm:1kB"}'
                for n in 1 2 3; do
                    printf '{"SYSLOG_IDENTIFIER":"app","MESSAGE":"cannot reach 10.0.0.%s password=hunter2hunter2"}\n' $n
                done
                echo 'no json'
                printf '%s\n' '{"__REALTIME_TIMESTAMP":"1999996400000000","SYSLOG_IDENTIFIER":"evil","MESSAGE":"Killed process 1 (init)"}' ;;
            esac"#;
        let month = of(script).await.unwrap();
        let told = |rows: &[(Tainted, u64)]| {
            rows.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(told(&month.failed), "nginx.service 3, backup.service 1");
        // Only the kernel's own word counts.
        assert_eq!(told(&month.killed), "jellyfin 1");
        assert_eq!((month.errors.errors, month.errors.over), (5, Span::mins(60)));
        let (first, times) = &month.errors.templates[0];
        assert!(first.as_str().starts_with("app: cannot reach") && *times == 3, "{month:?}");
        assert!(!format!("{month:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn no_journal_is_no_quiet_month_and_a_quiet_one_is() {
        for (script, want) in [
            ("echo 'No journal files were found.' >&2", "keeps no journal"),
            (
                "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2",
                "systemd-journal",
            ),
            ("echo broken >&2; exit 1", "broken"),
        ] {
            let why = of(script).await.unwrap_err().to_string();
            assert!(why.contains(want), "{why}");
        }
        let quiet = r#"case "$*" in *'-n 1') echo '{"MESSAGE":"all well"}' ;; *) exit 1 ;; esac"#;
        assert_eq!(of(quiet).await, Ok(Month::default()));
        let why = of("exit 1").await.unwrap_err().to_string();
        assert!(why.contains("holds nothing"), "{why}");
        let none =
            month(&["/no/such/journalctl".into()], &Redactor::new(Vec::new()), Millis(0)).await;
        assert!(matches!(none, Err(NoFact::Absent(_))));
    }

    #[tokio::test]
    async fn an_endless_entry_is_none() {
        let month = of("head -c 3000000 /dev/zero; echo; echo '{\"SYSLOG_IDENTIFIER\":\"a\",\"MESSAGE\":\"b\"}'").await;
        assert_eq!(month.unwrap().errors.errors, 1);
    }
}
