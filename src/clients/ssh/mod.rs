//! A host behind SSH: one multiplexed connection, one collection per tick.

pub mod gatekeeper;
pub mod keys;
pub mod quote;
mod read;
mod way;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use openssh::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::Fut;
use crate::clients::collector::facts::{Kept, Reading, Whose};
use crate::clients::collector::{CALLED, Request};
use crate::clients::files::remote;
use crate::clients::host::root::raised;
use crate::clients::host::{HostLink, LinkError, Output, Trips, noted};
use crate::clients::ssh::read::{LONGEST, bounded, until_whole};
pub use crate::clients::ssh::way::Turns;
use crate::clients::ssh::way::{NoWay, SLACK, Way};
pub(in crate::clients) use crate::clients::ssh::words::never_started;
use crate::clock::Clock;
use crate::config::hosts::Ssh;
use crate::gate::permit::Permit;
use crate::model::fact::{Fact, Facts, NoFact};
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::{Place, Standing, Sudo, seconds};
use crate::policy::redact::Redactor;

/// The whole of one collection of what is told at once. What takes longer is cut off, and what came before
/// it counts.
const COLLECTION: Span = Span::secs(18);

/// Runs a command under a time limit with what the host has: not every one has `timeout`.
pub(in crate::clients) const LIMITED: &str = r#"if command -v timeout >/dev/null 2>&1; then exec timeout -k 2 "$@"; fi
secs=$1; shift
command -v "$1" >/dev/null 2>&1 || { echo "timeout: failed to run command" >&2; exit 127; }
"$@" & child=$!
( sleep "$secs" & nap=$!; trap 'kill $nap; exit' TERM; wait $nap
  kill $child && sleep 2 && kill -9 $child ) </dev/null >/dev/null 2>&1 & guard=$!
wait $child; code=$?
kill $guard 2>/dev/null || code=124
exit $code"#;

/// One host. Nothing is connected before it is first asked.
pub struct SshHost {
    name: HostName,
    way: Way,
    /// By a second key, for what may change something.
    act: Option<Way>,
    sudo: Sudo,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    /// Held over no await.
    kept: Mutex<Kept>,
    /// The collector lies on the host, so it is not sent.
    installed: AtomicBool,
    /// Round trips so far.
    trips: AtomicU64,
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
    pub fn new(
        name: HostName,
        ssh: Ssh,
        control_dir: PathBuf,
        clock: Arc<dyn Clock>,
        redactor: Arc<Redactor>,
    ) -> Self {
        let act = ssh.act_key.clone().map(|key| {
            let by_key = Ssh { key_file: Some(key), ..ssh.clone() };
            Way::new(name.clone(), by_key, control_dir.clone())
        });
        Self {
            way: Way::new(name.clone(), ssh, control_dir),
            act,
            sudo: Sudo::No,
            name,
            clock,
            redactor,
            kept: Mutex::default(),
            installed: AtomicBool::new(false),
            trips: AtomicU64::new(0),
        }
    }

    /// Dials when its turn comes among the others that share these.
    #[must_use]
    pub fn in_turn(mut self, turns: &Turns) -> Self {
        self.way.turns = turns.clone();
        if let Some(way) = &mut self.act {
            way.turns = turns.clone();
        }
        self
    }

    /// A host that may be off: that is no failure, and nothing wakes it.
    #[must_use]
    pub fn that_may_be_off(mut self) -> Self {
        self.way.may_be_off = true;
        if let Some(way) = &mut self.act {
            way.may_be_off = true;
        }
        self
    }

    /// With compose files that no container of it names.
    #[must_use]
    pub fn with_stacks(mut self, stacks: Vec<String>) -> Self {
        self.kept = Mutex::new(Kept::with_stacks(stacks));
        self
    }

