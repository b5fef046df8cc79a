//! A disk that fills up under the state.

use std::fs;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::time::Millis;
use crate::store::ballast::BallastState;
use crate::store::readings::Sample;
use crate::store::tests::{entry, signal, skipped};
use crate::store::{Store, StoreOptions};

const OPTIONS: StoreOptions = StoreOptions { ballast_bytes: 512 << 10, readings_bytes: 512 << 10 };

fn record(at: i64) -> AuditEntry {
    let payload = AuditPayload { reason: "x".repeat(200), ..AuditPayload::default() };
    entry(AuditKind::Noted, at, payload)
}

/// Runs `test` on a file system of 2 MiB. Needs the right to mount; says loudly when it has none.
fn on_two_mebibytes(test: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    if let Err(e) = mount("reef", dir.path(), "tmpfs", MountFlags::empty(), c"size=2m") {
        return skipped(&e);
    }
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| test(dir.path())));
    unmount(dir.path(), UnmountFlags::DETACH).unwrap();
    if let Err(panicked) = result {
        std::panic::resume_unwind(panicked);
    }
}

/// Leaves not one byte.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("logs that grew")).unwrap();
    for size in [4_096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

fn empty(dir: &Path) {
    fs::remove_file(dir.join("logs that grew")).unwrap();
}

/// Writes until it does not go any more; gives how many went in.
fn write_until_full(store: &Store, from: i64) -> (i64, String) {
    for at in from..from + 10_000 {
        if let Err(e) = store.call_now(|db| db.append(&record(at))) {
            return (at - from, format!("{e:#}"));
        }
    }
    panic!("2 MiB took 10,000 records");
}

#[test]
fn a_full_disk_is_healed_by_the_ballast_and_loses_nothing() {
    on_two_mebibytes(|dir| {
        let store = Store::open_with(dir, OPTIONS).unwrap();
        assert_eq!(store.health().ballast, BallastState::Held);
        store.call_now(|db| db.append(&record(1))).unwrap();
        fill(dir);
        // Grows the log file until it needs a page that is not there: that write lets the ballast go and goes in.
        let mut n = 1;
        while store.health().ballast == BallastState::Held {
            n = store.call_now(|db| db.append(&record(2))).unwrap();
            assert!(n < 1_000);
        }
        assert_eq!(store.health().ballast, BallastState::Released);
        assert!(!dir.join("ballast").exists());
        // The healing itself has room for its records.
        for at in 0..20 {
            n = store.call_now(|db| db.append(&record(at))).unwrap();
        }
        assert_eq!(store.health().last_error, None);
        // It stays full: the end is a clear error, and what was said to be in is in.
        let (more, said) = write_until_full(&store, 3);
        assert!(
            said.contains("disk is full") && said.contains(&dir.display().to_string()),
            "{said}"
        );
        assert!(store.health().last_error.is_some());
        let whole = |store: &Store| {
            let report = store.call_now(|db| db.verify_chain(&[])).unwrap();
            assert_eq!((report.records, report.broken), ((n + more).unsigned_abs(), None));
        };
        whole(&store);
        drop(store);
        let store = Store::open_read_only(dir).unwrap();
        whole(&store);
        drop(store);
        // Healed: the ballast comes back and writing goes on.
        empty(dir);
        let store = Store::open_with(dir, OPTIONS).unwrap();
        assert_eq!(store.health().ballast, BallastState::Held);
        assert_eq!(store.call_now(|db| db.append(&record(9))).unwrap(), n + more + 1);
    });
}

#[test]
fn reef_starts_on_a_full_disk_by_letting_the_ballast_go() {
    on_two_mebibytes(|dir| {
        let store = Store::open_with(dir, OPTIONS).unwrap();
        store.call_now(|db| db.append(&record(1))).unwrap();
        drop(store);
        fill(dir);
        let store = Store::open_with(dir, OPTIONS).unwrap();
        assert_eq!(store.call_now(|db| db.append(&record(2))).unwrap(), 2);
        assert_eq!(store.health().ballast, BallastState::Released);
        assert_eq!(store.restore_ballast(), BallastState::Released, "there is no room for it yet");
        empty(dir);
        assert_eq!(store.restore_ballast(), BallastState::Held);
    });
}

#[test]
fn a_transaction_that_met_the_full_disk_is_done_again_as_it_was() {
    on_two_mebibytes(|dir| {
        let store = Store::open_with(dir, OPTIONS).unwrap();
        fill(dir);
        let mut calls = 0;
        let seqs = store
            .call_now(|db| {
                db.atomically(|db| {
                    calls += 1;
                    // A part that fails leaves nothing, in the first try and in the second.
                    let part = db.atomically(|db| -> anyhow::Result<()> {
                        db.set_flag("never", Some("x"), Millis(1))?;
                        anyhow::bail!("undone")
                    });
                    assert!(part.is_err());
                    db.set_flag("paused", Some("x"), Millis(1))?;
                    (0..300).map(|at| db.append(&record(at))).collect::<anyhow::Result<Vec<_>>>()
                })
            })
            .unwrap();
        assert_eq!(store.health().ballast, BallastState::Released, "the disk was not full");
        assert_eq!((calls, seqs), (1, (1..=300).collect::<Vec<_>>()));
        store
            .call_now(|db| {
                assert_eq!(db.flag("paused")?.as_deref(), Some("x"));
                assert_eq!(db.flag("never")?, None);
                assert_eq!(db.verify_chain(&[])?.broken, None);
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn history_on_a_full_disk_says_so_and_leaves_the_ballast_alone() {
    on_two_mebibytes(|dir| {
        let store = Store::open_with(dir, OPTIONS).unwrap();
        let id = store.readings().intern(&signal("mini:/var")).unwrap();
        fill(dir);
        let sample = |n| Sample {
            signal: id,
            at: Millis(n),
            severity: crate::model::severity::Severity::Green,
            value: Some(0.1),
        };
        let flush: Vec<Sample> = (0..200).map(sample).collect();
        let refused = (0..1_000).find_map(|_| store.readings().add(&flush).err());
        assert!(format!("{:#}", refused.unwrap()).contains("history"));
        assert_eq!(store.health().ballast, BallastState::Held);
    });
}
