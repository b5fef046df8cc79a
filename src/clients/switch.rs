//! `[debug.NAME]`: debug logging that may be switched on for a while. By commands that the operator wrote, run as written, or
//! by the log level of a systemd unit that has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::host::HostLink;
use crate::clients::process::{self, Given, Limits};
use crate::config::section::Section;
use crate::model::ids::{HostName, UnitName, Word};
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::argv::classify::{Class, classify};
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::redact::Redactor;

/// For the look at its state.
const LOOK: Span = Span::secs(10);
/// No debug logging is on for longer: it fills disks.
pub const LONGEST: Span = Span::days(1);
/// The level that debug logging is on at.
pub const DEBUG: &str = "debug";
/// The levels of syslog(3), as systemd words them.
pub const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", DEBUG];

/// By their names in the config.
pub type Switches = BTreeMap<Word, Arc<Switch>>;

/// One thing that can log more.
#[derive(Debug, Clone)]
pub struct Switch {
    pub name: Word,
    pub host: HostName,
    pub how: How,
    /// For how long it may be on.
    pub longest: Span,
    pub redactor: Arc<Redactor>,
}

/// How it is switched.
#[derive(Debug, Clone)]
pub enum How {
    Commands { on: Argv, off: Argv, state: Option<State> },
    Unit(UnitName),
}

/// The command that prints `on` or `off`.
#[derive(Debug, Clone)]
pub enum State {
    Reads(ReadOnly),
    /// Not proven to only read: run on this machine alone, as the operator wrote it.
    AsWritten(Argv),
}

/// How it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    On,
    /// Off; of a unit with the level that it has.
    Off(Option<Word>),
    /// Nothing tells.
    Untold,
}

impl Now {
    pub fn words(&self) -> String {
        match self {
            Self::On => "on".to_owned(),
            Self::Off(Some(level)) => format!("off, at the level {level}"),
            Self::Off(None) => "off".to_owned(),
            Self::Untold => "nothing tells whether it is on".to_owned(),
        }
    }
}

/// `systemctl service-log-level UNIT [LEVEL]`.
fn level_of(unit: &UnitName, level: Option<&str>) -> Vec<String> {
    let parts = ["systemctl", "service-log-level", unit.as_str()];
    parts.into_iter().chain(level).map(str::to_owned).collect()
}

impl Switch {
    pub fn on(&self) -> Result<Argv, String> {
        match &self.how {
            How::Commands { on, .. } => Ok(on.clone()),
            How::Unit(unit) => argv(level_of(unit, Some(DEBUG))),
        }
    }

    /// `level` is that of before, of a unit.
    pub fn off(&self, level: Option<&Word>) -> Result<Argv, String> {
        match &self.how {
            How::Commands { off, .. } => Ok(off.clone()),
            How::Unit(unit) => argv(level_of(unit, Some(level.map_or("info", Word::as_str)))),
        }
    }

    /// Every command by which it is switched.
    pub fn commands(&self) -> Vec<Argv> {
        match &self.how {
            How::Commands { on, off, .. } => vec![on.clone(), off.clone()],
            How::Unit(unit) => {
                LEVELS.iter().filter_map(|level| argv(level_of(unit, Some(level))).ok()).collect()
            }
        }
    }

    /// How it is now.
    pub async fn now(&self, link: &dyn HostLink) -> Result<Now, String> {
        let reads = |argv: Argv| match classify(&argv) {
            Class::ReadOnly(reads) => Ok(reads),
            Class::Critical { why } | Class::Evaluator { why } => Err(format!("{argv}: {why}")),
        };
        let (argv, said) = match &self.how {
            How::Commands { state: None, .. } => return Ok(Now::Untold),
            How::Commands { state: Some(State::Reads(reads)), .. } => {
                (reads.argv().clone(), link.read(reads, LOOK).await)
            }
            How::Commands { state: Some(State::AsWritten(argv)), .. } => {
                let limits = Limits { timeout: LOOK, max_output: 4 << 10 };
                let given = Given::default();
                (argv.clone(), process::run(argv.as_slice(), limits, &given, &self.redactor).await)
            }
            How::Unit(unit) => {
                let reads = reads(argv(level_of(unit, None))?)?;
                (reads.argv().clone(), link.read(&reads, LOOK).await)
            }
        };
        let said = said.map_err(|why| format!("{argv}: {why}"))?;
        if said.code != Some(0) {
            let code = said.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
            return Err(format!("{argv} ended with {code}: {}", said.stderr.first_line()));
        }
        let word = said.stdout.first_line().trim();
        let odd = || {
            let word = Tainted::bounded(word, 60);
            format!("{argv} printed {word:?}, which tells no state")
        };
        match (&self.how, word) {
            (How::Unit(_), DEBUG) | (How::Commands { .. }, "on") => Ok(Now::On),
            (How::Commands { .. }, "off") => Ok(Now::Off(None)),
            (How::Unit(_), level) => match LEVELS.into_iter().find(|known| *known == level) {
                Some(level) => Ok(Now::Off(Some(Word::of(level)))),
                None => Err(odd()),
            },
            (How::Commands { .. }, _) => Err(odd()),
        }
    }
}

