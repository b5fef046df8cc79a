//! The client against an engine that answers what a real one answered.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::*;
use crate::clients::docker::stream::Wakes;

/// An engine with these containers; its answers are made of what a real one told.
#[derive(Default)]
struct Estate {
    list: Vec<Json>,
    inspect: BTreeMap<String, Json>,
    events: String,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Estate>>;

struct Engine {
    shared: Shared,
    _dir: tempfile::TempDir,
    place: Place,
    tasks: JoinSet<()>,
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let mut estate = shared.lock().unwrap();
    estate.asked.push(path.clone());
    let headers = [("api-version", "1.41")];
    let Some(rest) = path.strip_prefix("/v1.41") else {
        return match path.as_str() {
            "/_ping" => (headers, "OK").into_response(),
            _ => (StatusCode::BAD_REQUEST, r#"{"message":"client version 1.99 is too new"}"#)
                .into_response(),
        };
    };
    let json = |value: Json| axum::Json(value).into_response();
    if let Some(id) = rest.strip_prefix("/containers/").and_then(|r| r.strip_suffix("/json")) {
        return match estate.inspect.get(id) {
            Some(found) => json(found.clone()),
            None => (StatusCode::NOT_FOUND, r#"{"message":"No such container"}"#).into_response(),
        };
    }
    match rest {
        "/containers/json" => json(Json::Array(estate.list.clone())),
        "/images/json" => json(serde_json::from_str(include_str!("recorded/images.json")).unwrap()),
        "/events" => estate.events.clone().into_response(),
        "/nodes" => {
            let said =
                r#"{"message":"This node is not a swarm manager. Use \"docker swarm init\""}"#;
            (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Engine {
    fn start() -> Self {
        let all: Vec<Json> = serde_json::from_str(include_str!("recorded/inspect.json")).unwrap();
        let inspect = all.into_iter().map(|i| (i["Id"].as_str().unwrap().to_owned(), i)).collect();
        let list = serde_json::from_str(include_str!("recorded/list.json")).unwrap();
        let shared = Shared::new(Mutex::new(Estate { list, inspect, ..Estate::default() }));
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let place = Place { socket, named: Named::Yes, stacks: Vec::new() };
        Self { shared, _dir: dir, place, tasks }
    }

    fn estate<T>(&self, change: impl FnOnce(&mut Estate) -> T) -> T {
        change(&mut self.shared.lock().unwrap())
    }

    /// What was asked since the last call.
    fn asked(&self) -> Vec<String> {
        self.estate(|estate| std::mem::take(&mut estate.asked))
    }

    /// Everything has stood for so long; what restarts all the time is gone.
    fn ages(&self, words: &str) {
        self.estate(|estate| {
            estate.list.retain(|row| row["Names"][0] != "/loop");
            for row in &mut estate.list {
                let status = row["Status"].as_str().unwrap().to_owned();
                let told = match status.split_once(' ') {
                    Some(("Up", rest)) => {
                        let mark = rest.find('(').map_or("", |at| &rest[at..]);
                        format!("Up {words} {mark}")
                    }
                    Some(("Exited", rest)) => {
                        format!("Exited {} {words} ago", rest.split(' ').next().unwrap())
                    }
                    _ => status,
                };
                row["Status"] = told.trim_end().into();
            }
        });
    }
}

fn all() -> BTreeSet<Fact> {
    BTreeSet::from([Fact::Containers, Fact::Stacks, Fact::Swarm])
}

/// When the recording was made.
const THEN: Millis = Millis(1_795_215_485_000);

fn containers(facts: &Facts) -> BTreeMap<String, Container> {
    let Ok(FactValue::Containers(all)) = &facts[&Fact::Containers] else { panic!("{facts:?}") };
    all.iter().map(|c| (c.name.clone(), c.clone())).collect()
}

#[tokio::test]
async fn a_quiet_tick_is_one_list() {
    let engine = Engine::start();
    let docker = Docker::new(engine.place.clone());
    let facts = docker.facts(&all(), THEN).await;
    let told = containers(&facts);
    assert_eq!(told.len(), 12);
    assert_eq!(told["oom"].ended, Ended::Oom);
    assert_eq!(told["well"].image_created_at, Some(Millis(1_795_215_447_000)));
    assert_eq!(facts[&Fact::Swarm], Ok(FactValue::Swarm(None)));
    assert_eq!(facts[&Fact::Stacks], Ok(FactValue::Stacks(vec![])));
    let asked = engine.asked();
    // The ping, the list, a look at each, events, images, nodes.
    assert_eq!((asked.len(), asked[0].as_str()), (1 + 1 + 12 + 1 + 1 + 1, "/_ping"));

    // A minute later nothing happened: the sick one alone is looked at again.
    engine.ages("2 minutes");
    docker.facts(&all(), THEN + Span::mins(1)).await;
    let sick = told["sick"].id.clone();
    let asked = engine.asked();
    assert_eq!(
        asked,
        ["/v1.41/containers/json".to_owned(), format!("/v1.41/containers/{sick}/json")]
    );
    engine.estate(|e| e.list.retain(|row| row["Id"] != sick.as_str()));
    docker.facts(&all(), THEN + Span::mins(2)).await;
    assert_eq!(engine.asked(), ["/v1.41/containers/json"]);
    assert_eq!(docker.calls(), 17 + 2 + 1);
    // Nobody who wants no such fact asks anything.
    assert!(docker.facts(&BTreeSet::from([Fact::Cpu]), THEN).await.is_empty());
    assert!(engine.asked().is_empty());
}

#[tokio::test]
async fn a_container_that_changed_is_looked_at_and_one_that_went_is_passed_over() {
    let engine = Engine::start();
    let docker = Docker::new(engine.place.clone());
    let told = containers(&docker.facts(&all(), THEN).await);
    engine.ages("10 minutes");
    engine.asked();
    let (well, crashed) = (told["well"].id.clone(), told["crashed"].id.clone());
    engine.estate(|estate| {
        for row in &mut estate.list {
            // It ran again and ended again in between, with the same code.
            if row["Id"] == crashed.as_str() {
                row["Status"] = "Exited (7) 5 seconds ago".into();
            }
            if row["Id"] == well.as_str() {
                row["State"] = "exited".into();
                row["Status"] = "Exited (143) 5 seconds ago".into();
                row["Names"] = json!(["/renamed"]);
            }
        }
        let ended = estate.inspect.get_mut(&well).unwrap();
        ended["State"]["Status"] = "exited".into();
        ended["State"]["ExitCode"] = 143.into();
        ended["State"]["FinishedAt"] = "2026-11-20T22:59:00+00:00".into();
        estate.events = format!(
            "{{\"Action\":\"kill\",\"Actor\":{{\"ID\":\"{well}\",\"Attributes\":{{\"signal\":\"15\"}}}},\"timeNano\":{}}}\n",
            1_795_215_539_000_000_000_i64
        );
        let sick = told["sick"].id.as_str();
        estate.list.retain(|row| row["Id"] != sick);
        // Removed between the list and the look.
        estate.list.push(json!({"Id": "gone", "State": "exited", "Status": "Exited (1) 1 second ago"}));
    });
    let told = containers(&docker.facts(&all(), THEN + Span::mins(1)).await);
    let asked = engine.asked();
    assert_eq!(
        asked.iter().filter(|path| path.contains("/containers/")).count(),
        1 + 3,
        "{asked:?}"
    );
    assert_eq!((told["renamed"].ended, told["renamed"].exit_code), (Ended::Asked, Some(143)));
    assert_eq!(told.len(), 10);
    // What the engine has forgotten since is still known.
    engine.estate(|estate| estate.events.clear());
    engine.ages("3 minutes");
    let told = containers(&docker.facts(&all(), THEN + Span::hours(2)).await);
    assert_eq!(told["renamed"].ended, Ended::Asked);
}

#[tokio::test]
async fn what_the_run_before_ended_with_is_told_of_one_that_runs_again() {
    let engine = Engine::start();
    let docker = Docker::new(engine.place.clone());
    let told = containers(&docker.facts(&all(), THEN).await);
    let well = told["well"].id.clone();
    assert_eq!(told["well"].exit_code, None, "it never ended");
    engine.estate(|estate| {
        let inspected = estate.inspect.get_mut(&well).unwrap();
        inspected["RestartCount"] = 1.into();
        inspected["State"]["FinishedAt"] = "2026-11-20T22:59:00+00:00".into();
        for row in estate.list.iter_mut().filter(|row| row["Id"] == well.as_str()) {
            row["Status"] = "Up 5 seconds".into();
        }
    });
    let ends = |at: i64, code: &str| {
        format!(
            "{{\"Action\":\"die\",\"Actor\":{{\"ID\":\"{well}\",\"Attributes\":{{\"exitCode\":\"{code}\"}}}},\"timeNano\":{}}}\n",
            at * 1_000_000_000
        )
    };
    let (first, last) = (ends(1_795_215_500, "1"), ends(1_795_215_540, "3"));
    engine.estate(|estate| estate.events = format!("{last}{first}"));
    let told = containers(&docker.facts(&all(), THEN + Span::mins(1)).await);
    assert_eq!((told["well"].restarts, told["well"].exit_code), (1, Some(3)), "the newest end");
    // The engine forgets its events; what was told of this end is kept.
    engine.estate(|estate| estate.events.clear());
    let told = containers(&docker.facts(&all(), THEN + Span::hours(2)).await);
    assert_eq!(told["well"].exit_code, Some(3));
}

#[tokio::test]
async fn no_engine_is_absent_and_a_named_one_that_does_not_answer_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { socket: dir.path().join("docker.sock"), ..Place::default() };
    let facts = Docker::new(place.clone()).facts(&all(), THEN).await;
    assert_eq!(facts.len(), 3);
    assert!(facts.values().all(|f| matches!(f, Err(NoFact::Absent(_)))), "{facts:?}");
    let named = Docker::new(Place { named: Named::Yes, ..place });
    let facts = named.facts(&all(), THEN).await;
    assert!(facts.values().all(|f| matches!(f, Err(NoFact::Failed(_)))), "{facts:?}");

    let mut engine = Engine::start();
    let docker = Docker::new(engine.place.clone());
    assert!(docker.facts(&all(), THEN).await[&Fact::Containers].is_ok());
    engine.tasks.shutdown().await;
    let facts = docker.facts(&all(), THEN + Span::mins(1)).await;
    let Err(NoFact::Failed(why)) = &facts[&Fact::Containers] else { panic!("{facts:?}") };
    assert!(why.contains("container engine"), "{why}");
}

#[tokio::test]
async fn a_service_of_a_file_is_known_by_the_containers_label() {
    let engine = Engine::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("compose.yaml");
    std::fs::write(&file, "services: { well: {}, db: { restart: always } }").unwrap();
    engine.estate(|estate| {
        for inspected in estate.inspect.values_mut().filter(|i| i["Name"] == "/well") {
            inspected["Config"]["Labels"] = json!({
                "com.docker.compose.project": "media",
                "com.docker.compose.service": "well",
                "com.docker.compose.project.working_dir": dir.path(),
                "com.docker.compose.project.config_files": file,
                "org.opencontainers.image.title": "left out",
            });
        }
    });
    let facts = Docker::new(engine.place.clone()).facts(&all(), THEN).await;
    let Ok(FactValue::Stacks(stacks)) = &facts[&Fact::Stacks] else { panic!("{facts:?}") };
    let services: Vec<&str> = stacks[0].services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!((stacks.len(), stacks[0].name.as_str(), services), (1, "media", vec!["db", "well"]));
    assert_eq!(containers(&facts)["well"].labels.len(), 4);
}

#[tokio::test]
async fn an_event_wakes_once_it_settles_and_the_end_of_the_engine_does_too() {
    let engine = Engine::start();
    engine.estate(|estate| "{\"Action\":\"die\"}\n".clone_into(&mut estate.events));
    // This engine ends its events at once, as one that is shut down does.
    let wakes = Wakes::listen(engine.place.socket.clone(), Span(200));
    tokio::time::timeout(Span::secs(5).duration(), wakes.next()).await.unwrap();
    let asked = engine.asked();
    assert!(asked.contains(&"/v1.41/events".to_owned()), "{asked:?}");
}
