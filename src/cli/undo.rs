//! `reef undo D-31`.

use crate::cli::Cx;
use crate::cli::confirm::{Given, somebody};
use crate::cli::exit::{Exit, Failure};
use crate::cli::follow;
use crate::model::ids::ActionId;
use crate::operator::order::Order;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The action: D-31
    id: ActionId,
    /// Do not ask; never enough for a critical plan
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(cx: &mut Cx, args: &Args) -> Result<Exit, Failure> {
    let given = Given::of(args.yes);
    somebody(cx.talk(), given)?;
    let planned = follow::planned(cx.ask(&Order::Undo { action: args.id }).await?)?;
    follow::carry(cx, &planned, given).await
}
