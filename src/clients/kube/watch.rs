//! Watches that only ring: an event is never a reading, it makes the next look come sooner.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;

use axum::body::HttpBody;
use kube::client::Body;
use serde::Deserialize;
use tokio::time::Instant;

use super::list::{Listed, path};
use super::objects::{Meta, Node, Pod};
use super::{Cluster, NoCluster};
use crate::model::time::Span;

/// The longest line of a watch: an object is at most 1.5 MiB in the store.
const LONGEST: usize = 4 << 20;
/// The server ends a watch after this; the next one goes on where it ended.
const LASTS: Span = Span::mins(5);
/// Objects whose last look is remembered.
const MOST: usize = 5_000;

/// The pauses of a watch.
#[derive(Debug, Clone, Copy)]
pub struct Rests {
    /// After a ring: a rollout is one reason to look, not fifty.
    pub ring: Span,
    /// After the first failure; doubled by each further one.
    pub first: Span,
    pub longest: Span,
}

impl Default for Rests {
    fn default() -> Self {
        Self { ring: Span::secs(5), first: Span::secs(1), longest: Span::mins(5) }
    }
}

/// What of an object a look would judge: an event that changes none of it is no reason to look.
pub trait Watched: Listed {
    fn meta(&self) -> &Meta;
    /// Hashes what is judged, and no time stamps: a kubelet reports every few minutes that all is as it was.
    fn judged(&self, into: &mut DefaultHasher);
}

impl Watched for Pod {
    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn judged(&self, into: &mut DefaultHasher) {
        (&self.status.phase, &self.status.reason, &self.spec.node_name).hash(into);
        self.metadata.deletion_timestamp.0.is_some().hash(into);
        for condition in &self.status.conditions {
            (&condition.kind, &condition.status).hash(into);
        }
        let all = self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        for one in all {
            (one.restart_count, one.ready, one.state.running.is_some()).hash(into);
            one.state.waiting.as_ref().map(|waiting| &waiting.reason).hash(into);
            one.state.terminated.as_ref().map(|end| end.exit_code).hash(into);
        }
    }
}

impl Watched for Node {
    fn meta(&self) -> &Meta {
        &self.metadata
    }

    fn judged(&self, into: &mut DefaultHasher) {
        (self.spec.unschedulable, &self.status.node_info.boot_id).hash(into);
        for condition in &self.status.conditions {
            (&condition.kind, &condition.status).hash(into);
        }
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: serde_json::Value,
}

/// How a watch ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// By the server, as it does every few minutes: go on from here.
    Over,
    /// 410: too much happened since. Only a list knows how things stand.
    Stale,
}

