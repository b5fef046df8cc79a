//! JSON over HTTP: one question, one typed answer, and what each status means.

use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

use crate::clients::answer::NoAnswer;
use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, GetRequest, Http, PostRequest, Verb, basic};
use crate::config::keys::Key;
use crate::gate::permit::Permit;
use crate::model::taint::Tainted;
use crate::model::time::Span;

/// The most that one answer may have.
const LARGEST: usize = 16 << 20;
/// As much of a refusal as is shown.
const REFUSAL: usize = 120;

/// Who we are at a service.
#[derive(Debug, Clone, Default)]
pub enum Login {
    #[default]
    Nobody,
    Basic {
        user: String,
        password: Key,
    },
    /// `Authorization: Bearer KEY`.
    Bearer(Key),
    /// `Authorization: BEFORE` and the key right after it.
    Token {
        before: String,
        key: Key,
    },
}

impl Login {
    /// The headers that say so. A key that could not be fetched leaves us blind.
    pub fn headers(&self) -> Result<Vec<(String, String)>, NoAnswer> {
        let value = |key: &Key| match key.value() {
            Ok(secret) => Ok(secret.expose_secret().to_owned()),
            Err(why) => Err(NoAnswer::Setup(why.to_owned())),
        };
        let authorization = |said: String| vec![("authorization".to_owned(), said)];
        Ok(match self {
            Self::Nobody => Vec::new(),
            Self::Basic { user, password } => vec![basic(user, &value(password)?)],
            Self::Bearer(key) => authorization(format!("Bearer {}", value(key)?)),
            Self::Token { before, key } => authorization(format!("{before}{}", value(key)?)),
        })
    }
}

/// One service that answers in JSON. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Api {
    pub http: Http,
    /// The base, below which all its paths lie.
    pub url: WebUrl,
    pub login: Login,
    /// Of each question.
    pub timeout: Span,
}

impl Api {
    /// What lies at `path` (no leading slash); a missing path is an answer that does not fit.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, NoAnswer> {
        let found = self.find(path, query).await?;
        found.ok_or_else(|| NoAnswer::Broken(format!("it has no /{path}: is this its URL?")))
    }

    /// As [`Api::get`]; `None` where there is no such path.
    pub async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<T>, NoAnswer> {
        found(&self.answer(path, query, Vec::new()).await?, "its key or right is missing")
    }

    /// The raw answer of what lies at `path`.
    pub async fn answer(
        &self,
        path: &str,
        query: &[(&str, String)],
        headers: Vec<(String, String)>,
    ) -> Result<Answer, NoAnswer> {
        let api = Self { url: self.url.below(path).asking(query), ..self.clone() };
        api.answer_here(headers).await
    }

    /// Changes what lies at `path`, once, with `form` as its fields. A DELETE has them in its query.
    pub async fn change(
        &self,
        permit: &Permit,
        verb: Verb,
        path: &str,
        form: &[(&str, String)],
    ) -> Result<Answer, HttpError> {
        let (here, filled) = (self.url.below(path), self.url.asking(form));
        let fields = filled.path_and_query().split_once('?').map(|(_, fields)| fields.to_owned());
        let (url, body) = match verb {
            Verb::Delete => (here.asking(form), Vec::new()),
            Verb::Post | Verb::Put => (here, fields.unwrap_or_default().into_bytes()),
        };
        let mut headers = self.login.headers().map_err(|why| HttpError::Setup(why.to_string()))?;
        let form = "application/x-www-form-urlencoded";
        headers.push(("content-type".to_owned(), form.to_owned()));
        let request = PostRequest { url, headers, body, timeout: self.timeout, max_body: LARGEST };
        self.http.change(permit, verb, &request).await
    }

    /// The raw answer of the URL itself.
    pub async fn answer_here(
        &self,
        mut headers: Vec<(String, String)>,
    ) -> Result<Answer, NoAnswer> {
        let url = self.url.clone();
        headers.extend(self.login.headers()?);
        let request =
            GetRequest { max_body: LARGEST, headers, ..GetRequest::new(url, self.timeout) };
        let answer = self.http.get(&request).await?;
        match answer.cut {
            true => Err(NoAnswer::Broken(format!("more than {} MiB came", LARGEST >> 20))),
            false => Ok(answer),
        }
    }
}

