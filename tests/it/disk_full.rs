//! A volume fills for real, and reef makes room, or says what it would do.

use std::path::{Path, PathBuf};

use crate::lab::{Home, Lab, Reef, list, tree, write_log};

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
            (elsewhere, &here),
            (elsewhere_too, &here_too),
        ],
    )
}

/// The config that watches that mount and no volume of the machine.
pub fn config(runbooks: &Path, mount: &str, ceiling: &str) -> String {
    let others: Vec<String> = std::fs::read_to_string("/proc/self/mounts")
        .unwrap()
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|path| *path != mount)
        .map(|path| format!("{path:?}"))
        .collect();
    format!(
        r#"
ceiling = "{ceiling}"
runbook_dir = "{}"
[web]
listen = "off"
[probe]
off = ["memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef"]
disk = {{ every = "1s", fire_after = 2, clear_after = 1, ignore = [{}] }}
[runbook.disk-full]
leash = "auto"
"#,
        runbooks.display(),
        others.join(", ")
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
