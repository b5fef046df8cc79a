//! The performance data of a plugin: what stands after the bar (Monitoring Plugins guidelines,
//! "Performance data").

use crate::model::reading::Unit;
use crate::model::time::Span;
use crate::model::value::Value;

/// More than any plugin has to say.
const MOST: usize = 20;

/// One number: `'label'=value[UOM];[warn];[crit];[min];[max]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The label with everything but letters, digits, `-` and `_` as `_`.
    pub label: String,
    pub number: f64,
    pub unit: Unit,
    /// Typed for runbooks; whole, because values are.
    pub value: Value,
}

/// The text before the bar, and the numbers after it. What is no number is left out.
pub fn split(line: &str) -> (&str, Vec<Number>) {
    let (text, data) = line.split_once('|').unwrap_or((line, ""));
    (text.trim(), words(data).into_iter().filter_map(number).take(MOST).collect())
}

/// Splits at spaces outside of quotes.
fn words(data: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in data.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                found.push(&data[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&data[start..]);
    found
}

fn number(word: &str) -> Option<Number> {
    let (label, rest) = word.rsplit_once('=')?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let label: String = label.trim_matches('\'').chars().map(plain).take(60).collect();
    let label = label.trim_matches(['_', '-']).to_owned();
    let given = rest.split(';').next()?;
    let end =
        given.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(given.len());
    let number = given[..end].parse::<f64>().ok().filter(|n| n.is_finite())?;
    let (unit, value) = typed(number, &given[end..]);
    (!label.is_empty()).then_some(Number { label, number, unit, value })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and values are whole"
)]
fn typed(number: f64, unit: &str) -> (Unit, Value) {
    let bytes = |of: f64| (Unit::Bytes, Value::Bytes((number * of) as u64));
    let millis = |of: f64| (Unit::Seconds, Value::Span(Span((number.max(0.0) * of) as i64)));
    match unit {
        "B" => bytes(1.0),
        "KB" | "KiB" => bytes(1_024.0),
        "MB" | "MiB" => bytes(1_048_576.0),
        "GB" | "GiB" => bytes(1_073_741_824.0),
        "TB" | "TiB" => bytes(1_099_511_627_776.0),
        "s" => millis(1_000.0),
        "ms" => (Unit::Millis, Value::Span(Span(number.max(0.0) as i64))),
        "us" => millis(0.001),
        "%" => (Unit::Percent, Value::Int(number.round() as i64)),
        _ => (Unit::Count, Value::Int(number.round() as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_real_plugins_write_them() {
        let line = "DISK OK - free space: / 3326 MB | /=2643MB;5948;5958;0;5968 \
                    'my disk'=10%;80;90 time=0.004s;;;0 users=3 x=U y= =5 load1=0.500;15.000";
        let (text, found) = split(line);
        assert_eq!(text, "DISK OK - free space: / 3326 MB");
        let told: Vec<_> = found.iter().map(|n| (n.label.as_str(), n.value.clone())).collect();
        assert_eq!(
            told,
            [
                ("my_disk", Value::Int(10)),
                ("time", Value::Span(Span(4))),
                ("users", Value::Int(3)),
                ("load1", Value::Int(1)),
            ],
            "a label of which nothing is left is left out"
        );
        assert_eq!(found[3].number, 0.5);
    }

    #[test]
    fn hostile_data_is_bounded() {
        let many = format!("x|{}", "a=1 ".repeat(10_000));
        assert_eq!(split(&many).1.len(), MOST);
        for line in ["|", "|=", "|'=1", "|a=1e999", "|a=-inf", "a|b|c=1", "|a=NaN"] {
            assert!(split(line).1.iter().all(|n| n.number.is_finite()), "{line}");
        }
    }
}
