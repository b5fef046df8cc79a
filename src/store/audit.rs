//! The audit log: appended, listed, erased from; never updated.

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::Row;
use rusqlite::types::ToSql;

use crate::model::audit::{AuditEntry, AuditKind, AuditPayload, AuditRecord, ChainHead, Exported};
use crate::model::ids::{ActionId, IncidentId, RunId};
use crate::model::time::Millis;
use crate::store::chain::{Link, NOTHING, payload_digest};
use crate::store::columns::from_json;
use crate::store::db::Db;

/// Which records are wanted; the default is the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    pub limit: u32,
    pub since: Option<Millis>,
    pub kind: Option<AuditKind>,
    pub incident: Option<IncidentId>,
    pub run: Option<RunId>,
    /// The `dispatched` record and all that speak of it.
    pub action: Option<ActionId>,
    /// Must stand in the tool's name or the target.
    pub text: Option<String>,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self {
            limit: 100,
            since: None,
            kind: None,
            incident: None,
            run: None,
            action: None,
            text: None,
        }
    }
}

/// What the record of an erasure says in `call`; the verification looks for it.
pub(in crate::store) fn erasure_of(seq: i64) -> String {
    format!("erase the payload of record {seq}")
}

impl Db {
    /// Appends a record and gives its sequence number. A `closed`, `settled` or `verified` record names its action in the
    /// payload, with its outcome: `done`, `failed`, `not started`, `unknown`; `ran`, `did not run`; `yes`, `no`.
    pub fn append(&mut self, entry: &AuditEntry) -> Result<i64> {
        self.atomically(|db| {
            let head = db.head()?;
            let (seq, previous) = head.map_or((1, NOTHING), |head| (head.seq + 1, head.hash));
            let json = slim_json(&entry.payload)?;
            let mut salt = [0; 16];
            getrandom::fill(&mut salt).map_err(|e| anyhow!("no random numbers: {e}"))?;
            let link = Link {
                seq,
                at: entry.at.0,
                actor: &entry.actor,
                kind: entry.kind.as_str(),
                payload: payload_digest(&salt, json.as_bytes()),
            };
            let hash = link.hash(&previous, &mut Vec::with_capacity(256));
            db.write(
                "INSERT INTO audit (seq, at, actor, kind, payload_digest, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                &[&seq, &entry.at, &entry.actor, &link.kind, &link.payload, &hash],
            )?;
            db.write(
                "INSERT INTO payload (seq, salt, json) VALUES (?1, ?2, ?3)",
                &[&seq, &&salt[..], &json],
            )?;
            db.action_event(seq, entry)?;
            db.new_head = Some(ChainHead { seq, hash });
            Ok(seq)
        })
    }

    pub fn audit(&self, seq: i64) -> Result<Option<AuditRecord>> {
        self.row(
            "SELECT a.seq, a.at, a.actor, a.kind, a.hash, p.json
               FROM audit a LEFT JOIN payload p ON p.seq = a.seq WHERE a.seq = ?1",
            &[&seq],
            record,
        )
    }

