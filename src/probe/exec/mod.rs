//! `exec`: any Nagios plugin, or a program of the operator's own that answers like one.

pub mod perfdata;

use std::sync::Arc;

use crate::Fut;
use crate::clients::host::{LinkError, Output};
use crate::clients::process::{Given, Limits, run};
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::argv::Argv;
use crate::policy::redact::Redactor;
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// Only the first line is shown; perfdata never fills this.
const OUTPUT: usize = 16 << 10;

/// A program as the operator wrote it: run as it stands, nothing is spliced in.
#[derive(Debug, Clone)]
pub struct Settings {
    pub argv: Argv,
    /// After it the program and all its children are killed.
    pub timeout: Span,
}

/// Runs one program.
#[derive(Debug, Clone)]
pub struct ExecProbe {
    settings: Settings,
    signal: Signal,
    redactor: Arc<Redactor>,
}

impl ExecProbe {
    pub fn new(settings: Settings, check: Target, redactor: Arc<Redactor>) -> Self {
        let (probe, aspect) = (Word::of("exec"), Word::of("status"));
        let signal = Signal { probe, target: check, aspect };
        Self { settings, signal, redactor }
    }

    fn judge(&self, output: &Output, now: Millis) -> Reading {
        let (severity, reason) = match output.code {
            Some(0) => (Severity::Green, "ok"),
            Some(1) => (Severity::Yellow, "warning"),
            Some(2) => (Severity::Red, "critical"),
            Some(3) => (Severity::Unknown, "unknown"),
            Some(_) => (Severity::Unknown, "exit"),
            None => (Severity::Unknown, "killed"),
        };
        let line = match output.stdout.first_line().trim() {
            "" => output.stderr.first_line(),
            line => line,
        };
        let (text, numbers) = perfdata::split(line);
        let said = if text.is_empty() { "it said nothing" } else { text };
        let words = match (output.code, reason) {
            (Some(code), "exit") => format!("exit {code}, which is none of 0 to 3: {said}"),
            (None, _) => format!("a signal ended it: {said}"),
            (Some(_), _) => said.to_owned(),
        };
        let mut reading = self.reading(severity, reason, &words, now);
        if let Some(first) = numbers.first() {
            reading.value = Some(first.number);
            reading.unit = Some(first.unit);
        }
        for number in numbers {
            reading.values.entry(number.label).or_insert(number.value);
        }
        // After the plugin's own, so that none of its labels can stand in their place.
        let code = output.code.map_or(-1, i64::from);
        reading.values.insert("code".into(), Value::Int(code));
        reading.values.insert("said".into(), Value::Text(Tainted::bounded(text, 400)));
        reading.values.insert("check".into(), Value::Target(self.signal.target.clone()));
        reading
    }

    fn unseen(&self, why: &LinkError, now: Millis) -> Reading {
        let reason = match why {
            LinkError::NotStarted(_) => "not-started",
            LinkError::TimedOut(_) => "timeout",
            LinkError::Lost(_) => "lost",
        };
        let words = format!("{}: {why}", self.settings.argv.program());
        self.reading(Severity::Unknown, reason, &words, now)
    }

    fn reading(
        &self,
        severity: Severity,
        reason: &'static str,
        words: &str,
        now: Millis,
    ) -> Reading {
        let mut reading = Reading::new(self.signal.clone(), now, severity, Word::of(reason), words);
        reading.values.insert("check".into(), Value::Target(self.signal.target.clone()));
        reading
    }
}

impl NetProbe for ExecProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let limits = Limits { timeout: self.settings.timeout, max_output: OUTPUT };
            let argv = self.settings.argv.as_slice();
            let reading = match run(argv, limits, &Given::default(), &self.redactor).await {
                Ok(output) => self.judge(&output, now),
                Err(why) => self.unseen(&why, now),
            };
            vec![reading]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.unseen(&LinkError::TimedOut(after), now)]
    }
}

/// What a reading of it has; the plugin's own numbers come beside these, by their labels.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "check", kind: Kind::Target, doc: "the check, HOST:check:NAME" },
        Gives { name: "code", kind: Kind::Int, doc: "the exit code; -1 where a signal ended it" },
        Gives { name: "said", kind: Kind::Text, doc: "the first line, without its numbers" },
    ]
}

