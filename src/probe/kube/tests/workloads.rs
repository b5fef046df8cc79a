//! Pods and what owns them: loops, rollouts, what somebody switched off.

use super::*;

/// Triage as the tick loop does it: `(opened, resolved)`.
fn triaged(state: &mut triage::SignalState, reading: &Reading) -> (bool, bool) {
    let (next, change) =
        std::mem::take(state).look(reading, &triage::Tuning::default(), reading.at);
    *state = next;
    let opened = matches!(change, Some(triage::Change::Opened { .. } | triage::Change::Noted));
    (opened, change == Some(triage::Change::Resolved))
}

#[tokio::test]
async fn a_crash_loop_is_found_although_it_seldom_shows() {
    for every in [5, 60] {
        let mut stage = Stage::new(home).await;
        stage.look().await;
        stage.fake.with(|e| e.keeper("deployments", "media", "index", 1, "oom:1"));
        let (mut state, mut opened, mut resolved, mut backed_off) =
            (triage::SignalState::default(), false, false, 0);
        let looks = 3_600 / every;
        let mut found = None;
        for i in 0..looks {
            stage.after(every).await;
            let pod = stage.fake.with(|e| e.pods("media", "index")[0].clone());
            let state_now = &pod["status"]["containerStatuses"][0]["state"];
            backed_off += i32::from(state_now["waiting"]["reason"] == "CrashLoopBackOff");
            let reading = stage.reading("k3s/media/deployment/index").clone();
            let (now_open, now_over) = triaged(&mut state, &reading);
            opened |= now_open;
            resolved |= now_over;
            if found.is_none() && state.severity() == Red {
                found = Some(i * every);
            }
        }
        assert!(
            i64::from(backed_off) < looks / 2,
            "it shows in few looks: {backed_off} of {looks}"
        );
        assert!(opened && !resolved, "every {every} s: opened {opened}, resolved {resolved}");
        let found = found.expect("red");
        assert!(found <= 420, "every {every} s it took {found} s");
        let reading = stage.reading("k3s/media/deployment/index");
        assert!(reading.words.as_str().contains("OOMKilled, exit code 137"), "{}", reading.words);
        // It heals.
        stage.fake.with(|e| e.image("deployments", "media", "index", "index:2"));
        let mut healed = false;
        for _ in 0..5 {
            stage.after(60).await;
            let reading = stage.reading("k3s/media/deployment/index").clone();
            healed |= triaged(&mut state, &reading).1;
        }
        assert!(healed, "{:?}", stage.told());
    }
}

#[tokio::test]
async fn a_loop_that_was_there_before_reef_is_red_once_it_showed() {
    let mut stage = Stage::new(|estate| {
        home(estate);
        estate.keeper("deployments", "media", "index", 1, "crash:1");
        estate.pass(3 * 3_600);
    })
    .await;
    let mut reds = Vec::new();
    for _ in 0..20 {
        stage.after(60).await;
        reds.push(stage.reading("k3s/media/deployment/index").severity);
    }
    // The back-off of five minutes shows for one of them; the rate needs 25 minutes to be sure.
    let first = reds.iter().position(|s| *s == Red).expect("red");
    assert!(first <= 6, "{reds:?}");
    assert!(reds[first..].iter().all(|s| *s == Red), "{reds:?}");
    stage.is("k3s/media/deployment/index", Red, "crash-loop");
}

#[tokio::test]
async fn one_restart_more_after_a_reboot_is_no_fault() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    for _ in 0..3 {
        stage.fake.with(|estate| {
            estate.kill("pi");
            estate.pass(40);
            estate.reboot("pi");
        });
        stage.after(20).await;
        assert!(stage.last.iter().all(|r| r.severity == Green), "{:#?}", stage.told());
        let changes = stage.probe.changes();
        let told: Vec<_> = changes.iter().map(|c| (c.target.to_string(), c.kind)).collect();
        assert_eq!(told, [("k3s:member:pi".to_owned(), ChangeKind::Reboot)]);
        stage.fake.pass(3_600);
    }
}

