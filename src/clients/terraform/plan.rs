//! A plan as `show -json` tells it: what happens to which address.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::model::taint::Tainted;
use crate::policy::redact::Redactor;

/// A value of an attribute is told up to this many characters.
const VALUE: usize = 60;
/// Attributes of one resource that are told.
const FIELDS: usize = 8;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Delete,
    /// Destroyed and made anew, in either order.
    Replace,
    /// Left alone, and forgotten by Terraform.
    Forget,
    Create,
    /// In place.
    Update,
    /// Only its name in the state changes, or it is taken into the state.
    Adopt,
    /// A data source, read while the plan is applied.
    Read,
    /// Something that this version of reef does not know.
    Unclear,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Replace => "REPLACE",
            Self::Forget => "forget",
            Self::Create => "create",
            Self::Update => "change",
            Self::Adopt => "adopt",
            Self::Read => "read",
            Self::Unclear => "UNCLEAR",
        }
    }

    /// Whether something that is there will be gone.
    pub fn destroys(self) -> bool {
        match self {
            Self::Delete | Self::Replace => true,
            Self::Forget
            | Self::Create
            | Self::Update
            | Self::Adopt
            | Self::Read
            | Self::Unclear => false,
        }
    }
}

/// One resource that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub kind: Kind,
    pub address: String,
    /// The attributes that change: `input: "v0" -> "v1"`; of a sensitive one its name only. Redacted.
    pub fields: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.address)?;
        match self.fields.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", self.fields.join("; ")),
        }
    }
}

/// All that a plan would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// What destroys first, then by address.
    pub all: Vec<Change>,
    /// Outputs that change: they lie in the state alone.
    pub outputs: u64,
    /// What else the plan would do that is no change of a resource, in words. Never harmless.
    pub strange: Vec<String>,
}

impl Changes {
    /// Reads what `show -json` printed of a plan. The error says why it is no plan that could be applied.
    pub fn read(json: &Json, redactor: &Redactor) -> Result<Self, String> {
        let format = json["format_version"].as_str().unwrap_or("");
        if !format.starts_with("1.") {
            return Err(format!("plans of the format {format:?} are not understood"));
        }
        if json["errored"].as_bool() == Some(true) {
            return Err("the plan ended with errors".into());
        }
        let mut all = Vec::new();
        for resource in json["resource_changes"].as_array().into_iter().flatten() {
            all.extend(change(resource, redactor)?);
        }
        all.sort_by(|a, b| (a.kind, &a.address).cmp(&(b.kind, &b.address)));
        let is_no_op = |change: &Json| actions(change) == ["no-op"];
        let outputs = json["output_changes"].as_object();
        let outputs = outputs.map_or(0, |all| all.values().filter(|c| !is_no_op(c)).count());
        let mut strange = Vec::new();
        for key in ["deferred_changes", "deferred_action_invocations", "action_invocations"] {
            if json[key].as_array().is_some_and(|list| !list.is_empty()) {
                strange.push(format!("it has {}", key.replace('_', " ")));
            }
        }
        if json["complete"].as_bool() == Some(false) {
            strange.push("it is not complete: a further plan would follow".into());
        }
        Ok(Self { all, outputs: outputs as u64, strange })
    }

    pub fn of(&self, kind: Kind) -> usize {
        self.all.iter().filter(|change| change.kind == kind).count()
    }

    /// Resources and outputs.
    pub fn count(&self) -> u64 {
        (self.all.len() + self.strange.len()) as u64 + self.outputs
    }

    /// Resources that will be gone, or gone and made anew.
    pub fn destroyed(&self) -> impl Iterator<Item = &Change> {
        self.all.iter().filter(|change| change.kind.destroys())
    }

    /// Why this is more than changes in place of these addresses; `None` where it is no more.
    pub fn beyond(&self, addresses: &BTreeSet<String>) -> Option<String> {
        if let Some(strange) = self.strange.first() {
            return Some(strange.clone());
        }
        self.all.iter().find_map(|change| match change.kind {
            Kind::Update if addresses.contains(&change.address) => None,
            Kind::Update => Some(format!(
                "{} is not among the addresses that the config lets change",
                change.address
            )),
            Kind::Delete
            | Kind::Replace
            | Kind::Forget
            | Kind::Create
            | Kind::Adopt
            | Kind::Read
            | Kind::Unclear => Some(format!("{} {}", change.kind.as_str(), change.address)),
        })
    }

