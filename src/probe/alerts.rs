//! `alerts`: the firing alerts of a Prometheus or an Alertmanager, each a signal of its own until it resolves.

use crate::Fut;
use crate::clients::alerts::{self, Held, State};
use crate::clients::answer::{NoAnswer, within};
use crate::clients::json::Api;
use crate::clients::prometheus::{AlertState, Prometheus};
use crate::model::ids::Word;
use crate::model::reading::{ABOUT_HOST, Concern, Reading};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Context, Draft, host_signal};
use crate::probe::parts::{Parts, part_of};
use crate::probe::series::{Labels, shown};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const ALERTS: &str = "alerts";
const WATCHDOG: &str = "watchdog";
const SECURITY: &str = "security";
/// Labels that name the machine that an alert is about.
const HOST_LABELS: [&str; 4] = ["instance", "host", "hostname", "node"];

/// An alert that fires, whoever told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Firing {
    labels: Labels,
    annotations: Labels,
    /// Why nobody is to be told: silenced, inhibited.
    suppressed: Option<&'static str>,
}

/// What is expected of the alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `watchdog`: an alert that always fires; where it does not, alerting itself is broken.
    pub watchdog: Option<String>,
    /// `ignore`: alerts that are not told, by name.
    pub ignore: Vec<String>,
}

#[derive(Debug)]
pub struct AlertsProbe {
    settings: Settings,
    voice: Voice,
    api: Api,
    parts: Parts,
    /// The machines that the config knows.
    cx: Context,
}

impl AlertsProbe {
    pub fn new(settings: Settings, voice: Voice, api: Api, cx: Context) -> Self {
        Self { settings, voice, api, parts: Parts::new(), cx }
    }

    /// Alertmanager knows what is silenced; where none answers, Prometheus is asked for its own.
    async fn ask(&self) -> Result<Vec<Firing>, NoAnswer> {
        if let Some(held) = alerts::held(&self.api).await? {
            return Ok(held.into_iter().map(Firing::from).collect());
        }
        let Api { http, url, login, timeout } = &self.api;
        let prometheus = Prometheus::new(url.clone(), http.clone(), login.headers()?, *timeout);
        let alerts = prometheus.alerts().await?;
        let firing = alerts.into_iter().filter(|alert| alert.state == AlertState::Firing);
        Ok(firing
            .map(|alert| Firing {
                labels: alert.labels,
                annotations: alert.annotations,
                suppressed: None,
            })
            .collect())
    }

    fn judge(&mut self, firing: &[Firing], now: Millis) -> Vec<Reading> {
        let Settings { watchdog, ignore } = &self.settings;
        let told = firing.iter().filter(|alert| {
            let name = alert.name();
            watchdog.as_deref() != Some(name) && !ignore.iter().any(|ignored| ignored == name)
        });
        let parts: Vec<Reading> = told.map(|alert| self.reading(alert, now)).collect();
        let bad = parts.iter().filter(|part| part.severity != Severity::Green).count();
        let words = match (bad, parts.len() - bad) {
            (0, 0) => "no alert fires".to_owned(),
            (bad, 0) => format!("{bad} alerts fire"),
            (bad, mild) => format!("{bad} alerts fire, {mild} more are silenced or only inform"),
        };
        let main = self.voice.reading(ALERTS, (Severity::Green, "ok"), &words, now);
        let mut readings = self.parts.seen(main, parts);
        readings.extend(self.watchdog(firing, now));
        readings
    }

    fn watchdog(&self, firing: &[Firing], now: Millis) -> Option<Reading> {
        let name = self.settings.watchdog.as_deref()?;
        let (judged, words) = match firing.iter().any(|alert| alert.name() == name) {
            true => ((Severity::Green, "ok"), format!("{name} fires, as it always should")),
            false => (
                (Severity::Red, "silent"),
                format!("{name} does not fire: alerting is broken, and other alerts may be lost"),
            ),
        };
        Some(self.voice.reading(WATCHDOG, judged, &words, now))
    }

