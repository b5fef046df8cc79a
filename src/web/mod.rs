//! The page, the report, the metrics and the health answer on loopback.
//!
//! Read only: nothing here can change anything, so nobody has to log in. What keeps it so: only `GET`
//! and `HEAD`, no script and nothing from elsewhere on any page, and a guard that answers only to
//! loopback names, because a browser on this machine can be led here by a stranger's DNS. The one exception:
//! `/ping/NAME`, by which jobs of this machine report in, takes `POST` too and nothing that a browser's page sends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Fut;
use crate::model::push::Report;
use crate::operator::view::Status;
use crate::web::metrics::Metrics;

pub mod guard;
pub mod metrics;
pub mod page;
mod ping;
pub mod reading;
#[cfg(test)]
mod tests;

/// What the pages show: the daemon.
pub trait Site: Send + Sync {
    /// How everything stands, or why that cannot be said.
    fn status(&self) -> Fut<'_, Result<Status, String>>;
    /// The latest report as Markdown, or why there is none.
    fn report(&self) -> Fut<'_, Result<String, String>>;
    fn metrics(&self) -> Fut<'_, Metrics>;
    /// A job reports in. The words say what was taken; the error says why nothing was.
    fn ping(&self, name: String, report: Report, said: String) -> Fut<'_, Result<String, String>>;
    /// Whether the tick loop moves and every look that is overdue has ended.
    fn healthy(&self) -> bool;
}

/// A site that does not answer within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever is still being answered at the end has this long.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves until told to stop.
pub async fn serve(
    listener: TcpListener,
    site: Arc<dyn Site>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let told = stop.clone();
    let serving = axum::serve(listener, router(site))
        .with_graceful_shutdown(async move { told.cancelled().await });
    let farewell = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serving => served.context("the web page cannot be served any more"),
        // A client that never ends its request does not keep the daemon from ending.
        () = farewell => Ok(()),
    }
}

fn router(site: Arc<dyn Site>) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/report", get(report))
        .route("/metrics", get(scrape))
        .route("/healthz", get(health))
        .merge(ping::routes())
        .fallback(nothing_here)
        .with_state(site)
        .layer(axum::middleware::from_fn(guard::guard))
}

type Sited = State<Arc<dyn Site>>;

async fn status(State(site): Sited) -> Response {
    match in_time(site.status()).await {
        Ok(status) => Html(page::status(&status)).into_response(),
        Err(why) => failed("reef cannot say how things stand", &why),
    }
}

async fn report(State(site): Sited) -> Response {
    match in_time(site.report()).await {
        Ok(markdown) => Html(reading::report(&markdown)).into_response(),
        Err(why) => failed("there is no report to show", &why),
    }
}

async fn scrape(State(site): Sited) -> Response {
    match tokio::time::timeout(PATIENCE, site.metrics()).await {
        Ok(metrics) => {
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.render()).into_response()
        }
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "reef does not answer\n"),
    }
}

async fn health(State(site): Sited) -> Response {
    if site.healthy() {
        return text(StatusCode::OK, "ok\n");
    }
    let why = "the tick loop does not move, or a look is overdue and has not ended\n";
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

async fn nothing_here() -> Response {
    text(StatusCode::NOT_FOUND, "there is /, /report, /metrics and /healthz\n")
}

async fn in_time<T>(answer: Fut<'_, Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn failed(what: &str, why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Html(page::failed(what, why))).into_response()
}

fn text(status: StatusCode, words: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], words).into_response()
}
