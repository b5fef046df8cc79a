//! The status page: what needs a human first, then what is not green and why, then the rest.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::clock::zone::Zone;
use crate::model::approval::Approval;
use crate::model::ids::ActionId;
use crate::model::incident::{Incident, IncidentState};
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::operator::view::{Signalled, Status};
use crate::report::morning::about;
use crate::report::plain::counted;

/// The most entries of one list.
const MOST: usize = 100;

const STYLE: &str = include_str!("style.css");

/// Whether a page comes again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    Never,
    EachMinute,
}

/// A whole page: one file, no script, nothing from elsewhere.
pub fn frame(title: &str, refresh: Refresh, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                @if refresh == Refresh::EachMinute { meta http-equiv="refresh" content="60"; }
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// The page of a site that cannot say how things stand: that is never a green one.
pub fn failed(what: &str, why: &str) -> String {
    let body = html! {
        header { h1 { "reef" } }
        div class="verdict needs" { strong { (what) } (why) }
        nav { a href="/" { "again" } a href="/healthz" { "health" } }
    };
    frame("reef: no answer", Refresh::EachMinute, &body)
}

/// The status as a page.
pub fn status(status: &Status) -> String {
    let now = Now { at: status.now, zone: Zone::parse(&status.zone).unwrap_or(Zone::UTC) };
    let sorted = Sorted::of(status);
    let title = match sorted.n_needs(status) {
        0 => format!("reef: {}", status.host),
        n => format!("({n}) reef: {}", status.host),
    };
    let body = html! {
        header {
            h1 { "reef on " (status.host) }
            span.soft { (now.zone.weekday_day_month(now.at)) ", " (now.zone.hm(now.at)) " " (now.zone.name()) }
        }
        (verdict(status, &sorted))
        (notes(status))
        (needs(status, &sorted, &now))
        div.cards { (not_green(&sorted, &now)) (others(&sorted, &now)) }
        (green(&sorted))
        (foot(status, &now))
    };
    frame(&title, Refresh::EachMinute, &body)
}

struct Now {
    at: Millis,
    zone: Zone,
}

impl Now {
    /// `since 08:41, 9 min`; with the day where that is not today's.
    fn since(&self, then: Millis) -> String {
        format!("since {}, {}", self.when(then), self.at.since(then))
    }

    fn when(&self, then: Millis) -> String {
        if self.zone.day(then) == self.zone.day(self.at) {
            self.zone.hm(then)
        } else {
            format!("{} {}", self.zone.day(then), self.zone.hm(then))
        }
    }
}

/// The status in the order in which it is read.
struct Sorted<'a> {
    /// Held or escalated, and nobody said that they know.
    yours: Vec<&'a Incident>,
    others: Vec<&'a Incident>,
    /// Those of the others whose signal does not stand among what is not green.
    apart: Vec<&'a Incident>,
    not_green: Vec<&'a Signalled>,
    green: Vec<&'a Signalled>,
}

impl<'a> Sorted<'a> {
    fn of(status: &'a Status) -> Self {
        let is_yours = |incident: &Incident| {
            incident.acknowledged_at.is_none()
                && match &incident.state {
                    IncidentState::Held { .. } | IncidentState::Escalated { .. } => true,
                    IncidentState::Open
                    | IncidentState::Explained { .. }
                    | IncidentState::Running { .. }
                    | IncidentState::Resolved { .. } => false,
                }
        };
        let (mut yours, others): (Vec<_>, Vec<_>) =
            status.incidents.iter().partition(|incident| is_yours(incident));
        yours.sort_by_key(|i| (std::cmp::Reverse(i.severity), i.opened_at));
        let is_green = |s: &&Signalled| s.reading.severity == Severity::Green;
        let (mut green, mut not_green): (Vec<_>, Vec<_>) =
            status.signals.iter().partition(is_green);
        // What is said of a signal is said once: a phone shows a dozen lines at a time.
        let is_open = |i: &&Incident| !not_green.iter().any(|s| s.reading.signal == i.signal);
        let apart = others.iter().copied().filter(is_open).collect();
        not_green.sort_by_key(|s| (std::cmp::Reverse(s.reading.severity), s.since));
        green.sort_by(|a, b| a.reading.signal.cmp(&b.reading.signal));
        Self { yours, others, apart, not_green, green }
    }

