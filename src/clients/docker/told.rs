//! What the engine tells of its containers, and the facts that are made of it. Fields that this build does
//! not know are passed over, and those that are missing have a default: engines differ.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clock::zone::instant;
use crate::model::container::{
    Container, ContainerState, Ended, Health, KEPT_LABELS, RestartPolicy,
};
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

/// Labels may be many and long; those that are kept are few and short.
const LONGEST_LABEL: usize = 2_000;

type Labels = Option<BTreeMap<String, String>>;

/// A row of `GET /containers/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Listed {
    pub id: String,
    pub names: Option<Vec<String>>,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub state: String,
    /// For people: `Up 2 hours (healthy)`, `Exited (137) 3 seconds ago`.
    pub status: String,
}

impl Listed {
    /// What changes with the state, and not with time: `exited`, `(137)`, `(healthy)`.
    pub(super) fn standing(&self) -> String {
        let words = self.status.split_ascii_whitespace();
        let marks: Vec<&str> = words.filter(|w| w.starts_with('(') || w.ends_with(')')).collect();
        format!("{} {}", self.state, marks.join(" "))
    }

    /// How long it has been so at least; `None` where the status has no age.
    pub(super) fn age(&self) -> Option<Span> {
        let words: Vec<&str> = self.status.split_ascii_whitespace().collect();
        (0..words.len()).find_map(|i| age(words.get(i..).unwrap_or_default()))
    }
}

/// The least age that the engine's words may stand for: `5 seconds`, `About an hour`.
fn age(words: &[&str]) -> Option<Span> {
    let half = |n: i64, unit: Span| Span(n.saturating_mul(unit.0).saturating_sub(unit.0 / 2));
    let (n, unit) = match words {
        ["Less", "than", "a", "second", ..] => return Some(Span(0)),
        ["About", "a", "minute", ..] => (1, "minute"),
        ["About", "an", "hour", ..] => return Some(Span::hours(1)),
        [n, unit, ..] => (n.parse::<i64>().ok().filter(|n| 0 <= *n)?, *unit),
        [] | [_] => return None,
    };
    match unit.trim_end_matches('s') {
        "second" => Some(Span::secs(n)),
        "minute" => Some(Span::mins(n)),
        // Hours are rounded.
        "hour" => Some(half(n, Span::hours(1))),
        "day" => Some(half(n, Span::days(1))),
        "week" => Some(half(n, Span::days(7))),
        "month" => Some(half(n, Span::days(30))),
        "year" => Some(half(n, Span::days(365))),
        _ => None,
    }
}

