//! `reef status`: one screen, and what needs a human first.

use std::collections::BTreeMap;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Detail, Ink, Page, count, cut, pad, width};
use crate::cli::signals::{OneHost, Rows, dealt_with, plain, says};
use crate::cli::when::When;
use crate::model::approval::Approval;
use crate::model::ids::{ActionId, RunId};
use crate::model::incident::{Incident, IncidentState};
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::operator::order::Order;
use crate::operator::view::{Signalled, Status};

pub(crate) async fn run(cx: &mut Cx) -> Result<Exit, Failure> {
    match cx.ask_if_running(&Order::Status).await? {
        Some(json) => cx.show(json, render).map(drop)?,
        None => left::status(cx)?,
    }
    Ok(Exit::DONE)
}

/// How many lines each part may take, so that all of it fits on 24.
const NEEDS: usize = 8;
const REDS: usize = 5;
const YELLOWS: usize = 3;
const UNKNOWNS: usize = 3;

/// The width of the first column.
pub(crate) const FIRST: usize = 11;

pub(crate) fn render(status: &Status, page: &Page) -> String {
    let when = When::new(&status.zone, status.now);
    let rows = Rows::of(&status.signals);
    let mut out = needs_you(&needs(status, &when), page);
    for (severity, most) in
        [(Severity::Red, REDS), (Severity::Yellow, YELLOWS), (Severity::Unknown, UNKNOWNS)]
    {
        out.push_str(&bad(status, &rows, severity, most, page, &when));
    }
    out.push_str(&green(&rows, page));
    if let Some(paused) = &status.paused {
        let line = format!("{paused}: nothing above low is done; `reef resume` lifts it");
        let line = cut(&line, page.width.saturating_sub(FIRST));
        out.push_str(&format!("{}{line}\n", page.ink(Ink::Bold, &pad("paused", FIRST))));
    }
    out.push_str(&page.flow(&acting(status, &when)));
    out.push('\n');
    out.push_str(&page.flow(&about(status, &when)));
    out.push('\n');
    out
}

/// One thing that waits for a human.
pub(crate) struct Need {
    what: String,
    /// `expires 09:14`.
    until: String,
    /// What to type; empty where there is nothing.
    command: String,
}

fn needs(status: &Status, when: &When) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(reds) = &status.hold {
        needs.push(held(reds));
    }
    needs.extend(status.unknown_actions.iter().map(|id| unknown(*id)));
    needs.extend(questions(&status.approvals, when));
    needs.extend(status.incidents.iter().filter_map(escalated));
    let waits = |(_, state): &&(String, String)| state.contains("you");
    needs.extend(status.breakers.iter().filter(waits).map(|(what, _)| Need {
        what: format!("{what} failed too often in a row; look, then let it try again"),
        until: String::new(),
        command: "reef resume".into(),
    }));
    needs.extend(status.troubles.iter().map(|trouble| Need {
        what: format!("reef itself: {trouble}"),
        until: String::new(),
        command: String::new(),
    }));
    needs
}

pub(crate) fn held(reds: &[String]) -> Need {
    Need {
        what: format!("{} independent reds hold all actions: {}", reds.len(), reds.join("; ")),
        until: String::new(),
        command: "reef resume".into(),
    }
}

pub(crate) fn unknown(id: ActionId) -> Need {
    Need {
        what: format!("{id}: nobody knows whether it happened; look, then say"),
        until: String::new(),
        command: format!("reef settle {id} ran|did-not-run --note \"...\""),
    }
}

/// The questions, the one that expires first before the others.
pub(crate) fn questions(approvals: &[Approval], when: &When) -> Vec<Need> {
    let mut pending: Vec<&Approval> = approvals
        .iter()
        .filter(|a| a.state == crate::model::approval::ApprovalState::Pending)
        .collect();
    pending.sort_by_key(|a| a.expires_at);
    let need = |a: &&Approval| {
        let asks = if a.choices.len() < 2 { "approve" } else { "choose" };
        Need {
            what: format!(
                "{} {asks}: {} ({})",
                a.id,
                a.question.lines().next().unwrap_or(""),
                a.tier
            ),
            until: format!("expires {}", when.at(a.expires_at)),
            command: format!("reef approve {}", a.id),
        }
    };
    pending.iter().map(need).collect()
}

