//! On a volume that is full for real. Needs root for the mount; says loudly when it cannot.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::stage::{Stage, abs, done, log_text, path, undone_by};
use crate::model::time::Span;
use crate::model::tool::ActionResult;
use crate::model::value::Value;

struct Volume(PathBuf);

impl Volume {
    fn new(at: &Path, bytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = std::ffi::CString::new(format!("size={bytes},mode=755")).unwrap();
        match mount("tmpfs", at, "tmpfs", MountFlags::empty(), options.as_c_str()) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(why) => {
                #[expect(clippy::print_stderr, reason = "a test that cannot run must say so")]
                {
                    eprintln!("SKIPPED, NOT PROVEN: a full volume needs a mount: {why}");
                }
                None
            }
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

/// Fills a volume to the last byte with logs of growing size; answers how many.
fn fill(folder: &Path, first: usize) -> usize {
    std::fs::create_dir_all(folder).unwrap();
    let mut n = 0;
    loop {
        let path = folder.join(format!("app{n:02}.log"));
        let mut file = std::fs::File::create(&path).unwrap();
        if file.write_all(&log_text(first * (n + 1))).is_err() {
            // Whatever fitted stays: the volume is full now.
            return n;
        }
        n += 1;
    }
}

fn free(at: &Path) -> u64 {
    let stat = rustix::fs::statvfs(at).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn percent_used(at: &Path) -> u64 {
    let stat = rustix::fs::statvfs(at).unwrap();
    100 - stat.f_bavail * 100 / stat.f_blocks
}

/// What each log holds, wherever it lies: under its own name or compressed.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for (path, (_, bytes)) in super::stage::tree(folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let plain = name.trim_end_matches(".gz").trim_end_matches(".1").to_owned();
        let mut whole = Vec::new();
        if name.ends_with(".gz") {
            let mut back = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            std::io::copy(&mut back, &mut whole).unwrap();
        } else {
            whole = bytes;
        }
        found.entry(plain).or_insert_with(Vec::new).extend(whole);
    }
    found
}

#[track_caller]
fn same(now: &BTreeMap<String, Vec<u8>>, before: &BTreeMap<String, Vec<u8>>, tool: &str) {
    let lengths = |all: &BTreeMap<String, Vec<u8>>| {
        all.iter().map(|(name, bytes)| (name.clone(), bytes.len())).collect::<Vec<_>>()
    };
    assert_eq!(lengths(now), lengths(before), "{tool}");
    assert!(now == before, "{tool}: other bytes");
}

#[tokio::test]
async fn a_volume_full_to_the_last_byte_is_rotated_and_compressed_by_way_of_another() {
    for tool in ["logs.rotate", "files.compress"] {
        let stage = Stage::new();
        let Some(volume) = Volume::new(&stage.root(), 1 << 20) else { return };
        let folder = volume.0.join("log");
        fill(&folder, 15_000);
        assert_eq!(free(&volume.0), 0);
        let before = contents(&folder);
        let (undo, result) = stage.act(&stage.call(tool, &[("path", path(&volume.0))])).await;
        assert!(done(&result).contains("freed 9"), "{tool}: {result:?}");
        assert!(percent_used(&volume.0) < 60, "{tool}: {} %", percent_used(&volume.0));
        // Nothing is left behind on the way.
        let spare = std::fs::read_dir(stage.world.quarantine.as_path()).unwrap().count();
        assert_eq!(spare, 0, "{tool}");
        same(&contents(&folder), &before, tool);
        // To unpack, a log and its compressed self must fit: the largest does not, and says so.
        let (_, result) = stage.act(&undone_by(&undo)).await;
        assert!(
            matches!(&result, ActionResult::Failed(w) if w.contains("11 files") && w.contains("no room")),
            "{tool}: {result:?}"
        );
        same(&contents(&folder), &before, tool);
    }
}

#[tokio::test]
async fn without_another_volume_a_full_one_is_left_as_it_was() {
    let mut stage = Stage::new();
    stage.world.quarantine = abs(&stage.root().join("quarantine"));
    let stage = stage.again();
    // Made after the stage, so that it is gone before the stage's folder goes.
    let Some(volume) = Volume::new(&stage.root(), 512 << 10) else { return };
    std::fs::create_dir(volume.0.join("quarantine")).unwrap();
    fill(&volume.0.join("log"), 15_000);
    let before = super::stage::tree(&volume.0.join("log"));
    for tool in ["logs.rotate", "files.compress"] {
        let call = stage.call(tool, &[("path", path(&volume.0.join("log")))]);
        let (_, result) = stage.act(&call).await;
        assert!(
            matches!(&result, ActionResult::Failed(w) if w.contains("no room")),
            "{tool}: {result:?}"
        );
        let mut after = super::stage::tree(&volume.0.join("log"));
        assert_eq!(after.len(), before.len(), "{tool}: a half-made file is left");
        after.retain(|path, seen| before.get(path).is_none_or(|b| b.1 != seen.1));
        assert!(after.is_empty(), "{tool}: {:?}", after.keys());
    }
    // With room for the smallest, the way through is smallest first.
    std::fs::remove_file(volume.0.join("log/app00.log")).unwrap();
    let call = stage.call("logs.rotate", &[("path", path(&volume.0.join("log")))]);
    done(&stage.act(&call).await.1);
    assert!(percent_used(&volume.0) < 60);
}

#[tokio::test]
async fn quarantine_on_another_volume_frees_this_one() {
    let stage = Stage::new();
    let Some(volume) = Volume::new(&stage.root(), 1 << 20) else { return };
    std::fs::create_dir(volume.0.join("log")).unwrap();
    for n in 1..4 {
        stage.file(&format!("log/app.log.{n}"), &log_text(240_000), Span::days(40));
    }
    let older = Value::Span(Span::days(30));
    let what = super::stage::word("rotated-logs");
    let call =
        stage.call("files.clean", &[("path", path(&volume.0)), ("older", older), ("what", what)]);
    let before = super::stage::tree(&volume.0);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("on another volume"), "{}", effect.words);
    done(&stage.act_as(&call, effect, undo.clone()).await);
    assert!((800 << 10) < free(&volume.0));
    done(&stage.act(&undone_by(&undo)).await.1);
    let mut after = super::stage::tree(&volume.0);
    let mut before = before;
    after.remove(&volume.0.join("log"));
    before.remove(&volume.0.join("log"));
    assert!(after == before, "not as it was");
}