    /// What acts there runs as root by `sudo -n`.
    #[must_use]
    pub fn with_sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }

    /// How many commands and collections went over the connection.
    pub fn trips_so_far(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// Whether the collector lies on the host, by its last answer.
    pub fn has_collector(&self) -> bool {
        self.installed.load(Ordering::Relaxed)
    }

    /// Runs `argv` under a limit on the host, because dropping it here would not end it there.
    async fn run(&self, argv: &[String], timeout: Span) -> Result<Left, LinkError> {
        let seconds = seconds(timeout).to_string();
        let limited = ["sh", "-c", LIMITED, "reef", &seconds].map(str::to_owned);
        let line = quote::line(&[&limited[..], argv].concat());
        self.send(&self.way, &line, timeout).await
    }

    /// Runs a command that may change something: by the key that may, as root where the config says so.
    async fn act(&self, argv: &[String], timeout: Span) -> Result<Left, LinkError> {
        match (&self.act, self.sudo) {
            // The gatekeeper there puts the limit, and sudo, in front.
            (Some(way), _) => self.send(way, &quote::line(argv), timeout).await,
            // A program that reef brings along goes in front of its arguments.
            (None, Sudo::Yes) => {
                let argv = raised(&remote::brought(argv), timeout);
                self.send(&self.way, &quote::line(&argv), timeout).await
            }
            (None, Sudo::No) => self.run(&remote::brought(argv), timeout).await,
        }
    }

    /// Sends a line for the login shell there.
    async fn send(&self, way: &Way, line: &str, timeout: Span) -> Result<Left, LinkError> {
        let session = way.session().await;
        let session = session.map_err(|why| LinkError::NotStarted(why.words().to_owned()))?;
        self.trips.fetch_add(1, Ordering::Relaxed);
        let patience = timeout.duration() + SLACK.duration();
        let running = async {
            let mut child = session
                .raw_command(line)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .await
                .map_err(|e| words::lost(&e))?;
            let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
            let (stdout, stderr) = tokio::join!(bounded(stdout), bounded(stderr));
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
        let name = &self.name;
        match left.code {
            Some(126) if words::only_collects(&left.stderr) => Err(LinkError::NotStarted(format!(
                "the key that reef uses for {name} may only look: nothing can be done there by it; \
                 `reef host authorize {name} --act` prints a second one's line"
            ))),
            Some(126) if words::not_listed(&left.stderr) => Err(LinkError::NotStarted(format!(
                "the key by which reef acts on {name} may not run this there: `reef host authorize \
                 {name} --act` prints what it may by the present config"
            ))),
            // timeout(1): 124 where the time struck, 137 where it took the second signal.
            Some(124 | 137) => Err(LinkError::TimedOut(timeout)),
            Some(126 | 127) if never_started(&left.stderr) => {
                let why = String::from_utf8_lossy(&left.stderr);
                Err(LinkError::NotStarted(Tainted::bounded(why.trim(), 200).as_str().to_owned()))
            }
            _ => Ok(left),
        }
    }

    fn clean(&self, left: &Left, started: Instant) -> Output {
        let clean = |bytes: &[u8]| {
            Tainted::bounded(&self.redactor.redact(&String::from_utf8_lossy(bytes)), LONGEST)
        };
        Output {
            code: left.code,
            stdout: clean(&left.stdout),
            stderr: clean(&left.stderr),
            took: Span::from(started.elapsed()),
        }
    }

    async fn collect(&self, wanted: &BTreeSet<Fact>) -> Facts {
        let failed = |why: String| -> Facts {
            let missing = Err(NoFact::Failed(why));
            wanted.iter().map(|fact| (fact.clone(), missing.clone())).collect()
        };
        if wanted.is_empty() {
            return Facts::new();
        }
        let asks = self.kept.lock().unwrap_or_else(PoisonError::into_inner).asks(wanted);
        let request = match Request::new(asks) {
            Ok(request) => request,
            Err(why) => return failed(why),
        };
        let printed = match self.fetch(&request, within(wanted)).await {
            Ok(printed) => printed,
            Err(NoWay::Refused(why)) => return failed(why),
            Err(NoWay::Off(why)) => {
                let off = Err(NoFact::Absent(why));
                return wanted.iter().map(|fact| (fact.clone(), off.clone())).collect();
            }
        };
        let read = request.read(&printed);
        self.installed.store(read.installed, Ordering::Relaxed);
        if !read.whole {
            // The connection may be dead without knowing it.
            self.way.leave().await;
        }
        let with =
            Reading { now: self.clock.now(), redactor: &self.redactor, whose: Whose::Another };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).answer(wanted, &read, with)
    }

    /// A connection that stood and gave nothing.
    fn lost(&self, why: String) -> NoWay {
        match self.way.may_be_off {
            true => NoWay::Off(self.way.off()),
            false => NoWay::Refused(why),
        }
    }

    /// What the collector printed, as far as it came in time.
    async fn fetch(&self, request: &Request, within: Span) -> Result<Vec<u8>, NoWay> {
        let session = self.way.session().await?;
        self.trips.fetch_add(1, Ordering::Relaxed);
        let mut printed = Vec::new();
        let mut said = Vec::new();
        let running = async {
            // A key that may only collect runs the collector that lies there, whatever is asked for.
            let mut command = session.raw_command(CALLED);
            if !self.installed.load(Ordering::Relaxed) {
                let sent = ["sh", "-c", &request.program(), CALLED];
                command = session.raw_command(quote::line(&sent));
            }
            let (stdin, stdout, stderr) = (Stdio::piped(), Stdio::piped(), Stdio::piped());
            let spawned = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().await;
            let mut child = spawned.map_err(|e| words::lost(&e).to_string())?;
            let (stdin, stdout, stderr) =
                (child.stdin().take(), child.stdout().take(), child.stderr().take());
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A program that does not read its input closes it: no fault.
                    let _closed = stdin.write_all(request.input().as_bytes()).await;
                }
            };
            let listen = async {
                if let Some(stdout) = stdout {
                    until_whole(stdout, request, &mut printed).await;
                }
            };
            let hear = async { said = bounded(stderr).await };
            // What was left behind there may hold the channel open for ever: the last mark is the end.
            tokio::select! {
                ((), ()) = async { tokio::join!(feed, listen) } => {}
                ((), ()) = async { tokio::join!(hear, std::future::pending::<()>()) } => {}
            }
            Ok::<(), String>(())
        };
        match tokio::time::timeout(within.duration(), running).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                self.way.leave().await;
                return Err(self.lost(why));
            }
            Err(_) if printed.is_empty() => {
                self.way.leave().await;
                return Err(self.lost(format!("{} did not answer within {within}", self.name)));
            }
            // What came counts.
            Err(_) => {}
        }
        if printed.is_empty() {
            self.installed.store(false, Ordering::Relaxed);
            let said = String::from_utf8_lossy(&said);
            let said = Tainted::bounded(said.trim(), 200);
            let why = format!("{} printed nothing: {}", self.name, said.first_line());
            return Err(self.lost(why));
        }
        Ok(printed)
    }
}