#[tokio::test]
async fn a_dead_node_explains_what_ran_on_it_whatever_its_pods_show() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    stage.fake.with(|estate| estate.kill("pi"));
    stage.after(40).await;
    assert!(stage.last.iter().all(|r| r.severity == Green), "nobody knows yet");
    stage.after(10).await;
    let node = stage.is("k3s:member:pi", Red, "unheard").signal.clone();
    let pod = stage.fake.with(|e| e.pods("media", "jellyfin")[0].clone());
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true, "it still shows 1/1");
    for workload in [JELLYFIN, "k3s/media/statefulset/db"] {
        let reading = stage.is(workload, Red, "node-lost");
        assert_eq!(reading.parent.as_ref(), Some(&node));
    }
    let logs = stage.is("k3s/kube-system/daemonset/log", Yellow, "node-lost");
    assert_eq!(logs.parent.as_ref(), Some(&node));
    // Replacements run elsewhere, while the old ones stay Terminating for as long as the node is away.
    stage.after(400).await;
    let pods = stage.fake.with(|e| e.pods("media", "jellyfin"));
    assert_eq!(pods.len(), 4, "two that end and two that run");
    stage.is(JELLYFIN, Green, "ok");
    // A stateful pod has no replacement before its node is back.
    let db = stage.reading("k3s/media/statefulset/db");
    assert_eq!((db.severity, db.parent.as_ref()), (Red, Some(&node)));
    stage.fake.with(|estate| estate.reboot("pi"));
    stage.after(30).await;
    assert!(stage.last.iter().all(|r| r.severity == Green), "{:#?}", stage.told());
}

#[tokio::test]
async fn what_somebody_switched_off_is_intended_and_recorded() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    stage.fake.with(|estate| {
        estate.scale("deployments", "media", "jellyfin", 0);
        estate.edit("nodes", "", "pi", |node| node["spec"]["unschedulable"] = true.into());
        let cron = json!({
            "metadata": { "namespace": "media", "name": "scan" },
            "spec": { "schedule": "0 3 * * *", "suspend": true },
        });
        estate.put("cronjobs", cron);
    });
    stage.after(60).await;
    assert!(stage.is(JELLYFIN, Green, "intended").words.as_str().contains("scaled to 0"));
    assert_eq!(stage.reading(JELLYFIN).intent, Intent::Deliberate);
    stage.is("k3s:member:pi", Green, "intended");
    stage.is("k3s/media/cronjob/scan", Green, "intended");
    stage.fake.with(|e| e.scale("deployments", "media", "jellyfin", 1));
    stage.after(60).await;
    stage.is(JELLYFIN, Green, "ok");
    let changes = stage.probe.changes();
    let told: Vec<String> =
        changes.iter().map(|c| format!("{} {}: {}", c.target, c.kind, c.words)).collect();
    assert_eq!(
        told,
        [
            "k3s:member:pi switched: switched off",
            "k3s/media/deployment/jellyfin switched: switched off",
            "k3s/media/deployment/jellyfin switched: switched on",
        ]
    );
}

#[tokio::test]
async fn a_rollout_has_its_time_and_a_failing_one_is_told_while_the_old_pods_serve() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    stage.fake.with(|e| e.image("deployments", "media", "jellyfin", "lazy:2"));
    stage.after(60).await;
    stage.is(JELLYFIN, Green, "rollout");
    let changes = stage.probe.changes();
    assert_eq!(changes[0].words.as_str(), "jellyfin:1 -> lazy:2");
    assert_eq!(changes[0].kind, ChangeKind::Image);
    stage.after(700).await;
    let stuck = stage.is(JELLYFIN, Yellow, "stuck");
    assert!(stuck.words.as_str().contains("past its deadline"), "{}", stuck.words);
    stage.fake.with(|e| e.image("deployments", "media", "jellyfin", "missing:3"));
    stage.after(60).await;
    let pull = stage.is(JELLYFIN, Yellow, "image-pull");
    assert!(pull.words.as_str().contains("2 of 2 ready"), "{}", pull.words);
    assert!(pull.words.as_str().contains("missing:3"), "{}", pull.words);
    // A new one that cannot start at all is down at once.
    stage.fake.with(|e| e.keeper("deployments", "media", "new", 1, "missing:1"));
    stage.after(60).await;
    stage.is("k3s/media/deployment/new", Red, "image-pull");
    stage.fake.with(|e| e.image("deployments", "media", "new", "new:2"));
    stage.after(60).await;
    stage.is("k3s/media/deployment/new", Green, "ok");
}

#[tokio::test]
async fn pending_and_not_ready_pods_are_given_five_minutes() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    stage.fake.with(|estate| {
        for node in ["pi", "pve1"] {
            estate.edit("nodes", "", node, |node| node["spec"]["unschedulable"] = true.into());
        }
        for pod in estate.pods("media", "jellyfin") {
            estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
        }
        estate.turn();
    });
    stage.after(60).await;
    stage.is(JELLYFIN, Yellow, "starting");
    stage.after(300).await;
    let pending = stage.is(JELLYFIN, Red, "unschedulable");
    assert!(pending.words.as_str().contains("0/1 nodes are available"), "{}", pending.words);
    assert_eq!(pending.values["ready"], Value::Int(0));
    // Running but never ready, with no rollout to excuse it.
    let mut stage = Stage::new(home).await;
    stage.fake.with(|e| e.pod(("media", "probe"), None, "probe", "lazy:1", None));
    stage.after(60).await;
    stage.is("k3s/media/pod/probe", Yellow, "starting");
    stage.after(300).await;
    let slow = stage.is("k3s/media/pod/probe", Red, "not-ready");
    assert!(slow.words.as_str().contains("app not ready for 6 min"), "{}", slow.words);
}

