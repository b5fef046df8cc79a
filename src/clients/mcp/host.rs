//! A host behind an MCP server with a tool that runs commands. Collections, reads and actions take the same
//! forms as over SSH; the server is only the way.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::Fut;
use crate::clients::collector::facts::{Kept, Reading, Whose};
use crate::clients::collector::{CALLED, Request};
use crate::clients::files::remote;
use crate::clients::host::root::raised;
use crate::clients::host::{HostLink, LinkError, Output, Trips, noted};
use crate::clients::mcp::wrap::{self, Left};
use crate::clients::mcp::{CallError, Says, Server};
use crate::clients::ssh::{LIMITED, never_started, within};
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::model::fact::{Fact, Facts, NoFact};
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::{Place, Standing, Sudo, seconds};
use crate::policy::redact::Redactor;

/// Kept of each output, in characters.
const LONGEST: usize = 1 << 20;
/// What the way there and back may take beyond a command's own time.
const SLACK: Span = Span::secs(5);

/// One host.
pub struct McpHost {
    name: HostName,
    server: Arc<Server>,
    sudo: Sudo,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    /// Held over no await.
    kept: Mutex<Kept>,
}

impl fmt::Debug for McpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {:?}", self.name, self.server)
    }
}

impl McpHost {
    pub fn new(
        name: HostName,
        server: Arc<Server>,
        clock: Arc<dyn Clock>,
        redactor: Arc<Redactor>,
    ) -> Self {
        Self { name, server, sudo: Sudo::No, clock, redactor, kept: Mutex::default() }
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

    /// Runs a command under a limit on the host, because ending the call would not end it there.
    async fn limited(&self, argv: &[String], timeout: Span) -> Result<Left, LinkError> {
        let seconds = seconds(timeout).to_string();
        let limit = ["sh", "-c", LIMITED, "reef", &seconds].map(str::to_owned);
        self.send("", &[&limit[..], argv].concat(), timeout).await
    }

    async fn send(&self, input: &str, argv: &[String], timeout: Span) -> Result<Left, LinkError> {
        let word = word().map_err(LinkError::NotStarted)?;
        let settings = self.server.settings();
        let (tool, argument) = &settings.exec;
        let mut arguments: Map<String, Json> = settings
            .exec_with
            .iter()
            .map(|(name, value)| (name.clone(), Json::String(value.clone())))
            .collect();
        arguments.insert(argument.clone(), Json::String(wrap::line(&word, input, argv)));
        let patience = Span(timeout.0.saturating_add(SLACK.0));
        let came = self.server.carry(tool, &arguments, patience).await;
        let left = match came {
            Ok(raw) => match wrap::read(&word, &raw.text) {
                Some(left) => left,
                None => return Err(self.unread(&raw.text, raw.says)),
            },
            Err(CallError::NotSent(why)) => return Err(LinkError::NotStarted(why)),
            Err(why @ (CallError::Refused(_) | CallError::TimedOut(_) | CallError::Lost(_))) => {
                return Err(LinkError::Lost(why.to_string()));
            }
        };
        match left.code {
            Some(124 | 137) => Err(LinkError::TimedOut(timeout)),
            Some(126 | 127) if never_started(&left.stderr) => {
                let why = String::from_utf8_lossy(&left.stderr);
                Err(LinkError::NotStarted(Tainted::bounded(why.trim(), 200).as_str().to_owned()))
            }
            _ => Ok(left),
        }
    }

    /// An answer without the end of the command: the server refused it, or cut it off. Nobody knows which.
    fn unread(&self, text: &str, says: Says) -> LinkError {
        let said = Tainted::bounded(&self.redactor.redact(text.trim()), 300);
        let (server, tool) = (self.server.name(), &self.server.settings().exec.0);
        let what = match says {
            Says::Failed => "says that it failed",
            Says::Worked => "gave back no end of the command",
        };
        LinkError::Lost(format!("mcp:{server}/{tool} {what}: {said}"))
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
        let argv = ["sh", "-c", &request.program(), CALLED].map(str::to_owned);
        let left = match self.send(&request.input(), &argv, within(wanted)).await {
            Ok(left) => left,
            Err(why) => return failed(format!("{}: {why}", self.name)),
        };
        let read = request.read(&left.stdout);
        let with =
            Reading { now: self.clock.now(), redactor: &self.redactor, whose: Whose::Another };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).answer(wanted, &read, with)
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
}

fn word() -> Result<String, String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|why| format!("no random numbers: {why}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl HostLink for McpHost {
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
        Standing { user: None, sudo: self.sudo, place: Place::There }
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            let started = Instant::now();
            let left = self.limited(argv.argv().as_slice(), timeout).await?;
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
            let started = Instant::now();
            let (exact, left) = match self.sudo {
                Sudo::Yes => {
                    let exact = raised(argv.as_slice(), timeout);
                    let argv = raised(&remote::brought(argv.as_slice()), timeout);
                    let left = self.send("", &argv, timeout).await;
                    (exact, left)
                }
                Sudo::No => {
                    let exact = argv.as_slice().to_vec();
                    let left = self.limited(&remote::brought(&exact), timeout).await;
                    (exact, left)
                }
            };
            let ended = left.map(|left| self.clean(&left, started));
            noted(permit, &exact, ended, &self.redactor)
        })
    }
}
