//! What tables by names of the operator's own have in common: the names, the host that they are about, and how long what
//! they declare may take.

use crate::config::section::{Entry, Section};
use crate::model::ids::{HostName, Word};
use crate::model::time::Span;

impl Section {
    /// The tables of a section that holds nothing else. `called` says what a name is one of, as `a server's name`;
    /// `write` what belongs there instead of something that is no table.
    pub fn named(&mut self, called: &str, write: impl Fn(&str) -> String) -> Vec<(Word, Self)> {
        let mut found = Vec::new();
        for (key, entry) in self.entries() {
            match (Word::new(key.as_str()), entry) {
                (Err(bad), _) => self.mistake(&key, format!("as {called} it {}", bad.why)),
                (Ok(name), Entry::Table(section)) => found.push((name, section)),
                (Ok(_), Entry::Short(_) | Entry::Other) => {
                    self.mistake(&key, format!("is not a table; write {}", write(&key)));
                }
            }
        }
        found
    }

    /// `host`: one of the config's, and `here` where none is named.
    pub fn host(&mut self, here: &HostName, hosts: &[HostName]) -> HostName {
        match self.opt::<HostName>("host") {
            None => here.clone(),
            Some(given) if given.as_str() == "this" || given == *here => here.clone(),
            Some(given) => {
                if !hosts.contains(&given) {
                    self.mistake("host", format!("{given} is no host of the config"));
                }
                given
            }
        }
    }

    /// `longest`: a minute at least.
    pub fn longest(&mut self, default: Span, most: Span) -> Span {
        let longest = self.or("longest", default);
        if longest < Span::mins(1) || most < longest {
            self.mistake("longest", format!("must lie between 1 min and {most}"));
        }
        longest
    }
}
