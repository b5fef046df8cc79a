//! The files of another host: the same tools by another way, on real files, by the real programs of reef.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use super::stage::{NOW, Stage, abs, done, log_text, path, set_age, tree, undone_by, word};
use crate::Fut;
use crate::clients::host::local::LocalHost;
use crate::clients::host::{HostLink, LinkError, Output};
use crate::gate::permit::Permit;
use crate::model::fact::{Fact, Facts};
use crate::model::ids::HostName;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, ToolError};
use crate::model::value::Value;
use crate::policy::argv::{Argv, ReadOnly};
use crate::policy::redact::Redactor;

const OLD: Span = Span::days(40);

fn nas() -> HostName {
    HostName::of("nas")
}

/// A stage with a host beside this one, whose files are those of the stage.
fn stage() -> Stage {
    let stage = Stage::with(|inventory, dir| {
        inventory.quarantines.insert(nas(), abs(&dir.join("away")));
    });
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let link = LocalHost::new(nas(), stage.hands.clone(), redactor);
    over(stage, Arc::new(link))
}

fn over(mut stage: Stage, link: Arc<dyn HostLink>) -> Stage {
    stage.world.hosts.insert(nas(), link);
    stage.again()
}

fn there(stage: &Stage, tool: &str, args: &[(&str, Value)]) -> Call {
    Call { target: Target::host(nas()), ..stage.call(tool, args) }
}

fn on_root(stage: &Stage, tool: &str) -> Call {
    there(stage, tool, &[("path", path(&stage.root()))])
}

fn clean(stage: &Stage, what: &str) -> Call {
    let older = Value::Span(Span::days(30));
    let args = [("path", path(&stage.root())), ("older", older), ("what", word(what))];
    there(stage, "files.clean", &args)
}

/// Regular files with their content, mode, owner and time.
fn files(root: &Path) -> Vec<(std::path::PathBuf, (String, Vec<u8>))> {
    let tree = tree(root).into_iter();
    tree.filter(|(_, (kind, _))| kind.starts_with('1')).collect()
}

fn old(stage: &Stage, name: &str, bytes: usize) -> std::path::PathBuf {
    let file = stage.file(name, &log_text(bytes), OLD);
    // Other hosts tell whole seconds.
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: (NOW - OLD.0) / 1_000, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, &file, &times, AtFlags::empty()).unwrap();
    file
}

#[tokio::test]
async fn what_fills_a_folder_there_is_told_as_it_is_told_here() {
    let stage = stage();
    old(&stage, "log/app.log", 400_000);
    for n in 0..40 {
        old(&stage, &format!("log/app.log.{n}.gz"), 9_000);
    }
    old(&stage, "backups/a.tar", 200_000);
    old(&stage, "db/base.sqlite", 120_000);
    old(&stage, "db/core.17", 60_000);
    std::fs::hard_link(stage.root().join("db/base.sqlite"), stage.root().join("db/again.sqlite"))
        .unwrap();
    std::fs::write(stage.root().join("log/two\nlines"), "x").unwrap();
    symlink("/etc", stage.root().join("log/link")).unwrap();
    let here = stage.call("disk.usage", &[("path", path(&stage.root()))]);
    let here = stage.query(&here).await.unwrap();
    let found = stage.query(&on_root(&stage, "disk.usage")).await.unwrap();
    // What somebody else on this machine deletes meanwhile is none of this.
    let told = |mut values: crate::model::value::Values| {
        values.remove("candidates");
        values
    };
    assert_eq!(told(found.values), told(here.values));
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("deleted"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(found.words.as_str()), lines(here.words.as_str()));
    let gone = there(&stage, "disk.usage", &[("path", path(&stage.root().join("none")))]);
    let why = stage.query(&gone).await.unwrap_err().to_string();
    assert!(why.contains("there is no "), "{why}");
}

