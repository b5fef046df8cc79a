//! `reef resume`.

use crate::cli::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::operator::order::Order;

pub(crate) async fn run(cx: &mut Cx) -> Result<Exit, Failure> {
    cx.just(&Order::Resume).await
}
