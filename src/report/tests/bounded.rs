//! A night in which everything broke is still a page.

use super::scene::{FOUR, Scene, reading, signal};
use crate::model::incident::IncidentState;
use crate::model::plan::Ending;
use crate::model::severity::Severity;
use crate::model::time::Span;

#[tokio::test]
async fn two_thousand_incidents_stay_a_page_and_the_rest_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());
    scene
        .store
        .call_now(|db| {
            db.atomically(|db| {
                for n in 0..2_000 {
                    let at = FOUR - Span::mins(60);
                    let of = signal("http", &format!("s{n}"), "status");
                    let red = reading(of, Severity::Red, &"no answer ".repeat(30));
                    let mut incident =
                        db.open_incident(&red, crate::store::actions::Drill::No, at)?;
                    incident.state = match n % 2 {
                        0 => IncidentState::Escalated { why: "no runbook answers it".into() },
                        _ => IncidentState::Resolved { at },
                    };
                    db.save_incident(&incident)?;
                }
                Ok(())
            })
        })
        .unwrap();
    let incident = scene.open(&reading(signal("dns", "x", "own"), Severity::Red, "x"), FOUR);
    for n in 0..25 {
        let run = scene.run(incident.id, "dns-down", FOUR - Span::mins(90));
        scene.end(run, Ending::Fixed("green".into()), FOUR - Span::mins(60 - n));
    }
    let markdown = scene.reporter.write().await.unwrap().markdown;
    assert!(markdown.contains("**1000 things need you."), "{markdown}");
    assert!(markdown.contains("- and 980 more: `reef status`"), "{markdown}");
    assert!(markdown.contains("- and 981 more: `reef incidents --all`"), "{markdown}");
    assert!(markdown.contains("- and 5 more: `reef audit list`"), "{markdown}");
    assert!(markdown.len() < 64 << 10, "{} bytes", markdown.len());
}
