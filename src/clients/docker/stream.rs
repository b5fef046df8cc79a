//! The engine's own events as a wake-up: something happened to a container. What, a look finds out.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clients::docker::api::{Api, quoted};
use crate::model::time::Span;

/// What wakes. The engine leaves the rest out by itself, so that health checks, which run programs all
/// day, cost nothing here.
const FILTERS: &str = concat!(
    r#"{"type":["container"],"event":["die","oom","start","stop","kill","destroy","rename","#,
    r#""pause","unpause","health_status"]}"#
);

/// A stop is a kill, an end and a stop: one look when they are over.
const SETTLES: Span = Span(300);
/// A container that crashes and restarts all day must not wake without end.
const RESTS: Span = Span::secs(10);
/// Between two attempts to connect: the first, and the most.
const RETRY: Span = Span::secs(1);
const RETRY_MOST: Span = Span::secs(60);

/// Listens until it is dropped, and connects again whenever the engine comes back.
#[derive(Debug)]
pub struct Wakes {
    woken: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Wakes {
    /// `rests`: after it woke somebody it wakes nobody for this long; what happens meanwhile wakes at its
    /// end.
    pub fn listen(socket: PathBuf, rests: Span) -> Self {
        let woken = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        let wake = Arc::clone(&woken);
        task.spawn(async move { listen(&Api::new(socket), rests, &wake).await });
        Self { woken, _task: task }
    }

    /// Pends until something happened. Dropping the future loses nothing.
    pub async fn next(&self) {
        self.woken.notified().await;
    }
}

/// The engine of this machine: where it is, and its events once it has answered.
#[derive(Debug, Default)]
pub struct Listening {
    socket: Option<PathBuf>,
    wakes: Option<Wakes>,
}

impl Listening {
    /// Says where it is.
    pub fn at(&mut self, socket: PathBuf) {
        if self.socket.as_ref() != Some(&socket) {
            *self = Self { socket: Some(socket), wakes: None };
        }
    }

    /// It is there: listens, if nobody does yet.
    pub fn begin(&mut self) {
        if self.wakes.is_none() {
            self.wakes = self.socket.clone().map(|socket| Wakes::listen(socket, RESTS));
        }
    }

    pub fn end(&mut self) {
        self.wakes = None;
    }

    /// As [`Wakes::next`]; pends where nobody listens.
    pub async fn next(&self) {
        match &self.wakes {
            Some(wakes) => wakes.next().await,
            None => std::future::pending().await,
        }
    }
}

async fn listen(api: &Api, rests: Span, wake: &Notify) {
    let path = format!("/events?filters={}", quoted(FILTERS));
    let (mut retry, mut lost) = (RETRY, false);
    loop {
        if let Ok(response) = api.stream(&path).await {
            // What happened while nobody listened is not lost.
            if lost {
                wake.notify_one();
            }
            retry = RETRY;
            follow(response, rests, wake).await;
            // Its end is the engine's own end, which is worth a look.
            wake.notify_one();
        }
        lost = true;
        sleep(retry.duration()).await;
        retry = Span(retry.0.saturating_mul(2).min(RETRY_MOST.0));
    }
}

/// Wakes for what comes until the connection ends.
async fn follow(mut response: reqwest::Response, rests: Span, wake: &Notify) {
    let mut rested_at = Instant::now();
    let mut wake_at: Option<Instant> = None;
    loop {
        let due = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            chunk = response.chunk() => match chunk {
                Ok(Some(_)) => {
                    let settled = Instant::now() + SETTLES.duration();
                    wake_at.get_or_insert(settled.max(rested_at));
                }
                Ok(None) | Err(_) => return,
            },
            () = due => {
                wake.notify_one();
                wake_at = None;
                rested_at = Instant::now() + rests.duration();
            }
        }
    }
}
