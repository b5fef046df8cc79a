//! Messages on the terminal, or in the journal: a calm line and what belongs to it.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::Fut;
use crate::model::message::{Message, Urgency};
use crate::notify::outcome::bounded;
use crate::notify::{NotSent, Notifier};

const LONGEST_TITLE: usize = 400;
const LONGEST_BODY: usize = 8 << 10;

/// Writes to whatever it was given: standard error, a file, a buffer.
pub struct Terminal {
    to: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terminal")
    }
}

impl Terminal {
    pub const NAME: &'static str = "terminal";

    pub fn new(to: Box<dyn Write + Send>) -> Self {
        Self { to: Mutex::new(to) }
    }
}

/// `page red  disk mini:/ …`, its body indented below it.
fn text(message: &Message) -> String {
    let urgency = match message.urgency {
        Urgency::Page => "page ",
        Urgency::Message => "",
    };
    let title = bounded(&message.title, LONGEST_TITLE).replace('\n', " ");
    // Most titles open with the severity already.
    let severity = message.severity.as_str();
    let rest = title.strip_prefix(severity).map_or(title.as_str(), str::trim_start);
    let mut text = format!("{urgency}{severity:<7} {rest}\n");
    for line in bounded(&message.body, LONGEST_BODY).lines() {
        text.push_str(format!("        {line}").trim_end());
        text.push('\n');
    }
    text
}

impl Notifier for Terminal {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn send<'a>(&'a self, message: &'a Message) -> Fut<'a, Result<(), NotSent>> {
        Box::pin(async move {
            let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
            // One write for the whole message, so that log lines do not fall into it.
            to.write_all(text(message).as_bytes())
                .and_then(|()| to.flush())
                .map_err(|e| NotSent::Later(format!("cannot write to the terminal: {e}")))
        })
    }
}
