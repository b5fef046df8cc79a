//! A notifier that keeps what it was told.

use std::sync::{Mutex, PoisonError};

use crate::Fut;
use crate::model::message::{Message, Urgency};
use crate::notify::{NotSent, Notifier};

/// The human's phone. Shared: a daemon's notifier is [`Phone::notifier`].
#[derive(Debug, Default)]
pub struct Phone {
    heard: Mutex<Vec<Message>>,
    line: Mutex<Line>,
}

/// Whether the phone can be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Line {
    #[default]
    Up,
    Down,
}

/// A phone as a daemon has it.
#[derive(Debug)]
struct Way(std::sync::Arc<Phone>);

impl Phone {
    pub const NAME: &'static str = "phone";

    /// The way to this phone.
    pub fn notifier(self: std::sync::Arc<Self>) -> Box<dyn Notifier> {
        Box::new(Way(self))
    }

    /// Cuts the line, or mends it.
    pub fn line(&self, line: Line) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// Everything that it was told, oldest first.
    pub fn all(&self) -> Vec<Message> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was told beside the daily report.
    pub fn heard(&self) -> Vec<Message> {
        self.all().into_iter().filter(|m| !m.key.starts_with("report ")).collect()
    }

    pub fn pages(&self) -> Vec<Message> {
        self.heard().into_iter().filter(|m| m.urgency == Urgency::Page).collect()
    }
}

impl Notifier for Way {
    fn name(&self) -> &str {
        Phone::NAME
    }

    fn send<'a>(&'a self, message: &'a Message) -> Fut<'a, Result<(), NotSent>> {
        Box::pin(async move {
            if *self.0.line.lock().unwrap_or_else(PoisonError::into_inner) == Line::Down {
                return Err(NotSent::Later("no route to host".into()));
            }
            self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
            Ok(())
        })
    }
}
