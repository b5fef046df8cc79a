//! Whose red explains whose: parents and `depends_on`, by the names that the operator gave.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::mistakes::hint;
use crate::config::section::Section;
use crate::model::ids::{HostName, Word};
use crate::model::target::{Signal, Target, Thing};
use crate::probe::ask::{Context, Draft, Named, host_signal};
use crate::probe::reach;
use crate::probe::table::{OfName, Written, all, full_name};

/// Turns `parent = "nas"` and `parent = "http.photos"` into signals, and drops implied probes whose
/// name the config took for itself.
pub(super) fn resolve(
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
    for (section, of_kind) in &written {
        // Not to be taken for one that nobody wrote.
        for OfName { name, .. } in of_kind.iter().filter(|one| one.lost.is_some()) {
            let full = format!("{}.{name}", section.name());
            mains.entry(full).or_insert_with(|| lost_signal(section.name(), name, cx));
        }
    }
    let named: BTreeSet<String> =
        all(&written).filter(|draft| draft.named == Named::Yes).map(full_name).collect();
    let mut drafts: Vec<Draft> = Vec::new();
    for (mut section, of_kind) in written {
        for OfName { name, drafts: mut of_name, lost } in of_kind {
            // It has another mistake; who stands above it is checked all the same.
            for (key, given) in lost.into_iter().flat_map(|lost| lost.above) {
                let own = lost_signal(section.name(), &name, cx);
                if let Err(why) = parent(&given, &own, &mains, cx) {
                    section.mistake(&name, format!("{key}: {why}"));
                }
            }
            of_name.retain(|d| d.named == Named::Yes || !named.contains(&d.probe.name));
            for mut draft in of_name {
                if let Some(given) = draft.parent.take() {
                    let found = parent(&given, &draft.main, &mains, cx);
                    match found.and_then(|signal| no_circle(signal, &draft.main, &drafts)) {
                        Ok(signal) => {
                            // The host that its URL implies still explains it.
                            let implied = draft.probe.parent.replace(signal);
                            draft.probe.care.depends_on.extend(implied);
                        }
                        Err(why) => section.mistake(&name, format!("parent: {why}")),
                    }
                }
                for given in draft.probe.care.needs.clone() {
                    let found = parent(&given, &draft.main, &mains, cx);
                    match found.and_then(|signal| no_circle(signal, &draft.main, &drafts)) {
                        Ok(signal) => draft.probe.care.depends_on.push(signal),
                        Err(why) => section.mistake(&name, format!("depends_on: {why}")),
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
        if let Some(care) = cx.care.get(host) {
            draft.probe.care.tolerance = care.tolerance;
            for given in &care.needs {
                let found = parent(given, &draft.main, &mains, cx);
                match found.and_then(|signal| no_circle(signal, &draft.main, &drafts)) {
                    Ok(signal) => draft.probe.care.depends_on.push(signal),
                    Err(why) => root.mistake("host", format!("depends_on of {host}: {why}")),
                }
            }
        }
        drafts.push(draft);
    }
    drafts
}

/// Stands for a probe that could not be made. Nothing ever looks at it: its config is refused.
fn lost_signal(kind: &str, name: &str, cx: &Context) -> Signal {
    let here = || Target::host(cx.here.clone());
    let target = Target::new(cx.here.clone(), Thing::Check, &format!("{kind}.{name}"));
    Signal {
        probe: Word::of("lost"),
        target: target.unwrap_or_else(|_| here()),
        aspect: Word::of("lost"),
    }
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
    let mut seen = BTreeSet::new();
    let mut next = vec![&parent];
    while let Some(signal) = next.pop() {
        if signal == child {
            return Err("these parents lead round in a circle".into());
        }
        if !seen.insert(signal) {
            continue;
        }
        for draft in drafts.iter().filter(|draft| draft.main == *signal) {
            next.extend(draft.probe.parent.iter().chain(&draft.probe.care.depends_on));
        }
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