    /// Newest first.
    pub fn audit_list(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>> {
        let kind = filter.kind.map(AuditKind::as_str);
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let mut wheres = Vec::new();
        let mut params: Vec<&dyn ToSql> = Vec::new();
        let mut want = |sql: &'static str, param| {
            wheres.push(sql);
            params.push(param);
        };
        if let Some(since) = &filter.since {
            want("? <= a.at", since);
        }
        if let Some(kind) = &kind {
            want("a.kind = ?", kind);
        }
        if let Some(incident) = &filter.incident {
            want("a.seq IN (SELECT seq FROM payload WHERE incident = ?)", incident);
        }
        if let Some(run) = &filter.run {
            want("a.seq IN (SELECT seq FROM payload WHERE run = ?)", run);
        }
        if let Some(action) = &filter.action {
            want(
                "a.seq IN (WITH given (id) AS (SELECT ?) SELECT id FROM given
                           UNION SELECT p.seq FROM payload p JOIN given ON p.action = given.id)",
                action,
            );
        }
        if let Some(text) = &text {
            want(
                "0 < instr(lower(coalesce(json_extract(p.json, '$.tool'), '') || ' '
                              || coalesce(json_extract(p.json, '$.target'), '')), ?)",
                text,
            );
        }
        wheres.push("1");
        params.push(&filter.limit);
        let sql = format!(
            "SELECT a.seq, a.at, a.actor, a.kind, a.hash, p.json
               FROM audit a LEFT JOIN payload p ON p.seq = a.seq
              WHERE {} ORDER BY a.seq DESC LIMIT ?",
            wheres.join(" AND ")
        );
        self.rows(&sql, &params, record)
    }

    /// Records after a number, oldest first, with what the chain was made of.
    pub fn export(&self, after: i64, limit: u32) -> Result<Vec<Exported>> {
        self.rows(
            "SELECT a.seq, a.at, a.actor, a.kind, a.payload_digest, a.hash, p.salt, p.json
               FROM audit a LEFT JOIN payload p ON p.seq = a.seq
              WHERE ?1 < a.seq ORDER BY a.seq LIMIT ?2",
            &[&after, &limit],
            |row| {
                let seq: i64 = row.get(0)?;
                let kind: String = row.get(3)?;
                let (salt, json): (Option<Vec<u8>>, Option<String>) = (row.get(6)?, row.get(7)?);
                let payload = match json {
                    Some(json) => Some(from_json(&format!("audit record {seq}"), &json)?),
                    None => None,
                };
                Ok(Exported {
                    seq,
                    at: row.get(1)?,
                    actor: row.get(2)?,
                    kind: AuditKind::parse(&kind)
                        .with_context(|| format!("audit record {seq} is of the kind {kind:?}"))?,
                    payload,
                    salt: salt.map(|salt| salt.iter().map(|b| format!("{b:02x}")).collect()),
                    payload_digest: row.get(4)?,
                    hash: row.get(5)?,
                })
            },
        )
    }

    pub fn head(&self) -> Result<Option<ChainHead>> {
        self.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &[], |row| {
            Ok(ChainHead { seq: row.get(0)?, hash: row.get(1)? })
        })
    }

    /// Erases what a record carried and appends a `noted` record that says so, by whom and why. The chain still holds.
    pub fn erase_payload(&mut self, seq: i64, by: &str, why: &str, now: Millis) -> Result<()> {
        self.atomically(|db| {
            let Some(record) = db.audit(seq)? else { bail!("there is no audit record {seq}") };
            let Some(payload) = record.payload else { return Ok(()) };
            if payload.call.is_some_and(|call| call.starts_with("erase the payload of")) {
                bail!("record {seq} says what was erased and must stay");
            }
            let payload = AuditPayload {
                call: Some(erasure_of(seq)),
                reason: why.into(),
                outcome: Some("erased".into()),
                ..AuditPayload::default()
            };
            let kind = AuditKind::Noted;
            let noted = db.append(&AuditEntry { at: now, actor: by.into(), kind, payload })?;
            db.write("INSERT INTO erased (seq, by) VALUES (?1, ?2)", &[&seq, &noted])?;
            db.write("DELETE FROM payload WHERE seq = ?1", &[&seq])?;
            Ok(())
        })
    }
}

/// Without what is not there: most records use few of the fields.
fn slim_json(payload: &AuditPayload) -> Result<String> {
    let mut value = serde_json::to_value(payload).context("cannot write a record as JSON")?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, v| !v.is_null() && v.as_array().is_none_or(|list| !list.is_empty()));
    }
    Ok(value.to_string())
}

