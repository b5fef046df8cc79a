//! Writes that fail: a full disk, an I/O error, a file system that turned read-only.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reef::gate::crash::{Point, Points, Unwatched};
use reef::model::audit::AuditKind;
use reef::model::plan::Origin;
use reef::model::time::{Millis, Span};
use reef::store::Store;
use reef::store::audit::AuditFilter;
use reef::store::faults::{Fault, Faults, Writing};

use super::counting::effects;
use super::life::{About, Life, NOON, runtime};
use super::place::{Case, Place, Way};
use super::toll::{folder, opened_again};

fn about(tool: &str, case: Case) -> About<'_> {
    About { place: Place::After(0), tool, case, way: Way::Plain }
}

/// Fails a write, once or from then on.
#[derive(Debug)]
struct Spoils {
    armed: AtomicBool,
    count: AtomicU64,
    at: u64,
    for_good: bool,
    fault: Fault,
    /// How often it was the anchor that could not be written.
    anchors: AtomicU64,
}

impl Faults for Spoils {
    fn before(&self, writing: Writing) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        let spoilt = n == self.at || self.for_good && self.at < n;
        if spoilt && writing == Writing::Anchor {
            self.anchors.fetch_add(1, Ordering::Relaxed);
        }
        spoilt.then_some(self.fault)
    }
}

/// A full disk, an I/O error and a file system that turned read-only, at every single write, that of the chain's head
/// beside the database among them: nothing happens that is not durably recorded before, and nothing twice once the
/// disk is well again.
#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn whatever_write_fails_nothing_happens_unrecorded() {
    let names = super::names();
    let (mut failed, mut acted, mut anchors) = (0, 0, 0);
    for fault in [Fault::Full, Fault::Io, Fault::ReadOnly] {
        for for_good in [false, true] {
            for case in [Case::VerifyOk, Case::VerifyFails] {
                // What nothing can be written of any more is not verified either.
                if for_good && case == Case::VerifyFails {
                    continue;
                }
                for at in 0.. {
                    let spoils = Arc::new(Spoils {
                        armed: AtomicBool::new(false),
                        count: AtomicU64::default(),
                        at,
                        for_good,
                        fault,
                        anchors: AtomicU64::default(),
                    });
                    // Another tool at each position.
                    let tool = &names[failed % names.len()];
                    let (happened, over) = one_fault(&spoils, about(tool, case));
                    failed += 1;
                    acted += happened;
                    anchors += spoils.anchors.load(Ordering::Relaxed);
                    if over {
                        break;
                    }
                    assert!(at < 500, "there is no end to the writes");
                }
            }
        }
    }
    assert!(
        200 < failed && 50 < acted && 10 < anchors,
        "{failed} positions, {acted} effects, {anchors} anchors: the test tests nothing"
    );
    println!("figure | failing writes with an effect that is not recorded | 0 of {failed}");
}

/// Each effect has a durable `dispatched` record, and none happened twice; how many there are.
fn none_unrecorded(folder: &Path, store: &Store, of: &str) -> usize {
    let filter =
        AuditFilter { kind: Some(AuditKind::Dispatched), limit: 100_000, ..AuditFilter::default() };
    let records = store.call_now(|db| db.audit_list(&filter)).unwrap();
    let lines = effects(folder);
    for line in &lines {
        let actions = store.call_now(|db| db.actions_since(Millis(0))).unwrap();
        let action = actions.iter().find(|row| row.id.to_string() == *line);
        let recorded = action.is_some_and(|row| records.iter().any(|r| r.seq == row.id.0));
        assert!(recorded, "{of}: {line} happened without a record");
    }
    assert!(lines.len() <= 1, "{of}: it happened {} times", lines.len());
    lines.len()
}

/// How often it happened, and whether the way was over before the write that was to fail.
fn one_fault(spoils: &Arc<Spoils>, about: About<'_>) -> (usize, bool) {
    let (kept, of) = (folder(), format!("{spoils:?} {about:?}"));
    let (folder, state) = (kept.path(), kept.path().join("state"));
    runtime().block_on(async {
        let over = {
            let store = Store::open_bare(&state).unwrap();
            let life = Life::new(folder, store.clone(), NOON, about);
            drop(store.clone().with_faults(Arc::clone(spoils) as _));
            spoils.armed.store(true, Ordering::Relaxed);
            // What cannot be written is an error here and there; only what happens counts.
            drop(life.begin(about.case).await);
            life.settle_down(30).await;
            let over = spoils.count.load(Ordering::Relaxed) <= spoils.at;
            spoils.armed.store(false, Ordering::Relaxed);
            none_unrecorded(folder, &store, &of);
            // Whatever still goes on ends with its life.
            life.runner.stop.cancel();
            life.runner.tasks.close();
            life.runner.tasks.wait().await;
            over
        };
        // The disk is well again, and the next life goes on.
        let store = opened_again(&state);
        let next = Life::new(folder, store.clone(), NOON + Span::days(1), about);
        next.runner.resume().await.unwrap();
        next.settle_down(120).await;
        let anchors = store.anchors().unwrap();
        let proof = store.call_now(|db| db.verify_chain(&anchors)).unwrap();
        assert!(proof.broken.is_none(), "{of}: {:?}", proof.broken);
        (none_unrecorded(folder, &store, &of), over)
    })
}

/// The chain's head cannot be written at all, for real: what is recorded happens, and it is said what is missing.
#[test]
fn an_anchor_that_cannot_be_written_is_told_and_hides_nothing() {
    let kept = folder();
    let (folder, state) = (kept.path(), kept.path().join("state"));
    runtime().block_on(async {
        let store = Store::open_bare(&state).unwrap();
        std::fs::create_dir_all(state.join("audit.head.new")).unwrap();
        let about = about("unit.restart", Case::VerifyOk);
        let life = Life::new(folder, store.clone(), NOON, about);
        life.begin(about.case).await.unwrap();
        life.settle_down(60).await;
        assert_eq!(none_unrecorded(folder, &store, "no anchor"), 1);
        let told = store.health().last_error.unwrap_or_default();
        assert!(told.contains("audit.head"), "{told}");
        std::fs::remove_dir(state.join("audit.head.new")).unwrap();
        life.reporter.write().await.unwrap();
        let anchors = store.anchors().unwrap();
        let proof = store.call_now(|db| db.verify_chain(&anchors)).unwrap();
        assert!(proof.broken.is_none(), "{:?}", proof.broken);
    });
}

/// A state folder that can only be read: nothing is dispatched, and it is said why.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_only_read_dispatches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let about = about("unit.restart", Case::Clean);
    let plan = {
        let store = Store::open_bare(&state).unwrap();
        let life = Life::new(folder.path(), store, NOON, about);
        let step = life.step().await;
        let run = life.store.call_now(|db| db.new_run(&Origin::Timer, None, None, NOON)).unwrap();
        reef::model::plan::Plan {
            run,
            round: 0,
            origin: Origin::Timer,
            runbook: None,
            steps: vec![step],
            verify: reef::model::plan::Verify::Not("a test looks itself".into()),
            on_failure: reef::model::plan::OnFailure::Stop,
        }
    };
    let store = Store::open_read_only(&state).unwrap();
    let life = Life::new(folder.path(), store, NOON, about);
    let acted = life.runner.gate.act(&plan, 0).await.unwrap();
    let reef::gate::Acted::Refused(why) = acted else { panic!("{acted:?}") };
    assert!(why.contains("the audit log cannot be written"), "{why}");
    assert_eq!(effects(folder.path()), Vec::<String>::new());
    let unwatched = Unwatched;
    unwatched.reached(Point::Dispatched);
}
