//! From what the model wrote to what code holds: ids become values, or the model is told why not.

use serde_json::{Map, Value as Json};

use crate::agent::cards::is_open;
use crate::agent::evidence::Evidence;
use crate::model::target::{AbsPath, Target};
use crate::model::tool::{Bounds, Call, Input, Need, ToolSpec};
use crate::model::value::{Value, Values};

/// What the model is told when its call cannot be taken. Never more than reef's own words: what it
/// wrote is not repeated to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) String);

impl From<&str> for Refusal {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

/// The incident's side of every call.
#[derive(Debug)]
pub(super) struct Scope {
    /// What every call is about.
    pub(super) own: Target,
    /// The runbook's; without one there are no roots.
    pub(super) bounds: Bounds,
}

/// Makes the call of a tool from its arguments: an object of evidence ids. What it is about is always
/// the incident's own target.
pub(super) fn resolve(
    spec: &ToolSpec,
    arguments: &Map<String, Json>,
    evidence: &Evidence,
    scope: &Scope,
) -> Result<Call, Refusal> {
    let open: Vec<&Input> = spec.inputs.iter().filter(|input| is_open(input)).collect();
    if arguments.keys().any(|name| open.iter().all(|input| input.name != name)) {
        let names: Vec<_> = open.iter().map(|input| input.name).collect();
        return Err(Refusal(format!("{} takes only: {}", spec.name, names.join(", "))));
    }
    let mut args = Values::new();
    for input in open {
        match arguments.get(input.name) {
            None | Some(Json::Null) if input.need == Need::Optional => {}
            None | Some(Json::Null) => {
                return Err(Refusal(format!("{} needs {}: {}", spec.name, input.name, input.doc)));
            }
            Some(given) => {
                args.insert(input.name.to_owned(), named(given, input, evidence)?);
            }
        }
    }
    let (target, bounds) = (scope.own.clone(), scope.bounds.clone());
    Ok(Call { tool: spec.name.clone(), target, args, bounds })
}

/// Whether every path of a call lies below a declared root, by name. Links are the tool's to resolve.
pub(super) fn check_roots(call: &Call) -> Result<(), Refusal> {
    let is_rooted = |path: &AbsPath| {
        call.bounds.roots.iter().any(|root| root.as_str() != "/" && path.is_below(root))
    };
    if call.args.values().all(|value| paths(value).into_iter().all(is_rooted)) {
        return Ok(());
    }
    let roots: Vec<_> = call.bounds.roots.iter().map(AbsPath::as_str).collect();
    Err(Refusal(format!("{} may touch only what lies below: {}", call.tool, roots.join(", "))))
}

fn paths(value: &Value) -> Vec<&AbsPath> {
    match value {
        Value::Path(path) => vec![path],
        Value::List(items) => items.iter().flat_map(paths).collect(),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Target(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::Text(_) => vec![],
    }
}

/// The value that an id stands for, if it is of the input's kind.
fn named(given: &Json, input: &Input, evidence: &Evidence) -> Result<Value, Refusal> {
    let name = input.name;
    let value = given.as_str().and_then(|id| evidence.get(id)).ok_or_else(|| {
        Refusal(format!("{name} must be the id of a listed piece of evidence, such as E1"))
    })?;
    if value.fits(&input.kind) {
        return Ok(value.clone());
    }
    let fitting: Vec<_> = evidence.fitting(&input.kind).collect();
    let hint = if fitting.is_empty() { "none is known".to_owned() } else { fitting.join(", ") };
    Err(Refusal(format!("{name} must be a {}: {hint}", input.kind)))
}
