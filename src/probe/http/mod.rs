//! `http`: whether an endpoint answers as it should, and how fast.

use std::fmt;

use regex::bytes::Regex;

use crate::Fut;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, BODY, GetRequest, Http, Redirects};
use crate::clients::tls::TlsServer;
use crate::config::given::Given;
use crate::config::setting::Setting;
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft, Endpoint, Named, host_signal};
use crate::probe::{How, NetProbe, Past, tls};

/// What an endpoint should do.
#[derive(Debug, Clone)]
pub struct Settings {
    pub url: WebUrl,
    /// `status`: what counts as well. Default 200-399.
    pub status: Vec<Codes>,
    /// `body`: a text that must be in the first 64 KiB. `body_matches`: a regular expression.
    pub body: Option<Body>,
    /// `slow`: yellow from here on. Default 2 s.
    pub slow: Span,
    /// `very_slow`: red from here on. Default: never.
    pub very_slow: Option<Span>,
    /// `timeout`: of one request. Default 10 s.
    pub timeout: Span,
    /// `retry_after`: the pause before a failed request is tried once more, which alone counts.
    /// Default 5 s.
    pub retry_after: Span,
    /// `follow`: whether redirects on the same host are followed. Default true.
    pub redirects: Redirects,
}

impl Settings {
    pub fn new(url: WebUrl) -> Self {
        Self {
            url,
            status: vec![Codes { from: 200, to: 399 }],
            body: None,
            slow: Span::secs(2),
            very_slow: None,
            timeout: Span::secs(10),
            retry_after: Span::secs(5),
            redirects: Redirects::SameHost,
        }
    }

    /// Two requests, the pause between them, and a second to spare.
    fn whole_look(&self) -> Span {
        Span(self.timeout.0 * 2 + self.retry_after.0 + 1_000)
    }
}

/// A range of status codes, both ends in it: `204`, `"200-399"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    from: u16,
    to: u16,
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => write!(f, "{}", self.from),
            false => write!(f, "{}-{}", self.from, self.to),
        }
    }
}

