//! `reef check`: looks at everything now; speaks Nagios.

use serde_json::Value as Json;

use crate::cli::Cx;
use crate::cli::alone::Alone;
use crate::cli::exit::{Exit, Failure};
use crate::cli::page::{Detail, Ink, Page, cut, pad, width};
use crate::cli::signals::{Rows, says};
use crate::cli::when::When;
use crate::config::given::Source;
use crate::config::mistakes::Mistakes;
use crate::control::Carries;
use crate::control::client::NoAnswer;
use crate::daemon::private::Probes;
use crate::model::severity::Severity;
use crate::operator::order::{Order, Who};
use crate::operator::view::Check;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what is on this host
    host: Option<String>,
}

/// What keeps it from looking is unknown, as with any plugin.
pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let order = Order::Check { host: args.host };
    let looked = match cx.ask(&order).await {
        Err(Failure::NoAnswer(NoAnswer::NotRunning(_))) => once(cx, order).await,
        answered => answered,
    };
    let json = match looked {
        Ok(json) => json,
        Err(failure) => {
            cx.tell(&failure);
            return Ok(Exit::nagios(Severity::Unknown));
        }
    };
    let check = cx.show(json, render)?;
    Ok(Exit::nagios(Rows::of(&check.signals).worst()))
}

/// Without a daemon: the probes of the config look once, and nothing is done about what they see.
async fn once(cx: &mut Cx, order: Order) -> Result<Json, Failure> {
    let wrong = |mistakes: Mistakes| Failure::Usage(mistakes.to_string());
    let source = Source::find(cx.common.config.as_deref(), &cx.env).map_err(wrong)?;
    let alone = Alone::start(source, &cx.env, Probes::Configured).await?;
    let who = Who { uid: rustix::process::geteuid().as_raw() };
    let looked = alone.orders().carry_out(order, who).await;
    alone.end().await;
    Ok(looked?)
}

/// Each signal that is not green with its numbers, then how many are.
pub(crate) fn render(check: &Check, page: &Page) -> String {
    let when = When::new(&check.zone, check.now);
    let rows = Rows::of(&check.signals);
    let shown = |severity: Severity| match page.detail {
        Detail::Full => true,
        Detail::Brief => severity != Severity::Green,
    };
    let listed: Vec<_> = rows.rows.iter().filter(|(_, s)| shown(s.reading.severity)).collect();
    let names = listed.iter().map(|(name, _)| width(name)).max().unwrap_or(0).min(page.width / 3);
    let mut out = String::new();
    for (name, signal) in &listed {
        let severity = signal.reading.severity;
        let word = pad(severity.as_str(), 8);
        let (said, since) = says(signal, &when);
        let rest = format!("{}  ", pad(&cut(name, names), names));
        out.push_str(&page.hang(Ink::Of(severity), &word, &rest, &format!("{said}{since}")));
    }
    let n = rows.of_severity(Severity::Green).len();
    let took = format!("looked in {}", check.took);
    if rows.rows.is_empty() {
        out.push_str(&format!("nothing is watched; {took}\n"));
    } else if page.detail == Detail::Full {
        for absent in &check.absent {
            out.push_str(&page.hang(Ink::Dim, &pad("none", 8), "", absent));
        }
        out.push_str(&format!("{took}\n"));
    } else {
        let word = page.ink(Ink::Of(Severity::Green), &pad("green", 8));
        let n = if listed.is_empty() { format!("all {n}") } else { format!("{n} more") };
        out.push_str(&format!("{word}{n} (-v)   {took}\n"));
    }
    out
}
