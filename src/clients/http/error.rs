//! Why a request brought no answer, in words that say what to do.

use std::error::Error;
use std::{fmt, io};

use crate::clients::tls::trust::TlsFault;
use crate::model::time::Span;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// Nothing listens there.
    Refused,
    TimedOut(Span),
    /// The host's name has no address.
    NoName(String),
    Tls(TlsFault),
    /// No route, no network, address not available.
    Unreachable(String),
    /// The connection broke, or what came was no HTTP.
    Broken(String),
    /// The request itself is wrong: a header that is none, no authorities to trust.
    Setup(String),
}

impl HttpError {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut(_) => "timeout",
            Self::NoName(_) => "dns",
            Self::Tls(_) => "tls",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Setup(_) => "setup",
        }
    }

    /// Sorts what reqwest says, by the causes it carries; reqwest's own words repeat the URL with its
    /// secrets and are never shown.
    pub(in crate::clients) fn of(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::Setup(innermost(error));
        }
        match error.source() {
            Some(cause) => Self::of_causes(cause),
            None => Self::Broken(innermost(error)),
        }
    }

    /// Sorts an error by what it carries, itself among it.
    pub(super) fn of_causes(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut in_dns = false;
        while let Some(this) = cause {
            if let Some(fault) = this.downcast_ref::<rustls::Error>() {
                return Self::Tls(TlsFault::of(fault));
            }
            in_dns |= this.to_string() == "dns error";
            if let Some(io) = this.downcast_ref::<io::Error>() {
                if let Some(fault) = fault_within(io) {
                    return Self::Tls(TlsFault::of(fault));
                }
                if in_dns {
                    return Self::NoName(io.to_string());
                }
                if let Some(known) = Self::of_io(io) {
                    return known;
                }
            }
            cause = this.source();
        }
        Self::Broken(innermost(error))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is non-exhaustive; other kinds are told in their own words"
    )]
    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied => Some(Self::Unreachable(error.to_string())),
            _ => None,
        }
    }

    /// Whether the request provably never left: nobody can have acted on it.
    pub fn never_left(&self) -> bool {
        match self {
            Self::Refused
            | Self::NoName(_)
            | Self::Tls(_)
            | Self::Unreachable(_)
            | Self::Setup(_) => true,
            Self::TimedOut(_) | Self::Broken(_) => false,
        }
    }
}

/// What TLS said, however often it was wrapped: an `io::Error` hides its own content from `source`.
fn fault_within(io: &io::Error) -> Option<&rustls::Error> {
    let inner = io.get_ref()?;
    inner
        .downcast_ref::<rustls::Error>()
        .or_else(|| fault_within(inner.downcast_ref::<io::Error>()?))
}

/// The last cause, which says what happened without saying where.
fn innermost(error: &dyn Error) -> String {
    let mut this = error;
    while let Some(cause) = this.source() {
        this = cause;
    }
    this.to_string().chars().take(200).collect()
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut(after) => write!(f, "no answer within {after}"),
            Self::NoName(why) => write!(f, "its name has no address: {why}"),
            Self::Tls(fault) => write!(f, "{fault}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::Setup(why) => write!(f, "cannot ask: {why}"),
        }
    }
}

impl Error for HttpError {}
