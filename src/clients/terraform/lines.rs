//! What Terraform and OpenTofu print with `-json`: one object a line.

use serde_json::Value as Json;

/// Resources, and lines of an error, that are kept.
const MOST: usize = 500;

/// The lines of one run, as far as they matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Address and action of each resource that would change: `update`, `replace`, `delete`, `create` ...
    pub planned: Vec<(String, String)>,
    /// Addresses that were changed behind Terraform's back.
    pub drifted: Vec<String>,
    /// Address and action of each that was begun.
    pub begun: Vec<(String, String)>,
    /// Those that came to their end.
    pub ended: Vec<(String, String)>,
    /// The last summary.
    pub summary: Option<Summary>,
    /// Summary and detail of each error.
    pub errors: Vec<String>,
}

/// How many resources a plan or an apply speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `plan` or `apply`.
    pub operation: String,
    pub add: u64,
    pub change: u64,
    pub remove: u64,
}

impl Lines {
    /// Reads all lines; what is no such line is passed over.
    pub fn parse(text: &str) -> Self {
        let mut lines = Self::default();
        for line in text.lines() {
            if let Ok(said) = serde_json::from_str::<Json>(line) {
                lines.take(&said);
            }
        }
        lines
    }

    fn take(&mut self, said: &Json) {
        match text(said, "/type") {
            Some("planned_change") => keep(&mut self.planned, resource(said, "change")),
            Some("resource_drift") => {
                keep(&mut self.drifted, resource(said, "change").map(|(address, _)| address));
            }
            Some("apply_start") => keep(&mut self.begun, resource(said, "hook")),
            Some("apply_complete") => keep(&mut self.ended, resource(said, "hook")),
            Some("change_summary") => {
                let n = |name: &str| said["changes"][name].as_u64().unwrap_or(0);
                let operation = text(said, "/changes/operation").unwrap_or("").to_owned();
                let summary =
                    Summary { operation, add: n("add"), change: n("change"), remove: n("remove") };
                self.summary = Some(summary);
            }
            Some("diagnostic") if text(said, "/diagnostic/severity") == Some("error") => {
                let part = |name| text(said, name).unwrap_or("").trim();
                let (summary, detail) = (part("/diagnostic/summary"), part("/diagnostic/detail"));
                let words = match detail.is_empty() {
                    true => summary.to_owned(),
                    false => format!("{summary}: {detail}"),
                };
                keep(&mut self.errors, Some(words));
            }
            Some(_) | None => {}
        }
    }
}

fn text<'a>(json: &'a Json, pointer: &str) -> Option<&'a str> {
    json.pointer(pointer).and_then(Json::as_str)
}

fn keep<T>(all: &mut Vec<T>, one: Option<T>) {
    all.extend(one.filter(|_| all.len() < MOST));
}

fn resource(said: &Json, within: &str) -> Option<(String, String)> {
    let about = said.get(within)?;
    let address = text(about, "/resource/addr")?.to_owned();
    Some((address, text(about, "/action").unwrap_or("").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_plan_is_read() {
        let lines = Lines::parse(include_str!("recorded/drift.jsonl"));
        assert_eq!(lines.planned, [("terraform_data.web".to_owned(), "update".to_owned())]);
        let summary = Summary { operation: "plan".into(), change: 1, ..Summary::default() };
        assert_eq!(lines.summary, Some(summary));
        assert!(lines.errors.is_empty() && lines.begun.is_empty());
    }

    #[test]
    fn a_recorded_apply_and_a_stale_one_are_read() {
        let lines = Lines::parse(include_str!("recorded/apply.jsonl"));
        assert_eq!(lines.begun.len(), 3, "{lines:?}");
        assert_eq!(lines.begun, lines.ended, "{lines:?}");
        let summary = lines.summary.unwrap();
        assert_eq!((summary.operation.as_str(), summary.add, summary.remove), ("apply", 1, 1));
        let stale = Lines::parse(include_str!("recorded/stale.jsonl"));
        assert!(stale.errors[0].starts_with("Saved plan is stale: The given"), "{stale:?}");
        assert!(stale.begun.is_empty() && stale.summary.is_none());
    }

    #[test]
    fn whatever_else_it_prints_is_passed_over() {
        let odd = "panic: x\n{}\n[1]\n{\"type\":\"planned_change\"}\n{\"type\":\"diagnostic\",\"diagnostic\":{\"severity\":\"warning\"}}\n";
        assert_eq!(Lines::parse(odd), Lines::default());
    }
}
