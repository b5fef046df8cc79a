//! Why a server brought no answer, and the one way to open a TCP connection.

use std::fmt;
use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

use crate::clients::http::error::HttpError;
use crate::clients::tls::trust::TlsFault;
use crate::model::time::Span;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing listens there.
    Refused,
    TimedOut(Span),
    /// The host's name has no address.
    NoName(String),
    /// No route, no network.
    Unreachable(String),
    Tls(TlsFault),
    /// The connection broke, or what came is not what such a server says.
    Broken(String),
    /// It is there and says that it cannot serve: starting up, too many connections.
    Busy(String),
    /// It does not let us look: wrong password, missing right. Says nothing about its health.
    Denied(String),
    /// The question itself is wrong, or cannot be asked from here.
    Setup(String),
}

impl NoAnswer {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut(_) => "timeout",
            Self::NoName(_) => "dns",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::Broken(_) => "broken",
            Self::Busy(_) => "busy",
            Self::Denied(_) => "denied",
            Self::Setup(_) => "setup",
        }
    }

    /// Whether this only says that we could not look, and nothing about what is looked at.
    pub fn is_blindness(&self) -> bool {
        match self {
            Self::Denied(_) | Self::Setup(_) => true,
            Self::Refused
            | Self::TimedOut(_)
            | Self::NoName(_)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Broken(_)
            | Self::Busy(_) => false,
        }
    }

    /// Sorts what the system said.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is non-exhaustive; other kinds are told in their own words"
    )]
    pub fn of_io(error: &io::Error) -> Self {
        if let Some(fault) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            return Self::Tls(TlsFault::of(fault));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            // A unix socket that is not there: nothing listens.
            io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable(error.to_string()),
            io::ErrorKind::PermissionDenied => Self::Denied(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<HttpError> for NoAnswer {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused => Self::Refused,
            HttpError::TimedOut(after) => Self::TimedOut(after),
            HttpError::NoName(why) => Self::NoName(why),
            HttpError::Tls(fault) => Self::Tls(fault),
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::Broken(why) => Self::Broken(why),
            HttpError::Setup(why) => Self::Setup(why),
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut(after) => write!(f, "no answer within {after}"),
            Self::NoName(why) => write!(f, "its name has no address: {why}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Tls(fault) => write!(f, "{fault}"),
            Self::Broken(why) => write!(f, "no proper answer: {why}"),
            Self::Busy(why) => write!(f, "it does not serve: {why}"),
            Self::Denied(why) => write!(f, "it does not let reef look: {why}"),
            Self::Setup(why) => write!(f, "cannot ask: {why}"),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Runs `asking` for `timeout` at the most.
pub async fn within<T>(
    timeout: Span,
    asking: impl Future<Output = Result<T, NoAnswer>>,
) -> Result<T, NoAnswer> {
    tokio::time::timeout(timeout.duration(), asking)
        .await
        .unwrap_or(Err(NoAnswer::TimedOut(timeout)))
}

/// The addresses of a name or of an address as text, at least one.
pub async fn addresses(host: &str) -> Result<Vec<IpAddr>, NoAnswer> {
    let no_name = |why: String| NoAnswer::NoName(why);
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| no_name(e.to_string()))?;
    let found: Vec<IpAddr> = found.map(|at| at.ip()).collect();
    if found.is_empty() { Err(no_name("none".into())) } else { Ok(found) }
}

/// Opens a connection; whoever calls limits the time.
pub async fn connect(host: &str, port: u16) -> Result<TcpStream, NoAnswer> {
    let addresses: Vec<_> =
        addresses(host).await?.into_iter().map(|ip| std::net::SocketAddr::new(ip, port)).collect();
    let stream = TcpStream::connect(&addresses[..]).await.map_err(|e| NoAnswer::of_io(&e))?;
    // Questions here are small and wait for their answers.
    drop(stream.set_nodelay(true));
    Ok(stream)
}