#[tokio::test]
async fn previews_there_change_nothing() {
    let stage = stage();
    for n in 1..4 {
        old(&stage, &format!("log/app{n}.log"), 20_000 * n);
        old(&stage, &format!("log/app{n}.log.1"), 30_000);
        old(&stage, &format!("tmp/x{n}"), 100);
    }
    let before = tree(stage.dir.path());
    for call in [
        on_root(&stage, "files.compress"),
        on_root(&stage, "logs.rotate"),
        on_root(&stage, "files.quarantine"),
        clean(&stage, "rotated-logs"),
        clean(&stage, "temp"),
        there(&stage, "files.decompress", &[("path", path(&stage.root())), ("id", word("a1"))]),
        there(&stage, "files.empty_quarantine", &[("all", Value::Flag(true))]),
    ] {
        let previewed = stage.preview(&call).await.unwrap();
        assert_eq!(previewed, stage.preview(&call).await.unwrap(), "{call}");
        assert!(tree(stage.dir.path()) == before, "{call} changed something");
    }
}

#[tokio::test]
async fn compress_there_keeps_all_and_comes_back_byte_by_byte() {
    let stage = stage();
    let odd = "log/it's; $(id) `x` -\\ é.log.1";
    for (name, bytes) in [("log/app.log", 300_000), ("log/app.log.1", 50_000), (odd, 60_000)] {
        let file = old(&stage, name, bytes);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    old(&stage, "log/data.bin", 50_000);
    old(&stage, "log/-n.log.2", 50_000);
    let before = files(&stage.root());
    let call = on_root(&stage, "files.compress");
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(
        effect.words.starts_with("compress 4 files, 449 KiB, to about a tenth"),
        "{}",
        effect.words
    );
    let (undo, result) = stage.act(&call).await;
    assert!(done(&result).starts_with("4 files, freed "), "{result:?}");
    let gz = stage.root().join(format!("{odd}.gz"));
    let about = gz.metadata().unwrap();
    assert_eq!((about.mode() & 0o777, about.mtime()), (0o640, (NOW - OLD.0) / 1_000));
    assert!(!stage.root().join(odd).exists() && stage.root().join("log/data.bin").exists());
    let again = stage.preview(&call).await.unwrap().0;
    assert_eq!(again.max_items, 0, "{}", again.words);
    let (_, result) = stage.act(&undone_by(&undo)).await;
    assert!(done(&result).contains("4 files"), "{result:?}");
    assert!(files(&stage.root()) == before, "not as it was");
}

#[tokio::test]
async fn a_log_that_is_written_to_there_is_rotated_and_not_replaced() {
    use std::io::Write;
    let stage = stage();
    let log = old(&stage, "log/app.log", 200_000);
    let mut writer = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    let inode = log.metadata().unwrap().ino();
    let replaced = stage.preview(&on_root(&stage, "files.compress")).await.unwrap().0;
    assert!(replaced.words.contains("1 open for writing"), "{}", replaced.words);
    let (undo, result) = stage.act(&on_root(&stage, "logs.rotate")).await;
    assert!(done(&result).starts_with("1 file, freed"), "{result:?}");
    writer.write_all(b"after\n").unwrap();
    assert_eq!(std::fs::read(&log).unwrap(), b"after\n");
    assert_eq!(log.metadata().unwrap().ino(), inode);
    // While somebody writes to it, its earlier lines stay where they are.
    let undo = undone_by(&undo);
    let (_, result) = stage.act(&undo).await;
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("being written to")),
        "{result:?}"
    );
    drop(writer);
    let (_, result) = stage.act(&undo).await;
    assert!(done(&result).contains("1 file"), "{result:?}");
    let mut want = log_text(200_000);
    want.extend(b"after\n");
    assert!(std::fs::read(&log).unwrap() == want);
}

