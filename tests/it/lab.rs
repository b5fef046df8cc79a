//! The stage: the real binary with a config and a state folder of its own, the lab's scripts, and a web
//! hook that counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::time::Instant;

/// What every config begins with that must not look at the machine of the test. Who else works there is
/// none of its business.
pub const ALONE: &str = r#"
[host.this]
disturb = true
[web]
listen = "off"
[probe]
off = ["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]
"#;

/// How long anything that reef does by itself may take on a machine that is busy with a build as well.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test starts the program that it tests")]
    Command::new(program)
}

/// What one command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn failed(self, with: i32) -> Self {
        assert_eq!(self.code, with, "{self:#?}");
        self
    }

    /// On either channel.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A folder with a config, a state folder and whatever a test puts there.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    state: PathBuf,
    /// What the daemon's own mount namespace is made with.
    namespace: Option<String>,
}

impl Home {
    pub fn new(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("reef-it-").tempdir().unwrap();
        let home = Self { state: folder.path().join("state"), folder, namespace: None };
        home.configure(config);
        home
    }

    /// With a volume of the lab, in a mount namespace that holds no other one.
    pub fn with_volume(volume: &Lab) -> Self {
        // What is mounted later, outside, does not come in; the other tests fill their volumes meanwhile.
        let script = format!(
            r#"while read -r _ path _; do
                case $path in "{}") ;; /tmp/reef-lab*/volume-*) umount -l "$path" ;; esac
            done </proc/self/mounts"#,
            volume.get("MOUNT")
        );
        Self::new("").in_namespace(script)
    }

    /// With a daemon in a mount namespace of its own, in which this script ran first.
    pub fn in_namespace(self, script: String) -> Self {
        Self { namespace: Some(script), ..self }
    }

    /// With its state somewhere else.
    pub fn with_state(self, state: PathBuf) -> Self {
        Self { state, ..self }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.config(), config).unwrap();
    }

    /// A copy of a shipped runbook with some of its text changed; each change must apply.
    pub fn runbook(&self, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let shipped =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(format!("{name}.md"));
        let mut text = std::fs::read_to_string(shipped).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{name} has no {from}");
            text = text.replacen(from, to, 1);
        }
        let folder = self.path().join("runbooks");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.md")), text).unwrap();
        folder
    }

    /// reef with its own config and state, and nothing of the environment of the test.
    pub fn command(&self) -> Command {
        reef_with(command(env!("CARGO_BIN_EXE_reef")), &self.config(), &self.state)
    }

    /// As [`Home::command`], in its own mount namespace where it has one.
    fn command_alone(&self) -> Command {
        let Some(script) = &self.namespace else { return self.command() };
        let mut alone = command("unshare");
        let script = format!("{script}\nexec \"$@\"");
        alone.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        alone.arg(env!("CARGO_BIN_EXE_reef"));
        reef_with(alone, &self.config(), &self.state)
    }

    /// One command, whether or not a daemon runs.
    #[track_caller]
    pub fn reef(&self, args: &[&str]) -> Said {
        Said::of(&self.command().args(args).stdin(Stdio::null()).output().unwrap())
    }

    /// The daemon, once it answers.
    #[track_caller]
    pub fn start(&self) -> Reef {
        let mut reef = self.spawn();
        reef.up();
        reef
    }

    /// As [`Home::start`], without waiting for an answer.
    pub fn spawn(&self) -> Reef {
        let log = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(log.path().join(name)).unwrap();
        let mut command = self.command_alone();
        let child =
            command.arg("run").stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn();
        Reef { child: child.unwrap(), config: self.config(), state: self.state.clone(), log }
    }
}

fn reef_with(mut command: Command, config: &Path, state: &Path) -> Command {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // It is not there, and what a program makes of it goes with the test.
        .env("HOME", state.with_file_name("home"))
        .env("TZ", "UTC");
    command.arg("-c").arg(config).arg("--state").arg(state);
    command
}

