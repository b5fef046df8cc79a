//! What the records of a run say beside its plan. It is stored with the plan, so that what is done after a restart
//! is told as what would have been done before it.

use serde::{Deserialize, Serialize};

use crate::model::digest::{Canonical, Digest};
use crate::model::ids::{ActionId, IncidentId, ToolName};
use crate::model::reading::Reading;
use crate::model::tool::Call;

/// Calls that one run's records name; a model's bounds and a runbook's length lie far below.
const MOST: usize = 60;

/// What a run is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    pub incident: Option<IncidentId>,
    /// Why there is a run at all: `red disk mini:/var: 93 %`.
    pub reason: String,
    /// What led to the plan, oldest first; each call once, however often it was made.
    pub looked: Vec<Looked>,
    /// The action that the run undoes, whoever asked for that.
    pub undoes: Option<ActionId>,
    /// What the last look of the verification showed: its record is written in the same life.
    #[serde(skip)]
    pub proof: Option<String>,
}

/// A low call that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    pub tool: ToolName,
    /// Over the whole call: the same tool with other arguments is another look.
    pub call: Digest,
}

impl Told {
    pub fn about(reading: &Reading, incident: Option<IncidentId>) -> Self {
        let reason =
            format!("{} {}: {}", reading.severity, reading.signal, reading.words.first_line());
        Self { incident, reason, ..Self::default() }
    }

    /// Notes a call; one that was made before stands there already.
    pub fn called(&mut self, call: &Call) {
        let digest = call.canonical(Canonical::new("looked 1")).finish();
        let known = self.looked.iter().any(|looked| looked.call == digest);
        if !known && self.looked.len() < MOST {
            self.looked.push(Looked { tool: call.tool.clone(), call: digest });
        }
    }

    /// The tools that led to the plan, oldest first.
    pub fn tools(&self) -> Vec<String> {
        self.looked.iter().map(|looked| looked.tool.to_string()).collect()
    }

    /// The same, and then the tool that acts.
    pub fn tools_and(&self, acts: &ToolName) -> Vec<String> {
        let mut tools = self.tools();
        tools.push(acts.to_string());
        tools
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tool::Bounds;
    use crate::model::value::Values;

    #[test]
    fn a_call_made_twice_stands_once_and_another_target_is_another_call() {
        let call = |tool: &'static str, target: &str| Call {
            tool: ToolName::of(tool),
            target: target.parse().unwrap(),
            args: Values::new(),
            bounds: Bounds::default(),
        };
        let mut told = Told::default();
        for (tool, target) in [
            ("unit.status", "mini:unit:web.service"),
            ("unit.logs", "mini:unit:web.service"),
            ("unit.status", "mini:unit:web.service"),
            ("unit.status", "mini:unit:db.service"),
        ] {
            told.called(&call(tool, target));
        }
        assert_eq!(told.tools(), ["unit.status", "unit.logs", "unit.status"]);
        let acts = told.tools_and(&ToolName::of("unit.restart"));
        assert_eq!(acts.last().map(String::as_str), Some("unit.restart"));
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Told>(&json).unwrap(), told);
    }
}
