//! The only caller of the system clock. Cron and time zones stay in here.

use std::fmt;

use crate::model::time::Millis;

/// Wall time. Handed to whoever needs it, so that a test holds the hands.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Millis;
}