/// `exec.NAME = ["/usr/lib/nagios/plugins/check_raid", "-w", "1"]`, or a table with `argv` and the
/// common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(parts) = ask.main_list::<String>("argv") else { return Vec::new() };
    if let [program] = &parts[..]
        && program.contains(' ')
    {
        let list =
            "is a whole command line, and no shell reads it: write [\"PROGRAM\", \"ARGUMENT\"]";
        ask.mistake("argv", list);
        return Vec::new();
    }
    let argv = match Argv::new(parts) {
        Ok(argv) => argv,
        Err(bad) => {
            ask.mistake("argv", bad.to_string());
            return Vec::new();
        }
    };
    let host = ask.cx.here.clone();
    let mut common = ask.common(Common::with(Span::mins(1), Span::secs(10)), &host);
    let settings = Settings { argv, timeout: common.timeout };
    // The group is ended within a second of its time.
    common.timeout = Span(settings.timeout.0 + 2_000);
    let Some(check) = ask.target(&host, Thing::Check) else { return Vec::new() };
    let probe = ExecProbe::new(settings, check, ask.cx.redactor.clone());
    let (main, parent) = (probe.signal.clone(), common.parent.clone());
    let how = How::Net(Box::new(probe));
    let probe = common.probe(Word::of("exec"), format!("exec.{}", ask.name), host, how);
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;

    use super::*;
    use crate::model::ids::HostName;
    use crate::model::reading::Unit;
    use crate::policy::redact::Redactor;
    use crate::probe::ask::NoPast;

    async fn look(parts: &[&str], timeout: Span) -> Reading {
        let argv = Argv::new(parts.iter().map(|&p| p.to_owned()).collect()).unwrap();
        let check = Target::new(HostName::new("mini").unwrap(), Thing::Check, "raid").unwrap();
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let mut probe = ExecProbe::new(Settings { argv, timeout }, check, redactor.clone());
        // The secrets become known after the probe was made.
        let secret = SecretString::from("hunter2hunter2".to_owned());
        redactor.learn(&[secret]);
        probe.look(&NoPast, Millis(1)).await.remove(0)
    }

    #[tokio::test]
    async fn a_secret_that_a_plugin_prints_goes_no_further() {
        let reading = look(&["/bin/echo", "login with hunter2hunter2 failed"], Span::secs(5)).await;
        let told = format!("{reading:?}");
        assert!(told.contains("login with") && !told.contains("hunter2hunter2"), "{told}");
    }

    #[tokio::test]
    async fn a_plugin_speaks_by_its_exit_code_and_first_line() {
        let sh = |script: &'static str| ["/bin/sh", "-c", script];
        for (script, severity, reason, words) in [
            ("echo 'RAID OK'; echo more; exit 0", Severity::Green, "ok", "RAID OK"),
            ("echo 'one disk slow'; exit 1", Severity::Yellow, "warning", "one disk slow"),
            ("echo 'disk gone | gone=1'; exit 2", Severity::Red, "critical", "disk gone"),
            ("echo 'no mdadm' >&2; exit 3", Severity::Unknown, "unknown", "no mdadm"),
            ("exit 0", Severity::Green, "ok", "it said nothing"),
            (
                "exit 77",
                Severity::Unknown,
                "exit",
                "exit 77, which is none of 0 to 3: it said nothing",
            ),
            ("kill -9 $$", Severity::Unknown, "killed", "a signal ended it: it said nothing"),
        ] {
            let reading = look(&sh(script), Span::secs(5)).await;
            assert_eq!((reading.severity, reading.reason.as_str()), (severity, reason), "{script}");
            assert_eq!(reading.words.as_str(), words, "{script}");
        }
    }

    #[tokio::test]
    async fn its_numbers_become_values() {
        let reading = look(&["/bin/echo", "ok | size=2MB;3;4 code=9 check=8"], Span::secs(5)).await;
        assert_eq!((reading.value, reading.unit), (Some(2.0), Some(Unit::Bytes)));
        assert_eq!(reading.values["size"], Value::Bytes(2 << 20));
        assert_eq!(reading.values["code"], Value::Int(0), "a label does not pass for ours");
        assert_eq!(reading.values["check"].kind(), Kind::Target);
    }

    #[tokio::test]
    async fn what_cannot_run_or_hangs_is_unknown_and_its_children_end() {
        let missing = look(&["/nonexistent/check"], Span::secs(5)).await;
        assert_eq!((missing.severity, missing.reason.as_str()), (Severity::Unknown, "not-started"));

        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = format!("(sleep 0.6; touch {}) & wait", mark.display());
        let hung = look(&["/bin/sh", "-c", &script], Span(100)).await;
        assert_eq!((hung.severity, hung.reason.as_str()), (Severity::Unknown, "timeout"));
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        assert!(!mark.exists(), "a child of the plugin went on");
    }
}
