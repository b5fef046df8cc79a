//! An API server on loopback that keeps state and answers as a real one does, for tests: real paths and
//! verbs, versions, pages, watches, rights, and a store that can freeze.
#![allow(
    unreachable_pub,
    reason = "the tests of the binary take this folder in as a module of theirs"
)]

pub mod estate;
mod serve;
mod turns;
mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use estate::{Account, Estate};

/// The server's world, in the hands of a test.
#[derive(Clone)]
pub struct Fake {
    estate: Arc<Mutex<Estate>>,
    changed: watch::Sender<u64>,
    pub base: String,
}

impl Fake {
    /// Starts a server; it ends with the set.
    pub async fn start() -> (Self, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (changed, _) = watch::channel(0);
        let fake = Self { estate: Arc::default(), changed, base };
        let app = Router::new().fallback(serve::answer).with_state(fake.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        (fake, tasks)
    }

    /// Changes the world; watches hear of it.
    pub fn with<T>(&self, f: impl FnOnce(&mut Estate) -> T) -> T {
        let mut estate = self.lock();
        let done = f(&mut estate);
        let version = estate.version();
        drop(estate);
        self.changed.send_replace(version);
        done
    }

    /// Lets time pass in the cluster.
    pub fn pass(&self, secs: i64) {
        self.with(|estate| estate.pass(secs));
    }

    /// What was asked since the last call: `GET /api/v1/pods?limit=500`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().asked)
    }

    fn lock(&self) -> MutexGuard<'_, Estate> {
        self.estate.lock().unwrap()
    }

    /// Writes a kubeconfig for the account of this token into `dir`.
    pub fn kubeconfig(&self, dir: &Path, token: &str) -> String {
        let file = dir.join("kubeconfig.yaml");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "home",
            "clusters": [{ "name": "c", "cluster": { "server": self.base } }],
            "users": [{ "name": "u", "user": { "token": token } }],
            "contexts": [{ "name": "home", "context": { "cluster": "c", "user": "u" } }],
        });
        // JSON is YAML too.
        std::fs::write(&file, config.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

impl Fake {
    /// What was asked since the last call that would change something for good.
    pub fn written(&self) -> Vec<String> {
        let dry = |asked: &String| asked.contains("dryRun=All");
        let reads = |asked: &String| asked.starts_with("GET ") || asked.contains("/selfsubject");
        self.asked().into_iter().filter(|asked| !reads(asked) && !dry(asked)).collect()
    }
}

/// A Status object as every refusal has one.
fn status(code: u16, reason: &str, message: &str) -> Json {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}
