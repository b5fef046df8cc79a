//! Messages as JSON to any web hook.

use secrecy::{ExposeSecret, SecretString};

use crate::Fut;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Http, PostRequest};
use crate::config::secret::SecretSource;
use crate::config::section::Section;
use crate::model::message::Message;
use crate::model::time::Span;
use crate::notify::outcome::{TIMEOUT, bounded, sent};
use crate::notify::{NotSent, Notifier};

const LONGEST_BODY: usize = 16 << 10;
const LONGEST_TITLE: usize = 400;

/// `webhook = { url = "https://…", secret_file = "/path", header = "X-Reef-Secret" }`.
#[derive(Debug, Clone)]
pub struct Settings {
    url: WebUrl,
    secret: Option<SecretSource>,
    /// The header that carries the secret.
    header: String,
    /// Of one try. Default 15 s.
    timeout: Span,
}

/// One hook.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    url: WebUrl,
    secret: Option<SecretString>,
    header: String,
    timeout: Span,
    http: Http,
}

/// Reads the table behind `webhook`.
pub fn configure(section: &mut Section) -> Option<Settings> {
    let url: Option<WebUrl> = section.need("url");
    let secret = section.secret("secret");
    let header: String = section.or("header", "X-Reef-Secret".into());
    let timeout = section.or("timeout", TIMEOUT);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if header.is_empty() || !header.chars().all(plain) {
        section.mistake("header", "is no header's name: letters, digits and '-' only");
        return None;
    }
    Some(Settings { url: url?, secret, header, timeout })
}

impl Settings {
    pub fn secret(&self) -> Option<&SecretSource> {
        self.secret.as_ref()
    }

    pub fn build(&self, name: &str, secret: Option<SecretString>, http: Http) -> Webhook {
        let (url, header) = (self.url.clone(), self.header.clone());
        Webhook { name: name.to_owned(), url, secret, header, timeout: self.timeout, http }
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    /// The body is the message with all its fields: `urgency`, `title`, `body`, `severity`,
    /// `incident`, `approval`, `key`.
    fn send<'a>(&'a self, message: &'a Message) -> Fut<'a, Result<(), NotSent>> {
        Box::pin(async move {
            let whole = Message {
                title: bounded(&message.title, LONGEST_TITLE),
                body: bounded(&message.body, LONGEST_BODY),
                ..message.clone()
            };
            let body = serde_json::to_vec(&whole).map_err(|e| {
                NotSent::Never(format!("the message cannot be written as JSON: {e}"))
            })?;
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            if let Some(secret) = &self.secret {
                headers.push((self.header.clone(), secret.expose_secret().to_owned()));
            }
            let url = self.url.clone();
            let request =
                PostRequest { url, headers, body, timeout: self.timeout, max_body: 1 << 10 };
            sent(&self.url, self.http.post(&request).await)
        })
    }
}