/// What reef has handed over, until the human says that they have it.
pub(crate) fn escalated(incident: &Incident) -> Option<Need> {
    let IncidentState::Escalated { why } = &incident.state else { return None };
    if incident.acknowledged_at.is_some() {
        return None;
    }
    let signal = plain(&incident.signal, OneHost::No);
    Some(Need {
        what: format!("{} {} {signal}: {why}", incident.id, incident.severity),
        until: String::new(),
        command: format!("reef ack {}", incident.id),
    })
}

/// The command to type is never cut: where a line is too short, it has a line of its own.
pub(crate) fn needs_you(needs: &[Need], page: &Page) -> String {
    if needs.is_empty() {
        return format!("{}\n", page.ink(Ink::Bold, "Nothing needs you."));
    }
    let room = page.width.saturating_sub(FIRST);
    let most = if page.detail == Detail::Full { usize::MAX } else { NEEDS };
    let mut lines: Vec<String> = Vec::new();
    for (n, need) in needs.iter().enumerate() {
        let asks: Vec<&str> = [need.until.as_str(), need.command.as_str()]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect();
        let asks = asks.join("   ");
        let own = match asks.is_empty() {
            true => vec![cut(&need.what, room)],
            false if width(&need.what) + 3 + width(&asks) <= room => {
                let gap = " ".repeat(room - width(&need.what) - width(&asks));
                vec![format!("{}{gap}{asks}", need.what)]
            }
            false => vec![cut(&need.what, room), format!("  {asks}")],
        };
        let rest = needs.len() - n;
        let last = usize::from(1 < rest);
        if most < lines.len() + own.len() + last {
            lines.push(format!("and {rest} more: reef status -v"));
            break;
        }
        lines.extend(own);
    }
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate() {
        let first = pad(if n == 0 { "NEEDS YOU" } else { "" }, FIRST);
        out.push_str(&format!("{}{line}\n", page.ink(Ink::Of(Severity::Red), &first)));
    }
    out
}

/// The signals of one severity that is not green.
fn bad(
    status: &Status,
    rows: &Rows<'_>,
    severity: Severity,
    most: usize,
    page: &Page,
    when: &When,
) -> String {
    let all = rows.of_severity(severity);
    let waits: BTreeMap<RunId, String> =
        status.approvals.iter().map(|a| (a.run, a.id.to_string())).collect();
    let dealt = |s: &Signalled| {
        let own = status.incidents.iter().find(|i| i.signal == s.reading.signal);
        own.map(|incident| dealt_with(incident, &waits)).unwrap_or_default()
    };
    let lines: Vec<Line> = all
        .iter()
        .map(|(name, s)| Line { name: (*name).to_owned(), says: says(s, when), right: dealt(s) })
        .collect();
    let most = if page.detail == Detail::Full { usize::MAX } else { most };
    block(severity, &lines, most, page)
}

/// One signal in a block.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) says: String,
    pub(crate) right: String,
}