fn record(row: &Row<'_>) -> Result<AuditRecord> {
    let seq: i64 = row.get(0)?;
    let kind: String = row.get(3)?;
    let Some(kind) = AuditKind::parse(&kind) else {
        bail!("audit record {seq} is of an unknown kind {kind:?}");
    };
    let json: Option<String> = row.get(5)?;
    let payload = match json {
        Some(json) => Some(from_json(&format!("audit record {seq}"), &json)?),
        None => None,
    };
    Ok(AuditRecord { seq, at: row.get(1)?, actor: row.get(2)?, kind, payload, hash: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{entry, memory};

    #[test]
    fn filters_find_what_they_name() {
        let store = memory();
        let make = |i: i64| AuditPayload {
            incident: (i % 2 == 0).then_some(IncidentId(i)),
            run: Some(RunId(i / 3)),
            tool: Some(["files.compress", "unit.restart"][usize::from(i % 4 == 0)].into()),
            target: Some(format!("mini:/var/{i}")),
            ..AuditPayload::default()
        };
        let kind = |i: i64| if i < 5 { AuditKind::Would } else { AuditKind::Noted };
        for i in 1..=9 {
            store.call_now(|db| db.append(&entry(kind(i), i * 10, make(i)))).unwrap();
        }
        let all = AuditFilter::default;
        let cases = [
            (all(), vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
            (AuditFilter { limit: 2, ..all() }, vec![9, 8]),
            (AuditFilter { since: Some(Millis(80)), ..all() }, vec![9, 8]),
            (AuditFilter { kind: Some(AuditKind::Would), ..all() }, vec![4, 3, 2, 1]),
            (AuditFilter { incident: Some(IncidentId(6)), ..all() }, vec![6]),
            (AuditFilter { run: Some(RunId(1)), ..all() }, vec![5, 4, 3]),
            (AuditFilter { action: Some(ActionId(2)), ..all() }, vec![2]),
            (AuditFilter { text: Some("RESTART".into()), ..all() }, vec![8, 4]),
            (AuditFilter { text: Some("/var/7".into()), ..all() }, vec![7]),
            (AuditFilter { text: Some("'; --".into()), ..all() }, vec![]),
            (
                AuditFilter {
                    run: Some(RunId(1)),
                    kind: Some(AuditKind::Noted),
                    limit: 5,
                    ..all()
                },
                vec![5],
            ),
        ];
        for (filter, want) in cases {
            let found = store.call_now(|db| db.audit_list(&filter)).unwrap();
            assert_eq!(found.iter().map(|r| r.seq).collect::<Vec<_>>(), want, "{filter:?}");
        }
    }

    /// Whoever has the lines alone can check them.
    #[test]
    fn an_export_proves_itself() {
        use crate::model::digest::Digest;
        let store = memory();
        for i in 1..=7 {
            let payload = AuditPayload {
                reason: format!("\"{i}\" ä"),
                cost_micros: Some(-i),
                tools_called: vec!["z".into(), "a".into()],
                ..AuditPayload::default()
            };
            store.call_now(|db| db.append(&entry(AuditKind::Noted, i, payload))).unwrap();
        }
        store.call_now(|db| db.erase_payload(3, "x", "x", Millis(9))).unwrap();
        let first = store.call_now(|db| db.export(0, 5)).unwrap();
        let rest = store.call_now(|db| db.export(first.last().unwrap().seq, 5)).unwrap();
        assert_eq!((first.len(), rest.len()), (5, 3));
        let mut previous = NOTHING;
        let lines: Vec<String> =
            first.iter().chain(&rest).map(|e| serde_json::to_string(e).unwrap()).collect();
        for line in lines {
            let exported: Exported = serde_json::from_str(&line).unwrap();
            if let (Some(payload), Some(salt)) = (&exported.payload, &exported.salt) {
                let salt: Vec<u8> = (0..salt.len() / 2)
                    .map(|i| u8::from_str_radix(&salt[2 * i..2 * i + 2], 16).unwrap())
                    .collect();
                let digest = payload_digest(&salt, payload.to_string().as_bytes());
                assert_eq!(digest, exported.payload_digest);
            }
            let link = Link {
                seq: exported.seq,
                at: exported.at.0,
                actor: &exported.actor,
                kind: exported.kind.as_str(),
                payload: exported.payload_digest,
            };
            let hash: Digest = link.hash(&previous, &mut Vec::new());
            assert_eq!(hash, exported.hash);
            previous = hash;
        }
        assert_eq!(Some(previous), store.call_now(|db| db.head()).unwrap().map(|head| head.hash));
    }

    #[test]
    fn a_record_comes_back_as_it_went_in() {
        let store = memory();
        let payload = AuditPayload {
            tier: Some(crate::model::tool::Tier::High),
            reason: "it's \"full\"\n\u{0}".into(),
            tools_called: vec!["disk.usage".into()],
            cost_micros: Some(-1),
            ..AuditPayload::default()
        };
        let given = entry(AuditKind::Refused, 7, payload);
        store.call_now(|db| db.append(&given)).unwrap();
        let record = store.call_now(|db| db.audit(1)).unwrap().unwrap();
        assert_eq!(record.payload.as_ref(), Some(&given.payload));
        assert_eq!((record.at, record.kind, record.actor), (given.at, given.kind, given.actor));
        assert_eq!(store.call_now(|db| db.audit(2)).unwrap(), None);
    }
}
