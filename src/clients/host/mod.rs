//! A host: this machine, or one behind SSH.

pub mod arrays;
pub mod cgroups;
pub mod drives;
pub mod guard;
pub mod guarded;
pub mod hands;
pub mod journal;
mod kernel;
pub mod lines;
pub mod local;
pub mod logins;
pub mod mountinfo;
pub mod mounts;
pub mod pace;
pub mod pids;
pub mod pools;
pub mod proc;
pub mod root;
pub mod scan;
pub mod sensors;
pub mod sockets;
pub mod systemd;
pub mod tail;
pub mod upkeep;
pub mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::Fut;
use crate::gate::permit::Permit;
use crate::model::audit::Ran;
use crate::model::digest::Digest;
use crate::model::fact::{Fact, Facts};
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::denied::Standing;
use crate::policy::redact::Redactor;

/// A way to one host.
pub trait HostLink: Send + Sync + fmt::Debug {
    fn name(&self) -> &HostName;
    /// One collection: all facts that are due on this host, in one round trip. Each wanted fact is in
    /// the answer, as a value or as why it is missing.
    fn facts<'a>(&'a self, wanted: &'a BTreeSet<Fact>) -> Fut<'a, Facts>;
    /// How many collections a tick may take: over a network one must do.
    fn trips(&self) -> Trips {
        Trips::ByPace
    }
    /// As whom reef acts there.
    fn standing(&self) -> Standing {
        Standing::default()
    }
    /// Runs a command that the classifier proved to be read-only.
    fn read<'a>(&'a self, argv: &'a ReadOnly, timeout: Span) -> Fut<'a, Result<Output, LinkError>>;
    /// Runs a command that may change something. The process is ended on the host at the timeout.
    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        timeout: Span,
    ) -> Fut<'a, Result<Output, LinkError>>;
}

/// How the facts of one tick are brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trips {
    /// What the kernel answers at once apart from what may wait for a program.
    ByPace,
    /// All together.
    One,
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Redacted, bounded.
    pub stdout: Tainted,
    pub stderr: Tainted,
    pub took: Span,
}

/// Why a command gave no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// Provably not started: no such program, no connection.
    NotStarted(String),
    /// It ran past its time and was ended.
    TimedOut(Span),
    /// It was sent, and then the link broke: it may have happened.
    Lost(String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => f.write_str(why),
            Self::TimedOut(after) => write!(f, "did not end within {after} and was killed"),
            Self::Lost(why) => write!(f, "the link broke while it ran: {why}"),
        }
    }
}

impl std::error::Error for LinkError {}

/// How much of a command's output its record carries.
const EXCERPT: usize = 500;

/// How a command under a permit ended, noted for its record.
pub fn noted(
    permit: &Permit,
    argv: &[String],
    ended: Result<Output, LinkError>,
    redactor: &Redactor,
) -> Result<Output, LinkError> {
    permit.note(ran(argv, &ended, redactor));
    match &ended {
        Err(LinkError::NotStarted(_)) => permit.unreached(),
        Ok(_) | Err(LinkError::TimedOut(_) | LinkError::Lost(_)) => permit.reached(),
    }
    ended
}

/// The arguments are redacted here; the output was.
fn ran(argv: &[String], ended: &Result<Output, LinkError>, redactor: &Redactor) -> Ran {
    let argv = argv.iter().map(|arg| redactor.redact(arg).into_owned()).collect();
    match ended {
        Ok(output) => {
            let both = format!("{}{}", output.stdout.as_str(), output.stderr.as_str());
            Ran {
                argv,
                code: output.code,
                output_digest: Some(Digest::of(both.as_bytes())),
                output_excerpt: both.chars().take(EXCERPT).collect(),
            }
        }
        Err(why) => {
            let output_excerpt = why.to_string().chars().take(EXCERPT).collect();
            Ran { argv, code: None, output_digest: None, output_excerpt }
        }
    }
}

/// The hosts that reef knows, by name.
pub type Hosts = BTreeMap<HostName, Arc<dyn HostLink>>;
