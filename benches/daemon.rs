//! Figures of the whole daemon, measured from outside: CPU, memory, wake-ups, lateness, start, reaction.
//!
//! `cargo bench --bench daemon` runs all; `-- w1 hung start event react http1000 http5000 hosts200` some; `--secs N` sets
//! the window, `--reef PATH` another binary, such as a packaged one. Everything it talks to is a server of its own on loopback. CPU is the scheduler's own count
//! of each thread (`/proc/PID/task/*/schedstat`), so it is right on a busy machine; lateness is not.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::print_stderr, reason = "what was left behind is said")]

#[path = "daemon/child.rs"]
mod child;
#[path = "daemon/server.rs"]
mod server;
#[path = "daemon/sshd.rs"]
mod sshd;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reef::clock::{Clock, SystemClock};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use crate::child::{Cost, Daemon, Sleeper};
use crate::server::{Dns, Server, Tls};
use crate::sshd::Sshd;

/// Between two looks of every probe here.
const EVERY: Duration = Duration::from_secs(10);
/// Before anything is measured: first looks, connections and caches are over.
const WARM: Duration = Duration::from_secs(25);

fn main() -> Result<()> {
    let mut named: Vec<String> = Vec::new();
    let mut secs = 60;
    let mut reef = PathBuf::from(env!("CARGO_BIN_EXE_reef"));
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--secs" => secs = args.next().context("--secs needs a number")?.parse()?,
            "--reef" => reef = args.next().context("--reef needs a path")?.into(),
            // What cargo itself hands to a bench.
            "--bench" => {}
            name => named.push(name.to_owned()),
        }
    }
    let window = Duration::from_secs(secs);
    let wanted = |name: &str| named.is_empty() || named.iter().any(|n| n == name);
    // Two threads: the servers must not be what is late.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    let at = Place { reef, root: root.clone() };
    rest();
    let measured = runtime.block_on(async {
        if wanted("start") {
            start(&at).await?;
        }
        if wanted("w1") {
            w1(&at, window).await?;
        }
        if wanted("hung") {
            hung(&at, window).await?;
        }
        if wanted("event") {
            event(&at).await?;
        }
        if wanted("react") {
            react(&at).await?;
        }
        for (name, n) in [("http1000", 1_000), ("http5000", 5_000)] {
            if wanted(name) {
                many(&at, n, window).await?;
            }
        }
        if wanted("hosts200") {
            hosts(&at, 200, window).await?;
        }
        Ok(())
    });
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    measured
}

/// What this machine itself takes for a read of memory that it last had a second ago: what a daemon that sleeps between
/// its looks pays again and again. Where neighbours share the caches it is many times more than on a quiet machine, and
/// every figure of a sleeper below is so many times higher.
fn rest() {
    const ROUNDS: usize = 5;
    const READS: u32 = 20_000;
    // One cycle through 4 MiB in an order that no prefetcher guesses: a full-period linear congruence.
    let next: Vec<u32> = (0..1 << 20)
        .map(|at: u32| at.wrapping_mul(1_664_525).wrapping_add(1) % (1 << 20))
        .collect();
    let mut at = 0;
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            std::thread::sleep(Duration::from_secs(1));
            let began = Instant::now();
            for _ in 0..READS {
                at = next[at as usize];
            }
            std::hint::black_box(at);
            began.elapsed()
        })
        .collect();
    times.sort();
    let each = times[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(READS);
    line("a read of memory after a second of rest", each, "ns", "-");
}

/// Which binary is measured, and where it works.
struct Place {
    reef: PathBuf,
    root: PathBuf,
}

