//! `reef config check|show`: the config as the daemon would read it, without one.

use serde_json::json;

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::out::Format;
use crate::cli::page::{Ink, Page, count, pad, width};
use crate::config::given::Source;
use crate::config::mistakes::{Mistake, Mistakes};
use crate::config::section::{Origin, Record};
use crate::daemon::assemble::Assembled;
use crate::daemon::life;
use crate::model::severity::Severity;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every mistake at once, and what is worth a word
    Check,
    /// Every key with its value and where it comes from; secrets are hidden
    Show,
}

pub(crate) fn run(cx: &mut Cx, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Check => check(cx),
        Command::Show => show(cx),
    }
}

/// The config that applies, read whole; its name goes before everything that is said of it.
pub(crate) fn read(cx: &Cx) -> Result<(String, Assembled), Mistakes> {
    let source = Source::find(cx.common.config.as_deref(), &cx.env)?;
    let name = source.name.clone();
    Ok((name, life::check(source, &cx.env)?))
}

fn check(cx: &mut Cx) -> Result<Exit, Failure> {
    let (exit, json, text) = match read(cx) {
        Ok((name, assembled)) => {
            let findings = &assembled.outcome.findings;
            let json = json!({ "config": name, "mistakes": [], "findings": findings });
            let books = assembled.shelf.books.len();
            (Exit::DONE, json, render_ok(&name, books, findings, &cx.out.page))
        }
        // The mistakes are the answer here, not an error beside it.
        Err(mistakes) => {
            let json = json!({ "mistakes": mistakes, "findings": [] });
            (Exit::USAGE, json, mistakes.to_string())
        }
    };
    match cx.out.format {
        Format::Json => cx.out.json(&json)?,
        Format::Words => cx.out.say(&text)?,
    }
    Ok(exit)
}

pub(crate) fn render_ok(name: &str, books: usize, findings: &[Mistake], page: &Page) -> String {
    let mut out = String::new();
    for finding in findings {
        out.push_str(&format!("{} {finding}\n", page.ink(Ink::Of(Severity::Yellow), "finding:")));
    }
    let ok = page.ink(Ink::Of(Severity::Green), "ok");
    let found = match findings.len() {
        0 => String::new(),
        n => format!(", {}", count(n, "finding")),
    };
    out.push_str(&format!("{ok}: {name}, {}{found}\n", count(books, "runbook")));
    out
}

fn show(cx: &mut Cx) -> Result<Exit, Failure> {
    let (name, assembled) = read(cx).map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
    let records = &assembled.outcome.records;
    let text = render(&name, records, &cx.out.page);
    match cx.out.format {
        Format::Json => cx.out.json(&json!({ "config": name, "keys": records }))?,
        Format::Words => cx.out.say(&text)?,
    }
    Ok(Exit::DONE)
}

/// Aligned, in the order of reading. Nothing is cut: a value is to be read, and copied.
pub(crate) fn render(name: &str, records: &[Record], page: &Page) -> String {
    // One long list of addresses must not push every other origin off the screen.
    let widest = |of: fn(&Record) -> &str, most: usize| {
        records.iter().map(|r| width(of(r))).filter(|w| *w <= most).max().unwrap_or(0)
    };
    let (keys, values) = (widest(|r| &r.path, 48), widest(|r| &r.shown, 40));
    let mut out = format!("{}\n", page.ink(Ink::Dim, &format!("# {name}")));
    for record in records {
        let (origin, ink) = match record.origin {
            Origin::Line(line) => (format!("line {line}"), Ink::Plain),
            Origin::Default => ("default".into(), Ink::Dim),
            Origin::Unset => ("not set".into(), Ink::Dim),
        };
        let (key, value) = (pad(&record.path, keys), pad(&record.shown, values));
        out.push_str(&format!("{key}  {value}  {}\n", page.ink(ink, &origin)));
    }
    out
}
