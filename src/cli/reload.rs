//! `reef reload`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::control::client::NoAnswer;
use crate::operator::order::Order;

/// A config that is wrong is told as `reef config check` tells it: exit code 2.
pub(crate) async fn run(cx: &mut Cx) -> Result<Exit, Failure> {
    match cx.just(&Order::Reload).await {
        Err(Failure::NoAnswer(NoAnswer::Refused(refusal))) => Err(Failure::Usage(refusal.why)),
        other => other,
    }
}
