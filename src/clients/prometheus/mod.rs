//! Prometheus by its HTTP API: instant queries, ranges and firing alerts. Reads only.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clients::answer::NoAnswer;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http, Redirects};
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

#[cfg(test)]
mod tests;

/// The most that one answer may have: a day of a thousand series at a minute's step is about 40 MiB.
const ANSWER: usize = 64 << 20;
/// Prometheus refuses ranges with more points a series than this.
pub const POINTS: i64 = 11_000;

/// One server.
#[derive(Debug, Clone)]
pub struct Prometheus {
    url: WebUrl,
    http: Http,
    headers: Vec<(String, String)>,
    timeout: Span,
}

/// The labels of a series, without `__name__` where the expression dropped it.
pub type Labels = BTreeMap<String, String>;

/// One value of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub labels: Labels,
    pub at: Millis,
    /// May be NaN or infinite, as Prometheus has them.
    pub value: f64,
}

/// One series of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// Oldest first; steps without a value are left out.
    pub values: Vec<(Millis, f64)>,
}

/// An alert as Prometheus' rules have it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub labels: Labels,
    pub annotations: Labels,
    pub state: AlertState,
    /// As the server writes it: RFC 3339.
    pub active_at: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    Pending,
    Firing,
    #[serde(other)]
    Inactive,
}

/// A rule for alerts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    pub name: String,
    pub state: AlertState,
    pub health: Health,
    /// Why it could not be evaluated; empty where it could.
    #[serde(default, rename = "lastError")]
    pub error: String,
}

/// Whether a rule could be evaluated at its last turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Health {
    #[serde(rename = "err")]
    Broken,
    #[serde(other)]
    Fine,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrometheusError {
    Http(HttpError),
    /// It answered and refused: a wrong expression, a range that is too long, no right to ask.
    Refused {
        status: u16,
        words: Tainted,
    },
    /// What came is no answer of a Prometheus.
    Foreign(String),
}

impl fmt::Display for PrometheusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(why) => write!(f, "{why}"),
            Self::Refused { status: 401 | 403, .. } => f.write_str("may not ask: it wants a token"),
            Self::Refused { status, words } => write!(f, "refused with {status}: {words}"),
            Self::Foreign(why) => write!(f, "what answers there is no Prometheus: {why}"),
        }
    }
}

impl std::error::Error for PrometheusError {}

impl From<PrometheusError> for NoAnswer {
    fn from(error: PrometheusError) -> Self {
        match error {
            PrometheusError::Http(why) => why.into(),
            PrometheusError::Refused { status: 401 | 403, .. } => Self::Denied(error.to_string()),
            // A wrong expression says nothing about what it asks for.
            PrometheusError::Refused { status: 400 | 422, .. } => Self::Setup(error.to_string()),
            PrometheusError::Refused { .. } => Self::Busy(error.to_string()),
            PrometheusError::Foreign(why) => Self::Broken(why),
        }
    }
}

impl Prometheus {
    /// `url` is the server's own, without `/api/v1`. `headers` may carry a token.
    pub fn new(url: WebUrl, http: Http, headers: Vec<(String, String)>, timeout: Span) -> Self {
        Self { url, http, headers, timeout }
    }

    /// Evaluates an expression at an instant, or now. A scalar is one point without labels.
    pub async fn query(
        &self,
        expression: &str,
        at: Option<Millis>,
    ) -> Result<Vec<Point>, PrometheusError> {
        let mut asked = vec![("query", expression.to_owned())];
        asked.extend(at.map(|at| ("time", seconds(at))));
        match self.ask("query", &asked).await? {
            Outcome::Vector(found) => Ok(found.into_iter().filter_map(One::point).collect()),
            Outcome::Scalar(value) => Ok(sample(value)
                .map(|(at, value)| Point { labels: Labels::new(), at, value })
                .into_iter()
                .collect()),
            Outcome::Matrix(_) | Outcome::String(_) => {
                Err(PrometheusError::Foreign("the expression gives no value at an instant".into()))
            }
        }
    }