/// Reads an answer; `None` where there is nothing at that path. `denied` says what a refusal lacks.
pub fn found<T: DeserializeOwned>(answer: &Answer, denied: &str) -> Result<Option<T>, NoAnswer> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|e| NoAnswer::Broken(format!("not the JSON that was expected: {e}"))),
        404 => Ok(None),
        status => Err(refused(answer).unwrap_or_else(|| match status {
            401 | 403 => NoAnswer::Denied(format!("it answers {status}: {denied}")),
            _ => NoAnswer::Broken(format!("it answers {status}{}", said(answer))),
        })),
    }
}

/// A server's error, where this is one: it is there and does not serve.
fn refused(answer: &Answer) -> Option<NoAnswer> {
    let status = answer.status;
    (500..=599)
        .contains(&status)
        .then(|| NoAnswer::Busy(format!("it answers {status}{}", said(answer))))
}

fn said(answer: &Answer) -> String {
    let text = Tainted::bounded(&String::from_utf8_lossy(&answer.body), REFUSAL);
    match text.first_line().trim() {
        "" => String::new(),
        line => format!(": {line}"),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use serde_json::Value as Json;

    use super::*;
    use crate::clients::http::loopback::{nobody, serve};

    fn api(base: &str, login: Login) -> Api {
        let url = WebUrl::parse(base).unwrap();
        Api { http: Http::new(), url, login, timeout: Span::secs(5) }
    }

    #[tokio::test]
    async fn each_status_has_its_meaning() {
        let app = Router::new()
            .route("/a/ok", get(|| async { r#"{"n": 1}"# }))
            .route("/a/html", get(|| async { "<html>" }))
            .route("/a/who", get(|| async { (StatusCode::FORBIDDEN, "no") }))
            .route("/a/ill", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "starting\nup") }))
            .route("/a/odd", get(|| async { (StatusCode::IM_A_TEAPOT, "") }));
        let (base, _tasks) = serve(app).await;
        let api = api(&format!("{base}/a"), Login::Nobody);
        assert_eq!(api.get::<Json>("ok", &[]).await.unwrap()["n"], 1);
        assert_eq!(api.find::<Json>("nowhere", &[]).await, Ok(None));
        for (path, word, words) in [
            ("nowhere", "broken", "it has no /nowhere"),
            ("html", "broken", "not the JSON"),
            ("who", "denied", "it answers 403"),
            ("ill", "busy", "it answers 503: starting"),
            ("odd", "broken", "it answers 418"),
        ] {
            let why = api.get::<Json>(path, &[]).await.unwrap_err();
            assert_eq!(why.word(), word, "{path}");
            assert!(why.to_string().contains(words), "{why}");
        }
        let gone = Api { url: WebUrl::parse(&nobody().await).unwrap(), ..api };
        assert_eq!(gone.get::<Json>("ok", &[]).await, Err(NoAnswer::Refused));
    }

    #[tokio::test]
    async fn a_login_is_said_and_a_missing_key_is_blindness() {
        let app = Router::new().route(
            "/",
            get(|headers: HeaderMap| async move {
                format!("{:?}", headers["authorization"].to_str().unwrap())
            }),
        );
        let (base, _tasks) = serve(app).await;
        let key = crate::config::keys::held("s3cret");
        let logins = [
            (Login::Bearer(key.clone()), "Bearer s3cret"),
            (Login::Token { before: "X=a!b=".into(), key: key.clone() }, "X=a!b=s3cret"),
            (Login::Basic { user: "a".into(), password: key }, "Basic YTpzM2NyZXQ="),
        ];
        for (login, want) in logins {
            assert_eq!(api(&base, login).get::<String>("", &[]).await.unwrap(), want);
        }
        let missing = crate::config::keys::Keys::default()
            .add(crate::config::secret::SecretSource::Credential("x".into()));
        let why = api(&base, Login::Bearer(missing)).get::<String>("", &[]).await.unwrap_err();
        assert!(why.is_blindness(), "{why}");
    }
}
