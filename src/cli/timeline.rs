//! `reef audit timeline I-42`: the story of an incident.

use crate::cli::Cx;
use crate::cli::audit::to_json;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Ink, Page, pad, width};
use crate::clock::zone::{Zone, stamp};
use crate::model::ids::IncidentId;
use crate::operator;
use crate::operator::order::Order;
use crate::operator::timeline::Timeline;
use crate::operator::trail::{Act, cost};

pub(crate) async fn run(cx: &mut Cx, incident: IncidentId) -> Result<Exit, Failure> {
    let json = match cx.ask_if_running(&Order::AuditTimeline { incident }).await? {
        Some(json) => json,
        None => {
            let store = left::open(cx)?;
            let (zone, now) = (cx.env.zone.name(), cx.clock.now());
            to_json(&operator::timeline::timeline(&store, zone, now, incident).await?)?
        }
    };
    cx.show(json, render)?;
    Ok(Exit::DONE)
}

/// The incident in one line, then each act in the labels of an audit trail as people know them, then the whole story.
pub(crate) fn render(view: &Timeline, page: &Page) -> String {
    let zone = Zone::parse(&view.zone).unwrap_or(Zone::UTC);
    let bold = |text: &str| page.ink(Ink::Bold, text);
    let mut out =
        format!("{}  {} {}\n", bold(&view.incident.to_string()), view.severity, view.signal);
    let opened = format!("{} {}", zone.weekday_day_month(view.opened_at), zone.hms(view.opened_at));
    let ended = match view.resolved_at {
        Some(at) => format!("resolved {} after {}", zone.hms(at), at.since(view.opened_at)),
        None => view.stands.clone(),
    };
    out.push_str(&page.wrap(&format!("opened {opened}, {ended}"), 2));
    if 0 < view.cost_micros {
        out.push_str(&format!("  model calls cost {}\n", cost(view.cost_micros)));
    }
    for act in &view.acts {
        out.push('\n');
        out.push_str(&labels(act, page));
    }
    out.push_str(&format!("\n{}\n", page.ink(Ink::Dim, "the whole story:")));
    let longest = view.story.iter().map(|moment| width(&moment.word)).max().unwrap_or(0);
    for moment in &view.story {
        let word = format!("{} {}", zone.hms(moment.at), pad(&moment.word, longest));
        out.push_str(&page.hang(Ink::Plain, &word, "  ", &moment.words));
    }
    out
}

/// An act, a label a line. Nothing is cut: this is the record. What goes over the line stands below it.
pub(crate) fn labels(act: &Act, page: &Page) -> String {
    let mut out = String::new();
    let mut say = |label: &str, value: &str| {
        let plain = format!("{label}:");
        let all = format!("{plain} {}", value.trim_end());
        for (n, line) in all.trim_end().lines().enumerate() {
            let indent = if n == 0 { 0 } else { 2 };
            // What fits stays as it is to the letter.
            let text = match indent + width(line) <= page.width {
                true => format!("{}{line}\n", " ".repeat(indent)),
                false => page.wrap(line, 2),
            };
            match n {
                0 => {
                    let bold = page.ink(Ink::Bold, &plain);
                    out.push_str(&text.trim_start().replacen(&plain, &bold, 1));
                }
                _ => out.push_str(&text),
            }
        }
    };
    let or_none = |value: &str| if value.is_empty() { "None" } else { value }.to_owned();
    say("Timestamp", &stamp(act.timestamp));
    say("Agent", &act.agent);
    say("Action", &or_none(&act.action));
    say("Service", &or_none(&act.service));
    say("Reason", &or_none(&act.reason));
    let chain: Vec<String> = act.tools_called.iter().map(|tool| format!("{tool}()")).collect();
    say("Tools called", &or_none(&chain.join(" → ")));
    say("Errors", act.errors.as_deref().unwrap_or("None"));
    say("Duration", &act.duration.map_or("not known".to_owned(), |took| took.to_string()));
    for (label, value) in &act.more {
        say(label, value);
    }
    out
}
