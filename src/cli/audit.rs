//! `reef audit list|show|verify|timeline|export`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Detail, Ink, Page, count, cut};
use crate::cli::table::{Cell, Table, pairs};
use crate::cli::timeline;
use crate::cli::when::When;
use crate::clock::zone::stamp;
use crate::control::client::view;
use crate::model::audit::{AuditKind, AuditPayload, AuditRecord, ChainHead};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, IncidentId};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::operator::audit as log;
use crate::operator::order::Order;
use crate::operator::trail;
use crate::operator::view::{AuditEntryView, AuditExport, AuditPage, AuditProof};
use crate::store::Store;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The newest records
    List(ListArgs),
    /// One record with all that belongs to it
    Show {
        /// Its number, or the action: 31 or D-31
        id: ActionId,
    },
    /// Hold the whole log against itself and against the heads that were written down elsewhere
    Verify {
        /// A head that was kept off the box, as each delivered report carries it
        #[arg(long, value_name = "HEX@SEQ", value_parser = head)]
        head: Vec<ChainHead>,
    },
    /// What happened to an incident, from its first reading to its end
    Timeline {
        /// The incident: I-42
        incident: IncidentId,
    },
    /// All records as JSON lines, oldest first, with what the chain over them is made of
    Export {
        /// Only those after this number
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: u32,
    /// asked, answered, refused, would, dispatched, closed, settled, verified, decided, noted
    #[arg(long, value_parser = kind)]
    kind: Option<AuditKind>,
    /// Only those of an incident: I-42
    #[arg(long)]
    incident: Option<IncidentId>,
    /// Only those whose tool or target has this in it
    #[arg(long)]
    text: Option<String>,
}

/// A head as it stands in a message: 64 hex digits and the record's number.
fn head(given: &str) -> Result<ChainHead, String> {
    const WHY: &str = "write it as it stands in the message: 64 hex digits, @, the number";
    let (hash, seq) = given.split_once('@').ok_or(WHY)?;
    let hash = Digest::try_from(hash.to_ascii_lowercase()).map_err(|_| WHY)?;
    Ok(ChainHead { seq: seq.parse().map_err(|_| WHY)?, hash })
}

fn kind(given: &str) -> Result<AuditKind, String> {
    let words: Vec<&str> = AuditKind::ALL.into_iter().map(AuditKind::as_str).collect();
    AuditKind::parse(given).ok_or_else(|| format!("kinds are {}", words.join(", ")))
}

pub(crate) async fn run(cx: &mut Cx, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(cx, args).await,
        Command::Show { id } => show(cx, id.0).await,
        Command::Verify { head } => verify(cx, head).await,
        Command::Timeline { incident } => timeline::run(cx, incident).await,
        Command::Export { after } => export(cx, after).await,
    }
}

async fn list(cx: &mut Cx, args: ListArgs) -> Result<Exit, Failure> {
    let kind = args.kind.map(|kind| kind.as_str().to_owned());
    let (limit, incident, text) = (args.limit, args.incident, args.text);
    let order = Order::AuditList { limit, kind: kind.clone(), incident, text: text.clone() };
    let json = match cx.ask_if_running(&order).await? {
        Some(json) => json,
        None => {
            let store = left::open(cx)?;
            to_json(&log::list(&store, cx.env.zone.name(), limit, kind, incident, text).await?)?
        }
    };
    let now = cx.clock.now();
    cx.show(json, |page, on| render_list(page, now, on))?;
    Ok(Exit::DONE)
}

async fn show(cx: &mut Cx, seq: i64) -> Result<Exit, Failure> {
    let json = match cx.ask_if_running(&Order::AuditShow { seq }).await? {
        Some(json) => json,
        None => {
            let store = left::open(cx)?;
            to_json(&log::show(&store, cx.env.zone.name(), cx.clock.now(), seq).await?)?
        }
    };
    let now = cx.clock.now();
    cx.show(json, |entry, on| render_entry(entry, now, on))?;
    Ok(Exit::DONE)
}

/// One line a record, page by page: a log of years is never held whole.
async fn export(cx: &mut Cx, mut after: i64) -> Result<Exit, Failure> {
    let mut left: Option<Store> = None;
    loop {
        let page: AuditExport = match &left {
            Some(store) => log::export(store, after).await?,
            None => match cx.ask_if_running(&Order::AuditExport { after }).await? {
                Some(json) => view(json)?,
                None => {
                    left = Some(left::open(cx)?);
                    continue;
                }
            },
        };
        let Some(last) = page.records.last() else { return Ok(Exit::DONE) };
        after = last.seq;
        for record in &page.records {
            let line = serde_json::to_string(record).map_err(anyhow::Error::from)?;
            cx.out.say(&line)?;
        }
    }
}

