//! `reef drill`: a harmless fault goes the whole way, told step by step.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cli::Cx;
use crate::cli::alone::Alone;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::{Ink, Page};
use crate::config::given::Source;
use crate::config::places::EMBEDDED;
use crate::control::Carries;
use crate::control::client::{Client, NoAnswer, view};
use crate::daemon::private::Probes;
use crate::daemon::wire::Orders;
use crate::model::severity::Severity;
use crate::operator::order::{Order, Who};
use crate::operator::view::{DrillState, DrillStep, DrillTimes, DrillView};

const POLL: Duration = Duration::from_millis(100);

/// Longer than all its links together may take.
const WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn run(cx: &mut Cx) -> Result<Exit, Failure> {
    let client = cx.client()?;
    match client.ask(&Order::Drill).await {
        Ok(first) => follow(cx, &Way::Daemon(client), first).await,
        Err(NoAnswer::NotRunning(_)) => on_its_own(cx).await,
        Err(why) => Err(why.into()),
    }
}

/// Where the drill runs.
enum Way {
    Daemon(Client),
    Private(Orders),
}

impl Way {
    async fn ask(&self, order: Order) -> Result<Json, Failure> {
        match self {
            Self::Daemon(client) => Ok(client.ask(&order).await?),
            Self::Private(orders) => {
                let who = Who { uid: rustix::process::geteuid().as_raw() };
                Ok(orders.carry_out(order, who).await?)
            }
        }
    }
}

/// Without a daemon: one for this command alone, in a folder that is gone afterwards.
async fn on_its_own(cx: &mut Cx) -> Result<Exit, Failure> {
    cx.out.note(
        "reef is not running: the drill runs on a private one, in a folder that is gone afterwards",
    );
    let alone = Alone::start(Source::new(EMBEDDED, ""), &cx.env, Probes::None).await?;
    let way = Way::Private(alone.orders());
    let ended = tokio::select! {
        ended = begin(cx, &way) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted; the private drill is cleaned up").into()),
    };
    drop(way);
    alone.end().await;
    ended
}

async fn begin(cx: &mut Cx, way: &Way) -> Result<Exit, Failure> {
    let first = way.ask(Order::Drill).await?;
    follow(cx, way, first).await
}

/// Tells each step as it comes, until the drill ended.
async fn follow(cx: &mut Cx, way: &Way, first: Json) -> Result<Exit, Failure> {
    let deadline = Instant::now() + WITHIN;
    let (mut json, mut told) = (first, 0);
    loop {
        let drill: DrillView = view(json.clone())?;
        if cx.out.format == Format::Words {
            for step in drill.steps.iter().skip(told) {
                let line = step_line(step, &cx.out.page);
                cx.out.say(&line)?;
            }
        }
        told = drill.steps.len();
        if drill.state != DrillState::Running {
            match cx.out.format {
                Format::Json => cx.out.json(&json)?,
                Format::Words => cx.out.say(&ending(&drill, &cx.out.page))?,
            }
            return Ok(if drill.state == DrillState::Passed { Exit::DONE } else { Exit::FAILED });
        }
        if deadline <= Instant::now() {
            let within = crate::model::time::Span::from(WITHIN);
            return Err(anyhow!(
                "the drill did not end within {within}; the daemon's log says more"
            )
            .into());
        }
        tokio::time::sleep(POLL).await;
        json = way.ask(Order::DrillProgress).await?;
    }
}

/// The whole transcript.
#[cfg(test)]
pub(crate) fn render(drill: &DrillView, page: &Page) -> String {
    let steps: String = drill.steps.iter().map(|step| step_line(step, page)).collect();
    format!("{steps}{}", ending(drill, page))
}

/// ` 2.1 s  red        disk scratch 128 %`.
fn step_line(step: &DrillStep, page: &Page) -> String {
    let lead = format!("{:>5.1} s  {:<10} ", step.after.as_secs_f64(), step.word);
    page.hang(Ink::Plain, &lead, "", &step.words)
}

fn ending(drill: &DrillView, page: &Page) -> String {
    match (drill.state, drill.times) {
        (DrillState::Passed, Some(times)) => {
            let pass = page.ink(Ink::Of(Severity::Green), "PASS");
            format!("{pass}  {}\n", figures(&times))
        }
        (DrillState::Passed, None) => format!("{}\n", page.ink(Ink::Of(Severity::Green), "PASS")),
        (DrillState::Running | DrillState::Failed, _) => {
            let fail = page.ink(Ink::Of(Severity::Red), "FAIL");
            let last = drill.steps.iter().rfind(|step| step.word != "failed");
            let after = last.map_or("nothing".to_owned(), |step| format!("\"{}\"", step.word));
            format!("{fail}  after {after}; `reef audit list` shows what was recorded\n")
        }
    }
}

/// `detect 2.1 s · act 0.4 s · verify 1.1 s · undo 0.4 s · audit 12-17 intact`.
fn figures(times: &DrillTimes) -> String {
    let secs = |span: crate::model::time::Span| format!("{:.1} s", span.as_secs_f64());
    format!(
        "detect {} · act {} · verify {} · undo {} · audit {}-{} intact",
        secs(times.detect),
        secs(times.act),
        secs(times.verify),
        secs(times.undo),
        times.audit.0,
        times.audit.1
    )
}
