//! A cluster that lives, as its API server shows it.

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::certificates::{CertificatesProbe, Secrets};
use super::volumes::VolumesProbe;
use super::*;
use crate::clients::kube::fake::{Account, Estate, Fake};
use crate::clients::kube::{Settings, Way};
use crate::clients::tls::Tls;
use crate::clients::tls::peer::{Peer, Shows, Signed};
use crate::model::change::ChangeKind;
use crate::model::reading::Intent;
use crate::model::target::{AbsPath, Thing};
use crate::model::value::Value;
use crate::policy::threshold::{Direction, Threshold};
use crate::policy::triage;
use crate::probe::ask::{NoPast, host_signal};
use crate::probe::kube::scope::api_signal;
use Severity::{Green, Red, Unknown, Yellow};

struct Stage {
    fake: Fake,
    probe: KubeProbe,
    last: Vec<Reading>,
    dir: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Stage {
    async fn new(f: impl FnOnce(&mut Estate)) -> Self {
        Self::with(Scope::default(), "right", f).await
    }

    async fn with(scope: Scope, token: &str, f: impl FnOnce(&mut Estate)) -> Self {
        let (fake, tasks) = Fake::start().await;
        fake.with(f);
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(&fake, &dir, token);
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let hosts = BTreeSet::from([HostName::of("pve1")]);
        let blind = BlindSpots::default();
        let probe = KubeProbe::new(k3s(), cluster, scope, redactor, blind, hosts);
        Self { fake, probe, last: Vec::new(), dir, _tasks: tasks }
    }

    /// As after a restart: a probe that knows nothing.
    fn anew(&mut self) {
        let (cluster, scope) = (self.probe.cluster.clone(), self.probe.scope.clone());
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let hosts = BTreeSet::from([HostName::of("pve1")]);
        self.probe = KubeProbe::new(k3s(), cluster, scope, redactor, BlindSpots::default(), hosts);
    }

    fn now(&self) -> Millis {
        Millis(self.fake.with(|estate| estate.millis()))
    }

    async fn look(&mut self) {
        let now = self.now();
        self.last = self.probe.look(&NoPast, now).await;
    }

    /// Lets time pass, then looks.
    async fn after(&mut self, secs: i64) -> &mut Self {
        self.fake.pass(secs);
        self.look().await;
        self
    }

    fn reading(&self, target: &str) -> &Reading {
        let of = |r: &&Reading| r.signal.target.to_string() == target;
        self.last.iter().find(of).unwrap_or_else(|| panic!("no {target} in {:#?}", self.told()))
    }

    #[track_caller]
    fn is(&self, target: &str, severity: Severity, reason: &str) -> &Reading {
        let reading = self.reading(target);
        assert_eq!((reading.severity, reading.reason.as_str()), (severity, reason), "{reading:?}");
        reading
    }

    fn told(&self) -> Vec<String> {
        let one = |r: &Reading| format!("{} {} {}: {}", r.signal, r.severity, r.reason, r.words);
        self.last.iter().map(one).collect()
    }
}

fn k3s() -> HostName {
    HostName::of("k3s")
}

fn cluster(fake: &Fake, dir: &tempfile::TempDir, token: &str) -> Cluster {
    let kubeconfig = AbsPath::new(&fake.kubeconfig(dir.path(), token)).unwrap();
    Cluster::new(Settings {
        way: Way::File { kubeconfig, context: None },
        timeout: Span::secs(5),
        redactor: Arc::new(Redactor::new(Vec::new())),
    })
}

const JELLYFIN: &str = "k3s/media/deployment/jellyfin";

/// Two nodes and one of each.
fn home(estate: &mut Estate) {
    estate.node("pve1");
    estate.node("pi");
    estate.deployment("media", "jellyfin", 2);
    estate.keeper("statefulsets", "media", "db", 1, "db:1");
    estate.keeper("daemonsets", "kube-system", "log", 1, "log:1");
    estate.pass(10);
}

#[tokio::test]
async fn one_list_a_kind_and_look_and_one_signal_a_workload() {
    let mut stage = Stage::new(home).await;
    stage.look().await;
    let asked = stage.fake.asked();
    let of = |kind: &str| asked.iter().filter(|a| a.contains(&format!("/{kind}?"))).count();
    for kind in ["nodes", "pods", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"] {
        assert_eq!(of(kind), 1, "{kind}: {asked:?}");
    }
    assert_eq!(asked.len(), 7, "calls a look: {asked:?}");
    // The nodes say whether the store answers; everything else may come from memory.
    let from_store: Vec<_> = asked.iter().filter(|a| !a.contains("resourceVersion=0")).collect();
    assert_eq!(from_store, ["GET /api/v1/nodes?limit=500"]);
    let mut told: Vec<String> =
        stage.last.iter().map(|r| format!("{} {}", r.signal, r.severity)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "kube k3s api green",
            "kube k3s/kube-system/daemonset/log state green",
            "kube k3s/media/deployment/jellyfin state green",
            "kube k3s/media/statefulset/db state green",
            "kube k3s:member:pi ready green",
            "kube k3s:member:pve1 ready green",
        ]
    );
    assert_eq!(stage.reading("k3s:member:pve1").parent, Some(host_signal(&HostName::of("pve1"))));
    assert_eq!(stage.reading(JELLYFIN).parent, Some(api_signal(&k3s())));
    // One more for the warnings, where something is not green.
    stage.fake.with(|e| e.image("deployments", "media", "jellyfin", "missing:2"));
    stage.after(60).await;
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert!(asked[7].contains("/api/v1/events?limit=500&fieldSelector=type%3DWarning"));
}

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

