//! `metrics`: one metric of a /metrics page against levels; counters by their rate.

use std::collections::BTreeMap;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::json::Api;
use crate::clients::metrics::{Sort, scrape};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::policy::threshold::Threshold;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::parts::{Parts, tally};
use crate::probe::series::Labels;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, series, service};

const METRIC: &str = "metric";
const LINGER: Span = Span::hours(1);

/// What is read, and when it is bad.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `metric`: its whole name.
    pub metric: String,
    /// `labels`: what a series must have to be judged.
    pub labels: Labels,
    /// `yellow`, `red`, `bad`.
    pub levels: Threshold,
    /// `rate`: per second instead of its value. Left out, so for counters.
    pub rate: Option<bool>,
}

#[derive(Debug)]
pub struct MetricsProbe {
    settings: Settings,
    voice: Voice,
    api: Api,
    parts: Parts,
    /// What each series had at the last look.
    last: BTreeMap<Labels, (Millis, f64)>,
}

/// More series than are told one by one need no past either.
const REMEMBERED: usize = 2_000;

impl MetricsProbe {
    pub fn new(settings: Settings, voice: Voice, api: Api) -> Self {
        let (parts, last) = (Parts::lingering(LINGER), BTreeMap::new());
        Self { settings, voice, api, parts, last }
    }

