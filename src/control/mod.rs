//! The unix socket that the command line talks to.
//!
//! `POST /order` takes an [`Order`] as JSON and answers `{"ok": view}` or `{"refused": {"why": ...}}`.
//! Who asks is what the kernel says of the peer, never what the peer says of itself.

use serde_json::Value as Json;

use crate::Fut;
use crate::operator::order::{Order, Refusal, Who};

pub mod client;
pub mod peer;
pub mod rights;
pub mod server;

/// Where orders are sent.
pub(crate) const ROUTE: &str = "/order";

/// Whoever carries out orders, as the socket needs it.
pub trait Carries: Send + Sync {
    /// The view that the order names, as JSON.
    fn carry_out<'a>(&'a self, order: Order, who: Who) -> Fut<'a, Result<Json, Refusal>>;
}