    /// `1 to replace, 2 to change in place`.
    pub fn counted(&self) -> String {
        let parts = [
            (Kind::Delete, "to delete"),
            (Kind::Replace, "to replace"),
            (Kind::Create, "to create"),
            (Kind::Update, "to change in place"),
            (Kind::Forget, "to forget"),
            (Kind::Adopt, "to adopt"),
            (Kind::Read, "to read"),
            (Kind::Unclear, "that reef does not understand"),
        ];
        let said = parts.into_iter().map(|(kind, what)| (self.of(kind), what));
        let mut said: Vec<String> =
            said.filter(|(n, _)| 0 < *n).map(|(n, what)| format!("{n} {what}")).collect();
        if 0 < self.outputs {
            said.push(format!("{} outputs", self.outputs));
        }
        said.extend(self.strange.iter().cloned());
        if said.is_empty() { "nothing to change".to_owned() } else { said.join(", ") }
    }

    /// A line a resource: all that destroy, and of the others the first `most`.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let (destroy, other): (Vec<&Change>, Vec<&Change>) =
            self.all.iter().partition(|change| change.kind.destroys());
        let mut lines: Vec<String> = destroy
            .into_iter()
            .chain(other.iter().copied().take(most))
            .map(Change::to_string)
            .collect();
        if most < other.len() {
            lines.push(format!("and {} more", other.len() - most));
        }
        lines
    }
}

