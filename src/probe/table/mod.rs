//! The one table of the kinds of probes, and how config and defaults become probes.

mod kinds;
mod parents;
mod units;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::mistakes::hint;
use crate::config::section::{Entry, Reader, Section};
use crate::model::ids::{HostName, Word};
use crate::model::target::Signal;
use crate::model::time::Span;
use crate::probe::ask::{Ask, Common, Context, Draft, Endpoint, Named, host_signal};
use crate::probe::if_there::{Asked, IfThere, Sleeps};
pub use crate::probe::table::kinds::{Kind, Made, gives_of, kind, kinds};
pub use crate::probe::table::units::enabled as usual_units;
use crate::probe::{How, Probe, dns, errors, reach, reef_self, uplink};

/// What is watched.
#[derive(Debug, Default)]
pub struct Watched {
    pub probes: Vec<Probe>,
    /// The endpoints that the config names, by their target, for the tools that look at them.
    pub endpoints: Vec<Endpoint>,
}

/// What was written, by the table of its kind: mistakes found later still belong to its lines.
type Written = Vec<(Section, Vec<OfName>)>;

/// What was written under one name.
#[derive(Debug)]
struct OfName {
    name: String,
    drafts: Vec<Draft>,
    /// It made no probe, because of a mistake that was told.
    lost: Option<Lost>,
}

