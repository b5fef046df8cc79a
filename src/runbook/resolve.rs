//! From a step to a call: every reference replaced by its value.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::plan::Verify;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::tool::{Bounds, Call, Input, Need, Tier, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::runbook::{Arg, Bindings, Holds, StepDef, VerifyRule, conditions_hold};

/// What a step became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Call(Call),
    /// It does not apply; says why: a condition, a value that is not there, a path outside the roots.
    Skip(String),
}

/// A step that cannot be resolved although it applies: the run escalates with these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError(pub String);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolveError {}

/// Makes the call of a step, or says why it does not apply. `bounds` are the runbook's, `target` is
/// what the call is about where the step does not say it: the incident's own.
pub fn resolve(
    step: &StepDef,
    spec: &ToolSpec,
    bindings: &Bindings,
    bounds: &Bounds,
    target: &Target,
) -> Result<Resolved, ResolveError> {
    let named = |error: ResolveError| ResolveError(format!("step {}: {}", step.name, error.0));
    if let Holds::No(why) = conditions_hold(&step.when, bindings).map_err(named)? {
        return Ok(Resolved::Skip(why));
    }
    let about = match step.target.as_ref().map(|arg| about(arg, bindings)).transpose() {
        Ok(about) => about.unwrap_or_else(|| target.clone()),
        Err(Missing::NotThere(why)) => return Ok(Resolved::Skip(why)),
        Err(Missing::Wrong(why)) => return Err(named(ResolveError(format!("target: {why}")))),
    };
    let args = match arguments(&step.args, spec, bindings, bounds) {
        Ok(args) => args,
        Err(Missing::NotThere(why)) => return Ok(Resolved::Skip(why)),
        Err(Missing::Wrong(why)) => return Err(named(ResolveError(why))),
    };
    if Tier::Low < spec.max_tier {
        // The tool looks again with links resolved; here the step is spared where the name says it.
        let paths =
            args.values().flat_map(paths).chain(step.target.iter().filter_map(|_| about.as_path()));
        for path in paths {
            if !bounds.roots.iter().any(|root| path.is_below(root)) {
                return Ok(Resolved::Skip(format!("{path} lies outside the runbook's roots")));
            }
        }
    }
    let tool = spec.name.clone();
    Ok(Resolved::Call(Call { tool, target: about, args, bounds: bounds.clone() }))
}

/// How the plan is verified; `spec` is the query's tool, where the rule names one. A query whose
/// values are not there ends in [`Verify::Not`].
pub fn resolve_verify(
    rule: &VerifyRule,
    signal: &Signal,
    spec: Option<&ToolSpec>,
    bindings: &Bindings,
    bounds: &Bounds,
) -> Result<Verify, ResolveError> {
    match rule {
        VerifyRule::Probe { within, stays } => {
            Ok(Verify::Probe { signal: signal.clone(), within: *within, stays: *stays })
        }
        VerifyRule::Query { tool, args, value, is, within, stays, line: _ } => {
            let wrong = |why: String| ResolveError(format!("verify with {tool}: {why}"));
            let spec = spec.ok_or_else(|| wrong("there is no such tool".into()))?;
            let gives = spec.gives.iter().find(|gives| gives.name == value);
            let gives = gives.ok_or_else(|| wrong(format!("it gives no {value}")))?;
            // As the value itself would print, so that the comparison is one of equal words.
            let is = is.read(&gives.kind, &bindings.host).map_err(wrong)?.to_string();
            match arguments(args, spec, bindings, bounds) {
                Ok(args) => {
                    let (tool, target) = (tool.clone(), signal.target.clone());
                    let call = Call { tool, target, args, bounds: bounds.clone() };
                    let (within, stays) = (*within, *stays);
                    Ok(Verify::Query { call, value: value.clone(), is, within, stays })
                }
                Err(Missing::NotThere(why)) => Ok(Verify::Not(why)),
                Err(Missing::Wrong(why)) => Err(wrong(why)),
            }
        }
    }
}

/// Why there is no value for an argument.
enum Missing {
    /// The world has none: the step does not apply.
    NotThere(String),
    /// The runbook and the tool do not fit each other.
    Wrong(String),
}

fn arguments(
    args: &BTreeMap<String, Arg>,
    spec: &ToolSpec,
    bindings: &Bindings,
    bounds: &Bounds,
) -> Result<Values, Missing> {
    let known = |name: &String| spec.inputs.iter().any(|input| input.name == name);
    if let Some(unknown) = args.keys().find(|name| !known(name)) {
        return Err(Missing::Wrong(format!("{} takes no {unknown}", spec.name)));
    }
    let mut values = Values::new();
    for input in &spec.inputs {
        match (args.get(input.name), input.need) {
            (Some(arg), Need::Required | Need::Optional) => {
                values.insert(input.name.to_owned(), argument(arg, input, bindings, bounds)?);
            }
            (None, Need::Required) => {
                return Err(Missing::Wrong(format!("{} needs {}", spec.name, input.name)));
            }
            (None, Need::Optional) => {}
        }
    }
    Ok(values)
}

fn argument(
    arg: &Arg,
    input: &Input,
    bindings: &Bindings,
    bounds: &Bounds,
) -> Result<Value, Missing> {
    let wrong = |why: String| Missing::Wrong(format!("{}: {why}", input.name));
    let value = match arg {
        Arg::Literal(literal) => literal.read(&input.kind, &bindings.host).map_err(wrong)?,
        Arg::Ref(r) => {
            let value = bindings.get(r).map_err(Missing::NotThere)?.clone();
            if has_text(&value) {
                return Err(wrong(format!("{r} is text from outside, which fills no argument")));
            }
            if !value.fits(&input.kind) {
                return Err(wrong(format!("{r} is a {}, not a {}", value.kind(), input.kind)));
            }
            value
        }
    };
    match &value {
        Value::List(items) if items.is_empty() => {
            Err(Missing::NotThere(format!("there is nothing in {}", input.name)))
        }
        Value::List(items)
            if bounds.max_targets < u32::try_from(items.len()).unwrap_or(u32::MAX) =>
        {
            Err(wrong(format!(
                "{} items are more than max_targets, {}",
                items.len(),
                bounds.max_targets
            )))
        }
        Value::List(_)
        | Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Path(_)
        | Value::Target(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::Text(_) => Ok(value),
    }
}

/// What a call is about: a target, or a path on the reading's host.
fn about(arg: &Arg, bindings: &Bindings) -> Result<Target, Missing> {
    let value = match arg {
        Arg::Literal(literal) => {
            literal.read(&Kind::Target, &bindings.host).map_err(Missing::Wrong)?
        }
        Arg::Ref(r) => bindings.get(r).map_err(Missing::NotThere)?.clone(),
    };
    match value {
        Value::Target(target) => Ok(target),
        Value::Path(path) => Ok(Target::path(bindings.host.clone(), &path)),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::List(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::Text(_) => {
            Err(Missing::Wrong(format!("a {} is neither a target nor a path", value.kind())))
        }
    }
}

fn has_text(value: &Value) -> bool {
    match value {
        Value::Text(_) => true,
        Value::List(items) => items.iter().any(has_text),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Path(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::Target(_) => false,
    }
}

/// The paths in a value.
fn paths(value: &Value) -> Vec<AbsPath> {
    match value {
        Value::Path(path) => vec![path.clone()],
        Value::Target(target) => target.as_path().into_iter().collect(),
        Value::List(items) => items.iter().flat_map(paths).collect(),
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Argv(_)
        | Value::Json(_)
        | Value::Line(_)
        | Value::Text(_) => Vec::new(),
    }
}
