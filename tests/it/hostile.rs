//! Hostile conditions: clear words, nothing lost, no panic.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use rustix::process::Signal;

use crate::lab::{ALONE, Home, Lab, Reef, Said, command, tree, write_log};
use crate::logs::Logs;

/// Starts `reef run` and gives what it said when it ended by itself.
#[track_caller]
fn ends(home: &Home) -> Said {
    let mut reef = home.spawn();
    let status = reef.ended();
    Said { code: status.code().unwrap_or(-1), out: String::new(), err: reef.log() }
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not said: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

const WRONG: &str = r#"ceilng = "auto"
ceiling = "yes"
hold_scope = "planet"
timezone = "Mars/Olympus"
pages_repeat = "soon"
[report]
cron = "61 4 * * *"
deliver_at = "25:00"
[limits]
per_hour = -1
[breaker]
within = "10 parsecs"
[web]
listen = "0.0.0.0:80"
[model]
openai = { url = "http://127.0.0.1:1/v1", name = "m" }
budget = { incident = "lots" }
[host.nas]
celing = "ask"
[runbook.disk-ful]
leash = "auto"
[runbook.disk-full]
leash = "maybe"
[probe]
htp.x = "http://x"
http.y = "no url"
disk = { yellow = "120 %" }
unit.web = 7
folder.a = { path = "relative", budget = "1 GiB" }
[log]
level = "loud"
"#;

#[test]
fn twenty_mistakes_are_told_at_once_each_with_its_line() {
    let home = Home::new(WRONG);
    for said in [ends(&home), home.reef(&["config", "check"])] {
        assert_eq!(said.code, 2, "{said:#?}");
        let said = said.all();
        let told = said.lines().filter_map(|line| line.split_once("config.toml:"));
        let mut lines: Vec<usize> =
            told.filter_map(|(_, rest)| rest.split(':').next()?.parse().ok()).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [1, 2, 3, 4, 5, 7, 8, 10, 12, 14, 17, 19, 20, 23, 25, 26, 27, 28, 29, 31],
            "{said}"
        );
        says(
            &said,
            &[
                "did you mean \"ceiling\"",
                "did you mean \"http\"",
                "did you mean \"disk-full\"",
                "20 mistakes",
            ],
        );
    }
    assert!(!home.state().exists(), "a wrong config made a state folder");
}

#[test]
fn a_wrong_reload_keeps_what_was_in_force() {
    let good = format!("ceiling = \"ask\"\n{ALONE}");
    let home = Home::new(&good);
    let reef = home.start();
    let ceiling = |reef: &Reef| reef.json(&["status"])["ceiling"].as_str().unwrap().to_owned();
    assert_eq!(ceiling(&reef), "ask");
    home.configure(&format!("ceiling = \"auto\"\nceling = 1\n{ALONE}"));
    let said = reef.reef(&["reload"]);
    assert_ne!(said.code, 0, "{said:#?}");
    says(&said.err, &["config.toml:2", "did you mean \"ceiling\""]);
    assert_eq!(ceiling(&reef), "ask");
    reef.signal(Signal::HUP);
    reef.until("the mistake is logged", |reef| reef.log().contains("did you mean").then_some(()));
    assert_eq!(ceiling(&reef), "ask");
    // A runbook that is wrong is as bad as a config that is.
    std::fs::create_dir(home.path().join("books")).unwrap();
    std::fs::write(home.path().join("books/mine.md"), "no front matter").unwrap();
    let with_books =
        format!("ceiling = \"auto\"\nrunbook_dir = {:?}\n{ALONE}", home.path().join("books"));
    home.configure(&with_books);
    says(&reef.reef(&["reload"]).err, &["mine.md"]);
    assert_eq!(ceiling(&reef), "ask");

    home.configure(&format!("ceiling = \"observe\"\n{ALONE}"));
    reef.reef(&["reload"]).ok();
    assert_eq!(ceiling(&reef), "observe");
    home.configure(&format!("ceiling = \"auto\"\n{ALONE}"));
    reef.signal(Signal::HUP);
    reef.until("the new ceiling", |reef| (ceiling(reef) == "auto").then_some(()));
    let notes = reef.records("noted");
    let reloaded = notes
        .iter()
        .filter(|r| r["payload"]["outcome"].as_str().is_some_and(|o| o.contains("reload")));
    assert_eq!(reloaded.filter(|r| !r.to_string().contains("kept")).count(), 2, "{notes:#?}");
}

