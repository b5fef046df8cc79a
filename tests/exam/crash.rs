//! kill -9 at each point between plan and close, in a process of its own.
//!
//! The test runs itself again as a child that ends itself at the point; then the store is opened anew
//! and the run goes on. The effect is a line in a file, written by the fake host.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reef::clients::process::{Given, Limits, run_raw};
use reef::exam::host::FakeHost;
use reef::exam::unit::OnRestart;
use reef::gate::crash::{Point, Points};
use reef::gate::settle::is_unknown;
use reef::model::audit::AuditKind;
use reef::model::plan::Leash;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;
use reef::store::{Store, StoreOptions};

use crate::house::{House, Setup, unit};
use crate::restart::life;

/// What the child is told by: the folder of its state and the point at which it dies.
const FOLDER: &str = "EXAM_CRASH_FOLDER";
const POINT: &str = "EXAM_CRASH_POINT";
const RESTART: &str = "EXAM_CRASH_RESTART";

#[derive(Debug)]
struct KillAt(Point);

impl Points for KillAt {
    fn reached(&self, point: Point) {
        if point == self.0 {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            // The signal is on its way: nothing more may happen here.
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }
}

fn store(folder: &Path) -> Store {
    let options = StoreOptions { ballast_bytes: 0, ..StoreOptions::default() };
    Store::open_with(&folder.join("state"), options).unwrap()
}

/// Each effect is a line, on the disk before it counts as done.
fn note_effects(host: &FakeHost, folder: &Path) {
    let path = folder.join("effects");
    host.witness(Box::new(move |permit, argv| {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        writeln!(file, "{} {}", permit.action(), argv.as_slice().join(" ")).unwrap();
        file.sync_all().unwrap();
    }));
}

fn effects(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What a restart comes to, as far as the lives after the crash can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Heals,
    FailsAgain,
}

fn setup(folder: &Path, leash: Leash, case: Case) -> Setup {
    let mut setup = Setup::new(leash);
    // One failure is enough, so that there is something to write about breakers.
    setup.config.push_str("[breaker]\nfailures = 1\n");
    setup.store = store(folder);
    note_effects(setup.host(), folder);
    setup.host().on_restart(
        &unit("web"),
        match case {
            Case::Heals => OnRestart::Heals,
            Case::FailsAgain => OnRestart::FailsAgain,
        },
    );
    setup
}

fn leash_of(point: Point) -> Leash {
    match point {
        Point::ApprovalRequested | Point::ApprovalStored => Leash::Ask,
        _ => Leash::Auto,
    }
}

async fn approve_what_waits(house: &House) {
    for approval in house.store.call_now(|db| db.pending_approvals()).unwrap() {
        let yes = Order::Approve { id: approval.id, choice: None, typed: None };
        drop(house.order(yes).await);
    }
}

/// The child: only does something when a parent told it what.
#[test]
#[ignore = "a child of the crash tests"]
fn dies_at_a_point() {
    let told: BTreeMap<String, String> = std::env::vars().collect();
    let (Some(folder), Some(point)) = (told.get(FOLDER), told.get(POINT)) else { return };
    let point: usize = point.parse().unwrap();
    let point = Point::ALL[point];
    let case = if told.contains_key(RESTART) { Case::FailsAgain } else { Case::Heals };
    let mut setup = setup(Path::new(folder), leash_of(point), case);
    setup.points = Arc::new(KillAt(point));
    let ((), _) = life(&setup, setup.estate.now(), async |house| {
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        for _ in 0..120 {
            house.pass(Span::secs(10)).await;
            approve_what_waits(house).await;
        }
        drop(house.order(Order::Report).await);
    });
    panic!("it came to the end without reaching {point:?}");
}

/// Runs the child until it is dead.
fn child(folder: &Path, point: usize, case: Case) {
    let own: PathBuf = std::env::current_exe().unwrap();
    let argv =
        [own.to_str().unwrap(), "--exact", "crash::dies_at_a_point", "--ignored", "--nocapture"]
            .map(str::to_owned);
    let mut env = BTreeMap::from([
        (FOLDER.to_owned(), folder.to_str().unwrap().to_owned()),
        (POINT.to_owned(), point.to_string()),
    ]);
    if case == Case::FailsAgain {
        env.insert(RESTART.to_owned(), "fails".to_owned());
    }
    let given = Given { env, ..Given::default() };
    let limits = Limits { timeout: Span::mins(3), max_output: 1 << 20 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let raw = runtime.block_on(run_raw(&argv, limits, &given)).unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&raw.stdout), String::from_utf8_lossy(&raw.stderr));
    assert_eq!(raw.code, None, "{:?} did not kill the child:\n{said}", Point::ALL[point]);
}