/// A daemon under test.
#[derive(Debug)]
pub struct Reef {
    child: Child,
    config: PathBuf,
    state: PathBuf,
    /// Kept outside the state folder, which a test may take away.
    log: TempDir,
}

impl Reef {
    /// Waits until it answers.
    #[track_caller]
    fn up(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.reef(&["status", "--json"]).err.contains("not running") {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("reef ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < end, "reef does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log.path().join("err")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn command(&self) -> Command {
        reef_with(command(env!("CARGO_BIN_EXE_reef")), &self.config, &self.state)
    }

    #[track_caller]
    pub fn reef(&self, args: &[&str]) -> Said {
        Said::of(&self.command().args(args).stdin(Stdio::null()).output().unwrap())
    }

    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Json {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.reef(&args).ok().json()
    }

    #[track_caller]
    pub fn incidents(&self) -> Vec<Json> {
        list(&self.json(&["incidents", "--all"]), "incidents")
    }

    /// The incident of the only signal that ever left green.
    #[track_caller]
    pub fn incident(&self) -> Option<Json> {
        let mut incidents = self.incidents();
        assert!(incidents.len() <= 1, "{incidents:#?}");
        incidents.pop()
    }

    /// All records, oldest first.
    #[track_caller]
    pub fn audit(&self) -> Vec<Json> {
        let mut records = list(&self.json(&["audit", "list", "-n", "1000"]), "records");
        records.reverse();
        records
    }

    /// The records of one kind, oldest first.
    #[track_caller]
    pub fn records(&self, kind: &str) -> Vec<Json> {
        let mut records = self.audit();
        records.retain(|record| record["kind"] == kind);
        records
    }

    #[track_caller]
    pub fn approvals(&self) -> Vec<Json> {
        list(&self.json(&["approvals", "--all"]), "approvals")
    }

    /// Waits until something is so, and gives it.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if end < Instant::now() {
                let (incidents, audit) =
                    (self.reef(&["incidents", "--all"]).out, self.reef(&["audit", "list"]).out);
                let status = self.reef(&["status"]).out;
                panic!("never: {what}\n{}\n{incidents}\n{audit}\n{status}", self.log());
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    /// Waits until all that it watches was seen and is green.
    #[track_caller]
    pub fn until_green(&self) {
        self.until("all is green", |reef| {
            let signals = list(&reef.json(&["status"]), "signals");
            let green = signals.iter().all(|s| s["reading"]["severity"] == "green");
            (!signals.is_empty() && green).then_some(())
        });
    }

    /// Waits until the only incident is in this state.
    #[track_caller]
    pub fn until_incident(&self, state: &str) -> Json {
        self.until(&format!("an incident is {state}"), |reef| {
            reef.incident().filter(|incident| incident["state"]["state"] == state)
        })
    }

    /// Waits until this many looks more have been made, so that what did not happen had time to happen.
    #[track_caller]
    pub fn looks_pass(&self, rounds: usize) {
        for _ in 0..rounds {
            let said = self.reef(&["check"]);
            assert!((0..=3).contains(&said.code), "{said:#?}");
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as the power does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as systemd does.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Reef {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- reef said:\n{}---", self.log());
        }
    }
}

pub fn list(json: &Json, key: &str) -> Vec<Json> {
    json[key].as_array().cloned().unwrap_or_else(|| panic!("no list {key}: {json:#}"))
}

/// A part that a script of the lab brought up; taken down at the end.
#[derive(Debug)]
pub struct Lab {
    script: PathBuf,
    name: String,
    said: BTreeMap<String, String>,
}

impl Lab {
    /// `None` where this machine cannot: then the test says so and passes, unless `REEF_LAB_REQUIRED`.
    #[track_caller]
    pub fn up(script: &str, name: &str, args: &[&str]) -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(script);
        // Several checkouts may test at once.
        let name = format!("{name}-{}", std::process::id());
        let output =
            command(&path).arg("up").arg(&name).args(args).stdin(Stdio::null()).output().unwrap();
        let said = Said::of(&output);
        let required =
            std::env::vars_os().any(|(name, value)| name == "REEF_LAB_REQUIRED" && value == "1");
        if said.code == 77 && !required {
            eprintln!("SKIPPED, nothing was tested: {}", said.err.trim());
            return None;
        }
        assert_eq!(said.code, 0, "{script}: {said:#?}");
        let pairs = said.out.lines().filter_map(|line| line.split_once('='));
        let said = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(Self { script: path, name, said })
    }

    /// What its script knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    #[track_caller]
    pub fn get(&self, key: &str) -> &str {
        self.said.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.said))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = command(&self.script).args(["down", &self.name]).stdin(Stdio::null()).output();
        if let Err(error) = down {
            eprintln!("{} {} is left: {error}", self.script.display(), self.name);
        }
    }
}

/// A web hook on loopback that keeps what it is told.
#[derive(Debug)]
pub struct Hook {
    pub port: u16,
    told: Arc<Mutex<Vec<Json>>>,
    open: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Hook {
    pub fn new() -> Self {
        let mut hook = Self { port: 0, told: Arc::default(), open: None };
        hook.up();
        hook
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn up(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (open, told) = (Arc::new(AtomicBool::new(true)), Arc::clone(&self.told));
        let still = Arc::clone(&open);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !still.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(message) = stream.ok().and_then(|stream| take(&stream)) {
                    told.lock().unwrap().push(message);
                }
            }
        });
        self.open = Some((open, serving));
    }

