//! `ollama`: whether an Ollama answers and has the models that it should have.

use serde::Deserialize;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::json::Api;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const MODELS: &str = "models";

#[derive(Debug)]
pub struct OllamaProbe {
    /// `models`: by name, `llama3.2` or `llama3.2:3b`.
    models: Vec<String>,
    voice: Voice,
    api: Api,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
}

impl OllamaProbe {
    pub fn new(models: Vec<String>, voice: Voice, api: Api) -> Self {
        Self { models, voice, api }
    }

    async fn ask(&self) -> Result<(String, Vec<String>), NoAnswer> {
        let Version { version } = self.api.get("api/version", &[]).await?;
        let Tags { models } = self.api.get("api/tags", &[]).await?;
        Ok((version, models.into_iter().map(|model| model.name).collect()))
    }

    fn judge(&self, version: &str, there: &[String], now: Millis) -> Reading {
        // A name without a tag is the latest.
        let is = |there: &str, wanted: &str| {
            there == wanted || there.strip_suffix(":latest") == Some(wanted)
        };
        let missing: Vec<&str> = self
            .models
            .iter()
            .map(String::as_str)
            .filter(|wanted| !there.iter().any(|there| is(there, wanted)))
            .collect();
        let (judged, words) = match missing.is_empty() {
            true => {
                let words = format!("Ollama {version}, {} models", there.len());
                ((Severity::Green, "ok"), words)
            }
            false => {
                let words = format!(
                    "Ollama {version} lacks {}: run ollama pull {}",
                    missing.join(", "),
                    missing.first().copied().unwrap_or_default()
                );
                ((Severity::Red, "missing"), words)
            }
        };
        self.voice.reading(MODELS, judged, &words, now)
    }
}

impl NetProbe for OllamaProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            vec![match within(self.api.timeout, self.ask()).await {
                Ok((version, there)) => self.judge(&version, &there, now),
                Err(why) => self.voice.unanswered(MODELS, &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(MODELS, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `ollama.NAME = "url"`, or a table with `models`, a login, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(url) = ask.main("url") else { return Vec::new() };
    let mut api = service::api(ask, url);
    let models = ask.list("models").unwrap_or_default();
    let common = Common::with(Span::mins(5), Span::secs(10));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "ollama", &host, common) else { return Vec::new() };
    api.timeout = placed.common.timeout;
    let probe = OllamaProbe::new(models, placed.voice.clone(), api);
    placed.draft(ask, MODELS, probe)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::clients::http::Http;
    use crate::clients::http::loopback::serve;
    use crate::clients::http::url::WebUrl;
    use crate::clients::json::Login;
    use crate::probe::ask::NoPast;

    #[tokio::test]
    async fn a_model_that_is_not_there_is_red() {
        let app = Router::new()
            .route("/api/version", get(|| async { r#"{"version":"0.5.1"}"# }))
            .route(
                "/api/tags",
                get(|| async {
                    r#"{"models":[{"name":"llama3.2:latest","size":2019393189},{"name":"qwen3:8b"}]}"#
                }),
            );
        let (base, _tasks) = serve(app).await;
        for (wanted, severity, words) in [
            (vec![], Severity::Green, "Ollama 0.5.1, 2 models"),
            (vec!["llama3.2", "qwen3:8b"], Severity::Green, "Ollama 0.5.1, 2 models"),
            (vec!["qwen3"], Severity::Red, "Ollama 0.5.1 lacks qwen3: run ollama pull qwen3"),
        ] {
            let url = WebUrl::parse(&base).unwrap();
            let api = Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) };
            let voice = Voice::new("ollama", "mini:endpoint:ai".parse().unwrap());
            let models = wanted.into_iter().map(str::to_owned).collect();
            let told = OllamaProbe::new(models, voice, api).look(&NoPast, Millis(1)).await;
            assert_eq!((told[0].severity, told[0].words.as_str()), (severity, words));
        }
    }
}
