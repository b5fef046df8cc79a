//! Compressing, rotating, moving away and back, on real files.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::stage::{Stage, abs, done, log_text, path, set_age, tree, undone_by, word};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Effect, Undo};
use crate::model::value::Value;

const OLD: Span = Span::days(40);

fn unzipped(path: &Path) -> Vec<u8> {
    let mut back = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut back).unwrap();
    back
}

fn on_root(stage: &Stage, tool: &str) -> Call {
    stage.call(tool, &[("path", path(&stage.root()))])
}

#[tokio::test]
async fn previews_change_nothing() {
    let stage = Stage::new();
    for n in 1..4 {
        stage.file(&format!("log/app{n}.log"), &log_text(20_000 * n), OLD);
        stage.file(&format!("log/app{n}.log.1"), &log_text(30_000), OLD);
        stage.file(&format!("tmp/x{n}"), b"temporary", OLD);
    }
    let clean = |what: &str| {
        let older = Value::Span(Span::days(30));
        stage.call(
            "files.clean",
            &[("path", path(&stage.root())), ("older", older), ("what", word(what))],
        )
    };
    let before = tree(stage.dir.path());
    for call in [
        on_root(&stage, "files.compress"),
        on_root(&stage, "logs.rotate"),
        on_root(&stage, "files.quarantine"),
        clean("rotated-logs"),
        clean("temp"),
        clean("package-cache"),
        stage.call("files.decompress", &[("path", path(&stage.root())), ("id", word("a1"))]),
        stage.call("files.empty_quarantine", &[("all", Value::Flag(true))]),
    ] {
        let (effect, undo) = stage.preview(&call).await.unwrap();
        let again = stage.preview(&call).await.unwrap();
        assert_eq!((effect, undo), again, "{call}: an unchanged world has another preview");
        let usage = stage.call("disk.usage", &[("path", path(&stage.root()))]);
        stage.query(&usage).await.unwrap();
        assert!(tree(stage.dir.path()) == before, "{call} changed something");
    }
}

#[tokio::test]
async fn compress_keeps_all_and_comes_back_byte_by_byte() {
    let stage = Stage::new();
    let big = stage.file("log/app.log", &log_text(300_000), OLD);
    stage.file("log/app.log.1", &log_text(50_000), OLD);
    stage.file("log/data.bin", &log_text(50_000), OLD);
    stage.file("log/tiny.log", b"a line\n", OLD);
    std::fs::set_permissions(&big, std::fs::Permissions::from_mode(0o640)).unwrap();
    set_age(&big, OLD);
    let before = tree(&stage.root());
    let call = on_root(&stage, "files.compress");
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.starts_with("compress 2 files, 341 KiB, to about"), "{}", effect.words);
    assert!(effect.words.contains("1 too small"), "{}", effect.words);
    assert_eq!((effect.max_items, effect.max_bytes), (2, 350_000));

    let (undo, result) = stage.act(&call).await;
    assert!(done(&result).starts_with("2 files, freed 3"), "{result:?}");
    let gz = stage.root().join("log/app.log.gz");
    assert_eq!(unzipped(&gz), log_text(300_000));
    let m = gz.metadata().unwrap();
    assert_eq!((m.mode() & 0o777, m.mtime()), (0o640, (super::stage::NOW - OLD.0) / 1_000));
    assert!(!big.exists() && stage.root().join("log/data.bin").exists());

    let (_, result) = stage.act(&undone_by(&undo)).await;
    assert!(done(&result).contains("2 files"), "{result:?}");
    let after = tree(&stage.root());
    let files = |tree: &std::collections::BTreeMap<_, (String, Vec<u8>)>| {
        tree.iter()
            .filter(|(_, (kind, _))| kind.starts_with('1'))
            .map(|(p, v): (&std::path::PathBuf, _)| (p.clone(), v.clone()))
            .collect::<Vec<_>>()
    };
    assert!(files(&after) == files(&before), "not as it was");
}

