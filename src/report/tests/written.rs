//! The report's files, its anchors, and the message.

use super::scene::{FOUR, Scene, reading, signal};
use crate::model::audit::{AuditKind, AuditPayload};
use crate::model::incident::IncidentState;
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::report::file::LATEST;
use crate::store::Store;

#[tokio::test]
async fn the_second_of_a_day_brings_the_first_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let first = scene.reporter.write().await.unwrap();
    assert_eq!(first.path, dir.path().join("2026-03-04.md"));
    assert!(
        first.markdown.starts_with("# Wed 4 March 2026 (written 04:00)\n"),
        "{}",
        first.markdown
    );
    scene.clock.set(FOUR + Span::hours(3));
    let second = scene.reporter.write().await.unwrap();
    let title = "# Wed 4 March 2026 (written 04:00, brought up to date 07:00)\n";
    assert!(second.markdown.starts_with(title), "{}", second.markdown);
    assert_eq!(std::fs::read_to_string(&second.path).unwrap(), second.markdown);
    assert_eq!(std::fs::read_to_string(dir.path().join(LATEST)).unwrap(), second.markdown);
    scene.clock.set(FOUR + Span::hours(24));
    let next = scene.reporter.write().await.unwrap();
    assert_eq!(next.path, dir.path().join("2026-03-05.md"));
    assert!(next.markdown.starts_with("# Thu 5 March 2026 (written 04:00)\n"), "{}", next.markdown);
    // The old one is kept.
    assert_eq!(std::fs::read_to_string(&second.path).unwrap(), second.markdown);
}

#[tokio::test]
async fn the_heads_of_earlier_reports_are_anchors() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    let scene = Scene::over(store, &dir.path().join("reports"));
    let noted = || scene.append(AuditKind::Noted, FOUR, AuditPayload::default());
    let head = || scene.store.call_now(|db| db.head()).unwrap().unwrap();
    noted();
    let first = head();
    scene.reporter.write().await.unwrap();
    noted();
    scene.clock.set(FOUR + Span::days(1));
    let second = head();
    let markdown = scene.reporter.write().await.unwrap().markdown;
    assert!(markdown.contains("2 rows, chain ok,"), "{markdown}");
    let anchors = scene.reporter.anchors();
    assert_eq!(anchors.iter().filter(|a| **a == first).count(), 2, "report and file: {anchors:?}");
    assert!(anchors.contains(&second), "{anchors:?}");
    let proof = scene.store.call_now(|db| db.verify_chain(&anchors)).unwrap();
    assert_eq!(proof.broken, None);
}

#[tokio::test]
async fn a_report_is_delivered_once_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    let web = reading(signal("http", "web", "status"), Severity::Red, "502, 9 of 9");
    let incident = scene.open(&web, FOUR - Span::mins(9));
    scene.state(&incident, IncidentState::Escalated { why: "no runbook answers it".into() });
    scene.stand("http.web", web, FOUR - Span::mins(9));
    scene.reporter.write().await.unwrap();
    scene.clock.set(FOUR + Span::hours(3));
    let to = ["phone".to_owned(), "terminal".to_owned()];
    scene.reporter.deliver(&to).await.unwrap();
    scene.reporter.deliver(&to).await.unwrap();
    let sent = scene.store.call_now(|db| db.due_deliveries(FOUR + Span::hours(4), 9)).unwrap();
    assert_eq!(sent.iter().map(|d| d.to.as_str()).collect::<Vec<_>>(), ["phone", "terminal"]);
    let message = &sent[0].message;
    assert_eq!(message.title, "mini: One thing needs you");
    let lines =
        "1 red of 1 signal.\n- red http mini:web: 502, 9 of 9 (I-1)\nthe whole report: reef report";
    assert_eq!((message.body.as_str(), message.severity), (lines, Severity::Red));
    let latest = std::fs::read_to_string(dir.path().join(LATEST)).unwrap();
    assert!(latest.contains("brought up to date 07:00"), "{latest}");
}

#[tokio::test]
async fn a_report_that_cannot_be_written_is_told_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("reports");
    std::fs::write(&in_the_way, "a file").unwrap();
    let scene = Scene::new(&in_the_way);
    let error = format!("{:#}", scene.reporter.deliver(&["phone".to_owned()]).await.unwrap_err());
    assert!(error.contains("cannot make the folder"), "{error}");
    let sent = scene.store.call_now(|db| db.due_deliveries(FOUR, 9)).unwrap();
    assert!(sent[0].message.body.contains("could not be written"), "{:?}", sent[0].message);
}
