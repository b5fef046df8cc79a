//! Messages through an ntfy server, to the phone.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::Fut;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Http, PostRequest};
use crate::config::secret::SecretSource;
use crate::config::section::Section;
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::notify::outcome::{TIMEOUT, bounded, sent};
use crate::notify::{NotSent, Notifier};

/// ntfy turns a longer message into an attachment (docs, "Limitations": 4,096 bytes).
const LONGEST_BODY: usize = 3_500;
const LONGEST_TITLE: usize = 200;

/// `ntfy = { url = "https://ntfy.example/TOPIC", token_file = "/path" }`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's root: messages are published as JSON, which takes titles in any script.
    server: WebUrl,
    topic: String,
    token: Option<SecretSource>,
    /// Of one try. Default 15 s.
    timeout: Span,
}

/// One topic on one server.
#[derive(Debug)]
pub struct Ntfy {
    name: String,
    server: WebUrl,
    topic: String,
    token: Option<SecretString>,
    timeout: Span,
    http: Http,
}

/// Reads the table behind `ntfy`.
pub fn configure(section: &mut Section) -> Option<Settings> {
    let url: Option<WebUrl> = section.need("url");
    let token = section.secret("token");
    let timeout = section.or("timeout", TIMEOUT);
    let (server, topic) = url?.last_part().filter(|(_, topic)| is_topic(topic)).or_else(|| {
        section.mistake("url", "names no topic: write https://SERVER/TOPIC");
        None
    })?;
    Some(Settings { server, topic, token, timeout })
}

/// What ntfy takes as a topic.
fn is_topic(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

impl Settings {
    pub fn token(&self) -> Option<&SecretSource> {
        self.token.as_ref()
    }

    pub fn build(&self, name: &str, token: Option<SecretString>, http: Http) -> Ntfy {
        let (server, topic) = (self.server.clone(), self.topic.clone());
        Ntfy { name: name.to_owned(), server, topic, token, timeout: self.timeout, http }
    }
}

/// From 1 to 5; 5 rings until it is seen.
fn priority(message: &Message) -> u8 {
    match (message.urgency, message.severity) {
        (Urgency::Page, _) => 5,
        (Urgency::Message, Severity::Red) => 4,
        (Urgency::Message, Severity::Yellow | Severity::Unknown) => 3,
        (Urgency::Message, Severity::Green) => 2,
    }
}

/// Names of emoji, which ntfy puts before the title.
fn tag(severity: Severity) -> &'static str {
    match severity {
        Severity::Red => "red_circle",
        Severity::Yellow => "yellow_circle",
        Severity::Green => "green_circle",
        Severity::Unknown => "white_circle",
    }
}

impl Notifier for Ntfy {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Message) -> Fut<'a, Result<(), NotSent>> {
        Box::pin(async move {
            let body = json!({
                "topic": self.topic,
                "title": bounded(&message.title, LONGEST_TITLE),
                "message": bounded(&message.body, LONGEST_BODY),
                "priority": priority(message),
                "tags": [tag(message.severity), message.severity.as_str()],
            });
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            if let Some(token) = &self.token {
                let bearer = format!("Bearer {}", token.expose_secret());
                headers.push(("authorization".to_owned(), bearer));
            }
            let request = PostRequest {
                url: self.server.clone(),
                headers,
                body: body.to_string().into_bytes(),
                timeout: self.timeout,
                max_body: 1 << 10,
            };
            sent(&self.server, self.http.post(&request).await)
        })
    }
}
