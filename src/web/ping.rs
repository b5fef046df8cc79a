//! `/ping/NAME`, `/ping/NAME/start` and `/ping/NAME/fail`: jobs report in, with `GET`, `HEAD` or `POST`; what a `POST`
//! carries is kept as what the job said.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::model::push::Report;
use crate::web::{Site, in_time};

/// More than is kept of it.
const LARGEST: usize = 64 << 10;

/// What a browser adds when a page, not a person, made it ask.
const FROM_A_PAGE: [HeaderName; 2] = [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];

pub(super) fn routes() -> Router<Arc<dyn Site>> {
    Router::new()
        .route("/ping/{name}", get(ok).post(ok))
        .route("/ping/{name}/{what}", get(other).post(other))
        .layer(DefaultBodyLimit::max(LARGEST))
}

type Said = Result<Bytes, BytesRejection>;

async fn ok(
    State(site): State<Arc<dyn Site>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    said: Said,
) -> Response {
    take(&site, name, Report::Ok, &headers, said).await
}

async fn other(
    State(site): State<Arc<dyn Site>>,
    Path((name, what)): Path<(String, String)>,
    headers: HeaderMap,
    said: Said,
) -> Response {
    let report = match what.as_str() {
        "start" => Report::Start,
        "fail" => Report::Fail,
        // Healthchecks takes an exit code; scripts that were written for it go on.
        "0" => Report::Ok,
        code if code.parse::<u8>().is_ok() => Report::Fail,
        _ => {
            return words(
                StatusCode::NOT_FOUND,
                "there is /ping/NAME, /start, /fail and an exit code",
            );
        }
    };
    take(&site, name, report, &headers, said).await
}

async fn take(
    site: &Arc<dyn Site>,
    name: String,
    report: Report,
    headers: &HeaderMap,
    said: Said,
) -> Response {
    if FROM_A_PAGE.iter().any(|header| headers.contains_key(header)) {
        return words(StatusCode::FORBIDDEN, "jobs report in, not web pages");
    }
    let said = match said {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // Too much to keep is no reason to miss the report.
        Err(_) => String::new(),
    };
    match in_time(site.ping(name, report, said)).await {
        Ok(taken) => words(StatusCode::OK, &taken),
        Err(why) => words(StatusCode::NOT_FOUND, &why),
    }
}

fn words(status: StatusCode, words: &str) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, plain, format!("{words}\n")).into_response()
}
