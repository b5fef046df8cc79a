//! The arguments of a call, checked against the tool's spec, once for all tools.

use std::fmt;

use crate::clients::files::Rooted;
use crate::gate::tool::{Parsed, Tool};
use crate::model::ids::Word;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::tool::{Call, Input, Need, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::policy::argv::Argv;

/// Makes a query or an action of arguments that fit the spec.
pub type Parse = Box<dyn Fn(&Args<'_>) -> Result<Parsed, ToolError> + Send + Sync>;

/// A tool as this folder makes them: a spec, and what turns checked arguments into a call.
#[allow(missing_debug_implementations, reason = "holds a closure")]
pub struct Made {
    spec: ToolSpec,
    parse: Parse,
}

/// A tool of its spec and its parser.
pub fn made(
    spec: ToolSpec,
    parse: impl Fn(&Args<'_>) -> Result<Parsed, ToolError> + Send + Sync + 'static,
) -> Box<dyn Tool> {
    Box::new(Made { spec, parse: Box::new(parse) })
}

impl Tool for Made {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn parse(&self, call: &Call) -> Result<Parsed, ToolError> {
        (self.parse)(&Args::check(&self.spec, call)?)
    }
}

/// Short for a refusal.
pub fn refused(why: impl fmt::Display) -> ToolError {
    ToolError::Refused(why.to_string())
}

/// Short for an answer that a machine did not give.
pub fn failed(why: impl fmt::Display) -> ToolError {
    ToolError::Failed(why.to_string())
}

/// An argument that must stand in a call.
pub fn required(name: &'static str, kind: Kind, doc: &'static str) -> Input {
    Input { name, kind, need: Need::Required, doc }
}

/// An argument that may be left out.
pub fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Input {
    Input { name, kind, need: Need::Optional, doc }
}

/// A call whose arguments have known names and the right kinds.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    call: &'a Call,
}

impl<'a> Args<'a> {
    /// Refuses another tool's call, unknown arguments, wrong kinds, missing ones, and lists beyond the
    /// call's bound.
    pub fn check(spec: &ToolSpec, call: &'a Call) -> Result<Self, ToolError> {
        let tool = &spec.name;
        if call.tool != *tool {
            return Err(refused(format!("this is {tool}, the call is for {}", call.tool)));
        }
        for (name, value) in &call.args {
            let Some(input) = spec.inputs.iter().find(|i| i.name == name) else {
                let known: Vec<_> = spec.inputs.iter().map(|i| i.name).collect();
                return Err(refused(format!(
                    "{tool} has no argument {:?}; it takes {}",
                    name.chars().take(60).collect::<String>(),
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                )));
            };
            if !value.fits(&input.kind) {
                return Err(refused(format!(
                    "{tool}: {name} must be a {}, not a {}",
                    input.kind,
                    value.kind()
                )));
            }
            if let Value::List(items) = value {
                let most = usize::try_from(call.bounds.max_targets).unwrap_or(usize::MAX);
                if items.is_empty() || most < items.len() {
                    return Err(refused(format!(
                        "{tool}: {name} has {} items, allowed are 1 to {most}",
                        items.len()
                    )));
                }
            }
        }
        let missing = |i: &&Input| i.need == Need::Required && !call.args.contains_key(i.name);
        if let Some(input) = spec.inputs.iter().find(missing) {
            return Err(refused(format!("{tool} needs {}: {}", input.name, input.doc)));
        }
        Ok(Self { call })
    }

    pub fn call(&self) -> &'a Call {
        self.call
    }

    /// The host that the call is for must be this machine.
    pub fn only_on(&self, here: &crate::model::ids::HostName) -> Result<(), ToolError> {
        let on = self.call.target.on();
        if on == here {
            return Ok(());
        }
        Err(refused(format!("{} works on this machine ({here}) only, not on {on}", self.call.tool)))
    }

    /// An absolute path, wherever it lies: for looking.
    pub fn path(&self, name: &str) -> Option<&'a AbsPath> {
        match self.call.args.get(name) {
            Some(Value::Path(path)) => Some(path),
            _ => None,
        }
    }

    /// A path within the call's roots: for touching. The root itself may be meant, `/` never.
    pub fn rooted(&self, name: &str) -> Result<Rooted, ToolError> {
        let path = self.path(name).ok_or_else(|| refused(format!("{name} is missing")))?;
        let tool = &self.call.tool;
        if path.as_str() == "/" {
            return Err(refused(format!(
                "{tool}: {name} is '/', which is everything: name a folder"
            )));
        }
        let roots = &self.call.bounds.roots;
        if roots.is_empty() {
            return Err(refused(format!(
                "{tool} touches nothing without declared roots: add `roots` to the runbook"
            )));
        }
        let root = roots.iter().filter(|r| r.as_str() != "/" && path.is_below(r));
        match root.max_by_key(|r| r.as_str().len()) {
            Some(root) => Ok(Rooted { root: root.clone(), path: path.clone() }),
            None => {
                let roots: Vec<_> = roots.iter().map(AbsPath::as_str).collect();
                Err(refused(format!(
                    "{tool}: {path} lies outside the declared roots ({})",
                    roots.join(", ")
                )))
            }
        }
    }

    pub fn span(&self, name: &str) -> Option<Span> {
        match self.call.args.get(name) {
            Some(Value::Span(span)) => Some(*span),
            _ => None,
        }
    }

    /// A command: bounded, its program named.
    pub fn argv(&self, name: &str) -> Result<Argv, ToolError> {
        match self.call.args.get(name) {
            Some(Value::Argv(parts)) => Argv::new(parts.clone()).map_err(refused),
            _ => Err(refused(format!("{name} is missing"))),
        }
    }

    pub fn bytes(&self, name: &str) -> Option<u64> {
        match self.call.args.get(name) {
            Some(Value::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }

    pub fn word(&self, name: &str) -> Option<&'a Word> {
        match self.call.args.get(name) {
            Some(Value::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.call.args.get(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A count within `1..=most`; `default` where it is left out.
    pub fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, ToolError> {
        match self.call.args.get(name) {
            Some(Value::Int(n)) => match usize::try_from(*n) {
                Ok(n) if 1 <= n && n <= most => Ok(n),
                _ => Err(refused(format!("{name} must be 1 to {most}, not {n}"))),
            },
            _ => Ok(default),
        }
    }

    /// A target of one kind on the call's own host.
    pub fn target(&self, name: &str, thing: Thing) -> Result<&'a Target, ToolError> {
        let Some(Value::Target(target)) = self.call.args.get(name) else {
            return Err(refused(format!("{name} is missing")));
        };
        if target.thing() != thing {
            return Err(refused(format!("{name} is {target}, which is another kind of thing")));
        }
        if target.on() != self.call.target.on() {
            return Err(refused(format!(
                "{name} is {target}, but the call is for {}: a call stays on one host",
                self.call.target.on()
            )));
        }
        Ok(target)
    }
}

/// A value that a query gives.
pub fn gives(name: &'static str, kind: Kind, doc: &'static str) -> crate::model::tool::Gives {
    crate::model::tool::Gives { name, kind, doc }
}