#[tokio::test]
async fn rotate_keeps_the_inode_for_its_writer() {
    let stage = Stage::new();
    let log = stage.file("log/app.log", &log_text(200_000), Span(0));
    let mut writer = OpenOptions::new().append(true).open(&log).unwrap();
    let inode = log.metadata().unwrap().ino();
    let (undo, result) = stage.act(&on_root(&stage, "logs.rotate")).await;
    assert!(done(&result).starts_with("1 file, freed"), "{result:?}");
    writer.write_all(b"after\n").unwrap();
    assert_eq!(std::fs::read(&log).unwrap(), b"after\n");
    assert_eq!(log.metadata().unwrap().ino(), inode);
    let gz = stage.root().join("log/app.log.1.gz");
    assert_eq!(unzipped(&gz), log_text(200_000));

    // While somebody writes, the earlier lines stay where they are.
    let (_, result) = stage.act(&undone_by(&undo)).await;
    assert!(matches!(&result, ActionResult::Failed(w) if w.contains("written to")), "{result:?}");
    assert!(gz.exists());
    drop(writer);
    let (_, result) = stage.act(&undone_by(&undo)).await;
    done(&result);
    let mut want = log_text(200_000);
    want.extend(b"after\n");
    assert_eq!(std::fs::read(&log).unwrap(), want);
    assert!(!gz.exists());
}

#[tokio::test]
async fn a_rotation_is_undone_to_the_very_file() {
    let stage = Stage::new();
    let log = stage.file("log/app.log", &log_text(200_000), OLD);
    let before = tree(log.parent().unwrap());
    let inode = log.metadata().unwrap().ino();
    let (undo, result) = stage.act(&on_root(&stage, "logs.rotate")).await;
    done(&result);
    assert_eq!(log.metadata().unwrap().len(), 0);
    done(&stage.act(&undone_by(&undo)).await.1);
    assert_eq!(log.metadata().unwrap().ino(), inode);
    assert!(tree(log.parent().unwrap()) == before);
}

#[tokio::test]
async fn a_second_rotation_takes_the_next_number_and_its_own_undo() {
    let stage = Stage::new();
    let log = stage.file("log/app.log", &log_text(100_000), OLD);
    let (first, _) = stage.act(&on_root(&stage, "logs.rotate")).await;
    std::fs::write(&log, log_text(60_000)).unwrap();
    let (second, result) = stage.act(&on_root(&stage, "logs.rotate")).await;
    done(&result);
    assert!(stage.root().join("log/app.log.2.gz").exists());
    assert_ne!(undone_by(&first), undone_by(&second));
    done(&stage.act(&undone_by(&second)).await.1);
    assert_eq!(std::fs::read(&log).unwrap(), log_text(60_000));
    assert!(stage.root().join("log/app.log.1.gz").exists());
}

#[tokio::test]
async fn held_linked_and_odd_files_are_left_alone_and_counted() {
    let stage = Stage::new();
    stage.file("log/plain.log", &log_text(20_000), OLD);
    let held = stage.file("log/held.log", &log_text(20_000), OLD);
    let linked = stage.file("log/linked.log", &log_text(20_000), OLD);
    std::fs::hard_link(&linked, stage.root().join("log/other.log")).unwrap();
    symlink(stage.root().join("log/plain.log"), stage.root().join("log/link.log")).unwrap();
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"log/odd\xff.log");
    std::fs::write(stage.root().join(odd), log_text(20_000)).unwrap();
    let appender = OpenOptions::new().append(true).open(&held).unwrap();

    let (effect, _) = stage.preview(&on_root(&stage, "files.compress")).await.unwrap();
    assert_eq!(effect.max_items, 1, "{}", effect.words);
    for said in ["1 open for writing", "2 with several names", "1 with unreadable names"] {
        assert!(effect.words.contains(said), "{}", effect.words);
    }
    // An appender goes on in an emptied file; a writer at its own offset would leave a hole.
    let (effect, _) = stage.preview(&on_root(&stage, "logs.rotate")).await.unwrap();
    assert_eq!(effect.max_items, 2, "{}", effect.words);
    drop(appender);
    let writer = OpenOptions::new().write(true).open(&held).unwrap();
    let (effect, _) = stage.preview(&on_root(&stage, "logs.rotate")).await.unwrap();
    assert_eq!(effect.max_items, 1, "{}", effect.words);
    drop(writer);
}

