//! `reef status`: one screen, and what needs a human first.

use std::collections::BTreeMap;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Detail, Ink, Page, READABLE, count, cut, pad, width};
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

/// What fits on a terminal of 24 lines with the prompt below it.
const SCREEN: usize = 23;

/// The most lines of each part; what needs a human gives way last.
const NEEDS: usize = 8;
const REDS: usize = 5;
const YELLOWS: usize = 3;
const UNKNOWNS: usize = 3;

/// The width of the first column.
pub(crate) const FIRST: usize = 12;

pub(crate) fn render(status: &Status, page: &Page) -> String {
    let when = When::new(&status.zone, status.now);
    let rows = Rows::of(&status.signals);
    let needs = needs_you(&needs(status, &when), "Nothing needs you.", page);
    let mut end = green(&rows, page);
    if let Some(paused) = &status.paused {
        let line = format!("{paused}: nothing above low is done; `reef resume` lifts it");
        let line = cut(&line, page.width.saturating_sub(FIRST));
        end.push_str(&format!("{}{line}\n", page.ink(Ink::Bold, &pad("paused", FIRST))));
    }
    for parts in [acting(status, &when), about(status, &when)] {
        end.push_str(&page.flow(&parts));
        end.push('\n');
    }
    let free = SCREEN.saturating_sub(needs.lines().count() + end.lines().count());
    format!("{needs}{}{end}", bad(status, &rows, free, page, &when))
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
    let hosts = OneHost::of(status.signals.iter().map(|s| &s.reading.signal));
    needs.extend(status.incidents.iter().filter_map(|incident| escalated(incident, hosts)));
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
pub(crate) fn escalated(incident: &Incident, hosts: OneHost) -> Option<Need> {
    let IncidentState::Escalated { why } = &incident.state else { return None };
    if incident.acknowledged_at.is_some() || incident.care.silent {
        return None;
    }
    let signal = plain(&incident.signal, hosts);
    Some(Need {
        what: format!("{} {} {signal}: {why}", incident.id, incident.severity),
        until: String::new(),
        command: format!("reef ack {}", incident.id),
    })
}

/// The command to type is never cut: where a line is too short, it has a line of its own.
pub(crate) fn needs_you(needs: &[Need], nothing: &str, page: &Page) -> String {
    if needs.is_empty() {
        return format!("{}\n", page.ink(Ink::Bold, nothing));
    }
    let room = page.width.saturating_sub(FIRST);
    let right = room.min(READABLE - FIRST);
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
            false if width(&need.what) + 3 + width(&asks) <= right => {
                let gap = " ".repeat(right - width(&need.what) - width(&asks));
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

/// What is not green, in so many lines: the worst has the most room.
fn bad(status: &Status, rows: &Rows<'_>, free: usize, page: &Page, when: &When) -> String {
    let waits: BTreeMap<RunId, String> =
        status.approvals.iter().map(|a| (a.run, a.id.to_string())).collect();
    let line = |(name, signal): &(&str, &Signalled)| {
        let own = status.incidents.iter().find(|i| i.signal == signal.reading.signal);
        // A first bad look is no incident: it is looked at again before it counts.
        let none = match signal.reading.severity {
            Severity::Red => "no incident yet",
            Severity::Yellow | Severity::Unknown | Severity::Green => "",
        };
        let right = own.map_or(none.to_owned(), |incident| dealt_with(incident, &waits));
        Line { name: (*name).to_owned(), says: says(signal, when), right }
    };
    let [reds, yellows, unknowns] = [Severity::Red, Severity::Yellow, Severity::Unknown]
        .map(|severity| rows.of_severity(severity).iter().map(line).collect::<Vec<Line>>());
    let (mut blocks, mut free) = (Blocks::default(), free);
    for (severity, lines, most, later) in [
        (Severity::Red, reds, REDS, 2),
        (Severity::Yellow, yellows, YELLOWS, 1),
        (Severity::Unknown, unknowns, UNKNOWNS, 0),
    ] {
        let most = match page.detail {
            Detail::Full => usize::MAX,
            Detail::Brief => free.saturating_sub(later).clamp(1, most),
        };
        free = free.saturating_sub(lines.len().min(most));
        blocks.add(severity, lines, most);
    }
    blocks.render(page)
}

/// One signal in a block.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Words that may be cut, and an end that is not.
    pub(crate) says: (String, String),
    pub(crate) right: String,
}

/// Signals by severity under each other, all in the same columns.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Severity, how many there are, and those that are shown.
    blocks: Vec<(Severity, usize, Vec<Line>)>,
}

impl Blocks {
    /// Of more lines than `most` the last says how many are left out.
    pub(crate) fn add(&mut self, severity: Severity, mut lines: Vec<Line>, most: usize) {
        let n = lines.len();
        if most < n {
            lines.truncate(most.saturating_sub(1));
        }
        self.blocks.push((severity, n, lines));
    }

    /// The severity's word and number stand before its first line.
    pub(crate) fn render(&self, page: &Page) -> String {
        let room = page.width.saturating_sub(FIRST);
        let all = || self.blocks.iter().flat_map(|(_, _, lines)| lines);
        let names = all().map(|l| width(&l.name)).max().unwrap_or(0).min(room / 3);
        let says = all().map(|l| width(&l.says.0) + width(&l.says.1)).max().unwrap_or(0);
        let rights = all().map(|l| width(&l.right)).max().unwrap_or(0);
        let right = if rights == 0 { 0 } else { rights + 2 };
        let says = says.min(room.saturating_sub(names + 2 + right).max(room / 4));
        let mut out = String::new();
        for (severity, n, lines) in &self.blocks {
            let mut lead = first(*severity, Some(*n), page);
            for line in lines {
                let (said, end) = (&line.says.0, &line.says.1);
                // Where less stands to the right, there is more room for the numbers.
                let right = if line.right.is_empty() { 0 } else { width(&line.right) + 2 };
                let most = room.saturating_sub(names + 2 + right).max(room / 4);
                if page.width < NARROW {
                    out.push_str(&narrow(&lead, line, page));
                    lead = first(*severity, None, page);
                    continue;
                }
                let said = format!("{}{end}", cut(said, most.saturating_sub(width(end))));
                let text = format!(
                    "{}  {}  {}",
                    pad(&cut(&line.name, names), names),
                    pad(&said, says),
                    line.right
                );
                out.push_str(&format!("{lead}{}\n", cut(text.trim_end(), room)));
                lead = first(*severity, None, page);
            }
            if lines.len() < *n {
                out.push_str(&format!("{lead}and {} more: reef check\n", n - lines.len()));
            }
        }
        out
    }
}

/// `not looked at: smart, zfs, nas raid; reef check -v says why`.
fn absent(absent: &[String]) -> String {
    const SHOWN: usize = 6;
    let names: Vec<&str> = absent.iter().map(|one| one.split(':').next().unwrap_or(one)).collect();
    let (shown, rest) = names.split_at(names.len().min(SHOWN));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("not looked at: {}{more}; reef check -v says why", shown.join(", "))
}

/// On a narrow screen what a signal says stands below its name.
const NARROW: usize = 60;

fn narrow(lead: &str, line: &Line, page: &Page) -> String {
    let room = page.width.saturating_sub(FIRST);
    let mut out = format!("{lead}{}\n", cut(&line.name, room));
    let (said, end) = &line.says;
    let right = if line.right.is_empty() { String::new() } else { format!("  {}", line.right) };
    let below = [cut(said, page.width.saturating_sub(2)), format!("{}{right}", end.trim_start())];
    for text in below.iter().filter(|text| !text.is_empty()) {
        out.push_str(&format!("  {}\n", cut(text, page.width.saturating_sub(2))));
    }
    out
}

/// `red       1  `, or as much white space.
fn first(severity: Severity, n: Option<usize>, page: &Page) -> String {
    let Some(n) = n else { return " ".repeat(FIRST) };
    let word = page.ink(Ink::Of(severity), &pad(severity.as_str(), 7));
    format!("{word}{n:>3}  ")
}

/// `green    65  mini 14 · nas 18 of 20`.
fn green(rows: &Rows<'_>, page: &Page) -> String {
    if rows.rows.is_empty() {
        return "nothing is watched yet: the first looks are under way, or no probe is on\n".into();
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
    if !status.absent.is_empty() {
        parts.push(absent(&status.absent));
    }
    if !status.findings.is_empty() {
        let n = count(status.findings.len(), "finding");
        parts.push(format!("{n} in the config: reef config check"));
    }
    parts
}
