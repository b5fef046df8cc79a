//! Errors in a log come more often than at any hour before: a known one leads to its runbook, an unknown
//! one to the human.

use std::fs::OpenOptions;
use std::io::Write;

use reef::clock::{Clock, SystemClock};
use reef::model::ids::Word;
use reef::model::severity::Severity;
use reef::model::target::Signal;
use reef::model::time::Span;
use reef::store::Store;
use reef::store::readings::Sample;
use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Reef, list};

/// A log with a past of two errors an hour.
fn scene() -> (Home, std::path::PathBuf) {
    let home = Home::new("");
    let log = home.path().join("app.log");
    std::fs::write(&log, "begun\n").unwrap();
    home.configure(&format!(
        "ceiling = \"auto\"\nhost_name = \"mini\"\n{ALONE}\n\
         errors.app = {{ log = {log:?}, every = \"1s\", fire_after = 1 }}\n"
    ));
    let store = Store::open(&home.state()).unwrap();
    let signal = Signal {
        probe: Word::of("errors"),
        target: "mini:log:app".parse().unwrap(),
        aspect: Word::of("rate"),
    };
    let (readings, now) = (store.readings(), SystemClock.now());
    let id = readings.intern(&signal).unwrap();
    let past = (1..30).map(|hour| Sample {
        signal: id,
        at: now - Span::hours(hour),
        severity: Severity::Green,
        value: Some(2.0),
    });
    readings.add(&past.collect::<Vec<_>>()).unwrap();
    readings.maintain(now).unwrap();
    (home, log)
}

/// The question that forty such lines lead to, and the runbook that asks it.
fn asked(reef: &Reef, log: &std::path::Path, line: &str) -> (String, String) {
    reef.until_green();
    reef.looks_pass(1);
    let mut file = OpenOptions::new().append(true).open(log).unwrap();
    for n in 0..40 {
        writeln!(file, "Nov 20 20:00:{n:02} mini app[{n}]: error: {line}").unwrap();
    }
    let asked = reef.until("a question", |reef| reef.records("asked").pop());
    let approval: Json = reef.approvals().remove(0);
    assert!(!list(&approval, "choices").is_empty());
    assert!(reef.records("dispatched").is_empty());
    let runbook = asked["payload"]["runbook"].as_str().unwrap().to_owned();
    (approval["question"].as_str().unwrap().to_owned(), runbook)
}

#[test]
fn a_known_error_leads_to_its_runbook() {
    let (home, log) = scene();
    let reef = home.start();
    let (question, runbook) =
        asked(&reef, &log, "write /srv/db/7.tmp failed: No space left on device");
    assert_eq!(runbook, "error-disk-space", "{question}");
    assert!(
        question.contains("40 errors") && question.contains("No space left on device"),
        "{question}"
    );
    assert!(question.contains("On the root volume the largest is /"), "{question}");
}

#[test]
fn an_unknown_one_is_diagnosed_for_the_human() {
    let (home, log) = scene();
    let reef = home.start();
    let (question, runbook) = asked(&reef, &log, "frobnicator lost its 17 marbles");
    assert_eq!(runbook, "error-spike", "{question}");
    assert!(question.contains("40 errors, where 2 are usual"), "{question}");
    assert!(
        question.contains("frobnicator lost its") && question.contains("No runbook knows"),
        "{question}"
    );
}