/// The answer to `GET /containers/ID/json`, and one item of what `docker inspect` prints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspected {
    pub id: String,
    name: String,
    created: String,
    /// The image's id.
    image: String,
    restart_count: u32,
    state: State,
    host_config: HostConfig,
    mounts: Option<Vec<Mounted>>,
    config: Config,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: String,
    exit_code: i64,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    error: Option<String>,
    started_at: String,
    finished_at: String,
    pid: u32,
    #[serde(alias = "Healthcheck")]
    health: Option<HealthState>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthState {
    status: String,
    failing_streak: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    restart_policy: Option<Policy>,
    privileged: bool,
    pid_mode: Option<String>,
    network_mode: Option<String>,
    binds: Option<Vec<String>>,
    /// In bytes; 0 is no limit.
    memory: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Policy {
    name: String,
    maximum_retry_count: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mounted {
    source: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    image: String,
    labels: Labels,
}

/// The socket of an engine, under whichever folder.
const ENGINES: [&str; 3] = ["/docker.sock", "/podman.sock", "/containerd.sock"];

impl Inspected {
    /// How it reaches beyond itself: whoever holds an engine's socket is root on the host.
    fn reaches(&self) -> Vec<String> {
        let HostConfig { pid_mode, network_mode, binds, .. } = &self.host_config;
        let mounted = self.mounts.iter().flatten().map(|mounted| mounted.source.as_str());
        let bound = binds.iter().flatten().filter_map(|bind| bind.split(':').next());
        let holds = mounted.chain(bound).any(|from| ENGINES.iter().any(|end| from.ends_with(end)));
        let is_host = |mode: &Option<String>| mode.as_deref() == Some("host");
        [
            (is_host(pid_mode), "host pid"),
            (is_host(network_mode), "host network"),
            (holds, "docker.sock"),
        ]
        .into_iter()
        .filter(|(so, _)| *so)
        .map(|(_, what)| what.to_owned())
        .collect()
    }

    /// The number of its first process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        (0 < self.state.pid).then_some(self.state.pid)
    }

    /// The fact. How it ended is told from events, and when its image was made from the images.
    pub(super) fn container(self) -> Container {
        let reaches = self.reaches();
        let State { status, exit_code, oom_killed, error, started_at, finished_at, health, .. } =
            self.state;
        let state = ContainerState::parse(&status);
        Container {
            name: self.name.trim_start_matches('/').to_owned(),
            id: self.id,
            image: self.config.image,
            image_id: self.image,
            image_created_at: None,
            state,
            health: health.map_or(Health::None, |health| of_health(&health)),
            // Of one that runs it is 0, whatever the run before ended with.
            exit_code: (state != ContainerState::Running)
                .then(|| i32::try_from(exit_code).unwrap_or(i32::MAX)),
            oom_killed,
            error: error.filter(|e| !e.is_empty()).map(|e| Tainted::bounded(&e, 300)),
            restarts: self.restart_count,
            created_at: at(&self.created).unwrap_or_default(),
            started_at: at(&started_at),
            finished_at: at(&finished_at),
            policy: of_policy(&self.host_config.restart_policy.unwrap_or_default()),
            ended: Ended::Untold,
            privileged: self.host_config.privileged,
            reaches,
            memory_limit: Some(self.host_config.memory).filter(|limit| 0 < *limit),
            memory: None,
            labels: kept(self.config.labels),
        }
    }
}

fn of_health(health: &HealthState) -> Health {
    match health.status.as_str() {
        "healthy" => Health::Healthy,
        "starting" => Health::Starting,
        "unhealthy" => Health::Unhealthy { streak: health.failing_streak },
        _ => Health::None,
    }
}

fn of_policy(policy: &Policy) -> RestartPolicy {
    match policy.name.as_str() {
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => RestartPolicy::OnFailure { most: policy.maximum_retry_count },
        _ => RestartPolicy::No,
    }
}

/// The engine's zero is in the year 1.
fn at(text: &str) -> Option<Millis> {
    instant(text).filter(|at| 0 < at.0)
}

fn kept(labels: Labels) -> BTreeMap<String, String> {
    let kept = |(name, _): &(String, String)| {
        KEPT_LABELS.iter().any(|prefix| name.starts_with(prefix)) && name.len() <= 200
    };
    let cut = |(name, value): (String, String)| (name, value.chars().take(LONGEST_LABEL).collect());
    labels.unwrap_or_default().into_iter().filter(kept).map(cut).collect()
}

/// An item of `GET /images/json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Image {
    pub id: String,
    /// Unix seconds.
    pub created: i64,
}

/// A line of `GET /events`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Event {
    action: String,
    actor: Actor,
    #[serde(rename = "timeNano")]
    time_nano: i64,
    #[serde(rename = "time")]
    time: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    attributes: BTreeMap<String, String>,
}

impl Event {
    fn at(&self) -> Millis {
        match self.time_nano {
            0 => Millis(self.time.saturating_mul(1_000)),
            nanos => Millis(nanos / 1_000_000),
        }
    }