    fn reading(&self, alert: &Firing, now: Millis) -> Reading {
        let (severity, reason) = alert.judged();
        let place = HOST_LABELS.iter().find_map(|label| alert.labels.get(*label));
        let name = format!("{} {}", alert.name(), place.map_or("", String::as_str));
        // Two alerts of a name differ in any of their labels.
        let voice = part_of(&self.voice, name.trim(), &format!("{:?}", alert.labels));
        let mut reading = voice.reading("alert", (severity, reason), &alert.words(), now);
        if let Ok(name) = Word::new(alert.name()) {
            reading.values.insert("alert".into(), Value::Word(name));
        }
        let labels = Value::Text(Tainted::bounded(&shown(&alert.labels), 400));
        reading.values.insert("labels".into(), labels);
        let host = place.and_then(|place| self.cx.host_of(without_port(place)));
        if reason == SECURITY {
            // It is for the human, and nothing explains it.
            reading.concern = Concern::Security;
            let host = host.map(|host| Value::Target(Target::host(host)));
            reading.values.extend(host.map(|host| (ABOUT_HOST.to_owned(), host)));
            return reading;
        }
        reading.parent = host.filter(|host| *host != self.cx.here).map(|host| host_signal(&host));
        reading
    }

    /// What could not be asked: `main` and all that was known, the watchdog too.
    fn unseen(&self, main: Reading, why: &NoAnswer) -> Vec<Reading> {
        let now = main.at;
        let mut readings = self.parts.unseen(main, why);
        if self.settings.watchdog.is_some() {
            readings.push(self.voice.unseen(WATCHDOG, why, now));
        }
        readings
    }
}

impl From<Held> for Firing {
    fn from(held: Held) -> Self {
        let suppressed = match held.status.state {
            State::Active | State::Unprocessed => None,
            State::Suppressed if held.status.silenced_by.is_empty() => Some("inhibited"),
            State::Suppressed => Some("silenced"),
        };
        Self { labels: held.labels, annotations: held.annotations, suppressed }
    }
}

impl Firing {
    fn name(&self) -> &str {
        self.labels.get("alertname").map_or("unnamed", String::as_str)
    }

    /// By its label `severity`; whatever is about security is for the human.
    fn judged(&self) -> (Severity, &'static str) {
        if let Some(why) = self.suppressed {
            return (Severity::Green, why);
        }
        if self.is_security() {
            return (Severity::Red, SECURITY);
        }
        let said = self.labels.get("severity").map(|said| said.to_ascii_lowercase());
        match said.as_deref() {
            Some(
                "critical" | "crit" | "page" | "error" | "fatal" | "emergency" | "disaster"
                | "high" | "major" | "red",
            ) => (Severity::Red, "firing"),
            Some("none" | "info" | "informational" | "information" | "debug" | "ok") => {
                (Severity::Green, "info")
            }
            // A rule that says nothing was written because somebody cared.
            Some(_) | None => (Severity::Yellow, "firing"),
        }
    }

    fn is_security(&self) -> bool {
        self.labels.iter().any(|(name, value)| {
            let is = |text: &str| text.eq_ignore_ascii_case("security");
            match name.to_ascii_lowercase().as_str() {
                "security" => !matches!(value.as_str(), "" | "false" | "no" | "0"),
                "severity" | "category" | "type" | "class" | "kind" | "team" => is(value),
                _ => false,
            }
        })
    }

    fn words(&self) -> String {
        let said = ["summary", "message", "description"]
            .iter()
            .find_map(|name| self.annotations.get(*name))
            .filter(|said| !said.trim().is_empty());
        let mut labels = self.labels.clone();
        labels.remove("alertname");
        let about = match said {
            Some(said) => format!("{}: {}", self.name(), said.trim()),
            None => self.name().to_owned(),
        };
        let note = self.suppressed.map(|why| format!("{why}: ")).unwrap_or_default();
        match labels.is_empty() {
            true => format!("{note}{about}"),
            false => format!("{note}{about} ({})", shown(&labels)),
        }
    }
}

