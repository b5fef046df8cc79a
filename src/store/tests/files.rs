//! Opening what is damaged, newer, older, read-only or in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::model::audit::{AuditKind, AuditPayload};
use crate::model::time::Millis;
use crate::store::ballast::BallastState;
use crate::store::open::OpenError;
use crate::store::schema::STATE;
use crate::store::tests::{SMALL, entry, skipped};
use crate::store::{Store, StoreOptions};

/// A state folder with some records in it, closed again.
fn filled(dir: &Path) {
    let store = Store::open_with(dir, SMALL).unwrap();
    store
        .call_now(|db| {
            db.atomically(|db| {
                for at in 0..200 {
                    let reason = "x".repeat(300);
                    let payload = AuditPayload { reason, ..AuditPayload::default() };
                    db.append(&entry(AuditKind::Noted, at, payload))?;
                }
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn the_folder_and_its_files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/of/reef");
    let store = Store::open_with(&state, SMALL).unwrap();
    store.call_now(|db| db.append(&entry(AuditKind::Noted, 1, AuditPayload::default()))).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = fs::read_dir(&state).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(6 <= files.len(), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(store.health().ballast, BallastState::Held);
}

#[test]
fn a_second_store_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open_with(dir.path(), SMALL).unwrap();
    let second = Store::open_with(dir.path(), SMALL).unwrap_err();
    assert!(
        matches!(second, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id())
    );
    let reader = Store::open_read_only(dir.path()).unwrap();
    let head = |store: &Store| store.call_now(|db| db.head()).unwrap();
    first.call_now(|db| db.append(&entry(AuditKind::Noted, 1, AuditPayload::default()))).unwrap();
    assert_eq!(head(&reader), head(&first));
    let refused =
        reader.call_now(|db| db.append(&entry(AuditKind::Noted, 1, AuditPayload::default())));
    assert!(format!("{:#}", refused.unwrap_err()).contains("reading only"));
}

/// Damages a good folder, and expects each way to open it to refuse and change nothing.
#[track_caller]
fn refused(damage: impl Fn(&Path), is: impl Fn(&OpenError) -> bool, says: &str) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let path = dir.path().join("reef.db");
    damage(&path);
    let before = fs::read(&path).unwrap();
    for open in [|dir: &Path| Store::open_with(dir, SMALL), Store::open_read_only] {
        let e = open(dir.path()).unwrap_err();
        assert!(is(&e), "{e:?}");
        let said = e.to_string();
        assert!(said.contains(says) && said.contains("reef.db"), "{said}");
    }
    assert!(fs::read(&path).unwrap() == before, "the damaged file was changed");
}

#[test]
fn a_corrupt_database_is_refused_and_left_as_it_is() {
    let corrupt = |e: &OpenError| matches!(e, OpenError::Corrupt { .. });
    let noise = |n: usize| {
        let mut bytes = vec![0; n];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    };
    refused(|p| fs::write(p, noise(10_000)).unwrap(), corrupt, "does not begin as");
    refused(|p| fs::write(p, noise(7)).unwrap(), corrupt, "ends after 7 bytes");
    let cut = |p: &Path, len: u64| fs::OpenOptions::new().write(true).open(p).unwrap().set_len(len);
    refused(|p| cut(p, 10_000).unwrap(), corrupt, "cut off");
    refused(|p| cut(p, 8_192).unwrap(), corrupt, "mv ");
    let middle = |p: &Path| {
        let mut bytes = fs::read(p).unwrap();
        let n = bytes.len();
        bytes[4_096..n].copy_from_slice(&noise(n - 4_096));
        fs::write(p, bytes).unwrap();
    };
    refused(middle, corrupt, "is damaged");
}

#[test]
fn an_emptied_database_does_not_pass_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    fs::write(dir.path().join("reef.db"), b"").unwrap();
    let e = Store::open_with(dir.path(), SMALL).unwrap_err();
    assert!(e.to_string().contains("audit.head knows of 200 records"), "{e}");
    assert_eq!(fs::metadata(dir.path().join("reef.db")).unwrap().len(), 0);
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let newer = |p: &Path| {
        let conn = Connection::open(p).unwrap();
        conn.execute_batch("PRAGMA user_version = 99; PRAGMA journal_mode = DELETE").unwrap();
    };
    let is = |e: &OpenError| matches!(e, OpenError::Newer { found: 99, .. });
    refused(newer, is, "newer reef (schema 99");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let other = |p: &Path| {
        fs::remove_file(p).unwrap();
        Connection::open(p).unwrap().execute_batch("CREATE TABLE bookmarks (url)").unwrap();
    };
    refused(other, |e| matches!(e, OpenError::Corrupt { .. }), "another program");
}

#[test]
fn a_database_of_schema_1_opens_and_keeps_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let conn = Connection::open(dir.path().join("reef.db")).unwrap();
    conn.execute_batch(STATE.steps[0]).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA user_version = 1; PRAGMA application_id = 1919247718;
         INSERT INTO flag VALUES ('paused', 'by hand', 5);",
    )
    .unwrap();
    drop(conn);
    let store = Store::open_with(dir.path(), SMALL).unwrap();
    let flag = store.call_now(|db| db.flag("paused")).unwrap();
    assert_eq!(flag.as_deref(), Some("by hand"));
    store.call_now(|db| db.append(&entry(AuditKind::Noted, 1, AuditPayload::default()))).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_and_can_still_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("mounted");
    fs::create_dir(&place).unwrap();
    if !rustix::process::geteuid().is_root() {
        filled(&place);
        let mode = |mode| fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        for file in fs::read_dir(&place).unwrap() {
            let path = file.unwrap().path();
            fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
        }
        mode(0o500);
        read_only(&place);
        return mode(0o700);
    }
    // Root may write whatever its mode: only a read-only mount stops it.
    if let Err(e) = mount("reef", &place, "tmpfs", MountFlags::empty(), c"size=4m") {
        return skipped(&e);
    }
    filled(&place);
    mount_remount(&place, MountFlags::RDONLY, "").unwrap();
    let result = std::panic::catch_unwind(|| read_only(&place));
    unmount(&place, UnmountFlags::DETACH).unwrap();
    if let Err(panicked) = result {
        std::panic::resume_unwind(panicked);
    }
}

