//! `reef run`: the daemon, and what a human sees of it first.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::logs;
use crate::cli::out::{Out, Talk};
use crate::cli::page::{Ink, Page, count, cut, pad, width};
use crate::cli::signals::Rows;
use crate::config::given::Source;
use crate::daemon::life::{self, NotStarted, Options, Started};
use crate::gate::rules::Mode;
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::operator::view::Status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing, whatever the config allows; record what would have been done
    #[arg(long)]
    dry_run: bool,
}

/// How long the first screen waits for the first readings.
const FIRST_LOOKS: Duration = Duration::from_millis(1_500);
/// For so long nothing new came: those that take longer are not waited for.
const QUIET: Duration = Duration::from_millis(350);

pub(crate) fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    let wrong = |mistakes: crate::config::mistakes::Mistakes| Failure::Usage(mistakes.to_string());
    let source = Source::find(cx.common.config.as_deref(), &cx.env).map_err(wrong)?;
    logs::begin(logs::configured(&source, &cx.env), cx.out.page.detail, cx.out.page.paint, &cx.env);
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Live };
    let options =
        Options { config: cx.common.config.clone(), state: cx.common.state.clone(), mode };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let (up, is_up) = oneshot::channel();
        let life = Box::pin(life::run(options, cx.env.clone(), move |started| {
            // Nobody waits for it where there is no terminal.
            drop(up.send(started));
        }));
        let (ended, ()) = tokio::join!(life, greet(&mut cx.out, is_up));
        ended
    });
    match ended {
        Ok(()) => {
            farewell(&mut cx.out);
            Ok(Exit::DONE)
        }
        Err(NotStarted::Config(mistakes)) => Err(wrong(mistakes)),
        Err(NotStarted::Other(why)) => Err(why.into()),
    }
}

/// Shows the first screen once the first readings are there, on a terminal.
async fn greet(out: &mut Out, is_up: oneshot::Receiver<Started>) {
    let Ok(started) = is_up.await else { return };
    if out.talk == Talk::Piped {
        // Whoever reads the log later wants to know what began, and where.
        if let Ok(status) = started.operator.status().await {
            tracing::info!("{}", first_line(&status));
        }
        return;
    }
    let deadline = Instant::now() + FIRST_LOOKS;
    let (mut seen, mut since) = (0, Instant::now());
    let status = loop {
        let Ok(status) = started.operator.status().await else { return };
        if status.signals.len() != seen {
            (seen, since) = (status.signals.len(), Instant::now());
        }
        let settled = 0 < seen && QUIET <= since.elapsed();
        if settled || deadline <= Instant::now() {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let screen = first_screen(&status, &out.page);
    // A terminal that went away is no reason to stop watching.
    drop(out.say(&screen));
}

/// The last words, so that nobody wonders whether the shell came back by a crash.
fn farewell(out: &mut Out) {
    const WORDS: &str = "reef has stopped; all it did is recorded";
    match out.talk {
        // The terminal wrote ^C where the line begins.
        Talk::Terminal => out.note(&format!("\n{WORDS}")),
        Talk::Piped => tracing::info!("{WORDS}"),
    }
}

/// The first screen in one line, for a log.
fn first_line(status: &Status) -> String {
    let page = status.page.as_deref().unwrap_or("none");
    let config = status.config.as_deref().unwrap_or("none, the built-in default");
    format!(
        "reef {} watches {}: {}; page: {page}; config: {config}",
        status.version,
        status.host,
        leash(status)
    )
}

/// What reef may do.
fn leash(status: &Status) -> &'static str {
    match (status.dry_run, status.ceiling) {
        (true, _) => "changes nothing (dry run)",
        (false, Leash::Observe) => "changes nothing (leash: observe)",
        (false, Leash::Ask) => "asks before it changes anything (leash: ask)",
        (false, Leash::Auto) => "acts as far as each runbook's leash goes (ceiling: auto)",
    }
}

/// The first readings in a table, where the page is, and what reef may do.
pub fn first_screen(status: &Status, page: &Page) -> String {
    let rows = Rows::of(&status.signals);
    let mut out =
        format!("{} {} watches {}\n\n", page.ink(Ink::Bold, "reef"), status.version, status.host);
    let names =
        rows.rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0).min(page.width / 3);
    for (name, signal) in &rows.rows {
        let severity = signal.reading.severity;
        let word = page.ink(Ink::Of(severity), &pad(severity.as_str(), 8));
        let words = cut(signal.reading.words.first_line(), page.width.saturating_sub(names + 10));
        let line = format!("{word}{}  {words}", pad(&cut(name, names), names));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if rows.rows.is_empty() {
        out.push_str(
            "the first looks are under way: `reef status` shows them from a second terminal\n",
        );
    }
    out.push('\n');
    let mut parts = vec![page.ink(Ink::Bold, leash(status))];
    parts.push(match &status.page {
        Some(url) => format!("page: {url}"),
        None => "no page".into(),
    });
    parts.extend(status.troubles.iter().map(|trouble| page.wrap(trouble, 0).trim_end().to_owned()));
    parts.push(match &status.config {
        Some(config) => format!("config: {config}"),
        None => "no config file: built-in default".into(),
    });
    let unseen = rows.of_severity(Severity::Unknown).len();
    if 0 < unseen {
        parts.push(format!(
            "{} cannot be looked at: `reef status` says why",
            count(unseen, "thing")
        ));
    }
    parts.push("Ctrl-C ends it; `reef status` in a second terminal shows all of it".into());
    for part in parts {
        out.push_str(&format!("{part}\n"));
    }
    out
}