#[tokio::test]
async fn a_ready_that_lags_behind_is_not_believed() {
    let mut stage = Stage::new(home).await;
    let pod = stage.fake.with(|e| e.pods("media", "jellyfin")[0].clone());
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let now = stage.fake.with(|e| e.stamp());
    let lagging = |pod: &mut Json| {
        let one = &mut pod["status"]["containerStatuses"][0];
        one["state"] =
            json!({ "terminated": { "reason": "Error", "exitCode": 2, "finishedAt": now } });
        one["ready"] = true.into();
    };
    stage.fake.with(|e| e.edit("pods", "media", &name, lagging));
    stage.look().await;
    let reading = stage.is(JELLYFIN, Yellow, "crash");
    assert!(reading.words.as_str().starts_with("1 of 2 ready"), "{}", reading.words);
}

#[tokio::test]
async fn jobs_and_what_starts_them() {
    let owner = json!([{ "kind": "CronJob", "name": "backup", "controller": true }]);
    let job = |name: &str, owner: Json, at: &str, condition: Option<(&str, &str)>| {
        let conditions: Vec<Json> = condition
            .map(|(kind, reason)| {
                json!({ "type": kind, "status": "True", "reason": reason, "message": "said" })
            })
            .into_iter()
            .collect();
        json!({
            "metadata": { "namespace": "a", "name": name, "ownerReferences": owner },
            "spec": {}, "status": { "startTime": at, "conditions": conditions },
        })
    };
    let cron = |name: &str, zone: Json, last: &str| {
        json!({
            "metadata": { "namespace": "a", "name": name },
            "spec": { "schedule": "0 * * * *", "timeZone": zone },
            "status": { "lastScheduleTime": last, "active": null },
        })
    };
    let mut stage = Stage::new(|estate| {
        estate.node("pi");
        estate.put(
            "jobs",
            job(
                "migrate",
                Json::Null,
                "2026-10-31T23:00:00Z",
                Some(("Failed", "BackoffLimitExceeded")),
            ),
        );
        estate
            .put("jobs", job("import", Json::Null, "2026-10-31T23:00:00Z", Some(("Complete", ""))));
        estate.put("jobs", job("stuck", Json::Null, "2026-10-31T23:00:00Z", None));
        let by = Some(("Job", "stuck"));
        estate.pod(("a", "stuck-x"), by, "stuck", "missing:1", None);
        estate.put("cronjobs", cron("backup", Json::Null, "2026-11-01T00:00:00Z"));
        estate.put(
            "jobs",
            job("backup-1", owner.clone(), "2026-10-31T23:00:00Z", Some(("Complete", ""))),
        );
        estate.put(
            "jobs",
            job("backup-2", owner, "2026-11-01T00:00:00Z", Some(("Failed", "DeadlineExceeded"))),
        );
        estate.put("cronjobs", cron("late", "Europe/Berlin".into(), "2026-10-31T23:00:00Z"));
        estate.put("cronjobs", cron("unsure", Json::Null, "2026-10-31T23:00:00Z"));
        estate.put("cronjobs", cron("missed", Json::Null, "2026-10-31T21:00:00Z"));
        estate.put("cronjobs", cron("fine", "UTC".into(), "2026-11-01T00:00:00Z"));
        estate.pass(600);
    })
    .await;
    stage.look().await;
    stage.is("k3s/a/job/migrate", Yellow, "failed");
    stage.is("k3s/a/job/import", Green, "ok");
    stage.is("k3s/a/job/stuck", Yellow, "image-pull");
    let backup = stage.is("k3s/a/cronjob/backup", Red, "failed");
    assert!(
        backup.words.as_str().contains("backup-2 failed: DeadlineExceeded: said"),
        "{}",
        backup.words
    );
    assert!(stage.last.iter().all(|r| !r.signal.target.name().starts_with("a/job/backup")));
    stage.is("k3s/a/cronjob/late", Yellow, "missed");
    stage.is("k3s/a/cronjob/unsure", Green, "ok");
    stage.is("k3s/a/cronjob/missed", Yellow, "missed");
    stage.is("k3s/a/cronjob/fine", Green, "ok");
}
