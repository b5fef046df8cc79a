//! Series of numbers with labels against levels: what `prometheus` and `metrics` share.

use std::collections::BTreeMap;

use crate::config::given::Given;
use crate::config::setting::{Setting, one_of};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::Ask;
use crate::probe::parts::part_of;
use crate::probe::voice::{self, Voice};

/// Names and values of labels.
pub type Labels = BTreeMap<String, String>;

/// As many labels as are put into words.
const SHOWN: usize = 6;

/// `bad = "above"` or `"below"`.
#[derive(Debug, Clone, Copy)]
struct Side(Direction);

impl Setting for Side {
    fn read(given: &Given) -> Result<Self, String> {
        let sides = [("above", Self(Direction::Above)), ("below", Self(Direction::Below))];
        one_of(given, &sides)
    }
    fn show(&self) -> String {
        match self.0 {
            Direction::Above => "above".into(),
            Direction::Below => "below".into(),
        }
    }
}

/// Reads `yellow`, `red` and `bad`: a red level below the yellow one says by itself that low is bad.
pub fn levels(ask: &mut Ask<'_>) -> Option<Threshold> {
    let (yellow, red) = (ask.opt::<f64>("yellow"), ask.opt::<f64>("red"));
    let side: Option<Side> = ask.opt("bad");
    let falls = matches!((yellow, red), (Some(yellow), Some(red)) if red < yellow);
    let direction = match side {
        Some(Side(Direction::Above)) if falls => {
            ask.mistake("red", "is below yellow: yellow comes first");
            return None;
        }
        Some(Side(direction)) => direction,
        None if falls => Direction::Below,
        None => Direction::Above,
    };
    let Some(first) = yellow.or(red) else {
        ask.mistake("yellow", "is missing: write yellow, red or both, with numbers");
        return None;
    };
    if direction == Direction::Below && matches!((yellow, red), (Some(y), Some(r)) if y < r) {
        ask.mistake("yellow", "is below red, where low is bad: yellow comes first");
        return None;
    }
    // It clears a twentieth before the level, so that a number on the edge does not flap.
    Some(Threshold { yellow, red, direction, margin: first.abs() / 20.0 })
}

/// One number of one series, judged; without labels it is the endpoint itself that it speaks of.
pub fn reading(
    voice: &Voice,
    aspect: &'static str,
    (labels, value): (&Labels, f64),
    levels: &Threshold,
    now: Millis,
) -> Reading {
    let judged = levels.judge(value);
    let reason = match judged.severity {
        Severity::Green => "ok",
        Severity::Unknown => "no-number",
        Severity::Yellow | Severity::Red => match levels.direction {
            Direction::Above => "high",
            Direction::Below => "low",
        },
    };
    let (voice, name) = match labels.is_empty() {
        true => (voice.clone(), String::new()),
        false => {
            let values: Vec<&str> = labels.values().map(String::as_str).collect();
            // Two series may share the values of different labels.
            let identity = match &values[..] {
                [one] => (*one).to_owned(),
                _ => format!("{labels:?}"),
            };
            let unique = part_of(voice, &values.join("."), &identity);
            (unique, format!("{}: ", shown(labels)))
        }
    };
    let words = format!("{name}{}{}", plain(value), against(levels));
    let mut reading = voice.reading(aspect, (judged.severity, reason), &words, now);
    reading.clears = judged.clears;
    reading.value = value.is_finite().then_some(value);
    reading.unit = reading.value.map(|_| Unit::Count);
    reading.values.insert("labels".into(), Value::Text(Tainted::bounded(&shown(labels), 400)));
    reading
}

/// What a reading of it has.
pub fn given() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "labels", kind: Kind::Text, doc: "its labels, in one line" },
    ]
}

/// `a=b, c=d`.
pub fn shown(labels: &Labels) -> String {
    let mut said: Vec<String> =
        labels.iter().take(SHOWN).map(|(name, value)| format!("{name}={value}")).collect();
    if SHOWN < labels.len() {
        said.push("…".into());
    }
    said.join(", ")
}

/// A number with three digits behind the point at the most.
pub fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn against(levels: &Threshold) -> String {
    let word = match levels.direction {
        Direction::Above => "above",
        Direction::Below => "below",
    };
    let level = |name: &str, at: Option<f64>| at.map(|at| format!("{name} {word} {}", plain(at)));
    let said: Vec<String> =
        [level("yellow", levels.yellow), level("red", levels.red)].into_iter().flatten().collect();
    format!(" ({})", said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_named_by_its_labels_and_judged_by_its_number() {
        let voice = Voice::new("metrics", "mini:endpoint:app".parse().unwrap());
        let levels = Threshold {
            yellow: Some(5.0),
            red: Some(10.0),
            direction: Direction::Above,
            margin: 0.0,
        };
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let said = |pairs: &[(&str, &str)], value| {
            let reading = reading(&voice, "value", (&labels(pairs), value), &levels, Millis(1));
            assert!(given().iter().all(|g| reading.values[g.name].fits(&g.kind)));
            let target = reading.signal.target.to_string();
            (target, reading.severity, reading.reason.to_string(), reading.words.to_string())
        };
        use Severity::{Green, Red, Unknown, Yellow};
        let (target, severity, _, words) = said(&[], 4.0);
        assert_eq!((target.as_str(), severity), ("mini:endpoint:app", Green));
        assert_eq!(words, "4 (yellow above 5, red above 10)");
        let (target, severity, reason, words) = said(&[("queue", "mail")], 7.25);
        assert_eq!((target.as_str(), severity), ("mini:endpoint:app.mail", Yellow));
        assert_eq!((reason.as_str(), &words[..18]), ("high", "queue=mail: 7.25 ("));
        let (one, severity, ..) = said(&[("a", "x"), ("b", "y")], f64::INFINITY);
        let (other, ..) = said(&[("a", "x"), ("c", "y")], 1.0);
        assert!(severity == Red && one != other, "{one} {other}");
        assert_eq!(said(&[], f64::NAN).1, Unknown);
    }
}
