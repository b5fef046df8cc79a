//! One connection: a child with its pipes, or streamable HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::{Peer, RunningService, ServiceError, serve_client};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::{RoleClient, service::ClientInitializeError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clients::http;
use crate::clients::mcp::settings::{Reached, Ready};
use crate::clients::process::{self, Staying};
use crate::clients::tls::trust;

/// The longest single message; a longer one is dropped, and its call times out.
const LONGEST: usize = 8 << 20;
/// A program may have to load a good deal before it answers.
const START: Duration = Duration::from_secs(30);
/// What is kept of the end of what a server says on its standard error.
const SAID: usize = 2_000;
/// How long one that ended is listened to.
const LAST_WORDS: Duration = Duration::from_millis(500);

type Service = RunningService<RoleClient, ClientConfig>;

/// A server that was greeted and answered.
pub(super) struct Live {
    service: Service,
    child: Option<Staying>,
    said: Arc<Mutex<VecDeque<u8>>>,
    used: Mutex<Instant>,
    _listening: JoinSet<()>,
}

impl Live {
    /// Starts or reaches the server. The error is not redacted yet.
    pub(super) async fn begin(ready: &Ready) -> Result<Self, String> {
        let said: Arc<Mutex<VecDeque<u8>>> = Arc::default();
        let mut listening = JoinSet::new();
        let (child, begun) = match &ready.reached {
            Reached::Program { argv, env } => {
                let (child, pipes) = process::stay(argv, env).map_err(|why| why.to_string())?;
                listening.spawn(keep(pipes.stderr, Arc::clone(&said)));
                let transport = AsyncRwTransport::new_client(pipes.stdout, pipes.stdin)
                    .with_max_line_length(LONGEST);
                (Some(child), tokio::time::timeout(START, serve_client(me(), transport)).await)
            }
            Reached::Url { url, headers } => {
                let transport = over_http(url.whole(), headers)?;
                (None, tokio::time::timeout(START, serve_client(me(), transport)).await)
            }
        };
        match begun {
            Ok(Ok(service)) => {
                let used = Mutex::new(Instant::now());
                Ok(Self { service, child, said, used, _listening: listening })
            }
            Ok(Err(why)) => {
                // Its pipe may break before its last words are read: they say why.
                let _heard = tokio::time::timeout(LAST_WORDS, listening.join_next()).await;
                drop(child);
                Err(with(&greeting(&why), &tail(&said)))
            }
            Err(_) => {
                let waited = format!("it did not answer within {} s", START.as_secs());
                Err(with(&waited, &tail(&said)))
            }
        }
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    pub(super) fn stands(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    pub(super) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn idle(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The last that it said on its standard error.
    pub(super) fn said(&self) -> String {
        tail(&self.said)
    }

    /// Ends it at once, with all that it started.
    pub(super) fn end(&self) {
        if let Some(child) = &self.child {
            child.kill();
        }
        self.service.cancellation_token().cancel();
    }
}

fn me() -> ClientConfig {
    let reef = Implementation::new("reef", env!("CARGO_PKG_VERSION"));
    // No sampling, no roots, no questions: a server gets nothing of reef but the call.
    ClientConfig::new(ClientCapabilities::default(), reef)
}

fn over_http(
    url: &str,
    headers: &[(String, secrecy::SecretString)],
) -> Result<StreamableHttpClientTransport<reqwest::Client>, String> {
    use secrecy::ExposeSecret;
    let roots = if url.starts_with("https:") {
        trust::roots(None)?
    } else {
        rustls::RootCertStore::empty()
    };
    let mut all = reqwest::header::HeaderMap::new();
    for (name, value) in headers {
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name} is no header's name"))?;
        let mut value = reqwest::header::HeaderValue::from_str(value.expose_secret())
            .map_err(|_| format!("the header {name} has a value that no header can have"))?;
        value.set_sensitive(true);
        all.insert(name, value);
    }
    let client = http::builder()
        .tls_backend_preconfigured(trust::client_config(roots)?)
        .default_headers(all)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .map_err(|why| why.to_string())?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .max_sse_event_size(LONGEST)
        // A call is sent once, whatever becomes of it.
        .reinit_on_expired_session(false);
    config.retry_config = Arc::new(NeverRetry::default());
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Why there was no greeting, without the library's own debugging.
fn greeting(why: &ClientInitializeError) -> String {
    if let ClientInitializeError::ConnectionClosed(_) = why {
        return "it ended before it answered".to_owned();
    }
    let ClientInitializeError::TransportError { error, .. } = why else { return why.to_string() };
    let mut words = error.error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.error.source();
    if let Some(refused) = not_connected(error.error.as_ref()) {
        return refused;
    }
    while let Some(next) = cause {
        words.push_str(&format!(": {next}"));
        cause = next.source();
    }
    words
}

/// The words of a request that found nobody listening: nothing of it was read.
fn not_connected(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let StreamableHttpError::Client(why) =
        error.downcast_ref::<StreamableHttpError<reqwest::Error>>()?
    else {
        return None;
    };
    let mut deepest: &dyn std::error::Error = why;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    why.is_connect().then(|| format!("nobody answers there: {deepest}"))
}

/// The words of an error before which nothing was sent.
pub(super) fn never_sent(why: &ServiceError) -> Option<String> {
    let ServiceError::TransportSend(error) = why else { return None };
    not_connected(error.error.as_ref())
}

async fn keep(mut from: impl AsyncRead + Unpin, into: Arc<Mutex<VecDeque<u8>>>) {
    let mut chunk = vec![0; 4 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&chunk[..n]);
        let over = kept.len().saturating_sub(SAID);
        kept.drain(..over);
    }
}

fn tail(said: &Mutex<VecDeque<u8>>) -> String {
    let kept = said.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes: Vec<u8> = kept.iter().copied().collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn with(why: &str, said: &str) -> String {
    if said.is_empty() { why.to_owned() } else { format!("{why}; it said: {said}") }
}
