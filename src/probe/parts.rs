//! Parts of one endpoint that come and go: alerts, series, guests, backends.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::answer::NoAnswer;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::probe::voice::Voice;

/// More parts than anybody looks at one by one; the mildest beyond are counted only.
const MOST: usize = 300;
/// When a part was seen that a former life spoke of.
const BEFORE: Millis = Millis(i64::MIN);
/// The longest name of a part that is kept as it is.
const NAME: usize = 80;

/// The parts that a probe spoke of.
#[derive(Debug, Default)]
pub struct Parts {
    /// How long a part that is not there any more is unknown, before it is gone for good.
    linger: Span,
    /// When each was last seen, and who explains it.
    known: BTreeMap<Signal, (Millis, Option<Signal>)>,
    gone: Vec<Signal>,
}

impl Parts {
    /// What is missing is gone at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is missing is unknown for so long.
    pub fn lingering(linger: Span) -> Self {
        Self { linger, ..Self::default() }
    }

    /// The parts of `main` among what was spoken of before this life: what the first whole look does not see is missing
    /// like any other.
    pub fn recall(&mut self, main: &Signal, before: &[Signal]) {
        let beginning = format!("{}.", main.target.name());
        let is_part = |signal: &&Signal| {
            signal.target.on() == main.target.on() && signal.target.name().starts_with(&beginning)
        };
        for signal in before.iter().filter(is_part) {
            self.known.entry(signal.clone()).or_insert((BEFORE, None));
        }
    }

    /// What a whole look says: `main` first, then its parts, the worst of them where there are too many,
    /// and what was there before and is missing.
    pub fn seen(&mut self, mut main: Reading, mut parts: Vec<Reading>) -> Vec<Reading> {
        let now = main.at;
        if MOST < parts.len() {
            parts.sort_by_key(|part| std::cmp::Reverse(part.severity));
            let words = format!("{}; {} more are not told", main.words, parts.len() - MOST);
            main.words = Tainted::bounded(&words, 400);
            parts.truncate(MOST);
        }
        for part in &parts {
            self.known.insert(part.signal.clone(), (now, part.parent.clone()));
        }
        let ill: BTreeSet<&Signal> =
            parts.iter().filter(|p| p.severity != Severity::Green).map(|p| &p.signal).collect();
        let mut missing = Vec::new();
        let gone = &mut self.gone;
        self.known.retain(|signal, (seen, parent)| {
            if *seen == now {
                return true;
            }
            if *seen == BEFORE {
                *seen = now - Span(1);
            }
            // What lies on a machine that is down is not gone, but out of sight.
            let hidden = parent.as_ref().is_some_and(|parent| ill.contains(parent));
            let stays = hidden || now.since(*seen) < self.linger;
            match stays {
                true => missing.push((signal.clone(), parent.clone())),
                false => gone.push(signal.clone()),
            }
            stays
        });
        let missing: Vec<Reading> = missing
            .into_iter()
            .map(|(signal, parent)| {
                let words = "it was there and is not seen now";
                let lost = Reading::unknown(signal, now, Word::of("missing"), words);
                Reading { parent, ..lost }
            })
            .collect();
        std::iter::once(main).chain(parts).chain(missing).collect()
    }

    /// What is said where nobody could look: `main`, and every known part as unknown.
    pub fn unseen(&self, main: Reading, why: &NoAnswer) -> Vec<Reading> {
        let now = main.at;
        let main_signal = main.signal.clone();
        let of = |(signal, (_, parent)): (&Signal, &(Millis, Option<Signal>))| Reading {
            // Whoever does not answer explains what it would have told, over another part or by itself.
            parent: parent
                .clone()
                .filter(|parent| self.known.contains_key(parent))
                .or_else(|| Some(main_signal.clone())),
            ..Reading::unknown(signal.clone(), now, Word::of(why.word()), &why.to_string())
        };
        let parts: Vec<Reading> = self.known.iter().map(of).collect();
        std::iter::once(main).chain(parts).collect()
    }

    /// Those that are gone for good; told once.
    pub fn retired(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.gone)
    }
}

/// The part of this name, whatever characters are in it.
pub fn part(voice: &Voice, name: &str) -> Voice {
    part_of(voice, name, name)
}

