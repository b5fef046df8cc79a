//! Programs of this machine: the only place that starts one. No shell, its own process group, a hard
//! timeout that ends the whole group, output bounded while it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

use crate::clients::host::{LinkError, Output};
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// Where programs are looked for, whatever the daemon's own environment says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a group may take between the polite signal and the one that cannot be refused.
const GRACE: Duration = Duration::from_millis(500);

/// How long a killed group may take to go. One that waits for a dead disk or server stays longer and
/// is left behind.
const LAST: Duration = Duration::from_millis(500);

/// How long pipes may stay open after the program itself has ended: a child that it left behind
/// holds them.
const LINGER: Duration = Duration::from_millis(250);

/// What a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub timeout: Span,
    /// Bytes kept of stdout and of stderr each. What comes after is read and dropped, so that the
    /// program can end.
    pub max_output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Span::secs(10), max_output: 256 << 10 }
    }
}

/// What a program is given beside its arguments.
#[derive(Default, Clone)]
pub struct Given {
    /// Written to stdin, which is empty otherwise.
    pub stdin: Vec<u8>,
    /// Set beside `PATH`, `LANG` and `LC_ALL`; nothing is inherited.
    pub env: BTreeMap<String, String>,
}

impl fmt::Debug for Given {
    /// Names only: a variable or the input may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "given {} bytes and {:?}", self.stdin.len(), self.env.keys())
    }
}

/// What a program left, as it came: neither redacted nor neutralised. For typed parsing only.
pub struct Raw {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Bytes of both that were read and dropped.
    pub dropped: u64,
    pub took: Span,
}

impl fmt::Debug for Raw {
    /// Sizes only: the output may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, err) = (self.stdout.len(), self.stderr.len());
        write!(f, "exit {:?}, {out} + {err} bytes after {}", self.code, self.took)
    }
}

/// Why a program left nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// Provably not started.
    NotStarted(String),
    /// It ran past its time. `left` is its process id where not even a kill ended it in time: it waits
    /// in the kernel, and a second one would only wait beside it.
    TimedOut { after: Span, left: Option<u32> },
    /// It was started, and then its pipes or its state could not be read.
    Lost(String),
}

impl From<RunError> for LinkError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotStarted(why) => Self::NotStarted(why),
            RunError::TimedOut { after, .. } => Self::TimedOut(after),
            RunError::Lost(why) => Self::Lost(why),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LinkError::from(self.clone()).fmt(f)
    }
}

/// Whether a program of this name lies where programs are looked for.
pub fn is_there(name: &str) -> bool {
    PATH.split(':').any(|folder| std::path::Path::new(folder).join(name).is_file())
}

/// Runs `argv` and keeps its redacted output.
pub async fn run(
    argv: &[String],
    limits: Limits,
    given: &Given,
    redactor: &Redactor,
) -> Result<Output, LinkError> {
    let raw = run_raw(argv, limits, given).await?;
    let clean = |bytes: &[u8]| {
        let mut text = redactor.redact(&String::from_utf8_lossy(bytes)).into_owned();
        if bytes.len() == limits.max_output && 0 < raw.dropped {
            text.push_str(" …(cut)");
        }
        Tainted::bounded(&text, limits.max_output.saturating_mul(2))
    };
    let (stdout, stderr) = (clean(&raw.stdout), clean(&raw.stderr));
    Ok(Output { code: raw.code, stdout, stderr, took: raw.took })
}

/// Runs `argv` and keeps its output as it came.
pub async fn run_raw(argv: &[String], limits: Limits, given: &Given) -> Result<Raw, RunError> {
    let mut stdout = Vec::new();
    let mut keep = |chunk: &[u8]| {
        let room = limits.max_output.saturating_sub(stdout.len()).min(chunk.len());
        stdout.extend_from_slice(&chunk[..room]);
        chunk.len() - room
    };
    let raw = run_into(argv, limits, given, &mut keep).await?;
    Ok(Raw { stdout, ..raw })
}

