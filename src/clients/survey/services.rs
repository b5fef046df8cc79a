//! The services that run under systemd, and what its timers start.

use std::collections::BTreeMap;
use std::path::Path;

use crate::clients::host::systemd::{self, systemctl};
use crate::clients::survey::jobs::{Job, tool_in};
use crate::model::fact::NoFact;
use crate::model::ids::UnitName;

/// Units that are told of.
const MOST: usize = 500;

/// The services that run now.
pub async fn running() -> Result<Vec<UnitName>, NoFact> {
    systemd::present(Path::new("/"))?;
    let list =
        "systemctl list-units --type=service --state=running --plain --full --no-legend --no-pager";
    Ok(first_words(&String::from_utf8_lossy(&systemctl(list, &[]).await?.stdout)))
}

/// Those among them whose unit file somebody put into /etc/systemd/system: their own services. A template's instance goes
/// by its template's file.
pub fn own(running: &[UnitName], etc: &Path) -> Vec<UnitName> {
    let is_own = |name: &&UnitName| {
        let name = name.as_str();
        let template = name.split_once('@').map(|(stem, _)| format!("{stem}@.service"));
        [Some(name.to_owned()), template].into_iter().flatten().any(|file| {
            // What `systemctl enable` leaves there are links; a linked unit file is one too, but lies elsewhere.
            etc.join(file).symlink_metadata().is_ok_and(|about| about.is_file())
        })
    };
    running.iter().filter(is_own).cloned().collect()
}

/// The timers that start a backup tool.
pub async fn timers() -> Result<Vec<Job>, NoFact> {
    systemd::present(Path::new("/"))?;
    let list = "systemctl list-units --type=timer --all --plain --full --no-legend --no-pager";
    let timers = first_words(&String::from_utf8_lossy(&systemctl(list, &[]).await?.stdout));
    if timers.is_empty() {
        return Ok(Vec::new());
    }
    let shown = systemctl("systemctl show --no-pager --property=Id,Triggers --", &timers).await?;
    let triggers = started(&String::from_utf8_lossy(&shown.stdout));
    let services: Vec<UnitName> = triggers.keys().cloned().collect();
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let shown =
        systemctl("systemctl show --no-pager --property=Id,ExecStart --", &services).await?;
    Ok(backups(&String::from_utf8_lossy(&shown.stdout), &triggers))
}

fn first_words(text: &str) -> Vec<UnitName> {
    let name = |line: &str| {
        let word = line.split_whitespace().find(|word| word.contains('.'))?;
        UnitName::new(word).ok()
    };
    text.lines().filter_map(name).take(MOST).collect()
}

/// `Id=` and `Triggers=` blocks: each service and the timer that starts it.
fn started(text: &str) -> BTreeMap<UnitName, UnitName> {
    let mut found = BTreeMap::new();
    for block in text.split("\n\n") {
        let Some(timer) = field(block, "Id=").and_then(|id| UnitName::new(id).ok()) else {
            continue;
        };
        for service in field(block, "Triggers=").unwrap_or("").split_whitespace() {
            if let Ok(service) = UnitName::new(service) {
                found.insert(service, timer.clone());
            }
        }
    }
    found
}

/// `Id=` and `ExecStart=` blocks: those that name a backup tool, in their command or in their own name.
fn backups(text: &str, timers: &BTreeMap<UnitName, UnitName>) -> Vec<Job> {
    let job = |block: &str| {
        let service = UnitName::new(field(block, "Id=")?).ok()?;
        let timer = timers.get(&service)?;
        let starts = block.lines().filter(|line| line.starts_with("ExecStart="));
        let tool = starts.filter_map(tool_in).next().or_else(|| tool_in(service.as_str()))?;
        Some(Job { tool, place: timer.to_string(), schedule: None })
    };
    text.split("\n\n").filter_map(job).collect()
}

fn field<'a>(block: &'a str, key: &str) -> Option<&'a str> {
    block.lines().find_map(|line| line.strip_prefix(key)).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_followed_to_the_tool_that_they_start() {
        let timers = started(
            "Triggers=nightly.service\nId=nightly.timer\n\nTriggers=apt-daily.service\nId=apt-daily.timer\n\nId=none.timer\nTriggers=\n\n\
             Triggers=borgmatic.service\nId=borgmatic.timer\n",
        );
        assert_eq!(timers.len(), 3);
        let shown = "ExecStart={ path=/usr/local/bin/restic ; argv[]=/usr/local/bin/restic -p hunter2 backup /srv ; ignore_errors=no }\nId=nightly.service\n\n\
                     ExecStart={ path=/usr/lib/apt/apt.systemd.daily ; argv[]=/usr/lib/apt/apt.systemd.daily update }\nId=apt-daily.service\n\n\
                     Id=borgmatic.service\nExecStart={ path=/opt/run ; argv[]=/opt/run }\n\nId=stranger.service\nExecStart={ path=/usr/bin/restic }\n";
        let jobs = backups(shown, &timers);
        let told: Vec<(&str, &str)> =
            jobs.iter().map(|job| (job.tool, job.place.as_str())).collect();
        assert_eq!(told, [("restic", "nightly.timer"), ("borgmatic", "borgmatic.timer")]);
        assert!(!format!("{jobs:?}").contains("hunter2"));
    }

    #[test]
    fn own_services_are_those_with_a_file_of_their_own() {
        let etc = tempfile::tempdir().unwrap();
        for file in ["app.service", "game@.service"] {
            std::fs::write(etc.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("/lib/x", etc.path().join("linked.service")).unwrap();
        let names = ["app.service", "game@one.service", "linked.service", "nginx.service"];
        let running: Vec<UnitName> = names.iter().map(|n| UnitName::new(*n).unwrap()).collect();
        assert_eq!(own(&running, etc.path()), running[..2]);
    }

    #[test]
    fn lists_are_read_whatever_stands_before_the_name() {
        let names = first_words(
            "nginx.service loaded active running A server\n● dead.timer x\n\nnothing here\n",
        );
        let names: Vec<&str> = names.iter().map(UnitName::as_str).collect();
        assert_eq!(names, ["nginx.service", "dead.timer"]);
    }
}
