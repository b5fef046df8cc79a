//! This machine's processes: who they are, and signals to exactly one of them.

use std::fmt;

use crate::Fut;
use crate::gate::permit::Permit;

/// A process by number and start time, so that a later one with the same number is not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId {
    pub pid: u32,
    /// Clock ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// Of a target's name: `PID@START`.
    pub fn parse(name: &str) -> Option<Self> {
        let (pid, start) = name.split_once('@')?;
        Some(Self { pid: pid.parse().ok()?, start: start.parse().ok()? })
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start)
    }
}

/// The signals that reef sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM: asks it to end.
    Term,
    /// SIGKILL: ends it.
    Kill,
}

impl Ending {
    pub fn word(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Kill => "kill",
        }
    }
}

/// A process as /proc tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub id: ProcessId,
    pub parent: u32,
    pub comm: String,
    /// The file name of its program, where it can be read; none for a kernel thread.
    pub program: Option<String>,
    pub uid: u32,
    pub kernel: Kernel,
}

/// Whether it is a thread of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    Thread,
    No,
}

/// What a signal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalled {
    /// The process ended within the time given.
    Ended,
    /// It was sent, and the process is still there.
    StillThere,
    /// The process was gone, or its number belongs to another now: nothing was sent.
    Gone,
}

/// This machine's processes.
pub trait Processes: Send + Sync + fmt::Debug {
    /// The process with this number now, if there is one.
    fn look(&self, pid: u32) -> Fut<'_, Result<Option<Process>, String>>;
    /// reef itself and all its ancestors.
    fn own_line(&self) -> Fut<'_, Result<Vec<u32>, String>>;
    /// Sends a signal to exactly this process and waits until it has ended, 5 s at the most.
    fn signal<'a>(
        &'a self,
        permit: &'a Permit,
        id: ProcessId,
        ending: Ending,
    ) -> Fut<'a, Result<Signalled, String>>;
}
