//! The one table of the kinds of probes, and how config and defaults become probes.

mod kinds;
mod units;

use std::collections::{BTreeMap, BTreeSet};

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
use crate::probe::{How, Probe, dns, errors, reach, reef_self};

/// What is watched.
#[derive(Debug, Default)]
pub struct Watched {
    pub probes: Vec<Probe>,
    /// The endpoints that the config names, by their target, for the tools that look at them.
    pub endpoints: Vec<Endpoint>,
}

/// What was written, by the table of its kind: mistakes found later still belong to its lines.
type Written = Vec<(Section, Vec<(String, Vec<Draft>)>)>;

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
    let mut drafts = resolve_parents(root, written, &default, cx);
    drafts.extend(default);
    let mut watched = watched(drafts);
    probes.extend(cx.remotes.keys().flat_map(|host| on_remote(host, &spoken_for)));
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
    for probe in &mut probes {
        probe.wakes |= cx.wakes.contains(&probe.host);
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
        on_remote(host, &BTreeSet::new())
            .into_iter()
            .map(|p| if_there(p, Asked::ByItself, Sleeps::No)),
    );
    probes
}

/// The probes that every remote host brings beside the one that reaches it, which explains them. They
/// keep silent where their thing is not.
fn on_remote(host: &HostName, spoken_for: &BTreeSet<Signal>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for Kind { name, probe, made, .. } in kinds() {
        let Made::Machine { common, make } = made else { continue };
        let (_reader, mut empty) = Reader::open(Source::new("defaults", ""), Env::of([]));
        let how = How::Host(make(&mut empty, host.clone()));
        probes.push(common().probe(Word::of(probe), (*name).to_owned(), host.clone(), how));
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
        other => other,
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
    written.iter().flat_map(|(_, of_kind)| of_kind).flat_map(|(_, drafts)| drafts)
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
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn full_name(draft: &Draft) -> String {
    draft.probe.name.clone()
}

/// The drafts of one kind, by the name that the operator gave.
fn of_one_kind(
    configure: fn(&mut Ask<'_>) -> Vec<Draft>,
    section: &mut Section,
    cx: &Context,
) -> Vec<(String, Vec<Draft>)> {
    let mut found = Vec::new();
    for (name, entry) in section.entries() {
        let mut ask = match entry {
            Entry::Short(text) => Ask::short(&name, text, section, cx),
            Entry::Table(table) => Ask::table(&name, table, section, cx),
            Entry::Other => Ask::bare(&name, section, cx),
        };
        let drafts = configure(&mut ask);
        found.push((name, drafts));
    }
    found
}

/// Turns `parent = "nas"` and `parent = "http.photos"` into signals, and drops implied probes whose
/// name the config took for itself.
fn resolve_parents(
    root: &mut Section,
    written: Written,
    default: &[Draft],
    cx: &Context,
) -> Vec<Draft> {
    let mut mains: BTreeMap<String, Signal> = BTreeMap::new();
    for draft in all(&written).chain(default) {
        // A named probe stands before an implied one of the same name.
        if draft.named == Named::Yes || !mains.contains_key(&draft.probe.name) {
            mains.insert(draft.probe.name.clone(), draft.main.clone());
        }
    }
    let named: BTreeSet<String> =
        all(&written).filter(|draft| draft.named == Named::Yes).map(full_name).collect();
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
    for (host, parent_of_it) in &cx.remotes {
        let mut draft = reach::of_host(host, parent_of_it.clone(), cx.sleeps(host));
        // Who explains it speaks first, however the looks of one moment fall out.
        draft.probe.fire_after += depth(host, cx);
        if let Some(given) = draft.parent.take() {
            let found = parent(&given, &draft.main, &mains, cx);
            match found.and_then(|signal| no_circle(signal, &draft.main, &drafts)) {
                Ok(signal) => draft.probe.parent = Some(signal),
                Err(why) => root.mistake("host", format!("the parent of {host}: {why}")),
            }
        }
        drafts.push(draft);
    }
    drafts
}

/// How many hosts stand between this one and reef.
fn depth(host: &HostName, cx: &Context) -> u32 {
    let mut at = cx.remotes.get(host);
    let mut depth = 0;
    while let Some(Some(parent)) = at {
        depth += 1;
        // Parents that lead in a circle are a mistake that is told elsewhere.
        if 8 <= depth {
            break;
        }
        at = cx.remotes.iter().find(|(name, _)| name.as_str() == parent).map(|(_, parent)| parent);
    }
    depth
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
