//! `inventory.md`: what is here, how it is checked, how long it may be down, what broke most. One part a host, because a model
//! is shown the part of the host that it looks into.

use crate::cli::init::answers::Answers;
use crate::cli::init::found::{Engine, Found, Remote, Seen, short, times};
use crate::cli::init::toml::plain;
use crate::cli::page::count;
use crate::model::value::human_bytes;

/// Names of one list.
const MOST: usize = 40;
/// Error templates that are told of.
const TEMPLATES: usize = 8;

/// The whole file.
pub(crate) fn inventory(found: &Found, answers: &Answers) -> String {
    let mut text = Text::default();
    text.0.push_str(&format!("# Inventory of {}\n\n", found.here));
    text.0.push_str(&format!(
        "Found by `reef init` at {}. Correct it: reef does not write it again, and shows a model the part of the host that it \
         looks into.\n\nWhat comes first: {}. Everything may be down for {} unless it says otherwise.\n",
        plain(&found.at),
        answers.first.as_str(),
        answers.tolerance
    ));
    text.0.push_str(&format!("\n## {}\n\n", found.here));
    own(&mut text, found, answers);
    text.0.push_str(&format!("\n## {}: what broke most in 30 days\n\n", found.here));
    broke(&mut text, found);
    for host in &found.remotes.hosts {
        text.0.push_str(&format!("\n## {}\n\n", host.name));
        remote(&mut text, host);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// `what` is of machines, `checked` of reef.
    fn item(&mut self, title: &str, what: &str, checked: &str) {
        let what = plain(what);
        let checked = if checked.is_empty() { String::new() } else { format!(" ({checked})") };
        self.0.push_str(&format!("- {title}: {what}{checked}\n"));
    }

    fn line(&mut self, words: &str) {
        self.0.push_str(&format!("- {}\n", plain(words)));
    }
}

/// At most so many, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST).map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown}, {more} more"),
    }
}

fn own(text: &mut Text, found: &Found, answers: &Answers) {
    match &found.volumes {
        Ok(volumes) => {
            for volume in volumes {
                let what = format!(
                    "{} ({}, {})",
                    volume.mount,
                    volume.fs,
                    human_bytes(volume.total_bytes)
                );
                text.item("volume", &what, "checked by disk");
            }
        }
        Err(why) => text.item("volumes", why, "not looked at"),
    }
    match &found.running {
        Ok(n) => text.item("services", &format!("{n} run"), "each that fails is told by unit"),
        Err(why) => text.item("services", why, ""),
    }
    for unit in &found.units {
        let tolerance = answers.tolerance_of(short(unit));
        text.item(
            "service",
            unit.as_str(),
            &format!("checked by unit, may be down for {tolerance}"),
        );
    }
    containers(text, found, answers);
    for cluster in &found.clusters {
        let checked = if cluster.state.is_ok() { "checked by kube" } else { "not checked" };
        text.item("cluster", &format!("{} by {}", cluster.name, cluster.kubeconfig), checked);
    }
    for endpoint in &found.endpoints {
        let what = format!("{} on {}", endpoint.name, endpoint.server);
        match &endpoint.state {
            Ok(left) => {
                text.item("certificate", &what, &format!("checked by tls, good for {left}"));
            }
            Err(why) => text.item("certificate", &format!("{what}: {why}"), "not checked"),
        }
    }
    for database in &found.databases {
        text.item(
            "database",
            &format!("{}, {}", database.kind, database.by),
            "whether it answers is not checked",
        );
    }
    for folder in &found.folders {
        let what = format!("{}, newest file {} old", folder.path, folder.age);
        let checked = if folder.rhythm().is_some() { "checked by backup" } else { "not checked" };
        text.item("backup", &what, checked);
    }
    for job in &found.backups {
        let at = job.schedule.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
        text.item(
            "backup",
            &format!("{} by {}{at}", job.tool, job.place),
            "not checked until it reports in",
        );
    }
    for tool in &found.idle {
        text.item("backup tool", tool, "installed; no job of it was found");
    }
    if found.backups.is_empty() && found.folders.is_empty() {
        text.line("no backup: none was found for anything here");
    }
    for unit in &found.failed {
        text.item("failed now", unit.as_str(), "");
    }
}

fn containers(text: &mut Text, found: &Found, answers: &Answers) {
    let (containers, stacks) = match &found.engine {
        Engine::None => return,
        Engine::Silent(why) => {
            text.item("containers", why, "not looked at");
            return;
        }
        Engine::Runs { containers, stacks, .. } => (containers, stacks),
    };
    for container in containers.iter().take(MOST) {
        let tolerance = answers.tolerance_of(&container.name);
        let what =
            format!("{} of {}, {}", container.name, container.image, container.state.as_str());
        text.item("container", &what, &format!("checked by docker, may be down for {tolerance}"));
    }
    if MOST < containers.len() {
        text.line(&format!("{} more containers", containers.len() - MOST));
    }
    for stack in stacks.iter().take(MOST) {
        let file = stack.files.first().map(|file| format!(" in {file}")).unwrap_or_default();
        let services = count(stack.services.len(), "service");
        let what = format!("{}{file}, {services}", stack.name);
        text.item("compose project", &what, "checked by compose");
    }
}

fn broke(text: &mut Text, found: &Found) {
    let month = match &found.month {
        Ok(month) => month,
        Err(why) => {
            text.line(&format!("not known: {why}"));
            return;
        }
    };
    for (unit, n) in &month.failed {
        text.line(&format!("{unit} failed {}", times(*n)));
    }
    for (process, n) in &month.killed {
        text.line(&format!("the kernel killed {process} {} for want of memory", times(*n)));
    }
    for (template, n) in month.errors.templates.iter().take(TEMPLATES) {
        text.line(&format!("{} like: {template}", errors(*n)));
    }
    if month.failed.is_empty() && month.killed.is_empty() && month.errors.errors == 0 {
        text.line("nothing, by the journal");
    }
}

fn errors(n: u64) -> String {
    if n == 1 { "1 error".to_owned() } else { format!("{n} errors") }
}

fn remote(text: &mut Text, host: &Remote) {
    text.item("way", &host.way, "ssh");
    if !host.also.is_empty() {
        text.item("also called", &listed(&host.also), "");
    }
    let seen: &Seen = match &host.state {
        Ok(seen) => seen,
        Err(why) => {
            text.item("not watched", why, "");
            return;
        }
    };
    if !seen.volumes.is_empty() {
        text.item("volumes", &listed(&seen.volumes), "checked by disk");
    }
    match &seen.containers {
        Some(names) => text.item("containers", &listed(names), "checked by docker"),
        None => text.line("no containers, or none that tell"),
    }
    for unit in &seen.failed {
        text.item("failed now", unit.as_str(), "");
    }
}
