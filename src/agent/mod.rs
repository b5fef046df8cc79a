//! The bounded loop in which a model may investigate and conclude.
//!
//! The way of one investigation:
//! ```text
//! brief -> evidence (E1, E2 ...) + cards + first turn
//!            |
//!            v
//!   reserve -> reply -> settle -> a conclusion? end
//!      ^                 |
//!      +--- results <----+-- each call: ids -> values -> bench (low tools only)
//! ```
//! - `brief`: what goes in, `evidence`: the values that code holds and their ids, `context`: the words
//!   of the prompt, `cards`: the tools as the model sees them, `call`: from what the model wrote to a
//!   call, `conclusion`: the four ends, `bounds`: what ends it early.
//! - The model writes no argument: it names evidence by id, and code holds the value. So whatever text
//!   a machine plants in a log, a unit's name or a certificate, a model that obeys it can look with low
//!   tools at what the incident is about, and otherwise only choose among steps that code resolved or
//!   propose what a human then reads.
//! - Without a model, or when a bound strikes, there is a [`NoConclusion`], and the runbook goes on.

use std::fmt;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::Fut;
use crate::agent::context::SYSTEM;
use crate::agent::guard::Guard;
use crate::agent::talk::{Act, Problem, Talk};
use crate::llm::{Model, ModelError};
use crate::model::chat::{Reply, Usage};
use crate::model::conclusion::Conclusion;
use crate::model::time::Span;
use crate::model::tool::{Call, Found, ToolError, ToolSpec};
use crate::policy::budget::{Amount, Cap, Caps, Price, Spent, cost, estimate, reserve};
use crate::policy::redact::Redactor;

mod bounds;
mod brief;
mod call;
mod cards;
mod conclusion;
mod context;
mod evidence;
mod guard;
mod talk;
#[cfg(test)]
mod tests;

pub use bounds::{AgentBounds, NoConclusion};
pub use brief::{Brief, Offer};

/// What the agent may touch: low tools only. Implemented over the gate, which judges each call anew.
pub trait Bench: Send + Sync {
    /// Every low tool, to call; and the registry's tools above low, to name in proposals only.
    fn specs(&self) -> Vec<ToolSpec>;
    fn query<'a>(&'a self, call: &'a Call) -> Fut<'a, Result<Found, ToolError>>;
}

/// The budgets, over the store: per incident, day and month. Reserved before a call, settled after.
pub trait Purse: Send + Sync {
    /// Sets aside tokens and money (millionths of the budget's currency); the error says in words
    /// which budget is spent.
    fn reserve<'a>(&'a self, tokens: u64, micros: i64) -> Fut<'a, Result<i64, String>>;
    /// Replaces a reservation by what was really used.
    fn settle<'a>(&'a self, reservation: i64, usage: Usage, micros: i64) -> Fut<'a, ()>;
}

/// A model within its bounds.
#[derive(Clone)]
pub struct Agent {
    pub model: Arc<dyn Model>,
    pub bounds: AgentBounds,
    /// `None`: tokens are capped, money is not counted.
    pub price: Option<Price>,
    /// A net under the redaction where bytes enter: before the prompt, and over the model's words.
    pub redactor: Arc<Redactor>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent with {}", self.model.name())
    }
}

/// How an investigation went, for the audit record and the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Investigation {
    pub end: Result<Conclusion, NoConclusion>,
    /// The low tools that ran, oldest first.
    pub tools_called: Vec<String>,
    pub usage: Usage,
    /// Cost in millionths of the budget's currency.
    pub micros: i64,
    pub took: Span,
    /// Replies that were asked for.
    pub turns: u32,
}

/// The tokens that a provider counted; where it did not, an estimate, so that nothing is free.
fn counted(reply: &Reply, input: u64) -> Usage {
    let or = |counted, guess| if counted == 0 { guess } else { counted };
    let output = estimate(reply.raw.to_string().len(), 0, None).tokens;
    Usage { input: or(reply.usage.input, input), output: or(reply.usage.output, output) }
}