#[tokio::test]
async fn clean_there_moves_away_restore_brings_back_and_empty_deletes() {
    let stage = stage();
    old(&stage, "log/app.log.1.gz", 20_000);
    old(&stage, "log/app.log.2.gz", 30_000);
    stage.file("log/app.log.3.gz", &log_text(10_000), Span::days(2));
    let before = files(&stage.root());
    let call = clean(&stage, "rotated-logs");
    let away = stage.dir.path().join("away");
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains(&format!("quarantine {}", away.display())), "{}", effect.words);
    assert!(effect.words.contains("on the same volume"), "{}", effect.words);
    let (undo, result) = stage.act(&call).await;
    assert!(done(&result).starts_with("2 files, "), "{result:?}");
    assert_eq!(files(&stage.root()).len(), 1);
    assert_eq!(files(&away).len(), 2);
    assert_eq!(away.metadata().unwrap().mode() & 0o777, 0o700);
    let undo = undone_by(&undo);
    let (_, result) = stage.act(&undo).await;
    assert!(done(&result).starts_with("moved 2 files"), "{result:?}");
    assert!(files(&stage.root()) == before && files(&away).is_empty(), "not as it was");
    assert!(matches!(stage.preview(&undo).await, Err(ToolError::Refused(_))));

    // A name that is taken again stays taken.
    let (undo, _) = stage.act(&call).await;
    stage.file("log/app.log.1.gz", b"new", Span(0));
    let (_, result) = stage.act(&undone_by(&undo)).await;
    let ActionResult::Failed(why) = &result else { panic!("{result:?}") };
    assert!(why.contains("1 stay in quarantine") && why.contains("is there already"), "{why}");
    assert_eq!(std::fs::read(stage.root().join("log/app.log.1.gz")).unwrap(), b"new");
    let empty = there(&stage, "files.empty_quarantine", &[("all", Value::Flag(true))]);
    assert_eq!(done(&stage.act(&empty).await.1), "nothing to do", "it can still be had back");
    stage.hands.0.fetch_add(Span::days(7).0, std::sync::atomic::Ordering::Relaxed);
    let (_, result) = stage.act(&empty).await;
    assert!(done(&result).starts_with("deleted 1 file"), "{result:?}");
    assert!(tree(&away).is_empty());
    let local = stage.call("files.empty_quarantine", &[("all", Value::Flag(true))]);
    assert_eq!(stage.preview(&local).await.unwrap().0.max_items, 0, "each host has its own");
}

#[tokio::test]
async fn what_a_plan_moved_there_is_emptied_by_its_own_step() {
    let stage = stage();
    old(&stage, "log/app.log.1.gz", 20_000);
    let clean = clean(&stage, "rotated-logs");
    let mut empty = clean.clone();
    empty.tool = crate::model::ids::ToolName::of("files.empty_quarantine");
    let (effect, undo) = stage.preview(&empty).await.unwrap();
    assert!(effect.words.contains("delete for good what this plan has moved"), "{}", effect.words);
    done(&stage.act(&clean).await.1);
    let away = stage.dir.path().join("away");
    assert!(!tree(&away).is_empty());
    done(&stage.act_as(&empty, effect, undo).await);
    assert!(tree(&away).is_empty());
}

/// A way to a host on which something happens right before a command comes.
struct Meanwhile<F>(LocalHost, F);

impl<F> std::fmt::Debug for Meanwhile<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("meanwhile")
    }
}

impl<F: Fn(&Argv) -> Result<(), LinkError> + Send + Sync> HostLink for Meanwhile<F> {
    fn name(&self) -> &HostName {
        self.0.name()
    }
    fn facts<'a>(&'a self, wanted: &'a std::collections::BTreeSet<Fact>) -> Fut<'a, Facts> {
        self.0.facts(wanted)
    }
    fn read<'a>(&'a self, argv: &'a ReadOnly, within: Span) -> Fut<'a, Result<Output, LinkError>> {
        self.0.read(argv, within)
    }
    fn exec<'a>(
        &'a self,
        permit: &'a Permit,
        argv: &'a Argv,
        within: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async move {
            (self.1)(argv)?;
            self.0.exec(permit, argv, within).await
        })
    }
}

fn meanwhile(
    stage: Stage,
    what: impl Fn(&Argv) -> Result<(), LinkError> + Send + Sync + 'static,
) -> Stage {
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let link = LocalHost::new(nas(), stage.hands.clone(), redactor);
    over(stage, Arc::new(Meanwhile(link, what)))
}

