//! Which runbook answers a reading.

use regex::Regex;

use crate::model::ids::{HostName, Word};
use crate::model::reading::{Concern, Reading};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::value::Value;
use crate::runbook::{Example, Runbook};

/// What a runbook answers. An empty list takes everything, but no match is empty as a whole.
#[derive(Debug, Clone)]
pub struct Match {
    pub probe: Vec<Word>,
    pub severity: Vec<Severity>,
    pub target: Option<TargetMatch>,
    pub reason: Vec<Word>,
    pub pattern: Option<Pattern>,
}

/// Which targets are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetMatch {
    /// `nas:/var`.
    Exact(Target),
    /// `:/var` or `:unit:nginx.service`: on any host.
    AnyHost { thing: Thing, name: String },
    /// `unit`: any thing of this kind.
    Kind(Thing),
}

/// A regular expression over a log's template; matching takes time linear in the text.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl Match {
    /// Whether a reading is of the kind that this runbook answers. A match that names no severity
    /// takes yellow and red. What may be an intruder's doing is taken by none: it is for the human.
    pub fn takes(&self, reading: &Reading) -> bool {
        if reading.concern == Concern::Security {
            return false;
        }
        let target = &reading.signal.target;
        (self.probe.is_empty() || self.probe.contains(&reading.signal.probe))
            && self.takes_severity(reading.severity)
            && self.target.as_ref().is_none_or(|wanted| wanted.takes(target))
            && (self.reason.is_empty() || self.reason.contains(&reading.reason))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.takes(reading))
    }

    fn takes_severity(&self, severity: Severity) -> bool {
        match severity {
            Severity::Green => false,
            Severity::Unknown => self.severity.contains(&severity),
            Severity::Yellow | Severity::Red => {
                self.severity.is_empty() || self.severity.contains(&severity)
            }
        }
    }

    /// Whether steps above low may stand in a plan at this severity: at red, and at yellow only where
    /// the match names it. Elsewhere the runbook only diagnoses.
    pub fn acts_at(&self, severity: Severity) -> bool {
        match severity {
            Severity::Green | Severity::Unknown => false,
            Severity::Yellow => self.severity.contains(&severity),
            Severity::Red => self.takes_severity(severity),
        }
    }

    /// How narrow the match is; the order is the order of precedence.
    fn narrowness(&self) -> (u8, bool, bool, bool, bool) {
        let target = match &self.target {
            Some(TargetMatch::Exact(_)) => 3,
            Some(TargetMatch::AnyHost { .. }) => 2,
            Some(TargetMatch::Kind(_)) => 1,
            None => 0,
        };
        (
            target,
            self.pattern.is_some(),
            !self.reason.is_empty(),
            !self.severity.is_empty(),
            !self.probe.is_empty(),
        )
    }
}

impl TargetMatch {
    fn takes(&self, target: &Target) -> bool {
        match self {
            Self::Exact(wanted) => wanted == target,
            Self::AnyHost { thing, name } => *thing == target.thing() && name == target.name(),
            Self::Kind(thing) => *thing == target.thing(),
        }
    }
}

impl Pattern {
    /// Held against the reading's template, or against its words where it has none.
    fn takes(&self, reading: &Reading) -> bool {
        match reading.values.get("template") {
            Some(Value::Text(template)) => self.0.is_match(template.as_str()),
            Some(other) => self.0.is_match(&other.to_string()),
            None => self.0.is_match(reading.words.as_str()),
        }
    }
}

impl Example {
    /// The reading that it stands for, as far as a match looks at it.
    fn reading(&self) -> Result<Reading, String> {
        let nowhere = || HostName::new("host").map(Target::host).map_err(|bad| bad.to_string());
        let target = self.target.clone().map_or_else(nowhere, Ok)?;
        let signal = Signal { probe: self.probe.clone(), target, aspect: Word::of("example") };
        let reason = self.reason.clone().unwrap_or_else(|| Word::of("example"));
        let words = self.text.as_deref().unwrap_or("");
        Ok(Reading::new(signal, Millis(0), self.severity, reason, words))
    }

    /// Whether `matches` takes the reading that this stands for.
    pub fn is_taken_by(&self, matches: &Match) -> bool {
        self.reading().is_ok_and(|reading| matches.takes(&reading))
    }
}

/// The narrowest match wins (target, then pattern, reason, severity, probe); among equals the first
/// by name.
pub fn select<'a>(books: &'a [Runbook], reading: &Reading) -> Option<&'a Runbook> {
    books.iter().filter(|book| book.matches.takes(reading)).min_by(|a, b| {
        b.matches.narrowness().cmp(&a.matches.narrowness()).then_with(|| a.name.cmp(&b.name))
    })
}