    /// Whether this told the container to end: a stop, or a signal that ends by its default. SIGHUP and
    /// SIGUSR1 are how people have a program read its config anew.
    fn asks(&self) -> bool {
        const STAYS: [&str; 10] =
            ["1", "10", "12", "17", "18", "28", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"];
        match self.action.as_str() {
            "stop" => true,
            "kill" => {
                let signal = self.actor.attributes.get("signal");
                signal.is_none_or(|signal| !STAYS.contains(&signal.as_str()))
            }
            _ => false,
        }
    }
}

/// The events of a text with one JSON object after the other; what is no event ends it.
pub(super) fn events(text: &[u8]) -> Vec<Event> {
    serde_json::Deserializer::from_slice(text).into_iter().map_while(Result::ok).collect()
}

/// Who told it to end did so within this before its end: stop timeouts are seconds to minutes.
pub(super) const STOPPING: Span = Span::mins(10);
/// The state's time and the event's differ by what the engine does in between.
const ABOUT: Span = Span::secs(5);

/// How a container ended, as far as the engine remembers its events.
pub(super) fn ended(container: &Container, events: &[Event]) -> Ended {
    let Some(finished_at) = container.finished_at else { return Ended::Untold };
    let near = |at: Millis| at.since(finished_at).max(finished_at.since(at)) <= ABOUT;
    let own: Vec<&Event> = events.iter().filter(|e| e.actor.id == container.id).collect();
    if container.oom_killed {
        return Ended::Oom;
    }
    let began = container.started_at.unwrap_or(Millis(0));
    let asked = |e: &&Event| {
        e.asks()
            && began <= e.at()
            && finished_at.since(e.at()) <= STOPPING
            && e.at().since(finished_at) <= ABOUT
    };
    if own.iter().any(asked) {
        return Ended::Asked;
    }
    // Its end is remembered, and nobody asked for it.
    match own.iter().any(|e| matches!(e.action.as_str(), "die" | "died") && near(e.at())) {
        true => Ended::Own,
        false => Ended::Untold,
    }
}

/// Whether the kernel killed it since then.
pub(super) fn was_oom(id: &str, events: &[Event], since: Millis) -> bool {
    events.iter().any(|e| e.actor.id == id && e.action == "oom" && since <= e.at())
}

/// What the newest remembered end of a container left.
pub(super) fn exit_code(id: &str, events: &[Event]) -> Option<i32> {
    let died = |e: &&Event| e.actor.id == id && matches!(e.action.as_str(), "die" | "died");
    let last = events.iter().filter(died).max_by_key(|e| e.at())?;
    last.actor.attributes.get("exitCode")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = include_str!("recorded/list.json");
    const INSPECT: &str = include_str!("recorded/inspect.json");

    fn recorded() -> BTreeMap<String, Container> {
        let all: Vec<Inspected> = serde_json::from_str(INSPECT).unwrap();
        all.into_iter().map(Inspected::container).map(|c| (c.name.clone(), c)).collect()
    }

    #[test]
    fn what_a_real_engine_told_is_read() {
        let all = recorded();
        let told = |name: &str| {
            let c = &all[name];
            (c.state.as_str(), c.health.as_str(), c.exit_code, c.oom_killed, c.policy.as_str())
        };
        assert_eq!(told("oom"), ("exited", "none", Some(137), true, "no"));
        assert_eq!(told("well"), ("running", "healthy", None, false, "no"));
        assert_eq!(told("sick"), ("running", "unhealthy", None, false, "no"));
        assert_eq!(told("always"), ("exited", "none", Some(137), false, "unless-stopped"));
        assert_eq!(told("crashed"), ("exited", "none", Some(7), false, "no"));
        assert_eq!(told("once"), ("exited", "none", Some(0), false, "no"));
        assert_eq!(told("made"), ("created", "none", Some(0), false, "no"));
        assert!(matches!(all["sick"].health, Health::Unhealthy { streak } if 3 < streak));
        assert!(all["badexec"].error.as_ref().unwrap().as_str().contains("no such file"));
        assert!(all["made"].started_at.is_none() && all["made"].finished_at.is_none());
        assert!(all["out"].opted_out() && !all["once"].opted_out());
        assert!(4 < all["loop"].restarts, "{}", all["loop"].restarts);
        assert_eq!(all.len(), 12);
    }

    #[test]
    fn a_status_tells_its_age_and_what_it_stands_for() {
        for (status, age, standing) in [
            ("Up Less than a second", Some(Span(0)), "s "),
            ("Up 5 seconds (healthy)", Some(Span::secs(5)), "s (healthy)"),
            ("Up 1 second", Some(Span::secs(1)), "s "),
            ("Up About a minute (health: starting)", Some(Span::mins(1)), "s (health: starting)"),
            ("Up 7 minutes (Paused)", Some(Span::mins(7)), "s (Paused)"),
            ("Up About an hour", Some(Span::hours(1)), "s "),
            ("Up 2 hours", Some(Span::mins(90)), "s "),
            ("Exited (137) 3 weeks ago", Some(Span::hours(17 * 24 + 12)), "s (137)"),
            ("Restarting (1) 20 seconds ago", Some(Span::secs(20)), "s (1)"),
            ("Created", None, "s "),
            ("Dead", None, "s "),
            ("", None, "s "),
            ("Up -4 seconds", None, "s "),
        ] {
            let listed = Listed { state: "s".into(), status: status.into(), ..Listed::default() };
            assert_eq!((listed.age(), listed.standing().as_str()), (age, standing), "{status}");
        }
        let list: Vec<Listed> = serde_json::from_str(LIST).unwrap();
        assert!(list.iter().filter(|l| l.state != "created").all(|l| l.age().is_some()));
    }

    fn event(id: &str, action: &str, signal: Option<&str>, at: Millis) -> String {
        let attributes = signal.map_or(String::new(), |s| format!("\"signal\":\"{s}\""));
        format!(
            "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{{attributes}}}}},\"time\":{},\"timeNano\":{}}}\n",
            at.0 / 1000,
            at.0 * 1_000_000
        )
    }

    #[test]
    fn a_stop_is_told_from_a_crash() {
        let all = recorded();
        let killed = all["killed"].clone();
        let end = killed.finished_at.unwrap();
        let of = |lines: &[(&str, Option<&str>, Span)], c: &Container| {
            let text: String = lines
                .iter()
                .map(|(what, signal, ago)| event(&c.id, what, *signal, end - *ago))
                .collect();
            ended(c, &events(text.as_bytes()))
        };
        let ago = Span;
        for (lines, want) in [
            (
                &[("kill", Some("15"), ago(900)), ("die", None, ago(0)), ("stop", None, ago(-20))]
                    [..],
                Ended::Asked,
            ),
            (&[("kill", Some("9"), ago(10)), ("die", None, ago(0))], Ended::Asked),
            (&[("die", None, ago(0))], Ended::Own),
            // A signal that only says: read your config anew.
            (&[("kill", Some("1"), ago(10)), ("die", None, ago(0))], Ended::Own),
            // Before it was started, and so about another life.
            (&[("kill", Some("15"), Span::days(1)), ("die", None, ago(0))], Ended::Own),
            (&[], Ended::Untold),
            (&[("die", None, Span::hours(1))], Ended::Untold),
        ] {
            assert_eq!(of(lines, &killed), want, "{lines:?}");
        }
        assert_eq!(of(&[], &all["oom"]), Ended::Oom);
        // Another container's events say nothing of this one.
        assert_eq!(
            ended(&all["crashed"], &events(event(&killed.id, "die", None, end).as_bytes())),
            Ended::Untold
        );
        assert_eq!(events(b"{\"Action\":\"die\"} garbage {}").len(), 1);
    }

    #[test]
    fn what_is_odd_is_no_reason_to_stumble() {
        for text in [
            "{}",
            r#"{"State":{"Health":null},"Config":{"Labels":null},"HostConfig":{"RestartPolicy":null}}"#,
        ] {
            let c = serde_json::from_str::<Inspected>(text).unwrap().container();
            assert_eq!(
                (c.state, c.health, c.policy),
                (ContainerState::Other, Health::None, RestartPolicy::No)
            );
        }
    }
}
