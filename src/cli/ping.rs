//! `reef ping vzdump`: a job reports in.

use std::io::{IsTerminal, Read};

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::model::push::{MOST_SAID, Report};
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job, as the config names it: vzdump of push.vzdump
    name: String,
    /// It failed
    #[arg(long, conflicts_with = "start")]
    fail: bool,
    /// It begins
    #[arg(long)]
    start: bool,
    /// What it has to say; `-` reads it from the standard input
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let report = match (args.fail, args.start) {
        (true, _) => Report::Fail,
        (false, true) => Report::Start,
        (false, false) => Report::Ok,
    };
    let said = match args.say.as_deref() {
        Some("-") => piped()?,
        Some(text) => text.to_owned(),
        None => String::new(),
    };
    cx.just(&Order::Ping { name: args.name, report, said }).await
}

/// The beginning of what is piped in.
fn piped() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    stdin.lock().take(8 * MOST_SAID as u64).read_to_end(&mut bytes).map_err(anyhow::Error::from)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
