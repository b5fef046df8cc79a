//! The one table of the kinds of probes, and how config and defaults become probes.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::mistakes::hint;
use crate::config::section::{Entry, Section};
use crate::model::ids::HostName;
use crate::model::target::Signal;
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Context, Draft, Endpoint, Named, host_signal};
use crate::probe::{Probe, dns, http, reach, reef_self, tls};

/// One kind of probe.
#[derive(Debug)]
pub struct Kind {
    /// As in config and signals: `http`.
    pub name: &'static str,
    /// One line, at most 100 characters, no full stop.
    pub summary: &'static str,
    /// Lines of config that make one; empty for kinds that nobody has to write.
    pub example: &'static str,
    /// What a reading of it has, for runbooks: `reading.NAME`.
    pub gives: fn() -> Vec<Gives>,
    /// Reads what was written about one probe of this kind.
    pub configure: fn(&mut Ask<'_>) -> Vec<Draft>,
}

/// All kinds, in the order of `reef status`.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "host",
        summary: "whether a remote host can be reached",
        example: "",
        gives: reach::gives,
        configure: not_by_hand,
    },
    Kind {
        name: "http",
        summary: "whether an endpoint answers as it should, and how fast",
        example: "http.photos = { url = \"https://photos.home.example/ping\", body = \"pong\", slow = \"2s\" }",
        gives: http::gives,
        configure: http::configure,
    },
    Kind {
        name: "tls",
        summary: "how long a certificate is still good; its chain and its name",
        example: "tls.mail = \"mail.home.example:993\"",
        gives: tls::gives,
        configure: tls::configure,
    },
    Kind {
        name: "dns",
        summary: "whether a resolver knows the own names, and finds those of the world",
        example: "dns.pihole = { server = \"192.168.1.3\", own = \"nas.home.example\" }",
        gives: dns::gives,
        configure: dns::configure,
    },
    Kind {
        name: "reef",
        summary: "reef itself: looks that failed or were missed, and its memory",
        example: "",
        gives: reef_self::gives,
        configure: not_by_hand,
    },
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What is watched.
#[derive(Debug, Default)]
pub struct Watched {
    pub probes: Vec<Probe>,
    /// The endpoints that the config names, by their target, for the tools that look at them.
    pub endpoints: Vec<Endpoint>,
}

/// Reads `[probe]` and adds the defaults of this machine: a named probe replaces the default of its
/// name, and `off = ["dns.resolver"]` takes one away.
pub fn from_config(root: &mut Section, cx: &Context) -> Watched {
    let mut section = root.section("probe");
    let off: BTreeSet<String> = section.list_or("off", Vec::new()).into_iter().collect();
    let mut written: Vec<(Section, Vec<(String, Vec<Draft>)>)> = Vec::new();
    for (name, entry) in section.entries() {
        match (kind(&name), entry) {
            (None, _) => {
                let hint = hint(&name, KINDS.iter().map(|kind| kind.name));
                section.mistake(&name, format!("is no kind of probe{hint}"));
            }
            (Some(kind), Entry::Table(mut of_kind)) => {
                let drafts = of_one_kind(kind, &mut of_kind, cx);
                written.push((of_kind, drafts));
            }
            (Some(kind), Entry::Short(_) | Entry::Other) => {
                let example = kind.example.split(" = ").next().unwrap_or(kind.name);
                section.mistake(&name, format!("needs a name of yours: write {example} = ..."));
            }
        }
    }
    let named: BTreeSet<String> =
        written.iter().flat_map(|(_, drafts)| drafts).flat_map(|(_, d)| d).map(full_name).collect();
    let default: Vec<Draft> =
        default_drafts(cx).into_iter().filter(|draft| !named.contains(&draft.probe.name)).collect();
    for name in &off {
        let known = default.iter().any(|draft| draft.probe.name == *name)
            || implied(&written).any(|draft| draft.probe.name == *name);
        if !known {
            let names = default.iter().map(|draft| draft.probe.name.as_str());
            let hint = hint(name, names);
            section.mistake("off", format!("\"{name}\" is no default probe{hint}"));
        }
    }
    let mut drafts = resolve_parents(written, &default, cx);
    drafts.extend(default);
    drafts.retain(|draft| !off.contains(&draft.probe.name));
    watched(drafts)
}

/// The probes of this machine that need no line of config.
pub fn defaults(cx: &Context) -> Vec<Probe> {
    default_drafts(cx).into_iter().map(|draft| draft.probe).collect()
}

/// The probes that every remote host brings. All but the first have it as their parent.
pub fn of_host(host: &HostName) -> Vec<Probe> {
    vec![reach::of_host(host).probe]
}

fn default_drafts(cx: &Context) -> Vec<Draft> {
    [dns::of_this_machine(cx), reef_self::of_this_process(cx)].into_iter().flatten().collect()
}

fn full_name(draft: &Draft) -> String {
    draft.probe.name.clone()
}

