//! `proxmox`: a Proxmox VE cluster or node by its API.

pub mod judge;
mod slow;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::http::url::WebUrl;
use crate::clients::json::{Api, Login};
use crate::clients::proxmox::{Guest, Member, Proxmox, Resource};
use crate::model::change::{Change, ChangeKind};
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::parts::Parts;
use crate::probe::proxmox::judge::{Cluster, Judge, Node, Slow, Stopped};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, service};

const CLUSTER: &str = "cluster";
/// Pools, replication and backups are asked for as seldom: each starts a program on the node.
const SLOWLY: Span = Span::mins(10);
/// Guests that do not run cost two questions each.
const STOPPED: usize = 100;
/// A part that is missing is unknown for so long.
const LINGER: Span = Span::mins(30);

/// What is meant to be as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `off`: guests that may be off although they start at boot.
    pub off: Vec<u64>,
    /// `uncovered`: guests that need no backup.
    pub uncovered: Vec<u64>,
}

#[derive(Debug)]
pub struct ProxmoxProbe {
    settings: Settings,
    voice: Voice,
    proxmox: Proxmox,
    timeout: Span,
    parts: Parts,
    slow: Option<(Millis, Slow)>,
    /// How each guest was seen last, in a word.
    guests: BTreeMap<Signal, Word>,
    changes: Vec<Change>,
}

impl ProxmoxProbe {
    pub fn new(settings: Settings, voice: Voice, proxmox: Proxmox, timeout: Span) -> Self {
        let parts = Parts::lingering(LINGER);
        let (slow, guests, changes) = (None, BTreeMap::new(), Vec::new());
        Self { settings, voice, proxmox, timeout, parts, slow, guests, changes }
    }

    async fn ask(&self) -> Result<Cluster, NoAnswer> {
        let members = self.proxmox.members().await?;
        let resources = self.proxmox.resources().await?;
        let off = resources.iter().filter_map(|resource| match resource {
            Resource::Qemu(guest) => Some(("qemu", guest)),
            Resource::Lxc(guest) => Some(("lxc", guest)),
            Resource::Storage(_) | Resource::Other => None,
        });
        let off = off.filter(|(_, guest)| guest.status == "stopped" && !guest.template);
        let mut stopped = BTreeMap::new();
        for (kind, guest) in off.take(STOPPED) {
            stopped.insert(guest.vmid, self.stopped(kind, guest).await);
        }
        Ok(Cluster { members, resources, stopped })
    }

    async fn stopped(&self, kind: &str, guest: &Guest) -> Result<Stopped, NoAnswer> {
        let config = self.proxmox.config(&guest.node, kind, guest.vmid).await?;
        if !config.onboot && guest.hastate.is_empty() {
            return Ok(Stopped { onboot: false, last: None });
        }
        let query = [
            ("vmid", guest.vmid.to_string()),
            ("source", "all".to_owned()),
            ("limit", "20".to_owned()),
        ];
        let tasks = self.proxmox.tasks(&guest.node, &query).await?;
        let last = tasks.into_iter().filter(|task| judge::turns(&task.kind));
        Ok(Stopped { onboot: config.onboot, last: last.max_by_key(|task| task.starttime) })
    }

    /// A node that does not answer for one of these says so there; the others are looked at all the same.
    async fn ask_slowly(&self, members: &[Member], now: Millis) -> Slow {
        let mut slow = Slow::default();
        for member in members {
            let Member::Node { name, online: true } = member else { continue };
            let since = ((now - Span::days(8)).0 / 1_000).to_string();
            let query = [
                ("typefilter", "vzdump".to_owned()),
                ("since", since),
                ("limit", "100".to_owned()),
            ];
            let mut backups = self.proxmox.tasks(name, &query).await;
            if let Ok(tasks) = &mut backups {
                tasks.sort_by_key(|task| std::cmp::Reverse(task.starttime));
            }
            let node = Node {
                replication: self.proxmox.replication(name).await,
                thin: self.proxmox.thin_pools(name).await,
                zfs: self.proxmox.zfs_pools(name).await,
                backups,
            };
            slow.nodes.insert(name.clone(), node);
        }
        slow.cover = Some(match self.proxmox.backup_jobs().await {
            Ok(jobs) => self.proxmox.not_backed_up().await.map(|bare| (jobs, bare)),
            Err(why) => Err(why),
        });
        slow
    }

