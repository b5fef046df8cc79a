//! `reef pause`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Why, for the log and the status
    #[arg(long)]
    note: Option<String>,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    cx.just(&Order::Pause { note: args.note }).await
}
