//! `reef incidents`.

use std::collections::BTreeMap;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::page::{Ink, Page};
use crate::cli::signals::{OneHost, plain};
use crate::cli::table::{Cell, Table};
use crate::cli::when::When;
use crate::model::ids::RunId;
use crate::model::incident::{Incident, IncidentState};
use crate::model::severity::Severity;
use crate::operator::order::Order;
use crate::operator::view::Incidents;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resolved ones of the last 90 days too
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    let json = match cx.ask_if_running(&Order::Incidents { all: args.all }).await? {
        Some(json) => json,
        None => {
            serde_json::to_value(left::incidents(cx, args.all)?).map_err(anyhow::Error::from)?
        }
    };
    cx.show(json, render)?;
    Ok(Exit::DONE)
}

pub(crate) fn render(view: &Incidents, page: &Page) -> String {
    if view.incidents.is_empty() {
        return "no incidents\n".into();
    }
    let when = When::new(&view.zone, view.now);
    let hosts = OneHost::of(view.incidents.iter().map(|i| &i.signal));
    let head = ["id", "severity", "signal", "opened", "state", "last reading"];
    let mut table = Table::new(&head, &[5, 4, 2]);
    for incident in &view.incidents {
        let severity = match incident.state {
            IncidentState::Resolved { .. } => Severity::Green,
            IncidentState::Open
            | IncidentState::Explained { .. }
            | IncidentState::Held { .. }
            | IncidentState::Running { .. }
            | IncidentState::Escalated { .. } => incident.severity,
        };
        table.row([
            incident.id.to_string().into(),
            Cell::of(Ink::Of(severity), incident.severity.as_str()),
            plain(&incident.signal, hosts).into(),
            when.at(incident.opened_at).into(),
            stands(incident, &when).into(),
            incident.reading.words.first_line().into(),
        ]);
    }
    table.render(page)
}

fn stands(incident: &Incident, when: &When) -> String {
    if let IncidentState::Resolved { at } = incident.state {
        return format!("resolved {}", when.at(at));
    }
    let words = crate::cli::signals::dealt_with(incident, &BTreeMap::<RunId, String>::new());
    // The first column has the number already.
    let own = format!("{}, ", incident.id);
    words.strip_prefix(&own).map_or_else(|| incident.state.word().to_owned(), str::to_owned)
}
