//! Answers as a Prometheus 2.42 gave them, from a server on loopback.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::get;

use super::*;
use crate::clients::http::loopback::{nobody, serve};

fn client(base: &str) -> Prometheus {
    let url = WebUrl::parse(base).unwrap();
    Prometheus::new(url, Http::new(), Vec::new(), Span::secs(5))
}

async fn answering(
    path: &'static str,
    status: StatusCode,
    body: &'static str,
) -> (Prometheus, tokio::task::JoinSet<()>) {
    let app = Router::new().route(path, get(move || async move { (status, body) }));
    let (base, tasks) = serve(app).await;
    (client(&base), tasks)
}

#[tokio::test]
async fn an_instant_query_brings_values_even_infinite_ones() {
    let (prometheus, _tasks) = answering(
        "/api/v1/query",
        StatusCode::OK,
        r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"node","instance":"nas:9100"},"value":[1700000000.123,"1"]},
            {"metric":{"job":"x"},"value":[1700000000.123,"+Inf"]}]}}"#,
    )
    .await;
    let got = prometheus.query("up", None).await.unwrap();
    assert_eq!((got[0].labels["instance"].as_str(), got[0].value), ("nas:9100", 1.0));
    assert_eq!((got[0].at, got[1].value), (Millis(1_700_000_000_123), f64::INFINITY));
    let (prometheus, _tasks) = answering(
        "/api/v1/query",
        StatusCode::OK,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"2.5"]}}"#,
    )
    .await;
    assert_eq!(prometheus.query("2.5", None).await.unwrap()[0].value, 2.5);
}

#[tokio::test]
async fn a_long_range_is_asked_for_in_parts() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let app = Router::new().route(
        "/below/api/v1/query_range",
        get(move |RawQuery(query): RawQuery| {
            let query = query.unwrap();
            let at = query.split("start=").nth(1).unwrap().split(['.', '&']).next().unwrap().to_owned();
            seen.lock().unwrap().push(query);
            async move {
                format!(
                    r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"a":"b"}},"values":[[{at},"1"]]}}]}}}}"#
                )
            }
        }),
    );
    let (base, _tasks) = serve(app).await;
    let prometheus = client(&format!("{base}/below/"));
    let (from, to) = (Millis(0), Millis(0) + Span::days(10));
    let got = prometheus.query_range("a{b=\"c d\"}", from, to, Span::mins(1)).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].starts_with("query=a%7Bb%3D%22c+d%22%7D&start=0.000&end=659940.000&step=60"));
    let values: Vec<i64> = got[0].values.iter().map(|(at, _)| at.0).collect();
    assert_eq!((got.len(), values), (1, vec![0, 660_000_000]));
}

#[tokio::test]
async fn alerts_keep_their_labels() {
    let (prometheus, _tasks) = answering(
        "/api/v1/alerts",
        StatusCode::OK,
        r#"{"status":"success","data":{"alerts":[{"labels":{"alertname":"DiskFull","severity":"page"},
            "annotations":{"summary":"full"},"state":"firing","activeAt":"2026-03-02T12:00:00Z","value":"1e+00"},
            {"labels":{"alertname":"Slow"},"annotations":{},"state":"pending","activeAt":"","value":"0"}]}}"#,
    )
    .await;
    let got = prometheus.alerts().await.unwrap();
    assert_eq!(
        (got[0].labels["alertname"].as_str(), got[0].state),
        ("DiskFull", AlertState::Firing)
    );
    assert_eq!(got[1].state, AlertState::Pending);
}

#[tokio::test]
async fn what_is_no_answer_says_so() {
    for (status, body, want) in [
        (
            StatusCode::BAD_REQUEST,
            r#"{"status":"error","errorType":"bad_data","error":"1:3: parse error"}"#,
            "refused with 400: 1:3: parse error",
        ),
        (StatusCode::UNAUTHORIZED, "no", "may not ask: it wants a token"),
        (StatusCode::NOT_FOUND, "404 page", "refused with 404: 404 page"),
        (StatusCode::OK, "<html>", "what answers there is no Prometheus: expected value"),
        (
            StatusCode::OK,
            r#"{"status":"success"}"#,
            "what answers there is no Prometheus: an answer without data",
        ),
    ] {
        let (prometheus, _tasks) = answering("/api/v1/query", status, body).await;
        let why = prometheus.query("up", None).await.unwrap_err().to_string();
        assert!(why.starts_with(want), "{why}");
    }
    let gone = client(&nobody().await).query("up", None).await.unwrap_err();
    assert_eq!(gone, PrometheusError::Http(HttpError::Refused));
}
