//! A host behind SSH: one multiplexed connection, one collection per tick.

pub mod collect;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::Fut;
use crate::clients::host::{HostLink, LinkError, Output};
use crate::config::hosts::Ssh;
use crate::config::setting::Address;
use crate::gate::permit::Permit;
use crate::model::fact::{Fact, Facts, NoFact};
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::redact::Redactor;

/// Kept of stdout and of stderr each; what comes after is read and dropped.
const LONGEST: usize = 1 << 20;
/// The whole of one collection.
const COLLECTION: Span = Span::secs(15);
/// Longer than a tick, so that the connection is warm; after it the connection goes by itself.
const IDLE_SECS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(299);
/// What the way there and back may take beyond a command's own time.
const SLACK: Span = Span::secs(5);

/// One host. Nothing is connected before it is first asked.
pub struct SshHost {
    name: HostName,
    ssh: Ssh,
    /// Where the control sockets lie; only the daemon's user may enter it.
    control_dir: PathBuf,
    redactor: Arc<Redactor>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

impl fmt::Debug for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over ssh", self.name)
    }
}

/// What a command left, before it is redacted.
struct Left {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl SshHost {
    pub fn new(name: HostName, ssh: Ssh, control_dir: PathBuf, redactor: Arc<Redactor>) -> Self {
        Self { name, ssh, control_dir, redactor, session: tokio::sync::Mutex::new(None) }
    }

    /// The standing connection, or a new one. Idle ones go by themselves, so it is checked first.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.take()
            && session.check().await.is_ok()
        {
            *held = Some(Arc::clone(&session));
            return Ok(session);
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
        let connecting = builder.connect_mux(address);
        let session = match tokio::time::timeout(patience, connecting).await {
            Ok(connected) => connected.map_err(|e| words::not_connected(&self.name, &e))?,
            Err(_) => return Err(format!("{} did not answer over SSH in time", self.name)),
        };
        let session = Arc::new(session);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Runs `argv` under `timeout -k` on the host, because dropping it here would not end it there.
    /// `input` goes to its stdin.
    async fn run(&self, argv: &[String], input: &str, timeout: Span) -> Result<Left, LinkError> {
        let session = self.session().await.map_err(LinkError::NotStarted)?;
        let seconds = timeout.duration().as_secs().max(1);
        let patience = timeout.duration() + SLACK.duration();
        let running = async {
            let mut child = session
                .command("timeout")
                .args(["-k", "2", &seconds.to_string()])
                .args(argv)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .await
                .map_err(|e| words::lost(&e))?;
            let (stdin, stdout, stderr) =
                (child.stdin().take(), child.stdout().take(), child.stderr().take());
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A command that does not read its input closes it: no fault.
                    let _closed = stdin.write_all(input.as_bytes()).await;
                }
            };
            let ((), stdout, stderr) = tokio::join!(feed, bounded(stdout), bounded(stderr));
            let code = match child.wait().await {
                Ok(status) => status.code(),
                // The crate's reading of exit 127, which a program may also choose by itself.
                Err(openssh::Error::Remote(e)) if e.kind() == std::io::ErrorKind::NotFound => {
                    Some(127)
                }
                Err(e) => return Err(words::lost(&e)),
            };
            Ok(Left { code, stdout, stderr })
        };
        let left = tokio::time::timeout(patience, running)
            .await
            .unwrap_or_else(|_| Err(LinkError::Lost(format!("no end came within {timeout}"))))?;
        match left.code {
            // timeout(1): 124 where the time struck, 137 where it took the second signal.
            Some(124 | 137) => Err(LinkError::TimedOut(timeout)),
            Some(126 | 127) if words::never_started(&left.stderr) => {
                let why = String::from_utf8_lossy(&left.stderr);
                Err(LinkError::NotStarted(Tainted::bounded(why.trim(), 200).as_str().to_owned()))
            }
            _ => Ok(left),
        }
    }

    async fn output(&self, argv: &Argv, timeout: Span) -> Result<Output, LinkError> {
        let started = Instant::now();
        let left = self.run(argv.as_slice(), "", timeout).await?;
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            Tainted::bounded(&self.redactor.redact(&text), LONGEST)
        };
        Ok(Output {
            code: left.code,
            stdout: clean(&left.stdout),
            stderr: clean(&left.stderr),
            took: Span::from(started.elapsed()),
        })
    }

    async fn collect(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let argv = ["sh".to_owned(), "-s".to_owned()];
        match self.run(&argv, collect::SCRIPT, COLLECTION).await {
            Ok(left) => collect::facts(&String::from_utf8_lossy(&left.stdout), wanted),
            Err(why) => {
                let missing = Err(NoFact::Failed(why.to_string()));
                wanted.iter().map(|fact| (fact.clone(), missing.clone())).collect()
            }
        }
    }
}

/// Reads to the end and keeps the first part.
async fn bounded(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut chunk = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        let room = LONGEST.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&chunk[..room]);
    }
    kept
}

impl HostLink for SshHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        Box::pin(self.collect(wanted))
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(self.output(argv.argv(), timeout))
    }

    fn exec<'a>(
        &'a self,
        _permit: &'a Permit,
        argv: &'a Argv,
        timeout: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(self.output(argv, timeout))
    }
}

#[cfg(test)]
mod tests;