impl Setting for Codes {
    fn read(given: &Given) -> Result<Self, String> {
        let wrong = || "is no HTTP status: write 200 or \"200-399\"".to_owned();
        let text = match given {
            Given::Int(n) => n.to_string(),
            Given::Text(text) => text.clone(),
            Given::Float(_)
            | Given::Flag(_)
            | Given::List(_)
            | Given::Table(_)
            | Given::Other(_) => return Err(wrong()),
        };
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        let code = |n: &str| n.trim().parse::<u16>().ok().filter(|n| (100..600).contains(n));
        match (code(from), code(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            (Some(_) | None, Some(_) | None) => Err(wrong()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// What the body must hold.
#[derive(Debug, Clone)]
pub enum Body {
    Contains(String),
    Matches(Regex),
}

impl Body {
    fn is_in(&self, body: &[u8]) -> bool {
        match self {
            Self::Contains(text) => {
                text.is_empty() || body.windows(text.len()).any(|part| part == text.as_bytes())
            }
            Self::Matches(regex) => regex.is_match(body),
        }
    }
}

/// Looks at one endpoint.
#[derive(Debug)]
pub struct HttpProbe {
    settings: Settings,
    request: GetRequest,
    signal: Signal,
    served_by: Option<Target>,
    http: Http,
}

/// What one request came to.
struct Judged {
    severity: Severity,
    clears: Severity,
    reason: &'static str,
    words: String,
    status: u16,
    took: Option<Span>,
}

impl HttpProbe {
    pub fn new(
        settings: Settings,
        endpoint: Target,
        served_by: Option<Target>,
        http: Http,
    ) -> Self {
        let request = GetRequest {
            redirects: settings.redirects,
            // A body of which nothing is wanted is not kept.
            max_body: if settings.body.is_some() { BODY } else { 0 },
            ..GetRequest::new(settings.url.clone(), settings.timeout)
        };
        Self { settings, request, signal: signal(endpoint), served_by, http }
    }

    /// Judges an answer that somebody else got: a past one, replayed.
    pub fn seen(&self, came: &Result<Answer, HttpError>, now: Millis) -> Reading {
        self.reading(&self.judged(came), now)
    }

    async fn request(&self) -> Judged {
        self.judged(&self.http.get(&self.request).await)
    }

    fn judged(&self, came: &Result<Answer, HttpError>) -> Judged {
        match came {
            Ok(answer) => self.judge(answer),
            Err(why) => {
                let severity = match why {
                    HttpError::Setup(_) => Severity::Unknown,
                    HttpError::Refused
                    | HttpError::TimedOut(_)
                    | HttpError::NoName(_)
                    | HttpError::Tls(_)
                    | HttpError::Unreachable(_)
                    | HttpError::Broken(_) => Severity::Red,
                };
                let words = why.to_string();
                Judged {
                    severity,
                    clears: severity,
                    reason: why.word(),
                    words,
                    status: 0,
                    took: None,
                }
            }
        }
    }

    fn judge(&self, answer: &Answer) -> Judged {
        let settings = &self.settings;
        let (status, took) = (answer.status, answer.took);
        let of = |severity, clears, reason, words| Judged {
            severity,
            clears,
            reason,
            words,
            status,
            took: Some(took),
        };
        let red = |reason, words| of(Severity::Red, Severity::Red, reason, words);
        if !settings.status.iter().any(|codes| (codes.from..=codes.to).contains(&status)) {
            let wanted: Vec<String> = settings.status.iter().map(Codes::to_string).collect();
            return red("status", format!("{status} where {} is right", wanted.join(", ")));
        }
        if settings.body.as_ref().is_some_and(|body| !body.is_in(&answer.body)) {
            let cut = if answer.cut { "the first 64 KiB of its body" } else { "its body" };
            return red("body", format!("{status}, but {cut} lacks what must be there"));
        }
        let at = |took: Span| match () {
            () if settings.very_slow.is_some_and(|limit| limit <= took) => {
                (Severity::Red, "very-slow")
            }
            () if settings.slow <= took => (Severity::Yellow, "slow"),
            () => (Severity::Green, "ok"),
        };
        let (severity, reason) = at(took);
        // It clears a quarter faster than it fires, so that an answer on the edge does not flap.
        let (clears, _) = at(Span(took.0 + took.0 / 4));
        of(severity, clears, reason, format!("{status} in {took}"))
    }

    fn reading(&self, judged: &Judged, now: Millis) -> Reading {
        let mut reading = Reading::new(
            self.signal.clone(),
            now,
            judged.severity,
            Word::of(judged.reason),
            &judged.words,
        );
        reading.clears = judged.clears;
        if let Some(took) = judged.took {
            reading.value = Some(took.as_secs_f64() * 1_000.0);
            reading.unit = Some(Unit::Millis);
        }
        let endpoint = Value::Target(self.signal.target.clone());
        reading.values.insert("endpoint".into(), endpoint);
        reading.values.insert("status".into(), Value::Int(i64::from(judged.status)));
        if let Some(unit) = &self.served_by {
            let contained = matches!(unit.thing(), Thing::Container | Thing::Composed);
            let name = if contained { "container" } else { "unit" };
            reading.values.insert(name.into(), Value::Target(unit.clone()));
        }
        reading
    }
}

impl NetProbe for HttpProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let mut judged = self.request().await;
            let slow = judged.took.is_some() && judged.reason == "very-slow";
            if judged.severity == Severity::Red && !slow {
                tokio::time::sleep(self.settings.retry_after.duration()).await;
                let first = std::mem::replace(&mut judged, self.request().await);
                if judged.severity == Severity::Red {
                    judged.words = match judged.words == first.words {
                        true => format!("{}, twice in {}", judged.words, self.settings.retry_after),
                        false => format!("{}; before that: {}", judged.words, first.words),
                    };
                }
            }
            vec![self.reading(&judged, now)]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        // Each request has its own, shorter time: what struck here is a machine that is too busy.
        let words = format!("the look did not end within {after}: this machine is too busy");
        let judged = Judged {
            severity: Severity::Unknown,
            clears: Severity::Unknown,
            reason: "timeout",
            words,
            status: 0,
            took: None,
        };
        vec![self.reading(&judged, now)]
    }
}

/// The one signal of an endpoint.
pub fn signal(endpoint: Target) -> Signal {
    Signal { probe: Word::of("http"), target: endpoint, aspect: Word::of("status") }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "endpoint", kind: Kind::Target, doc: "the endpoint, HOST:endpoint:NAME" },
        Gives { name: "status", kind: Kind::Int, doc: "the HTTP status; 0 where no answer came" },
        Gives { name: "unit", kind: Kind::Target, doc: "what serves it, where served_by says so" },
        Gives {
            name: "container",
            kind: Kind::Target,
            doc: "as unit, where a container serves it",
        },
    ]
}

/// `http.NAME = "url"`, or a table with the keys of [`Settings`] and the common ones.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some((mut settings, ca_file)) = settings(ask) else { return Vec::new() };
    let url = settings.url.clone();
    let known = ask.cx.host_of(url.host());
    let host = known.clone().unwrap_or_else(|| ask.cx.here.clone());
    let mut common = ask.common(Common::with(Span::mins(1), settings.timeout), &host);
    settings.timeout = common.timeout;
    common.timeout = settings.whole_look();
    let Some(endpoint) = ask.target(&host, Thing::Endpoint) else { return Vec::new() };
    let http = match &ca_file {
        Some(file) => Http::trusting(Some(file.as_path().to_owned())),
        None => ask.cx.http.clone(),
    };
    let main = signal(endpoint.clone());
    let probe = HttpProbe::new(settings, endpoint.clone(), common.served_by.clone(), http);
    let how = How::Net(Box::new(probe));
    let named = format!("http.{}", ask.name);
    let mut probe = common.probe(Word::of("http"), named, host.clone(), how);
    probe.parent = known.filter(|known| *known != ask.cx.here).map(|known| host_signal(&known));
    let parent = common.parent.clone();
    let tls_at = url.is_https().then(|| (url.host().to_owned(), url.port()));
    let watched = Endpoint {
        target: endpoint.clone(),
        url: Some(url.clone()),
        tls: tls_at.clone().map(|(host, port)| TlsServer {
            name: host.clone(),
            host,
            port,
            lineage: None,
            config_dir: None,
        }),
        resolver: None,
    };
    let mut drafts = vec![Draft {
        probe,
        main: main.clone(),
        parent,
        endpoint: Some(watched),
        named: Named::Yes,
    }];
    if let Some((host, port)) = tls_at {
        let mut implied = tls::implied(ask.cx, ask.name, tls::At { host, port }, endpoint, ca_file);
        implied.probe.parent = Some(main);
        implied.probe.wakes = common.wakes;
        drafts.push(implied);
    }
    drafts
}