/// Runs `argv` and hands each piece of its stdout to `sink`, which says how many bytes of it it
/// dropped. `Raw::stdout` stays empty.
pub async fn run_into(
    argv: &[String],
    limits: Limits,
    given: &Given,
    sink: &mut (dyn FnMut(&[u8]) -> usize + Send),
) -> Result<Raw, RunError> {
    let started = Instant::now();
    let deadline = started + limits.timeout.duration();
    let stdin = if given.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    let (mut child, mut group) = start(argv, stdin, &given.env)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut dropped = 0;
    let mut errors = Vec::new();
    let mut errors_dropped = 0;
    let mut keep = |chunk: &[u8]| {
        let room = limits.max_output.saturating_sub(errors.len()).min(chunk.len());
        errors.extend_from_slice(&chunk[..room]);
        chunk.len() - room
    };
    let ended = {
        let pipes = async {
            tokio::join!(
                feed(stdin, &given.stdin),
                drain(stdout, sink, &mut dropped),
                drain(stderr, &mut keep, &mut errors_dropped),
            );
        };
        tokio::pin!(pipes);
        let both = async {
            let mut open = true;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    () = &mut pipes, if open => open = false,
                }
            };
            // What the program left behind may hold its pipes for ever: it is not waited for.
            if open && timeout(LINGER, &mut pipes).await.is_err() {
                group.signal(Signal::KILL);
            }
            status
        };
        timeout_at(deadline, both).await
    };
    let status = match ended {
        Ok(Ok(status)) => status,
        Ok(Err(why)) => return Err(RunError::Lost(format!("cannot wait for {argv:?}: {why}"))),
        Err(_) => {
            let left = end(&mut child, &group).await;
            return Err(RunError::TimedOut { after: limits.timeout, left });
        }
    };
    group.armed = false;
    Ok(Raw {
        code: ExitStatus::code(&status),
        stdout: Vec::new(),
        stderr: errors,
        dropped: dropped + errors_dropped,
        took: Span::from(started.elapsed()),
    })
}

/// A program that stays, to be talked with. Its group ends with this.
#[derive(Debug)]
pub struct Staying {
    group: Group,
    /// Not waited for before the group is killed: until then its number is nobody else's.
    _leader: Child,
}

/// The ends of its pipes.
#[derive(Debug)]
pub struct Pipes {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// Starts a program that stays until what is given back is dropped.
pub fn stay(argv: &[String], env: &BTreeMap<String, String>) -> Result<(Staying, Pipes), RunError> {
    let (mut child, group) = start(argv, Stdio::piped(), env)?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => {
            Ok((Staying { group, _leader: child }, Pipes { stdin, stdout, stderr }))
        }
        _ => Err(RunError::Lost(format!("{argv:?} was started without pipes"))),
    }
}

impl Staying {
    /// Ends the whole group at once.
    pub fn kill(&self) {
        self.group.signal(Signal::KILL);
    }
}