#[tokio::test]
async fn an_action_stops_at_the_bounds_of_its_preview() {
    let stage = Stage::new();
    for n in 1..=5 {
        stage.file(&format!("log/a{n}.log"), &log_text(10_000 * n), OLD);
    }
    let call = on_root(&stage, "files.compress");
    let (mut effect, undo) = stage.preview(&call).await.unwrap();
    (effect.max_items, effect.max_bytes) = (5, 35_000);
    let result = stage.act_as(&call, effect.clone(), undo.clone()).await;
    // 10,000 and 20,000, smallest first; 30,000 more would pass the bound.
    assert!(done(&result).starts_with("2 files"), "{result:?}");
    assert!(done(&result).contains("3 beyond"), "{result:?}");
    (effect.max_items, effect.max_bytes) = (1, u64::MAX);
    let result = stage.act_as(&call, effect, undo).await;
    assert!(done(&result).starts_with("1 file,"), "{result:?}");
}

#[tokio::test]
async fn more_matches_than_allowed_are_refused() {
    let stage = Stage::new();
    for n in 0..4 {
        stage.file(&format!("log/a{n}.log"), &log_text(10_000), OLD);
    }
    let mut call = on_root(&stage, "files.compress");
    call.bounds.max_targets = 3;
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("4 files match") && why.contains("the 3 allowed"), "{why}");
    call.bounds.max_targets = 4;
    assert!(stage.preview(&call).await.is_ok());
}

#[tokio::test]
async fn nothing_to_do_is_said_and_does_nothing() {
    let stage = Stage::new();
    let call = on_root(&stage, "logs.rotate");
    let (effect, undo) = stage.preview(&call).await.unwrap();
    assert!(effect.words.starts_with("nothing to do"), "{}", effect.words);
    assert!(effect.max_items == 0 && matches!(undo, Undo::Impossible(_)));
    stage.file("log/late.log", &log_text(20_000), OLD);
    assert_eq!(done(&stage.act_as(&call, effect, undo).await), "nothing to do");
    assert!(stage.root().join("log/late.log").exists());
}

#[tokio::test]
async fn clean_moves_away_and_restore_brings_back() {
    let stage = Stage::new();
    stage.file("log/app.log.1", &log_text(9_000), OLD);
    stage.file("log/app.log.2.gz", b"old", OLD);
    stage.file("log/young.log.1", b"young", Span::days(3));
    stage.file("log/app.log", b"current", OLD);
    let before = tree(&stage.root());
    let older = Value::Span(Span::days(30));
    let call = stage.call(
        "files.clean",
        &[("path", path(&stage.root())), ("older", older), ("what", word("rotated-logs"))],
    );
    let (effect, undo) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("nothing is freed until it is emptied"), "{}", effect.words);
    let result = stage.act_as(&call, effect, undo.clone()).await;
    assert!(done(&result).starts_with("2 files"), "{result:?}");
    assert!(!stage.root().join("log/app.log.1").exists());
    assert!(stage.root().join("log/young.log.1").exists());
    assert_eq!(stage.world.quarantine.as_path().metadata().unwrap().mode() & 0o777, 0o700);

    // A name that was taken meanwhile is not overwritten: its file stays in quarantine.
    stage.file("log/app.log.1", b"new", OLD);
    let (_, result) = stage.act(&undone_by(&undo)).await;
    assert!(matches!(&result, ActionResult::Failed(w) if w.contains("1 stay")), "{result:?}");
    std::fs::remove_file(stage.root().join("log/app.log.1")).unwrap();
    done(&stage.act(&undone_by(&undo)).await.1);
    let (mut after, mut before) = (tree(&stage.root()), before);
    // The folder's own time tells of the names that came and went.
    after.remove(&stage.root().join("log"));
    before.remove(&stage.root().join("log"));
    assert!(after == before);
    assert_eq!(std::fs::read_dir(stage.world.quarantine.as_path()).unwrap().count(), 0);
}