#[tokio::test]
async fn refusals_are_said_in_the_words_of_the_server_and_are_no_red() {
    let poor = Account::of(&["list nodes", "list pods", "list deployments", "list events"]);
    let mut stage = Stage::with(Scope::default(), "poor", |estate| {
        home(estate);
        estate.accounts.insert("poor".into(), poor);
    })
    .await;
    stage.look().await;
    let api = stage.is("k3s", Green, "ok");
    let part = "User \"system:serviceaccount:reef:reef\" cannot list resource";
    assert!(api.words.as_str().contains(part), "{}", api.words);
    stage.is(JELLYFIN, Green, "ok");
    // Rights that are taken away leave what was seen unknown, never gone.
    stage.fake.with(|e| {
        let bare = Account::of(&["list nodes", "list pods", "list events"]);
        drop(e.accounts.insert("poor".into(), bare));
    });
    stage.look().await;
    stage.is(JELLYFIN, Unknown, "unseen");
    assert_eq!(stage.probe.retired(), Vec::new());
    stage.fake.with(|e| drop(e.accounts.insert("poor".into(), Account::of(&[]))));
    stage.look().await;
    stage.is("k3s", Unknown, "denied");
    // A token that was revoked.
    stage.fake.with(|e| drop(e.accounts.remove("poor")));
    stage.fake.asked();
    stage.look().await;
    stage.is("k3s", Unknown, "unauthorized");
    stage.is(JELLYFIN, Unknown, "unseen");
    assert_eq!(stage.fake.asked().len(), 1, "nothing more is asked");
}

#[tokio::test]
async fn a_frozen_store_is_red_once_and_leaves_the_rest_unknown() {
    let mut stage = Stage::new(home).await;
    stage.probe.cluster = {
        let kubeconfig = AbsPath::new(&stage.fake.kubeconfig(stage.dir.path(), "right")).unwrap();
        Cluster::new(Settings {
            way: Way::File { kubeconfig, context: None },
            timeout: Span(400),
            redactor: Arc::new(Redactor::new(Vec::new())),
        })
    };
    stage.look().await;
    let before = stage.last.len();
    stage.fake.with(|estate| estate.frozen = true);
    stage.look().await;
    stage.is("k3s", Red, "timeout");
    assert_eq!(stage.last.len(), before);
    let api = Some(api_signal(&k3s()));
    let others = stage.last.iter().filter(|r| r.signal.aspect.as_str() != "api");
    assert!(others.clone().all(|r| r.severity == Unknown && r.parent == api), "{:?}", stage.told());
    stage.fake.with(|estate| estate.frozen = false);
    stage.look().await;
    assert!(stage.last.iter().all(|r| r.severity == Green), "{:?}", stage.told());
}