/// A process group that is killed when it is dropped before its end was seen.
#[derive(Debug)]
struct Group {
    leader: Option<Pid>,
    armed: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        // A group that is gone is what was wanted.
        let _gone = self.leader.map(|leader| kill_process_group(leader, signal));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.armed {
            self.signal(Signal::KILL);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
fn start(
    argv: &[String],
    stdin: Stdio,
    env: &BTreeMap<String, String>,
) -> Result<(Child, Group), RunError> {
    let Some((program, args)) = argv.split_first() else {
        return Err(RunError::NotStarted("an empty command names no program".into()));
    };
    let child = Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C")
        .env("LC_ALL", "C")
        .envs(env)
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| RunError::NotStarted(format!("cannot start {program}: {why}")))?;
    let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok((child, Group { leader, armed: true }))
}

/// Ends the group: asks, then kills. Returns the leader's id where it would not go.
async fn end(child: &mut Child, group: &Group) -> Option<u32> {
    let id = child.id();
    group.signal(Signal::TERM);
    let polite = timeout(GRACE, child.wait()).await.is_ok();
    // The leader may have gone and left a child behind that ignored the polite signal.
    group.signal(Signal::KILL);
    if polite || timeout(LAST, child.wait()).await.is_ok() { None } else { id }
}

async fn feed(stdin: Option<ChildStdin>, bytes: &[u8]) {
    if let Some(mut stdin) = stdin {
        // A program need not read its input to the end.
        let _closed = stdin.write_all(bytes).await;
    }
}

/// Reads a pipe to its end through one small buffer.
async fn drain(
    pipe: Option<impl AsyncRead + Unpin>,
    sink: &mut (dyn FnMut(&[u8]) -> usize + Send),
    dropped: &mut u64,
) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 16 << 10];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => *dropped += sink(&buffer[..n]) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|&w| w.to_owned()).collect()
    }

    fn limits(ms: i64) -> Limits {
        Limits { timeout: Span(ms), max_output: 1_000 }
    }

    fn lives(pid: &str) -> bool {
        // A zombie still has its folder: what counts is that it runs no more.
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn output_and_code_come_back_and_nothing_is_inherited() {
        let given = Given {
            stdin: b"hello".to_vec(),
            env: BTreeMap::from([("MINE".to_owned(), "1".to_owned())]),
        };
        let script = "cat; env | sort >&2; exit 3";
        let raw = run_raw(&argv(&["sh", "-c", script]), limits(5_000), &given).await.unwrap();
        assert_eq!((raw.code, raw.stdout.as_slice()), (Some(3), b"hello".as_slice()));
        let env = String::from_utf8(raw.stderr).unwrap();
        let names: Vec<_> = env.lines().filter_map(|l| l.split('=').next()).collect();
        assert_eq!(names, ["LANG", "LC_ALL", "MINE", "PATH", "PWD"]);
    }

    #[tokio::test]
    async fn what_does_not_exist_was_not_started() {
        let gone = run_raw(&argv(&["/no/such/program"]), limits(1_000), &Given::default()).await;
        assert!(matches!(gone, Err(RunError::NotStarted(why)) if why.contains("/no/such/program")));
        let empty = run_raw(&[], limits(1_000), &Given::default()).await;
        assert!(matches!(empty, Err(RunError::NotStarted(_))));
    }

    #[tokio::test]
    async fn a_timeout_ends_the_grandchildren_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        // The grandchild ignores the polite signal, and so does its parent.
        let script =
            format!("trap '' TERM; (sleep 100 & echo $! > {}; wait) & wait", file.display());
        let late = run_raw(&argv(&["sh", "-c", &script]), limits(300), &Given::default()).await;
        assert_eq!(late.unwrap_err(), RunError::TimedOut { after: Span(300), left: None });
        let grandchild = std::fs::read_to_string(&file).unwrap();
        for _ in 0..50 {
            if !lives(&grandchild) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the grandchild {grandchild} outlived the timeout");
    }

    #[tokio::test]
    async fn a_dropped_run_leaves_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 100 & echo $! > {}; wait", file.display());
        let script = argv(&["sh", "-c", &script]);
        let given = Given::default();
        let run = run_raw(&script, limits(60_000), &given);
        assert!(timeout(Duration::from_millis(400), run).await.is_err());
        let grandchild = std::fs::read_to_string(&file).unwrap();
        for _ in 0..50 {
            if !lives(&grandchild) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the grandchild {grandchild} outlived its run");
    }

    #[tokio::test]
    async fn a_gigabyte_is_read_in_a_small_buffer() {
        let printer = argv(&["head", "-c", "1000000000", "/dev/zero"]);
        let raw = run_raw(&printer, limits(30_000), &Given::default()).await.unwrap();
        assert_eq!((raw.code, raw.stdout.len(), raw.dropped), (Some(0), 1_000, 999_999_000));
    }

    #[tokio::test]
    async fn pipes_held_by_a_left_child_do_not_hang_the_look() {
        let started = Instant::now();
        let left = argv(&["sh", "-c", "sleep 60 & echo ok"]);
        let raw = run_raw(&left, limits(20_000), &Given::default()).await.unwrap();
        assert_eq!(raw.stdout, b"ok\n");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn kept_output_is_redacted_and_says_when_it_was_cut() {
        let secret = argv(&[
            "sh",
            "-c",
            "echo password=hunter2hunter2; head -c 5000 /dev/zero | tr '\\0' x",
        ]);
        let output = run(&secret, limits(5_000), &Given::default(), &Redactor::new(Vec::new()))
            .await
            .unwrap();
        assert!(!output.stdout.as_str().contains("hunter2"), "{}", output.stdout);
        assert!(output.stdout.as_str().ends_with("(cut)"));
    }
}