/// The part that is called `name` and told from others by all of `identity`: where the name alone does
/// not say it, a digest follows.
pub fn part_of(voice: &Voice, name: &str, identity: &str) -> Voice {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let kept: String = name.chars().take(NAME).map(|c| if plain(c) { c } else { '-' }).collect();
    // No name begins as an option does.
    let kept = kept.trim_start_matches('-').to_owned();
    let called = match kept == identity && !identity.is_empty() {
        true => kept,
        false => format!("{kept}.{}", Digest::of(identity.as_bytes()).short()),
    };
    // A name of these letters is always one.
    voice.part(&called).unwrap_or_else(|| voice.clone())
}

/// How many are bad, in words: `2 of 7 are not green`.
pub fn tally(parts: &[Reading]) -> String {
    let bad = parts.iter().filter(|part| part.severity != Severity::Green).count();
    match bad {
        0 => format!("{} looked at", parts.len()),
        bad => format!("{bad} of {} not green", parts.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice() -> Voice {
        Voice::new("alerts", "mini:endpoint:main".parse().unwrap())
    }

    fn said(name: &str, severity: Severity, at: i64) -> Reading {
        part(&voice(), name).reading("alert", (severity, "x"), "", Millis(at))
    }

    fn main(at: i64) -> Reading {
        voice().reading("alerts", (Severity::Green, "ok"), "fine", Millis(at))
    }

    #[test]
    fn what_is_gone_is_told_once_and_what_is_missing_is_unknown_first() {
        let mut parts = Parts::lingering(Span(10));
        let two = vec![said("a", Severity::Red, 1), said("b", Severity::Green, 1)];
        assert_eq!(parts.seen(main(1), two).len(), 3);
        let again = parts.seen(main(5), vec![said("b", Severity::Green, 5)]);
        assert_eq!((again.len(), again[2].severity), (3, Severity::Unknown));
        assert_eq!(again[2].signal.target.to_string(), "mini:endpoint:main.a");
        assert!(parts.retired().is_empty());
        assert_eq!(parts.seen(main(11), vec![said("b", Severity::Green, 11)]).len(), 2);
        assert_eq!(parts.retired().len(), 1);
        assert!(parts.retired().is_empty());
        let blind = parts.unseen(main(12), &NoAnswer::Refused);
        assert_eq!((blind.len(), blind[1].reason.as_str()), (2, "refused"));
    }

    #[test]
    fn what_a_former_life_knew_is_gone_where_the_first_whole_look_does_not_see_it() {
        let main_signal = voice().signal("alerts");
        let [a, b] = ["a", "b"].map(|name| said(name, Severity::Red, 1).signal);
        let other = Voice::new("alerts", "mini:endpoint:main2".parse().unwrap());
        let other = part(&other, "x").signal("alert");
        let before = [a.clone(), b.clone(), other, main_signal.clone()];
        for (mut parts, gone) in [(Parts::new(), 1), (Parts::lingering(Span(10)), 0)] {
            parts.recall(&main_signal, &before);
            let blind = parts.unseen(main(1), &NoAnswer::Refused);
            assert_eq!((blind.len(), &blind[1].parent), (3, &Some(main_signal.clone())));
            assert!(parts.retired().is_empty(), "nobody could look");
            parts.seen(main(2), vec![said("b", Severity::Red, 2)]);
            assert_eq!(parts.retired().len(), gone);
            parts.seen(main(20), vec![said("b", Severity::Red, 20)]);
            assert_eq!(parts.retired().len(), 1 - gone);
        }
    }

    #[test]
    fn too_many_are_cut_at_the_mild_end() {
        let mut parts = Parts::new();
        let mut many: Vec<Reading> =
            (0..MOST + 5).map(|n| said(&format!("n{n}"), Severity::Green, 1)).collect();
        many.push(said("bad", Severity::Red, 1));
        let told = parts.seen(main(1), many);
        assert_eq!(told.len(), MOST + 1);
        assert!(told.iter().any(|r| r.severity == Severity::Red));
        assert!(told[0].words.as_str().contains("6 more"), "{}", told[0].words);
    }

    #[test]
    fn any_name_is_a_part_and_two_are_two() {
        let name = |given: &str| part(&voice(), given).signal("x").target.to_string();
        assert_eq!(name("vm-100"), "mini:endpoint:main.vm-100");
        let (a, b) = (name("/dev/sda 1"), name("/dev/sda-1"));
        assert!(a != b && a.starts_with("mini:endpoint:main.dev-sda-1."), "{a} {b}");
        for odd in ["", "*", "ü", &"x".repeat(1_000)] {
            assert!(name(odd).starts_with("mini:endpoint:main."), "{odd}");
        }
    }
}
