//! What `docker inspect`, `docker images` and `docker events` print on a host behind SSH: the same facts by
//! the same parser as over the socket.

use crate::clients::docker::compose::{self, File};
use crate::clients::docker::told::{self, Inspected};
use crate::model::container::{Container, ContainerState, Ended, Stack};
use crate::model::fact::NoFact;
use crate::model::target::AbsPath;

/// Reads the JSON of `docker inspect $(docker ps -aq)`, and the lines of
/// `docker events --format '{{json .}}'` for its last minutes.
pub fn containers(inspected: &str, events: &str) -> Result<Vec<Container>, NoFact> {
    // Without any container there is nothing to inspect, and nothing is printed.
    let inspected = match inspected.trim() {
        "" => "[]",
        text => text,
    };
    let all: Vec<Inspected> = serde_json::from_str(inspected).map_err(|e| {
        NoFact::Failed(format!("what docker inspect printed is not understood: {e}"))
    })?;
    let events = told::events(events.as_bytes());
    let told = |inspected: Inspected| {
        let mut container = inspected.container();
        match container.state {
            ContainerState::Exited | ContainerState::Dead => {
                container.ended = told::ended(&container, &events);
            }
            ContainerState::Running | ContainerState::Restarting if 0 < container.restarts => {
                let since = container.finished_at.unwrap_or_default();
                container.oom_killed |= told::was_oom(&container.id, &events, since);
            }
            ContainerState::Created
            | ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting
            | ContainerState::Removing
            | ContainerState::Other => container.ended = Ended::Untold,
        }
        container
    };
    Ok(all.into_iter().map(told).collect())
}

/// The projects that these containers name, of files as they were printed; a file that could not be
/// read there has no text, and its project is left out.
pub fn stacks(
    containers: &[Container],
    text_of: impl Fn(&AbsPath) -> Option<String>,
) -> Vec<Stack> {
    let mut stacks = Vec::new();
    for (name, files) in compose::named(containers) {
        let texts: Option<Vec<String>> = files.iter().map(&text_of).collect();
        if let Some(texts) = texts {
            let parsed = texts.iter().map(|text| File::parse(text));
            stacks.push(compose::stack(Some(&name), files, parsed));
        }
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_docker_printed_is_read_as_the_socket_is() {
        let containers = containers(include_str!("recorded/inspect.json"), "").unwrap();
        assert_eq!(containers.len(), 12);
        let oom = containers.iter().find(|c| c.name == "oom").unwrap();
        assert_eq!(oom.ended, Ended::Oom);
        assert_eq!(super::containers("\n", ""), Ok(Vec::new()));
        let Err(NoFact::Failed(why)) = super::containers("Cannot connect", "") else { panic!() };
        assert!(why.contains("docker inspect"), "{why}");
    }

    #[test]
    fn a_remote_project_is_read_from_its_printed_files() {
        let mut all = containers(include_str!("recorded/inspect.json"), "").unwrap();
        let own = all.iter_mut().find(|c| c.name == "well").unwrap();
        for (label, value) in [
            ("com.docker.compose.project", "media"),
            ("com.docker.compose.project.working_dir", "/opt/stacks/media"),
            ("com.docker.compose.project.config_files", "compose.yaml,/etc/over.yaml"),
        ] {
            own.labels.insert(label.into(), value.into());
        }
        let text = |path: &AbsPath| match path.as_str() {
            "/opt/stacks/media/compose.yaml" => Some("services: { well: {}, gone: {} }".to_owned()),
            "/etc/over.yaml" => Some("services: { gone: { scale: 0 } }".to_owned()),
            _ => None,
        };
        let stacks = stacks(&all, text);
        assert_eq!(
            (stacks.len(), stacks[0].name.as_str(), stacks[0].services[0].replicas),
            (1, "media", 0)
        );
        assert!(super::stacks(&all, |_| None).is_empty());
    }
}