    fn n_needs(&self, status: &Status) -> usize {
        status.approvals.len()
            + status.unknown_actions.len()
            + self.yours.len()
            + status.troubles.len()
    }
}

fn verdict(status: &Status, sorted: &Sorted<'_>) -> Markup {
    let n = sorted.n_needs(status);
    let count = |severity| {
        let of = |s: &&&Signalled| s.reading.severity == severity;
        sorted.not_green.iter().filter(of).count()
    };
    let class = match (n, status.signals.is_empty()) {
        (0, false) => "verdict",
        (0, true) => "verdict blind",
        _ => "verdict needs",
    };
    html! {
        div class=(class) {
            strong {
                @match n {
                    0 => "Nothing needs you",
                    1 => "One thing needs you",
                    n => { (n) " things need you" }
                }
            }
            @if status.signals.is_empty() {
                "No signal has been read yet: nothing is known to be green."
            } @else {
                span.counts {
                    @for severity in [Severity::Red, Severity::Yellow, Severity::Unknown] {
                        @if 0 < count(severity) { span class=(severity) { (count(severity)) " " (severity) } }
                    }
                    span.green { (sorted.green.len()) " green" }
                }
            }
        }
    }
}

fn notes(status: &Status) -> Markup {
    html! {
        @if let Some(why) = &status.paused {
            p.note { strong { "Paused. " } "Nothing above low is done: " (why) ". " code { "reef resume" } }
        }
        @if let Some(by) = &status.hold {
            p.note {
                strong { "Held. " } "Several independent reds: " (by.join(", ")) ". " code { "reef resume" }
            }
        }
        @for (what, state) in &status.breakers { p.note { strong { (what) ": " } (state) } }
        @if status.dry_run {
            p.note { strong { "Dry run. " } "Nothing is dispatched; what would be done is recorded." }
        } @else if status.ceiling == Leash::Observe {
            p.note { strong { "Leash: observe. " } "reef looks and records, and changes nothing." }
        }
    }
}

fn needs(status: &Status, sorted: &Sorted<'_>, now: &Now) -> Markup {
    if sorted.n_needs(status) == 0 {
        return html! {};
    }
    html! {
        section {
            h2 { "Needs you" }
            ul {
                @for trouble in &status.troubles { li { (tag(Severity::Red)) (trouble) } }
                @for approval in status.approvals.iter().take(MOST) { (question(approval, now)) }
                @for action in status.unknown_actions.iter().take(MOST) { (unknown(*action)) }
                @for incident in sorted.yours.iter().take(MOST) { (yours(incident, now)) }
                (more(status.approvals.len(), "reef approvals"))
                (more(sorted.yours.len(), "reef incidents"))
            }
        }
    }
}

fn question(approval: &Approval, now: &Now) -> Markup {
    let question = approval.question.trim();
    let (first, rest) = question.split_once('\n').unwrap_or((question, ""));
    html! {
        li {
            div.row { span.name { (first) } span.soft { (approval.tier) ", until " (now.when(approval.expires_at)) } }
            @for line in rest.lines() { span.what { (line) } }
            @if 1 < approval.choices.len() {
                @for (n, choice) in approval.choices.iter().enumerate() {
                    span.what { code { "reef approve " (approval.id) " " (n + 1) } " " (choice.say) }
                }
            } @else {
                code { "reef approve " (approval.id) }
            }
            " " code { "reef deny " (approval.id) } span.soft { " silence means no" }
        }
    }
}

fn unknown(action: ActionId) -> Markup {
    html! {
        li {
            span.name { (action) " may or may not have happened" }
            span.what { "Look, then say so: " code { "reef settle " (action) " ran|did-not-run --note HOW" } }
        }
    }
}

