//! Caps and prices of model calls, in millionths of the budget's currency.

use serde::{Deserialize, Serialize};

use crate::model::chat::Usage;

/// What a model costs, in millionths of the currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub input: i64,
    pub output: i64,
}

/// An amount of model use. `micros` stays 0 without a price table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub micros: i64,
    pub tokens: u64,
}

/// The most of one period; `None` is no cap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    pub micros: Option<i64>,
    pub tokens: Option<u64>,
}

/// The caps of all periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    pub incident: Cap,
    pub day: Cap,
    pub month: Cap,
}

/// What is spent and reserved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub incident: Amount,
    pub day: Amount,
    pub month: Amount,
}

/// A cap that a call would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverBudget {
    /// `incident`, `day` or `month`.
    pub period: &'static str,
    pub words: String,
}

/// What a call used; a fraction of a millionth counts as a whole one.
pub fn cost(usage: Usage, price: Option<Price>) -> Amount {
    let _ = (usage, price);
    todo!()
}

/// The most that a call may use: what has to be reserved before it. `input_bytes` is the length of
/// everything that is sent.
pub fn estimate(input_bytes: usize, max_output_tokens: u64, price: Option<Price>) -> Amount {
    let _ = (input_bytes, max_output_tokens, price);
    todo!()
}

/// Whether `want` may be reserved on top of what is spent.
pub fn reserve(caps: &Caps, spent: &Spent, want: Amount) -> Result<(), OverBudget> {
    let _ = (caps, spent, want);
    todo!()
}