/// No probes but those that are named, no page: what the others in the row have.
const ALONE: &str = "\
[web]
listen = \"off\"
[probe]
off = [\"net\", \"oom\", \"unit\", \"dns.resolver\", \"smart\", \"zfs\", \"raid\", \"time\", \"heat\", \"updates\", \
         \"boot\", \"security\", \"reef\", \"docker\", \"compose\", \"swarm\", \"uplink\", \"errors.journal\"]
";

/// Exec to the first look that a server sees.
async fn start(at: &Place) -> Result<()> {
    let server = Server::start(0).await?;
    let mut times = Vec::new();
    for _ in 0..7 {
        server.forget();
        let config = format!("{ALONE}{}", http(&server, 10));
        let started = Instant::now();
        let daemon = Daemon::start(&at.reef, &at.root.join("start"), &config)?;
        let deadline = started + Duration::from_secs(10);
        let first = loop {
            if let Some((_, at)) = server.seen().first() {
                break *at;
            }
            ensure!(Instant::now() < deadline, "no look within 10 s: {}", daemon.log());
            sleep(Duration::from_millis(1)).await;
        };
        times.push(first - started);
        daemon.stop().await?;
    }
    times.sort();
    line("start to first look, median of 7", millis(times[times.len() / 2]), "ms", "50");
    Ok(())
}

/// 20 probes of this machine and of servers.
async fn w1(at: &Place, window: Duration) -> Result<()> {
    let server = Server::start(0).await?;
    let (tls, dns) = (Tls::start().await?, Dns::start().await?);
    let mut config = format!("{ALONE}{}", http(&server, 10));
    for (n, port) in tls.ports.iter().enumerate() {
        writeln!(
            config,
            "tls.t{n} = {{ server = \"localhost:{port}\", every = \"10s\", ca_file = {:?} }}",
            tls.ca
        )?;
    }
    writeln!(
        config,
        "dns.own = {{ server = \"127.0.0.1:{}\", own = \"nas.home.example\", every = \"10s\" }}",
        dns.port
    )?;
    writeln!(config, "process.itself = {{ process = \"reef\", every = \"10s\" }}")?;
    for machine in ["disk", "memory", "cpu", "net", "oom"] {
        writeln!(config, "[probe.{machine}]\nevery = \"10s\"")?;
    }
    let config = config.replace("\"net\", \"oom\", ", "");
    let daemon = Daemon::start(&at.reef, &at.root.join("w1"), &config)?;
    sleep(WARM).await;
    server.forget();
    let cost = daemon.cost_of(window).await?;
    let late = Lateness::of(&server.seen(), EVERY, window, 10);
    report("20 probes, 10 s", &cost, window);
    let ms = cost.cpu.as_secs_f64() * 1e3 / window.as_secs_f64();
    line("  CPU", ms, "ms/s", "0.9");
    line("  resident memory", cost.rss_mib, "MiB", "16");
    line("  wake-ups", cost.wakes / window.as_secs_f64(), "/s", "5");
    late.print("1.00", "20");
    daemon.stop().await
}

/// 3 of 20 servers accept and never answer.
async fn hung(at: &Place, window: Duration) -> Result<()> {
    let server = Server::start(3).await?;
    let daemon =
        Daemon::start(&at.reef, &at.root.join("hung"), &format!("{ALONE}{}", http(&server, 20)))?;
    sleep(WARM).await;
    server.forget();
    sleep(window).await;
    let mut seen = server.seen();
    seen.retain(|(id, _)| 3 < *id);
    println!("3 of 20 servers never answer; the other 17:");
    Lateness::of(&seen, EVERY, window, 17).print("1.00", "20");
    daemon.stop().await
}

/// `n` HTTP probes.
async fn many(at: &Place, n: u32, window: Duration) -> Result<()> {
    let server = Server::start(0).await?;
    let daemon =
        Daemon::start(&at.reef, &at.root.join("many"), &format!("{ALONE}{}", http(&server, n)))?;
    sleep(WARM).await;
    server.forget();
    let cost = daemon.cost_of(window).await?;
    let seen = server.seen();
    report(&format!("{n} HTTP probes, 10 s"), &cost, window);
    let looks = u32::try_from(seen.len())?.max(1);
    let (cpu, rss, jitter) = if n <= 1_000 { ("60", "20", "20") } else { ("50", "40", "50") };
    line("  CPU a look", cost.cpu.as_secs_f64() * 1e6 / f64::from(looks), "us", cpu);
    line("  resident memory", cost.rss_mib, "MiB", rss);
    line("  wake-ups", cost.wakes / window.as_secs_f64(), "/s", "-");
    Lateness::of(&seen, EVERY, window, n).print("1.00", jitter);
    daemon.stop().await
}

/// `n` hosts over SSH, with the probes that every host brings, a look a minute.
async fn hosts(at: &Place, n: u32, window: Duration) -> Result<()> {
    let home = at.root.join("hosts");
    let server = Sshd::start(&at.reef, &home, n)?;
    let mut config = ALONE.to_owned();
    for host in 1..=n {
        writeln!(config, "[host.h{host}]\nssh_config = {:?}", server.config)?;
    }
    let daemon = Daemon::start(&at.reef, &home, &config)?;
    sleep(2 * WARM).await;
    let cost = daemon.cost_of(window).await?;
    report(&format!("{n} hosts over SSH"), &cost, window);
    let status = daemon.ask(&["status", "--json"])?;
    let signals = status["signals"].as_array().context("a status names its signals")?;
    let up = signals.iter().filter(|s| is_up(&s["reading"])).count();
    line("  hosts that answer", f64::from(u32::try_from(up)?), "", &n.to_string());
    let ms = cost.cpu.as_secs_f64() * 1e3 / window.as_secs_f64();
    line("  CPU, without the ssh processes", ms, "ms/s", "-");
    line("  resident memory, without the ssh processes", cost.rss_mib, "MiB", "-");
    line("  wake-ups", cost.wakes / window.as_secs_f64(), "/s", "-");
    daemon.stop().await
}

/// Whether a reading says that a host answers.
fn is_up(reading: &Json) -> bool {
    reading["signal"]["probe"] == "host" && reading["severity"] == "green"
}

/// A process that dies between two looks a minute apart: from its death to the reading that says so.
async fn event(at: &Place) -> Result<()> {
    let home = at.root.join("event");
    std::fs::create_dir_all(&home)?;
    let mut took = Vec::new();
    for n in 0..5 {
        let name = format!("reef-bench-{n}");
        let program = home.join(&name);
        std::fs::copy("/bin/sleep", &program)?;
        let mut child = Sleeper::start(&program)?;
        let config = format!(
            "{ALONE}process.app = {{ process = {name:?}, every = \"1m\", fire_after = 1 }}\n"
        );
        let daemon = Daemon::start(&at.reef, &home, &config)?;
        sleep(Duration::from_secs(4)).await;
        let died = SystemClock.now();
        child.end()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        let read = loop {
            let status = daemon.ask(&["status", "--json"])?;
            let signals = status["signals"].as_array().context("a status has signals")?;
            let reading = signals.iter().map(|s| &s["reading"]).find(|r| r["severity"] == "red");
            if let Some(reading) = reading {
                break reading["at"].as_i64().context("a reading has a time")?;
            }
            ensure!(Instant::now() < deadline, "no reading tells of it: {}", daemon.log());
            sleep(Duration::from_millis(20)).await;
        };
        took.push(u32::try_from((read - died.0).max(0))?);
        daemon.stop().await?;
    }
    took.sort_unstable();
    let median = f64::from(took[took.len() / 2]);
    line("a process' death to the reading of it, median of 5", median, "ms", "100");
    Ok(())
}

/// A folder over its budget: from the confirmed red, as it is recorded, to the dispatched action.
async fn react(at: &Place) -> Result<()> {
    let mut took = Vec::new();
    for n in 0..5 {
        let home = at.root.join(format!("react{n}"));
        let logs = home.join("logs");
        std::fs::create_dir_all(&logs)?;
        let runbooks = home.join("runbooks");
        std::fs::create_dir_all(&runbooks)?;
        let book = include_str!("../runbooks/disk-full.md")
            .replace("leash    = \"ask\"", "leash    = \"auto\"")
            .replace("roots    = [", &format!("roots    = [{logs:?}, "));
        std::fs::write(runbooks.join("disk-full.md"), book)?;
        let config = format!(
            "ceiling = \"auto\"\nrunbook_dir = {runbooks:?}\n[runbook.disk-full]\nleash = \"auto\"\n{ALONE}\
             folder.logs = {{ path = {logs:?}, budget = \"1 MiB\", every = \"1s\", fire_after = 3 }}\n"
        );
        let daemon = Daemon::start(&at.reef, &home, &config)?;
        sleep(Duration::from_secs(4)).await;
        for n in 0..6 {
            std::fs::write(logs.join(format!("app.log.{n}")), vec![b'x'; 300_000])?;
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let dispatched = loop {
            let records = daemon.ask(&["audit", "list", "--kind", "dispatched", "--json"])?;
            if let Some(record) = records["records"].as_array().and_then(|all| all.last()) {
                break record["at"].as_i64().context("a record has a time")?;
            }
            ensure!(Instant::now() < deadline, "nothing was dispatched: {}", daemon.log());
            sleep(Duration::from_millis(50)).await;
        };
        let incidents = daemon.ask(&["incidents", "--json"])?;
        let opened =
            opened_at(&incidents).with_context(|| format!("no incident in {incidents}"))?;
        took.push(u32::try_from(dispatched - opened)?);
        daemon.stop().await?;
    }
    took.sort_unstable();
    let median = f64::from(took[took.len() / 2]);
    line("confirmed red to dispatched action, median of 5", median, "ms", "50");
    Ok(())
}

/// When the first incident was opened, in Unix milliseconds.
fn opened_at(answer: &Json) -> Option<i64> {
    let incidents = answer["incidents"].as_array().or_else(|| answer.as_array())?;
    incidents.first()?["opened_at"].as_i64()
}

/// `n` HTTP probes of the server.
fn http(server: &Server, n: u32) -> String {
    (1..=n).fold(String::new(), |mut lines, id| {
        let url = format!("http://127.0.0.1:{}/c/{id}", server.port);
        // Writing to a string does not fail.
        let _written = writeln!(lines, "http.c{id} = {{ url = \"{url}\", every = \"10s\" }}");
        lines
    })
}

/// How far looks strayed from their appointments.
struct Lateness {
    done: f64,
    p99_ms: f64,
    max_ms: f64,
    burst: f64,
}

impl Lateness {
    fn of(seen: &[(u32, Instant)], every: Duration, window: Duration, n: u32) -> Self {
        let mut by_id: BTreeMap<u32, Vec<Instant>> = BTreeMap::new();
        for (id, at) in seen {
            by_id.entry(*id).or_default().push(*at);
        }
        let mut strayed: Vec<f64> = by_id
            .values()
            .flat_map(|times| times.windows(2))
            .map(|pair| ((pair[1] - pair[0]).as_secs_f64() - every.as_secs_f64()).abs() * 1e3)
            .collect();
        strayed.sort_by(f64::total_cmp);
        let at =
            |share: usize| strayed.get(strayed.len() * share / 100).copied().unwrap_or(f64::NAN);
        let rounds = window.as_secs_f64() / every.as_secs_f64();
        let mut tenths: BTreeMap<u128, u32> = BTreeMap::new();
        if let Some((_, first)) = seen.first() {
            for (_, at) in seen {
                *tenths.entry((*at - *first).as_millis() / 100).or_default() += 1;
            }
        }
        let mean = f64::from(n) * rounds / (window.as_secs_f64() * 10.0);
        Self {
            done: f64::from(u32::try_from(seen.len()).unwrap_or(u32::MAX))
                / (rounds * f64::from(n)),
            p99_ms: at(99),
            max_ms: strayed.last().copied().unwrap_or(f64::NAN),
            burst: f64::from(tenths.values().copied().max().unwrap_or(0)) / mean,
        }
    }

    fn print(&self, done: &str, jitter: &str) {
        line("  looks done of those due", self.done, "", done);
        line("  jitter p99", self.p99_ms, "ms", jitter);
        line("  jitter, the worst", self.max_ms, "ms", "-");
        line("  busiest tenth of a second over the mean", self.burst, "x", "-");
    }
}

fn report(what: &str, cost: &Cost, window: Duration) {
    println!(
        "{what}: {} threads, {:.0} B/s written",
        cost.threads,
        cost.written / window.as_secs_f64()
    );
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn line(what: &str, measured: f64, unit: &str, limit: &str) {
    println!("{what:<48} {measured:>10.2} {unit:<5} (at most {limit})");
}
