//! This machine's processes: who they are, and signals to exactly one of them.

pub mod kill;

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::time::Instant;

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

/// The real processes of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalProcesses;

/// How long a process may take to end after a signal.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The flag of kernel threads in /proc/PID/stat (PF_KTHREAD in the kernel's sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

fn look(pid: u32) -> Result<Option<Process>, String> {
    let stat = match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        // ESRCH: it ended between open and read.
        Err(e) if e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => return Ok(None),
        Err(e) => return Err(format!("cannot read /proc/{pid}/stat: {e}")),
    };
    let odd = || format!("/proc/{pid}/stat is not as proc(5) says");
    let stat = String::from_utf8_lossy(&stat);
    // The name may hold spaces and brackets of its own: it ends at the last one.
    let (open, close) = (stat.find('(').ok_or_else(odd)?, stat.rfind(')').ok_or_else(odd)?);
    let comm = stat.get(open + 1..close).ok_or_else(odd)?.to_owned();
    let fields: Vec<&str> = stat.get(close + 1..).unwrap_or("").split_ascii_whitespace().collect();
    // Counted from the state, which is field 3 in proc(5).
    let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<u64>().ok()).ok_or_else(odd);
    let kernel = if field(9)? & KERNEL_THREAD == 0 { Kernel::No } else { Kernel::Thread };
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok().and_then(|path| {
        let name = path.file_name()?.to_str()?;
        Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
    });
    let uid = std::fs::metadata(format!("/proc/{pid}"))
        .map_or(u32::MAX, |m| std::os::unix::fs::MetadataExt::uid(&m));
    Ok(Some(Process {
        id: ProcessId { pid, start: field(22)? },
        parent: u32::try_from(field(4)?).map_err(|_| odd())?,
        comm,
        program,
        uid,
        kernel,
    }))
}

fn own_line() -> Result<Vec<u32>, String> {
    let mut line = vec![std::process::id()];
    // Deeper than any real tree: a bound against a loop that cannot be.
    for _ in 0..1_000 {
        let pid = line.last().copied().unwrap_or(0);
        match look(pid)? {
            Some(process) if 0 < process.parent => line.push(process.parent),
            Some(_) | None => break,
        }
    }
    Ok(line)
}

/// Sends through a pidfd that was opened before the last look: from then on the number cannot come to
/// mean another process.
fn send(id: ProcessId, ending: Ending) -> Result<Signalled, String> {
    let pid = i32::try_from(id.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("{id} is no process"))?;
    let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(Signalled::Gone),
        Err(errno) => return Err(format!("cannot open pid {}: {errno}", id.pid)),
    };
    match look(id.pid)? {
        Some(process) if process.id == id => {}
        Some(_) | None => return Ok(Signalled::Gone),
    }
    let signal = match ending {
        Ending::Term => Signal::TERM,
        Ending::Kill => Signal::KILL,
    };
    match rustix::process::pidfd_send_signal(&fd, signal) {
        Ok(()) => {}
        Err(Errno::SRCH) => return Ok(Signalled::Gone),
        Err(errno) => return Err(format!("cannot signal pid {}: {errno}", id.pid)),
    }
    let until = Instant::now() + ENDS_WITHIN;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(0), ..timeout };
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(Signalled::StillThere),
            Ok(_) => return Ok(Signalled::Ended),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(format!("cannot wait for pid {}: {errno}", id.pid)),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(format!("the look at processes broke off: {error}")),
    }
}

impl Processes for LocalProcesses {
    fn look(&self, pid: u32) -> Fut<'_, Result<Option<Process>, String>> {
        Box::pin(blocking(move || look(pid)))
    }

    fn own_line(&self) -> Fut<'_, Result<Vec<u32>, String>> {
        Box::pin(blocking(own_line))
    }

    fn signal<'a>(
        &'a self,
        _: &'a Permit,
        id: ProcessId,
        ending: Ending,
    ) -> Fut<'a, Result<Signalled, String>> {
        Box::pin(blocking(move || send(id, ending)))
    }
}