fn actions(change: &Json) -> Vec<&str> {
    change["actions"].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

/// `None` for what stays as it is.
fn change(resource: &Json, redactor: &Redactor) -> Result<Option<Change>, String> {
    let address = resource["address"].as_str().ok_or("a change has no address")?;
    // It is shown, and held against the config letter by letter.
    if address.is_empty() || 500 < address.len() || Tainted::new(address).as_str() != address {
        return Err("an address has letters that could deceive".into());
    }
    let about = &resource["change"];
    let adopted = !about["importing"].is_null() || !resource["previous_address"].is_null();
    let kind = match actions(about).as_slice() {
        ["no-op"] if !adopted => return Ok(None),
        ["no-op"] => Kind::Adopt,
        ["update"] if adopted => Kind::Adopt,
        ["update"] => Kind::Update,
        ["create"] => Kind::Create,
        ["read"] => Kind::Read,
        ["delete"] => Kind::Delete,
        ["delete", "create"] | ["create", "delete"] => Kind::Replace,
        ["forget"] => Kind::Forget,
        _ => Kind::Unclear,
    };
    let fields = match kind {
        Kind::Update | Kind::Replace | Kind::Adopt => fields(about, redactor),
        Kind::Delete | Kind::Forget | Kind::Create | Kind::Read | Kind::Unclear => Vec::new(),
    };
    let address = match resource["deposed"].as_str() {
        Some(key) => format!("{address} (deposed {})", Tainted::bounded(key, 20)),
        None => address.to_owned(),
    };
    Ok(Some(Change { kind, address, fields }))
}

fn fields(change: &Json, redactor: &Redactor) -> Vec<String> {
    let empty = Map::new();
    let table = |name: &str| change[name].as_object().unwrap_or(&empty);
    let (before, after, unknown) = (table("before"), table("after"), table("after_unknown"));
    let names: BTreeSet<&String> =
        before.keys().chain(after.keys()).chain(unknown.keys()).collect();
    let mut told = Vec::new();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let unknown = unknown.get(name).is_some_and(|u| *u == Json::Bool(true));
        if !unknown && old.unwrap_or(&Json::Null) == new.unwrap_or(&Json::Null) {
            continue;
        }
        let hidden = ["before_sensitive", "after_sensitive"].iter().any(|marks| {
            let marks = &change[*marks];
            *marks == Json::Bool(true) || marks.get(name).is_some_and(|m| *m != Json::Bool(false))
        });
        let value = |given: Option<&Json>| {
            let text = given.unwrap_or(&Json::Null).to_string();
            Tainted::bounded(&redactor.redact(&text), VALUE).as_str().to_owned()
        };
        let name = Tainted::bounded(name, VALUE);
        told.push(match (hidden, unknown) {
            (true, _) => format!("{name}: sensitive"),
            (false, true) => format!("{name}: {} -> known after apply", value(old)),
            (false, false) => format!("{name}: {} -> {}", value(old), value(new)),
        });
    }
    if FIELDS < told.len() {
        let more = told.len() - FIELDS;
        told.truncate(FIELDS);
        told.push(format!("{more} more"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Changes, String> {
        Changes::read(&serde_json::from_str(text).unwrap(), &Redactor::new(Vec::new()))
    }

    #[test]
    fn a_recorded_plan_is_told_by_address() {
        let changes = read(include_str!("recorded/replace.json")).unwrap();
        assert_eq!(changes.counted(), "1 to replace, 1 to change in place");
        let lines = changes.lines(10);
        assert!(lines[0].starts_with("REPLACE terraform_data.db ("), "{lines:?}");
        assert!(lines[0].contains("id: \""), "{lines:?}");
        assert_eq!(
            lines[1],
            "change terraform_data.web (input: \"v0\" -> \"v1\"; output: \"v0\" -> known after apply)"
        );
        let web = BTreeSet::from(["terraform_data.web".to_owned()]);
        let all = BTreeSet::from(["terraform_data.web".to_owned(), "terraform_data.db".to_owned()]);
        // A replacement is never a change in place, whoever lists it.
        for allowed in [&web, &all] {
            assert_eq!(changes.beyond(allowed).unwrap(), "REPLACE terraform_data.db");
        }
        assert_eq!(changes.destroyed().count(), 1);
    }

    /// A plan of one resource with these actions.
    fn of(actions: &str, more: &str) -> Changes {
        read(&format!(
            r#"{{"format_version":"1.2","resource_changes":[{{"address":"a.b[\"c\"]","change":{{"actions":{actions},"before":{{"p":"x"}},"after":{{"p":"y"}}}}{more}}}]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn only_an_update_in_place_of_a_listed_address_is_mild() {
        let listed = BTreeSet::from(["a.b[\"c\"]".to_owned()]);
        assert_eq!(of("[\"update\"]", "").beyond(&listed), None);
        assert!(of("[\"update\"]", "").beyond(&BTreeSet::new()).unwrap().contains("not among"));
        let near = BTreeSet::from(["a.b".to_owned(), "*".to_owned(), "a.*".to_owned()]);
        assert!(of("[\"update\"]", "").beyond(&near).is_some());
        for (actions, more) in [
            ("[\"delete\"]", ""),
            ("[\"delete\",\"create\"]", ""),
            ("[\"create\",\"delete\"]", ""),
            ("[\"create\"]", ""),
            ("[\"read\"]", ""),
            ("[\"forget\"]", ""),
            ("[\"update\",\"forget\"]", ""),
            ("[]", ""),
            ("[\"later\"]", ""),
            ("[\"update\"]", ",\"previous_address\":\"a.c\""),
            ("[\"no-op\"]", ",\"previous_address\":\"a.c\""),
        ] {
            assert!(of(actions, more).beyond(&listed).is_some(), "{actions} {more}");
        }
        assert_eq!(of("[\"no-op\"]", "").count(), 0);
        let strange = read(r#"{"format_version":"1.2","complete":false}"#).unwrap();
        assert!(strange.beyond(&listed).is_some() && strange.count() == 1);
    }

    #[test]
    fn sensitive_values_stay_where_they_are() {
        for marks in ["true", "{\"p\":true}", "{\"p\":{\"deep\":true}}"] {
            let text = format!(
                r#"{{"format_version":"1.2","resource_changes":[{{"address":"a.b","change":{{"actions":["update"],"before":{{"p":"first"}},"after":{{"p":"second"}},"before_sensitive":{marks},"after_sensitive":false}}}}]}}"#
            );
            assert_eq!(read(&text).unwrap().all[0].fields, ["p: sensitive"], "{marks}");
        }
    }

    #[test]
    fn what_is_no_plan_is_said() {
        for (text, why) in [
            ("{}", "format"),
            (r#"{"format_version":"2.0"}"#, "format"),
            (r#"{"format_version":"1.2","errored":true}"#, "errors"),
            (r#"{"format_version":"1.2","resource_changes":[{}]}"#, "no address"),
            (
                "{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"a\u{202e}b\"}]}",
                "deceive",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
