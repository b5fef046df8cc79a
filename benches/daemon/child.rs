//! A daemon as a child process, and what it costs.

#![allow(clippy::disallowed_methods, reason = "a bench starts the binary that it measures")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep, sleep_until};

/// `reef run` with a state of its own.
pub(crate) struct Daemon {
    reef: PathBuf,
    child: Child,
    home: PathBuf,
}

/// What a process and its threads used in a window.
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    /// Voluntary context switches: each is a wake-up, about.
    pub(crate) wakes: f64,
    pub(crate) rss_mib: f64,
    pub(crate) threads: usize,
    pub(crate) written: f64,
}

/// The counters of one thread.
#[derive(Clone, Copy, Default)]
struct Counted {
    cpu_ns: u64,
    switches: u64,
}

/// A process that does nothing, to be ended.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    /// `program` is a copy of sleep(1) under a name of its own. It ends by itself after two minutes.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        Ok(Self(Command::new(program).arg("120").stdin(Stdio::null()).spawn()?))
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Daemon {
    pub(crate) fn start(reef: &Path, home: &Path, config: &str) -> Result<Self> {
        if home.join("state").exists() {
            fs::remove_dir_all(home.join("state"))?;
        }
        fs::create_dir_all(home)?;
        fs::write(home.join("reef.toml"), config)?;
        let child = Command::new(reef)
            .args(["run", "-c"])
            .arg(home.join("reef.toml"))
            .arg("--state")
            .arg(home.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("log"))?)
            .spawn()?;
        Ok(Self { reef: reef.to_owned(), child, home: home.to_owned() })
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    /// The answer of a subcommand, as JSON.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<Json> {
        let out = Command::new(&self.reef)
            .args(args)
            .arg("--state")
            .arg(self.home.join("state"))
            .output()?;
        ensure!(out.status.success(), "reef {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(serde_json::from_slice(&out.stdout)?)
    }

    /// Watches it for so long. Threads that end in between are counted up to their last second.
    pub(crate) async fn cost_of(&self, window: Duration) -> Result<Cost> {
        let before = self.threads()?;
        let written = self.written()?;
        let end = Instant::now() + window;
        let mut last = before.clone();
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + Duration::from_secs(1))).await;
            last.extend(self.threads()?);
        }
        let spent = |of: fn(&Counted) -> u64| -> u64 {
            let began = |tid| before.get(tid).map_or(0, of);
            last.iter().map(|(tid, counted)| of(counted).saturating_sub(began(tid))).sum()
        };
        Ok(Cost {
            cpu: Duration::from_nanos(spent(|c| c.cpu_ns)),
            wakes: f64::from(u32::try_from(spent(|c| c.switches))?),
            rss_mib: self.rss_kib()? / 1024.0,
            threads: self.threads()?.len(),
            written: self.written()? - written,
        })
    }

    /// Ends it as systemd would, within 10 s.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "it does not end: {}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    fn threads(&self) -> Result<BTreeMap<String, Counted>> {
        let mut found = BTreeMap::new();
        let tasks = fs::read_dir(self.proc("task"))
            .with_context(|| format!("the daemon is gone: {}", self.log()))?;
        for task in tasks {
            let task = task?;
            // A thread may end between the listing and the reading.
            let Ok(stat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
            let cpu_ns = stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let switches = number_after(&status, "voluntary_ctxt_switches:").unwrap_or(0);
            found.insert(
                task.file_name().to_string_lossy().into_owned(),
                Counted { cpu_ns, switches },
            );
        }
        Ok(found)
    }

    fn rss_kib(&self) -> Result<f64> {
        let rollup = fs::read_to_string(self.proc("smaps_rollup"))?;
        let kib = number_after(&rollup, "Rss:").context("no Rss")?;
        Ok(f64::from(u32::try_from(kib)?))
    }

    fn written(&self) -> Result<f64> {
        let io = fs::read_to_string(self.proc("io"))?;
        let bytes = number_after(&io, "write_bytes:").context("no write_bytes")?;
        Ok(f64::from(u32::try_from(bytes / 1024)?) * 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // After an error in between; one that has ended is only waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// The number behind a line's first word.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}