    /// What came, as values or rates; a counter seen for the first time has no rate yet (NaN).
    fn numbers(
        &mut self,
        found: Vec<(Labels, f64)>,
        sort: Sort,
        now: Millis,
    ) -> Vec<(Labels, f64)> {
        let rate = self.settings.rate.unwrap_or(sort == Sort::Counter);
        let wanted = |labels: &Labels| {
            self.settings.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        let found = found.into_iter().filter(|(labels, _)| wanted(labels));
        if !rate {
            return found.collect();
        }
        let before = std::mem::take(&mut self.last);
        let mut rates = Vec::new();
        for (labels, value) in found {
            let rate = before.get(&labels).map_or(f64::NAN, |(at, last)| {
                // A counter that fell was begun anew.
                let grown = if value < *last { value } else { value - last };
                grown / now.since(*at).as_secs_f64()
            });
            if self.last.len() < REMEMBERED {
                self.last.insert(labels.clone(), (now, value));
            }
            rates.push((labels, rate));
        }
        rates
    }

    fn judge(&mut self, found: Option<(Vec<(Labels, f64)>, Sort)>, now: Millis) -> Vec<Reading> {
        let counted = self.settings.rate.or(found.as_ref().map(|(_, sort)| *sort == Sort::Counter));
        let numbers = match found {
            Some((found, sort)) => self.numbers(found, sort, now),
            None => Vec::new(),
        };
        let levels = self.settings.levels;
        let of = |(labels, value): &(Labels, f64), aspect| {
            let mut reading = series::reading(&self.voice, aspect, (labels, *value), &levels, now);
            if counted == Some(true) && reading.unit.is_some() {
                reading.unit = Some(Unit::Rate);
            }
            reading
        };
        match &numbers[..] {
            [] => {
                let Settings { metric, labels, .. } = &self.settings;
                let with = if labels.is_empty() { "" } else { " with " };
                let words = format!("there is no {metric}{with}{}", series::shown(labels));
                let main = self.voice.reading(METRIC, (Severity::Unknown, "missing"), &words, now);
                self.parts.seen(main, Vec::new())
            }
            [only] if only.0.is_empty() || only.0 == self.settings.labels => {
                let alone = (Labels::new(), only.1);
                let main = of(&alone, METRIC);
                self.parts.seen(main, Vec::new())
            }
            many => {
                let parts: Vec<Reading> = many.iter().map(|one| of(one, "value")).collect();
                let words = format!("series: {}", tally(&parts));
                let main = self.voice.reading(METRIC, (Severity::Green, "ok"), &words, now);
                self.parts.seen(main, parts)
            }
        }
    }
}

impl NetProbe for MetricsProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.api.timeout, scrape(&self.api, &self.settings.metric)).await {
                Ok(found) => self.judge(found.map(|found| (found.series, found.sort)), now),
                Err(why) => self.parts.unseen(self.voice.unanswered(METRIC, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.parts.unseen(self.voice.unseen(METRIC, &why, now), &why)
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

/// `metrics.NAME = { url, metric, yellow, red }` with `labels`, `bad`, `rate`, a login, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main("url") else { return Vec::new() };
    let mut api = service::api(ask, url);
    let metric: Option<String> = ask.opt("metric");
    if metric.as_ref().is_none_or(String::is_empty) {
        ask.mistake("metric", "is missing: write the metric's name as the page has it");
    }
    let (labels, rate) = (ask.pairs("labels"), ask.opt("rate"));
    let (Some(levels), Some(metric)) = (series::levels(ask), metric) else { return Vec::new() };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "metrics", &host, common) else { return Vec::new() };
    api.timeout = placed.common.timeout;
    let settings = Settings { metric, labels, levels, rate };
    let probe = MetricsProbe::new(settings, placed.voice.clone(), api);
    placed.draft(ask, METRIC, probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::url::WebUrl;
    use crate::clients::json::Login;
    use crate::policy::threshold::Direction;

    fn probe(labels: &[(&str, &str)], rate: Option<bool>) -> MetricsProbe {
        let url = WebUrl::parse("http://127.0.0.1:1/metrics").unwrap();
        let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
        let (yellow, red) = (Some(5.0), Some(10.0));
        let levels = Threshold { yellow, red, direction: Direction::Above, margin: 0.25 };
        let settings = Settings { metric: "m".into(), labels: own(labels), levels, rate };
        MetricsProbe::new(
            settings,
            Voice::new("metrics", "mini:endpoint:app".parse().unwrap()),
            api,
        )
    }

    fn own(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn brief(told: &[Reading]) -> Vec<(String, Severity, Option<f64>)> {
        told.iter().map(|r| (r.signal.target.name().to_owned(), r.severity, r.value)).collect()
    }

    #[test]
    fn a_counter_is_judged_by_its_rate_and_begins_anew_after_a_restart() {
        let mut probe = probe(&[], None);
        let mut look = |value, at| {
            let found = Some((vec![(own(&[]), value)], Sort::Counter));
            let told = probe.judge(found, Millis(at));
            assert_eq!(told.len(), 1);
            (told[0].severity, told[0].value)
        };
        assert_eq!(look(1_000.0, 0), (Severity::Unknown, None));
        assert_eq!(look(1_060.0, 60_000), (Severity::Green, Some(1.0)));
        assert_eq!(look(1_660.0, 120_000), (Severity::Yellow, Some(10.0)));
        assert_eq!(look(30.0, 180_000), (Severity::Green, Some(0.5)));
    }

    #[test]
    fn series_are_chosen_by_labels_and_a_missing_one_is_unknown() {
        use Severity::{Green, Red, Unknown, Yellow};
        let all = || {
            let of = |queue, state| own(&[("queue", queue), ("state", state)]);
            vec![(of("mail", "ready"), 7.0), (of("jobs", "ready"), 1.0), (of("mail", "held"), 50.0)]
        };
        let mut some = probe(&[("state", "ready")], None);
        let told = some.judge(Some((all(), Sort::Other)), Millis(1));
        assert_eq!(told[0].words.as_str(), "series: 1 of 2 not green");
        let severities: Vec<Severity> = told.iter().map(|r| r.severity).collect();
        assert_eq!(severities, [Green, Yellow, Green]);
        let told = some.judge(None, Millis(2));
        let severities: Vec<Severity> = told.iter().map(|r| r.severity).collect();
        assert_eq!((severities, told[0].reason.as_str()), (vec![Unknown; 3], "missing"));
        let mut one = probe(&[("queue", "mail"), ("state", "held")], None);
        let told = one.judge(Some((all(), Sort::Other)), Millis(1));
        assert_eq!(brief(&told), [("app".to_owned(), Red, Some(50.0))]);
        let mut rate = probe(&[], Some(true));
        rate.judge(Some((vec![(own(&[]), 1.0)], Sort::Other)), Millis(0));
        let told = rate.judge(Some((vec![(own(&[]), 9.0)], Sort::Other)), Millis(1_000));
        assert_eq!((told[0].value, told[0].unit), (Some(8.0), Some(Unit::Rate)));
    }
}
