//! The text that exporters show under /metrics: parsed as far as one metric needs it.

use std::collections::BTreeMap;

use crate::clients::answer::NoAnswer;
use crate::clients::json::Api;

/// What a metric is, as its exporter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Only ever grows, but for restarts: its rate says something, its value nothing.
    Counter,
    /// Anything else, and what is not said.
    Other,
}

/// One metric with all its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub sort: Sort,
    pub series: Vec<(BTreeMap<String, String>, f64)>,
}

/// More series of one metric than anybody judges one by one.
const MOST: usize = 10_000;
const LABELS: usize = 64;

/// Reads one metric; `None` where the page has none of that name.
pub async fn scrape(api: &Api, metric: &str) -> Result<Option<Metric>, NoAnswer> {
    let accept = vec![("accept".to_owned(), "text/plain;version=0.0.4".to_owned())];
    let answer = api.answer_here(accept).await?;
    match answer.status {
        200 => {}
        401 | 403 => return Err(NoAnswer::Denied(format!("it answers {}", answer.status))),
        500..=599 => return Err(NoAnswer::Busy(format!("it answers {}", answer.status))),
        status => return Err(NoAnswer::Broken(format!("it answers {status}"))),
    }
    let text = String::from_utf8_lossy(&answer.body);
    match parse(&text, metric) {
        Some(found) => Ok(Some(found)),
        None if !text.lines().any(|line| sample(line).is_some()) => {
            Err(NoAnswer::Broken("it shows no metrics at all: is this the right path?".into()))
        }
        None => Ok(None),
    }
}

/// One metric of a page in the text exposition format or OpenMetrics.
fn parse(text: &str, metric: &str) -> Option<Metric> {
    let mut found = Metric { sort: Sort::Other, series: Vec::new() };
    let family = metric.strip_suffix("_total").unwrap_or(metric);
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# TYPE ") {
            let mut words = said.split_ascii_whitespace();
            let name = words.next().unwrap_or_default();
            if (name == metric || name == family) && words.next() == Some("counter") {
                found.sort = Sort::Counter;
            }
        } else if line.starts_with(metric)
            && let Some((name, labels, value)) = sample(line)
            && name == metric
            && found.series.len() < MOST
        {
            found.series.push((labels, value));
        }
    }
    (!found.series.is_empty()).then_some(found)
}

type Sample<'a> = (&'a str, BTreeMap<String, String>, f64);

/// `name{label="value",…} number [time]`.
fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim_end();
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = match rest.split_ascii_whitespace().next()? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some((name, labels, value))
}

/// What stands after `{`, up to its `}`, and the rest of the line.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((found, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        if LABELS <= found.len() {
            return None;
        }
        found.insert(name.trim().to_owned(), value);
        rest = after;
    }
}

/// Up to the closing quote, with `\\`, `\"` and `\n` undone.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP queue_depth Waiting.\n# TYPE queue_depth gauge\n\
        queue_depth{queue=\"mail\",path=\"C:\\\\x \\\"y\\\" }\"} 12 1700000000000\n\
        queue_depth{ queue = \"jobs\" , } 3.5e2\nqueue_depth_max 9\nqueue_depth NaN\n\
        # TYPE jobs counter\njobs_total{a=\"b\"} 7 # {trace=\"1\"} 1\n\
        # TYPE seen_total counter\nseen_total +Inf\nbroken{a=\"b 1\nbroken 1x\n# EOF\n";

    #[test]
    fn one_metric_is_found_among_others() {
        let depth = parse(PAGE, "queue_depth").unwrap();
        assert_eq!((depth.sort, depth.series.len()), (Sort::Other, 3));
        let (labels, value) = &depth.series[0];
        assert_eq!((labels["queue"].as_str(), *value), ("mail", 12.0));
        assert_eq!(labels["path"], "C:\\x \"y\" }");
        assert_eq!((depth.series[1].0["queue"].as_str(), depth.series[1].1), ("jobs", 350.0));
        assert!(depth.series[2].1.is_nan());
        let jobs = parse(PAGE, "jobs_total").unwrap();
        assert_eq!((jobs.sort, jobs.series[0].1), (Sort::Counter, 7.0));
        assert_eq!(parse(PAGE, "seen_total").unwrap().sort, Sort::Counter);
        for missing in ["queue", "broken", "", "# TYPE", "jobs"] {
            assert_eq!(parse(PAGE, missing), None, "{missing:?}");
        }
    }

    #[test]
    fn nothing_that_comes_makes_it_panic() {
        for line in
            ["{", "a{", "a{b", "a{b=", "a{b=\"", "a{b=\"\\", "a{}", "a{} ", "ä{ß=\"ü\"} 1", "a 1"]
        {
            let _read = sample(line);
        }
        assert_eq!(sample("ä{ß=\"ü\"} 1").unwrap().1["ß"], "ü");
    }
}
