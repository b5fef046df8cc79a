//! Models behind one trait.

pub mod openai;
pub mod table;

use std::fmt;

use crate::Fut;
use crate::model::chat::{Reply, ToolCard, Turn};

/// A model that can hold a conversation with tools.
pub trait Model: Send + Sync + fmt::Debug {
    /// As people know it: `qwen3:8b`.
    fn name(&self) -> &str;
    fn reply<'a>(
        &'a self,
        system: &'a str,
        turns: &'a [Turn],
        tools: &'a [ToolCard],
    ) -> Fut<'a, Result<Reply, ModelError>>;
}

/// Why there is no reply. Whatever it is, the runbook goes on without the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelError {
    /// Unreachable, refused, rate limited, 5xx.
    Down(String),
    /// No answer in time.
    Slow,
    /// Not what the API promises.
    Malformed(String),
    /// The key or the request is wrong: trying again does not help.
    Rejected(String),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down(why) => write!(f, "the model is down: {why}"),
            Self::Slow => f.write_str("the model did not answer in time"),
            Self::Malformed(why) => write!(f, "the model's answer was malformed: {why}"),
            Self::Rejected(why) => write!(f, "the model's service rejected the request: {why}"),
        }
    }
}

impl std::error::Error for ModelError {}