/// The levels of one endpoint, and how often it must fail, as [`configure`] reads them.
pub fn levels(ask: &mut Ask<'_>) -> Option<(Settings, Common)> {
    let (mut settings, _ca_file) = settings(ask)?;
    let here = ask.cx.here.clone();
    let common = ask.common(Common::with(Span::mins(1), settings.timeout), &here);
    settings.timeout = common.timeout;
    Some((settings, common))
}

fn settings(ask: &mut Ask<'_>) -> Option<(Settings, Option<AbsPath>)> {
    let url: WebUrl = ask.main("url")?;
    if url.has_credentials() {
        ask.finding("url", "has a password in it, which everybody who reads the config sees");
    }
    let mut settings = Settings::new(url);
    if let Some(codes) = ask.list::<Codes>("status") {
        settings.status = codes;
    }
    let contains = ask.opt::<String>("body").map(Body::Contains);
    settings.body = match ask.opt::<String>("body_matches") {
        None => contains,
        Some(_) if contains.is_some() => {
            ask.mistake("body_matches", "stands beside body; keep one of them");
            None
        }
        Some(pattern) => match Regex::new(&pattern) {
            Ok(regex) => Some(Body::Matches(regex)),
            Err(e) => {
                ask.mistake("body_matches", format!("is no regular expression: {e}"));
                None
            }
        },
    };
    settings.slow = ask.or("slow", settings.slow);
    settings.very_slow = ask.opt("very_slow");
    if settings.very_slow.is_some_and(|limit| limit < settings.slow) {
        ask.mistake("very_slow", "is below slow: it must be longer");
    }
    settings.retry_after = ask.or("retry_after", settings.retry_after);
    if !ask.or("follow", true) {
        settings.redirects = Redirects::Stop;
    }
    Some((settings, ask.opt("ca_file")))
}

#[cfg(test)]
mod tests;