#[test]
fn a_runbook_folder_with_loops_and_pipes_is_refused_in_words() {
    let home = Home::new("");
    let books = home.path().join("books");
    std::fs::create_dir(&books).unwrap();
    home.configure(&format!("runbook_dir = {books:?}\n{ALONE}"));
    std::os::unix::fs::symlink(&books, books.join("around")).unwrap();
    home.reef(&["config", "check"]).ok();
    std::os::unix::fs::symlink(books.join("self.md"), books.join("self.md")).unwrap();
    says(&home.reef(&["config", "check"]).failed(2).all(), &["self.md"]);
    std::fs::remove_file(books.join("self.md")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", books.join("zero.md")).unwrap();
    says(&home.reef(&["config", "check"]).failed(2).all(), &["zero.md", "no file"]);
    std::fs::remove_file(books.join("zero.md")).unwrap();
    assert!(command("mkfifo").arg(books.join("pipe.md")).status().unwrap().success());
    says(&home.reef(&["config", "check"]).failed(2).all(), &["pipe.md", "no file"]);
    std::fs::remove_file(books.join("pipe.md")).unwrap();

    // Two steps that want each other's values.
    let step = |name: &str, of: &str| {
        format!(
            "```step\nname = \"{name}\"\ntool = \"disk.usage\"\nargs = {{ path = \"{of}.path\" }}\n```\n"
        )
    };
    let front = "+++\ntitle = \"Loop\"\nmatch = { probe = \"disk\" }\nleash = \"ask\"\nmax_tier = \"low\"\n\
                 tools = [\"disk.usage\"]\nroots = [\"/tmp\"]\n+++\n# Loop\n";
    let text =
        format!("{front}{}{}```verify\nwithin = \"1m\"\n```\n", step("a", "b"), step("b", "a"));
    std::fs::write(books.join("loop.md"), text).unwrap();
    let said = ends(&home);
    assert_eq!(said.code, 2, "{said:#?}");
    says(&said.err, &["loop.md:", "step \"b\" comes later"]);
    std::fs::write(books.join("loop.md"), b"+++\n\xff\xfe\n+++\n").unwrap();
    says(&home.reef(&["config", "check"]).failed(2).all(), &["loop.md", "UTF-8"]);
}

#[test]
fn a_second_one_is_refused_by_the_number_of_the_first() {
    let home = Home::new(ALONE);
    let reef = home.start();
    let second = ends(&home);
    assert_eq!(second.code, 1, "{second:#?}");
    says(&second.err, &[&format!("pid {}", reef.pid()), "--state"]);
    reef.reef(&["status"]).ok();
}

#[test]
fn terminate_and_interrupt_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new(ALONE);
        let mut reef = home.start();
        reef.signal(signal);
        let status = reef.ended();
        assert_eq!(status.code(), Some(0), "{status}: {}", reef.log());
        says(&reef.log(), &[]);
        let left = home.reef(&["audit", "list"]).ok().out;
        says(&left, &["stopped", "started"]);
        home.reef(&["audit", "verify"]).ok();
        let gone = home.reef(&["pause"]).failed(1);
        says(&gone.err, &["not running"]);
        // It comes up again on what it left.
        home.start().reef(&["status"]).ok();
    }
}

#[test]
fn a_state_folder_that_cannot_be_written_is_told() {
    let Some(volume) = Lab::up("volume", "it-readonly", &["24", "tmpfs"]) else { return };
    let mount = Path::new(volume.get("MOUNT"));
    let remount = |how: &str| {
        let status = command("mount").args(["-o", how]).arg(mount).status().unwrap();
        assert!(status.success());
    };
    remount("remount,ro");
    for state in [mount.join("state"), mount.to_owned()] {
        let said = ends(&Home::new(ALONE).with_state(state));
        assert_eq!(said.code, 1, "{said:#?}");
        says(&said.err, &["Read-only file system", "--state"]);
    }
    remount("remount,rw");
}

