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
            to_json(&log::show(&store, cx.env.zone.name(), seq).await?)?
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
                what(payload).into(),
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
    let mut out = String::new();
    let mut say = |label: &str, value: &str| {
        let label = page.ink(Ink::Bold, &format!("{label}:"));
        out.push_str(format!("{label} {}", value.replace('\n', "\n  ")).trim_end());
        out.push('\n');
    };
    say("Timestamp", &stamp(record.at));
    say("Agent", &record.actor);
    match &record.payload {
        Some(payload) => entry(view, payload, &mut say),
        None => say("Payload", "erased; the chain over it still holds"),
    }
    say("Record", &format!("{} {}, hash {}", record.seq, record.kind.as_str(), record.hash));
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

fn entry(view: &AuditEntryView, payload: &AuditPayload, say: &mut impl FnMut(&str, &str)) {
    let none = || "None".to_owned();
    // Errors, duration and outcome of an action stand in the record that closed it.
    let end = closed(view);
    let of_end =
        |field: fn(&AuditPayload) -> Option<String>| field(payload).or_else(|| end.and_then(field));
    // What reef notes about itself has no tool: what it did is its outcome.
    let noted = || payload.outcome.clone().filter(|_| view.record.kind == AuditKind::Noted);
    let action = payload.tool.clone().or_else(|| payload.call.clone()).or_else(noted);
    say("Action", &action.unwrap_or_else(none));
    say("Service", &payload.target.clone().unwrap_or_else(none));
    say("Reason", if payload.reason.is_empty() { "None" } else { &payload.reason });
    let chain = match payload.tools_called.is_empty() {
        true => none(),
        false => payload.tools_called.join(" → "),
    };
    say("Tools called", &chain);
    say("Errors", &of_end(|p| p.errors.clone()).unwrap_or_else(none));
    let took = of_end(|p| p.took.map(|took| took.to_string()));
    say("Duration", &took.unwrap_or_else(|| "not known".into()));
    let mut more = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            say(label, &value);
        }
    };
    more("Run", payload.run.map(|id| id.to_string()));
    more("Approval", payload.approval.map(|id| id.to_string()));
    more("Digest", payload.digest.map(|digest| digest.to_string()));
    more("Outcome", outcome(view, payload, end));
    more("Incident", payload.incident.map(|id| id.to_string()));
    more("Runbook", payload.runbook.clone());
    more("Tier", payload.tier.map(|tier| tier.to_string()));
    more("Call", payload.call.clone());
    more("Trigger", payload.trigger.clone());
    more("Host", payload.host.clone());
    for ran in end.map_or(&payload.commands, |end| &end.commands) {
        let code = ran.code.map_or("none".to_owned(), |code| code.to_string());
        more("Command", Some(format!("{} (exit code {code})", ran.argv.join(" "))));
    }
    let undo = payload.undo_until.map(|at| format!(", until {}", stamp(at))).unwrap_or_default();
    more("Undo", payload.undo.clone().map(|how| format!("{how}{undo}")));
    more("Output", of_end(|p| p.output_excerpt.clone()));
    more("Cost", payload.cost_micros.map(cost));
}

/// Millionths as an amount: `0.003114`.
pub(crate) fn cost(micros: i64) -> String {
    let (whole, rest) = (micros / 1_000_000, (micros % 1_000_000).abs());
    format!("{whole}.{rest:06}")
}

/// The record that closed this one's action, where this one dispatched it.
fn closed(view: &AuditEntryView) -> Option<&AuditPayload> {
    let own = action(&view.record)?;
    let of_it = |r: &&AuditRecord| r.kind == AuditKind::Closed && action(r) == Some(own);
    view.related.iter().find(of_it).and_then(|r| r.payload.as_ref())
}

/// The action that a record speaks of: a dispatch is its own.
fn action(record: &AuditRecord) -> Option<ActionId> {
    match record.kind {
        AuditKind::Dispatched => Some(ActionId(record.seq)),
        AuditKind::Closed | AuditKind::Settled | AuditKind::Verified => {
            record.payload.as_ref().and_then(|p| p.action)
        }
        AuditKind::Asked
        | AuditKind::Answered
        | AuditKind::Refused
        | AuditKind::Would
        | AuditKind::Decided
        | AuditKind::Noted => None,
    }
}

/// `done, verified: yes`; a dispatch that nothing closed is unknown.
fn outcome(
    view: &AuditEntryView,
    own: &AuditPayload,
    end: Option<&AuditPayload>,
) -> Option<String> {
    let dispatched = view.record.kind == AuditKind::Dispatched;
    let first = match (dispatched, end) {
        (true, None) => Some("unknown: no record closes it".to_owned()),
        (true, Some(end)) => end.outcome.clone(),
        (false, _) => own.outcome.clone(),
    }?;
    let later = |kind: AuditKind, word: &str| {
        let id = action(&view.record).filter(|_| view.record.kind != kind)?;
        let found = view.related.iter().rfind(|r| r.kind == kind && action(r) == Some(id))?;
        let said = found.payload.as_ref()?.outcome.clone()?;
        Some(format!(", {word}: {said}"))
    };
    let settled = later(AuditKind::Settled, "settled").unwrap_or_default();
    let verified = later(AuditKind::Verified, "verified").unwrap_or_default();
    Some(format!("{first}{settled}{verified}"))
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
