//! `traces`: whether a Jaeger or a Tempo answers, which `traces.search` looks into.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::traces::{Flavour, Traces};
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const SERVER: &str = "server";

#[derive(Debug)]
pub struct TracesProbe {
    voice: Voice,
    traces: Traces,
}

impl TracesProbe {
    pub fn new(voice: Voice, traces: Traces) -> Self {
        Self { voice, traces }
    }
}

impl NetProbe for TracesProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            vec![match within(self.traces.api.timeout, self.traces.answers()).await {
                Ok(known) => {
                    let words = match known {
                        Some(n) => format!("it knows {n} services"),
                        None => "it is ready".to_owned(),
                    };
                    self.voice.reading(SERVER, (Severity::Green, "ok"), &words, now)
                }
                Err(why) => self.voice.unanswered(SERVER, &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(SERVER, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `traces.NAME = { url, kind, services }` with a login and the common keys; `kind` is `jaeger` or `tempo`, and
/// `services` are those that may be asked for.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main("url") else { return Vec::new() };
    let mut api = service::api(ask, url);
    let flavour = match ask.or("kind", "jaeger".to_owned()).as_str() {
        "jaeger" => Flavour::Jaeger,
        "tempo" => Flavour::Tempo,
        _other => {
            ask.mistake("kind", "is jaeger or tempo");
            return Vec::new();
        }
    };
    let services = ask.list::<Word>("services").unwrap_or_default();
    let common = Common::with(Span::mins(5), Span::secs(10));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "traces", &host, common) else { return Vec::new() };
    api.timeout = placed.common.timeout;
    let traces = Traces { api, flavour, services };
    let known = traces.clone();
    ask.cx.servers.add(|all| drop(all.traces.insert(ask.name.to_owned(), known)));
    let probe = TracesProbe::new(placed.voice.clone(), traces);
    placed.draft(ask, SERVER, probe)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::loopback::{nobody, serve};
    use crate::clients::http::url::WebUrl;
    use crate::clients::json::{Api, Login};
    use crate::probe::ask::NoPast;

    #[tokio::test]
    async fn both_kinds_say_that_they_are_there() {
        let app = Router::new()
            .route("/api/services", get(|| async { r#"{"data":["api","web"],"total":2}"# }))
            .route("/ready", get(|| async { "ready\n" }));
        let (base, _tasks) = serve(app).await;
        for (base, flavour, severity, words) in [
            (base.clone(), Flavour::Jaeger, Severity::Green, "it knows 2 services"),
            (base, Flavour::Tempo, Severity::Green, "it is ready"),
            (nobody().await, Flavour::Tempo, Severity::Red, "connection refused"),
        ] {
            let url = WebUrl::parse(&base).unwrap();
            let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
            let voice = Voice::new("traces", "mini:endpoint:jaeger".parse().unwrap());
            let traces = Traces { api, flavour, services: Vec::new() };
            let told = TracesProbe::new(voice, traces).look(&NoPast, Millis(1)).await;
            assert_eq!((told[0].severity, told[0].words.as_str()), (severity, words));
        }
    }
}