impl Agent {
    /// Investigates one incident. `nonce` is random and used once: it marks what is data.
    pub async fn investigate(
        &self,
        brief: &Brief,
        bench: &dyn Bench,
        purse: &dyn Purse,
        nonce: [u8; 16],
    ) -> Investigation {
        let started = Instant::now();
        let guard = Guard::new(nonce, Arc::clone(&self.redactor));
        let talk = Talk::new(brief, &guard, self.bounds, bench.specs());
        let deadline = started + self.bounds.time.duration();
        let mut way = Way {
            agent: self,
            purse,
            deadline,
            talk,
            usage: Usage::default(),
            micros: 0,
            turns: 0,
        };
        let end = way.go(bench).await;
        Investigation {
            end,
            tools_called: way.talk.tools_called,
            usage: way.usage,
            micros: way.micros,
            took: started.elapsed().into(),
            turns: way.turns,
        }
    }
}

/// One investigation under way.
struct Way<'a> {
    agent: &'a Agent,
    purse: &'a dyn Purse,
    deadline: Instant,
    talk: Talk<'a>,
    usage: Usage,
    micros: i64,
    turns: u32,
}

impl Way<'_> {
    /// The loop.
    async fn go(&mut self, bench: &dyn Bench) -> Result<Conclusion, NoConclusion> {
        while self.turns < self.agent.bounds.turns {
            self.turns += 1;
            let reply = self.reply().await?;
            let calls = self.talk.take(reply)?;
            for (at, wanted) in calls.iter().enumerate() {
                let words = match self.talk.read(&calls, at) {
                    Ok(Act::Conclude(conclusion)) => return Ok(conclusion),
                    Ok(Act::Query(call)) => {
                        let look = timeout_at(self.deadline, bench.query(&call));
                        let found = look.await.map_err(|_| NoConclusion::Slow)?;
                        self.talk.found(&call, found)
                    }
                    Err(Problem::RespondToModel(why)) => Err(why),
                    Err(Problem::Fatal(end)) => return Err(end),
                };
                self.talk.answer(wanted, words);
            }
            self.talk.hint();
        }
        Err(NoConclusion::TooManyTurns)
    }

    /// One reply: set aside what it may cost, ask, and settle what it did cost.
    async fn reply(&mut self) -> Result<Reply, NoConclusion> {
        let output = self.agent.bounds.reply;
        let want = estimate(self.talk.bytes(), output, self.agent.price);
        let expected = Usage { input: want.tokens.saturating_sub(output), output };
        self.check_bounds(want)?;
        let reserved = self.purse.reserve(want.tokens, want.micros).await;
        let reservation = reserved.map_err(NoConclusion::OverBudget)?;
        let asked = self.agent.model.reply(SYSTEM, &self.talk.turns, &self.talk.cards.shown);
        let reply = timeout_at(self.deadline, asked).await.unwrap_or(Err(ModelError::Slow));
        let used = match &reply {
            Ok(reply) => counted(reply, expected.input),
            // It was not taken, so it was not charged.
            Err(ModelError::Down(_) | ModelError::Rejected(_)) => Usage::default(),
            // It may well have been answered, and charged.
            Err(ModelError::Slow | ModelError::Malformed(_)) => expected,
        };
        let micros = self.cost(used);
        self.purse.settle(reservation, used, micros).await;
        self.usage.input = self.usage.input.saturating_add(used.input);
        self.usage.output = self.usage.output.saturating_add(used.output);
        self.micros = self.micros.saturating_add(micros);
        reply.map_err(|error| self.talk.no_reply(error))
    }

    /// The incident's own bounds; day and month are the purse's.
    fn check_bounds(&self, want: Amount) -> Result<(), NoConclusion> {
        let cap =
            Cap { micros: Some(self.agent.bounds.micros), tokens: Some(self.agent.bounds.tokens) };
        let tokens = self.usage.input.saturating_add(self.usage.output);
        let caps = Caps { incident: cap, day: Cap::default(), month: Cap::default() };
        let spent = Amount { micros: self.micros, tokens };
        let spent = Spent { incident: spent, ..Spent::default() };
        reserve(&caps, &spent, want).map_err(|over| NoConclusion::OverBudget(over.words))
    }

    fn cost(&self, usage: Usage) -> i64 {
        cost(usage, self.agent.price).micros
    }
}
