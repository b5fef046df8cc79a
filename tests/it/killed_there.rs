//! Somebody dies in the middle of a file of another host: reef itself, or its program there. No file is lost, and what
//! nobody knows is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::disk_full::{config_there, runbooks};
use crate::lab::{Home, Lab, PATIENCE, Reef, command, list, write_log};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Reef,
    /// What runs on the other host.
    Program,
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = std::fs::read_dir(folder).unwrap().flatten();
    all.filter_map(|entry| Some((entry.path(), std::fs::read(entry.path()).ok()?))).collect()
}

/// The processes of reef's program for files that work below this mount.
fn at_work(mount: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if name.bytes().all(|b| b.is_ascii_digit())
            && line.starts_with("sh\0-c\0")
            && line.contains("\0reef-files\0")
            && line.contains(mount)
        {
            found.push(name);
        }
    }
    found
}

/// Each log is there with all that it held: as it was, or compressed and whole.
fn nothing_lost(before: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, held) in before {
        let small = PathBuf::from(format!("{}.gz", path.display()));
        let plain = std::fs::read(path).ok();
        if plain.as_ref() == Some(held) {
            continue;
        }
        assert!(plain.is_none(), "{} is there by half", path.display());
        let mut unpacked = command("gzip");
        let output = unpacked.arg("-dc").arg(&small).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", small.display());
        assert!(output.stdout == *held, "{} holds something else", small.display());
    }
}

fn open(reef: &Reef) -> Vec<Json> {
    let records = reef.audit();
    let known = |d: &Json| {
        let ends = |r: &&Json| r["kind"] == "closed" || r["kind"] == "settled";
        records.iter().filter(ends).any(|r| r["payload"]["action"] == d["seq"])
    };
    let all = records.iter().filter(|r| r["kind"] == "dispatched");
    all.filter(|d| !known(d)).map(|d| d["seq"].clone()).collect()
}

fn killed(who: Who, name: &str, wait: u64) {
    let Some(volume) = Lab::up("volume", name, &["24", "tmpfs"]) else { return };
    let Some(lab) = Lab::up("sshd", name, &["alone"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::new("");
    home.configure(&config_there(&lab, &home, &runbooks(&home, mount), mount, "auto"));
    let mut reef = home.start();
    reef.until_green();
    let folder = Path::new(mount).join("log");
    std::fs::create_dir_all(&folder).unwrap();
    for n in 1..100 {
        if write_log(&folder.join(format!("app.log.{n}")), 1 << 20).is_err() {
            break;
        }
    }
    let before = contents(&folder);
    // It is at work there now: the first request was seen.
    let end = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while seen.is_empty() {
        assert!(Instant::now() < end, "nothing is done there: {}", reef.log());
        seen = at_work(mount);
    }
    std::thread::sleep(Duration::from_millis(wait));
    match who {
        Who::Reef => reef.kill(),
        Who::Program => {
            let mut hit = false;
            while !hit {
                assert!(Instant::now() < end, "it could not be hit: {}", reef.log());
                for pid in at_work(mount) {
                    hit |= command("kill").args(["-9", &pid]).status().unwrap().success();
                }
            }
        }
    }
    let end = Instant::now() + Duration::from_secs(20);
    while who == Who::Reef && !at_work(mount).is_empty() {
        assert!(Instant::now() < end, "the program there does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    if who == Who::Reef {
        nothing_lost(&before);
        reef = home.start();
    }
    let words = reef.until("it is known, or it is the human's", |reef| {
        let open = open(reef);
        let unknown = list(&reef.json(&["status"]), "unknown_actions");
        if open.is_empty() && !reef.records("closed").is_empty() {
            return Some("known".to_owned());
        }
        let told = reef.incident()?["state"]["state"] == "escalated";
        (told && open.iter().all(|id| unknown.contains(id))).then(|| "told".to_owned())
    });
    for id in list(&reef.json(&["status"]), "unknown_actions") {
        assert_eq!(reef.incident().unwrap()["state"]["state"], "escalated", "{words}: D-{id}");
        let newest = reef.records("dispatched").last().unwrap()["seq"].clone();
        assert_eq!(newest, id, "something was done after what nobody knows");
        reef.reef(&["settle", &format!("D-{id}"), "ran", "--note", "looked at it there"]).ok();
    }
    assert_eq!(open(&reef), Vec::<Json>::new(), "{words}");
    // Each step once, whatever became of it.
    let mut calls: Vec<String> = reef
        .records("dispatched")
        .iter()
        .map(|r| format!("{} {}", r["payload"]["run"], r["payload"]["call"]))
        .collect();
    let all = calls.len();
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), all, "a step twice");
    reef.reef(&["audit", "verify"]).ok();
    reef.stop();
    let end = Instant::now() + Duration::from_secs(20);
    while !at_work(mount).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    nothing_lost(&before);
}

#[test]
fn reef_is_killed_in_the_middle_of_a_file_of_another_host() {
    for (n, wait) in [0, 30, 150].into_iter().enumerate() {
        killed(Who::Reef, &format!("it-cut-{n}"), wait);
    }
}

#[test]
fn its_program_there_is_killed_in_the_middle_of_a_file() {
    for (n, wait) in [0, 10].into_iter().enumerate() {
        killed(Who::Program, &format!("it-end-{n}"), wait);
    }
}
