//! A volume fills for real, and reef makes room, or says what it would do.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::lab::{Home, Lab, Reef, command, list, tells_in_order, tree, write_log};

/// A runbook folder whose disk-full may work below this mount and nowhere else.
pub fn runbooks(home: &Home, mount: &str) -> PathBuf {
    let elsewhere =
        "{ value = \"reading.path\", in = [\"/\", \"/tmp\"] },\n]\nargs = { path = \"/tmp\"";
    let elsewhere_too = "in = [\"/\", \"/var\", \"/var/tmp\"] },\n]\nargs = { path = \"/var/tmp\"";
    let here =
        format!("{{ value = \"reading.path\", in = [\"/\"] }},\n]\nargs = {{ path = {mount:?}");
    let here_too = format!("in = [\"/\"] }},\n]\nargs = {{ path = {mount:?}");
    let roots = r#"roots    = ["/tmp", "/var/tmp", "/var/log", "/var/cache/apt", "/var/cache/dnf", "/var/cache/pacman"]"#;
    home.runbook(
        "disk-full",
        &[
            (roots, &format!("roots    = [{mount:?}]")),
            ("leash    = \"ask\"", "leash    = \"auto\""),
            ("within = \"5m\"", "within = \"15s\""),
            // Each stands there twice: where it is cleaned, and where that is emptied.
            (elsewhere, &here),
            (elsewhere_too, &here_too),
            (elsewhere, &here),
            (elsewhere_too, &here_too),
        ],
    )
}

/// The config that watches that mount and no volume of the machine.
pub fn config(runbooks: &Path, mount: &str, ceiling: &str) -> String {
    format!(
        r#"
ceiling = "{ceiling}"
runbook_dir = "{}"
[web]
listen = "off"
[probe]
off = ["memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef"]
disk = {{ every = "1s", fire_after = 2, clear_after = 1, ignore = ["/*"], {mount:?} = {{}} }}
[runbook.disk-full]
leash = "auto"
"#,
        runbooks.display(),
    )
}

