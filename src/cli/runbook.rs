//! `reef runbook list|show|check|test|run|promote|demote`.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::json;

use crate::cli::Cx;
use crate::cli::config;
use crate::cli::confirm::{Given, somebody};
use crate::cli::exit::{Exit, Failure};
use crate::cli::follow;
use crate::cli::markdown;
use crate::cli::out::{Format, Talk};
use crate::cli::page::{Detail, Ink, Page, count};
use crate::cli::promote;
use crate::cli::table::{Cell, Table};
use crate::config::globals::Globals;
use crate::config::mistakes::hint;
use crate::control::client::view;
use crate::daemon::assemble::Assembled;
use crate::daemon::books;
use crate::daemon::wire::tool_specs;
use crate::model::ids::{BadName, HostName, RunbookName};
use crate::model::plan::Leash;
use crate::model::severity::Severity;
use crate::model::target::Target;
use crate::operator::order::Order;
use crate::operator::runbooks::answers;
use crate::operator::view::{RunbookRow, Runbooks, Tested};
use crate::runbook::{Runbook, shipped};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// All runbooks: what they answer, their leash here, how they did
    List,
    /// One runbook as it is written
    Show {
        #[arg(value_parser = name)]
        name: RunbookName,
    },
    /// Check the runbooks in force, or these files
    Check { files: Vec<PathBuf> },
    /// Which runbook would answer such a reading, and what each step would do
    Test(TestArgs),
    /// Start a runbook by hand: shows the plan and asks
    Run(RunArgs),
    /// What a runbook has shown so far, and the line that lets it act by itself
    Promote(promote::Args),
    /// Take a leash in on a host, at once
    Demote(promote::DemoteArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The probe's kind: disk
    probe: String,
    /// green, yellow, red or unknown
    #[arg(value_parser = severity)]
    severity: Severity,
    /// /path, HOST, HOST:/path or HOST:unit:NAME; the host `this` is this machine
    #[arg(value_parser = target)]
    target: Target,
    /// The reading's reason in one word: inodes
    #[arg(long)]
    reason: Option<String>,
    /// What a runbook's `pattern` is held against
    #[arg(long)]
    text: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[arg(value_parser = name)]
    name: RunbookName,
    /// /path, HOST, HOST:/path or HOST:unit:NAME; the host `this` is this machine
    #[arg(long, value_name = "TARGET", value_parser = target)]
    on: Target,
    /// Another value for one of its params
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; never enough for a critical plan
    #[arg(short, long)]
    yes: bool,
}

/// A name from the command line.
pub(crate) fn name(given: &str) -> Result<RunbookName, BadName> {
    RunbookName::new(given)
}

/// A target; a path alone is one of this machine's.
fn target(given: &str) -> Result<Target, String> {
    let here = if given.starts_with('/') { "this:" } else { "" };
    format!("{here}{given}").parse().map_err(|why: BadName| why.to_string())
}

fn severity(given: &str) -> Result<Severity, String> {
    Severity::parse(given).ok_or_else(|| "a severity is green, yellow, red or unknown".into())
}

fn pair(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as KEY=VALUE".into()),
    }
}

pub(crate) async fn run(cx: &mut Cx, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list(cx).await,
        Command::Show { name } => show(cx, &name),
        Command::Check { files } => check(cx, &files),
        Command::Test(args) => test(cx, args).await,
        Command::Run(args) => by_hand(cx, args).await,
        Command::Promote(args) => promote::run(cx, args).await,
        Command::Demote(args) => promote::demote(cx, args).await,
    }
}

/// With a daemon the leash in force and the record; without one, what the files say.
async fn list(cx: &mut Cx) -> Result<Exit, Failure> {
    let json = match cx.ask_if_running(&Order::Runbooks).await? {
        Some(json) => json,
        None => {
            let assembled = assembled(cx)?;
            let row = |book: &Runbook| row(book, &assembled);
            let runbooks = Runbooks { runbooks: assembled.shelf.books.iter().map(row).collect() };
            serde_json::to_value(runbooks).map_err(anyhow::Error::from)?
        }
    };
    cx.show(json, render)?;
    Ok(Exit::DONE)
}

fn assembled(cx: &Cx) -> Result<Assembled, Failure> {
    let (_, assembled) =
        config::read(cx).map_err(|mistakes| Failure::Usage(mistakes.to_string()))?;
    Ok(assembled)
}

fn row(book: &Runbook, assembled: &Assembled) -> RunbookRow {
    let origin = assembled.shelf.origins.get(book.name.as_str());
    RunbookRow {
        name: book.name.clone(),
        title: book.title.clone(),
        origin: origin.cloned().unwrap_or_else(|| "shipped".into()),
        answers: answers(book),
        max_tier: book.max_tier,
        leash: leash(book, &assembled.globals),
        runs: 0,
        fixed: 0,
    }
}

/// As the config says, without the demotions that only the daemon's store knows.
fn leash(book: &Runbook, globals: &Globals) -> Leash {
    let here = &globals.host_name;
    let section = globals.runbooks.get(&book.name);
    let said = section.and_then(|s| s.leash_on.get(here).copied().or(s.leash));
    let ceiling = section.and_then(|s| s.ceiling).unwrap_or(Leash::Auto);
    said.unwrap_or(book.leash).min(ceiling).min(globals.ceiling_on(here))
}

