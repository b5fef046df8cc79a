//! What was found, on one screen, before anything is asked.

use crate::cli::init::found::{Engine, Found, times};
use crate::cli::init::toml::plain;
use crate::cli::page::{Ink, Page, count, pad};
use crate::model::severity::Severity;

/// Hosts' reasons are told in full, one a line; of what broke, the worst.
const WORST: usize = 3;

pub(crate) fn before(found: &Found, page: &Page) -> String {
    let mut out = String::new();
    let mut row = |ink: Ink, title: &str, text: &str| {
        out.push_str(&page.hang(ink, &pad(title, 14), "", &plain(text)));
    };
    row(Ink::Bold, "this machine", &machine(found));
    if found.remotes.file.is_some() {
        let answering: Vec<String> =
            found.remotes.answering().map(|h| h.name.to_string()).collect();
        let text = match (answering.is_empty(), found.remotes.hosts.is_empty()) {
            (true, true) => "it names no host to watch".to_owned(),
            (true, false) => "no host of it answers".to_owned(),
            (false, _) => format!("{} answer", answering.join(", ")),
        };
        row(Ink::Bold, "ssh config", &text);
        for host in &found.remotes.hosts {
            if let Err(why) = &host.state {
                row(Ink::Of(Severity::Yellow), "", &format!("{}: {why}", host.name));
            }
        }
    } else {
        row(Ink::Bold, "ssh config", "there is none");
    }
    let others = others(found);
    if !others.is_empty() {
        row(Ink::Bold, "found", &others.join(", "));
    }
    if found.backups.is_empty() && found.folders.is_empty() {
        row(Ink::Bold, "no backup", "I looked, and found none for anything here");
    }
    row(Ink::Bold, "broke most", &month(found));
    out.push('\n');
    out
}

fn machine(found: &Found) -> String {
    let mut parts = Vec::new();
    match &found.volumes {
        Ok(volumes) => parts.push(count(volumes.len(), "volume")),
        Err(why) => parts.push(format!("volumes unknown ({why})")),
    }
    if let Ok(n) = &found.running {
        parts.push(count(*n, "service"));
    }
    match &found.engine {
        Engine::None => {}
        Engine::Silent(why) => parts.push(why.clone()),
        Engine::Runs { containers, stacks, .. } => parts.push(format!(
            "{} in {}",
            count(containers.len(), "container"),
            count(stacks.len(), "compose project")
        )),
    }
    format!("{}: {}", found.here, parts.join(", "))
}

fn others(found: &Found) -> Vec<String> {
    let clusters = found.clusters.iter().map(|cluster| format!("the cluster {}", cluster.name));
    let endpoints = found.endpoints.iter().map(|e| format!("TLS on {}", e.server));
    let databases = found.databases.iter().map(|d| format!("{} ({})", d.kind, d.by));
    let backups = found.backups.iter().map(|job| format!("{} by {}", job.tool, job.place));
    let folders = found.folders.iter().map(|folder| format!("backups in {}", folder.path));
    clusters.chain(endpoints).chain(databases).chain(backups).chain(folders).collect()
}

fn month(found: &Found) -> String {
    let month = match &found.month {
        Ok(month) => month,
        Err(why) => return format!("not known: {why}"),
    };
    let failed = month.failed.iter().map(|(unit, n)| format!("{unit} failed {}", times(*n)));
    let killed = month
        .killed
        .iter()
        .map(|(name, n)| format!("{name} was killed {} for want of memory", times(*n)));
    let errors = month.errors.templates.iter().map(|(words, n)| format!("{} {words}", times(*n)));
    let worst: Vec<String> =
        failed.take(WORST).chain(killed.take(WORST)).chain(errors.take(1)).collect();
    match worst.is_empty() {
        true => "nothing in the past month, by the journal".to_owned(),
        false => worst.join(", "),
    }
}
