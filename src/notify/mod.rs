//! Ways to reach the human; they drain the outbox.

pub mod alarm;
pub mod drain;
pub mod ntfy;
mod outcome;
pub mod table;
pub mod terminal;
pub mod webhook;

use std::fmt;

use crate::Fut;
use crate::model::message::Message;

/// One way to the human.
pub trait Notifier: Send + Sync + fmt::Debug {
    /// Its name in the config: `phone`.
    fn name(&self) -> &str;
    fn send<'a>(&'a self, message: &'a Message) -> Fut<'a, Result<(), NotSent>>;
}

/// Why a message did not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// Worth another try later.
    Later(String),
    /// Another try cannot help: a wrong address, a refused token.
    Never(String),
}
