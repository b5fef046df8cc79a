//! What a reef that does not run left: read from its state folder, never written.

use std::path::PathBuf;

use anyhow::anyhow;

use crate::cli::Cx;
use crate::cli::exit::Failure;
use crate::cli::page::{Page, count};
use crate::cli::signals::{OneHost, dealt_with, plain};
use crate::cli::status::{Blocks, Line, escalated, held, needs_you, questions, unknown};
use crate::cli::when::When;
use crate::config::places::Places;
use crate::gate::facts::{self, PAUSED};
use crate::model::approval::ApprovalState;
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::operator::view::{Approvals, Incidents, Left};
use crate::store::Store;
use crate::store::open::OpenError;

const NOTE: &str = "reef is not running; this is what it left";

/// How far back `--all` and "the last action" look.
const LOOKED_BACK: Span = Span::days(90);

/// The state that the command's place has, read-only; says so beside the answer.
pub(crate) fn open(cx: &mut Cx) -> Result<Store, Failure> {
    let mut absent = None;
    for folder in folders(cx)? {
        match Store::open_read_only(&folder) {
            Ok(store) => {
                cx.out.note(NOTE);
                return Ok(store);
            }
            Err(OpenError::Absent { .. }) => {
                absent.get_or_insert(folder);
            }
            Err(why) => return Err(anyhow!("reef is not running, and {why}").into()),
        }
    }
    let at = absent.unwrap_or_default();
    let why = anyhow!(
        "reef is not running, and there is no state in {}: start it with `reef run`, or say with --state where its state is",
        at.display()
    );
    Err(why.into())
}

/// Where a state may lie, nearest first.
fn folders(cx: &Cx) -> Result<Vec<PathBuf>, Failure> {
    let named = cx.common.state.as_deref();
    let own = Places::find(named, &cx.env).map_err(Failure::Usage)?;
    let mut folders = vec![own.state];
    for socket in Places::sockets(named, &cx.env).map_err(Failure::Usage)? {
        match socket.parent() {
            Some(folder) if !folders.iter().any(|known| known == folder) => {
                folders.push(folder.to_owned());
            }
            Some(_) | None => {}
        }
    }
    Ok(folders)
}

/// `reef status` without a daemon.
pub(crate) fn status(cx: &mut Cx) -> Result<(), Failure> {
    let store = open(cx)?;
    let (now, zone) = (cx.clock.now(), cx.env.zone.to_string());
    let state = store.dir().map(|dir| dir.display().to_string()).unwrap_or_default();
    let left = store.call_now(|db| {
        let mut approvals = db.pending_approvals()?;
        approvals.retain(|a| now < a.expires_at);
        let mut unknown: Vec<_> =
            db.open_dispatches()?.iter().chain(&db.unsettled()?).map(|a| a.id).collect();
        unknown.sort();
        unknown.dedup();
        let actions = db.actions_since(now - LOOKED_BACK)?;
        let last = actions.iter().max_by_key(|row| row.at);
        Ok(Left {
            now,
            zone,
            state,
            paused: db.flag(PAUSED)?,
            hold: facts::hold(db)?.map(|hold| hold.by.iter().map(ToString::to_string).collect()),
            approvals,
            incidents: db.unresolved()?,
            unknown_actions: unknown,
            last_action: last.map(|row| (row.at, format!("{} {}", row.tool, row.target))),
            messages_waiting: u64::from(db.outbox_stats(now)?.waiting),
        })
    })?;
    let json = serde_json::to_value(&left).map_err(anyhow::Error::from)?;
    cx.show(json, render).map(drop)
}

pub(crate) fn render(left: &Left, page: &Page) -> String {
    let when = When::new(&left.zone, left.now);
    let mut needs: Vec<_> = left.hold.iter().map(|reds| held(reds)).collect();
    needs.extend(left.unknown_actions.iter().map(|id| unknown(*id)));
    needs.extend(questions(&left.approvals, &when));
    let hosts = OneHost::of(left.incidents.iter().map(|i| &i.signal));
    needs.extend(left.incidents.iter().filter_map(|incident| escalated(incident, hosts)));
    let nothing = "Nothing is watched: reef is not running. What it left needs nobody.";
    let mut out = needs_you(&needs, nothing, page);
    let waits = left.approvals.iter().map(|a| (a.run, a.id.to_string())).collect();
    let mut blocks = Blocks::default();
    for severity in [Severity::Red, Severity::Yellow, Severity::Unknown] {
        let of_it = left.incidents.iter().filter(|i| i.severity == severity);
        let line = |i: &crate::model::incident::Incident| Line {
            name: plain(&i.signal, hosts),
            says: (
                i.reading.words.first_line().to_owned(),
                format!(", seen {}", when.at(i.reading.at)),
            ),
            right: dealt_with(i, &waits),
        };
        let lines: Vec<Line> = of_it.map(line).collect();
        blocks.add(severity, lines, usize::MAX);
    }
    out.push_str(&blocks.render(page));
    let mut parts = vec![format!("not running; state {}", left.state)];
    parts.extend(left.paused.iter().map(|by| format!("paused by {by}")));
    parts.push(match &left.last_action {
        Some((at, what)) => format!("last action {}, {what}", when.at(*at)),
        None => "no action yet".into(),
    });
    if 0 < left.messages_waiting {
        let n = usize::try_from(left.messages_waiting).unwrap_or(usize::MAX);
        parts.push(format!("{} not delivered", count(n, "message")));
    }
    out.push_str(&page.flow(&parts));
    out.push('\n');
    out
}

/// `reef incidents` without a daemon.
pub(crate) fn incidents(cx: &mut Cx, all: bool) -> Result<Incidents, Failure> {
    let store = open(cx)?;
    let (now, zone) = (cx.clock.now(), cx.env.zone.to_string());
    let read = |db: &mut crate::store::db::Db| match all {
        true => db.incidents(now - LOOKED_BACK, 500),
        false => db.unresolved(),
    };
    let mut incidents = store.call_now(read)?;
    incidents.sort_by_key(|i| std::cmp::Reverse(i.id));
    Ok(Incidents { zone, now, incidents })
}

/// `reef approvals` without a daemon: a question whose time is over is shown as that.
pub(crate) fn approvals(cx: &mut Cx, all: bool) -> Result<Approvals, Failure> {
    let store = open(cx)?;
    let (now, zone) = (cx.clock.now(), cx.env.zone.to_string());
    let read = |db: &mut crate::store::db::Db| match all {
        true => db.approvals_since(now - LOOKED_BACK),
        false => db.pending_approvals(),
    };
    let mut approvals = store.call_now(read)?;
    for approval in &mut approvals {
        if approval.state == ApprovalState::Pending && approval.expires_at <= now {
            approval.state = ApprovalState::Expired { at: approval.expires_at };
        }
    }
    approvals.sort_by_key(|a| std::cmp::Reverse(a.id));
    Ok(Approvals { zone, now, approvals })
}