#[tokio::test]
async fn quarantine_is_emptied_for_good_and_by_age() {
    let stage = Stage::new();
    stage.file("x/a", b"0123456789", OLD);
    let (undo, _) = stage.act(&on_root(&stage, "files.quarantine")).await;
    let all = stage.call(
        "files.empty_quarantine",
        &[("all", Value::Flag(true)), ("older", Value::Span(Span::days(7)))],
    );
    let (effect, _) = stage.preview(&all).await.unwrap();
    assert_eq!(effect.max_items, 0, "{}", effect.words);
    stage.hands.0.fetch_add(Span::days(8).0, std::sync::atomic::Ordering::Relaxed);
    let (undo_of_empty, result) = stage.act(&all).await;
    assert_eq!(done(&result), "deleted 1 file, 10 B");
    assert!(matches!(undo_of_empty, Undo::Impossible(_)));
    let why = stage.preview(&undone_by(&undo)).await.unwrap_err().to_string();
    assert!(why.contains("has no quarantine"), "{why}");
    for id in ["..", ".", "a.b"] {
        let call = stage.call("files.empty_quarantine", &[("id", word(id))]);
        assert!(stage.preview(&call).await.is_err(), "{id}");
    }
}

/// The call of `files.clean`, and of the step that empties what it moved.
fn moved(stage: &Stage, folder: &str) -> (Call, Call) {
    let at = path(&stage.root().join(folder));
    let args =
        [("path", at), ("older", Value::Span(Span::days(30))), ("what", word("rotated-logs"))];
    (stage.call("files.clean", &args), stage.call("files.empty_quarantine", &args))
}

fn quarantines(stage: &Stage) -> usize {
    std::fs::read_dir(stage.world.quarantine.as_path()).map_or(0, Iterator::count)
}

