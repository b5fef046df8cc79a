//! Proxmox VE as a provider: a task is followed to its end, and a right that is missing is told by its name.

mod clusters;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::Fut;
use crate::clients::docker::engine::NotDone;
use crate::clients::http::Verb;
use crate::clients::provider::proxmox::request::{Request, asked};
use crate::clients::provider::{
    Deed, Digests, MARK, Machine, Made, Power, Provider, Rule, Snapshot, StoppedBy, word_of,
};
use crate::clients::proxmox::{Outcome, Proxmox, Resource, Rights};
use crate::gate::permit::Permit;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

pub use clusters::Clusters;

/// Between two questions for a task: quick at first, then as often as a human would look.
const FIRST: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(2);
/// How many of a guest's newest tasks say who stopped it.
const TASKS: &str = "20";
const MIB: u64 = 1 << 20;

/// One cluster, with the token that may act.
#[derive(Debug)]
pub struct ProxmoxProvider {
    pub proxmox: Proxmox,
    /// `USER@REALM!NAME`.
    pub token: String,
}

/// Where a guest is: `nodes/pve1/qemu/104`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    node: String,
    kind: &'static str,
    vmid: u64,
}

impl Place {
    fn path(&self) -> String {
        let Self { node, kind, vmid } = self;
        format!("nodes/{node}/{kind}/{vmid}")
    }

    fn parse(place: &str) -> Option<Self> {
        let mut parts = place.split('/');
        let node = parts.next()?.to_owned();
        let kind = word_of(parts.next()?, ["qemu", "lxc"])?;
        Some(Self { node, kind, vmid: parts.next()?.parse().ok()? })
    }

    fn text(&self) -> String {
        let Self { node, kind, vmid } = self;
        format!("{node}/{kind}/{vmid}")
    }
}

/// A line of a guest's firewall.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RuleLine {
    pos: u64,
    #[serde(rename = "type")]
    direction: String,
    action: String,
    proto: Option<String>,
    dport: Option<String>,
    source: Option<String>,
    enable: Option<Json>,
    digest: Option<String>,
}

