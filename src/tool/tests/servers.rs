//! What Prometheus, Jaeger and Tempo answer, and what the tools make of it.

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;

use super::stage::{Stage, target, word};
use crate::clients::http::Http;
use crate::clients::http::loopback::serve;
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clients::traces::{Flavour, Traces};
use crate::model::ids::Word;
use crate::model::time::Span;
use crate::model::tool::Call;
use crate::model::value::Value;

fn api(url: &str) -> Api {
    let url = WebUrl::parse(url).unwrap();
    Api { http: Http::new(), url, login: Login::Nobody, timeout: Span::secs(5) }
}

fn of(stage: &Stage, tool: &str, more: &[(&str, Value)]) -> Call {
    let endpoint = ("endpoint", Value::Target(target("mini:endpoint:rules")));
    stage.call(tool, &[&[endpoint][..], more].concat())
}

/// As a Prometheus 2.42 gave it, with a rule made broken.
const RULES: &str = r#"{"status":"success","data":{"groups":[{"name":"lab","file":"rules.yml","rules":[
    {"state":"firing","name":"Watchdog","query":"vector(1)","duration":0,"labels":{"severity":"none"},"annotations":{},
     "alerts":[{"labels":{"alertname":"Watchdog"},"annotations":{},"state":"firing","activeAt":"2026-11-21T05:49:09Z","value":"1e+00"}],
     "health":"ok","type":"alerting"},
    {"name":"job:up:sum","query":"sum(up)","labels":{},"health":"ok","type":"recording"},
    {"state":"inactive","name":"DiskFull","query":"fault / x","labels":{},"annotations":{},"alerts":[],
     "health":"err","lastError":"many-to-many matching","type":"alerting"}],"interval":1}]}}"#;
const ALERTS: &str = r#"{"status":"success","data":{"alerts":[
    {"labels":{"alertname":"Slow"},"annotations":{"summary":"it is slow"},"state":"firing","activeAt":"x","value":"1"},
    {"labels":{"alertname":"Soon"},"annotations":{},"state":"pending","activeAt":"x","value":"1"}]}}"#;
const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"__name__":"node_load5","instance":"nas:9100"},"value":[1700000000.1,"0.5"]},
    {"metric":{"__name__":"node_load5","instance":"pi:9100"},"value":[1700000000.1,"3.5"]}]}}"#;

#[tokio::test]
async fn a_prometheus_tells_its_rules_its_alerts_and_what_the_config_asks_it() {
    let app = Router::new()
        .route("/api/v1/rules", get(|| async { RULES }))
        .route("/api/v1/alerts", get(|| async { ALERTS }))
        .route(
            "/api/v1/query",
            get(|RawQuery(query): RawQuery| async move {
                assert_eq!(query.unwrap(), "query=node_load5");
                VECTOR
            }),
        );
    let (base, _tasks) = serve(app).await;
    let stage = Stage::with(|inventory, _| {
        inventory.servers.rules = [("rules".to_owned(), api(&base))].into();
    });
    let rules = stage.query(&of(&stage, "alerts.rules", &[])).await.unwrap();
    let n = |found: &crate::model::tool::Found, name: &str| found.values[name].clone();
    assert_eq!(n(&rules, "rules"), Value::Int(2), "a recording rule is no alert");
    assert_eq!((n(&rules, "firing"), n(&rules, "broken")), (Value::Int(1), Value::Int(1)));
    let words = rules.words.as_str();
    assert!(words.contains("DiskFull is broken: many-to-many matching; Watchdog fires"), "{words}");
    let alerts = stage.query(&of(&stage, "alerts.list", &[])).await.unwrap();
    assert_eq!((n(&alerts, "firing"), n(&alerts, "pending")), (Value::Int(1), Value::Int(1)));
    assert!(alerts.words.as_str().contains("Slow fires it is slow; Soon waits"));
    let load = stage.query(&of(&stage, "metrics.query", &[])).await.unwrap();
    assert_eq!(n(&load, "series"), Value::Int(2));
    assert!(load.words.as_str().contains("3.5 instance=pi:9100; 0.5 instance=nas:9100"));
    // An Alertmanager keeps no rules, and says so by having no such path.
    let (base, _tasks) = serve(Router::new()).await;
    let stage = Stage::with(|inventory, _| {
        inventory.servers.rules = [("rules".to_owned(), api(&base))].into();
    });
    assert!(stage.query(&of(&stage, "alerts.rules", &[])).await.is_err());
}

