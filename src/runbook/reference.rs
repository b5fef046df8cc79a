//! References: how a runbook names a value that is known only when it runs.
//!
//! A string `NAME.FIELD` is a reference when NAME is `reading`, `param` or the name of a step; every
//! other string is a literal. `{ literal = "reading.path" }` writes such a string literally.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::mistakes::closest;
use crate::model::ids::StepName;
use crate::runbook::fields::brief;

/// `NAME.FIELD`: a value of the reading, of a step before, or of the front matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    pub of: RefOf,
    pub field: String,
}

/// Whose value a reference names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefOf {
    Reading,
    Param,
    Step(StepName),
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            RefOf::Reading => write!(f, "reading.{}", self.field),
            RefOf::Param => write!(f, "param.{}", self.field),
            RefOf::Step(name) => write!(f, "{name}.{}", self.field),
        }
    }
}

/// Text with `{{ NAME.FIELD }}` in it: only what is shown to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    pub(super) parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Value(Ref),
    /// `{{ each }}`: the item that an option was made for.
    Each,
}

/// Whether a template belongs to an option that is made for each item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EachItem {
    No,
    Yes,
}

/// What a string turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Ref(Ref),
    Literal,
    /// Meant as a reference, but wrong; a clause with what to write.
    Wrong(String),
}

/// How far a block sees: a step only what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    /// The steps before this index.
    Before(usize),
    All,
}

/// All names that a reference may start with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// In the order of the file, with their lines; a step whose name cannot be read has none.
    pub(super) steps: Vec<(Option<StepName>, usize)>,
    pub(super) params: BTreeSet<String>,
}

impl Names {
    /// Tells a reference from a literal.
    pub(super) fn say(&self, text: &str, sees: Sees) -> Said {
        let Some((name, field)) = halves(text) else { return Said::Literal };
        let made = |of| Said::Ref(Ref { of, field: field.to_owned() });
        match name {
            "reading" => made(RefOf::Reading),
            "param" if self.params.contains(field) => made(RefOf::Param),
            "param" => {
                let params = self.params.iter().map(String::as_str);
                Said::Wrong(format!(
                    "no param is called \"{}\"{}",
                    brief(field),
                    crate::config::mistakes::hint(field, params)
                ))
            }
            name => self.step(name, field, sees).unwrap_or_else(|| self.unknown(name, field)),
        }
    }

    fn step(&self, name: &str, field: &str, sees: Sees) -> Option<Said> {
        let mut steps = self.steps.iter().enumerate();
        let (at, name, line) = steps.find_map(|(at, (step, line))| {
            let step = step.as_ref().filter(|step| step.as_str() == name)?;
            Some((at, step, line))
        })?;
        Some(match sees {
            Sees::Before(own) if at == own => {
                Said::Wrong(format!("step \"{name}\" refers to itself; a runbook has no loops"))
            }
            Sees::Before(own) if own < at => Said::Wrong(format!(
                "step \"{name}\" comes later, on line {line}; a step sees only the steps before it"
            )),
            Sees::Before(_) | Sees::All => {
                Said::Ref(Ref { of: RefOf::Step(name.clone()), field: field.to_owned() })
            }
        })
    }

    /// A literal with a dot, unless it looks like a reference with a slip in it.
    fn unknown(&self, name: &str, field: &str) -> Said {
        let steps = self.steps.iter().filter_map(|(step, _)| Some(step.as_ref()?.as_str()));
        let known = steps.chain(["reading", "param"]);
        match closest(name, known) {
            Some(near) => Said::Wrong(format!(
                "nothing is called \"{}\"; did you mean \"{near}.{}\"? To mean these very letters, write {{ literal = \"{0}.{2}\" }}",
                brief(name),
                brief(field),
                brief(field),
            )),
            None => Said::Literal,
        }
    }
}

/// The two halves of what could be a reference.
fn halves(text: &str) -> Option<(&str, &str)> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 64
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    text.split_once('.').filter(|(name, field)| plain(name) && plain(field))
}

impl Template {
    /// Reads `{{ NAME.FIELD }}`; the errors are clauses.
    pub(super) fn read(text: &str, names: &Names, each: EachItem) -> Result<Self, Vec<String>> {
        let (mut parts, mut wrong) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((inner, after)) = after.split_once("}}") else {
                wrong.push("has \"{{\" without its \"}}\"".to_owned());
                rest = "";
                break;
            };
            let inner = inner.trim();
            match (inner, names.say(inner, Sees::All)) {
                ("each", _) if each == EachItem::Yes => parts.push(Part::Each),
                ("each", _) => {
                    wrong.push("has {{ each }}, but its option has no each = \"STEP.LIST\"".into());
                }
                (_, Said::Ref(r)) => parts.push(Part::Value(r)),
                (_, Said::Wrong(why)) => wrong.push(why),
                (_, Said::Literal) => wrong.push(format!(
                    "\"{}\" is no reference; write {{{{ reading.NAME }}}} or {{{{ STEP.NAME }}}}",
                    brief(inner)
                )),
            }
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if wrong.is_empty() { Ok(Self { parts }) } else { Err(wrong) }
    }

    /// The references in it.
    pub(super) fn refs(&self) -> impl Iterator<Item = &Ref> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(r) => Some(r),
            Part::Text(_) | Part::Each => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let step = |name: &str, line| (StepName::new(name).ok(), line);
        Names {
            steps: vec![step("largest", 5), step("rotate", 9), step("late", 20)],
            params: BTreeSet::from(["older".to_owned()]),
        }
    }

    #[test]
    fn a_reference_is_told_from_a_literal_by_its_first_name() {
        let sees = Sees::Before(1);
        for (text, want) in [
            ("reading.path", "reading.path"),
            ("param.older", "param.older"),
            ("largest.path", "largest.path"),
        ] {
            let said = names().say(text, sees);
            assert!(matches!(&said, Said::Ref(r) if r.to_string() == want), "{text}: {said:?}");
        }
        for text in
            ["/var/log", "nginx.service", "30d", "logs", "largest.", "a.b.c", ".", "", "1.5"]
        {
            assert_eq!(names().say(text, sees), Said::Literal, "{text}");
        }
    }

    #[test]
    fn a_slip_in_a_reference_is_told_and_never_taken_for_a_literal() {
        for (text, want) in [
            (
                "largset.path",
                "did you mean \"largest.path\"? To mean these very letters, write { literal = \"largset.path\" }",
            ),
            ("readin.path", "did you mean \"reading.path\"?"),
            ("param.oldr", "did you mean \"older\"?"),
            ("rotate.path", "refers to itself"),
            ("late.path", "comes later, on line 20"),
        ] {
            let said = names().say(text, Sees::Before(1));
            assert!(matches!(&said, Said::Wrong(why) if why.contains(want)), "{text}: {said:?}");
        }
    }

    #[test]
    fn a_template_takes_references_and_nothing_else() {
        let read = |text| Template::read(text, &names(), EachItem::No);
        assert_eq!(read("{{ largest.path }} and {{reading.severity}}.").unwrap().refs().count(), 2);
        for (text, want) in [
            ("{{ largest.path", "without its"),
            ("{{ }}", "is no reference"),
            ("{{ largset.path }}", "did you mean"),
            ("{{ each }}", "has no each"),
        ] {
            assert!(read(text).unwrap_err()[0].contains(want), "{text}");
        }
    }
}
