//! A backup that is declared is made, and counts once a newer file lies there.

use std::path::Path;
use std::sync::Arc;

use super::stage::{NOW, Stage, abs, done, here, target};
use crate::Fut;
use crate::clients::backup::BackupJob;
use crate::clients::host::local::LocalHost;
use crate::model::fact::{Fact, FactValue, Newest, Volume};
use crate::model::ids::{HostName, ToolName, Word};
use crate::model::target::{AbsPath, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Call, Tier};
use crate::model::value::Value;
use crate::policy::argv::Argv;
use crate::tool::grants::{Needs, grants};
use crate::tool::world::Deeds;

/// `[backup.photos]`, by a service.
pub(super) fn job() -> BackupJob {
    let argv = ["systemctl", "start", "--wait", "restic.service"].map(str::to_owned).to_vec();
    BackupJob {
        name: Word::of("photos"),
        host: here(),
        argv: Argv::new(argv).unwrap(),
        path: Some(AbsPath::new("/srv/backup/photos").unwrap()),
        longest: Span::hours(2),
    }
}

fn create(stage: &Stage, of: &str) -> Call {
    let target: Target = target(of);
    let mut call = stage.call("backup.create", &[("backup", Value::Target(target.clone()))]);
    call.target = target;
    call
}

fn lies(stage: &Stage, name: &str, age: Span, bytes: u64) {
    let path = AbsPath::new(&format!("/srv/backup/photos/{name}")).unwrap();
    let newest = Newest { path, changed_at: Millis(NOW) - age, bytes, files: 1 };
    let fact = Fact::Newest(AbsPath::new("/srv/backup/photos").unwrap());
    stage.host.facts.lock().unwrap().insert(fact, FactValue::Newest(Some(newest)));
}

#[derive(Debug)]
struct Before(Vec<Span>);

impl Deeds for Before {
    fn count<'a>(
        &'a self,
        _: &'a ToolName,
        _: &'a Target,
        _: Millis,
    ) -> Fut<'a, Result<u32, String>> {
        Box::pin(async { Ok(0) })
    }

    fn took<'a>(
        &'a self,
        _: &'a ToolName,
        _: &'a Target,
        _: Millis,
    ) -> Fut<'a, Result<Vec<Span>, String>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

#[tokio::test]
async fn a_preview_says_what_runs_how_long_it_took_and_what_is_free() {
    let mut stage = Stage::new();
    stage.world.deeds = Arc::new(Before(vec![Span::mins(25), Span::mins(12)]));
    let stage = stage.again();
    lies(&stage, "monday.tar", Span::days(4), 3 << 30);
    let volume = |mount: &str, free: u64| Volume {
        mount: AbsPath::new(mount).unwrap(),
        source: "/dev/sda1".into(),
        fs: "ext4".into(),
        total_bytes: 1 << 40,
        free_bytes: free,
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: None,
    };
    let volumes = vec![volume("/", 1 << 20), volume("/srv", 20 << 30)];
    stage.host.facts.lock().unwrap().insert(Fact::Volumes, FactValue::Volumes(volumes));
    let call = create(&stage, "mini:backup:photos");
    assert_eq!(stage.action(&call).tier(), Tier::Medium);
    let (effect, _) = stage.preview(&call).await.unwrap();
    for part in [
        "systemctl start --wait restic.service",
        "it took 12 min the last time, 25 min at the most of 2",
        "the newest is 4 d old, 3 GiB",
        "20 GiB are free on /srv",
    ] {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    assert_eq!(effect.takes, Some(Span::mins(25)));
    assert_eq!(*stage.host.commands.lock().unwrap(), [""; 0], "a preview runs nothing");
}

#[tokio::test]
async fn it_ended_well_and_left_nothing_newer_is_a_failure() {
    let stage = Stage::new();
    lies(&stage, "monday.tar", Span::days(4), 3 << 30);
    let call = create(&stage, "mini:backup:photos");
    let (_, result) = stage.act(&call).await;
    assert_eq!(result.word(), "failed");
    assert!(result.words().contains("nothing changed") && result.words().contains("monday.tar"));
    *stage.host.said.lock().unwrap() = Ok((1, "repository is locked".into()));
    let (_, result) = stage.act(&call).await;
    assert!(result.words().contains("repository is locked"), "{result:?}");
}

#[test]
fn only_what_is_declared_is_made_and_only_where_it_is() {
    let stage = Stage::with(|inventory, _| {
        let far = BackupJob { host: HostName::of("nas"), ..job() };
        inventory.backups.insert(Word::of("far"), Arc::new(far));
    });
    for (of, want) in
        [("mini:backup:music", "declares no [backup.music]"), ("mini:backup:far", "is made on nas")]
    {
        let why = stage.parse(&create(&stage, of)).err().unwrap().to_string();
        assert!(why.contains(want), "{of}: {why}");
    }
    let listed = grants(&HostName::of("nas"), &stage.world.inventory, &Needs::default());
    let far = listed.iter().find(|l| l.argv == job().argv).unwrap();
    assert_eq!(far.timeout, Span::hours(2));
}

/// A real script on this machine, and its real files.
#[tokio::test]
async fn a_real_backup_is_made_and_seen() {
    let script = |dir: &Path, body: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = dir.join("backup.sh");
        std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file.display().to_string()
    };
    let mut stage = Stage::with(|inventory, dir| {
        let lies = dir.join("backups");
        std::fs::create_dir(&lies).unwrap();
        std::fs::write(lies.join("old.tar"), "old").unwrap();
        super::stage::set_age(&lies.join("old.tar"), Span::days(400));
        let run = script(dir, "echo content >\"$1/new.tar\"");
        let argv = Argv::new(vec![run, lies.display().to_string()]).unwrap();
        let made = BackupJob { argv, path: Some(abs(&lies)), longest: Span::mins(1), ..job() };
        inventory.backups = [(Word::of("photos"), Arc::new(made))].into();
    });
    let link: Arc<dyn crate::clients::host::HostLink> = Arc::new(LocalHost::new(
        here(),
        stage.hands.clone(),
        Arc::new(crate::policy::redact::Redactor::new(Vec::new())),
    ));
    stage.world.hosts = [(here(), link)].into();
    let stage = stage.again();
    let (_, result) = stage.act(&create(&stage, "mini:backup:photos")).await;
    assert!(done(&result).contains("new.tar, 8 B"), "{result:?}");
}