    /// Evaluates an expression at each step of a range, both ends included. Long ranges are asked for in
    /// parts of at most [`POINTS`] steps and put together.
    pub async fn query_range(
        &self,
        expression: &str,
        from: Millis,
        to: Millis,
        step: Span,
    ) -> Result<Vec<Series>, PrometheusError> {
        let step = Span(step.0.max(1_000));
        let mut whole: BTreeMap<Labels, Vec<(Millis, f64)>> = BTreeMap::new();
        let mut begin = from;
        while begin <= to {
            let end = Millis(to.0.min(begin.0 + step.0 * (POINTS - 1)));
            let asked = [
                ("query", expression.to_owned()),
                ("start", seconds(begin)),
                ("end", seconds(end)),
                ("step", format!("{}", step.as_secs_f64())),
            ];
            let Outcome::Matrix(found) = self.ask("query_range", &asked).await? else {
                return Err(PrometheusError::Foreign("a range came back as something else".into()));
            };
            for one in found {
                let values = one.values.into_iter().filter_map(sample);
                whole.entry(one.metric).or_default().extend(values);
            }
            begin = end + step;
        }
        Ok(whole.into_iter().map(|(labels, values)| Series { labels, values }).collect())
    }

    /// Pending and firing alerts of its rules.
    pub async fn alerts(&self) -> Result<Vec<Alert>, PrometheusError> {
        let found: Alerts = self.ask("alerts", &[]).await?;
        let alert = |one: OneAlert| Alert {
            labels: one.labels,
            annotations: one.annotations,
            state: one.state,
            active_at: one.active_at,
        };
        Ok(found.alerts.into_iter().map(alert).collect())
    }

    /// The rules for alerts of all groups; those that record are left out.
    pub async fn rules(&self) -> Result<Vec<Rule>, PrometheusError> {
        let found: Groups = self.ask("rules", &[("type", "alert".to_owned())]).await?;
        let rules = found.groups.into_iter().flat_map(|group| group.rules);
        Ok(rules
            .filter_map(|rule| if let AnyRule::Alerting(rule) = rule { Some(rule) } else { None })
            .collect())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        pairs: &[(&str, String)],
    ) -> Result<T, PrometheusError> {
        let url = self.url.below(&format!("api/v1/{what}")).asking(pairs);
        let request = GetRequest {
            max_body: ANSWER,
            headers: self.headers.clone(),
            redirects: Redirects::SameHost,
            ..GetRequest::new(url, self.timeout)
        };
        let answer = self.http.get(&request).await.map_err(PrometheusError::Http)?;
        if answer.cut {
            let words = format!("an answer of more than {} MiB; ask for less", ANSWER >> 20);
            return Err(PrometheusError::Foreign(words));
        }
        match serde_json::from_slice::<Envelope<T>>(&answer.body) {
            Ok(Envelope { data: Some(data), .. }) if answer.status == 200 => Ok(data),
            Ok(Envelope { error: Some(error), .. }) => Err(PrometheusError::Refused {
                status: answer.status,
                words: Tainted::bounded(&error, 300),
            }),
            Ok(_) | Err(_) if answer.status != 200 => Err(PrometheusError::Refused {
                status: answer.status,
                words: Tainted::bounded(&String::from_utf8_lossy(&answer.body), 100),
            }),
            Ok(_) => Err(PrometheusError::Foreign("an answer without data".into())),
            Err(error) => Err(PrometheusError::Foreign(error.to_string())),
        }
    }
}

/// Unix seconds with a fraction, as the API takes them.
fn seconds(at: Millis) -> String {
    format!("{}.{:03}", at.0.div_euclid(1_000), at.0.rem_euclid(1_000))
}

/// Prometheus writes a value as a string, because JSON has no NaN.
fn sample((at, value): (f64, String)) -> Option<(Millis, f64)> {
    #[expect(clippy::cast_possible_truncation, reason = "instants in milliseconds fit for ages")]
    let at = Millis((at * 1_000.0).round() as i64);
    let value = match value.as_str() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some((at, value))
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "resultType", content = "result")]
enum Outcome {
    Vector(Vec<One>),
    Matrix(Vec<Many>),
    Scalar((f64, String)),
    #[expect(dead_code, reason = "its content is of no use, and its presence is told apart")]
    String((f64, String)),
}

#[derive(Deserialize)]
struct One {
    metric: Labels,
    value: (f64, String),
}

#[derive(Deserialize)]
struct Many {
    metric: Labels,
    values: Vec<(f64, String)>,
}

impl One {
    fn point(self) -> Option<Point> {
        let (at, value) = sample(self.value)?;
        Some(Point { labels: self.metric, at, value })
    }
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<AnyRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
enum AnyRule {
    Alerting(Rule),
    #[serde(other)]
    Recording,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<OneAlert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneAlert {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    state: AlertState,
    #[serde(default)]
    active_at: String,
}