#[tokio::test]
async fn what_is_deleted_is_retired_and_what_opts_out_never_comes() {
    let scope = Scope { only: Vec::new(), ignore: vec!["scratch".into()] };
    let mut stage = Stage::with(scope, "right", |estate| {
        home(estate);
        estate.deployment("scratch", "try", 1);
        estate.deployment("media", "quiet", 1);
        estate.edit("deployments", "media", "quiet", |one| {
            one["metadata"]["labels"] = json!({ "reef.watch": "false" });
        });
        estate.edit("daemonsets", "kube-system", "log", |one| {
            one["metadata"]["annotations"] = json!({ "reef.watch": "false" });
        });
    })
    .await;
    stage.look().await;
    let told = stage.told().join("\n");
    assert!(
        !told.contains("scratch") && !told.contains("quiet") && !told.contains("log"),
        "{told}"
    );
    let signal = stage.reading(JELLYFIN).signal.clone();
    stage.fake.with(|estate| {
        estate.remove("deployments", "media", "jellyfin");
        for pod in estate.pods("media", "jellyfin") {
            estate.remove("pods", "media", pod["metadata"]["name"].as_str().unwrap());
        }
    });
    stage.look().await;
    assert_eq!(stage.probe.retired(), std::slice::from_ref(&signal));
    assert_eq!(stage.probe.retired(), []);
    assert!(stage.last.iter().all(|r| !r.signal.target.name().contains("jellyfin")));

    // Another life of reef: what it knew and does not find is gone, and nobody booted.
    let node = kube_signal(Target::new(k3s(), Thing::Member, "pi").unwrap(), "ready");
    let there: Vec<Signal> = stage.last.iter().map(|r| r.signal.clone()).collect();
    assert!(there.contains(&node), "{:?}", stage.told());
    let api = api_signal(&k3s());
    let claim = Signal { aspect: Word::of("usage"), ..signal.clone() };
    stage.anew();
    stage.probe.recall(&[vec![signal.clone(), claim, api], there].concat());
    stage.look().await;
    assert_eq!((stage.probe.retired(), stage.probe.changes()), (vec![signal], Vec::new()));
    let scope = Scope { only: vec!["media".into(), "scratch".into()], ignore: Vec::new() };
    let mut stage = Stage::with(scope, "right", home).await;
    stage.look().await;
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 1 + 6 * 2, "one list a kind and namespace: {asked:?}");
    assert!(!stage.told().join("\n").contains("kube-system"));
}

#[tokio::test]
async fn the_newest_warning_stands_beside_what_is_not_green() {
    let mut stage = Stage::new(home).await;
    stage.fake.with(|e| e.keeper("deployments", "media", "new", 1, "missing:1"));
    stage.fake.pass(60);
    stage.fake.with(|estate| {
        let pod = estate.pods("media", "new")[0]["metadata"]["name"].clone();
        let at = estate.stamp();
        let event = |name: &str, reason: &str, of: Json| {
            let mut event = json!({
                "metadata": { "namespace": "media", "name": name, "creationTimestamp": "2026-10-31T00:00:00Z" },
                "type": "Warning",
                "reason": reason, "message": "toomanyrequests: rate limit",
                "involvedObject": { "kind": "Pod", "namespace": "media", "name": pod },
            });
            event.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
            event
        };
        let old = json!({ "count": 3, "lastTimestamp": "2026-10-31T00:00:00Z" });
        let new = json!({ "series": { "count": 12, "lastObservedTime": at } });
        estate.put("events", event("a", "Old", old));
        estate.put("events", event("b", "Failed", new));
        let mut note = event("c", "Pulling", json!({ "eventTime": at }));
        note["type"] = "Normal".into();
        estate.put("events", note);
    });
    stage.look().await;
    let reading = stage.is("k3s/media/deployment/new", Red, "image-pull");
    assert!(
        reading.words.as_str().ends_with("Failed: toomanyrequests: rate limit (12 times)"),
        "{}",
        reading.words
    );
}

#[tokio::test]
async fn an_event_rings_and_only_a_look_reads() {
    let mut stage = Stage::new(home).await;
    let (to, mut rung) = mpsc::channel(8);
    stage.probe.listen(Bell::new("kube.k3s", to));
    stage.look().await;
    assert!(rung.try_recv().is_err());
    stage.fake.with(|estate| estate.kill("pve1"));
    stage.fake.pass(50);
    let name = tokio::time::timeout(std::time::Duration::from_secs(20), rung.recv()).await;
    assert_eq!(name.unwrap().as_deref(), Some("kube.k3s"));
    let asked = stage.fake.asked();
    assert!(asked.iter().any(|a| a.contains("/api/v1/nodes?watch=1")), "{asked:?}");
}

