//! Every single change to the log is found.

use std::cell::Cell;
use std::fs;

use rusqlite::Connection;

use crate::model::audit::{AuditKind, AuditPayload, ChainHead};
use crate::model::ids::{IncidentId, RunId};
use crate::model::time::Millis;
use crate::store::Store;
use crate::store::anchor;
use crate::store::chain::{Broken, ChainReport};
use crate::store::tests::{SMALL, entry};

const N: i64 = 12;

/// A log of twelve records, the third erased, and the head that was kept of it.
struct Log {
    dir: tempfile::TempDir,
    heads: Vec<ChainHead>,
    /// How many damaged copies were looked at.
    tried: Cell<u32>,
}

impl Log {
    fn new() -> Self {
        Self::of(N)
    }

    fn of(n: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_with(dir.path(), SMALL).unwrap();
        let made = store.call_now(|db| {
            db.atomically(|db| {
                for (i, kind) in (1..n).zip(AuditKind::ALL.into_iter().cycle()) {
                    let payload = AuditPayload {
                        incident: Some(IncidentId(i)),
                        run: Some(RunId(i)),
                        tool: Some("files.compress".into()),
                        reason: format!("the disk is full, {i}"),
                        ..AuditPayload::default()
                    };
                    db.append(&entry(kind, 1_000 + i, payload))?;
                }
                db.erase_payload(3, "operator uid 1000", "it named a person", Millis(2_000))
            })
        });
        made.unwrap();
        let heads = anchor::read(dir.path()).unwrap();
        assert_eq!(heads.iter().map(|head| head.seq).collect::<Vec<_>>(), [n]);
        Self { dir, heads, tried: Cell::default() }
    }