/// Opens the store of the dead and lets its runs go on for an hour.
fn goes_on(folder: &Path, point: Point, case: Case) {
    let of = format!("{point:?} {case:?}");
    let before = effects(folder);
    let setup = setup(folder, leash_of(point), case);
    // The world went on without reef: a restart that happened has healed the unit.
    if before.is_empty() || case == Case::FailsAgain {
        setup.host().unit_fails(&unit("web"));
    }
    let died_at = setup.store.call_now(|db| db.runs_since(Millis(0))).unwrap()[0].changed_at;
    let ((), _) = life(&setup, died_at + Span::secs(30), async |house| {
        for _ in 0..60 {
            approve_what_waits(house).await;
            house.pass(Span::mins(1)).await;
        }
        let effects = effects(folder);
        let actions = house.actions();
        // A first run that failed for sure may be tried again by a second one: per run at most one.
        let mut per_run: BTreeMap<i64, usize> = BTreeMap::new();
        for line in &effects {
            let id = line.split(' ').next().unwrap();
            let action = actions.iter().find(|row| row.id.to_string() == id);
            let action = action.unwrap_or_else(|| panic!("{of}: {line} has no record"));
            *per_run.entry(action.run.0).or_default() += 1;
        }
        assert!(per_run.values().all(|n| *n <= 1), "{of}: {effects:?}\n{}", house.story());
        let dispatched = house.audited(AuditKind::Dispatched).len();
        assert!(effects.len() <= dispatched, "{of}: {effects:?}\n{}", house.story());
        // What nobody knows of stays the last word: nothing came after it.
        if let Some(unknown) = actions.iter().position(is_unknown) {
            assert_eq!(unknown + 1, actions.len(), "{of}: {}", house.story());
        }
        if case == Case::Heals {
            assert!(effects.len() <= 1, "{of}: {effects:?}\n{}", house.story());
            let lost = matches!(point, Point::Dispatched | Point::Sending);
            assert_eq!(effects.len(), usize::from(!lost), "{of}\n{}", house.story());
            assert_eq!(house.unresolved().is_empty(), !lost, "{of}\n{}", house.story());
        }
        assert!(house.store.call_now(|db| db.unended_runs()).unwrap().len() <= 1, "{of}");
        let mut keys = BTreeMap::<String, usize>::new();
        for message in house.estate.phone.heard() {
            // A page is repeated on purpose.
            if !message.title.starts_with("still: ") {
                *keys.entry(message.key + &message.title).or_default() += 1;
            }
        }
        assert!(keys.values().all(|n| *n == 1), "{of}: {keys:#?}");
        let anchors = house.store.anchors().unwrap();
        let proof = house.store.call_now(|db| db.verify_chain(&anchors)).unwrap();
        assert!(proof.broken.is_none(), "{of}: {:?}", proof.broken);
    });
}

fn every_point(case: Case) {
    for (n, point) in Point::ALL.into_iter().enumerate() {
        // Where all goes well no breaker opens.
        if (point, case) == (Point::BreakerInserted, Case::Heals) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        child(folder.path(), n, case);
        goes_on(folder.path(), point, case);
    }
}

#[test]
fn kill_9_at_every_point_does_nothing_twice_and_nothing_unrecorded() {
    every_point(Case::Heals);
}

#[test]
fn kill_9_at_every_point_where_a_restart_does_not_help() {
    every_point(Case::FailsAgain);
}