/// `nas:9100` is the machine nas.
fn without_port(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) && !host.contains(':') => {
            host
        }
        Some(_) | None => place,
    }
}

impl NetProbe for AlertsProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.api.timeout, self.ask()).await {
                Ok(firing) => self.judge(&firing, now),
                Err(why) => self.unseen(self.voice.unanswered(ALERTS, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.unseen(self.voice.unseen(ALERTS, &why, now), &why)
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.voice.signal("part"), parts);
    }
}

/// What a reading of it has; `alert` and `labels` where it is one alert's.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "alert", kind: Kind::Word, doc: "the alert's name, where it is a plain one" },
        Gives {
            name: ABOUT_HOST,
            kind: Kind::Target,
            doc: "the host that an alert about security names",
        },
        Gives { name: "labels", kind: Kind::Text, doc: "its labels, in one line" },
    ]
}

/// `alerts.NAME = "url"` of a Prometheus or an Alertmanager, or a table with `watchdog`, `ignore`, a login, and the
/// common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main("url") else { return Vec::new() };
    let mut api = service::api(ask, url);
    let settings =
        Settings { watchdog: ask.opt("watchdog"), ignore: ask.list("ignore").unwrap_or_default() };
    // Its rules waited before it fired.
    let common =
        Common { fire_after: 1, clear_after: 1, ..Common::with(Span::mins(1), Span::secs(10)) };
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "alerts", &host, common) else { return Vec::new() };
    api.timeout = placed.common.timeout;
    let known = api.clone();
    ask.cx.servers.add(|all| drop(all.rules.insert(ask.name.to_owned(), known)));
    let probe = AlertsProbe::new(settings, placed.voice.clone(), api, ask.cx.clone());
    placed.draft(ask, ALERTS, probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::loopback::serve;
    use crate::clients::http::url::WebUrl;
    use crate::clients::json::Login;
    use crate::model::ids::HostName;
    use crate::probe::ask::NoPast;
    use axum::Router;
    use axum::routing::get;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn labels_say_how_bad_an_alert_is() {
        use Severity::{Green, Red, Yellow};
        for (pairs, severity, reason) in [
            (&[("severity", "critical")][..], Red, "firing"),
            (&[("severity", "Page")], Red, "firing"),
            (&[("severity", "warning")], Yellow, "firing"),
            (&[("severity", "p3")], Yellow, "firing"),
            (&[], Yellow, "firing"),
            (&[("severity", "none")], Green, "info"),
            (&[("severity", "info"), ("category", "security")], Red, "security"),
            (&[("security", "true")], Red, "security"),
            (&[("security", "false"), ("severity", "info")], Green, "info"),
        ] {
            let alert = Firing { labels: labels(pairs), ..Firing::default() };
            assert_eq!(alert.judged(), (severity, reason), "{pairs:?}");
            let silenced = Firing { suppressed: Some("silenced"), ..alert };
            assert_eq!(silenced.judged(), (Green, "silenced"), "{pairs:?}");
        }
    }

    fn probe(base: &str, settings: Settings) -> AlertsProbe {
        let url = WebUrl::parse(base).unwrap();
        let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
        let mut cx = Context::new(HostName::of("mini"));
        cx.hosts.insert(HostName::of("nas"));
        let voice = Voice::new("alerts", "mini:endpoint:main".parse().unwrap());
        AlertsProbe::new(settings, voice, api, cx)
    }

    #[test]
    fn a_silent_watchdog_is_red_and_a_resolved_alert_is_gone() {
        let settings = Settings { watchdog: Some("Watchdog".into()), ignore: vec!["Noise".into()] };
        let mut probe = probe("http://127.0.0.1:1/", settings);
        let alert = |pairs: &[(&str, &str)]| Firing { labels: labels(pairs), ..Firing::default() };
        let firing = [
            alert(&[("alertname", "Watchdog"), ("severity", "none")]),
            alert(&[("alertname", "Noise")]),
            alert(&[("alertname", "DiskFull"), ("severity", "page"), ("instance", "nas:9100")]),
        ];
        let told = probe.judge(&firing, Millis(1));
        assert_eq!(told.len(), 3);
        assert_eq!(told[1].severity, Severity::Red);
        let target = told[1].signal.target.to_string();
        assert!(target.starts_with("mini:endpoint:main.DiskFull-nas-9100."), "{target}");
        assert_eq!(told[1].parent, Some(host_signal(&HostName::of("nas"))));
        let fits = |g: &Gives| told[1].values.get(g.name).is_none_or(|v| v.fits(&g.kind));
        assert!(gives().iter().all(fits));
        assert_eq!(told[1].words.as_str(), "DiskFull (instance=nas:9100, severity=page)");
        assert_eq!((told[2].severity, told[2].reason.as_str()), (Severity::Green, "ok"));
        let after = probe.judge(&[], Millis(2));
        assert_eq!((after.len(), after[1].severity), (2, Severity::Red));
        assert_eq!(probe.retired(), [told[1].signal.clone()]);
    }

    #[test]
    fn an_alert_about_security_is_for_the_human_and_names_its_host() {
        let mut probe = probe("http://127.0.0.1:1/", Settings::default());
        let pairs = [("alertname", "RootLogin"), ("security", "true"), ("instance", "nas:9100")];
        let told =
            probe.judge(&[Firing { labels: labels(&pairs), ..Firing::default() }], Millis(1));
        assert_eq!((told[1].severity, told[1].concern), (Severity::Red, Concern::Security));
        assert_eq!(told[1].parent, None, "nothing explains it");
        let nas = Value::Target(Target::host(HostName::of("nas")));
        assert_eq!(told[1].values.get(ABOUT_HOST), Some(&nas));
    }

    #[tokio::test]
    async fn an_alertmanager_is_told_from_a_prometheus() {
        const HELD: &str = r#"[{"annotations":{"summary":"full"},"endsAt":"2026-03-02T12:00:00Z","fingerprint":"f",
            "receivers":[{"name":"x"}],"startsAt":"2026-03-02T11:00:00Z","updatedAt":"2026-03-02T11:00:00Z",
            "status":{"inhibitedBy":[],"silencedBy":["abc"],"state":"suppressed"},
            "labels":{"alertname":"DiskFull","severity":"critical"}}]"#;
        const RULES: &str = r#"{"status":"success","data":{"alerts":[
            {"labels":{"alertname":"Slow"},"annotations":{},"state":"firing","activeAt":"2026-03-02T12:00:00Z","value":"1"},
            {"labels":{"alertname":"Soon"},"annotations":{},"state":"pending","activeAt":"2026-03-02T12:00:00Z","value":"1"}]}}"#;
        let manager = Router::new().route("/am/api/v2/alerts", get(|| async { HELD }));
        let (base, _tasks) = serve(manager).await;
        let mut one = probe(&format!("{base}/am/"), Settings::default());
        let told = one.look(&NoPast, Millis(1)).await;
        assert_eq!((told[1].severity, told[1].reason.as_str()), (Severity::Green, "silenced"));
        assert_eq!(told[1].words.as_str(), "silenced: DiskFull: full (severity=critical)");
        let server = Router::new().route("/api/v1/alerts", get(|| async { RULES }));
        let (base, tasks) = serve(server).await;
        let mut other = probe(&base, Settings::default());
        let told = other.look(&NoPast, Millis(1)).await;
        assert_eq!((told.len(), told[1].severity), (2, Severity::Yellow));
        drop(tasks);
        tokio::task::yield_now().await;
        let told = other.look(&NoPast, Millis(2)).await;
        let severities: Vec<Severity> = told.iter().map(|r| r.severity).collect();
        assert_eq!(severities, [Severity::Red, Severity::Unknown]);
        assert!(other.retired().is_empty(), "nobody could see that it was resolved");
    }
}
