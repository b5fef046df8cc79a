//! The fire drill goes the whole way on a private daemon, and one that is killed leaves nothing.

use std::time::Duration;

use reef::config::env::Env;
use reef::config::given::Source;
use reef::daemon::private::{Probes, start};
use reef::operator::order::{Order, Who};
use reef::operator::view::{DrillState, DrillView};

use crate::lab::{ALONE, Home, list};

#[tokio::test]
async fn a_drill_passes_without_root_network_or_model() {
    let state = tempfile::tempdir().unwrap();
    let private =
        start(Source::new("test", ""), state.path(), &Env::of([]), Probes::None).await.unwrap();
    let who = Who { uid: 0 };
    private.operator.carry_out(Order::Drill, who).await.unwrap();
    let view = loop {
        let view = private.operator.carry_out(Order::DrillProgress, who).await.unwrap();
        let view: DrillView = serde_json::from_value(view).unwrap();
        if view.state != DrillState::Running {
            break view;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for step in &view.steps {
        eprintln!("{} {} {}", step.after, step.word, step.words);
    }
    private.end().await;
    assert_eq!(view.state, DrillState::Passed, "{view:#?}");
    assert!(!state.path().join("drill").exists());
}

/// Whether anything is mounted below a folder.
fn mounted(folder: &std::path::Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.contains(folder.to_str().unwrap())
}

#[test]
fn a_daemon_killed_in_its_drill_starts_as_if_there_had_been_none() {
    let home = Home::new(ALONE);
    // Later in the way with each: planted, red, acting, verifying, undone.
    for wait in [30, 300, 1_100, 1_500, 2_500, 4_000] {
        let mut reef = home.start();
        let mut drill = reef.command();
        drill.arg("drill").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut drill = drill.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        reef.kill();
        drill.wait().unwrap();

        let mut reef = home.start();
        let scratch = home.state().join("drill");
        assert!(!scratch.exists() && !mounted(&scratch), "after {wait} ms: {}", reef.log());
        let status = reef.json(&["status"]);
        assert!(list(&status, "unknown_actions").is_empty(), "after {wait} ms: {status:#}");
        let open: Vec<_> =
            reef.incidents().into_iter().filter(|i| i["state"]["state"] != "resolved").collect();
        assert!(open.is_empty(), "after {wait} ms: {open:#?}");
        reef.reef(&["audit", "verify"]).ok();
        reef.stop();
    }
    let reef = home.start();
    reef.reef(&["drill"]).ok();
}

#[test]
fn the_folder_of_a_killed_drill_goes_with_the_next() {
    let home = Home::new("");
    let tmp = home.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let left = || std::fs::read_dir(&tmp).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let mut drill = home.command();
    drill.arg("drill").env("TMPDIR", &tmp).stdout(std::process::Stdio::null());
    let mut drill = drill.spawn().unwrap();
    let planted = || left().iter().any(|folder| folder.join("drill").join("app.log.40").exists());
    for _ in 0..200 {
        if planted() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(planted());
    drill.kill().unwrap();
    drill.wait().unwrap();
    assert_eq!(left().len(), 1);
    // What is not the folder of a process that is gone stays.
    let others =
        [tmp.join(format!("reef-alone-{}-1", std::process::id())), tmp.join("reef-alone-x")];
    others.iter().for_each(|other| std::fs::create_dir(other).unwrap());
    let mut next = home.command();
    let said = next.arg("drill").env("TMPDIR", &tmp).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    assert!(!mounted(&tmp));
    let mut stays = left();
    stays.sort();
    assert_eq!(stays, others);
}