/// One kind's watch.
struct Watch<'a, T> {
    ring: &'a (dyn Fn() + Send + Sync),
    rests: Rests,
    seen: BTreeMap<String, u64>,
    version: String,
    rung: Option<Instant>,
    /// Something happened while it rested.
    due: bool,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl Cluster {
    /// Watches one kind until the future is dropped, from `version` of a list on. After each failure it
    /// waits longer; after a 410 it goes on from now and rings, because
    /// only a list knows what happened in between.
    pub async fn watch<T: Watched>(
        &self,
        namespace: Option<String>,
        version: String,
        rests: Rests,
        ring: impl Fn() + Send + Sync,
    ) {
        let mut watch: Watch<'_, T> = Watch {
            ring: &ring,
            rests,
            seen: BTreeMap::new(),
            version,
            rung: None,
            due: false,
            kind: std::marker::PhantomData,
        };
        let mut pause = rests.first;
        loop {
            let began = Instant::now();
            let ended = self.watch_once(namespace.as_deref(), &mut watch).await;
            if ended == Ok(Ended::Stale) || ended == Err(NoCluster::Gone) {
                watch.version.clear();
                watch.seen.clear();
            }
            match ended {
                // One that held on for a while is healthy, however it ended.
                Ok(_) if rests.first.duration() <= began.elapsed() => pause = rests.first,
                Err(NoCluster::Denied(why)) => {
                    // The looks see everything too, only later.
                    tracing::info!("{} are not watched: {why}", T::RESOURCE);
                    return;
                }
                Ok(_) | Err(_) => pause = Span((pause.0 * 2).min(rests.longest.0)),
            }
            tokio::time::sleep(pause.duration()).await;
        }
    }

    async fn watch_once<T: Watched>(
        &self,
        namespace: Option<&str>,
        watch: &mut Watch<'_, T>,
    ) -> Result<Ended, NoCluster> {
        let mut query = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={}",
            path::<T>(namespace),
            LASTS.0 / 1_000
        );
        // Without a version the server begins with every object as it is, which says nothing new.
        let begins = watch.version.is_empty();
        if !begins {
            query += &format!("&resourceVersion={}", watch.version);
        }
        let client = self.clients().await?.watches;
        let opening = self.send(&client, &query);
        let opened = tokio::time::timeout(self.settings.timeout.duration(), opening).await;
        let mut body =
            opened.unwrap_or(Err(NoCluster::TimedOut(self.settings.timeout)))?.into_body();
        if begins {
            // Nobody knows what happened since the last list.
            watch.happened();
        }
        let mut buffer: Vec<u8> = Vec::new();
        loop {
            let data = tokio::select! {
                data = frame(&mut body) => data,
                () = watch.rested() => {
                    watch.happened();
                    continue;
                }
            };
            let Some(data) = data else { return Ok(Ended::Over) };
            buffer.extend_from_slice(&data.map_err(|e| NoCluster::Failed(self.words(&e)))?);
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if watch.line(&line)? == Some(Ended::Stale) {
                    return Ok(Ended::Stale);
                }
            }
            if LONGEST < buffer.len() {
                return Err(NoCluster::Failed("a line of its watch is too long".into()));
            }
        }
    }
}

impl<T: Watched> Watch<'_, T> {
    fn line(&mut self, line: &[u8]) -> Result<Option<Ended>, NoCluster> {
        let wrong = |e: serde_json::Error| NoCluster::Failed(format!("a line of its watch: {e}"));
        let line: Line = serde_json::from_slice(line).map_err(wrong)?;
        if line.kind == "ERROR" {
            let status: super::Status = serde_json::from_value(line.object).unwrap_or_default();
            return match status.code {
                410 => Ok(Some(Ended::Stale)),
                _ => Err(NoCluster::Failed(status.message)),
            };
        }
        let object: T = serde_json::from_value(line.object).map_err(wrong)?;
        self.version.clone_from(&object.meta().resource_version);
        if line.kind == "BOOKMARK" {
            return Ok(None);
        }
        let uid = object.meta().uid.clone();
        let before = if line.kind == "DELETED" {
            self.seen.remove(&uid);
            None
        } else {
            let mut hasher = DefaultHasher::new();
            object.judged(&mut hasher);
            let now = hasher.finish();
            if MOST <= self.seen.len() {
                self.seen.clear();
            }
            self.seen.insert(uid, now).map(|before| before == now)
        };
        if before != Some(true) {
            self.happened();
        }
        Ok(None)
    }

    /// Rings now, or once it has rested.
    fn happened(&mut self) {
        if self.rung.is_some_and(|at| at.elapsed() < self.rests.ring.duration()) {
            self.due = true;
            return;
        }
        self.due = false;
        self.rung = Some(Instant::now());
        (self.ring)();
    }

    /// Ends when a ring that had to wait is due; never where none waits.
    async fn rested(&self) {
        match self.rung.filter(|_| self.due) {
            Some(at) => tokio::time::sleep_until(at + self.rests.ring.duration()).await,
            None => std::future::pending().await,
        }
    }
}

/// The next piece of a body; `None` at its end.
async fn frame(body: &mut Body) -> Option<Result<axum::body::Bytes, String>> {
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match next {
            Err(error) => return Some(Err(super::chain(&error))),
            // What is no data are trailers, which a watch has none of.
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
        }
    }
}