#[tokio::test]
async fn a_quarantine_volume_without_room_is_told_of_before_anything_moves() {
    let mut stage = Stage::new();
    let mut inventory = stage.world.inventory.as_ref().clone();
    let away = stage.dir.path().join("away");
    inventory.quarantines.insert(super::stage::here(), abs(&away.join("kept")));
    stage.world.inventory = std::sync::Arc::new(inventory);
    let stage = stage.again();
    let Some(_volume) = Volume::new(&away, 512 << 10) else { return };
    for n in 1..4 {
        stage.file(&format!("log/app.log.{n}"), &log_text(240_000), Span::days(40));
    }
    let older = ("older", Value::Span(Span::days(30)));
    let what = ("what", super::stage::word("rotated-logs"));
    let args = [("path", path(&stage.root())), older.clone(), what.clone()];
    let (effect, _) = stage.preview(&stage.call("files.clean", &args)).await.unwrap();
    assert_eq!(effect.max_items, 0, "{}", effect.words);
    assert!(effect.words.contains("3 files, 703 KiB would not fit"), "{}", effect.words);
    // Two of them fit, and as they go to another volume nothing needs to be emptied.
    std::fs::remove_file(stage.root().join("log/app.log.3")).unwrap();
    std::fs::write(stage.root().join("log/app.log.2"), b"").unwrap();
    super::stage::set_age(&stage.root().join("log/app.log.2"), Span::days(40));
    let (effect, _) = stage.preview(&stage.call("files.clean", &args)).await.unwrap();
    assert!(effect.words.contains("on another volume"), "{}", effect.words);
    let (effect, _) = stage.preview(&stage.call("files.empty_quarantine", &args)).await.unwrap();
    assert!(effect.max_items == 0 && effect.words.contains("another volume"), "{}", effect.words);
    done(&stage.act(&stage.call("files.clean", &args)).await.1);
    assert_eq!(std::fs::read_dir(away.join("kept")).unwrap().count(), 1);
}
