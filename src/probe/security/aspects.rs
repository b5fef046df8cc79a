//! What `security` holds against what is known: its aspects, the words for each, and what of a host counts as one item.

use crate::model::container::Container;
use crate::model::guard::{Guards, Known, Listener, Protocol};
use crate::probe::security::known::{Counts, Item, clean};

/// The ports that programs are given without asking for one (ip_local_port_range): of UDP they say nothing, and of TCP
/// who has it counts, because it is another one after each start.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// A host with more items than this is watched by its first ones.
pub(super) const MOST: usize = 500;

/// One aspect of what is watched, and how it is told.
#[derive(Clone, Copy)]
pub(super) struct Aspect {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
    pub(super) things: &'static str,
    pub(super) counts: Counts,
    pub(super) words: fn(&Item) -> String,
}

pub(super) const SOURCES: Aspect = Aspect {
    name: "source",
    reason: "source",
    things: "sources of logins",
    counts: Counts::New,
    words: |item| format!("first login from {}: {}", item.name, item.now),
};
pub(super) const PORTS: Aspect = Aspect {
    name: "ports",
    reason: "port",
    things: "listening ports",
    counts: Counts::New,
    words: |item| format!("new listening port: {} ({})", item.name, item.now),
};
pub(super) const KEYS: Aspect = Aspect {
    name: "keys",
    reason: "keys",
    things: "files of authorized keys",
    counts: Counts::All,
    words: changed,
};
pub(super) const SUDOERS: Aspect =
    Aspect { name: "sudoers", reason: "sudoers", things: "files of sudoers", ..KEYS };
pub(super) const CRON: Aspect =
    Aspect { name: "cron", reason: "cron", things: "files of cron", ..KEYS };
pub(super) const ROOTS: Aspect = Aspect {
    name: "root",
    reason: "root",
    things: "accounts with uid 0",
    counts: Counts::New,
    words: |item| format!("new account with uid 0: {}", item.name),
};
pub(super) const CONTAINERS: Aspect = Aspect {
    name: "containers",
    reason: "container",
    things: "privileged containers",
    counts: Counts::New,
    words: |item| format!("new privileged container: {}, {}", item.name, item.now),
};

pub(super) fn counted(lines: u64) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// A file's states begin with its lines; the digest says nothing to people.
fn changed(item: &Item) -> String {
    let lines = |state: &str| state.rsplit_once(' ').map_or(state, |(lines, _)| lines).to_owned();
    match (&item.before, item.now.as_str()) {
        (None, now) => format!("{} is new: {}", item.name, lines(now)),
        (Some(before), "") => format!("{} is gone: {} before", item.name, lines(before)),
        (Some(before), now) => {
            format!("{} changed: {} before, {} now", item.name, lines(before), lines(now))
        }
    }
}

/// How many more there are or may be, of which nothing can be said.
pub(super) fn unread(hidden: &[String]) -> String {
    if hidden.is_empty() { String::new() } else { format!(" ({} not readable)", hidden.len()) }
}

/// What may not be read, in one line.
pub(super) fn hidden(all: &[(Guards, String)]) -> Option<String> {
    let (_, first) = all.first()?;
    let more = match all.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(format!("reef may not look at {first}{more}"))
}

/// A port by its number; of those that change with each start, by whose it is.
pub(super) fn ports(listeners: &[Listener]) -> Known {
    let item = |l: &Listener| {
        let (protocol, owner) = (l.protocol.as_str(), format!("uid {}", l.uid));
        let who = l.process.clone().unwrap_or(owner);
        match (EPHEMERAL.contains(&l.port), l.protocol) {
            (true, Protocol::Udp) => None,
            (true, Protocol::Tcp) => {
                Some((clean(&format!("tcp of {who}")), format!("port {}", l.port)))
            }
            (false, _) => Some((format!("{protocol} {}", l.port), clean(&who))),
        }
    };
    listeners.iter().filter_map(item).take(MOST).collect()
}

/// Containers that reach beyond themselves, by name and by how. One that Kubernetes made is known by its image: its
/// name is another one each time.
pub(super) fn containers(all: &[Container]) -> Known {
    let item = |c: &Container| {
        let privileged = c.privileged.then(|| "privileged".to_owned());
        let how: Vec<String> = privileged.into_iter().chain(c.reaches.iter().cloned()).collect();
        let name = match c.label("io.kubernetes.pod.name") {
            Some(_) => &c.image,
            None => &c.name,
        };
        let how = how.join(", ");
        (!how.is_empty()).then(|| (clean(&format!("{name} ({how})")), clean(&c.image)))
    };
    all.iter().filter(|c| !c.opted_out()).filter_map(item).take(MOST).collect()
}