/// The lines of one severity under each other, its word and their number before the first.
pub(crate) fn block(severity: Severity, lines: &[Line], most: usize, page: &Page) -> String {
    let room = page.width.saturating_sub(FIRST);
    let widest = |of: fn(&Line) -> &str| lines.iter().map(|l| width(of(l))).max().unwrap_or(0);
    let names = widest(|l| &l.name).min(room / 3);
    let shown = if lines.len() <= most { lines.len() } else { most.saturating_sub(1) };
    let mut out = String::new();
    for (n, line) in lines.iter().take(shown).enumerate() {
        let right = if line.right.is_empty() { 0 } else { width(&line.right) + 2 };
        // The words may use all that the right column leaves, but keep at least a third.
        let words = room.saturating_sub(names + 2 + right).max(room / 3);
        let mut text =
            format!("{}  {}", pad(&cut(&line.name, names), names), cut(&line.says, words));
        if 0 < right {
            text = format!(
                "{}  {}",
                pad(&text, names + 2 + words.min(widest(|l| &l.says))),
                line.right
            );
        }
        let text = cut(&text, room);
        out.push_str(&format!(
            "{}{}\n",
            first(severity, (n == 0).then_some(lines.len()), page),
            text.trim_end()
        ));
    }
    if shown < lines.len() {
        let rest = format!("and {} more: reef check", lines.len() - shown);
        out.push_str(&format!("{}{rest}\n", " ".repeat(FIRST)));
    }
    out
}

/// `red      1  `, or as much white space.
fn first(severity: Severity, n: Option<usize>, page: &Page) -> String {
    let Some(n) = n else { return " ".repeat(FIRST) };
    let word = page.ink(Ink::Of(severity), &pad(severity.as_str(), 7));
    format!("{word}{n:>2}  ")
}

/// `green   65  mini 14 · nas 18 of 20`.
fn green(rows: &Rows<'_>, page: &Page) -> String {
    if rows.rows.is_empty() {
        return "nothing is watched yet: the first looks are under way\n".into();
    }
    let mut hosts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (_, signal) in &rows.rows {
        let entry = hosts.entry(signal.reading.signal.target.on().as_str()).or_default();
        entry.1 += 1;
        entry.0 += usize::from(signal.reading.severity == Severity::Green);
    }
    let host = |(name, (green, all)): (&&str, &(usize, usize))| match green == all {
        true => format!("{name} {green}"),
        false => format!("{name} {green} of {all}"),
    };
    let each: Vec<String> = hosts.iter().map(host).collect();
    let n = rows.of_severity(Severity::Green).len();
    let text = cut(&each.join(" · "), page.width.saturating_sub(FIRST));
    format!("{}{text}\n", first(Severity::Green, Some(n), page))
}

fn acting(status: &Status, when: &When) -> Vec<String> {
    let how = match (status.dry_run, &status.paused, &status.hold, status.ceiling) {
        (true, ..) => "acting: no (dry run: only recorded)".to_owned(),
        (false, Some(_), ..) => "acting: no (paused)".into(),
        (false, None, Some(_), _) => "acting: no (held)".into(),
        (false, None, None, Leash::Observe) => "acting: no (leash observe: only recorded)".into(),
        (false, None, None, leash @ (Leash::Ask | Leash::Auto)) => format!("acting: yes ({leash})"),
    };
    let mut parts = vec![how];
    parts.push(match &status.last_action {
        Some((at, what)) => format!("last action {}, {what}", when.at(*at)),
        None => "no action yet".into(),
    });
    parts.push(match &status.model {
        Some(model) => format!("model {model}"),
        None => "no model".into(),
    });
    parts.push(match status.messages_waiting {
        0 => format!("messages this week {}", status.messages_this_week),
        n => format!("messages this week {}, {n} not delivered yet", status.messages_this_week),
    });
    parts.extend(status.breakers.iter().map(|(what, state)| format!("{what}: {state}")));
    parts
}

fn about(status: &Status, when: &When) -> Vec<String> {
    let mut parts =
        vec![format!("{}, {}, up {}", status.host, when.now(), when.since(status.started_at))];
    parts.extend(status.page.iter().map(|page| format!("page {page}")));
    parts.push(match &status.config {
        Some(config) => format!("config {config}"),
        None => "no config file: built-in default".into(),
    });
    if !status.findings.is_empty() {
        let n = count(status.findings.len(), "finding");
        parts.push(format!("{n} in the config: reef config check"));
    }
    parts
}