    /// Runs `sql` on a copy of the log without its triggers and verifies it.
    fn after(&self, sql: &str) -> ChainReport {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reef.db");
        fs::copy(self.dir.path().join("reef.db"), &path).unwrap();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF").unwrap();
        for trigger in triggers(&conn) {
            conn.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        conn.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        drop(conn);
        let store = Store::open_read_only(dir.path()).unwrap();
        store.call_now(|db| db.verify_chain(&self.heads)).unwrap()
    }

    #[track_caller]
    fn found(&self, sql: &str, seq: i64) {
        let broken = self.after(sql).broken.unwrap_or_else(|| panic!("not found: {sql}"));
        assert_eq!(broken.seq, seq, "{sql}: {broken:?}");
        self.tried.set(self.tried.get() + 1);
    }
}

fn triggers(conn: &Connection) -> Vec<String> {
    let mut names = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// Payloads are hashed some hundred at a time: at the ends of such a batch as well, and in one that is short.
#[test]
fn what_is_changed_in_a_long_log_is_found_where_it_is() {
    let n = 1_600;
    let log = Log::of(n);
    let whole = log.after("SELECT 1");
    assert_eq!((whole.records, whole.broken), (n.unsigned_abs(), None));
    for seq in [1, 511, 512, 513, 514, 1_024, 1_025, 1_026, 1_536, 1_538, n - 1, n] {
        log.found(&format!("UPDATE payload SET json = json || ' ' WHERE seq = {seq}"), seq);
        log.found(&format!("DELETE FROM payload WHERE seq = {seq}"), seq);
    }
    log.found(&format!("DELETE FROM audit WHERE seq = {n}"), n);
}

#[test]
fn an_untouched_log_is_whole() {
    let report = Log::new().after("SELECT 1");
    let head = report.head.unwrap();
    assert_eq!(
        report,
        ChainReport { records: N.unsigned_abs(), erased: 1, head: Some(head), broken: None }
    );
    assert_eq!(head.seq, N);
}

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn every_edited_column_of_every_record_is_found() {
    let log = Log::new();
    let edits = [
        "at = at + 1",
        "actor = actor || 'x'",
        "actor = ''",
        "kind = CASE kind WHEN 'noted' THEN 'decided' ELSE 'noted' END",
        "payload_digest = zeroblob(32)",
        "hash = zeroblob(32)",
        "hash = x'00'",
    ];
    for seq in 1..=N {
        for edit in edits {
            log.found(&format!("UPDATE audit SET {edit} WHERE seq = {seq}"), seq);
        }
        if seq != 3 {
            for edit in
                ["json = json_set(json, '$.reason', 'x')", "json = '{}'", "salt = zeroblob(16)"]
            {
                log.found(&format!("UPDATE payload SET {edit} WHERE seq = {seq}"), seq);
            }
        }
    }
    println!("figure | edits of the audit log that go unnoticed | 0 of {}", log.tried.get());
}

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn every_deletion_is_found() {
    let log = Log::new();
    for seq in 1..=N {
        let both =
            format!("DELETE FROM audit WHERE seq = {seq}; DELETE FROM payload WHERE seq = {seq}");
        log.found(&both, seq);
        log.found(&format!("DELETE FROM audit WHERE seq = {seq}"), seq);
        if seq != 3 {
            log.found(&format!("DELETE FROM payload WHERE seq = {seq}"), seq);
            // As if it had been erased: no record says so, or one that speaks of another.
            log.found(
                &format!(
                    "INSERT INTO erased VALUES ({seq}, {N}); DELETE FROM payload WHERE seq = {seq}"
                ),
                // The last record is the one that erased the third: without it, that one is nobody's.
                if seq == N { 3 } else { seq },
            );
        }
    }
    println!("figure | deletions of the audit log that go unnoticed | 0 of {}", log.tried.get());
}

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn every_two_neighbours_changed_about_are_found() {
    let log = Log::new();
    for seq in 1..N {
        let swap = |table: &str| {
            format!(
                "UPDATE {table} SET seq = -1 WHERE seq = {seq};
                 UPDATE {table} SET seq = {seq} WHERE seq = {seq} + 1;
                 UPDATE {table} SET seq = {seq} + 1 WHERE seq = -1;"
            )
        };
        log.found(&format!("{} {}", swap("audit"), swap("payload")), seq);
        log.found(&swap("audit"), seq);
    }
    println!("figure | swaps of the audit log that go unnoticed | 0 of {}", log.tried.get());
}

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn every_truncation_is_found_by_the_anchors() {
    let log = Log::new();
    for seq in 1..=N {
        let cut = format!(
            "DELETE FROM audit WHERE {seq} <= seq; DELETE FROM payload WHERE {seq} <= seq;
             DELETE FROM erased WHERE {seq} <= by"
        );
        // Without the record that erased it, the third payload's erasure is nobody's.
        log.found(&cut, if 3 < seq { 3 } else { seq });
    }
    println!("figure | truncations of the audit log that go unnoticed | 0 of {}", log.tried.get());
}

#[test]
fn a_truncated_log_that_grew_again_is_found_by_the_anchors() {
    let heads = Log::new().heads;
    let other = tempfile::tempdir().unwrap();
    let store = Store::open_with(other.path(), SMALL).unwrap();
    let report = store
        .call_now(|db| {
            db.atomically(|db| {
                for at in 0..20 {
                    db.append(&entry(AuditKind::Noted, at, AuditPayload::default()))?;
                }
                Ok(())
            })?;
            assert_eq!(db.verify_chain(&[])?.broken, None);
            db.verify_chain(&heads)
        })
        .unwrap();
    let why = "it is another one than the head that was kept of it".into();
    assert_eq!(report.broken, Some(Broken { seq: heads[0].seq, why }));
}

#[test]
fn the_log_refuses_every_update_and_delete() {
    let log = Log::new();
    let conn = Connection::open(log.dir.path().join("reef.db")).unwrap();
    assert_eq!(triggers(&conn).len(), 9);
    for sql in [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1",
        "UPDATE payload SET json = '{}'",
        "DELETE FROM payload WHERE seq = 1",
        "INSERT OR REPLACE INTO payload (seq, salt, json) VALUES (1, x'00', '{}')",
        "INSERT OR REPLACE INTO erased VALUES (3, 1)",
        "UPDATE erased SET by = 1",
        "DELETE FROM erased",
    ] {
        let e = conn.execute_batch(sql).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(e.contains("append-only") || e.contains("only with a record"), "{sql}: {e:?}");
    }
}

#[test]
fn an_erased_payload_is_gone_and_says_who_erased_it() {
    let log = Log::new();
    let store = Store::open_with(log.dir.path(), SMALL).unwrap();
    store
        .call_now(|db| {
            assert_eq!(db.audit(3)?.unwrap().payload, None);
            let said = db.audit(N)?.unwrap();
            assert_eq!(said.actor, "operator uid 1000");
            assert_eq!(said.payload.unwrap().reason, "it named a person");
            assert!(db.erase_payload(N, "x", "x", Millis(1)).is_err(), "an erasure's record stays");
            assert!(db.erase_payload(99, "x", "x", Millis(1)).is_err());
            db.erase_payload(3, "x", "x", Millis(1)).unwrap();
            assert_eq!(db.head()?.unwrap().seq, N, "erasing twice is as once");
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_was_erased_is_not_in_the_file_any_more() {
    let log = Log::new();
    let bytes = fs::read(log.dir.path().join("reef.db")).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("the disk is full, 2") && !has("the disk is full, 3"));
}
