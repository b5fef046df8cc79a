//! The few things that only a human knows, and how they are asked.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;
use crate::cli::init::found::{Concern, Found};
use crate::cli::init::toml::plain;
use crate::cli::out::Out;
use crate::cli::page::cut;
use crate::clock::window::Window;
use crate::config::given::Given;
use crate::config::mistakes::hint;
use crate::config::setting::Setting;
use crate::model::plan::Leash;
use crate::model::time::Span;

/// Service names that one question shows.
const SHOWN: usize = 12;
/// A word that is none of the answers is asked again, but not for ever.
const TRIES: usize = 3;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) first: Concern,
    pub(crate) leash: Leash,
    /// How long a service may be down before that pages ...
    pub(crate) tolerance: Span,
    /// ... and those that differ.
    pub(crate) tolerances: BTreeMap<String, Span>,
    /// `23:00-07:00`; `None` where pages may come at any hour.
    pub(crate) quiet: Option<String>,
}

impl Default for Answers {
    /// What `--yes` takes, and an empty line.
    fn default() -> Self {
        Self {
            first: Concern::Health,
            leash: Leash::Ask,
            tolerance: Span::mins(10),
            tolerances: BTreeMap::new(),
            quiet: Some("23:00-07:00".to_owned()),
        }
    }
}

impl Answers {
    /// How long this service may be down.
    pub(crate) fn tolerance_of(&self, service: &str) -> Span {
        self.tolerances.get(service).copied().unwrap_or(self.tolerance)
    }
}

/// Asks on the terminal. The end of the input is a no to all of it: nothing is written then.
pub(crate) fn ask(out: &mut Out, found: &Found) -> Result<Answers, Failure> {
    let mut answers = Answers::default();
    let services = found.services();
    let all = if services.is_empty() { 3 } else { 4 };
    out.say("An empty line takes what stands in [ ]; Ctrl-C writes nothing.")?;
    answers.first = one(
        out,
        &format!(
            "1/{all} first      what may ask for your yes first? [health] backups certificates logs >"
        ),
        |word| match word {
            "" => Ok(Concern::Health),
            word => {
                Concern::ALL.into_iter().find(|concern| concern.as_str() == word).ok_or_else(|| {
                    format!("is none of these{}", hint(word, Concern::ALL.map(Concern::as_str)))
                })
            }
        },
    )?;
    if !services.is_empty() {
        let names: Vec<String> = services.iter().take(SHOWN).map(|name| plain(name)).collect();
        let more = services.len().saturating_sub(SHOWN);
        let more = if more == 0 { String::new() } else { format!(", {more} more") };
        out.prose(&format!("These were found: {}{more}", names.join(", ")))?;
        let example = cut(&names[0], 40);
        let question = format!(
            "2/{all} tolerance  how long may they be down before that pages? [10m], or 10m {example}=1h >"
        );
        (answers.tolerance, answers.tolerances) =
            one(out, &question, |line| tolerances(line, &services))?;
    }
    answers.leash = one(
        out,
        &format!("{}/{all} leash      observe, or [ask]: each plan waits for your yes >", all - 1),
        |word| match word {
            "" | "ask" => Ok(Leash::Ask),
            "observe" => Ok(Leash::Observe),
            "auto" => {
                Err("is earned per runbook and host: `reef runbook promote` shows the record"
                    .into())
            }
            _ => Err("is neither observe nor ask".into()),
        },
    )?;
    answers.quiet = one(
        out,
        &format!("{all}/{all} quiet      when may nothing page you? [23:00-07:00] none >"),
        |word| match word {
            "" => Ok(Answers::default().quiet),
            "none" => Ok(None),
            word => Window::parse(word).map(|_| Some(word.to_owned())),
        },
    )?;
    Ok(answers)
}

fn one<T>(
    out: &mut Out,
    question: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    for _ in 0..TRIES {
        let Some(line) = out.ask(question)? else {
            return Err(Failure::Usage("nothing was answered, and nothing was written".into()));
        };
        match read(line.trim()) {
            Ok(answer) => return Ok(answer),
            Err(why) => out.say(&format!("\"{}\" {why}", cut(&plain(&line), 60)))?,
        }
    }
    Err(Failure::Usage("that was no answer, and nothing was written".into()))
}

/// `10m jellyfin=1h nginx=5m`: one for all, and those that differ.
fn tolerances(line: &str, services: &[String]) -> Result<(Span, BTreeMap<String, Span>), String> {
    let span = |text: &str| Span::read(&Given::Text(text.to_owned()));
    let (mut all, mut own) = (Answers::default().tolerance, BTreeMap::new());
    for word in line.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        match word.rsplit_once('=') {
            None => all = span(word)?,
            Some((name, time)) if services.iter().any(|service| service == name) => {
                own.insert(name.to_owned(), span(time)?);
            }
            Some((name, _)) => {
                let hint = hint(name, services.iter().map(String::as_str));
                return Err(format!("names no service that was found{hint}"));
            }
        }
    }
    Ok((all, own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::Talk;
    use crate::cli::out::tests::captured;
    use crate::model::ids::{HostName, UnitName};

    fn found() -> Found {
        let units = ["nginx.service", "app.service"].map(|unit| UnitName::new(unit).unwrap());
        Found { units: units.to_vec(), ..Found::nothing(HostName::of("mini"), "now".into()) }
    }

    #[track_caller]
    fn asked(typed: &str) -> (Result<Answers, Failure>, String) {
        let (mut out, written, _) = captured(typed, Talk::Terminal);
        let answers = ask(&mut out, &found());
        (answers, written.text())
    }

    #[test]
    fn empty_lines_take_the_defaults() {
        let (answers, said) = asked("\n\n\n\n");
        assert_eq!(answers.unwrap(), Answers::default());
        assert!(said.contains("app, nginx") && said.contains("4/4 quiet"), "{said}");
        // Without services there is nothing to ask about them.
        let (mut out, written, _) = captured("\n\n\n", Talk::Terminal);
        let nothing = Found::nothing(HostName::of("mini"), "now".into());
        assert_eq!(ask(&mut out, &nothing).unwrap(), Answers::default());
        assert!(written.text().contains("3/3 quiet"), "{}", written.text());
    }

    #[test]
    fn answers_are_read_and_wrong_ones_asked_again() {
        let (answers, said) =
            asked("helth\nbackups\nngnix=1h\n30m nginx=2h,app=1m\nauto\nobserve\n25:00-1\nnone\n");
        let answers = answers.unwrap();
        assert_eq!((answers.first, answers.leash), (Concern::Backups, Leash::Observe));
        assert_eq!(answers.tolerance_of("nginx"), Span::hours(2));
        assert_eq!(answers.tolerance_of("app"), Span::mins(1));
        assert_eq!(answers.tolerance_of("else"), Span::mins(30));
        assert_eq!(answers.quiet, None);
        for want in ["did you mean \"health\"", "did you mean \"nginx\"", "reef runbook promote"] {
            assert!(said.contains(want), "{want}: {said}");
        }
    }

    #[test]
    fn an_end_of_the_input_is_no_answer() {
        for typed in ["", "health\n", "health\n\nask\n", "a\nb\nc\n"] {
            let why = asked(typed).0.unwrap_err();
            assert!(why.to_string().contains("nothing was written"), "{typed:?}: {why}");
            assert_eq!(why.exit(), crate::cli::exit::Exit::USAGE);
        }
    }
}
