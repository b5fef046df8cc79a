//! What fills a volume, on real files.

use super::stage::{Stage, log_text, path, word};
use crate::model::time::Span;
use crate::model::tool::Found;
use crate::model::value::Value;

async fn usage(stage: &Stage) -> Found {
    let call = stage.call("disk.usage", &[("path", path(&stage.root()))]);
    stage.query(&call).await.unwrap()
}

#[tokio::test]
async fn the_largest_group_comes_first_with_all_that_was_promised() {
    let stage = Stage::new();
    stage.file("log/app.log", &log_text(400_000), Span::hours(3));
    stage.file("log/app.log.1", &log_text(100_000), Span::days(2));
    stage.file("backups/a.tar", &log_text(200_000), Span::days(9));
    let found = usage(&stage).await;
    let call = stage.call("disk.usage", &[("path", path(&stage.root()))]);
    let spec = stage.tools().iter().find(|t| t.spec().name == call.tool).unwrap().spec().clone();
    for gives in &spec.gives {
        let value = found.values.get(gives.name).unwrap_or_else(|| panic!("no {}", gives.name));
        assert!(value.fits(&gives.kind), "{}", gives.name);
    }
    assert_eq!(found.values["kind"], word("logs"));
    assert_eq!(found.values["path"], path(&stage.root().join("log")));
    assert_eq!(found.values["safe"], Value::Flag(true));
    assert_eq!(found.values["ambiguous"], Value::Flag(false));
    let Value::Span(age) = found.values["age"] else { panic!() };
    assert!(Span::hours(3).0 - age.0 < 1_000, "{age}");
    assert_eq!(found.values["growth"], Value::Bytes(0));
    assert_eq!(found.values["candidates"], Value::List(vec![word("logs"), word("backups")]));
    let words = found.words.as_str();
    assert!(words.contains("backups") && words.contains("last good copy"), "{words}");

    stage.file("log/more.log", &vec![b'x'; 1 << 20], Span(0));
    let found = usage(&stage).await;
    let Value::Bytes(growth) = found.values["growth"] else { panic!() };
    assert!(((1 << 20)..(1 << 20) + 65_536).contains(&growth), "{growth}");
}

#[tokio::test]
async fn what_is_not_safe_is_ambiguous_and_asks() {
    let stage = Stage::new();
    stage.file("db/base.sqlite", &vec![b'x'; 600_000], Span(0));
    stage.file("backups/a.tar", &vec![b'x'; 300_000], Span::days(40));
    stage.file("dumps/core.17", &vec![b'x'; 200_000], Span(0));
    let found = usage(&stage).await;
    assert_eq!(found.values["ambiguous"], Value::Flag(true));
    let want = ["database", "backups", "crash-dumps"].map(word).to_vec();
    assert_eq!(found.values["candidates"], Value::List(want));
    assert_eq!(found.values["holds"].to_string(), "database files, old backups, crash dumps");
    let Value::List(groups) = &found.values["found"] else { panic!("{:?}", found.values) };
    let told: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let backups = stage.root().join("backups");
    assert!(
        told[0].starts_with("database files in ") && told[0].contains("588 KiB in 1 file"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with(&format!("old backups in {}: 296 KiB", backups.display())),
        "{told:?}"
    );
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn logs_outside_of_the_roots_are_not_safe() {
    let stage = Stage::new();
    stage.file("log/app.log", &log_text(400_000), Span(0));
    let mut call = stage.call("disk.usage", &[("path", path(&stage.root()))]);
    call.bounds.roots = vec![crate::model::target::AbsPath::new("/var/log").unwrap()];
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["safe"], Value::Flag(false));
    assert!(found.words.as_str().contains("outside the declared roots"), "{}", found.words);
}

#[tokio::test]
async fn a_deleted_file_that_is_still_open_is_found_with_its_holder() {
    use std::io::Write;
    let stage = Stage::new();
    let mut held = tempfile::tempfile_in(stage.root()).unwrap();
    held.write_all(&vec![b'x'; 3 << 20]).unwrap();
    held.sync_all().unwrap();
    let found = usage(&stage).await;
    // Other processes of the machine may hold some too.
    assert_eq!(found.values["kind"], word("deleted-open"));
    let Value::Bytes(size) = found.values["size"] else { panic!() };
    assert!((3 << 20) <= size, "{size}");
    assert!(found.words.as_str().contains("held open by"), "{}", found.words);
    let before = size;
    drop(held);
    let found = usage(&stage).await;
    let after = match found.values["kind"] == word("deleted-open") {
        true => found.values["size"].as_number().unwrap(),
        false => 0,
    };
    assert!(after < i64::try_from(before).unwrap());
}

#[tokio::test]
async fn an_empty_folder_and_a_missing_one_are_answered() {
    let stage = Stage::new();
    let call = stage.call("disk.usage", &[("path", path(&stage.root().join("none")))]);
    let why = stage.query(&call).await.unwrap_err().to_string();
    assert!(why.contains("is not there"), "{why}");
    assert!(usage(&stage).await.values.contains_key("kind"));
}

#[tokio::test]
async fn a_walk_that_was_cut_is_never_sure() {
    use crate::clients::files::{Files, Limits, LocalFiles, Rooted};
    let stage = Stage::new();
    for n in 0..40 {
        stage.file(&format!("usr/{n}"), b"x", Span(0));
        stage.file(&format!("var/log/{n}.log"), b"x", Span(0));
    }
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = seen.clone();
    let visit = Box::new(move |entry: crate::clients::files::Entry| {
        into.lock().unwrap().push(entry.path.to_string());
    });
    let root = super::stage::abs(&stage.root());
    let start = Rooted { root: root.clone(), path: root };
    let limits = Limits { entries: 30, time: Span::secs(10) };
    let walked = LocalFiles.walk(&start, limits, visit).await.unwrap();
    assert!(walked.cut.is_some_and(|why| why.contains("30 entries")));
    // What can be acted upon is looked at first.
    let seen = seen.lock().unwrap();
    assert!(20 < seen.len() && seen.iter().all(|path| path.contains("/var/log/")), "{seen:?}");
}