async fn verify(cx: &mut Cx, heads: Vec<ChainHead>) -> Result<Exit, Failure> {
    let json = match cx.ask_if_running(&Order::AuditVerify { heads: heads.clone() }).await? {
        Some(json) => json,
        None => {
            let store = left::open(cx)?;
            let mut anchors = store.anchors()?;
            anchors.extend(heads);
            to_json(&log::verify(&store, anchors).await?)?
        }
    };
    let proof = cx.show(json, render_proof)?;
    Ok(if proof.broken.is_none() { Exit::DONE } else { Exit::FAILED })
}

pub(crate) fn to_json<T: serde::Serialize>(view: &T) -> Result<serde_json::Value, Failure> {
    Ok(serde_json::to_value(view).map_err(anyhow::Error::from)?)
}

pub(crate) fn render_list(view: &AuditPage, now: Millis, page: &Page) -> String {
    if view.records.is_empty() {
        return "no records\n".into();
    }
    let when = When::new(&view.zone, now);
    let head = ["no", "time", "kind", "what", "outcome", "who", "why"];
    let mut table = Table::new(&head, &[6, 3, 5, 4]);
    for record in &view.records {
        let mut row: Vec<Cell> = vec![
            record.seq.to_string().into(),
            when.at(record.at).into(),
            Cell::of(Ink::Plain, record.kind.as_str()),
        ];
        match &record.payload {
            Some(payload) => row.extend([
                described(record.kind, payload).into(),
                payload.outcome.clone().unwrap_or_default().into(),
                record.actor.clone().into(),
                payload.reason.clone().into(),
            ]),
            None => row.extend([
                Cell::of(Ink::Dim, "erased"),
                "".into(),
                record.actor.clone().into(),
                "".into(),
            ]),
        }
        table.row(row);
    }
    table.render(page)
}

/// A look says what ran where, and how it ended: it is short, and nothing else tells it.
fn described(kind: AuditKind, payload: &AuditPayload) -> String {
    let ran: Vec<String> = payload.commands.iter().map(trail::command).collect();
    match (kind, &payload.host) {
        // First what ran: the end of a long cell is cut.
        (AuditKind::Looked, Some(host)) if !ran.is_empty() => format!("{host}: {}", ran.join("; ")),
        _ => what(payload),
    }
}

fn what(payload: &AuditPayload) -> String {
    match (&payload.tool, &payload.target) {
        (Some(tool), Some(target)) => format!("{tool} {target}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => payload.call.clone().unwrap_or_default(),
    }
}

/// The labels of an audit trail as people know them, then what else is known. Nothing is cut: this is
/// the record.
pub(crate) fn render_entry(view: &AuditEntryView, now: Millis, page: &Page) -> String {
    let record = &view.record;
    let say = |label: &str, value: &str| {
        format!("{} {value}\n", page.ink(Ink::Bold, &format!("{label}:")))
    };
    let mut all = view.related.clone();
    all.push(record.clone());
    all.sort_by_key(|record| record.seq);
    let mut out = match trail::act(record, &all, view.no_undo.as_deref()) {
        Some(act) => timeline::labels(&act, page),
        None => [
            say("Timestamp", &stamp(record.at)),
            say("Agent", &record.actor),
            say("Payload", "erased; the chain over it still holds"),
        ]
        .concat(),
    };
    let kind = record.kind.as_str();
    out.push_str(&say("Record", &format!("{} {kind}, hash {}", record.seq, record.hash)));
    if !view.related.is_empty() {
        out.push_str(&format!("\n{}\n", page.ink(Ink::Dim, "of the same run:")));
        let when = When::new(&view.zone, now);
        out.push_str(&pairs(
            page,
            &view.related.iter().map(|r| related(r, &when)).collect::<Vec<_>>(),
        ));
    }
    out
}

fn related(record: &AuditRecord, when: &When) -> (String, String) {
    let label = format!("{} {} {}", record.seq, when.at(record.at), record.kind.as_str());
    let payload = record.payload.as_ref();
    let words = payload.map_or_else(
        || "erased".to_owned(),
        |p| {
            let outcome = p.outcome.iter().map(|o| format!("{o}  "));
            outcome.chain([what(p)]).collect()
        },
    );
    (label, words)
}

pub(crate) fn render_proof(proof: &AuditProof, page: &Page) -> String {
    let records = count(usize::try_from(proof.records).unwrap_or(usize::MAX), "record");
    if let Some((seq, why)) = &proof.broken {
        let broken = page.ink(Ink::Of(Severity::Red), "chain BROKEN");
        return format!("{broken} at record {seq}: {why} ({records} before it hold)\n");
    }
    let ok = page.ink(Ink::Of(Severity::Green), "chain ok");
    let mut out = format!("{ok}: {records}");
    if 0 < proof.erased {
        out.push_str(&format!(", {} of them erased", proof.erased));
    }
    if let Some((_, hash)) = &proof.head {
        let head = match page.detail {
            Detail::Full => hash.clone(),
            Detail::Brief => format!("{}...", cut(hash, 9).trim_end_matches('…')),
        };
        out.push_str(&format!(", head {head}"));
    }
    out.push_str(&format!(", held against {}\n", count(proof.anchors, "anchor")));
    out
}