#[tokio::test]
async fn what_a_plan_moved_on_its_own_volume_is_all_that_it_empties() {
    let stage = Stage::new();
    stage.file("other/log/app.log.1", &log_text(9_000), OLD);
    stage.file("log/app.log.1", &log_text(9_000), OLD);
    stage.file("log/app.log.2", &log_text(5_000), OLD);
    // Another action, that can still be undone.
    let (other, _) = moved(&stage, "other");
    let (undo_other, _) = stage.act(&other).await;

    let (clean, empty) = moved(&stage, "log");
    let (cleans, undo) = stage.preview(&clean).await.unwrap();
    let (empties, gone) = stage.preview(&empty).await.unwrap();
    let Undo::By(restore) = &undo else { panic!("{undo:?}") };
    assert!(matches!(gone, Undo::Impossible(_)));
    assert_eq!((empties.max_items, empties.max_bytes), (2, 14_000));
    for part in [restore.args["id"].to_string().as_str(), "2 files, 13 KiB", "cannot be undone"] {
        assert!(empties.words.contains(part), "{part}: {}", empties.words);
    }
    // Before anything moved there is nothing of the plan's own to delete.
    let early = stage.act_as(&empty, empties.clone(), gone.clone()).await;
    assert!(matches!(early, ActionResult::NotStarted(_)), "{early:?}");
    done(&stage.act_as(&clean, cleans, undo.clone()).await);
    assert_eq!(quarantines(&stage), 2);
    assert_eq!(done(&stage.act_as(&empty, empties, gone).await), "deleted 2 files, 13 KiB");
    assert_eq!(quarantines(&stage), 1);
    let why = stage.preview(&undone_by(&undo)).await.unwrap_err().to_string();
    assert!(why.contains("it was emptied"), "{why}");

    // What the other one moved is nobody's to delete before its time is over, by whatever name.
    let all = stage.call("files.empty_quarantine", &[("all", Value::Flag(true))]);
    assert_eq!(stage.preview(&all).await.unwrap().0.max_items, 0);
    assert_eq!(done(&stage.act(&all).await.1), "nothing to do");
    let id = undone_by(&undo_other).args["id"].clone();
    let one = stage.call("files.empty_quarantine", &[("id", id.clone())]);
    let why = stage.preview(&one).await.unwrap_err().to_string();
    assert!(why.contains("can still be had back for 7 d"), "{why}");
    let young = [("all", Value::Flag(true)), ("older", Value::Span(Span::days(1)))];
    assert!(stage.parse(&stage.call("files.empty_quarantine", &young)).is_err());
    assert_eq!(quarantines(&stage), 1);
    stage.hands.0.fetch_add(Span::days(7).0, std::sync::atomic::Ordering::Relaxed);
    let (effect, _) = stage.preview(&all).await.unwrap();
    for part in [id.to_string().as_str(), "1 file, 8.7 KiB", "7 d ago"] {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    let less = Effect { max_bytes: 1, ..effect };
    let refused = stage.act_as(&all, less, Undo::Impossible(String::new())).await;
    assert!(matches!(refused, ActionResult::NotStarted(_)), "{refused:?}");
    assert_eq!(quarantines(&stage), 1);
    assert_eq!(done(&stage.act(&all).await.1), "deleted 1 file, 8.7 KiB");
}

#[tokio::test]
async fn the_quarantine_that_the_config_names_is_used_and_the_former_one_still_found() {
    let before = Stage::new();
    before.file("log/app.log.1", &log_text(9_000), OLD);
    let (clean, _) = moved(&before, "log");
    let (undo, result) = before.act(&clean).await;
    done(&result);
    let mut stage = before;
    let named = stage.dir.path().join("elsewhere");
    let mut inventory = stage.world.inventory.as_ref().clone();
    inventory.quarantines.insert(super::stage::here(), abs(&named));
    stage.world.inventory = std::sync::Arc::new(inventory);
    let stage = stage.again();
    stage.file("log/app.log.2", &log_text(5_000), OLD);
    let (second, result) = stage.act(&clean).await;
    done(&result);
    assert_eq!(std::fs::read_dir(&named).unwrap().count(), 1);
    for undo in [undo, second] {
        done(&stage.act(&undone_by(&undo)).await.1);
    }
    assert_eq!((quarantines(&stage), std::fs::read_dir(&named).unwrap().count()), (0, 0));
    for (name, bytes) in [("log/app.log.1", 9_000), ("log/app.log.2", 5_000)] {
        assert!(std::fs::read(stage.root().join(name)).unwrap() == log_text(bytes), "{name}");
    }
}

/// Bytes that no compressor makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[tokio::test]
async fn what_would_not_become_smaller_is_no_reason_to_act() {
    let stage = Stage::new();
    let dense = stage.file("log/dense.log", &noise(60_000), OLD);
    for tool in ["files.compress", "logs.rotate"] {
        let (effect, _) = stage.preview(&on_root(&stage, tool)).await.unwrap();
        assert_eq!(effect.max_items, 0, "{tool}: {}", effect.words);
        assert!(effect.words.contains("1 that would not become smaller"), "{}", effect.words);
    }
    // Beside others it is left alone, and what no sample told of stays as it was.
    stage.file("log/app.log", &log_text(60_000), OLD);
    let half = stage.file("log/half.log", &[log_text(262_144), noise(4 << 20)].concat(), OLD);
    let (_, result) = stage.act(&on_root(&stage, "files.compress")).await;
    assert!(done(&result).contains("does not become smaller"), "{result:?}");
    assert!(done(&result).starts_with("1 file, freed"), "{result:?}");
    assert!(dense.exists() && half.exists());
    assert_eq!(std::fs::read_dir(stage.root().join("log")).unwrap().count(), 3);
}

/// A runbook that compresses and rotates in one plan does not take the same log twice.
#[tokio::test]
async fn only_logs_that_somebody_holds_are_rotated_where_that_is_asked_for() {
    let stage = Stage::new();
    stage.file("log/idle.log", &log_text(60_000), OLD);
    let held = stage.file("log/held.log", &log_text(50_000), Span(0));
    let writer = OpenOptions::new().append(true).open(&held).unwrap();
    let root = ("path", path(&stage.root()));
    let rotate = stage.call("logs.rotate", &[root.clone(), ("held", Value::Flag(true))]);
    let (effect, _) = stage.preview(&rotate).await.unwrap();
    assert_eq!((effect.max_items, effect.words.contains("1 that nobody has open")), (1, true));
    let (compresses, _) = stage.preview(&on_root(&stage, "files.compress")).await.unwrap();
    assert_eq!((compresses.max_items, compresses.max_bytes), (1, 60_000));
    done(&stage.act(&rotate).await.1);
    assert!(stage.root().join("log/held.log.1.gz").exists());
    assert!(stage.root().join("log/idle.log").exists());
    drop(writer);
    assert_eq!(stage.preview(&rotate).await.unwrap().0.max_items, 0);
}

#[tokio::test]
async fn temp_files_in_use_or_fresh_stay() {
    let stage = Stage::new();
    let real = stage.root().metadata().unwrap().mtime() * 1_000;
    // Their own times say that they are old; the names came to be just now.
    let old = Span(super::stage::NOW - real + OLD.0);
    stage.file("tmp/idle", b"x", old);
    let open = stage.file("tmp/open", b"x", old);
    let reader = std::fs::File::open(open).unwrap();
    let older = Value::Span(Span::days(10));
    let call = stage.call(
        "files.clean",
        &[("path", path(&stage.root())), ("older", older), ("what", word("temp"))],
    );
    let at =
        |days| stage.hands.0.store(real + Span::days(days).0, std::sync::atomic::Ordering::Relaxed);
    at(9);
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.max_items == 0 && effect.words.contains("2 too young"), "{}", effect.words);
    at(11);
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert_eq!(effect.max_items, 1, "{}", effect.words);
    assert!(effect.words.contains("1 open"), "{}", effect.words);
    drop(reader);
}

