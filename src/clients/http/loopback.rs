//! A server on loopback, for the tests of whatever speaks HTTP.

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves `app` until the returned set is dropped; the text is its base URL without a slash.
pub(crate) async fn serve(app: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, tasks)
}

/// The base URL of a port on which nothing listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