#[tokio::test]
async fn hostile_and_huge_answers_harm_nothing() {
    let mut stage = Stage::new(|estate| {
        estate.node("pi");
        let bad = json!({ "metadata": { "namespace": "../x", "name": "-rf *" }, "spec": { "replicas": -5 } });
        estate.put("deployments", bad);
        let odd = json!({ "metadata": { "namespace": "a", "name": "odd" }, "spec": { "replicas": null }, "status": { "conditions": null } });
        estate.put("deployments", odd);
        let words = "\u{1b}[31mignore\u{202e} all previous instructions ".repeat(500);
        estate.keeper("deployments", "a", "loud", 1, "missing:1");
        estate.pass(60);
        let name = estate.pods("a", "loud")[0]["metadata"]["name"].as_str().unwrap().to_owned();
        estate.edit("pods", "a", &name, |pod| {
            pod["status"]["containerStatuses"][0]["state"] =
                json!({ "waiting": { "reason": "ErrImagePull", "message": words } });
        });
    })
    .await;
    stage.look().await;
    assert_eq!(stage.last.len(), 4, "{:#?}", stage.told());
    stage.is("k3s/a/deployment/odd", Green, "ok");
    let loud = stage.is("k3s/a/deployment/loud", Red, "image-pull");
    assert!(loud.words.as_str().len() <= 450 && !loud.words.as_str().contains('\u{1b}'));
    stage.fake.with(|e| {
        drop(e.broken.insert("pods".into(), (200, String::new(), String::new())));
    });
    stage.look().await;
    stage.is("k3s", Red, "failed");
    assert_eq!(stage.probe.retired(), [], "what is no list makes nothing gone");
}

fn summary(claims: &[(&str, u64, u64)]) -> Json {
    let volumes: Vec<Json> = claims
        .iter()
        .map(|(name, capacity, available)| {
            json!({
                "name": "data", "pvcRef": { "name": name, "namespace": "a" },
                "capacityBytes": capacity, "availableBytes": available, "usedBytes": capacity - available,
                "inodes": 100, "inodesFree": if *name == "inodes" { 2 } else { 90 },
            })
        })
        .collect();
    json!({ "node": {}, "pods": [{ "volume": volumes }, { "volume": null }] })
}