#[tokio::test]
async fn a_root_or_a_folder_that_is_a_link_is_an_error() {
    let stage = Stage::new();
    let outside = stage.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("victim.log"), log_text(20_000)).unwrap();
    symlink(&outside, stage.root().join("link")).unwrap();
    let call = stage.call("logs.rotate", &[("path", path(&stage.root().join("link")))]);
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("symbolic link"), "{why}");
    let mut call = call;
    call.bounds.roots = vec![abs(&stage.root().join("link"))];
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("symbolic link"), "{why}");
    assert_eq!(std::fs::read(outside.join("victim.log")).unwrap(), log_text(20_000));
}

/// A folder that is swapped for a link to elsewhere, again and again, while actions run.
#[tokio::test]
async fn a_swapped_folder_is_no_way_out() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let stage = Stage::new();
    let outside = stage.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    for n in 0..3 {
        std::fs::write(outside.join(format!("a{n}.log")), log_text(20_000)).unwrap();
        set_age(&outside.join(format!("a{n}.log")), OLD);
    }
    let before = tree(&outside);
    let (inside, aside) = (stage.root().join("log"), stage.root().join("aside"));
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, inside, outside) = (stop.clone(), inside.clone(), outside.clone());
        for n in 0..3 {
            stage.file(&format!("log/a{n}.log"), &log_text(20_000), OLD);
        }
        std::thread::spawn(move || {
            let mut swaps = 0;
            while !stop.load(Ordering::Relaxed) {
                std::fs::rename(&inside, &aside).unwrap();
                symlink(&outside, &inside).unwrap();
                std::fs::remove_file(&inside).unwrap();
                std::fs::rename(&aside, &inside).unwrap();
                swaps += 1;
            }
            swaps
        })
    };
    for round in 0..30 {
        let tool = ["logs.rotate", "files.compress", "files.quarantine"][round % 3];
        let action = stage.action(&on_root(&stage, tool));
        let Ok((effect, undo)) = action.preview().await else { continue };
        drop(stage.act_as(&on_root(&stage, tool), effect, undo).await);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(0 < swapper.join().unwrap());
    assert!(tree(&outside) == before, "something outside of the root changed");
}

/// A file that is swapped for a link between the preview and the run.
#[tokio::test]
async fn a_swapped_file_is_left_alone() {
    let stage = Stage::new();
    let victim = stage.dir.path().join("victim");
    std::fs::write(&victim, log_text(20_000)).unwrap();
    let log = stage.file("log/app.log", &log_text(20_000), OLD);
    for tool in ["logs.rotate", "files.compress", "files.quarantine"] {
        let call = on_root(&stage, tool);
        let (effect, undo) = stage.preview(&call).await.unwrap();
        assert_eq!(effect.max_items, 1);
        std::fs::remove_file(&log).unwrap();
        symlink(&victim, &log).unwrap();
        drop(stage.act_as(&call, effect, undo).await);
        assert_eq!(std::fs::read(&victim).unwrap(), log_text(20_000), "{tool}");
        assert!(log.symlink_metadata().unwrap().is_symlink(), "{tool}");
        std::fs::remove_file(&log).unwrap();
        stage.file("log/app.log", &log_text(20_000), OLD);
    }
}