#[tokio::test]
async fn what_changes_between_look_and_deed_is_left_alone() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("grown", |file| {
            let text = [std::fs::read(file).unwrap(), b"more\n".to_vec()].concat();
            std::fs::write(file, text).unwrap();
        }),
        ("written anew", |file| set_age(file, Span::days(3))),
        ("replaced", |file| {
            std::fs::rename(file, file.with_extension("kept")).unwrap();
            std::fs::write(file, log_text(50_000)).unwrap();
            set_age(file, OLD);
        }),
        ("linked", |file| {
            std::fs::rename(file, file.with_extension("kept")).unwrap();
            symlink(file.with_extension("kept"), file).unwrap();
        }),
        ("named twice", |file| std::fs::hard_link(file, file.with_extension("twice")).unwrap()),
        ("behind a link", |file| {
            let folder = file.parent().unwrap();
            std::fs::rename(folder, folder.with_extension("kept")).unwrap();
            symlink(folder.with_extension("kept"), folder).unwrap();
        }),
    ];
    for (name, change) in changes {
        for tool in ["files.compress", "files.clean"] {
            let stage = stage();
            let file = old(&stage, "log/app.log.1", 50_000);
            let stage = meanwhile(stage, move |argv| {
                if ["compress", "away"].contains(&argv.args()[0].as_str()) {
                    change(&file);
                }
                Ok(())
            });
            let call = match tool {
                "files.clean" => clean(&stage, "rotated-logs"),
                tool => on_root(&stage, tool),
            };
            let (_, result) = stage.act(&call).await;
            let ActionResult::Failed(why) = &result else { panic!("{name}: {tool}: {result:?}") };
            assert!(why.contains("0 file"), "{name}: {tool}: {why}");
            let left = files(stage.dir.path());
            assert!(
                !left.iter().any(|(p, _)| p.extension().is_some_and(|e| e == "gz")),
                "{name}: {left:#?}"
            );
            assert!(files(&stage.dir.path().join("quarantine-of")).is_empty(), "{name}: {tool}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_what_is_unknown_and_nothing_is_forgotten() {
    let stage = stage();
    old(&stage, "log/a.log.1", 30_000);
    old(&stage, "log/b.log.1", 40_000);
    let before = files(&stage.root());
    // It happens, and nobody hears of it: the next word of that host is that it was moved.
    let stage = meanwhile(stage, move |argv| {
        if argv.args()[0] != "away" || !argv.args().last().unwrap().contains("b.log") {
            return Ok(());
        }
        let [from, to] = [
            argv.args().last().unwrap(),
            &format!("{}/{}/{}", argv.args()[2], argv.args()[3], argv.args()[4]),
        ];
        std::fs::rename(from, to).unwrap();
        Err(LinkError::Lost("the line is dead".into()))
    });
    let (undo, result) = stage.act(&clean(&stage, "rotated-logs")).await;
    let ActionResult::Unknown(why) = &result else { panic!("{result:?}") };
    assert!(why.contains("b.log.1 on nas") && why.contains("before it, 1 moved"), "{why}");
    let (_, result) = stage.act(&undone_by(&undo)).await;
    assert!(done(&result).starts_with("moved 2 files"), "{result:?}");
    assert!(files(&stage.root()) == before, "not as it was");
}

#[tokio::test]
async fn a_host_that_is_not_reached_is_told_once_and_nothing_is_promised() {
    let stage = stage();
    old(&stage, "log/a.log.1", 30_000);
    old(&stage, "log/b.log.1", 40_000);
    let dead = || LinkError::NotStarted("connection refused".into());
    let stage = meanwhile(stage, move |_| Err(dead()));
    for call in [on_root(&stage, "files.compress"), clean(&stage, "rotated-logs")] {
        let (_, result) = stage.act(&call).await;
        let told = matches!(&result, ActionResult::NotStarted(why) if why.contains("refused"));
        assert!(told, "{result:?}");
    }
    assert!(files(&stage.dir.path().join("quarantine-of")).is_empty());
    let call = Call { target: Target::host(HostName::of("gone")), ..on_root(&stage, "disk.usage") };
    let why = stage.query(&call).await.unwrap_err().to_string();
    assert!(why.contains("the config has no host gone"), "{why}");
}