/// How long a collection may take in all: a little less than the probes that want such facts.
pub(in crate::clients) fn within(wanted: &BTreeSet<Fact>) -> Span {
    let any = |is: fn(&Fact) -> bool| wanted.iter().any(is);
    if any(|fact| matches!(fact, Fact::Drives | Fact::Updates | Fact::Newest(_))) {
        Span::secs(55)
    } else if any(|fact| {
        matches!(fact, Fact::Folder(_) | Fact::Logins(_) | Fact::Guarded(_) | Fact::Files(_))
    }) {
        Span::secs(28)
    } else {
        COLLECTION
    }
}

impl HostLink for SshHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn trips(&self) -> Trips {
        Trips::One
    }

    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        Box::pin(self.collect(wanted))
    }

    fn standing(&self) -> Standing {
        let user = self.way.ssh.user.as_ref().map(ToString::to_string);
        Standing { user, sudo: self.sudo, place: Place::There }
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            let started = Instant::now();
            let left = self.run(argv.argv().as_slice(), timeout).await?;
            Ok(self.clean(&left, started))
        })
    }

    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        timeout: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            let exact = match (&self.act, self.sudo) {
                (None, Sudo::Yes) => raised(argv.as_slice(), timeout),
                (Some(_), _) | (None, Sudo::No) => argv.as_slice().to_vec(),
            };
            let started = Instant::now();
            let left = self.act(argv.as_slice(), timeout).await;
            let ended = left.map(|left| self.clean(&left, started));
            noted(permit, &exact, ended, &self.redactor)
        })
    }
}

#[cfg(test)]
mod tests;
