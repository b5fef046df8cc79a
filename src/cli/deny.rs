//! `reef deny A-17`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::model::ids::ApprovalId;
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The question: A-17
    id: ApprovalId,
}

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    cx.just(&Order::Deny { id: args.id }).await
}
