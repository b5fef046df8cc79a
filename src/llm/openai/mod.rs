//! Any service that speaks the OpenAI-compatible chat API with tool calls: Ollama, llama.cpp, vLLM, LM
//! Studio, OpenRouter, LiteLLM. One request, one reply; no streaming.

pub mod dialect;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::Fut;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, Http, PostRequest};
use crate::config::secret::SecretSource;
use crate::config::section::Section;
use crate::llm::{Model, ModelError};
use crate::model::chat::{Reply, ToolCard, Turn};
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// No reply is longer than this.
const LONGEST: usize = 4 << 20;

/// `openai = { url = "http://ai:11434/v1", name = "qwen3:8b", key_file = "/path" }`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base of the API: `…/v1`.
    pub url: WebUrl,
    /// The model as its service calls it.
    pub name: String,
    pub key: Option<SecretSource>,
    /// For one reply. Default 2 minutes: a small machine thinks slowly.
    pub timeout: Span,
    /// The most tokens of one reply. Default 1,500.
    pub max_output: u32,
}

/// Reads the table behind `openai`.
pub fn configure(section: &mut Section) -> Option<Settings> {
    let url: Option<WebUrl> = section.need("url");
    let name: Option<String> = section.need("name");
    let key = section.secret("key");
    let timeout = section.or("timeout", Span::mins(2));
    let max_output = section.or("max_output", 1_500_u32);
    if timeout < Span::secs(1) {
        section.mistake("timeout", "is too short for any model: 1 s at least");
    }
    if max_output < 100 {
        section.mistake("max_output", "is too short for any reply: 100 tokens at least");
    }
    let (url, name) = (url?, name?);
    if name.trim().is_empty() {
        section.mistake("name", "is empty");
        return None;
    }
    if key.is_some() && !url.is_https() && !is_private(url.host()) {
        section.finding("url", "sends the key unencrypted over the network: use https");
    }
    Some(Settings { url, name, key, timeout, max_output })
}

/// Whether a host is this machine or in the house, as far as its name tells.
fn is_private(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => !host.contains('.') || host.ends_with(".local") || host.ends_with(".home.arpa"),
    }
}

/// One model behind one service.
pub struct OpenAi {
    settings: Settings,
    key: Option<SecretString>,
    http: Http,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.settings.name, self.settings.url)
    }
}

impl OpenAi {
    pub fn new(settings: Settings, key: Option<SecretString>, http: Http) -> Self {
        Self { settings, key, http }
    }

    async fn ask(
        &self,
        system: &str,
        turns: &[Turn],
        tools: &[ToolCard],
    ) -> Result<Reply, ModelError> {
        let limit =
            dialect::Limit { host: self.settings.url.host(), tokens: self.settings.max_output };
        let body = dialect::request(&self.settings.name, &limit, system, turns, tools);
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(key) = &self.key {
            headers.push(("authorization".into(), format!("Bearer {}", key.expose_secret())));
        }
        let request = PostRequest {
            url: self.settings.url.below("chat/completions"),
            headers,
            body: body.to_string().into_bytes(),
            timeout: self.settings.timeout,
            max_body: LONGEST,
        };
        let answer = self.http.post(&request).await.map_err(|why| no_answer(&why))?;
        self.judge(&answer)
    }

    fn judge(&self, answer: &Answer) -> Result<Reply, ModelError> {
        let said = || self.without_key(&dialect::complaint(&answer.body));
        match answer.status {
            200..=299 if answer.cut => {
                Err(ModelError::Malformed("the reply is longer than 4 MiB".into()))
            }
            200..=299 => dialect::reply(&answer.body).map_err(|why| self.hide(why)),
            408 | 504 => Err(ModelError::Slow),
            429 | 500..=599 => Err(ModelError::Down(format!("{}: {}", answer.status, said()))),
            status => Err(ModelError::Rejected(format!("{status}: {}", said()))),
        }
    }

    /// Some services repeat the key that they refuse.
    fn without_key(&self, words: &str) -> String {
        let shown = match &self.key {
            Some(key) => words.replace(key.expose_secret(), "[redacted]"),
            None => words.to_owned(),
        };
        Tainted::bounded(&shown, 300).as_str().to_owned()
    }

    fn hide(&self, error: ModelError) -> ModelError {
        match error {
            ModelError::Down(why) => ModelError::Down(self.without_key(&why)),
            ModelError::Rejected(why) => ModelError::Rejected(self.without_key(&why)),
            ModelError::Malformed(why) => ModelError::Malformed(self.without_key(&why)),
            ModelError::Slow => ModelError::Slow,
        }
    }
}

fn no_answer(why: &HttpError) -> ModelError {
    match why {
        HttpError::TimedOut(_) => ModelError::Slow,
        HttpError::Setup(_) => ModelError::Rejected(why.to_string()),
        HttpError::Refused
        | HttpError::NoName(_)
        | HttpError::Tls(_)
        | HttpError::Unreachable(_)
        | HttpError::Broken(_) => ModelError::Down(why.to_string()),
    }
}

impl Model for OpenAi {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn reply<'a>(
        &'a self,
        system: &'a str,
        turns: &'a [Turn],
        tools: &'a [ToolCard],
    ) -> Fut<'a, Result<Reply, ModelError>> {
        Box::pin(self.ask(system, turns, tools))
    }
}

#[cfg(test)]
mod tests;
