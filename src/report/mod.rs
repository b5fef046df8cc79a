//! The morning report: what needs a human, what was fixed and how that was proven, what was held.
//!
//! [`gather`] reads the store, the history and the signals as they stand into a plain value, a
//! [`morning::Morning`]; [`render::render`] makes Markdown of it that reads in a terminal as it is;
//! [`mod@file`] puts it on the disk whole or not at all. Each report carries the audit log's head, so that
//! a log that was cut off or made anew is found by any report that was kept ([`anchors`]).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Mutex;

use crate::Fut;
use crate::clock::Clock;
use crate::clock::zone::Zone;
use crate::gate::crash::{Points, Unwatched};
use crate::model::audit::ChainHead;
use crate::model::ids::HostName;
use crate::model::message::{Message, Urgency};
use crate::model::reading::Reading;
use crate::model::time::Millis;
use crate::report::morning::Morning;
use crate::report::own::Own;
use crate::report::slot::Slot;
use crate::store::{Store, anchor};

mod amounts;
pub mod anchors;
pub mod file;
pub mod gather;
mod incidents;
pub mod morning;
mod opening;
pub mod own;
pub mod plain;
pub mod render;
mod slot;
#[cfg(test)]
mod tests;
mod trends;
pub mod waiting;

/// One signal as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The probe's name in the config: `http.jellyfin`.
    pub name: String,
    pub reading: Reading,
    /// Since when its severity is what it is.
    pub since: Millis,
}

/// Where the signals stand: the tick loop, as the daemon hands it in.
pub trait Standings: Send + Sync {
    /// Every signal with its last reading; empty where nobody looks.
    fn now(&self) -> Fut<'_, Vec<Standing>>;
}

/// What a report is made of beside the store. A reload changes what the closures give.
pub struct World {
    pub here: HostName,
    pub zone: Box<dyn Fn() -> Zone + Send + Sync>,
    pub standings: Arc<dyn Standings>,
    pub own: Box<dyn Fn() -> Own + Send + Sync>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "world of {}", self.here)
    }
}

/// Writes reports.
pub struct Reporter {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// `STATE/reports`.
    pub folder: PathBuf,
    world: World,
    /// The cron job and a human may want a report at the same time: one after the other.
    writing: Mutex<()>,
    points: Arc<dyn Points>,
}

/// A report as it was written.
#[derive(Debug, Clone)]
pub struct Written {
    pub path: PathBuf,
    pub markdown: String,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reporter into {}", self.folder.display())
    }
}

impl Reporter {
    pub fn new(store: Store, clock: Arc<dyn Clock>, folder: PathBuf, world: World) -> Self {
        let points = Arc::new(Unwatched);
        Self { store, clock, folder, world, writing: Mutex::new(()), points }
    }

    /// The same, with somebody who is told of its crash point.
    #[must_use]
    pub fn watched(self, points: Arc<dyn Points>) -> Self {
        Self { points, ..self }
    }

    /// Gathers, renders and writes the report of the day; the second of a day brings the first up to date.
    pub async fn write(&self) -> anyhow::Result<Written> {
        let _one_at_a_time = self.writing.lock().await;
        let (morning, day) = self.gather().await;
        self.put(&morning, &day).await
    }

    /// Brings the day's report up to date and enqueues its opening lines as one message to the
    /// notifiers in `to`. Once a day: a second call of a day writes, but tells nobody again.
    ///
    /// What cannot be written is told all the same, and why; then this is the error.
    pub async fn deliver(&self, to: &[String]) -> anyhow::Result<Written> {
        let _one_at_a_time = self.writing.lock().await;
        let (morning, day) = self.gather().await;
        let put = self.put(&morning, &day).await;
        let opening = opening::opening(&morning, &(self.world.zone)());
        let mut body = opening.lines;
        body.push(match &put {
            Ok(_) => "the whole report: reef report".to_owned(),
            Err(error) => format!("the report could not be written: {error:#}"),
        });
        let message = Message {
            urgency: Urgency::Message,
            title: opening.title,
            body: body.join("\n"),
            severity: opening.severity,
            incident: None,
            approval: None,
            key: format!("report {day}"),
        };
        let (to, now) = (to.to_vec(), morning.until);
        self.store
            .call(move |db| {
                db.atomically(|db| {
                    if !db.has_message(&message.key)? {
                        db.enqueue(&message, &to, now)?;
                    }
                    Ok(())
                })
            })
            .await
            .context("the report could not be enqueued")?;
        put
    }

    /// The report that was written last, as Markdown.
    pub async fn latest(&self) -> anyhow::Result<String> {
        let path = self.folder.join(file::LATEST);
        tokio::fs::read_to_string(&path).await.with_context(|| {
            format!("there is no report yet at {}; `reef report` writes one", path.display())
        })
    }

    /// The chain's heads that stand in earlier reports and in the anchor file.
    pub fn anchors(&self) -> Vec<ChainHead> {
        let mut heads = anchors::of_folder(&self.folder);
        if let Some(dir) = self.store.dir() {
            match anchor::read(dir) {
                Ok(found) => heads.extend(found),
                Err(error) => tracing::warn!("{error:#}"),
            }
        }
        heads
    }

    /// What there is to say now, and the day whose report says it.
    async fn gather(&self) -> (Morning, String) {
        let (now, zone) = (self.clock.now(), (self.world.zone)());
        let slot = Slot::read(&self.store, &self.folder, zone, now).await;
        let standings = self.world.standings.now().await;
        let anchors = self.anchors();
        let period = gather::Period { since: slot.since, until: now };
        let mut morning = gather::gather(&self.store, period, standings, anchors).await;
        morning.host = self.world.here.to_string();
        morning.written_at = slot.written_at;
        morning.updated_at = (slot.written_at < now).then_some(now);
        morning.own = (self.world.own)();
        // History is flushed lazily: in reef's first minute only the tick loop knows of its looks.
        if morning.since <= morning.own.started_at {
            morning.cost.probes = morning.cost.probes.max(morning.own.looks);
        }
        (morning, slot.day)
    }

    async fn put(&self, morning: &Morning, day: &str) -> anyhow::Result<Written> {
        let markdown = render::render(morning, &(self.world.zone)());
        let (folder, text) = (self.folder.clone(), markdown.clone());
        let names = [format!("{day}.md"), file::LATEST.to_owned()];
        let path = self.folder.join(&names[0]);
        let points = Arc::clone(&self.points);
        tokio::task::spawn_blocking(move || file::put(&folder, &names, &text, points.as_ref()))
            .await
            .context("the report's writer did not come back")??;
        let slot =
            Slot { day: day.to_owned(), since: morning.since, written_at: morning.written_at };
        slot.save(&self.store, morning.until).await;
        Ok(Written { path, markdown })
    }
}
