//! HTTP: GETs for probes and tools, POSTs for the outbox and for models.

pub mod error;
#[cfg(test)]
pub(crate) mod loopback;
pub mod upload;
pub mod url;
mod wire;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use reqwest::Client;
use tokio::time::Instant;

use crate::clients::http::error::HttpError;
use crate::clients::http::url::WebUrl;
use crate::clients::http::wire::{Again, Came, Wire};
use crate::clients::tls::pin::Pin;
use crate::clients::tls::trust;
use crate::gate::permit::Permit;
use crate::model::time::Span;

/// What a probe reads of a body at the most.
pub const BODY: usize = 64 << 10;
/// How many redirects are followed, all on their own host.
const REDIRECTS: u32 = 3;
/// Whether a redirect is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// The redirect itself is the answer.
    Stop,
    /// Up to three on the same host, never from https to http; any other is the answer.
    SameHost,
}

/// A read over HTTP.
#[derive(Clone)]
pub struct GetRequest {
    pub url: WebUrl,
    /// For the whole of it: name, connection, redirects, body.
    pub timeout: Span,
    /// What comes beyond is not read.
    pub max_body: usize,
    pub headers: Vec<(String, String)>,
    pub redirects: Redirects,
}

impl GetRequest {
    /// A plain read with 64 KiB of body that follows redirects on the same host.
    pub fn new(url: WebUrl, timeout: Span) -> Self {
        Self { url, timeout, max_body: BODY, headers: Vec::new(), redirects: Redirects::SameHost }
    }
}

impl fmt::Debug for GetRequest {
    /// Without the headers, which may carry tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {} within {}", self.url, self.timeout)
    }
}

/// A POST. Needs no permit, so only what is exempt by name may send one: the delivery of the outbox, the
/// calls of a model, and the log-in at a Pi-hole, which changes nothing there but that a session is held.
#[derive(Clone)]
pub struct PostRequest {
    pub url: WebUrl,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub timeout: Span,
    /// What comes beyond is not read.
    pub max_body: usize,
}

impl fmt::Debug for PostRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST {} bytes to {} within {}", self.body.len(), self.url, self.timeout)
    }
}

/// How something is changed over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Post,
    Put,
    Delete,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// From the request to the end of what was read.
    pub took: Span,
    /// Raw bytes, at most `max_body`.
    pub body: Vec<u8>,
    /// Whether the body went on beyond what was read.
    pub cut: bool,
}

/// One client for all requests of its holder: nothing is built before the first one, connections are
/// kept alive between looks. Clones share it.
///
/// Proxies of the environment are not used: a probe that looks through a proxy sees the proxy.
#[derive(Clone, Default)]
pub struct Http {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    extra_ca: Option<PathBuf>,
    /// The one certificate that is trusted, in place of all authorities.
    pin: Option<Pin>,
    /// A unix socket on which the server listens, in place of the URL's host.
    socket: Option<PathBuf>,
    /// For http: it has no authorities to load.
    plain: OnceLock<Wire>,
    tls: OnceLock<Wire>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("http client")
    }
}

impl Http {
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in `ca_file` (PEM) beside the system's.
    pub fn trusting(ca_file: Option<PathBuf>) -> Self {
        Self { shared: Arc::new(Shared { extra_ca: ca_file, ..Shared::default() }) }
    }

    /// Trusts the certificate with this fingerprint and no other.
    pub fn pinned(pin: Pin) -> Self {
        Self { shared: Arc::new(Shared { pin: Some(pin), ..Shared::default() }) }
    }

    /// Asks the server on a unix socket; the URL's host is only said to it.
    pub fn at_socket(path: &Path) -> Self {
        Self { shared: Arc::new(Shared { socket: Some(path.to_owned()), ..Shared::default() }) }
    }

    /// Reads a URL.
    pub async fn get(&self, request: &GetRequest) -> Result<Answer, HttpError> {
        let started = Instant::now();
        let look = self.follow(request, started);
        tokio::time::timeout(request.timeout.duration(), look)
            .await
            .unwrap_or(Err(HttpError::TimedOut(request.timeout)))
    }

    async fn follow(&self, request: &GetRequest, started: Instant) -> Result<Answer, HttpError> {
        let mut url = request.url.clone();
        for hop in 0..=REDIRECTS {
            let asked = message(Method::GET, &url, &request.headers, Bytes::new())?;
            let came = self.wire(&url)?.ask(&url, asked, request.max_body, Again::Yes).await?;
            let further = match request.redirects {
                Redirects::SameHost if hop < REDIRECTS => location(&url, &came),
                Redirects::SameHost | Redirects::Stop => None,
            };
            match further {
                Some(next) => url = next,
                None => return Ok(answer(came, started)),
            }
        }
        Err(HttpError::Broken("too many redirects".into()))
    }

    /// Sends a POST. Exempt from the permit by name: only the delivery of the outbox, the calls of a model and the
    /// log-in at a Pi-hole may use it (a house test pins them). Redirects are not followed, because a key must not travel on.
    pub async fn post(&self, request: &PostRequest) -> Result<Answer, HttpError> {
        self.send(Method::POST, request).await
    }