impl RuleLine {
    /// As a rule of ours, where it says no more than one can.
    fn rule(&self) -> Option<Rule> {
        let off =
            matches!(&self.enable, Some(on) if on.as_u64() == Some(0) || on.as_str() == Some("0"));
        if off {
            return None;
        }
        Some(Rule {
            direction: word_of(&self.direction, Rule::DIRECTIONS)?,
            verdict: word_of(&self.action, Rule::VERDICTS)?,
            protocol: word_of(self.proto.as_deref()?, Rule::PROTOCOLS)?,
            port: self.dport.as_deref()?.parse().ok()?,
            source: self.source.clone(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct SnapshotLine {
    name: String,
    snaptime: Option<i64>,
    parent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Current {
    status: String,
    qmpstatus: Option<String>,
    uptime: i64,
    lock: Option<String>,
}

impl ProxmoxProvider {
    /// Where a guest is, and what holds or manages it; `None` where there is none of this number.
    async fn find(&self, vmid: u64) -> Result<Option<(Place, String)>, String> {
        let all = self.proxmox.resources().await.map_err(|why| why.to_string())?;
        for resource in all {
            let (kind, guest) = match resource {
                Resource::Qemu(guest) => ("qemu", guest),
                Resource::Lxc(guest) => ("lxc", guest),
                Resource::Storage(_) | Resource::Other => continue,
            };
            if guest.vmid == vmid {
                return Ok(Some((Place { node: guest.node, kind, vmid }, guest.hastate)));
            }
        }
        Ok(None)
    }

    async fn machine(&self, id: &str) -> Result<Machine, String> {
        let vmid = number(id)?;
        let Some((place, managed)) = self.find(vmid).await? else { return Ok(Machine::absent()) };
        let (path, proxmox) = (place.path(), &self.proxmox);
        let gone = || format!("{path} went away while it was looked at");
        let current: Current =
            proxmox.at(&format!("{path}/status/current")).await?.ok_or_else(gone)?;
        let config: BTreeMap<String, Json> =
            proxmox.at(&format!("{path}/config")).await?.ok_or_else(gone)?;
        let snapshots: Vec<SnapshotLine> =
            proxmox.at(&format!("{path}/snapshot")).await?.unwrap_or_default();
        let rules: Vec<RuleLine> =
            proxmox.at(&format!("{path}/firewall/rules")).await?.unwrap_or_default();
        let power = match (current.status.as_str(), current.qmpstatus.as_deref()) {
            ("running", Some("paused" | "suspended")) => Power::Other,
            ("running", _) => Power::Running,
            ("stopped", _) => Power::Stopped,
            _ => Power::Other,
        };
        let stopped_by = match power {
            Power::Stopped => self.stopped_by(&place).await?,
            Power::Running | Power::Absent | Power::Other => StoppedBy::Unknown,
        };
        let text = |key: &str| config.get(key).map(plain);
        // No task of its that is remembered ended it: where it starts at boot, nobody did.
        let stopped_by = match (stopped_by, text("onboot").as_deref()) {
            (StoppedBy::Unknown, Some("1")) => StoppedBy::Itself,
            (known, _) => known,
        };
        let mib = text("memory").and_then(|m| m.trim_start_matches("current=").parse().ok());
        let default = if place.kind == "lxc" { None } else { Some(1) };
        let notes = text("description").unwrap_or_default();
        Ok(Machine {
            power,
            stopped_by,
            memory: Some(mib.unwrap_or(512_u64).saturating_mul(MIB)),
            cores: text("cores").and_then(|cores| cores.parse().ok()).or(default),
            volumes: volumes(&config),
            since: snapshots.iter().find(|s| s.name == "current").and_then(|s| s.parent.clone()),
            snapshots: snapshots
                .iter()
                .filter(|snapshot| snapshot.name != "current")
                .map(|snapshot| Snapshot {
                    name: snapshot.name.clone(),
                    at: snapshot.snaptime.map(|at| Millis(at.saturating_mul(1_000))),
                })
                .collect(),
            up: (power == Power::Running).then(|| Span::secs(current.uptime)),
            rules: rules.iter().filter_map(RuleLine::rule).collect(),
            lock: current.lock.filter(|lock| !lock.is_empty()),
            manager: (!managed.is_empty()).then(|| format!("the HA manager ({managed})")),
            origin: if notes.contains(MARK) { Made::ByReef } else { Made::ByOthers },
            place: place.text(),
            digests: Digests {
                config: text("digest"),
                rules: rules.first().and_then(|rule| rule.digest.clone()),
            },
        })
    }

    /// The task that ended it last: by this token, by somebody else, or none.
    async fn stopped_by(&self, place: &Place) -> Result<StoppedBy, String> {
        let query = [("vmid", place.vmid.to_string()), ("limit", TASKS.to_owned())];
        let tasks = self.proxmox.tasks(&place.node, &query).await.map_err(|why| why.to_string())?;
        let power = ["qmstart", "qmstop", "qmshutdown", "vzstart", "vzstop", "vzshutdown"];
        let of_power = tasks.into_iter().filter(|task| power.contains(&task.kind.as_str()));
        let done = of_power.filter(|task| task.outcome() == Outcome::Good);
        Ok(match done.max_by_key(|task| task.starttime) {
            Some(task) if task.kind.ends_with("start") => StoppedBy::Itself,
            Some(task) if task.user == self.token => StoppedBy::Reef,
            Some(task) => StoppedBy::Somebody(Tainted::bounded(&task.user, 60).as_str().to_owned()),
            None => StoppedBy::Unknown,
        })
    }

    async fn change(
        &self,
        permit: &Permit,
        id: &str,
        seen: &Machine,
        deed: &Deed,
        within: Span,
    ) -> Result<(), NotDone> {
        let deadline = Instant::now() + within.duration();
        let request = self.request(id, seen, deed).await?;
        let (path, form) = (request.path.as_str(), &request.form[..]);
        let rights = Rights { right: request.right, on: &request.on, token: &self.token };
        let told = self.proxmox.change(permit, request.verb, path, form, &rights).await?;
        match told.as_str() {
            Some(upid) if upid.starts_with("UPID:") => {
                self.follow(&request.node, upid, deadline).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Waits for the end of a task: what it says at its end, or that nobody knows it.
    async fn follow(&self, node: &str, upid: &str, deadline: Instant) -> Result<(), NotDone> {
        let mut pause = FIRST;
        loop {
            let said = self.proxmox.task(node, upid).await;
            let last = match said {
                Ok(Some(end)) if end == "OK" || end.starts_with("WARNINGS") => return Ok(()),
                Ok(Some(end)) => {
                    let end = Tainted::bounded(&end, 300);
                    return Err(NotDone::Failed(format!("its task ended with: {end} ({upid})")));
                }
                Ok(None) => "it still runs".to_owned(),
                // One question that brings no answer says nothing about the task.
                Err(why) => why,
            };
            if deadline < Instant::now() + pause {
                return Err(NotDone::Unknown(format!(
                    "the end of the task {upid} was not seen: {last}"
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }

    /// What is sent for a deed.
    async fn request(&self, id: &str, seen: &Machine, deed: &Deed) -> Result<Request, NotDone> {
        let not_started = |why: String| NotDone::NotStarted(why);
        let vmid = number(id).map_err(not_started)?;
        if let Deed::Create { template, name } = deed {
            let from = number(template).map_err(not_started)?;
            let found = self.find(from).await.map_err(not_started)?;
            let (place, _) =
                found.ok_or_else(|| not_started(format!("there is no template {from}")))?;
            let named = if place.kind == "lxc" { "hostname" } else { "name" };
            let form = vec![
                ("newid", vmid.to_string()),
                (named, name.clone()),
                ("full", "1".to_owned()),
                ("description", MARK.to_owned()),
            ];
            let (path, on) = (format!("{}/clone", place.path()), format!("/vms/{from}"));
            let right = "VM.Clone";
            return Ok(Request { verb: Verb::Post, path, form, right, on, node: place.node });
        }
        let place = Place::parse(&seen.place)
            .ok_or_else(|| not_started(format!("there is no guest {vmid}")))?;
        let whole = place.path();
        let (verb, path, right, form) = asked(deed, seen, &whole)?;
        let path = match deed {
            Deed::Withdraw(rule) => {
                format!("{whole}/firewall/rules/{}", self.position(&whole, rule, seen).await?)
            }
            Deed::Start
            | Deed::Stop
            | Deed::Create { .. }
            | Deed::Delete
            | Deed::Grow { .. }
            | Deed::Limit { .. }
            | Deed::Admit(_)
            | Deed::Snapshot { .. }
            | Deed::Rollback { .. }
            | Deed::Forget { .. } => path,
        };
        Ok(Request { verb, path, form, right, on: format!("/vms/{vmid}"), node: place.node })
    }

    /// Where a rule stands now; its list must be the one that was seen.
    async fn position(&self, whole: &str, rule: &Rule, seen: &Machine) -> Result<u64, NotDone> {
        let lines = self.proxmox.at::<Vec<RuleLine>>(&format!("{whole}/firewall/rules")).await;
        let lines = lines.map_err(NotDone::NotStarted)?.unwrap_or_default();
        let here = lines.iter().find(|line| line.rule().as_ref() == Some(rule));
        match here {
            Some(line) if line.digest == seen.digests.rules => Ok(line.pos),
            Some(_) | None => Err(NotDone::NotStarted("its rules were changed meanwhile".into())),
        }
    }
}

fn number(id: &str) -> Result<u64, String> {
    id.parse().map_err(|_| format!("{id:?} is no number of a guest"))
}

/// Perl writes numbers as such or as text.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `scsi0: local-lvm:vm-104-disk-0,size=32G`. A CD is none.
fn volumes(config: &BTreeMap<String, Json>) -> BTreeMap<String, u64> {
    let buses = ["scsi", "virtio", "sata", "ide", "mp"];
    let is_volume = |key: &str| {
        let of_bus = |bus: &str| {
            key.strip_prefix(bus)
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        key == "rootfs" || buses.iter().any(|bus| of_bus(bus))
    };
    let size = |(key, value): (&String, &Json)| {
        let text = value.as_str().filter(|text| !text.contains("media=cdrom"))?;
        let size = text.split(',').find_map(|part| part.strip_prefix("size="))?;
        Some((key.clone(), bytes(size)?))
    };
    config.iter().filter(|(key, _)| is_volume(key)).filter_map(size).collect()
}

/// `32G`, `512M`, `1048576K`.
fn bytes(size: &str) -> Option<u64> {
    let (digits, unit) = match size.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => size.split_at(at),
        None => (size, ""),
    };
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Provider for ProxmoxProvider {
    fn look<'a>(&'a self, id: &'a str) -> Fut<'a, Result<Machine, String>> {
        Box::pin(self.machine(id))
    }

    fn act<'a>(
        &'a self,
        permit: &'a Permit,
        id: &'a str,
        seen: &'a Machine,
        deed: &'a Deed,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(self.change(permit, id, seen, deed, within))
    }
}
