//! The connection to one host: one for everything, kept warm, and not dialled again and again where
//! nobody answers.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder};
use tokio::sync::Semaphore;
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

/// How long the knock at the door of a host that may be off waits.
const KNOCK: Span = Span::secs(2);
/// A host that may be off and was not seen for so long is knocked at as rarely.
const LATELY: Span = Span::mins(10);

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(super) enum NoWay {
    /// It may be off, and is.
    Off(String),
    Refused(String),
}

impl NoWay {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Off(why) | Self::Refused(why) => why,
        }
    }
}

/// The way to one host. Nothing is connected before it is first asked for.
#[derive(Debug)]
pub(super) struct Way {
    name: HostName,
    pub(super) ssh: Ssh,
    /// Where the control sockets lie; only the daemon's user may enter it.
    control_dir: PathBuf,
    /// It may be off: then it is knocked at only, and told as off.
    pub(super) may_be_off: bool,
    /// Shared by all hosts.
    pub(super) turns: Turns,
    held: tokio::sync::Mutex<Held>,
}

/// How many hosts may be dialled at once. Each dial is an ssh of its own with its key exchange: two
/// hundred of them at the same moment starve a small box, and every look with it.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(8)))
    }
}

#[derive(Debug, Default)]
struct Held {
    session: Option<Arc<Session>>,
    /// The last dial, where nobody answered.
    refused: Option<Refused>,
    seen_at: Option<Instant>,
    dials: u64,
}

#[derive(Debug, Clone)]
struct Refused {
    at: Instant,
    pause: Span,
    why: NoWay,
}

impl Way {
    pub(super) fn new(name: HostName, ssh: Ssh, control_dir: PathBuf) -> Self {
        let (turns, held) = (Turns::default(), tokio::sync::Mutex::default());
        Self { name, ssh, control_dir, may_be_off: false, turns, held }
    }

    /// The standing connection, or a new one. Idle ones go by themselves, so it is checked first. Who
    /// asks soon after a dial that failed gets the same refusal.
    pub(super) async fn session(&self) -> Result<Arc<Session>, NoWay> {
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
        match self.knock_and_dial().await {
            Ok(session) => {
                let session = Arc::new(session);
                held.session = Some(Arc::clone(&session));
                held.refused = None;
                held.seen_at = Some(at);
                Ok(session)
            }
            Err(why) => {
                let longer = held.refused.as_ref().map_or(FIRST_PAUSE, |refused| {
                    Span(refused.pause.0.saturating_mul(2)).min(LONGEST_PAUSE)
                });
                let lately = held.seen_at.is_some_and(|seen| seen.elapsed() < LATELY.duration());
                let pause = match &why {
                    // Each packet might wake it.
                    NoWay::Off(_) if !lately => LATELY,
                    NoWay::Off(_) | NoWay::Refused(_) => longer,
                };
                held.refused = Some(Refused { at, pause, why: why.clone() });
                Err(why)
            }
        }
    }

    async fn knock_and_dial(&self) -> Result<Session, NoWay> {
        if self.may_be_off && !self.answers().await {
            return Err(NoWay::Off(self.off()));
        }
        self.dial().await.map_err(|why| match self.may_be_off && words::is_off(&why) {
            true => NoWay::Off(self.off()),
            false => NoWay::Refused(why),
        })
    }

    /// What is said of a host that may be off, and does not answer.
    pub(super) fn off(&self) -> String {
        format!("{} is off or asleep, as it may be", self.name)
    }

    /// Whether somebody opens at its port. What only the ssh config knows is left to ssh.
    async fn answers(&self) -> bool {
        let Ssh { address: Some(address), jump: None, .. } = &self.ssh else { return true };
        let at = (address.as_str(), self.ssh.port.unwrap_or(22));
        let knock = tokio::net::TcpStream::connect(at);
        matches!(tokio::time::timeout(KNOCK.duration(), knock).await, Ok(Ok(_)))
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
        let turn = self.turns.0.acquire().await;
        let _turn = turn.map_err(|_| "reef is shutting down".to_owned())?;
        let patience = self.ssh.connect_timeout.duration() + SLACK.duration();
        let address = self.ssh.address.as_ref().map_or(self.name.as_str(), Address::as_str);
        match tokio::time::timeout(patience, builder.connect_mux(address)).await {
            Ok(connected) => connected.map_err(|e| words::not_connected(&self.name, &e)),
            Err(_) => Err(format!("{} did not answer over SSH in time", self.name)),
        }
    }
}
