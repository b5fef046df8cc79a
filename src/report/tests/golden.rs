//! What whole reports look like.

use super::scene::{FOUR, Scene, disk, numbered, reading, signal, step};
use crate::model::audit::{AuditKind, AuditPayload};
use crate::model::digest::Digest;
use crate::model::incident::{Incident, IncidentState};
use crate::model::message::{Message, Urgency};
use crate::model::plan::Ending;
use crate::model::reading::Unit;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::policy::budget::{Amount, Caps};
use crate::store::budgets::Periods;
use crate::store::readings::Sample;

/// The hash in a report is another one each time: salts are random.
fn masked(markdown: &str) -> String {
    let line = |line: &str| match line.strip_prefix("  head ").and_then(|rest| rest.split_once(' '))
    {
        Some((seq, hash)) if hash.len() == 64 => format!("  head {seq} HASH"),
        Some(_) | None => line.to_owned(),
    };
    markdown.lines().map(|l| line(l) + "\n").collect()
}

#[track_caller]
fn check(markdown: &str, golden: &str) {
    let seen = masked(markdown);
    assert_eq!(seen, golden, "the report is now:\n{seen}");
    for line in seen.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[tokio::test]
async fn an_empty_night() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let of = numbered(disk("/"), Severity::Green, "40 %, 60 GiB free", 40.0, Unit::Percent);
    scene.stand("disk", of, FOUR - Span::days(3));
    scene.history(&disk("/"), FOUR - Span::days(8), FOUR - Span::mins(30), (40.0, 40.0));
    scene.store.readings().maintain(FOUR).unwrap();
    let written = scene.reporter.write().await.unwrap();
    check(&written.markdown, include_str!("golden/empty.md"));
}

#[tokio::test]
async fn before_the_first_look() {
    let dir = tempfile::tempdir().unwrap();
    let written = Scene::new(dir.path()).reporter.write().await.unwrap();
    let opening = "**Nothing needs you. No signal has been read yet.**";
    assert!(written.markdown.contains(opening), "{}", written.markdown);
    assert!(written.markdown.contains("0 of 7 days of readings"), "{}", written.markdown);
}

/// Minutes before the report.
fn ago(minutes: i64) -> Millis {
    FOUR - Span::mins(minutes)
}

/// Fixed with one action, on an approval; the log volume is green since.
fn a_fix(scene: &Scene) {
    let var = disk("/var");
    let red = numbered(var.clone(), Severity::Red, "93 %, 7 GiB free", 93.0, Unit::Percent);
    let incident = scene.open(&red, ago(300));
    let run = scene.run(incident.id, "disk-full", ago(299));
    let asked = scene.ask(run, "Compress 38 files of 61 MiB?", &["yes"], ago(299), ago(10));
    scene.say_yes(asked, ago(290));
    let action = scene.dispatch(run, &step("/var/log"), ago(289));
    scene.close(run, action, "done", "compressed 38 files, freed 57 MiB", ago(288));
    scene.end(run, Ending::Fixed("the probe that fired is green".into()), ago(287));
    scene.state(&incident, IncidentState::Resolved { at: ago(286) });
    let green = numbered(var, Severity::Green, "81 %, 19 GiB free", 81.0, Unit::Percent);
    scene.stand("disk", green, ago(287));
}

