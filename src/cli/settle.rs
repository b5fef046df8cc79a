//! `reef settle D-31 ran|did-not-run --note TEXT`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::model::ids::ActionId;
use crate::operator::order::{Became, Order};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The action: D-31
    id: ActionId,
    /// What you found when you looked
    became: Said,
    /// How you know: it goes into the audit log
    #[arg(long)]
    note: String,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Said {
    Ran,
    DidNotRun,
}

pub(crate) async fn run(cx: &mut Cx, args: Args) -> Result<Exit, Failure> {
    let became = match args.became {
        Said::Ran => Became::Ran,
        Said::DidNotRun => Became::DidNotRun,
    };
    cx.just(&Order::Settle { action: args.id, became, note: args.note }).await
}
