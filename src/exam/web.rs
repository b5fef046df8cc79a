//! What tools reach beside hosts and files: endpoints, processes, the human.

use std::sync::{Mutex, PoisonError};

use crate::Fut;
use crate::clients::dns::Resolver;
use crate::clients::http::url::WebUrl;
use crate::clients::signal::{Ending, Process, ProcessId, Processes, Signalled};
use crate::clients::tls::{Leaf, TlsServer};
use crate::config::hosts::Ssh;
use crate::gate::permit::Permit;
use crate::model::ids::HostName;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::tool::network::{Answer, Knocked, Resolved, Web};

/// Every endpoint answers with this status; nobody has a certificate; every door is open until it is shut.
#[derive(Debug)]
pub struct FakeWeb {
    status: u16,
    port: Mutex<&'static str>,
}

impl FakeWeb {
    pub fn new(status: u16) -> Self {
        Self { status, port: Mutex::new("open") }
    }

    /// How a knock at any host's door ends from now on: `open`, `refused` ...
    pub fn door(&self, port: &'static str) {
        *self.port.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }
}

impl Web for FakeWeb {
    fn get<'a>(&'a self, _: &'a WebUrl) -> Fut<'a, Result<Answer, String>> {
        Box::pin(async { Ok(Answer { status: self.status, took: Span(20) }) })
    }

    fn resolve<'a>(&'a self, _: &'a Resolver) -> Fut<'a, Resolved> {
        Box::pin(async { Resolved { own: Some("ok"), upstream: "ok" } })
    }

    fn knock<'a>(&'a self, _: &'a HostName, _: &'a Ssh) -> Fut<'a, Knocked> {
        let port = *self.port.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(async move { Knocked { port, ping: "answers" } })
    }

    fn in_file<'a>(&'a self, path: &'a AbsPath, _: Millis) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move { Err(format!("{path}: there is no such file")) })
    }

    fn certificate<'a>(&'a self, peer: &'a TlsServer) -> Fut<'a, Result<Leaf, String>> {
        Box::pin(async move { Err(format!("{}:{}: no TLS is spoken there", peer.host, peer.port)) })
    }
}

/// A machine without processes that could be signalled; it notes who was meant.
#[derive(Debug, Default)]
pub struct FakeProcesses {
    signalled: Mutex<Vec<ProcessId>>,
}

impl FakeProcesses {
    pub fn signalled(&self) -> Vec<ProcessId> {
        self.signalled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Processes for FakeProcesses {
    fn look(&self, _: u32) -> Fut<'_, Result<Option<Process>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn own_line(&self) -> Fut<'_, Result<Vec<u32>, String>> {
        Box::pin(async { Ok(vec![std::process::id()]) })
    }

    fn signal<'a>(
        &'a self,
        _: &'a Permit,
        id: ProcessId,
        _: Ending,
    ) -> Fut<'a, Result<Signalled, String>> {
        self.signalled.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Box::pin(async { Ok(Signalled::Gone) })
    }
}