fn argv(parts: Vec<String>) -> Result<Argv, String> {
    Argv::new(parts).map_err(|why| why.to_string())
}

/// Reads the tables below `[debug]`. `hosts` are those of the config, `here` among them.
pub fn read(
    mut all: Section,
    here: &HostName,
    hosts: &[HostName],
    redactor: &Arc<Redactor>,
) -> Switches {
    let mut switches = Switches::new();
    for (name, mut section) in all.named("a name", |key| format!("[debug.{key}]")) {
        let host = section.host(here, hosts);
        let longest = section.longest(Span::mins(30), LONGEST);
        let how = how(&mut section, &host, here);
        section.finish();
        if let Some(how) = how {
            let redactor = Arc::clone(redactor);
            let switch = Switch { name: name.clone(), host, how, longest, redactor };
            switches.insert(name, Arc::new(switch));
        }
    }
    all.finish();
    switches
}

fn how(section: &mut Section, host: &HostName, here: &HostName) -> Option<How> {
    let unit: Option<UnitName> = section.opt("unit");
    let mut command = |key: &str| {
        let parts: Vec<String> = section.list(key)?;
        let whole = parts.first().is_some_and(|program| program.starts_with('/'));
        match argv(parts) {
            Ok(argv) if whole || key == "state" => Some(argv),
            Ok(argv) => {
                let program = argv.program();
                let why = format!("begins with {program:?}, which is no program by its whole path");
                section.mistake(key, why);
                None
            }
            Err(why) => {
                section.mistake(key, why);
                None
            }
        }
    };
    let (on, off, state) = (command("on"), command("off"), command("state"));
    let by_command = ["on", "off", "state"].iter().any(|key| section.has(key));
    match (section.has("unit"), by_command) {
        (true, false) => {
            let unit = unit?;
            if !unit.as_str().ends_with(".service") {
                section.mistake("unit", "is no service: name it in full, X.service");
            }
            Some(How::Unit(unit))
        }
        (false, true) => {
            for (key, there) in [("on", section.has("on")), ("off", section.has("off"))] {
                if !there {
                    section.mistake(key, "is missing: what is switched on must be switched off");
                }
            }
            let state = state.map(|argv| match classify(&argv) {
                Class::ReadOnly(reads) => State::Reads(reads),
                Class::Critical { why } | Class::Evaluator { why } => {
                    if host != here {
                        let why = format!(
                            "{why}; on another host it must be a command that provably reads"
                        );
                        section.mistake("state", why);
                    }
                    State::AsWritten(argv)
                }
            });
            Some(How::Commands { on: on?, off: off?, state })
        }
        (true, true) | (false, false) => {
            section.mistake(
                "unit",
                "is a service that has a log level (systemctl service-log-level), or on and off are commands: one of the two is needed",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Env;
    use crate::config::given::Source;
    use crate::config::section::Reader;

    fn read_text(text: &str) -> Result<Switches, String> {
        let (reader, mut root) = Reader::open(Source::new("c.toml", text), Env::of([]));
        let hosts = ["mini", "nas"].map(HostName::of);
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let read = read(root.section("debug"), &hosts[0], &hosts, &redactor);
        root.finish();
        reader.done().map_err(|m| m.to_string()).map(|_| read)
    }

    #[test]
    fn a_unit_is_switched_by_its_level_and_put_back_to_the_one_of_before() {
        let read = read_text("[debug.web]\nunit = \"web.service\"\nhost = \"nas\"\n").unwrap();
        let web = &read[&Word::of("web")];
        assert_eq!((web.host.as_str(), web.longest), ("nas", Span::mins(30)));
        assert_eq!(web.on().unwrap().to_string(), "systemctl service-log-level web.service debug");
        let back = web.off(Some(&Word::of("notice"))).unwrap().to_string();
        assert_eq!(back, "systemctl service-log-level web.service notice");
        assert_eq!(web.commands().len(), LEVELS.len());
    }

    #[test]
    fn every_mistake_is_told_with_what_to_write() {
        for (text, want) in [
            ("[debug.a]\nlongest = \"5m\"\n", "one of the two"),
            ("[debug.a]\nunit = \"a.service\"\non = [\"/bin/x\"]\n", "one of the two"),
            ("[debug.a]\nunit = \"a.timer\"\n", "X.service"),
            ("[debug.a]\non = [\"/bin/x\"]\n", "must be switched off"),
            ("[debug.a]\non = [\"x\"]\noff = [\"/bin/x\"]\n", "by its whole path"),
            (
                "[debug.a]\nhost = \"nas\"\non = [\"/bin/x\"]\noff = [\"/bin/y\"]\nstate = [\"/bin/z\"]\n",
                "provably reads",
            ),
            ("[debug.a]\nhost = \"other\"\nunit = \"a.service\"\n", "no host of the config"),
            ("[debug.a]\nunit = \"a.service\"\nlongest = \"2d\"\n", "between 1 min"),
            ("[debug.a]\nunit = \"a.service\"\nlonger = \"2d\"\n", "did you mean"),
            ("[debug]\na = \"x\"\n", "[debug.a]"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.contains(want), "{want}: {told}");
        }
    }
}
