//! A backup server that answers as the real API does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value as Json, json};

use super::*;
use crate::clients::http::Http;
use crate::clients::http::loopback::serve;
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::config::keys::held;
use crate::model::severity::Severity::{Green, Red, Unknown, Yellow};
use crate::probe::ask::NoPast;

const NOW: Millis = Millis(1_760_000_000_000);
const HOUR: i64 = 3_600;

#[derive(Default)]
struct Fake {
    used: u64,
    error: Option<&'static str>,
    /// Namespace, group, hours ago, verification.
    snapshots: Vec<(&'static str, &'static str, i64, Option<&'static str>)>,
    /// Worker, of what, hours ago, status.
    tasks: Vec<(&'static str, &'static str, i64, Option<&'static str>)>,
}

impl Fake {
    fn data(&self, path: &str, query: &str) -> Option<Json> {
        let unix = |ago: i64| NOW.0 / 1_000 - ago * HOUR;
        Some(match path {
            "status/datastore-usage" => json!([{"store": "main", "total": 1_000_u64 << 30, "used": self.used << 30,
                "avail": (1_000 - self.used) << 30, "history": [], "gc-status": {}, "error": self.error}]),
            "admin/datastore/main/namespace" => json!([{"ns": ""}, {"ns": "pve2"}]),
            "admin/datastore/main/snapshots" => {
                let space = query.strip_prefix("ns=").unwrap_or("");
                let here = self.snapshots.iter().filter(|snapshot| snapshot.0 == space);
                json!(here.map(|(_, group, ago, verified)| {
                    let (sort, id) = group.split_once('/').unwrap();
                    let mut one = json!({"backup-type": sort, "backup-id": id, "backup-time": unix(*ago), "size": 1,
                        "files": [{"filename": "index.json.blob", "crypt-mode": "none"}], "protected": false, "owner": "a@pbs"});
                    if let Some(state) = verified {
                        one["verification"] = json!({"state": state, "upid": "UPID:pbs:1:2:3:4:verify:main:a@pbs:"});
                    }
                    one
                }).collect::<Vec<_>>())
            }
            "nodes/localhost/tasks" => json!(self.tasks.iter().map(|(worker, id, ago, status)| {
                let mut one = json!({"upid": "UPID:pbs:", "node": "pbs", "pid": 1, "pstart": 2, "starttime": unix(*ago) - 5,
                    "worker_type": worker, "worker_id": id, "user": "root@pam"});
                if let Some(status) = status {
                    one["endtime"] = json!(unix(*ago));
                    one["status"] = json!(status);
                }
                one
            }).collect::<Vec<_>>()),
            _ => return None,
        })
    }
}

async fn answer(
    State(fake): State<Arc<Mutex<Fake>>>,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let may = "PBSAPIToken=reef@pbs!reef:s3cret";
    if headers.get("authorization").is_none_or(|said| said.to_str().ok() != Some(may)) {
        return (StatusCode::UNAUTHORIZED, "authentication failed - invalid credentials\n".into());
    }
    let path = uri.path().strip_prefix("/api2/json/").unwrap_or("-");
    match fake.lock().unwrap().data(path, uri.query().unwrap_or_default()) {
        Some(data) => (StatusCode::OK, json!({ "data": data }).to_string()),
        None => (StatusCode::NOT_FOUND, format!("Path '{path}' not found.\n")),
    }
}

async fn look(fake: Fake, secret: &str) -> BTreeMap<String, (Severity, String, String)> {
    let app = Router::new().fallback(answer).with_state(Arc::new(Mutex::new(fake)));
    let (base, _tasks) = serve(app).await;
    let login = Login::Token { before: "PBSAPIToken=reef@pbs!reef:".into(), key: held(secret) };
    let url = WebUrl::parse(&base).unwrap();
    let api = Api { http: Http::new(), url, login, timeout: Span::secs(5) };
    let settings = Settings {
        newest_within: Span::hours(26),
        ignore: vec!["vm/103".into()],
        levels: (85.0, 95.0),
    };
    let voice = Voice::new("pbs", "mini:endpoint:pbs".parse().unwrap());
    let mut probe = PbsProbe::new(settings, voice, BackupServer { api }, Span::secs(20));
    let told = probe.look(&NoPast, NOW).await;
    told.into_iter()
        .map(|r| {
            let name = r.signal.target.name().trim_start_matches("pbs").trim_start_matches('.');
            let name = name.split('.').next().unwrap();
            (
                format!("{name} {}", r.signal.aspect),
                (r.severity, r.reason.to_string(), r.words.to_string()),
            )
        })
        .collect()
}

#[tokio::test]
async fn each_group_is_held_against_its_own_rhythm() {
    let weekly = |space, group| [1, 2, 3, 4, 5].map(|week| (space, group, week * 168 - 100, None));
    let fresh = ("", "vm/100", 3, Some("ok"));
    for (more, severity, words) in [
        (vec![], Green, "all 1 groups have a new snapshot"),
        (vec![("", "vm/103", 900, None)], Green, "all 1 groups have a new snapshot"),
        (weekly("", "host/nas").to_vec(), Green, "all 2 groups have a new snapshot"),
        (
            vec![("pve2", "ct/101", 30, None)],
            Yellow,
            "1 of 2 groups are late: pve2/ct/101 30 h ago; name",
        ),
        (
            vec![("", "ct/101", 79, None), ("", "vm/102", 28, None)],
            Red,
            "2 of 3 groups are late: ct/101 3 d",
        ),
    ] {
        let mut snapshots = vec![fresh];
        snapshots.extend(more);
        let told = look(Fake { used: 100, snapshots, ..Fake::default() }, "s3cret").await;
        let newest = &told["main newest"];
        assert!(newest.0 == severity && newest.2.starts_with(words), "{newest:?} is not {words}");
    }
}

#[tokio::test]
async fn room_verification_and_jobs_have_their_own_signals() {
    let snapshots = vec![
        ("", "vm/100", 3, Some("failed")),
        ("", "vm/100", 27, Some("ok")),
        ("", "vm/101", 3, None),
    ];
    let tasks = vec![
        ("garbage_collection", "main", 2, Some("unable to lock")),
        ("garbage_collection", "main", 30, Some("OK")),
        ("prunejob", "main::daily", 2, Some("OK")),
        ("syncjob", "far:main:main::s-1", 2, None),
        ("syncjob", "far:main:main::s-1", 26, Some("connection refused")),
        ("verificationjob", "main:v-1", 2, Some("WARNINGS: 1")),
        ("backup", "main:vm/100", 3, Some("connection closed")),
    ];
    let told = look(Fake { used: 960, snapshots, tasks, ..Fake::default() }, "s3cret").await;
    let brief: Vec<_> = told
        .iter()
        .map(|(name, (severity, reason, _))| (name.as_str(), *severity, reason.as_str()))
        .collect();
    assert_eq!(
        brief,
        [
            (" server", Green, "ok"),
            ("garbage-collection-main job", Yellow, "failed"),
            ("main newest", Green, "ok"),
            ("main used", Red, "full"),
            ("main verified", Red, "failed"),
            ("prune-main--daily job", Green, "ok"),
            ("sync-far-main-main--s-1 job", Red, "failed"),
            ("verification-main-v-1 job", Green, "warned"),
        ]
    );
    assert_eq!(told["main verified"].2, "1 snapshots failed verification: vm/100");
    assert_eq!(
        told["garbage-collection-main job"].2,
        "garbage collection of main failed 2 h ago: unable to lock"
    );
}

#[tokio::test]
async fn a_store_that_is_not_mounted_is_red_and_a_wrong_token_is_blindness() {
    let told =
        look(Fake { error: Some("datastore is not mounted"), ..Fake::default() }, "s3cret").await;
    assert_eq!((told["main used"].0, told["main used"].1.as_str()), (Red, "error"));
    assert!(!told.contains_key("main newest"));
    let told = look(Fake::default(), "wrong").await;
    assert_eq!((told.len(), told[" server"].0, told[" server"].1.as_str()), (1, Unknown, "denied"));
}
