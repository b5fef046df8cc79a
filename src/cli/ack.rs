//! `reef ack I-42`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::silence::span;
use crate::model::ids::IncidentId;
use crate::model::time::Span;
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The incident: I-42
    id: IncidentId,
    /// A word for the log and the status
    #[arg(long)]
    note: Option<String>,
    /// For so long: 4h, 2d [else: until it is resolved]
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    lasts: Option<Span>,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    cx.just(&Order::Ack { incident: args.id, note: args.note, lasts: args.lasts }).await
}
