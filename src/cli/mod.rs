//! The command line: one file a subcommand.
//!
//! A command asks the daemon over its socket and prints what comes; what needs no daemon works without
//! one. All text goes through one [`out::Out`], and every rendering is a function of a view and a
//! [`page::Page`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::out::{Format, Out, Talk};
use crate::cli::page::{Detail, Page};
use crate::clock::{Clock, SystemClock};
use crate::config::env::Env;
use crate::config::places::Places;
use crate::control::client::{Client, NoAnswer, view};
use crate::operator::order::Order;

mod ack;
mod alone;
mod approvals;
mod approve;
mod audit;
mod backtest;
mod check;
mod config;
mod confirm;
mod deny;
mod drill;
pub mod exit;
mod follow;
mod host;
mod incidents;
mod init;
pub mod install;
mod left;
mod logs;
mod markdown;
mod offered;
pub mod out;
pub mod page;
mod pause;
mod ping;
mod promote;
mod reload;
mod report;
mod resume;
pub mod run;
mod runbook;
mod settle;
mod signals;
mod silence;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod tools;
mod undo;
mod when;

/// A night watch for a homelab: cheap probes, Markdown runbooks, one gate, a report in the morning.
#[derive(Debug, Parser)]
#[command(name = "reef", version, after_help = exit::CODES, max_term_width = 100)]
#[command(disable_help_subcommand = true, propagate_version = false)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The config file [else: REEF_CONFIG, the user's, /etc/reef/config.toml]
    #[arg(short, long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The state folder, with the daemon's socket [else: REEF_STATE, a service's, the user's]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: out::When,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch this machine (the daemon)
    Run(run::Args),
    /// Look at what is here, ask a few questions, write a config
    Init(init::Args),
    /// Look at everything now and say what is not green
    Check(check::Args),
    /// How everything stands: what needs you first
    Status,
    /// Open incidents
    Incidents(incidents::Args),
    /// Questions that wait for you
    Approvals(approvals::Args),
    /// Say yes to a question
    Approve(approve::Args),
    /// Say no to a question
    Deny(deny::Args),
    /// "I know": ends a page's repeats and keeps reef's hands off
    Ack(ack::Args),
    /// Tell nobody of a probe, a host or a target for a while
    #[command(subcommand)]
    Silence(silence::Command),
    /// A job reports in: it ended well, or --fail
    Ping(ping::Args),
    /// Undo an action
    Undo(undo::Args),
    /// Say what became of an action that nobody knows of
    Settle(settle::Args),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Write the report now and show it
    Report(report::Args),
    /// Runbooks: what they answer, and what they would do
    #[command(subcommand)]
    Runbook(runbook::Command),
    /// What runbooks can do: tools with tier and inputs; `show NAME` tells all of one
    Tools(tools::Args),
    /// Other hosts: whether they answer, their keys, a key that may only look
    #[command(subcommand)]
    Host(host::Command),
    /// The config: check it, show every value and where it comes from
    #[command(subcommand)]
    Config(config::Command),
    /// Stop all actions until `reef resume`
    Pause(pause::Args),
    /// Lift the pause and the hold
    Resume,
    /// Read config and runbooks anew
    Reload,
    /// Replay your own history through today's thresholds: what would have been told
    Backtest(backtest::Args),
    /// Plant a harmless fault and prove the whole way
    Drill,
    /// Say how reef becomes a service here, and print the files for it
    Install(install::Args),
}

/// The whole program: arguments, one command, an exit code.
pub fn main() -> ExitCode {
    ExitCode::from(run_with(std::env::args_os(), Env::from_process()).0)
}

fn run_with(args: impl Iterator<Item = OsString>, env: Env) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, &env),
    };
    let format = if cli.common.json { Format::Json } else { Format::Words };
    let detail = if cli.common.verbose { Detail::Full } else { Detail::Brief };
    let out = Out::of_process(cli.common.color, format, detail, &env);
    let mut cx = Cx { common: cli.common, env, clock: Box::new(SystemClock), out };
    match cx.carry_out(cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            cx.tell(&failure);
            failure.exit()
        }
    }
}