/// What a probe that could not be made names above itself, each by its key.
#[derive(Debug)]
struct Lost {
    above: Vec<(&'static str, String)>,
}

/// Reads `[probe]` and the tables beside it and adds the defaults of this machine: a named probe replaces
/// the default of its name, and `off = ["cpu", "dns.resolver"]` takes defaults away.
pub fn from_config(root: &mut Section, cx: &Context) -> Watched {
    let mut section = root.section("probe");
    let off: BTreeSet<String> = section.list_or("off", Vec::new()).into_iter().collect();
    let mut probes = machine(&mut section, cx);
    let written = written(&mut section, root, cx);
    let named: BTreeSet<String> = all(&written).map(full_name).collect();
    let spoken_for: BTreeSet<Signal> = all(&written).map(|draft| draft.main.clone()).collect();
    let mut default = default_drafts(cx, spoken_for.clone());
    default.retain(|draft| !named.contains(&draft.probe.name));

    let implied = all(&written).filter(|draft| draft.named == Named::Implied);
    let may_go: BTreeSet<String> = default
        .iter()
        .chain(implied)
        .map(full_name)
        .chain(probes.iter().map(|probe| probe.name.clone()))
        // One config serves machines with and without systemd.
        .chain(["unit".to_owned()])
        .collect();
    for name in off.difference(&may_go) {
        let hint = hint(name, may_go.iter().map(String::as_str));
        section.mistake("off", format!("\"{name}\" is no default probe{hint}"));
    }
    let mut drafts = parents::resolve(root, written, &default, cx);
    beyond_this_machine(&mut drafts, &off, cx);
    drafts.extend(default);
    let mut watched = watched(drafts);
    let mut hosts = root.section("host");
    for host in cx.remotes.keys() {
        probes.extend(on_remote(host, &spoken_for, of_its_own(&mut hosts, host)));
    }
    hosts.let_go();
    probes.retain(|probe| !off.contains(&probe.name));
    let around = |asked| {
        move |probe: Probe| {
            let sleeps = cx.sleeps(&probe.host);
            if_there(probe, asked, sleeps)
        }
    };
    let mut probes: Vec<Probe> = probes.into_iter().map(around(Asked::ByItself)).collect();
    watched.probes.retain(|probe| !off.contains(&probe.name));
    probes.extend(watched.probes.into_iter().map(around(Asked::ByName)));
    let others = Arc::new(cx.others());
    for probe in &mut probes {
        probe.wakes |= cx.wakes.contains(&probe.host);
        if let How::Host(inner) = &mut probe.how {
            inner.introduce(&others);
        }
    }
    watched.probes = probes;
    watched
}

/// The probes of this machine that need no line of config.
pub fn defaults(cx: &Context) -> Vec<Probe> {
    let (_reader, mut root) = Reader::open(Source::new("defaults", ""), Env::of([]));
    from_config(&mut root, cx).probes
}

/// All probes that a remote host brings: the one that reaches it, and those whose parent that one is.
pub fn of_host(host: &HostName) -> Vec<Probe> {
    let mut probes = vec![reach::of_host(host, None, Sleeps::No).probe];
    probes.extend(
        on_remote(host, &BTreeSet::new(), None)
            .into_iter()
            .map(|p| if_there(p, Asked::ByItself, Sleeps::No)),
    );
    probes
}

/// `[host.NAME]`, in which `[host.NAME.disk]` sets its own probes.
fn of_its_own(hosts: &mut Section, host: &HostName) -> Option<Section> {
    hosts.is_table(host.as_str()).then(|| hosts.section(host.as_str()))
}

/// The probes that every remote host brings beside the one that reaches it, which explains them. They
/// keep silent where their thing is not. `own` is its section, where it has one.
fn on_remote(
    host: &HostName,
    spoken_for: &BTreeSet<Signal>,
    mut own: Option<Section>,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    for Kind { name, probe, made, .. } in kinds() {
        let Made::Machine { common, make } = made else { continue };
        let set = own.as_mut().filter(|own| own.is_table(name)).map(|own| own.section(name));
        // Defaults that nobody touched are not shown anew for every host.
        let (_reader, empty) = Reader::open(Source::new("defaults", ""), Env::of([]));
        let mut section = set.unwrap_or(empty);
        let common = Common::of_machine(&mut section, &common());
        let how = How::Host(make(&mut section, host.clone()));
        probes.push(common.probe(Word::of(probe), (*name).to_owned(), host.clone(), how));
    }
    if let Some(own) = own {
        own.let_go();
    }
    let units = units::of_remote(host, spoken_for.clone());
    probes.extend([Some(units), errors::of_host(host)].into_iter().flatten().map(|d| d.probe));
    for probe in &mut probes {
        probe.parent = Some(host_signal(host));
        if probe.name == "errors.journal" {
            probe.every = Span::mins(5);
        }
    }
    probes
}

/// Puts the silence of what is not there around a host probe.
fn if_there(mut probe: Probe, asked: Asked, sleeps: Sleeps) -> Probe {
    probe.how = match probe.how {
        How::Host(inner) if probe.kind.as_str() != "host" => {
            How::Host(Box::new(IfThere::around(inner, asked, sleeps)))
        }
        other @ (How::Host(_) | How::Net(_)) => other,
    };
    probe
}

/// One probe for each kind that a machine has anyway.
fn machine(section: &mut Section, cx: &Context) -> Vec<Probe> {
    let mut probes = Vec::new();
    for kind in kinds() {
        let Made::Machine { common, make } = &kind.made else { continue };
        let mut own = section.section(kind.name);
        let common = Common::of_machine(&mut own, &common());
        let how = How::Host(make(&mut own, cx.here.clone()));
        let name = kind.name.to_owned();
        probes.push(common.probe(Word::of(kind.probe), name, cx.here.clone(), how));
    }
    probes
}

fn written(section: &mut Section, root: &mut Section, cx: &Context) -> Written {
    let mut written = Written::new();
    for (name, entry) in section.entries() {
        match (kind(&name).map(|kind| (kind, &kind.made)), entry) {
            (Some((_, Made::Named(configure))), Entry::Table(mut of_kind)) => {
                let drafts = of_one_kind(*configure, &mut of_kind, cx);
                written.push((of_kind, drafts));
            }
            (Some((kind, Made::Named(_))), Entry::Short(_) | Entry::Other) => {
                let example = kind.example.split(" = ").next().unwrap_or(kind.name);
                section.mistake(&name, format!("needs a name of yours: write {example} = ..."));
            }
            (Some((_, Made::Itself)), _) => {
                section.mistake(&name, "is made by reef itself: there is nothing to write here");
            }
            (Some((kind, Made::Apart { table, .. })), _) => {
                let what = format!("is written apart: below [{table}], without \"{}.\"", kind.name);
                section.mistake(&name, what);
            }
            // Machine kinds were read before.
            (Some((_, Made::Machine { .. })), _) => {}
            (None, _) => {
                let hint = hint(&name, kinds().map(|kind| kind.name));
                section.mistake(&name, format!("is no kind of probe{hint}"));
            }
        }
    }
    for kind in kinds() {
        let Made::Apart { table, configure } = kind.made else { continue };
        let mut apart = root.section(table);
        let drafts = of_one_kind(configure, &mut apart, cx);
        written.push((apart, drafts));
    }
    #[cfg(not(feature = "kube"))]
    if root.has("kubernetes") {
        root.mistake("kubernetes", "is not in this build: build reef with the feature kube");
    }
    written
}

fn all(written: &Written) -> impl Iterator<Item = &Draft> {
    written.iter().flat_map(|(_, of_kind)| of_kind).flat_map(|one| &one.drafts)
}

/// `spoken_for` are the signals of probes that the config names.
fn default_drafts(cx: &Context, spoken_for: BTreeSet<Signal>) -> Vec<Draft> {
    let errors = errors::of_host(&cx.here).map(|mut draft| {
        // Asking the journal starts a program; events make the probe due before its time.
        draft.probe.every = Span::mins(5);
        draft
    });
    [
        // A machine without systemd has no units that could fail; asking for them would only be noise.
        cx.runs_systemd.then(|| units::of_here(cx, spoken_for)),
        errors,
        dns::of_this_machine(cx),
        reef_self::of_this_process(cx),
        Some(uplink::of_this_machine(cx)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What lies beyond this machine hangs on its own way out; a name of the outside world on `ping.internet` too, where the
/// config has it.
fn beyond_this_machine(drafts: &mut [Draft], off: &BTreeSet<String>, cx: &Context) {
    let internet =
        drafts.iter().find(|draft| draft.probe.name == "ping.internet").map(|d| d.main.clone());
    for draft in drafts.iter_mut() {
        let at = draft.endpoint.as_ref().and_then(|endpoint| {
            let of_url = endpoint.url.as_ref().map(|url| url.host().to_owned());
            of_url.or_else(|| endpoint.tls.as_ref().map(|server| server.host.clone()))
        });
        let over_the_network = match &at {
            Some(at) => !is_loopback(at) && cx.host_of(at).is_none_or(|host| host != cx.here),
            None => matches!(draft.probe.kind.as_str(), "ping" | "tcp" | "host"),
        };
        if !over_the_network {
            continue;
        }
        if !off.contains(uplink::NAME) {
            draft.probe.care.depends_on.push(uplink::signal(&cx.here));
        }
        if let Some(internet) = internet.as_ref().filter(|signal| **signal != draft.main)
            && at.is_some_and(|at| cx.host_of(&at).is_none() && is_outside(&at))
        {
            draft.probe.care.depends_on.push(internet.clone());
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A name or an address that is nobody's own: names without a dot and those of RFC 6762, RFC 8375 and private use are
/// of this network.
fn is_outside(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) => {
            !v4.is_private() && !v4.is_link_local() && !v4.is_loopback()
        }
        Ok(std::net::IpAddr::V6(v6)) => !v6.is_loopback() && v6.segments()[0] & 0xfc00 != 0xfc00,
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let own = [".local", ".lan", ".home", ".internal", ".home.arpa", ".test", ".localhost"];
            host.contains('.') && !own.iter().any(|end| host.ends_with(end))
        }
    }
}

fn full_name(draft: &Draft) -> String {
    draft.probe.name.clone()
}

/// The drafts of one kind, by the name that the operator gave.
fn of_one_kind(
    configure: fn(&mut Ask<'_>) -> Vec<Draft>,
    section: &mut Section,
    cx: &Context,
) -> Vec<OfName> {
    let mut found = Vec::new();
    for (name, entry) in section.entries() {
        let mut ask = match entry {
            Entry::Short(text) => Ask::short(&name, text, section, cx),
            Entry::Table(table) => Ask::table(&name, table, section, cx),
            Entry::Other => Ask::bare(&name, section, cx),
        };
        let drafts = configure(&mut ask);
        let lost = drafts.is_empty().then(|| {
            let needs = ask.list::<String>("depends_on").unwrap_or_default();
            let needs = needs.into_iter().map(|given| ("depends_on", given));
            let parent = ask.opt::<String>("parent").map(|given| ("parent", given));
            Lost { above: parent.into_iter().chain(needs).collect() }
        });
        found.push(OfName { name, drafts, lost });
    }
    found
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
                    known.resolver = known.resolver.take().or(endpoint.resolver);
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