#[test]
fn a_full_state_disk_stops_acting_and_nothing_else() {
    let Some(volume) = Lab::up("volume", "it-statefull", &["2", "tmpfs"]) else { return };
    let mount = Path::new(volume.get("MOUNT"));
    let mut logs = Logs::new("auto");
    logs.home = logs.home.with_state(mount.join("state"));
    let reef = logs.start();
    // Not a byte is left, not even for the log of the database.
    let mut rest = File::create(mount.join("rest")).unwrap();
    while rest.write_all(&[1; 4096]).is_ok() {}
    drop(rest);
    logs.overflow("app");
    let before = tree(&logs.folder());
    let said = reef.until("it sees the fault", |reef| {
        let said = reef.reef(&["check"]);
        (said.code == 2).then_some(said)
    });
    says(&said.out, &["red", "logs"]);
    reef.until("the human is told where no database is needed", |reef| {
        let log = reef.log();
        (log.contains("full") || log.contains("could not respond")).then_some(())
    });
    reef.looks_pass(3);
    assert_eq!(tree(&logs.folder()), before, "it acted without a record");
    says(&reef.log(), &[]);
    // Room again: it records, and then it acts.
    std::fs::remove_file(mount.join("rest")).unwrap();
    reef.until("it acts", |_| (logs.counted() == (6, 0)).then_some(()));
    reef.until_incident("resolved");
    assert!(!reef.records("dispatched").is_empty());
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn a_damaged_or_newer_database_is_refused_and_left_alone() {
    type Harm = fn(&Path);
    let damaged: Harm = |path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(b"this is no database").unwrap();
    };
    let newer: Harm = |path| {
        rusqlite::Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    };
    for (name, harm, words) in [
        ("reef.db", damaged, &["reef.db is damaged", "Nothing was changed"][..]),
        ("reef.db", newer, &["newer reef", "schema 99"]),
        ("readings.db", damaged, &["readings.db is damaged"]),
    ] {
        let home = Home::new(ALONE);
        home.start().stop();
        let path = home.state().join(name);
        harm(&path);
        let before = std::fs::read(&path).unwrap();
        let said = ends(&home);
        assert_eq!(said.code, 1, "{name}: {said:#?}");
        says(&said.err, words);
        says(&said.err, &[&*path.to_string_lossy()]);
        assert_eq!(std::fs::read(&path).unwrap(), before, "{name} was written");
        if name == "reef.db" {
            says(&home.reef(&["status"]).failed(1).err, words);
        }
    }
}

#[test]
fn an_audit_log_that_was_tampered_with_is_found() {
    let edits = [
        "UPDATE audit SET actor = 'nobody' WHERE seq = 2",
        "UPDATE payload SET json = replace(json, 'started', 'slept')",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
        "UPDATE audit SET at = at + 1 WHERE seq = 1",
    ];
    let home = Home::new(ALONE);
    let mut reef = home.start();
    reef.reef(&["pause", "--note", "a"]).ok();
    reef.reef(&["resume"]).ok();
    reef.stop();
    home.reef(&["audit", "verify"]).ok();
    let path = home.state().join("reef.db");
    let good = std::fs::read(&path).unwrap();
    for edit in edits {
        let db = rusqlite::Connection::open(&path).unwrap();
        // Whoever edits a file is not stopped by triggers.
        let triggers: Vec<String> = {
            let mut all =
                db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").unwrap();
            all.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for trigger in triggers {
            db.execute_batch(&format!("DROP TRIGGER \"{trigger}\"")).unwrap();
        }
        db.pragma_update(None, "foreign_keys", false).unwrap();
        let changed = db.execute(edit, ()).unwrap_or_else(|error| panic!("{edit}: {error}"));
        assert!(0 < changed, "{edit}");
        db.pragma_update(None, "journal_mode", "DELETE").unwrap();
        drop(db);
        let said = home.reef(&["audit", "verify"]);
        assert_eq!(said.code, 1, "{edit}: {said:#?}");
        std::fs::write(&path, &good).unwrap();
    }
    home.reef(&["audit", "verify"]).ok();
}

#[test]
fn a_log_with_a_line_of_100_megabytes_and_no_utf8_is_looked_at() {
    let home = Home::new("");
    let log = home.path().join("app.log");
    write_log(&log, 10_000).unwrap();
    home.configure(&format!("{ALONE}\nerrors.app = {{ log = {log:?}, every = \"1s\" }}\n"));
    let reef = home.start();
    reef.looks_pass(1);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        file.write_all(&piece).unwrap();
    }
    reef.looks_pass(2);
    // More than a look takes is stepped over; what comes next is seen again.
    file.write_all(b"\nerror: \xff\xfe\x80 \x1b[31mbroken\xc3\x28\n\0\0\0error: second\n").unwrap();
    drop(file);
    let words = reef.until("both errors are counted", |reef| {
        reef.looks_pass(1);
        let status = reef.json(&["status"]);
        let words = status["signals"][0]["reading"]["words"].as_str()?.to_owned();
        words.starts_with("2 errors").then_some(words)
    });
    assert!(words.chars().all(|c| !c.is_control()), "{words:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", reef.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(peak < 150_000, "it held {peak} kB for a line of 100 MB");
    says(&reef.log(), &[]);
}
