//! Rotating and compressing die at each file operation of theirs: what a log held is at every moment in a file that
//! can be read.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::estate::{line, logs};
use super::life::{About, NOON};
use super::place::{Case, Place, Way};
use super::toll::{Toll, child, folder};

/// All by which a file or its name changes, and what makes either durable.
const OPERATIONS: &str = "write,pwrite64,ftruncate,renameat,renameat2,unlinkat,fsync,fdatasync,fchmod,fchown,utimensat,linkat";

/// What each log holds, wherever it lies: under its own name, set aside, or compressed. Half-made files hold nothing.
fn held(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let plain = name.trim_start_matches('.').trim_end_matches(".reef-gone");
        let (plain, bytes) = match plain.strip_suffix(".gz") {
            Some(plain) => {
                let mut whole = Vec::new();
                let mut back = flate2::read::MultiGzDecoder::new(bytes.as_slice());
                if back.read_to_end(&mut whole).is_err() {
                    continue;
                }
                (plain, whole)
            }
            None => (plain, bytes),
        };
        let longer = found.entry(plain.to_owned()).or_default();
        if longer.len() < bytes.len() {
            *longer = bytes;
        }
    }
    found
}

/// Whether the content of a log is still there: a log that is written to is rotated under its next number.
fn keeps(held: &BTreeMap<String, Vec<u8>>, name: &str, content: &[u8]) -> bool {
    let rotated = (1..4).map(|n| format!("{name}.{n}"));
    rotated.chain([name.to_owned()]).any(|name| held.get(&name).is_some_and(|is| is == content))
}

fn has_strace() -> bool {
    let there = reef::clients::process::is_there("strace");
    if !there {
        #[expect(clippy::print_stderr, reason = "a test that cannot run must say so")]
        {
            eprintln!("SKIPPED, NOT PROVEN: deaths at each file operation need strace");
        }
    }
    there
}

/// Traces what is done to the logs of a folder, and writes it into a file there.
fn strace(folder: &Path) -> Vec<String> {
    let (logs, out) = (folder.join("log"), folder.join("operations"));
    let of = format!("trace={OPERATIONS}");
    let mut argv: Vec<String> =
        ["strace", "-f", "-qq", "-o", out.to_str().unwrap(), "-e", &of].map(str::to_owned).to_vec();
    let names = [
        "",
        "/app.log",
        "/app.log.1",
        "/app.log.1.gz",
        "/app.log.2.gz",
        "/.app.log.reef-part",
        "/.app.log.1.reef-part",
        "/.app.log.1.reef-gone",
    ];
    for name in names {
        argv.extend(["-P".to_owned(), format!("{}{name}", logs.display())]);
    }
    argv
}

fn about(tool: &str) -> About<'_> {
    // A place that is never reached: who ends it is strace.
    About { place: Place::Row(1 << 40), tool, case: Case::VerifyOk, way: Way::Plain }
}

/// How often each operation is made by any one thread: that is how strace counts.
fn operations(tool: &str) -> BTreeMap<String, usize> {
    let kept = folder();
    logs(kept.path(), NOON);
    assert!(!child(kept.path(), about(tool), &strace(kept.path())), "{tool} died untouched");
    let traced = std::fs::read_to_string(kept.path().join("operations")).unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in traced.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        if let Some((operation, _)) = rest.trim().split_once('(') {
            *counts.entry((thread, operation)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, operation), n) in counts {
        let known: &mut usize = most.entry(operation.to_owned()).or_default();
        *known = n.max(*known);
    }
    most
}

/// How many deaths there were.
fn at_each(tool: &str) -> usize {
    let mut deaths = 0;
    for (operation, n) in
        operations(tool).into_iter().flat_map(|(o, n)| (1..=n).map(move |n| (o.clone(), n)))
    {
        let kept = folder();
        logs(kept.path(), NOON);
        let mut by = strace(kept.path());
        by.extend(["-e".to_owned(), format!("inject={operation}:signal=SIGKILL:when={n}")]);
        let died = child(kept.path(), about(tool), &by);
        let held = held(&kept.path().join("log"));
        for name in ["app.log", "app.log.1"] {
            assert!(
                keeps(&held, name, line().as_bytes()),
                "{tool}: {name} is lost before {operation} {n}: {:?}",
                held.iter().map(|(name, bytes)| (name, bytes.len())).collect::<Vec<_>>()
            );
        }
        if died {
            deaths += 1;
            let mut toll = Toll::default();
            toll.goes_on(kept.path(), about(tool));
            toll.check();
        }
    }
    deaths
}

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn a_log_is_whole_whatever_operation_is_the_last() {
    if !has_strace() {
        return;
    }
    for tool in ["logs.rotate", "files.compress"] {
        let deaths = at_each(tool);
        assert!(10 <= deaths, "{tool} did nothing: {deaths} deaths");
        println!("figure | logs lost where {tool} dies before a file operation | 0 of {deaths}");
    }
}