/// The runbook whose pattern knows this line or template, whatever probe brought it.
pub fn knows<'a>(books: &'a [Runbook], template: &str) -> Option<&'a Runbook> {
    books.iter().find(|book| {
        book.matches.pattern.as_ref().is_some_and(|pattern| pattern.0.is_match(template))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::RunbookName;
    use crate::model::taint::Tainted;
    use crate::runbook::parse;

    fn book(name: &str, matches: &str) -> Runbook {
        let text = format!(
            "+++\ntitle = \"{name}\"\nmatch = {matches}\n+++\n```step\nname = \"look\"\ntool = \"disk.usage\"\n```\n"
        );
        match parse(RunbookName::new(name).unwrap(), &text) {
            Ok(book) => book,
            Err(mistakes) => panic!("{matches}: {mistakes:?}"),
        }
    }

    fn reading(probe: &str, target: &str, severity: Severity, reason: &str) -> Reading {
        let signal = Signal {
            probe: Word::new(probe).unwrap(),
            target: target.parse().unwrap(),
            aspect: Word::of("bytes"),
        };
        Reading::new(signal, Millis(0), severity, Word::new(reason).unwrap(), "some words")
    }

    #[test]
    fn a_match_takes_what_all_of_its_keys_take() {
        use Severity::{Green, Red, Unknown, Yellow};
        let red = |target| reading("disk", target, Red, "bytes");
        let cases = [
            (r#"{ probe = "disk" }"#, red("nas:/var"), true),
            (r#"{ probe = ["cpu", "disk"] }"#, red("nas:/var"), true),
            (r#"{ probe = "cpu" }"#, red("nas:/var"), false),
            (r#"{ probe = "disk" }"#, reading("disk", "nas:/var", Yellow, "bytes"), true),
            (r#"{ probe = "disk" }"#, reading("disk", "nas:/var", Green, "ok"), false),
            (r#"{ probe = "disk" }"#, reading("disk", "nas:/var", Unknown, "stale"), false),
            (
                r#"{ probe = "disk", severity = "unknown" }"#,
                reading("disk", "nas:/var", Unknown, "stale"),
                true,
            ),
            (r#"{ probe = "disk", severity = ["yellow"] }"#, red("nas:/var"), false),
            (r#"{ target = "nas:/var" }"#, red("nas:/var"), true),
            (r#"{ target = "nas:/var" }"#, red("mini:/var"), false),
            (r#"{ target = ":/var" }"#, red("mini:/var"), true),
            (r#"{ target = ":/var" }"#, red("mini:/var/log"), false),
            (r#"{ target = "path" }"#, red("mini:/home"), true),
            (r#"{ target = "unit" }"#, red("mini:/home"), false),
            (r#"{ target = ":unit:a.service" }"#, red("mini:unit:a.service"), true),
            (r#"{ target = "nas" }"#, red("nas"), true),
            (r#"{ target = "nas" }"#, red("nas:/var"), false),
            (r#"{ probe = "disk", reason = ["inodes", "bytes"] }"#, red("nas:/var"), true),
            (r#"{ probe = "disk", reason = "inodes" }"#, red("nas:/var"), false),
            (r#"{ pattern = "some w" }"#, red("nas:/var"), true),
            (r#"{ pattern = "^words" }"#, red("nas:/var"), false),
        ];
        for (matches, reading, want) in cases {
            assert_eq!(book("b", matches).matches.takes(&reading), want, "{matches}");
        }
    }

    #[test]
    fn a_pattern_is_held_against_the_template_where_there_is_one() {
        let mut errors = reading("errors", "mini:log:journal", Severity::Yellow, "spike");
        errors.values.insert("template".into(), Value::Text(Tainted::new("No space left on <*>")));
        let takes = |pattern: &str| {
            book("b", &format!("{{ pattern = '{pattern}' }}")).matches.takes(&errors)
        };
        assert!(takes("(?i)no space left") && !takes("some words"));
    }

    #[test]
    fn only_a_match_that_names_yellow_acts_at_yellow() {
        use Severity::{Red, Unknown, Yellow};
        for (matches, yellow, red) in [
            (r#"{ probe = "disk" }"#, false, true),
            (r#"{ probe = "disk", severity = ["yellow", "red", "unknown"] }"#, true, true),
            (r#"{ probe = "cpu", severity = ["yellow"] }"#, true, false),
        ] {
            let matches = book("b", matches).matches;
            assert_eq!((matches.acts_at(Yellow), matches.acts_at(Red)), (yellow, red));
            assert!(!matches.acts_at(Unknown));
        }
    }

    #[test]
    fn no_runbook_takes_what_may_be_an_intruders_doing() {
        let all = [
            book("any", r#"{ probe = ["security", "disk"] }"#),
            book("probe", r#"{ probe = "security" }"#),
            book("exact", r#"{ target = "nas" }"#),
        ];
        let usual = reading("security", "nas", Severity::Red, "ports");
        assert_eq!(select(&all, &usual).map(|book| book.name.as_str()), Some("exact"));
        let (signal, reason) = (usual.signal, Word::of("port"));
        let alarm = Reading::security(signal, Millis(0), reason, "new port", &[]);
        assert!(select(&all, &alarm).is_none());
    }

    #[test]
    fn the_narrowest_match_wins_and_ties_go_by_name() {
        let all = [
            book("z-probe", r#"{ probe = "disk" }"#),
            book("b-severity", r#"{ probe = "disk", severity = ["red"] }"#),
            book("a-severity", r#"{ probe = "disk", severity = ["red", "yellow"] }"#),
            book("reason", r#"{ probe = "disk", reason = "bytes" }"#),
            book("pattern", r#"{ pattern = "some words" }"#),
            book("kind", r#"{ target = "path" }"#),
            book("any-host", r#"{ target = ":/var" }"#),
            book("exact", r#"{ target = "nas:/var" }"#),
        ];
        let red = reading("disk", "nas:/var", Severity::Red, "bytes");
        let order = [
            "exact",
            "any-host",
            "kind",
            "pattern",
            "reason",
            "a-severity",
            "b-severity",
            "z-probe",
        ];
        let mut left = all.to_vec();
        for want in order {
            let won = select(&left, &red).map(|book| book.name.as_str().to_owned());
            assert_eq!(won.as_deref(), Some(want));
            left.retain(|book| book.name.as_str() != want);
        }
        assert!(select(&left, &red).is_none());
    }
}
