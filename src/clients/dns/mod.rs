//! DNS questions to one server, or to those of this machine.

pub mod declared;
#[cfg(test)]
pub(crate) mod fake;
pub mod record;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::net::UdpSocket;

use crate::model::time::Span;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The servers of /etc/resolv.conf.
    System,
    At(SocketAddr),
}

/// A name server, and the two names that it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    pub server: Server,
    /// A name that it knows by itself.
    pub own: Option<String>,
    /// A name of the world.
    pub upstream: String,
}

impl Server {
    /// `system`, or an address with or without a port.
    pub fn parse(given: &str) -> Result<Self, String> {
        if given == "system" {
            return Ok(Self::System);
        }
        if let Ok(ip) = given.parse::<IpAddr>() {
            return Ok(Self::At(SocketAddr::new(ip, 53)));
        }
        given.parse::<SocketAddr>().map(Self::At).map_err(|_| {
            "is no name server: write its address, like 192.168.1.3 or [::1]:5353".into()
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("this machine's resolver"),
            Self::At(at) if at.port() == 53 => write!(f, "{}", at.ip()),
            Self::At(at) => write!(f, "{at}"),
        }
    }
}

/// Why a name brought no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAddress {
    /// The server says that there is no such name (NXDOMAIN).
    NoSuchName,
    /// The name is there, but has neither A nor AAAA.
    NoRecord,
    /// The server refuses to answer us (REFUSED).
    Denied,
    /// The server could not find out (SERVFAIL and its kin).
    Failed(String),
    TimedOut(Span),
    /// Nothing listens there.
    Closed,
    Unreachable(String),
    /// What came was no answer to the question.
    Broken(String),
    Setup(String),
}

impl NoAddress {
    /// One word that a runbook can match.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSuchName => "nxdomain",
            Self::NoRecord => "no-record",
            Self::Denied => "denied",
            Self::Failed(_) => "servfail",
            Self::TimedOut(_) => "timeout",
            Self::Closed => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Setup(_) => "setup",
        }
    }
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("says that there is no such name"),
            Self::NoRecord => f.write_str("knows the name, but has no address for it"),
            Self::Denied => f.write_str("refuses to answer this machine"),
            Self::Failed(code) => write!(f, "could not find out: {code}"),
            Self::TimedOut(after) => write!(f, "did not answer within {after}"),
            Self::Closed => f.write_str("does not listen (connection refused)"),
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
            Self::Broken(why) => write!(f, "gave no proper answer: {why}"),
            Self::Setup(why) => write!(f, "cannot be asked: {why}"),
        }
    }
}

/// Asks one server, anew each time: no cache, no hosts file.
#[derive(Clone)]
pub struct Dns {
    server: Server,
    timeout: Span,
    /// Built at the first question.
    resolver: Arc<OnceLock<TokioResolver>>,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dns client of {}", self.server)
    }
}

impl Dns {
    /// `timeout` is for one whole question with its retries.
    pub fn new(server: Server, timeout: Span) -> Self {
        Self { server, timeout, resolver: Arc::default() }
    }

    /// The addresses of `name`: A, else AAAA. The name is taken as complete: no search domain is added.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let complete = format!("{}.", name.trim_end_matches('.'));
        let asking = async {
            match self.ask(&complete, RecordType::A).await {
                Err(NoAddress::NoRecord) => self.ask(&complete, RecordType::AAAA).await,
                answered => answered,
            }
        };
        // The last part of the time is kept for finding out why there was no answer.
        let patience = self.timeout.duration() * 3 / 4;
        let answered = tokio::time::timeout(patience, asking)
            .await
            .unwrap_or(Err(NoAddress::TimedOut(self.timeout)));
        match (answered, self.server) {
            (Err(NoAddress::TimedOut(_)), Server::At(at)) => Err(self.knock(at).await),
            (answered, _) => answered,
        }
    }

    /// Tells silence from a closed port: only a connected socket hears that nobody listens.
    async fn knock(&self, at: SocketAddr) -> NoAddress {
        let local: SocketAddr = match at {
            SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let knocking = async {
            let socket = UdpSocket::bind(local).await?;
            socket.connect(at).await?;
            // A header without a question (RFC 1035, 4.1.1): a server that listens may ignore it.
            socket.send(&[0; 12]).await?;
            socket.recv(&mut [0; 12]).await
        };
        match tokio::time::timeout(self.timeout.duration() / 4, knocking).await {
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => NoAddress::Closed,
            Ok(Err(e)) => NoAddress::Unreachable(e.to_string()),
            Ok(Ok(_)) | Err(_) => NoAddress::TimedOut(self.timeout),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a record of any other kind is no address")]
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, NoAddress> {
        let lookup = self.resolver()?.lookup(name, kind).await.map_err(|e| self.sort(&e))?;
        let addresses: Vec<IpAddr> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::A(a) => Some(IpAddr::V4(a.0)),
                RData::AAAA(a) => Some(IpAddr::V6(a.0)),
                _ => None,
            })
            .collect();
        match addresses.is_empty() {
            true => Err(NoAddress::NoRecord),
            false => Ok(addresses),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NoAddress> {
        if let Some(resolver) = self.resolver.get() {
            return Ok(resolver.clone());
        }
        let setup = |e: NetError| NoAddress::Setup(e.to_string());
        let mut builder = match self.server {
            // Read anew each time: the file changes with the network.
            Server::System => TokioResolver::builder_tokio().map_err(setup)?,
            Server::At(at) => {
                let on_port = |mut connection: ConnectionConfig| {
                    connection.port = at.port();
                    connection
                };
                let connections =
                    vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
                let server = NameServerConfig::new(at.ip(), true, connections);
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        self.tune(builder.options_mut());
        let built = builder.build().map_err(setup)?;
        Ok(match self.server {
            Server::System => built,
            Server::At(_) => self.resolver.get_or_init(|| built).clone(),
        })
    }

    fn tune(&self, options: &mut ResolverOpts) {
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        // One retry within the time: a lost datagram is no fault.
        options.attempts = 1;
        options.timeout = self.timeout.duration() * 3 / 8;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the crate's errors change with its features; others are told in their words"
    )]
    fn sort(&self, error: &NetError) -> NoAddress {
        match error {
            NetError::Dns(DnsError::ResponseCode(code)) => Self::sort_code(*code),
            NetError::Dns(DnsError::NoRecordsFound(none)) => Self::sort_code(none.response_code),
            NetError::Timeout => NoAddress::TimedOut(self.timeout),
            NetError::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                NoAddress::Closed
            }
            NetError::Io(io) => NoAddress::Unreachable(io.to_string()),
            NetError::NoConnections if self.server == Server::System => {
                NoAddress::Setup("/etc/resolv.conf names no server".into())
            }
            other => NoAddress::Broken(other.to_string()),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other code says that the server could not find out"
    )]
    fn sort_code(code: ResponseCode) -> NoAddress {
        match code {
            ResponseCode::NXDomain => NoAddress::NoSuchName,
            ResponseCode::NoError => NoAddress::NoRecord,
            ResponseCode::Refused => NoAddress::Denied,
            other => NoAddress::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
