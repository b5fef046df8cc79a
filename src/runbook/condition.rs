//! Conditions: `is`, `in`, `above` and `below`, all of which must hold.

use crate::model::ids::HostName;
use crate::model::value::Value;
use crate::runbook::literal::Literal;
use crate::runbook::resolve::ResolveError;
use crate::runbook::{Bindings, Condition, Test};

/// Whether a list of conditions holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    Yes,
    /// Says which one did not, in words for people.
    No(String),
}

/// Whether all conditions hold. A value that is not there (a skipped step, a field that the reading
/// has not) makes its condition not hold; one of the wrong kind is an error.
pub fn conditions_hold(when: &[Condition], bindings: &Bindings) -> Result<Holds, ResolveError> {
    for condition in when {
        let value = match bindings.get(&condition.value) {
            Ok(value) => value,
            Err(why) => return Ok(Holds::No(why)),
        };
        let wrong = |why| ResolveError(format!("{}: {why}", condition.value));
        let items = match value {
            Value::List(items) => items.as_slice(),
            Value::Int(_)
            | Value::Bytes(_)
            | Value::Span(_)
            | Value::Flag(_)
            | Value::Word(_)
            | Value::Path(_)
            | Value::Target(_)
            | Value::Argv(_)
            | Value::Json(_)
            | Value::Text(_) => std::slice::from_ref(value),
        };
        let mut held = false;
        for item in items {
            held |= condition.test.holds(item, &bindings.host).map_err(wrong)?;
        }
        if !held {
            let shown = crate::runbook::fields::brief(&value.to_string());
            return Ok(Holds::No(format!(
                "{} is {shown}, not {}",
                condition.value,
                condition.test.wanted()
            )));
        }
    }
    Ok(Holds::Yes)
}

impl Test {
    fn holds(&self, value: &Value, host: &HostName) -> Result<bool, String> {
        if let Value::Text(_) = value {
            return Err("is text from outside, which decides nothing".into());
        }
        let read = |literal: &Literal| literal.read(&value.kind(), host);
        let number = |value: &Value| {
            value.as_number().ok_or_else(|| format!("a {} has no order", value.kind()))
        };
        match self {
            Self::Is(wanted) => Ok(read(wanted)? == *value),
            Self::In(wanted) => {
                let mut held = false;
                for wanted in wanted {
                    held |= read(wanted)? == *value;
                }
                Ok(held)
            }
            Self::Above(limit) => Ok(number(&read(limit)?)? < number(value)?),
            Self::Below(limit) => Ok(number(value)? < number(&read(limit)?)?),
        }
    }

    /// All literals in it.
    pub(super) fn literals(&self) -> &[Literal] {
        match self {
            Self::Is(one) | Self::Above(one) | Self::Below(one) => std::slice::from_ref(one),
            Self::In(many) => many,
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Is(wanted) => wanted.show(),
            Self::In(wanted) => {
                let shown: Vec<String> = wanted.iter().map(Literal::show).collect();
                shown.join(" or ")
            }
            Self::Above(limit) => format!("above {}", limit.show()),
            Self::Below(limit) => format!("below {}", limit.show()),
        }
    }
}
