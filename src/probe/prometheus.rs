//! `prometheus`: an expression of Prometheus against levels, one signal a series.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::json::Api;
use crate::clients::prometheus::Prometheus;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::policy::threshold::Threshold;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::parts::{Parts, tally};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, series, service};

const QUERY: &str = "query";
/// A series that is missing is unknown for so long: what it measured may have been removed.
const LINGER: Span = Span::hours(1);

/// What is asked, and when its answer is bad.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `query`: an expression that gives a scalar or a vector.
    pub expression: String,
    /// `yellow`, `red`, `bad`.
    pub levels: Threshold,
    /// `empty`: what no series at all means. Default unknown.
    pub empty: Severity,
}

#[derive(Debug)]
pub struct PrometheusProbe {
    settings: Settings,
    voice: Voice,
    api: Api,
    parts: Parts,
}

impl PrometheusProbe {
    pub fn new(settings: Settings, voice: Voice, api: Api) -> Self {
        Self { settings, voice, api, parts: Parts::lingering(LINGER) }
    }

    async fn ask(&self) -> Result<Vec<(series::Labels, f64)>, NoAnswer> {
        let Api { http, url, login, timeout } = &self.api;
        let prometheus = Prometheus::new(url.clone(), http.clone(), login.headers()?, *timeout);
        let found = prometheus.query(&self.settings.expression, None).await?;
        Ok(found
            .into_iter()
            .map(|mut point| {
                point.labels.remove("__name__");
                (point.labels, point.value)
            })
            .collect())
    }

    fn judge(&mut self, found: &[(series::Labels, f64)], now: Millis) -> Vec<Reading> {
        let Settings { levels, empty, .. } = &self.settings;
        match found {
            [] => {
                let main = self.voice.reading(QUERY, (*empty, "empty"), "no series at all", now);
                self.parts.seen(main, Vec::new())
            }
            [(labels, value)] if labels.is_empty() => {
                let main = series::reading(&self.voice, QUERY, (labels, *value), levels, now);
                self.parts.seen(main, Vec::new())
            }
            many => {
                let of = |(labels, value): &(series::Labels, f64)| {
                    series::reading(&self.voice, "value", (labels, *value), levels, now)
                };
                let parts: Vec<Reading> = many.iter().map(of).collect();
                let words = format!("series: {}", tally(&parts));
                let main = self.voice.reading(QUERY, (Severity::Green, "ok"), &words, now);
                self.parts.seen(main, parts)
            }
        }
    }
}

impl NetProbe for PrometheusProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.api.timeout, self.ask()).await {
                Ok(found) => self.judge(&found, now),
                Err(why) => self.parts.unseen(self.voice.unanswered(QUERY, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.parts.unseen(self.voice.unseen(QUERY, &why, now), &why)
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.voice.signal("part"), parts);
    }
}

/// What a reading of it has; `labels` where it is one series'.
pub fn gives() -> Vec<Gives> {
    series::given()
}

/// `prometheus.NAME = { url, query, yellow, red }` with `bad`, `empty`, a login, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main("url") else { return Vec::new() };
    let mut api = service::api(ask, url);
    let expression: Option<String> = ask.opt("query");
    if expression.as_ref().is_none_or(|query| query.trim().is_empty()) {
        ask.mistake("query", "is missing: write the expression to ask for");
    }
    let empty = ask.or("empty", Severity::Unknown);
    let (Some(levels), Some(expression)) = (series::levels(ask), expression) else {
        return Vec::new();
    };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "prometheus", &host, common) else { return Vec::new() };
    api.timeout = placed.common.timeout;
    let (name, known, asked) = (ask.name.to_owned(), api.clone(), expression.clone());
    ask.cx.servers.add(|all| {
        all.rules.insert(name.clone(), known);
        all.expressions.insert(name, asked);
    });
    let settings = Settings { expression, levels, empty };
    let probe = PrometheusProbe::new(settings, placed.voice.clone(), api);
    placed.draft(ask, QUERY, probe)
}
