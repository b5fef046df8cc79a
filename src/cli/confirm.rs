//! `Proceed? [Y/N]`: a human's yes before anything happens.

use crate::cli::exit::Failure;
use crate::cli::out::{Out, Talk};
use crate::model::plan::Plan;
use crate::policy::confirm::{confirm, name_to_type};
use crate::policy::leash::Confirmed;

/// `--yes`: the prompt was answered on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Yes,
    Nothing,
}

impl Given {
    pub(crate) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::Nothing }
    }
}

/// What the human said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    /// The target's name of a critical plan, as it was typed: the daemon holds it against the plan.
    Named(String),
    No,
}

/// Refuses at once where nobody can be asked and nobody has said yes beforehand.
pub(crate) fn somebody(talk: Talk, given: Given) -> Result<(), Failure> {
    match (talk, given) {
        (Talk::Terminal, _) | (Talk::Piped, Given::Yes) => Ok(()),
        (Talk::Piped, Given::Nothing) => Err(Failure::Usage(
            "this asks before it acts, and there is no terminal to ask on; add --yes, or --dry-run where the command \
             knows it, to see what would be done"
                .into(),
        )),
    }
}

/// Asks. A critical plan is never a yes alone: its target's name must be typed, whatever the flags say.
pub(crate) fn proceed(out: &mut Out, plan: Option<&Plan>, given: Given) -> Result<Said, Failure> {
    match plan.and_then(|plan| Some((plan, name_to_type(plan)?))) {
        Some((plan, name)) => named(out, plan, &name),
        None => yes_or_no(out, given),
    }
}

fn yes_or_no(out: &mut Out, given: Given) -> Result<Said, Failure> {
    if given == Given::Yes {
        return Ok(Said::Yes);
    }
    // A word that is neither is asked again, but not for ever.
    for _ in 0..3 {
        let Some(word) = out.ask("Proceed? [Y/N]")? else { return Ok(Said::No) };
        match word.to_lowercase().as_str() {
            "y" | "yes" => return Ok(Said::Yes),
            "n" | "no" => return Ok(Said::No),
            _ => out.say("Type Y or N.")?,
        }
    }
    Ok(Said::No)
}

fn named(out: &mut Out, plan: &Plan, name: &str) -> Result<Said, Failure> {
    if out.talk == Talk::Piped {
        return Err(Failure::Usage(format!(
            "this plan is critical: it is only approved on a terminal, by typing the name of its target, {name}"
        )));
    }
    out.say("This plan is critical: it changes infrastructure or data for good.")?;
    let typed =
        out.ask(&format!("Type {name} to go on, anything else to stop:"))?.unwrap_or_default();
    match confirm(plan, &typed) {
        Confirmed::Named => Ok(Said::Named(typed)),
        Confirmed::Yes | Confirmed::No => Ok(Said::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::captured;
    use crate::cli::tests::views::plan;
    use crate::model::tool::Tier;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (typed, want) in [
            ("y\n", Said::Yes),
            ("YES\n", Said::Yes),
            ("n\n", Said::No),
            ("", Said::No),
            ("\n\n\n", Said::No),
            ("maybe\ny\n", Said::Yes),
            ("sure\nwhy not\nok\ny\n", Said::No),
        ] {
            let (mut out, _, _) = captured(typed, Talk::Terminal);
            let said = proceed(&mut out, Some(&plan(Tier::High)), Given::Nothing).unwrap();
            assert_eq!(said, want, "{typed:?}");
        }
        let (mut out, written, _) = captured("", Talk::Piped);
        assert_eq!(proceed(&mut out, Some(&plan(Tier::High)), Given::Yes).unwrap(), Said::Yes);
        assert_eq!(written.text(), "", "a yes that was given is not asked for");
    }

    #[test]
    fn a_critical_plan_wants_its_target_typed_whatever_the_flags_say() {
        for (typed, want) in [
            ("mini:/var/log\n", Said::Named("mini:/var/log".into())),
            ("y\n", Said::No),
            ("/var/log\n", Said::No),
            ("", Said::No),
        ] {
            for given in [Given::Yes, Given::Nothing] {
                let (mut out, _, _) = captured(typed, Talk::Terminal);
                let said = proceed(&mut out, Some(&plan(Tier::Critical)), given).unwrap();
                assert_eq!(said, want, "{typed:?} {given:?}");
            }
        }
        let (mut out, _, _) = captured("mini:/var/log\n", Talk::Piped);
        let why = proceed(&mut out, Some(&plan(Tier::Critical)), Given::Yes).unwrap_err();
        assert!(matches!(&why, Failure::Usage(w) if w.contains("mini:/var/log")), "{why}");
    }

    #[test]
    fn without_a_terminal_nobody_can_be_asked() {
        assert!(somebody(Talk::Terminal, Given::Nothing).is_ok());
        assert!(somebody(Talk::Piped, Given::Yes).is_ok());
        let why = somebody(Talk::Piped, Given::Nothing).unwrap_err();
        assert!(why.to_string().contains("--yes"), "{why}");
        assert_eq!(why.exit(), crate::cli::exit::Exit::USAGE);
    }
}