const JAEGER: &str = r#"{"data":[
    {"traceID":"aa","processes":{"p1":{"serviceName":"api"},"p2":{"serviceName":"db"}},"spans":[
      {"traceID":"aa","spanID":"1","operationName":"GET /photos","references":[],"startTime":1,"duration":900000,"processID":"p1","tags":[{"key":"error","type":"bool","value":true}]},
      {"traceID":"aa","spanID":"2","operationName":"SELECT","references":[{"refType":"CHILD_OF","traceID":"aa","spanID":"1"}],"startTime":2,"duration":800000,"processID":"p2","tags":[{"key":"error","type":"bool","value":true}]}]},
    {"traceID":"bb","processes":{"p1":{"serviceName":"api"}},"spans":[
      {"traceID":"bb","spanID":"1","operationName":"GET /slow","references":[],"startTime":1,"duration":2500000,"processID":"p1","tags":[{"key":"error","type":"bool","value":false}]}]}],
    "total":0,"limit":0,"offset":0,"errors":null}"#;
const TEMPO: &str = r#"{"traces":[{"traceID":"cc","rootServiceName":"api","rootTraceName":"GET /","startTimeUnixNano":"1","durationMs":42},
    {"traceID":"dd","rootServiceName":"api","rootTraceName":"GET /b","startTimeUnixNano":"1","durationMs":7}],"metrics":{}}"#;
const FAILED: &str = r#"{"traces":[{"traceID":"dd","rootServiceName":"api","rootTraceName":"GET /b","durationMs":7}]}"#;

#[tokio::test]
async fn traces_tell_where_it_failed_and_only_declared_services_are_asked_for() {
    let app = Router::new()
        .route(
            "/api/traces",
            get(|RawQuery(query): RawQuery| async move {
                let query = query.unwrap();
                assert!(
                    query.starts_with("service=api&start=1799996400000000&end=1800000000000000"),
                    "{query}"
                );
                JAEGER
            }),
        )
        .route(
            "/api/search",
            get(|RawQuery(query): RawQuery| async move {
                let query = query.unwrap();
                assert!(query.contains("resource.service.name"), "{query}");
                if query.contains("error") { FAILED } else { TEMPO }
            }),
        );
    let (base, _tasks) = serve(app).await;
    for (flavour, traces, failed, slowest, says) in [
        (Flavour::Jaeger, 2, 1, Span(2_500), "api GET /photos failed 900ms at db SELECT (aa)"),
        (Flavour::Tempo, 2, 1, Span(42), "api GET /b failed 7ms (dd)"),
    ] {
        let stage = Stage::with(|inventory, _| {
            let of = Traces { api: api(&base), flavour, services: vec![Word::of("api")] };
            inventory.servers.traces = [("rules".to_owned(), of)].into();
        });
        let call = |service: &str| of(&stage, "traces.search", &[("service", word(service))]);
        let found = stage.query(&call("api")).await.unwrap();
        assert_eq!(found.values["traces"], Value::Int(traces));
        assert_eq!(found.values["failed"], Value::Int(failed));
        assert_eq!(found.values["slowest"], Value::Span(slowest));
        let words = found.words.as_str().replace(' ', "");
        assert!(words.contains(&says.replace(' ', "")), "{words}");
        assert!(
            stage
                .parse(&call("secret-name"))
                .is_err_and(|why| why.to_string().contains("known: api"))
        );
    }
}

#[tokio::test]
async fn what_keeps_data_restarts_only_where_a_runbook_names_it() {
    let stage = Stage::new();
    let unit = target("mini:unit:postgresql@15-main.service");
    let mut call = stage.call("unit.restart", &[("unit", Value::Target(unit.clone()))]);
    let why = stage.parse(&call).err().unwrap().to_string();
    assert!(why.contains("keeps data") && why.contains("postgres.checkpoint"), "{why}");
    call.bounds.named = vec![unit];
    assert!(stage.parse(&call).is_ok());

    // A standby that the config does not let restart, a server that follows nobody, and one whose primary is silent.
    let at = |name: &str| {
        let endpoint = Value::Target(target(&format!("mini:endpoint:{name}")));
        stage.call("database.restart_standby", &[("endpoint", endpoint)])
    };
    let why = stage.preview(&at("copy")).await.unwrap_err().to_string();
    assert!(why.contains("may be the last copy"), "{why}");
    for (name, says) in
        [("main", "follows no other server"), ("other", "no database of the config")]
    {
        let why = stage.parse(&at(name)).err().unwrap().to_string();
        assert!(why.contains(says), "{why}");
    }
    let stage = Stage::with(|inventory, _| inventory.restartable.clear());
    let why = stage.parse(&at("copy")).err().unwrap().to_string();
    assert!(why.contains("not among `restartable`"), "{why}");
}
