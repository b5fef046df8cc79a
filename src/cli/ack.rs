//! `reef ack I-42`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::model::ids::IncidentId;
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The incident: I-42
    id: IncidentId,
    /// A word for the log
    #[arg(long)]
    note: Option<String>,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    cx.just(&Order::Ack { incident: args.id, note: args.note }).await
}