    /// From now on connections are refused.
    pub fn down(&mut self) {
        if let Some((open, serving)) = self.open.take() {
            open.store(false, Ordering::SeqCst);
            // Wakes the accept.
            drop(TcpStream::connect(("127.0.0.1", self.port)));
            serving.join().unwrap();
        }
    }

    pub fn told(&self) -> Vec<Json> {
        self.told.lock().unwrap().clone()
    }

    /// The messages about incidents, as `severity title`.
    pub fn titles(&self) -> Vec<String> {
        let title = |m: &Json| {
            format!("{} {}", m["severity"].as_str().unwrap(), m["title"].as_str().unwrap())
        };
        self.told().iter().map(title).collect()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.down();
    }
}

fn take(stream: &TcpStream) -> Option<Json> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut answer = stream;
    answer.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
}

/// All files below a folder with their content's digest and time: to see that not one byte changed.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, (u64, Option<Duration>, u64)> {
    use std::hash::{DefaultHasher, Hasher};
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            let changed = about.modified().unwrap().duration_since(std::time::UNIX_EPOCH).ok();
            let mut hash = DefaultHasher::new();
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                hash.write(&std::fs::read(entry.path()).unwrap());
            }
            found.insert(entry.path(), (about.len(), changed, hash.finish()));
        }
    }
    found
}

/// A log that compresses well, of about this many bytes.
pub fn write_log(path: &Path, bytes: usize) -> std::io::Result<()> {
    let line = format!(
        "Nov 20 20:00:00 host app[12]: {} took long to answer from 10.0.0.1\n",
        path.display()
    );
    let text: String = line.repeat(bytes / line.len() + 1);
    std::fs::write(path, &text.as_bytes()[..bytes])
}

/// The words of the story that `reef audit timeline` tells, in their order.
pub fn story_words(timeline: &str) -> Vec<String> {
    let (_, story) = timeline.split_once("the whole story:").expect("it tells the whole story");
    let is_time = |word: &str| word.len() == 8 && word.matches(':').count() == 2;
    let word = |line: &str| {
        let mut parts = line.split_whitespace();
        parts.next().filter(|time| is_time(time))?;
        parts.next().map(str::to_owned)
    };
    story.lines().filter_map(word).collect()
}

/// Holds these words to stand in the story of an incident, one after the other.
#[track_caller]
pub fn tells_in_order(timeline: &str, words: &[&str]) {
    let told = story_words(timeline);
    let mut rest = told.iter();
    for word in words {
        assert!(
            rest.any(|known| known == word),
            "{word} is not in its place: {told:?}\n{timeline}"
        );
    }
}