    async fn whole(&mut self, now: Millis) -> Result<Vec<Reading>, NoAnswer> {
        let seen = self.ask().await?;
        let is_due = self.slow.as_ref().is_none_or(|(at, _)| SLOWLY <= now.since(*at));
        if is_due {
            let slow = self.ask_slowly(&seen.members, now).await;
            self.slow = Some((now, slow));
        }
        let nothing = Slow::default();
        let slow = self.slow.as_ref().map_or(&nothing, |(_, slow)| slow);
        let judge = Judge { voice: &self.voice, settings: &self.settings, now };
        let (main, parts) = judge.all(&seen, slow);
        self.note(&parts);
        Ok(self.parts.seen(main, parts))
    }

    /// A guest that somebody turned off or on is an event, and no fault.
    fn note(&mut self, parts: &[Reading]) {
        let is_known = |word: &Word| matches!(word.as_str(), "ok" | "stopped");
        for guest in parts.iter().filter(|part| part.signal.aspect.as_str() == "guest") {
            let before = self.guests.insert(guest.signal.clone(), guest.reason.clone());
            let turned = before.is_some_and(|before| is_known(&before) && before != guest.reason);
            if turned && is_known(&guest.reason) {
                let target = guest.signal.target.clone();
                let words = guest.words.as_str();
                self.changes.push(Change::new(guest.at, target, ChangeKind::Switched, words));
            }
        }
        self.guests.retain(|signal, _| parts.iter().any(|part| part.signal == *signal));
    }
}

impl NetProbe for ProxmoxProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.timeout, self.whole(now)).await {
                Ok(readings) => readings,
                Err(why) => self.parts.unseen(self.voice.unanswered(CLUSTER, &why, now), &why),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.parts.unseen(self.voice.unseen(CLUSTER, &why, now), &why)
    }

    fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn retired(&mut self) -> Vec<Signal> {
        self.parts.retired()
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.parts.recall(&self.voice.signal("part"), parts);
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `[proxmox]`: `NAME = { url, token_id, token_secret }` with `fingerprint` or `ca_file`, `off`, `uncovered`, and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(api) = api(ask, ("PVEAPIToken=", '=')) else { return Vec::new() };
    let settings = Settings {
        off: ask.list("off").unwrap_or_default(),
        uncovered: ask.list("uncovered").unwrap_or_default(),
    };
    let common = Common::with(Span::mins(2), Span::secs(60));
    let host = api.url.host().to_owned();
    let Some(placed) = voice::place(ask, "proxmox", &host, common) else { return Vec::new() };
    let timeout = placed.common.timeout;
    let proxmox = Proxmox { api };
    ask.cx.proxmoxes.add(ask.name, proxmox.clone());
    let probe = ProxmoxProbe::new(settings, placed.voice.clone(), proxmox, timeout);
    placed.draft(ask, CLUSTER, probe)
}

/// The API with its token: PVE and PBS write the same header, but for a word and what stands before the
/// secret.
pub(super) fn api(ask: &mut Ask<'_>, (word, joint): (&str, char)) -> Option<Api> {
    let url: Option<WebUrl> = ask.main("url");
    let http = service::http(ask);
    let id: Option<String> = ask.opt("token_id");
    let key = ask.secret("token_secret");
    let url = url?;
    let is_id = |id: &String| {
        id.split_once('!').is_some_and(|(user, token)| user.contains('@') && !token.is_empty())
    };
    let (Some(id), Some(key)) = (id.filter(is_id), key) else {
        ask.mistake(
            "token_id",
            "needs USER@REALM!NAME of an API token, and token_secret_file = \"/path\" or token_secret = \"${VAR}\"",
        );
        return None;
    };
    let login = Login::Token { before: format!("{word}{id}{joint}"), key };
    // A node that hangs must leave time for the others.
    Some(Api { http, url, login, timeout: Span::secs(15) })
}