fn implied(written: &[(Section, Vec<(String, Vec<Draft>)>)]) -> impl Iterator<Item = &Draft> {
    let all = written.iter().flat_map(|(_, drafts)| drafts).flat_map(|(_, drafts)| drafts);
    all.filter(|draft| draft.named == Named::Implied)
}

/// The drafts of one kind, by the name that the operator gave.
fn of_one_kind(kind: &Kind, section: &mut Section, cx: &Context) -> Vec<(String, Vec<Draft>)> {
    let mut found = Vec::new();
    for (name, entry) in section.entries() {
        let mut ask = match entry {
            Entry::Short(text) => Ask::short(&name, text, section, cx),
            Entry::Table(table) => Ask::table(&name, table, section, cx),
            Entry::Other => {
                let what = format!("is neither text nor a table; write {}", kind.example);
                section.mistake(&name, what);
                continue;
            }
        };
        let drafts = (kind.configure)(&mut ask);
        found.push((name, drafts));
    }
    found
}

/// For kinds that follow from something else.
fn not_by_hand(ask: &mut Ask<'_>) -> Vec<Draft> {
    let name = ask.name.to_owned();
    ask.mistake(&name, "is made by reef itself: there is nothing to write here");
    Vec::new()
}

/// Turns `parent = "nas"` and `parent = "http.photos"` into signals, and drops implied probes whose
/// name the config took for itself.
fn resolve_parents(
    written: Vec<(Section, Vec<(String, Vec<Draft>)>)>,
    default: &[Draft],
    cx: &Context,
) -> Vec<Draft> {
    let mut mains: BTreeMap<String, Signal> = BTreeMap::new();
    for draft in written.iter().flat_map(|(_, d)| d).flat_map(|(_, d)| d).chain(default) {
        // A named probe stands before an implied one of the same name.
        if draft.named == Named::Yes || !mains.contains_key(&draft.probe.name) {
            mains.insert(draft.probe.name.clone(), draft.main.clone());
        }
    }
    let named: BTreeSet<String> = written
        .iter()
        .flat_map(|(_, d)| d)
        .flat_map(|(_, d)| d)
        .filter(|draft| draft.named == Named::Yes)
        .map(full_name)
        .collect();
    let mut drafts: Vec<Draft> = Vec::new();
    for (mut section, of_kind) in written {
        for (name, mut of_name) in of_kind {
            of_name.retain(|d| d.named == Named::Yes || !named.contains(&d.probe.name));
            for mut draft in of_name {
                if let Some(given) = draft.parent.take() {
                    let found = parent(&given, &draft.main, &mains, cx);
                    match found.and_then(|signal| no_circle(signal, &draft.main, &drafts)) {
                        Ok(signal) => draft.probe.parent = Some(signal),
                        Err(why) => section.mistake(&name, format!("parent: {why}")),
                    }
                }
                drafts.push(draft);
            }
        }
    }
    drafts
}

/// Refuses a parent whose own parents lead back to the child: each would explain the other away.
fn no_circle(parent: Signal, child: &Signal, drafts: &[Draft]) -> Result<Signal, String> {
    let mut at = Some(&parent);
    while let Some(signal) = at {
        if signal == child {
            return Err("these parents lead round in a circle".into());
        }
        let of_it = drafts.iter().find(|draft| draft.main == *signal);
        at = of_it.and_then(|draft| draft.probe.parent.as_ref());
    }
    Ok(parent)
}

fn parent(
    given: &str,
    child: &Signal,
    mains: &BTreeMap<String, Signal>,
    cx: &Context,
) -> Result<Signal, String> {
    if let Some(host) = cx.hosts.iter().find(|host| host.as_str() == given) {
        return match *host == cx.here {
            true => Err("is this machine, which is always there while reef runs".into()),
            false => Ok(host_signal(host)),
        };
    }
    match mains.get(given) {
        Some(signal) if signal == child => Err("a probe cannot be its own parent".into()),
        Some(signal) => Ok(signal.clone()),
        None => {
            let hosts = cx.hosts.iter().map(HostName::as_str);
            let hint = hint(given, hosts.chain(mains.keys().map(String::as_str)));
            Err(format!("\"{given}\" is no host and no probe here{hint}"))
        }
    }
}

fn watched(drafts: Vec<Draft>) -> Watched {
    let mut all = Watched::default();
    for draft in drafts {
        if let Some(endpoint) = draft.endpoint {
            match all.endpoints.iter_mut().find(|known| known.target == endpoint.target) {
                // An https URL and its certificate are one endpoint.
                Some(known) => {
                    known.url = known.url.take().or(endpoint.url);
                    known.tls = known.tls.take().or(endpoint.tls);
                }
                None => all.endpoints.push(endpoint),
            }
        }
        all.probes.push(draft.probe);
    }
    all
}

#[cfg(test)]
mod tests;
