//! `reef report`: the morning report, now.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::left;
use crate::cli::markdown;
use crate::cli::out::{Format, Talk};
use crate::operator::order::Order;
use crate::operator::view::ReportView;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print only where it lies
    #[arg(long)]
    path: bool,
}

/// Larger is no report of reef's.
const LARGEST: u64 = 4 << 20;

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    let report = match cx.ask_if_running(&Order::Report).await? {
        Some(json) => crate::control::client::view(json)?,
        None => last(cx)?,
    };
    if cx.out.format == Format::Json {
        cx.out.json(&serde_json::to_value(&report).map_err(anyhow::Error::from)?)?;
    } else if args.path {
        cx.out.say(&report.path)?;
    } else if cx.talk() == Talk::Terminal {
        let text = markdown::render(&report.markdown, &cx.out.page);
        cx.out.say(&text)?;
        let path = report.path;
        cx.out.note(&format!("({path})"));
    } else {
        // What reads a pipe wants Markdown.
        cx.out.say(&report.markdown)?;
    }
    Ok(Exit::DONE)
}

/// The newest report that was written.
fn last(cx: &mut Cx) -> Result<ReportView, Failure> {
    let store = left::open(cx)?;
    let latest = store.dir().unwrap_or(Path::new("")).join("reports/latest.md");
    let path: PathBuf = std::fs::canonicalize(&latest)
        .with_context(|| format!("there is no report yet ({})", latest.display()))?;
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(&path)?.take(LARGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    let markdown = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(ReportView { path: path.display().to_string(), markdown })
}
