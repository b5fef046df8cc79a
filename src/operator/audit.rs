//! The audit log as people ask for it.

use crate::model::audit::{AuditKind, ChainHead};
use crate::model::ids::IncidentId;
use crate::model::time::Millis;
use crate::operator::order::Refusal;
use crate::operator::timeline::no_undo;
use crate::operator::view::{AuditEntryView, AuditExport, AuditPage, AuditProof};
use crate::operator::{Operator, refuse};
use crate::store::Store;
use crate::store::audit::AuditFilter;

/// Records of one page of an export.
const EXPORTED: u32 = 200;

impl Operator {
    pub(crate) async fn audit_list(
        &self,
        limit: u32,
        kind: Option<String>,
        incident: Option<IncidentId>,
        text: Option<String>,
    ) -> Result<AuditPage, Refusal> {
        list(self.store(), &self.facts().zone.to_string(), limit, kind, incident, text).await
    }

    pub(crate) async fn audit_show(&self, seq: i64) -> Result<AuditEntryView, Refusal> {
        show(self.store(), &self.facts().zone.to_string(), self.now(), seq).await
    }

    pub(crate) async fn audit_verify(&self, heads: Vec<ChainHead>) -> Result<AuditProof, Refusal> {
        let mut anchors = self.reporter.anchors();
        anchors.extend(heads);
        verify(self.store(), anchors).await
    }

    pub(crate) async fn audit_export(&self, after: i64) -> Result<AuditExport, Refusal> {
        export(self.store(), after).await
    }
}

/// A page of the log, newest first.
pub async fn list(
    store: &Store,
    zone: &str,
    limit: u32,
    kind: Option<String>,
    incident: Option<IncidentId>,
    text: Option<String>,
) -> Result<AuditPage, Refusal> {
    let kind = match kind {
        None => None,
        Some(word) => match AuditKind::parse(&word) {
            Some(kind) => Some(kind),
            None => {
                let words: Vec<&str> = AuditKind::ALL.into_iter().map(AuditKind::as_str).collect();
                return refuse(format!(
                    "{word:?} is no kind of record; they are {}",
                    words.join(", ")
                ));
            }
        },
    };
    let filter = AuditFilter { limit, kind, incident, text, ..AuditFilter::default() };
    let records = store.call(move |db| db.audit_list(&filter)).await?;
    Ok(AuditPage { zone: zone.to_owned(), records })
}

/// Records after a number, each with all that it takes to check the chain over them; an empty page is the end.
pub async fn export(store: &Store, after: i64) -> Result<AuditExport, Refusal> {
    Ok(AuditExport { records: store.call(move |db| db.export(after, EXPORTED)).await? })
}

/// One record, with those of the same run.
pub async fn show(
    store: &Store,
    zone: &str,
    now: Millis,
    seq: i64,
) -> Result<AuditEntryView, Refusal> {
    let record = store.call(move |db| db.audit(seq)).await?;
    let Some(record) = record else {
        return refuse(format!("there is no record {seq}; `reef audit list` shows them"));
    };
    let run = record.payload.as_ref().and_then(|p| p.run);
    let mut related = match run {
        Some(run) => {
            let filter = AuditFilter { run: Some(run), limit: 100, ..AuditFilter::default() };
            store.call(move |db| db.audit_list(&filter)).await?
        }
        None => Vec::new(),
    };
    related.retain(|r| r.seq != seq);
    related.sort_by_key(|r| r.seq);
    let own = record.clone();
    let no_undo = store.call(move |db| no_undo(db, &own, now)).await?;
    Ok(AuditEntryView { zone: zone.to_owned(), record, related, no_undo })
}

/// Holds the whole chain against itself and against the heads that were written down elsewhere.
pub async fn verify(store: &Store, anchors: Vec<ChainHead>) -> Result<AuditProof, Refusal> {
    let n_anchors = anchors.len();
    let report = store.call(move |db| db.verify_chain(&anchors)).await?;
    Ok(AuditProof {
        records: report.records,
        erased: report.erased,
        anchors: n_anchors,
        head: report.head.map(|head| (head.seq, head.hash.to_string())),
        broken: report.broken.map(|broken| (broken.seq, broken.why)),
    })
}