fn read_only(place: &Path) {
    let e = Store::open_with(place, SMALL).unwrap_err();
    assert!(matches!(e, OpenError::NotWritable { .. }), "{e:?}");
    assert!(e.to_string().contains("--state"), "{e}");
    let store = Store::open_read_only(place).unwrap();
    let report = store.call_now(|db| db.verify_chain(&anchors(place))).unwrap();
    assert_eq!((report.records, report.broken), (200, None));
}

fn anchors(dir: &Path) -> Vec<crate::model::audit::ChainHead> {
    crate::store::anchor::read(dir).unwrap()
}

#[test]
fn a_path_that_is_no_folder_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let e = Store::open_with(&file, StoreOptions::default()).unwrap_err();
    assert!(matches!(e, OpenError::NotWritable { .. }), "{e:?}");
    let e = Store::open_read_only(dir.path()).unwrap_err();
    assert!(e.to_string().contains("no state in"), "{e}");
}

/// What `kill -9` and a power cut leave: the files as they are while the store is open.
fn snapshot(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    to
}

#[test]
fn what_was_committed_survives_a_crash_and_what_was_not_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(dir.path(), SMALL).unwrap();
    let note = |at| entry(AuditKind::Noted, at, AuditPayload::default());
    store.call_now(|db| db.append(&note(1))).unwrap();
    let crashed = store
        .call_now(|db| {
            db.atomically(|db| {
                db.append(&note(2))?;
                db.set_flag("half", Some("done"), Millis(2))?;
                Ok(snapshot(dir.path()))
            })
        })
        .unwrap();
    let store = Store::open_with(crashed.path(), SMALL).unwrap();
    store
        .call_now(|db| {
            assert_eq!(db.head()?.unwrap().seq, 1);
            assert_eq!(db.flag("half")?, None);
            assert_eq!(db.verify_chain(&anchors(crashed.path()))?.broken, None);
            assert_eq!(db.append(&note(3))?, 2);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_lost_log_file_opens_but_the_anchors_find_what_it_held_for_good() {
    let dir = tempfile::tempdir().unwrap();
    // Closed once, so that the tables stand in the database itself.
    drop(Store::open_with(dir.path(), SMALL).unwrap());
    let store = Store::open_with(dir.path(), SMALL).unwrap();
    let note = |at| entry(AuditKind::Noted, at, AuditPayload::default());
    for at in 0..3 {
        store.call_now(|db| db.append(&note(at))).unwrap();
    }
    let crashed = snapshot(dir.path());
    fs::write(crashed.path().join("reef.db-wal"), b"garbage").unwrap();
    let store = Store::open_with(crashed.path(), SMALL).unwrap();
    for at in 0..20 {
        store.call_now(|db| db.append(&note(at))).unwrap();
        let heads = anchors(crashed.path());
        let report = store.call_now(|db| db.verify_chain(&heads)).unwrap();
        assert!(report.broken.is_some(), "after {at} more records nobody knows");
    }
}

#[tokio::test]
async fn a_panic_in_a_call_leaves_no_transaction_open() {
    let store = Store::in_memory().unwrap();
    let panicked = store
        .call(|db| {
            db.atomically(|db| {
                db.set_flag("paused", Some("x"), Millis(1))?;
                panic!("as a defect would")
            })
        })
        .await;
    let panicked: anyhow::Result<()> = panicked;
    assert!(panicked.is_err());
    let flag = store.call(|db| db.flag("paused")).await.unwrap();
    assert_eq!(flag, None);
    store.call(|db| db.append(&entry(AuditKind::Noted, 1, AuditPayload::default()))).await.unwrap();
}

/// A death while the file was being made, before it was in WAL mode: its journal lies beside it.
#[test]
fn what_died_while_it_was_made_is_made_anew() {
    let (made, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in ["reef.db", "readings.db"] {
        let path = made.path().join(file);
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA cache_size = 1; PRAGMA page_size = 512; BEGIN;
             CREATE TABLE half (x BLOB); INSERT INTO half VALUES (zeroblob(100000));",
        )
        .unwrap();
        for name in [file.to_owned(), format!("{file}-journal")] {
            fs::copy(made.path().join(&name), dir.path().join(&name)).unwrap();
        }
    }
    assert!(0 < fs::metadata(dir.path().join("reef.db-journal")).unwrap().len());
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.call_now(|db| db.head()).unwrap(), None);
}