/// What clap says, in reef's voice. Help and version are answers, not errors.
fn misused(error: &clap::Error, env: &Env) -> Exit {
    let mut out = Out::of_process(out::When::Never, Format::Words, Detail::Brief, env);
    let text = error.render().to_string();
    if error.use_stderr() {
        out.note(text.replacen("error: ", "reef: ", 1).trim_end());
        return Exit::USAGE;
    }
    match out.say(&text) {
        Ok(()) => Exit::DONE,
        Err(failure) => failure.exit(),
    }
}

/// What a subcommand works with.
#[derive(Debug)]
pub(crate) struct Cx {
    common: Common,
    env: Env,
    clock: Box<dyn Clock>,
    out: Out,
}

impl Cx {
    /// Runs one subcommand to its end.
    fn carry_out(&mut self, command: Command) -> Result<Exit, Failure> {
        // The daemon brings its own threads and runtimes.
        if let Command::Run(args) = command {
            return run::run(self, &args);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(Box::pin(self.dispatch(command)))
    }

    #[expect(
        clippy::cognitive_complexity,
        reason = "one flat match: every subcommand and its file"
    )]
    async fn dispatch(&mut self, command: Command) -> Result<Exit, Failure> {
        match command {
            Command::Run(args) => run::run(self, &args),
            Command::Init(args) => init::run(self, args).await,
            Command::Check(args) => check::run(self, args).await,
            Command::Status => status::run(self).await,
            Command::Incidents(args) => incidents::run(self, &args).await,
            Command::Approvals(args) => approvals::run(self, &args).await,
            Command::Approve(args) => approve::run(self, args).await,
            Command::Deny(args) => deny::run(self, &args).await,
            Command::Ack(args) => ack::run(self, args).await,
            Command::Silence(command) => silence::run(self, command).await,
            Command::Ping(args) => ping::run(self, args).await,
            Command::Undo(args) => undo::run(self, &args).await,
            Command::Settle(args) => settle::run(self, args).await,
            Command::Audit(command) => audit::run(self, command).await,
            Command::Report(args) => report::run(self, &args).await,
            Command::Runbook(command) => runbook::run(self, command).await,
            Command::Tools(args) => tools::run(self, &args).await,
            Command::Host(command) => host::run(self, command).await,
            Command::Config(command) => config::run(self, &command),
            Command::Pause(args) => pause::run(self, args).await,
            Command::Resume => resume::run(self).await,
            Command::Reload => reload::run(self).await,
            Command::Backtest(args) => backtest::run(self, args).await,
            Command::Drill => drill::run(self).await,
            Command::Install(args) => install::run(self, &args),
        }
    }

    /// The error, once, and to stderr.
    fn tell(&mut self, failure: &Failure) {
        if !matches!(failure, Failure::Closed) {
            self.out.note(&format!("reef: {failure}"));
        }
    }

    fn client(&self) -> Result<Client, Failure> {
        let sockets = Places::sockets(self.common.state.as_deref(), &self.env);
        Ok(Client::new(sockets.map_err(Failure::Usage)?))
    }

    /// The view that an order brings, as it came.
    async fn ask(&self, order: &Order) -> Result<Json, Failure> {
        Ok(self.client()?.ask(order).await?)
    }

    /// As [`Cx::ask`]; `None` where no daemon runs.
    async fn ask_if_running(&self, order: &Order) -> Result<Option<Json>, Failure> {
        match self.client()?.ask(order).await {
            Ok(json) => Ok(Some(json)),
            Err(NoAnswer::NotRunning(_)) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    /// Prints a view: as it came, or rendered.
    fn show<T: DeserializeOwned>(
        &mut self,
        json: Json,
        render: impl FnOnce(&T, &Page) -> String,
    ) -> Result<T, Failure> {
        if self.out.format == Format::Json {
            self.out.json(&json)?;
            return Ok(view(json)?);
        }
        let view: T = view(json)?;
        self.out.say(&render(&view, &self.out.page))?;
        Ok(view)
    }

    /// Gives an order whose answer is one line about what was done.
    async fn just(&mut self, order: &Order) -> Result<Exit, Failure> {
        let json = self.ask(order).await?;
        self.show(json, |done: &crate::operator::view::Done, _| done.words.clone())?;
        Ok(Exit::DONE)
    }

    /// Whether a human sits there to be asked.
    fn talk(&self) -> Talk {
        self.out.talk
    }
}