/// Lines appended while the log is rotated are in the copy or in the log, each exactly once.
#[tokio::test]
async fn no_line_is_lost_while_a_log_is_written_to() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let stage = Stage::new();
    let log = stage.file("log/app.log", b"", Span(0));
    let mut writer = OpenOptions::new().append(true).open(&log).unwrap();
    for n in 0..2_000 {
        writeln!(writer, "line {n}").unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let thread = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut n = 2_000;
            while !stop.load(Ordering::Relaxed) {
                writeln!(writer, "line {n}").unwrap();
                n += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            n
        })
    };
    let (_, result) = stage.act(&on_root(&stage, "logs.rotate")).await;
    stop.store(true, Ordering::Relaxed);
    let n = thread.join().unwrap();
    done(&result);
    let mut all = unzipped(&stage.root().join("log/app.log.1.gz"));
    all.extend(std::fs::read(&log).unwrap());
    let want: String = (0..n).map(|n| format!("line {n}\n")).collect();
    assert_eq!(String::from_utf8(all).unwrap(), want);
}

#[tokio::test]
async fn what_a_crash_left_behind_gives_way_or_is_told_of() {
    let stage = Stage::new();
    let log = stage.file("log/app.log", &log_text(20_000), OLD);
    // Half made before the crash: the next attempt starts over.
    stage.file("log/.app.log.reef-part", b"half", OLD);
    // Set aside before the crash: it may be the only copy, so a human decides.
    let aside = stage.file("log/.app.log.reef-gone", b"precious", OLD);
    let call = on_root(&stage, "files.compress");
    let (effect, undo) = stage.preview(&call).await.unwrap();
    assert_eq!(effect.max_items, 1, "{}", effect.words);
    let result = stage.act_as(&call, effect.clone(), undo.clone()).await;
    assert!(matches!(&result, ActionResult::Failed(w) if w.contains("broke off")), "{result:?}");
    assert_eq!(std::fs::read(&log).unwrap(), log_text(20_000));
    assert_eq!(std::fs::read(&aside).unwrap(), b"precious");
    assert!(!stage.root().join("log/app.log.gz").exists());
    std::fs::remove_file(aside).unwrap();
    done(&stage.act_as(&call, effect, undo).await);
    assert!(!stage.root().join("log/.app.log.reef-part").exists());
}

#[tokio::test]
async fn out_of_time_a_file_stays_as_it_was() {
    use crate::clients::files::{Compress, Job, Limits, Rooted};
    let stage = Stage::new();
    let log = stage.file("log/app.log", &log_text(300_000), OLD);
    let before = tree(&stage.root());
    let (files, root) = (&stage.world.files, abs(&stage.root()));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = seen.clone();
    let visit = Box::new(move |entry| into.lock().unwrap().push(entry));
    let start = Rooted { root: root.clone(), path: abs(&log) };
    files.walk(&start, Limits::default(), visit).await.unwrap();
    let entry = seen.lock().unwrap().pop().unwrap();
    let call = on_root(&stage, "files.compress");
    let permit = stage.permit(&call).await;
    for how in [Compress::Replace, Compress::CopyTruncate] {
        let job = Job {
            root: root.clone(),
            entry: entry.clone(),
            how,
            mark: crate::model::ids::Word::of("a1"),
            spare: stage.world.quarantine.clone(),
            within: Span(0),
        };
        let why = files.compress(&permit, job).await.unwrap_err().to_string();
        assert!(why.contains("could not be compressed within"), "{why}");
    }
    let (mut after, mut before) = (tree(&stage.root()), before);
    // The folder's own time tells of the half-made file that came and went.
    after.remove(&stage.root().join("log"));
    before.remove(&stage.root().join("log"));
    assert!(after == before);
}