fn yours(incident: &Incident, now: &Now) -> Markup {
    html! {
        li {
            div.row {
                span { (tag(incident.severity)) span.name { (about(&incident.signal)) } }
                span.soft { (now.since(incident.red_at.unwrap_or(incident.opened_at))) }
            }
            span.what { (incident.reading.words.first_line()) }
            span.what.soft { (stands(&incident.state, now)) }
            code { "reef ack " (incident.id) }
        }
    }
}

fn known(incident: &Incident, now: &Now) -> String {
    let known = if incident.acknowledged_at.is_some() { "you know; " } else { "" };
    format!("{known}{}", stands(&incident.state, now))
}

fn stands(state: &IncidentState, now: &Now) -> String {
    match state {
        IncidentState::Open => "watched".into(),
        IncidentState::Explained { by } => format!("explained by {}", about(by)),
        IncidentState::Held { why } => format!("held: {why}"),
        IncidentState::Running { run } => format!("reef is at it: {run}"),
        IncidentState::Escalated { why } => format!("escalated: {why}"),
        IncidentState::Resolved { at } => format!("resolved {}", now.when(*at)),
    }
}

fn not_green(sorted: &Sorted<'_>, now: &Now) -> Markup {
    if sorted.not_green.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Not green" }
            ul {
                @for signal in sorted.not_green.iter().take(MOST) {
                    @let incident = sorted.others.iter().find(|i| i.signal == signal.reading.signal);
                    li {
                        div.row {
                            span { (tag(signal.reading.severity)) span.name { (about(&signal.reading.signal)) } }
                            span.soft { (now.since(signal.since)) }
                        }
                        span.what { (signal.reading.words.first_line()) }
                        @if let Some(incident) = incident {
                            span.what.soft { (incident.id) ", " (known(incident, now)) }
                        }
                    }
                }
                (more(sorted.not_green.len(), "reef status"))
            }
        }
    }
}

fn others(sorted: &Sorted<'_>, now: &Now) -> Markup {
    if sorted.apart.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Open incidents" }
            ul {
                @for incident in sorted.apart.iter().take(MOST) {
                    li {
                        div.row {
                            span { (tag(incident.severity)) span.name { (about(&incident.signal)) } }
                            span.soft { (incident.id) ", " (now.since(incident.opened_at)) }
                        }
                        span.what { (known(incident, now)) }
                    }
                }
                (more(sorted.apart.len(), "reef incidents"))
            }
        }
    }
}

fn green(sorted: &Sorted<'_>) -> Markup {
    if sorted.green.is_empty() {
        return html! {};
    }
    html! {
        section {
            details {
                summary { (tag(Severity::Green)) (counted(sorted.green.len() as u64, "green signal")) }
                ul {
                    @for signal in &sorted.green {
                        li {
                            span.name { (about(&signal.reading.signal)) } " "
                            (signal.reading.words.first_line())
                        }
                    }
                }
            }
        }
    }
}

fn foot(status: &Status, now: &Now) -> Markup {
    html! {
        @for finding in &status.findings { p.note { strong { "Config. " } (finding) } }
        footer {
            a href="/report" { "Morning report" }
            a href="/metrics" { "Metrics" }
            a href="/healthz" { "Health" }
            span { "leash " (status.ceiling) }
            @if let Some((at, words)) = &status.last_action { span { "last action " (now.when(*at)) ": " (words) } }
            span { "model " (status.model.as_deref().unwrap_or("none")) }
            span { (counted(status.messages_this_week, "message")) " this week" }
            @if 0 < status.messages_waiting { span { (status.messages_waiting) " waiting" } }
            span { "config " (status.config.as_deref().unwrap_or("built in")) }
            span { "reef " (status.version) ", up " (now.at.since(status.started_at)) }
        }
    }
}

fn tag(severity: Severity) -> Markup {
    html! { span class={ "tag " (severity) } { (severity) } }
}

/// What a list leaves out, and where it stands.
fn more(n: usize, command: &str) -> Markup {
    html! { @if MOST < n { li.soft { "and " (n - MOST) " more: " code { (command) } } } }
}