pub(crate) fn render(runbooks: &Runbooks, page: &Page) -> String {
    let head = ["runbook", "answers", "leash", "at most", "fixed", "from", "title"];
    let mut table = Table::new(&head, &[1, 5, 6]);
    for book in &runbooks.runbooks {
        let fixed = match book.runs {
            0 => "-".to_owned(),
            runs => format!("{} of {runs}", book.fixed),
        };
        table.row([
            Cell::of(Ink::Plain, book.name.as_str()),
            book.answers.clone().into(),
            book.leash.as_str().into(),
            book.max_tier.as_str().into(),
            fixed.into(),
            own(&book.origin, page).into(),
            book.title.clone().into(),
        ]);
    }
    table.render(page)
}

/// Where one of your own is from; what reef brings along needs no column.
fn own<'a>(origin: &'a str, page: &Page) -> &'a str {
    match (origin, page.detail) {
        ("shipped" | "built in", Detail::Brief) => "",
        (origin, Detail::Brief | Detail::Full) => origin,
    }
}

fn show(cx: &mut Cx, name: &RunbookName) -> Result<Exit, Failure> {
    let assembled = assembled(cx)?;
    let origin =
        assembled.shelf.origins.get(name.as_str()).cloned().unwrap_or_else(|| "shipped".into());
    let text = text_of(name, &origin, &assembled)?;
    if cx.out.format == Format::Json {
        cx.out.json(&json!({ "name": name, "origin": origin, "markdown": text }))?;
    } else if cx.talk() == Talk::Terminal {
        let rendered = markdown::render(&text, &cx.out.page);
        cx.out.say(&rendered)?;
        cx.out.note(&format!("({origin})"));
    } else {
        // As it is: a copy of it is where an own one begins.
        cx.out.say(&text)?;
    }
    Ok(Exit::DONE)
}

fn text_of(name: &RunbookName, origin: &str, assembled: &Assembled) -> Result<String, Failure> {
    if origin != "shipped" {
        let text =
            std::fs::read_to_string(origin).with_context(|| format!("cannot read {origin}"))?;
        return Ok(text);
    }
    let found = shipped().into_iter().find(|(known, _)| *known == name.as_str());
    match found {
        Some((_, text)) => Ok(text.to_owned()),
        None => {
            let names: Vec<&str> = assembled.shelf.books.iter().map(|b| b.name.as_str()).collect();
            Err(anyhow!("there is no runbook {name}{}", hint(name.as_str(), names)).into())
        }
    }
}

/// Every mistake of every file. The exit code is that of a wrong config.
fn check(cx: &mut Cx, files: &[PathBuf]) -> Result<Exit, Failure> {
    let mistakes: Vec<String> = match files.is_empty() {
        true => match config::read(cx) {
            Ok((_, assembled)) => {
                let n = count(assembled.shelf.books.len(), "runbook");
                return checked(cx, &[], &format!("ok: {n} in force"));
            }
            Err(mistakes) => mistakes.all().iter().map(ToString::to_string).collect(),
        },
        false => files.iter().flat_map(|file| mistakes_in(file)).collect(),
    };
    checked(cx, &mistakes, &format!("ok: {}", count(files.len(), "runbook")))
}

fn checked(cx: &mut Cx, mistakes: &[String], ok: &str) -> Result<Exit, Failure> {
    match (cx.out.format, mistakes.is_empty()) {
        (Format::Json, _) => cx.out.json(&json!({ "mistakes": mistakes }))?,
        (Format::Words, true) => cx.out.say(ok)?,
        (Format::Words, false) => {
            cx.out.say(&format!(
                "{}\n{}",
                mistakes.join("\n"),
                count(mistakes.len(), "mistake")
            ))?;
        }
    }
    Ok(if mistakes.is_empty() { Exit::DONE } else { Exit::USAGE })
}

fn mistakes_in(file: &Path) -> Vec<String> {
    let shown = file.display();
    let text = match std::fs::read(file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return vec![format!("{shown}: is not UTF-8 text")],
        },
        Err(error) => return vec![format!("{shown}: cannot be read: {error}")],
    };
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    let specs = tool_specs(&HostName::of("this-machine"));
    match books::one(name, &text, &specs) {
        Ok(_) => Vec::new(),
        // As editors and compilers write it: a click leads to the line.
        Err(mistakes) => mistakes
            .iter()
            .map(|m| {
                let hint = m.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("{shown}:{}: {}{hint}", m.line, m.what)
            })
            .collect(),
    }
}

async fn test(cx: &mut Cx, args: TestArgs) -> Result<Exit, Failure> {
    let TestArgs { probe, severity, target, reason, text } = args;
    let json = cx.ask(&Order::RunbookTest { probe, severity, target, reason, text }).await?;
    let tested = cx.show(json, render_test)?;
    Ok(if tested.runbook.is_some() { Exit::DONE } else { Exit::FAILED })
}

pub(crate) fn render_test(tested: &Tested, page: &Page) -> String {
    let mut out = match &tested.runbook {
        Some(name) => format!("{} would answer\n", page.ink(Ink::Bold, name.as_str())),
        None => String::new(),
    };
    for line in &tested.lines {
        out.push_str(&page.wrap(line, if tested.runbook.is_some() { 2 } else { 0 }));
    }
    out
}

async fn by_hand(cx: &mut Cx, args: RunArgs) -> Result<Exit, Failure> {
    let given = Given::of(args.yes);
    if !args.dry_run {
        somebody(cx.talk(), given)?;
    }
    let order =
        Order::RunbookRun { name: args.name, on: args.on, set: args.set, dry_run: args.dry_run };
    let json = cx.ask(&order).await?;
    if args.dry_run {
        return follow::rehearsed(cx, &view(json)?);
    }
    let planned = follow::planned(json)?;
    follow::carry(cx, &planned, given).await
}