/// Escalated, held, observed (red and yellow), acknowledged, explained, back by itself, under way.
fn incidents(scene: &Scene) {
    let escalated = |why: &str| IncidentState::Escalated { why: why.into() };
    let photos = reading(signal("backup", "photos", "age"), Severity::Red, "newest is 53 h old");
    let incident = scene.open(&photos, ago(500));
    scene.state(&incident, escalated("restic ended with 11: the repository is locked"));
    scene.stand("backup.photos", photos, ago(500));

    let web = reading(signal("http", "web", "status"), Severity::Red, "502, 9 of 9");
    let incident = scene.open(&web, ago(60));
    scene.state(&incident, IncidentState::Held { why: "several independent reds".into() });

    for (mount, severity) in [("/", Severity::Yellow), ("/srv", Severity::Red)] {
        let full = reading(disk(mount), severity, "91 %, 9 GiB free");
        let incident = scene.open(&full, ago(120));
        let run = scene.run(incident.id, "disk-full", ago(119));
        let would = "compress 12 files, 3 GiB to about 200 MiB";
        scene.end(run, Ending::Observed(would.into()), ago(118));
        scene.state(&incident, escalated(would));
    }

    let nas = reading(signal("http", "nas", "status"), Severity::Red, "no route to host");
    let known = Incident { acknowledged_at: Some(ago(30)), ..scene.open(&nas, ago(90)) };
    scene.state(&known, escalated("no runbook answers it"));
    for n in 0..7 {
        let child = reading(signal("http", &format!("child{n}"), "status"), Severity::Red, "gone");
        let incident = scene.open(&child, ago(89));
        scene.state(&incident, IncidentState::Explained { by: nas.signal.clone() });
    }

    let blog = reading(signal("http", "blog", "status"), Severity::Yellow, "2,300 ms");
    let incident = scene.open(&blog, ago(110));
    let run = scene.run(incident.id, "http-down", ago(109));
    scene.end(run, Ending::NotFixed("step restart failed: exit 1".into()), ago(105));
    scene.state(&incident, IncidentState::Resolved { at: ago(95) });
    let slow = reading(signal("dns", "own", "answer"), Severity::Red, "timed out");
    let incident = scene.open(&slow, ago(80));
    scene.state(&incident, IncidentState::Resolved { at: ago(75) });
    // Over before this report's time: told yesterday.
    let old = reading(signal("dns", "old", "answer"), Severity::Red, "timed out");
    let incident = scene.open(&old, ago(3_000));
    scene.state(&incident, IncidentState::Resolved { at: ago(2_900) });
    scene.open(&reading(signal("tcp", "ssh", "open"), Severity::Red, "refused"), ago(2));
}

/// Pending with two choices, expired; an action of a run that ended nobody knows how; a refusal.
fn questions(scene: &Scene) {
    let cpu = scene.open(&reading(signal("cpu", "box", "load"), Severity::Yellow, "9.1"), ago(400));
    let run = scene.run(cpu.id, "cpu-hot", ago(399));
    let until = FOUR + Span::hours(5);
    scene.ask(run, "What is to be done about 9.1?", &["restart it", "leave it"], ago(398), until);
    scene.ask(run, "Restart nginx?", &["yes"], ago(700), ago(100));
    scene.store.call_now(|db| db.expire_approvals(ago(100))).unwrap();

    let other = scene.run(cpu.id, "cpu-hot", ago(50));
    let action = scene.dispatch(other, &step("/var/tmp"), ago(45));
    scene.close(other, action, "unknown", "", ago(44));
    scene.end(other, Ending::Escalated("nobody knows whether it ran".into()), ago(43));
    scene.state(&cpu, IncidentState::Escalated { why: "nobody knows whether it ran".into() });

    for n in 0..3 {
        let payload = AuditPayload {
            call: Some("unit.restart mini:unit:nginx.service".into()),
            errors: Some("3 restarts in an hour are the limit".into()),
            ..AuditPayload::default()
        };
        scene.append(AuditKind::Refused, ago(200 - n), payload);
    }
}

