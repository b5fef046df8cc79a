//! Conditions: `is`, `in`, `above`, `below` and `from`, all of which must hold.

use crate::model::value::Value;
use crate::runbook::literal::Literal;
use crate::runbook::resolve::ResolveError;
use crate::runbook::{Bindings, Condition, Limit, Test};

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
            | Value::Line(_)
            | Value::Text(_) => std::slice::from_ref(value),
        };
        let mut held = false;
        for item in items {
            held |= condition.test.holds(item, bindings).map_err(wrong)?;
        }
        if !held {
            let shown = crate::runbook::fields::brief(&value.to_string());
            return Ok(Holds::No(format!(
                "{} is {shown}, not {}",
                condition.value,
                condition.test.wanted(bindings)
            )));
        }
    }
    Ok(Holds::Yes)
}

impl Test {
    fn holds(&self, value: &Value, bindings: &Bindings) -> Result<bool, String> {
        if let Value::Text(_) = value {
            return Err("is text from outside, which decides nothing".into());
        }
        let read = |literal: &Literal| literal.read(&value.kind(), &bindings.host);
        let number = |value: &Value| {
            value.as_number().ok_or_else(|| format!("a {} has no order", value.kind()))
        };
        let limit_of = |limit: &Limit| match limit {
            Limit::Literal(literal) => number(&read(literal)?),
            Limit::Param(r) => number(bindings.get(r)?),
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
            Self::Above(limit) => Ok(limit_of(limit)? < number(value)?),
            Self::Below(limit) => Ok(number(value)? < limit_of(limit)?),
            Self::From(limit) => Ok(limit_of(limit)? <= number(value)?),
        }
    }

    /// All literals in it.
    pub(super) fn literals(&self) -> &[Literal] {
        match self {
            Self::Is(one)
            | Self::Above(Limit::Literal(one))
            | Self::Below(Limit::Literal(one))
            | Self::From(Limit::Literal(one)) => std::slice::from_ref(one),
            Self::Above(Limit::Param(_))
            | Self::Below(Limit::Param(_))
            | Self::From(Limit::Param(_)) => &[],
            Self::In(many) => many,
        }
    }

    /// The limit, of a test that has one.
    pub(super) fn limit(&self) -> Option<&Limit> {
        match self {
            Self::Above(limit) | Self::Below(limit) | Self::From(limit) => Some(limit),
            Self::Is(_) | Self::In(_) => None,
        }
    }

    fn wanted(&self, bindings: &Bindings) -> String {
        let shown = |limit: &Limit| match limit {
            Limit::Literal(literal) => literal.show(),
            Limit::Param(r) => {
                bindings.get(r).map_or_else(|_| r.to_string(), |value| format!("{value} ({r})"))
            }
        };
        match self {
            Self::Is(wanted) => wanted.show(),
            Self::In(wanted) => {
                let shown: Vec<String> = wanted.iter().map(Literal::show).collect();
                shown.join(" or ")
            }
            Self::Above(limit) => format!("above {}", shown(limit)),
            Self::Below(limit) => format!("below {}", shown(limit)),
            Self::From(limit) => format!("{} or more", shown(limit)),
        }
    }
}