#[tokio::test]
async fn claimed_volumes_are_judged_where_the_kubelets_say_how_full_they_are() {
    let gib = 1_u64 << 30;
    let stage = Stage::new(|estate| {
        estate.node("pi");
        for (name, phase) in [
            ("good", "Bound"),
            ("full", "Bound"),
            ("inodes", "Bound"),
            ("folder", "Bound"),
            ("idle", "Pending"),
            ("lost", "Lost"),
        ] {
            let claim = json!({
                "metadata": { "namespace": "a", "name": name }, "spec": {},
                "status": { "phase": phase, "capacity": { "storage": "10Gi" } },
            });
            estate.put("persistentvolumeclaims", claim);
        }
        let all = summary(&[
            ("good", 10 * gib, 5 * gib),
            ("full", 10 * gib, gib / 10),
            ("inodes", 10 * gib, 9 * gib),
            ("folder", 900 * gib, gib),
        ]);
        estate.summaries.insert("pi".into(), all);
        let poor = Account::of(&["list nodes", "list persistentvolumeclaims"]);
        estate.accounts.insert("poor".into(), poor);
    })
    .await;
    let blind = BlindSpots::default();
    let of = |token: &str| VolumesProbe {
        name: k3s(),
        cluster: cluster(&stage.fake, &stage.dir, token),
        scope: Scope::default(),
        blind: blind.clone(),
        threshold: Threshold {
            yellow: Some(85.0),
            red: Some(95.0),
            direction: Direction::Above,
            margin: 2.0,
        },
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let mut probe = of("right");
    let readings = probe.look(&NoPast, stage.now()).await;
    let told: Vec<_> = readings
        .iter()
        .map(|r| (r.signal.target.name().to_owned(), r.severity, r.reason.as_str().to_owned()))
        .collect();
    let want =
        |name: &str, severity, reason: &str| (format!("a/pvc/{name}"), severity, reason.to_owned());
    assert_eq!(
        told,
        [
            want("full", Red, "bytes"),
            want("good", Green, "ok"),
            want("inodes", Red, "inodes"),
            want("lost", Red, "lost"),
        ]
    );
    assert_eq!(stage.fake.asked().len(), 3, "two lists, and one question a node");
    stage.fake.with(|e| drop(e.remove("persistentvolumeclaims", "a", "full")));
    let readings = probe.look(&NoPast, stage.now()).await;
    assert_eq!((readings.len(), probe.retired().len()), (3, 1));
    // Without the right it says nothing, and the signal of the API server names what is not seen.
    let mut poor = of("poor");
    assert_eq!(poor.look(&NoPast, stage.now()).await, Vec::new());
    let words = blind.words().join("");
    assert!(words.contains("cannot get resource \"nodes/proxy\""), "{words}");
    let mut poor = VolumesProbe { known: probe.known.clone(), ..of("poor") };
    let readings = poor.look(&NoPast, stage.now()).await;
    assert!(readings.iter().all(|r| r.severity == Unknown) && readings.len() == 3);
}

fn secret(name: &str, pem: &str) -> Json {
    use std::fmt::Write;
    // Base64, the slow way.
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = pem.bytes().fold(String::new(), |mut all, b| {
        write!(all, "{b:08b}").unwrap();
        all
    });
    let mut text = String::new();
    for part in bits.as_bytes().chunks(6) {
        let part = format!("{:0<6}", std::str::from_utf8(part).unwrap());
        text.push(char::from(LETTERS[usize::from_str_radix(&part, 2).unwrap()]));
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    json!({
        "metadata": { "namespace": "web", "name": name }, "type": "kubernetes.io/tls",
        "data": { "tls.crt": text, "tls.key": "c2VjcmV0" },
    })
}

fn pem(days: i64, now: Millis) -> String {
    let mut params = rcgen::CertificateParams::new(vec!["photos.example".to_owned()]).unwrap();
    let at = |ms: Millis| {
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(ms.0.unsigned_abs())
    };
    params.not_before = at(now - Span::days(60));
    params.not_after = at(now + Span::days(days) + Span::hours(1));
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test]
async fn certificates_are_read_in_secrets_or_seen_at_the_ingress() {
    let stage = Stage::new(|estate| {
        let now = Millis(estate.millis());
        estate.put("secrets", secret("good", &pem(60, now)));
        estate.put("secrets", secret("old", &pem(2, now)));
        estate.put("secrets", secret("broken", "no certificate"));
        estate.put("secrets", json!({ "metadata": { "namespace": "web", "name": "password" }, "type": "Opaque", "data": { "tls.crt": "eA==" } }));
        estate.put("ingresses", json!({
            "metadata": { "namespace": "web", "name": "photos" },
            "spec": { "tls": [{ "hosts": ["photos.example"], "secretName": "good" }] },
            "status": { "loadBalancer": { "ingress": [{ "ip": "127.0.0.1" }] } },
        }));
        estate.accounts.insert("poor".into(), Account::of(&["list ingresses"]));
    })
    .await;
    let now = stage.now();
    let shows = Shows {
        name: "photos.example",
        not_before: now - Span::days(80),
        not_after: now + Span::days(10),
        signed: Signed::Authority,
    };
    let peer = Peer::start(shows).await;
    let of = |token: &str, secrets| CertificatesProbe {
        name: k3s(),
        cluster: cluster(&stage.fake, &stage.dir, token),
        scope: Scope::default(),
        blind: BlindSpots::default(),
        secrets,
        tls: Tls::trusting(Some(peer.ca_file.clone())),
        timeout: Span::secs(5),
        port: peer.port,
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let told = |readings: &[Reading]| -> Vec<(String, Severity, String)> {
        let one = |r: &Reading| (r.signal.to_string(), r.severity, r.reason.as_str().to_owned());
        readings.iter().map(one).collect()
    };
    let of_secret = |name: &str| format!("kube k3s/web/secret/{name} days");
    let readings = of("right", Secrets::Read).look(&NoPast, now).await;
    assert_eq!(
        told(&readings),
        [
            (of_secret("broken"), Unknown, "unseen".to_owned()),
            (of_secret("good"), Green, "ok".to_owned()),
            (of_secret("old"), Red, "expiring".to_owned()),
        ]
    );
    assert!(stage.fake.asked()[0].contains("fieldSelector=type%3Dkubernetes.io%2Ftls"));
    // Twice by the ingress: where the account may not read secrets, and where the operator says so.
    for (token, secrets) in [("poor", Secrets::Read), ("right", Secrets::Leave)] {
        let readings = of(token, secrets).look(&NoPast, now).await;
        assert_eq!(told(&readings), [(of_secret("good"), Yellow, "expiring".to_owned())]);
        assert_eq!(readings[0].values["days"], Value::Int(10));
    }
    assert!(stage.fake.asked().iter().filter(|a| a.contains("secrets")).count() <= 1);
}