fn signals(scene: &Scene) {
    let blind = reading(signal("exec", "smart", "state"), Severity::Unknown, "smartctl: not found");
    scene.stand("exec.smart", blind, ago(2_000));
    for (name, days) in [("photos", 51.0), ("ha", 9.0), ("old", -2.0)] {
        let of = signal("tls", name, "days");
        let severity = if 14.0 < days { Severity::Green } else { Severity::Yellow };
        scene.stand(&format!("tls.{name}"), numbered(of, severity, "", days, Unit::Days), ago(9));
    }
    let root = numbered(disk("/"), Severity::Yellow, "91 %, 9 GiB free", 91.0, Unit::Percent);
    scene.stand("disk", root, ago(120));
    let until = FOUR + Span::mins(150);
    scene.history(&disk("/"), FOUR - Span::days(8), until, (84.0, 91.0));
    let memory = signal("memory", "box", "used");
    let of = numbered(memory.clone(), Severity::Green, "", 60.0, Unit::Percent);
    scene.stand("memory", of, ago(9));
    scene.history(&memory, FOUR - Span::days(8), until, (40.0, 60.0));
    // Nobody could look at the resolver for 20 minutes; it answers again.
    let own = signal("dns", "own", "answer");
    scene.stand("dns.own", reading(own.clone(), Severity::Green, "3 ms"), ago(75));
    let id = scene.store.readings().intern(&own).unwrap();
    let severities = (0..12_i64)
        .map(|n| (n, if (3..7).contains(&n) { Severity::Unknown } else { Severity::Green }));
    let blind = |(n, severity)| Sample { signal: id, at: ago(240 - n * 5), severity, value: None };
    scene.store.readings().add(&severities.map(blind).collect::<Vec<_>>()).unwrap();
    scene.store.readings().maintain(FOUR + Span::hours(3)).unwrap();
}

fn cost(scene: &Scene) {
    let message = Message {
        urgency: Urgency::Page,
        title: String::new(),
        body: String::new(),
        severity: Severity::Red,
        incident: None,
        approval: None,
        key: "incident I-2 ended".into(),
    };
    let to = ["phone".to_owned(), "terminal".to_owned()];
    let sent = scene.store.call_now(|db| db.enqueue(&message, &to, ago(40))).unwrap();
    scene.store.call_now(|db| db.delivered(sent[0], ago(39))).unwrap();
    scene.store.call_now(|db| db.failed(sent[1], "no terminal", None)).unwrap();
    let cost = Amount { micros: 12_400, tokens: 3_114 };
    let periods = Periods { day: ago(240), month: ago(5_000) };
    scene
        .store
        .call_now(|db| db.reserve(None, cost, &Caps::default(), periods, ago(30)))
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_eventful_night() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    a_fix(&scene);
    incidents(&scene);
    questions(&scene);
    signals(&scene);
    cost(&scene);
    scene
        .store
        .call_now(|db| db.set_flag("paused", Some("by uid 1000: holidays"), ago(20)))
        .unwrap();
    scene.reporter.write().await.unwrap();
    scene.clock.set(FOUR + Span::hours(3));
    let written = scene.reporter.write().await.unwrap();
    check(&written.markdown, include_str!("golden/eventful.md"));
}

#[tokio::test]
async fn what_was_observed_long_ago_is_still_only_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let long_ago = FOUR - Span::days(30);
    let incident = scene.open(&reading(disk("/"), Severity::Yellow, "86 %"), long_ago);
    let run = scene.run(incident.id, "disk-full", long_ago);
    scene.end(run, Ending::Observed("compress 12 files".into()), long_ago);
    scene.state(&incident, IncidentState::Escalated { why: "compress 12 files".into() });
    let markdown = scene.reporter.write().await.unwrap().markdown;
    assert!(markdown.contains("**Nothing needs you."), "{markdown}");
    assert!(markdown.contains("Leash observe; would have: compress 12 files"), "{markdown}");
}

#[tokio::test]
async fn a_log_that_was_tampered_with_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    scene.append(AuditKind::Noted, ago(5), AuditPayload::default());
    let forged = crate::model::audit::ChainHead { seq: 1, hash: Digest::of(b"another log") };
    let text = format!(
        "{}1 row, chain ok,\n{}\n",
        crate::report::anchors::AUDIT,
        crate::report::anchors::line(forged)
    );
    std::fs::write(dir.path().join("2026-03-01.md"), text).unwrap();
    let markdown = scene.reporter.write().await.unwrap().markdown;
    assert!(markdown.contains("**One thing needs you."), "{markdown}");
    assert!(markdown.contains("- **The audit log does not hold at record 1**"), "{markdown}");
    assert!(markdown.contains("chain BROKEN"), "{markdown}");
}