    /// Gives back a log-in by a DELETE. Exempt from the permit as [`Http::post`] is, and for the same Pi-hole.
    pub async fn end_session(&self, request: &PostRequest) -> Result<Answer, HttpError> {
        self.send(Method::DELETE, request).await
    }

    /// Changes something, once. An error of which [`HttpError::never_left`] holds says that nothing was sent.
    pub async fn change(
        &self,
        _permit: &Permit,
        verb: Verb,
        request: &PostRequest,
    ) -> Result<Answer, HttpError> {
        let method = match verb {
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        self.send(method, request).await
    }

    async fn send(&self, method: Method, request: &PostRequest) -> Result<Answer, HttpError> {
        let started = Instant::now();
        let sending = async {
            let (url, body) = (&request.url, Bytes::copy_from_slice(&request.body));
            let sent = message(method, url, &request.headers, body)?;
            // Over a connection of its own: on a kept one nobody knows whether it arrived.
            let came = self.wire(url)?.ask(url, sent, request.max_body, Again::No).await?;
            Ok(answer(came, started))
        };
        tokio::time::timeout(request.timeout.duration(), sending)
            .await
            .unwrap_or(Err(HttpError::TimedOut(request.timeout)))
    }

    fn wire(&self, url: &WebUrl) -> Result<&Wire, HttpError> {
        let Shared { extra_ca, pin, socket, plain, tls } = &*self.shared;
        let slot = if url.is_https() { tls } else { plain };
        if let Some(wire) = slot.get() {
            return Ok(wire);
        }
        let config = match (url.is_https(), pin) {
            (false, _) => None,
            (true, None) => Some(trust::roots(extra_ca.as_deref()).and_then(trust::client_config)),
            (true, Some(pin)) => {
                let config = trust::client_config(rustls::RootCertStore::empty());
                Some(config.map(|mut config| {
                    config.dangerous().set_certificate_verifier(Arc::new(*pin));
                    config
                }))
            }
        };
        let wire = Wire::new(config.transpose().map_err(HttpError::Setup)?, socket.clone());
        Ok(slot.get_or_init(|| wire))
    }
}

/// How reef names itself to servers.
const AGENT: &str = concat!("reef/", env!("CARGO_PKG_VERSION"));

/// What all clients of reqwest here have in common.
pub(in crate::clients) fn builder() -> reqwest::ClientBuilder {
    Client::builder().user_agent(AGENT).redirect(reqwest::redirect::Policy::none()).no_proxy()
}

fn message(
    method: Method,
    url: &WebUrl,
    given: &[(String, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, HttpError> {
    with_body(method, url, given, Full::new(body))
}

fn with_body<B>(
    method: Method,
    url: &WebUrl,
    given: &[(String, String)],
    body: B,
) -> Result<Request<B>, HttpError> {
    let setup = |e: hyper::http::Error| HttpError::Setup(e.to_string());
    let request = Request::builder().method(method).uri(url.path_and_query());
    let mut request = request.body(body).map_err(setup)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&url.authority());
    headers.insert("host", host.map_err(|e| setup(e.into()))?);
    headers.insert("user-agent", HeaderValue::from_static(AGENT));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    if let Some((user, password)) = url.credentials() {
        add(headers, &[basic(&user, &password)])?;
    }
    add(headers, given)?;
    Ok(request)
}

fn answer(came: Came, started: Instant) -> Answer {
    let Came { status, body, cut, .. } = came;
    Answer { status, took: Span::from(started.elapsed()), body, cut }
}

/// The header that logs in by name and password (RFC 7617).
pub fn basic(user: &str, password: &str) -> (String, String) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = format!("{user}:{password}");
    let mut coded = String::new();
    for three in plain.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for n in 0..4 {
            let letter = LETTERS.get(bits >> (18 - 6 * n) & 63).copied().unwrap_or(b'A');
            coded.push(if n <= three.len() { char::from(letter) } else { '=' });
        }
    }
    ("authorization".into(), format!("Basic {coded}"))
}

fn add(headers: &mut HeaderMap, given: &[(String, String)]) -> Result<(), HttpError> {
    for (name, value) in given {
        let bad = || HttpError::Setup(format!("the header {name:?} cannot be sent as it stands"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(())
}

fn location(from: &WebUrl, came: &Came) -> Option<WebUrl> {
    if !matches!(came.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    from.redirected(came.location.as_deref()?)
}

/// Keeps the body up to its bound, and reads on a little: a body that was read to its end leaves the
/// connection to the next request, one that was not closes it.
pub(in crate::clients) async fn read(
    mut response: reqwest::Response,
    max_body: usize,
    started: Instant,
) -> Result<Answer, HttpError> {
    let mut body = Vec::new();
    let mut came = 0_usize;
    while let Some(chunk) = response.chunk().await.map_err(|e| HttpError::of(&e))? {
        came = came.saturating_add(chunk.len());
        let room = max_body - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if max_body.max(BODY) < came {
            break;
        }
    }
    let cut = max_body < came;
    let status = response.status().as_u16();
    Ok(Answer { status, took: Span::from(started.elapsed()), body, cut })
}

#[cfg(test)]
mod tests;