/// The config that watches that mount as one of another host, and nothing else.
pub fn config_there(lab: &Lab, home: &Home, runbooks: &Path, mount: &str, ceiling: &str) -> String {
    format!(
        r#"
ceiling = "{ceiling}"
runbook_dir = "{}"
[web]
listen = "off"
[probe]
off = ["memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]
disk = {{ ignore = ["/*"] }}
[host.this]
disturb = true
[host.nas]
address = "{}"
ssh_config = "{}"
disturb = true
quarantine = "{}"
disk = {{ every = "1s", fire_after = 2, clear_after = 1, ignore = ["/*"], {mount:?} = {{}} }}
[runbook.disk-full]
leash = "auto"
"#,
        runbooks.display(),
        lab.name(),
        lab.get("SSH_CONFIG"),
        home.path().join("away").display(),
    )
}

/// Fills a volume with logs until nothing fits any more.
fn fill(mount: &Path) -> usize {
    let folder = mount.join("log");
    std::fs::create_dir_all(&folder).unwrap();
    for n in 1..100 {
        if write_log(&folder.join(format!("app.log.{n}")), 1 << 20).is_err() {
            return n;
        }
    }
    panic!("the volume does not fill");
}

/// What share of a volume is used, in percent.
fn used(mount: &Path) -> u64 {
    let stat = rustix::fs::statvfs(mount).unwrap();
    100 - stat.f_bavail * 100 / stat.f_blocks
}

/// A file that was just written was written so many days ago.
fn grow_old(path: &Path, days: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
}

/// Fills a volume to 95 % with compressed logs of last month; answers how many.
fn fill_with_old(mount: &Path) -> usize {
    let folder = mount.join("log");
    std::fs::create_dir_all(&folder).unwrap();
    for n in 1..100 {
        if 95 <= used(mount) {
            return n - 1;
        }
        let path = folder.join(format!("app.log.{n}.gz"));
        write_log(&path, 1 << 20).unwrap();
        grow_old(&path, 40);
    }
    panic!("the volume does not fill");
}

/// The tools of all dispatched actions, in order.
fn dispatched(reef: &Reef) -> Vec<String> {
    let tool = |r: &serde_json::Value| r["payload"]["tool"].as_str().unwrap().to_owned();
    reef.records("dispatched").iter().map(tool).collect()
}

/// A program that never closes its log.
struct Writer(Child);

impl Writer {
    fn new(log: &Path) -> Self {
        let script = r#"exec >>"$1"; while :; do echo "a line of a program that never closes its log"; sleep 0.05; done"#;
        let mut sh = command("sh");
        sh.args(["-c", script, "sh"]).arg(log).stderr(Stdio::null());
        Self(sh.spawn().unwrap())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The records of the volume's actions tell the whole way.
fn proven(reef: &Reef) {
    let words: Vec<String> = reef
        .audit()
        .iter()
        .filter(|r| r["kind"] != "noted")
        .map(|r| {
            let payload = &r["payload"];
            format!("{} {}", r["kind"].as_str().unwrap(), payload["tool"].as_str().unwrap_or("-"))
        })
        .collect();
    let dispatched = words.iter().filter(|w| w.starts_with("dispatched")).count();
    let closed = words.iter().filter(|w| w.starts_with("closed")).count();
    assert!(0 < dispatched && dispatched == closed, "{words:?}");
    assert!(words.contains(&"verified files.compress".into()), "{words:?}");
    let verified = reef.records("verified");
    assert!(verified.iter().all(|r| r["payload"]["outcome"] == "yes"), "{verified:#?}");
    let proof = reef.reef(&["audit", "verify"]).ok();
    assert!(proof.out.contains("chain ok"), "{proof:?}");
}

#[test]
fn a_full_volume_is_made_room_on_and_proven() {
    let Some(volume) = Lab::up("volume", "it-full", &["24", "tmpfs"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    home.configure(&config(&runbooks(&home, mount), mount, "auto"));
    let reef = home.start();
    reef.until_green();
    let logs = fill(Path::new(mount));
    let incident = reef.until_incident("resolved");
    assert!(incident["red_at"].is_number(), "{incident:#}");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    proven(&reef);
    assert!(reef.reef(&["check"]).ok().out.contains("green"));
    let report = reef.reef(&["report"]).ok().out;
    assert!(report.contains("compress") && report.contains("freed"), "{report}");
    // The story, from what fired to what proved it, in the words of an audit trail.
    let story = reef.reef(&["audit", "timeline", "I-1"]).ok().out;
    tells_in_order(&story, &["red", "did", "ended", "proven"]);
    let line = |label: &str| {
        let all = story.lines().filter_map(|line| line.strip_prefix(label));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(line("Agent: ").iter().all(|agent| agent == "runbook disk-full"), "{story}");
    assert!(line("Reason: ").iter().any(|why| why.contains("freed ")), "{story}");
    assert!(line("Proof: ").iter().all(|proof| proof.contains(" disk ")), "{story}");
    assert_eq!(line("Cost: ")[0], "None, no model was asked", "{story}");
    // What is larger than a block is compressed; nothing was thrown away.
    for (path, (bytes, ..)) in tree(&Path::new(mount).join("log")) {
        assert!(bytes <= 4096 || path.extension().is_some_and(|e| e == "gz"), "{path:?}");
    }
    assert_eq!(tree(&Path::new(mount).join("log")).len(), logs);
}

#[test]
fn a_full_volume_with_reefs_own_state_on_it_is_healed_too() {
    // The ballast alone takes 16 MiB.
    let Some(volume) = Lab::up("volume", "it-own", &["40", "ext4"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let state = Path::new(mount).join("state");
    let home = home.with_state(state.clone());
    home.configure(&config(&runbooks(&home, mount), mount, "auto"));
    let reef = home.start();
    reef.until_green();
    assert_eq!(std::fs::metadata(state.join("ballast")).unwrap().len(), 16 << 20);
    fill(Path::new(mount));
    let incident = reef.until_incident("resolved");
    assert!(incident["red_at"].is_number(), "{incident:#}");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    proven(&reef);
    reef.until("the ballast lies there again", |_| {
        std::fs::metadata(state.join("ballast"))
            .is_ok_and(|about| about.len() == 16 << 20)
            .then_some(())
    });
}

#[test]
fn a_log_that_a_program_holds_open_is_rotated_under_it() {
    let Some(volume) = Lab::up("volume", "it-held", &["24", "tmpfs"]) else { return };
    let mount = volume.get("MOUNT");
    let folder = Path::new(mount).join("log");
    std::fs::create_dir(&folder).unwrap();
    let log = folder.join("app.log");
    let home = Home::with_volume(&volume);
    home.configure(&config(&runbooks(&home, mount), mount, "auto"));
    let reef = home.start();
    let mut writer = Writer::new(&log);
    reef.until_green();
    let line = b"Nov 20 20:00:00 host app[12]: it took long to answer from 10.0.0.1\n";
    OpenOptions::new().append(true).open(&log).unwrap().write_all(&line.repeat(350_000)).unwrap();
    assert!(90 < used(Path::new(mount)));
    reef.until_incident("resolved");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    assert_eq!(dispatched(&reef), ["logs.rotate"], "nothing is compressed that is held");
    assert!(reef.records("verified").iter().all(|r| r["payload"]["outcome"] == "yes"));
    // The program writes on, into the same file, at its new beginning.
    assert!(writer.0.try_wait().unwrap().is_none());
    let before = std::fs::metadata(&log).unwrap().len();
    assert!(before < 1 << 20, "{before} bytes are left");
    reef.until("the program's next lines", |_| {
        (before < std::fs::metadata(&log).unwrap().len()).then_some(())
    });
    assert!(std::fs::read(&log).unwrap().starts_with(b"a line of a program"), "a hole before it");
    assert!(folder.join("app.log.1.gz").exists());
    assert!(reef.reef(&["check"]).ok().out.contains("green"));
    let report = reef.reef(&["report"]).ok().out;
    assert!(report.contains("logs.rotate") || report.contains("rotate"), "{report}");
    assert!(report.contains("freed 2"), "{report}");
}

#[test]
fn what_was_moved_within_the_full_volume_is_emptied_by_the_same_approved_plan() {
    // The ballast alone takes 16 MiB; quarantine is in the state folder.
    let Some(volume) = Lab::up("volume", "it-same", &["48", "ext4"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let state = Path::new(mount).join("state");
    let home = home.with_state(state.clone());
    home.configure(&config(&runbooks(&home, mount), mount, "ask"));
    let reef = home.start();
    reef.until_green();
    let old = fill_with_old(Path::new(mount));
    let young = Path::new(mount).join("log/app.log.100.gz");
    write_log(&young, 100 << 10).unwrap();
    reef.until("a question", |reef| reef.records("asked").pop());
    let shown = reef.reef(&["approvals"]).ok().out;
    for part in [
        "move",
        "nothing is freed until it is emptied",
        "delete for good what this plan has moved",
        "it is gone then and cannot be undone",
    ] {
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{part}: {shown}");
    }
    reef.reef(&["approve", "A-1", "--yes"]).ok();
    reef.until_incident("resolved");
    assert_eq!(dispatched(&reef), ["files.clean", "files.empty_quarantine"]);
    assert_eq!(reef.records("asked").len(), 1, "one plan, asked once");
    assert!(young.exists());
    assert_eq!(tree(&Path::new(mount).join("log")).len(), 1);
    assert!(tree(&state.join("quarantine")).is_empty());
    let closed = reef.records("closed").pop().unwrap();
    let said = closed["payload"]["output_excerpt"].as_str().unwrap();
    assert!(said.starts_with(&format!("deleted {old} files, {old} MiB")), "{said}");
    // What is gone is not promised to come back.
    let undo =
        reef.reef(&["undo", &format!("D-{}", reef.records("dispatched")[0]["seq"]), "--yes"]);
    assert!(undo.code != 0 && undo.all().contains("emptied"), "{undo:#?}");
}

#[test]
fn the_quarantine_that_the_config_names_takes_what_fills_the_volume() {
    let Some(volume) = Lab::up("volume", "it-away", &["24", "tmpfs"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let kept = home.path().join("kept");
    let config = config(&runbooks(&home, mount), mount, "auto");
    home.configure(&format!("{config}[host.this]\nquarantine = {kept:?}\n"));
    let reef = home.start();
    reef.until_green();
    let old = fill_with_old(Path::new(mount));
    let before = tree(&Path::new(mount).join("log"));
    reef.until_incident("resolved");
    assert_eq!(dispatched(&reef), ["files.clean"], "nothing needs to be deleted");
    assert_eq!(tree(&Path::new(mount).join("log")).len(), 0);
    // One manifest beside them, in a folder of their own.
    let files = tree(&kept).into_keys().filter(|path| path.is_file());
    assert_eq!(files.count(), old + 1);
    assert!(!home.state().join("quarantine").exists());
    let undo = format!("D-{}", reef.records("dispatched")[0]["seq"]);
    let undone = reef.reef(&["undo", &undo, "--yes"]);
    assert_eq!(tree(&Path::new(mount).join("log")), before, "{undone:#?}");
}

#[test]
fn what_is_not_routine_is_asked_with_its_places_and_sizes() {
    let Some(volume) = Lab::up("volume", "it-unclear", &["24", "tmpfs"]) else { return };
    let mount = volume.get("MOUNT");
    let at = |name: &str| Path::new(mount).join(name);
    for folder in ["backups", "db"] {
        std::fs::create_dir(at(folder)).unwrap();
    }
    write_log(&at("backups/photos.tar"), 12 << 20).unwrap();
    write_log(&at("db/app.sqlite"), 7 << 20).unwrap();
    write_log(&at("core.4711"), 4 << 20).unwrap();
    grow_old(&at("backups/photos.tar"), 60);
    let home = Home::with_volume(&volume);
    home.configure(&config(&runbooks(&home, mount), mount, "auto"));
    let reef = home.start();
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = [
        "It holds old backups, database files, crash dumps: what should I do?".to_owned(),
        format!("1: I take care of old backups in {mount}/backups: 12 MiB in 1 file, 60 d old"),
        format!("2: I take care of database files in {mount}/db: 7 MiB"),
        format!("3: I take care of crash dumps in {mount}: 4 MiB"),
        "4: I take care of it in another way".to_owned(),
    ];
    let asked = reef.until("the question", |reef| reef.approvals().pop());
    let said: Vec<String> = list(&asked, "choices")
        .iter()
        .map(|choice| choice["say"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said.len(), 4, "{said:#?}");
    // What would be asked is told beforehand, of a reading as of a run.
    let target = format!("this:{mount}");
    let test = flat(&reef.reef(&["runbook", "test", "disk", "red", &target]).ok().out);
    let dry =
        flat(&reef.reef(&["runbook", "run", "disk-full", "--on", &target, "--dry-run"]).ok().out);
    let run = reef.reef(&["runbook", "run", "disk-full", "--on", &target, "--yes"]);
    for part in &parts {
        for out in [&test, &dry, &flat(&run.out)] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
    assert!(test.contains("would ask: ") && dry.contains("would ask: "), "{test}\n{dry}");
    assert_eq!(run.out.matches("what should I do?").count(), 1, "{}", run.out);
    // A yes does not say which.
    assert!(run.code == 2 && run.err.contains("say which of the 4"), "{run:#?}");
    assert!(reef.records("dispatched").is_empty());
}

#[test]
fn under_observe_not_one_byte_changes() {
    let Some(volume) = Lab::up("volume", "it-observe", &["24", "tmpfs"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    home.configure(&config(&runbooks(&home, mount), mount, "observe"));
    let reef = home.start();
    reef.until_green();
    fill(Path::new(mount));
    let before = tree(Path::new(mount));
    let would = reef.until("what would have been done", |reef| {
        Some(reef.records("would")).filter(|records| !records.is_empty())
    });
    let words = would[0]["payload"]["outcome"].as_str().unwrap();
    for part in ["compress", "files", "MiB", "undo"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    reef.looks_pass(3);
    assert_eq!(tree(Path::new(mount)), before);
    for kind in ["dispatched", "asked", "closed"] {
        assert!(reef.records(kind).is_empty(), "{:#?}", reef.records(kind));
    }
    let report = reef.reef(&["report"]).ok().out;
    assert!(report.contains("would have"), "{report}");
    assert_eq!(tree(Path::new(mount)), before);
    // Nothing but the config forbade it: the incident stays, red.
    let incidents = list(&reef.json(&["incidents"]), "incidents");
    assert_eq!(incidents[0]["severity"], "red");
    reef.reef(&["check"]).failed(2);
}

#[test]
fn a_full_volume_of_another_host_is_made_room_on_there() {
    let Some(volume) = Lab::up("volume", "it-there", &["24", "tmpfs"]) else { return };
    let Some(lab) = Lab::up("sshd", "it-there", &["alone"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::new("");
    home.configure(&config_there(&lab, &home, &runbooks(&home, mount), mount, "auto"));
    let reef = home.start();
    reef.until_green();
    let logs = fill(Path::new(mount));
    let incident = reef.until_incident("resolved");
    assert!(incident["red_at"].is_number(), "{incident:#}");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    proven(&reef);
    for (path, (bytes, ..)) in tree(&Path::new(mount).join("log")) {
        assert!(bytes <= 4096 || path.extension().is_some_and(|e| e == "gz"), "{path:?}");
    }
    assert_eq!(tree(&Path::new(mount).join("log")).len(), logs);
    // The record names the host and each command to the letter.
    let dispatched = &reef.records("dispatched")[0]["payload"];
    assert_eq!(dispatched["host"], "nas", "{dispatched:#}");
    let closed = &reef.records("closed")[0]["payload"];
    let ran = list(closed, "commands");
    let argv: Vec<&str> =
        list(&ran[0], "argv").iter().map(|a| &*a.as_str().unwrap().to_owned().leak()).collect();
    assert_eq!(argv[..3], ["reef-files", "compress", mount], "{closed:#}");
    assert!(argv.last().unwrap().starts_with(&format!("{mount}/log/app.log.")), "{closed:#}");
    assert_eq!((&ran[0]["code"], 1 < ran.len()), (&serde_json::json!(0), true), "{closed:#}");

    // And back: what was compressed there is brought back by the undo of that very action.
    let id = reef.records("dispatched")[0]["seq"].clone();
    let smallest = argv.last().unwrap();
    assert!(!Path::new(smallest).exists());
    for path in tree(&Path::new(mount).join("log")).into_keys().skip(4) {
        std::fs::remove_file(path).unwrap();
    }
    let undone = reef.reef(&["undo", &format!("D-{id}"), "--yes"]);
    assert_eq!(undone.code, 0, "{undone:#?}");
    let gz = tree(&Path::new(mount).join("log"))
        .into_keys()
        .filter(|p| p.extension().is_some_and(|e| e == "gz"));
    assert_eq!(gz.count(), 0, "{undone:#?}");
}

#[test]
fn under_observe_not_one_byte_changes_on_another_host() {
    let Some(volume) = Lab::up("volume", "it-there-observe", &["24", "tmpfs"]) else { return };
    let Some(lab) = Lab::up("sshd", "it-there-observe", &["alone"]) else { return };
    let mount = volume.get("MOUNT");
    let home = Home::new("");
    home.configure(&config_there(&lab, &home, &runbooks(&home, mount), mount, "observe"));
    let reef = home.start();
    reef.until_green();
    fill(Path::new(mount));
    let before = tree(Path::new(mount));
    let would = reef.until("what would have been done", |reef| {
        Some(reef.records("would")).filter(|records| !records.is_empty())
    });
    let words = would[0]["payload"]["outcome"].as_str().unwrap();
    for part in ["compress", "files", "MiB", "a tenth", "undo"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    reef.looks_pass(3);
    assert_eq!(tree(Path::new(mount)), before);
    assert!(!home.path().join("away").exists());
    for kind in ["dispatched", "asked", "closed"] {
        assert!(reef.records(kind).is_empty(), "{:#?}", reef.records(kind));
    }
    let dry =
        reef.reef(&["runbook", "run", "disk-full", "--on", &format!("nas:{mount}"), "--dry-run"]);
    assert!(dry.all().contains("compress "), "{dry:#?}");
    assert_eq!(tree(Path::new(mount)), before);
}
