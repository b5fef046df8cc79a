//! A volume full of compressed logs, and a real S3 server: they lie in the bucket, byte by byte, before they leave their
//! place; where the bucket is not there, or reef may only observe, nothing moves.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::disk_full::{config, runbooks};
use crate::lab::{Home, Lab, Reef, tree};

/// Fills a volume with rotated logs that no compression makes smaller, from ten days ago; gives what they hold.
fn fill(mount: &Path) -> BTreeSet<Vec<u8>> {
    let folder = mount.join("log");
    std::fs::create_dir_all(&folder).unwrap();
    let mut contents = BTreeSet::new();
    for n in 1..100 {
        let mut content = vec![0; 1 << 20];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut content).unwrap();
        let path = folder.join(format!("app.log.{n}.gz"));
        if std::fs::write(&path, &content).is_err() {
            std::fs::remove_file(&path).unwrap();
            return contents;
        }
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        let ago = written - Duration::from_secs(10 * 86_400);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(ago).unwrap();
        contents.insert(content);
    }
    panic!("the volume does not fill");
}

/// What the server holds, as it keeps it.
fn objects(s3: &Lab) -> Vec<Vec<u8>> {
    let mut files = tree(Path::new(s3.get("STORE"))).into_keys().collect::<Vec<_>>();
    files.retain(|path| path.to_str().unwrap().ends_with("._S3rver_object"));
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn start(home: &Home, mount: &str, s3: &Lab, ceiling: &str) -> Reef {
    let store = format!(
        "[probe.s3]\nlogs = {{ url = \"{}\", bucket = \"backup\", prefix = \"logs/\", access_key = \"S3RVER\", secret_key = \"S3RVER\", archive = true, every = \"1h\" }}\n",
        s3.get("URL")
    );
    home.configure(&format!("{}{store}", config(&runbooks(home, mount), mount, ceiling)));
    let reef = home.start();
    reef.until_green();
    reef
}

/// How often a tool acted.
fn dispatched(reef: &Reef, tool: &str) -> usize {
    reef.records("dispatched").iter().filter(|r| r["payload"]["tool"] == tool).count()
}

#[test]
fn a_volume_full_of_compressed_logs_is_archived_and_proven() {
    let (Some(volume), Some(s3)) =
        (Lab::up("volume", "it-archive", &["24", "tmpfs"]), Lab::up("s3", "it-archive", &[]))
    else {
        return;
    };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let reef = start(&home, mount, &s3, "auto");
    let contents = fill(Path::new(mount));
    let incident = reef.until_incident("resolved");
    assert!(incident["red_at"].is_number(), "{incident:#}");
    reef.until("the proof", |reef| (!reef.records("verified").is_empty()).then_some(()));
    assert_eq!(dispatched(&reef, "logs.archive"), 1);
    let closed = reef.records("closed");
    let words = closed.iter().map(|r| r["payload"].to_string()).collect::<String>();
    assert!(words.contains("read back") && words.contains("bucket backup"), "{words}");
    let stored: BTreeSet<Vec<u8>> = objects(&s3).into_iter().collect();
    assert!(stored == contents, "{} of {} logs are stored", stored.len(), contents.len());
    assert!(tree(&Path::new(mount).join("log")).is_empty());
    // And they can still be had back without the bucket.
    let kept = tree(&home.state().join("quarantine"));
    assert!(contents.len() <= kept.len(), "{kept:?}");
    reef.reef(&["check"]).ok();
}

#[test]
fn without_its_bucket_no_log_moves() {
    let (Some(volume), Some(s3)) =
        (Lab::up("volume", "it-nobucket", &["24", "tmpfs"]), Lab::up("s3", "it-nobucket", &[]))
    else {
        return;
    };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let reef = start(&home, mount, &s3, "auto");
    // Somebody deletes it after the probe's look.
    std::fs::remove_dir_all(Path::new(s3.get("STORE")).join("backup")).unwrap();
    fill(Path::new(mount));
    let before = tree(Path::new(mount));
    let words = reef.until_incident("escalated")["state"]["why"].to_string();
    assert!(words.contains("there is no bucket backup"), "{words}");
    assert!(reef.approvals().is_empty(), "there is nothing to choose");
    assert_eq!(dispatched(&reef, "logs.archive") + dispatched(&reef, "files.clean"), 0);
    assert_eq!(tree(Path::new(mount)), before);
    assert!(objects(&s3).is_empty());
}

#[test]
fn under_observe_nothing_is_uploaded_and_not_one_byte_changes() {
    let (Some(volume), Some(s3)) =
        (Lab::up("volume", "it-watched", &["24", "tmpfs"]), Lab::up("s3", "it-watched", &[]))
    else {
        return;
    };
    let mount = volume.get("MOUNT");
    let home = Home::with_volume(&volume);
    let reef = start(&home, mount, &s3, "observe");
    fill(Path::new(mount));
    let before = tree(Path::new(mount));
    let would = reef.until("what would have been done", |reef| {
        Some(reef.records("would")).filter(|records| !records.is_empty())
    });
    let words = would[0]["payload"]["outcome"].as_str().unwrap();
    assert!(words.contains("upload") && words.contains("bucket backup"), "{words}");
    reef.looks_pass(3);
    assert_eq!(tree(Path::new(mount)), before);
    assert!(objects(&s3).is_empty());
    assert!(reef.records("dispatched").is_empty());
}

/// A runbook that a human starts, with one step.
fn book(title: &str, tier: &str, log: &Path, step: &str) -> String {
    let tool = step.split('"').nth(1).unwrap();
    format!(
        "+++\ntitle = \"{title}\"\nmatch = {{ probe = \"host\", reason = [\"never\"] }}\nleash = \"auto\"\n\
         max_tier = \"{tier}\"\ntools = [\"{tool}\", \"host.run\"]\nroots = [{log:?}]\n+++\n# {title}\n\n\
         ```step\nname = \"it\"\n{step}\n```\n\n```verify\n\
         query = {{ tool = \"host.run\", args = {{ argv = [\"uname\"] }}, value = \"code\", is = 0 }}\n```\n"
    )
}

#[test]
fn an_archived_log_is_fetched_back_and_proven_by_its_digest() {
    let Some(s3) = Lab::up("s3", "it-fetch", &[]) else { return };
    let home = Home::new("");
    let (books, log) = (home.path().join("books"), home.path().join("log"));
    std::fs::create_dir(&books).unwrap();
    std::fs::create_dir(&log).unwrap();
    let file = log.join("app.log.1.gz");
    let mut content = vec![0; 5 << 20];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut content).unwrap();
    std::fs::write(&file, &content).unwrap();
    let archive = format!("tool = \"logs.archive\"\nargs = {{ path = {log:?} }}");
    let fetch = format!("tool = \"logs.fetch\"\nargs = {{ path = {file:?} }}");
    std::fs::write(books.join("away.md"), book("Away", "high", &log, &archive)).unwrap();
    std::fs::write(books.join("back.md"), book("Back", "medium", &log, &fetch)).unwrap();
    home.configure(&format!(
        "host_name = \"mini\"\nceiling = \"auto\"\nrunbook_dir = {books:?}\n{}\n[probe.s3]\nlogs = {{ url = \"{}\", bucket = \"backup\", \
         prefix = \"logs/\", access_key = \"S3RVER\", secret_key = \"S3RVER\", archive = true, every = \"1h\" }}\n",
        crate::lab::ALONE,
        s3.get("URL")
    ));
    let reef = home.start();
    let run = |name: &str| reef.reef(&["runbook", "run", name, "--on", "mini", "--yes"]);
    run("away");
    reef.until("it is away", |_| (!file.exists()).then_some(()));
    reef.until("that is recorded", |reef| (reef.records("closed").len() == 1).then_some(()));
    let said = run("back");
    assert!(said.all().contains("nothing is overwritten"), "{said:#?}");
    reef.until("it is closed", |reef| (reef.records("closed").len() == 2).then_some(()));
    let closed = reef.records("closed").pop().unwrap();
    assert_eq!(closed["payload"]["outcome"], "done", "{closed:#}");
    assert!(closed.to_string().contains("recorded digest"), "{closed:#}");
    assert!(std::fs::read(&file).unwrap() == content, "byte by byte");
    std::fs::remove_file(&file).unwrap();

    // Somebody changed what lies in the bucket: it is not kept.
    let mut files = tree(Path::new(s3.get("STORE"))).into_keys();
    let object = files.find(|path| path.to_str().unwrap().ends_with("._S3rver_object")).unwrap();
    let mut other = content;
    other[4_000_000] ^= 1;
    std::fs::write(&object, other).unwrap();
    run("back");
    reef.until("it is closed", |reef| (reef.records("closed").len() == 3).then_some(()));
    let closed = reef.records("closed").pop().unwrap();
    assert_eq!(closed["payload"]["outcome"], "failed", "{closed:#}");
    assert!(tree(&log).is_empty(), "not even a part of it: {:?}", tree(&log));
}
