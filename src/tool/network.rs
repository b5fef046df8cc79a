//! What tools ask of endpoints that the config names: an answer, a certificate, a name, a knock.

use std::fmt;

use crate::Fut;
use crate::clients::banner;
use crate::clients::dns::{Dns, NoAddress, Resolver};
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http};
use crate::clients::ping::{Echoes, ping};
use crate::clients::ssh::keys;
use crate::clients::tls::file::{Demands, NoFile, Trust};
use crate::clients::tls::{Leaf, Tls, TlsServer};
use crate::config::hosts::Ssh;
use crate::model::ids::HostName;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};

/// Requests to endpoints of the inventory. GET only.
pub trait Web: Send + Sync + fmt::Debug {
    fn get<'a>(&'a self, url: &'a WebUrl) -> Fut<'a, Result<Answer, String>>;
    /// The certificate that a server presents, whether or not it is trusted.
    fn certificate<'a>(&'a self, peer: &'a TlsServer) -> Fut<'a, Result<Leaf, String>>;
    /// The certificate in a file of this machine, whether or not it is trusted.
    fn in_file<'a>(&'a self, path: &'a AbsPath, now: Millis) -> Fut<'a, Result<Leaf, String>>;
    /// One word for each of a resolver's two names: `ok`, `nxdomain`, `refused`, `timeout` ... `None` where
    /// it has no name of its own that could be asked.
    fn resolve<'a>(&'a self, resolver: &'a Resolver) -> Fut<'a, Resolved>;
    /// Whether a port opens and whether the machine answers a ping.
    fn knock<'a>(&'a self, host: &'a HostName, ssh: &'a Ssh) -> Fut<'a, Knocked>;
}

/// What a GET brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub took: Span,
}

/// What a resolver said to each of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub own: Option<&'static str>,
    pub upstream: &'static str,
}

/// What a machine said to a knock, in one word each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knocked {
    /// `open`, `refused`, `timeout`, `unreachable`, `dns`; `behind` where another host leads to it.
    pub port: &'static str,
    /// `answers`, `silent` or `unknown`, where this machine may not ping.
    pub ping: &'static str,
}

/// The real network.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pub http: Http,
    pub tls: Tls,
}

/// For a look that a runbook waits for.
const PATIENCE: Span = Span::secs(10);

impl Web for Network {
    fn get<'a>(&'a self, url: &'a WebUrl) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async move {
            let request = GetRequest::new(url.clone(), PATIENCE);
            let answer = self.http.get(&request).await.map_err(|e| format!("{url}: {e}"))?;
            Ok(Answer { status: answer.status, took: answer.took })
        })
    }

    fn resolve<'a>(&'a self, resolver: &'a Resolver) -> Fut<'a, Resolved> {
        Box::pin(async move {
            let dns = Dns::new(resolver.server, Span::secs(5));
            let word = |answer: &Result<_, NoAddress>| match answer {
                Ok(_) => "ok",
                Err(why) => why.word(),
            };
            let upstream = dns.addresses(&resolver.upstream);
            let (own, upstream) = match &resolver.own {
                Some(name) => {
                    let (own, upstream) = tokio::join!(dns.addresses(name), upstream);
                    (Some(word(&own)), upstream)
                }
                None => (None, upstream.await),
            };
            Resolved { own, upstream: word(&upstream) }
        })
    }

    fn knock<'a>(&'a self, host: &'a HostName, ssh: &'a Ssh) -> Fut<'a, Knocked> {
        Box::pin(async move {
            let Ok(route) = keys::route(host, ssh).await else {
                return Knocked { port: "setup", ping: "unknown" };
            };
            if route.jump.is_some() {
                // Only the host that is gone through can tell.
                return Knocked { port: "behind", ping: "unknown" };
            }
            let echoes = Echoes { count: 2, wait: Span::secs(1) };
            let (port, ping) = tokio::join!(
                banner::look(&route.hostname, route.port, None, Span::secs(4)),
                ping(&route.hostname, echoes)
            );
            let port = match port {
                Ok(_) => "open",
                Err(why) => why.word(),
            };
            let ping = match ping {
                Ok(echoed) if !echoed.took.is_empty() => "answers",
                Ok(_) => "silent",
                Err(_) => "unknown",
            };
            Knocked { port, ping }
        })
    }

    fn certificate<'a>(&'a self, peer: &'a TlsServer) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move {
            let seen = self.tls.look(&peer.host, peer.port, &peer.name, PATIENCE).await;
            seen.map(|seen| seen.leaf).map_err(|e| format!("{}:{}: {e}", peer.host, peer.port))
        })
    }

    fn in_file<'a>(&'a self, path: &'a AbsPath, now: Millis) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move {
            let (tls, file) = (self.tls.clone(), path.clone());
            let demands = Demands { name: None, trust: Trust::Anybody };
            // A file may lie on a share that hangs.
            let read =
                tokio::task::spawn_blocking(move || tls.read(file.as_path(), &demands, now)).await;
            match read {
                Ok(Ok(seen)) => Ok(seen.leaf),
                Ok(Err(NoFile::Missing)) => Err(format!("{path}: there is no such file")),
                Ok(Err(NoFile::Blind(why) | NoFile::Broken(why))) => Err(format!("{path}: {why}")),
                Err(why) => Err(format!("{path}: {why}")),
            }
        })
    }
}
