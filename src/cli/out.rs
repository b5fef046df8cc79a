//! What a command writes and asks: the one way to the terminal, which tests hold in their hands.

use std::fmt;
use std::io::{BufRead, IsTerminal, Write};

use serde_json::Value as Json;

use crate::cli::exit::Failure;
use crate::cli::page::{Detail, Page, Paint};
use crate::config::env::Env;

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Words,
    /// The view as it came: a contract.
    Json,
}

/// Whether a human can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Both ends are a terminal.
    Terminal,
    Piped,
}

/// Where a command writes to and reads from.
pub struct Out {
    to: Box<dyn Write>,
    errors: Box<dyn Write>,
    from: Box<dyn BufRead>,
    pub page: Page,
    pub format: Format,
    pub talk: Talk,
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.page, self.format, self.talk)
    }
}

/// A pipe has no width: whatever reads it wants whole lines.
const UNBOUNDED: usize = 1 << 20;

/// Narrower is no terminal that anybody reads on.
const NARROWEST: usize = 40;

impl Out {
    /// The process's own streams.
    pub fn of_process(color: When, format: Format, detail: Detail, env: &Env) -> Self {
        let (to, from) = (std::io::stdout(), std::io::stdin());
        let terminal = to.is_terminal();
        let width = match terminal {
            true => columns(&to).unwrap_or(80).max(NARROWEST),
            false => UNBOUNDED,
        };
        let talk = if terminal && from.is_terminal() { Talk::Terminal } else { Talk::Piped };
        let page = Page { width, paint: paint(color, terminal, env), detail };
        Self {
            to: Box::new(to),
            errors: Box::new(std::io::stderr()),
            from: Box::new(from.lock()),
            page,
            format,
            talk,
        }
    }

    /// Streams of one's own, for tests and whoever embeds a command.
    pub fn new(
        to: Box<dyn Write>,
        errors: Box<dyn Write>,
        from: Box<dyn BufRead>,
        page: Page,
        format: Format,
        talk: Talk,
    ) -> Self {
        Self { to, errors, from, page, format, talk }
    }

    /// Writes text as it is; a line that is not ended is.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.to.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            self.to.write_all(b"\n")?;
        }
        self.to.flush()?;
        Ok(())
    }

    /// Sentences, broken into lines.
    pub(crate) fn prose(&mut self, text: &str) -> Result<(), Failure> {
        let lines = self.page.wrap(text, 0);
        self.say(&lines)
    }

    /// A remark beside the answer: never between what a program reads.
    pub(crate) fn note(&mut self, text: &str) {
        // There is nobody left to tell where stderr is closed.
        drop(writeln!(self.errors, "{text}"));
    }

    pub(crate) fn json(&mut self, value: &Json) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
        self.say(&text)
    }

    /// One line of an answer; `None` where the input ended.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Option<String>, Failure> {
        write!(self.to, "{question} ")?;
        self.to.flush()?;
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Ok(None),
            _ => Ok(Some(line.trim().to_owned())),
        }
    }
}

/// How wide the terminal says it is.
fn columns(terminal: &std::io::Stdout) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| 0 < *columns)
}

/// Colours where they are asked for, or where a terminal is and nobody asked for none
/// (<https://no-color.org>).
fn paint(color: When, terminal: bool, env: &Env) -> Paint {
    let wanted = match color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && env.get("NO_COLOR").is_none() && env.get("TERM") != Some("dumb"),
    };
    if wanted { Paint::Coloured } else { Paint::Plain }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::io::{Cursor, Write};
    use std::rc::Rc;

    use super::*;

    /// What was written, to be read while a command still has the other end.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Rc<RefCell<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An `Out` that reads `typed` and keeps what is written: answers, then remarks.
    pub(crate) fn captured(typed: &str, talk: Talk) -> (Out, Written, Written) {
        let (to, errors) = (Written::default(), Written::default());
        let from = Cursor::new(typed.to_owned().into_bytes());
        let out = Out::new(
            Box::new(to.clone()),
            Box::new(errors.clone()),
            Box::new(from),
            Page::PIPE,
            Format::Words,
            talk,
        );
        (out, to, errors)
    }

    #[test]
    fn colours_follow_the_flag_then_the_terminal_and_the_environment() {
        let plain = Env::of([]);
        let no = Env::of([("NO_COLOR", "1")]);
        let dumb = Env::of([("TERM", "dumb")]);
        for (color, terminal, env, want) in [
            (When::Auto, true, &plain, Paint::Coloured),
            (When::Auto, false, &plain, Paint::Plain),
            (When::Auto, true, &no, Paint::Plain),
            (When::Auto, true, &dumb, Paint::Plain),
            (When::Always, false, &no, Paint::Coloured),
            (When::Never, true, &plain, Paint::Plain),
        ] {
            assert_eq!(paint(color, terminal, env), want, "{color:?} {terminal} {env:?}");
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (mut out, _, _) = captured("", Talk::Piped);
        out.to = Box::new(Gone);
        assert!(matches!(out.say("x"), Err(Failure::Closed)));
    }

    #[test]
    fn an_answer_is_one_line_and_the_end_of_input_is_none() {
        let (mut out, written, _) = captured("  yes \nno\n", Talk::Terminal);
        assert_eq!(out.ask("Proceed?").unwrap().as_deref(), Some("yes"));
        assert_eq!(out.ask("Really?").unwrap().as_deref(), Some("no"));
        assert_eq!(out.ask("And?").unwrap(), None);
        assert_eq!(written.text(), "Proceed? Really? And? ");
    }
}
