//! The connection to one host: one for everything, kept warm, and not dialled again and again where
//! nobody answers.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tokio::time::Instant;

use crate::clients::ssh::words;
use crate::config::hosts::Ssh;
use crate::config::setting::Address;
use crate::model::ids::HostName;
use crate::model::time::Span;

/// Longer than a tick, so that the connection is warm; after it the connection goes by itself.
const IDLE_SECS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(599);
/// What the way there and back may take beyond a command's own time.
pub(super) const SLACK: Span = Span::secs(5);
/// Between two dials of a host that does not answer: at first, and at most, which is less than the
/// minute at which hosts are looked at.
const FIRST_PAUSE: Span = Span::secs(5);
const LONGEST_PAUSE: Span = Span::secs(55);

/// The way to one host. Nothing is connected before it is first asked for.
#[derive(Debug)]
pub(super) struct Way {
    name: HostName,
    pub(super) ssh: Ssh,
    /// Where the control sockets lie; only the daemon's user may enter it.
    control_dir: PathBuf,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    session: Option<Arc<Session>>,
    /// The last dial, where nobody answered.
    refused: Option<Refused>,
    dials: u64,
}

#[derive(Debug, Clone)]
struct Refused {
    at: Instant,
    pause: Span,
    why: String,
}

impl Way {
    pub(super) fn new(name: HostName, ssh: Ssh, control_dir: PathBuf) -> Self {
        Self { name, ssh, control_dir, held: tokio::sync::Mutex::default() }
    }

    /// The standing connection, or a new one. Idle ones go by themselves, so it is checked first. Who
    /// asks soon after a dial that failed gets the same refusal.
    pub(super) async fn session(&self) -> Result<Arc<Session>, String> {
        let mut held = self.held.lock().await;
        if let Some(session) = held.session.take()
            && session.check().await.is_ok()
        {
            held.session = Some(Arc::clone(&session));
            return Ok(session);
        }
        if let Some(refused) = &held.refused
            && refused.at.elapsed() < refused.pause.duration()
        {
            return Err(refused.why.clone());
        }
        let at = Instant::now();
        held.dials += 1;
        match self.dial().await {
            Ok(session) => {
                let session = Arc::new(session);
                held.session = Some(Arc::clone(&session));
                held.refused = None;
                Ok(session)
            }
            Err(why) => {
                let pause = held.refused.as_ref().map_or(FIRST_PAUSE, |refused| {
                    Span(refused.pause.0.saturating_mul(2)).min(LONGEST_PAUSE)
                });
                held.refused = Some(Refused { at, pause, why: why.clone() });
                Err(why)
            }
        }
    }

    /// Leaves a connection over which nothing came in time: the next one is dialled.
    pub(super) async fn leave(&self) {
        self.held.lock().await.session = None;
    }

    /// How often it was dialled.
    #[cfg(test)]
    pub(super) async fn dials(&self) -> u64 {
        self.held.lock().await.dials
    }

    async fn dial(&self) -> Result<Session, String> {
        if let Err(why) = std::fs::create_dir_all(&self.control_dir) {
            return Err(format!("{} cannot be made: {why}", self.control_dir.display()));
        }
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .connect_timeout(self.ssh.connect_timeout.duration())
            .server_alive_interval(Span::secs(5).duration())
            .control_persist(ControlPersist::IdleFor(IDLE_SECS))
            .control_directory(&self.control_dir);
        if let Some(file) = &self.ssh.ssh_config {
            builder.config_file(file.as_path());
        }
        // What is not said here stands in the ssh config, or is ssh's own default.
        if let Some(user) = &self.ssh.user {
            builder.user(user.to_string());
        }
        if let Some(port) = self.ssh.port {
            builder.port(port);
        }
        if let Some(key) = &self.ssh.key_file {
            builder.keyfile(key.as_path());
        }
        if let Some(jump) = &self.ssh.jump {
            builder.jump_hosts([jump]);
        }
        let patience = self.ssh.connect_timeout.duration() + SLACK.duration();
        let address = self.ssh.address.as_ref().map_or(self.name.as_str(), Address::as_str);
        match tokio::time::timeout(patience, builder.connect_mux(address)).await {
            Ok(connected) => connected.map_err(|e| words::not_connected(&self.name, &e)),
            Err(_) => Err(format!("{} did not answer over SSH in time", self.name)),
        }
    }
}
