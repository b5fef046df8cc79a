//! What the collector's Docker sections print on a host behind SSH: the same facts by the same parser as
//! over the socket.

use std::collections::BTreeMap;

use crate::clients::collector::Piece;
use crate::clients::docker::compose::{self, File};
use crate::clients::docker::memory;
use crate::clients::docker::told::{self, Inspected};
use crate::clock::zone::instant;
use crate::model::container::{Container, ContainerState, Stack, Swarm};
use crate::model::fact::NoFact;
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// Reads the section `containers`.
pub fn containers(piece: &Piece) -> Result<Vec<Container>, NoFact> {
    if !piece.has("end") {
        return Err(NoFact::Failed("what docker told of its containers was cut off".into()));
    }
    let mut all =
        inspected(&piece.text("containers"), &piece.text("events"), &piece.text("images"))?;
    let used = piece.text("memory");
    let used = memory::printed(&used);
    for container in &mut all {
        container.memory = used.get(container.id.as_str()).copied();
    }
    Ok(all)
}

/// `inspected` is one JSON object after the other, or one list of them, as plain `docker inspect` prints it.
pub fn inspected(inspected: &str, events: &str, images: &str) -> Result<Vec<Container>, NoFact> {
    let failed = |e: serde_json::Error| {
        NoFact::Failed(format!("what docker inspect printed is not understood: {e}"))
    };
    let all: Vec<Inspected> = match inspected.trim_start().starts_with('[') {
        true => serde_json::from_str(inspected).map_err(failed)?,
        false => {
            let objects = serde_json::Deserializer::from_str(inspected).into_iter();
            objects.collect::<Result<_, _>>().map_err(failed)?
        }
    };
    let events = told::events(events.as_bytes());
    let made: BTreeMap<&str, Millis> = images.lines().filter_map(image).collect();
    let told = |inspected: Inspected| {
        let mut container = inspected.container();
        container.image_created_at = made.get(container.image_id.as_str()).copied();
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
            | ContainerState::Other => {}
        }
        container
    };
    Ok(all.into_iter().map(told).collect())
}

/// `sha256:9e2a 2026-11-20 22:57:27 +0000 UTC`: an image's id, and when it was made.
fn image(line: &str) -> Option<(&str, Millis)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [id, day, time, zone, ..] = words[..] else { return None };
    let (hours, minutes) = zone.split_at_checked(3)?;
    Some((id, instant(&format!("{day}T{time}{hours}:{minutes}"))?))
}

/// The projects of the files that the section `stacks` printed. One that a container names goes by its
/// label; a file that could not be read there has no text, and its project is left out.
pub fn stacks(containers: &[Container], piece: &Piece) -> Vec<Stack> {
    let mut texts: BTreeMap<AbsPath, String> = piece
        .all("file ")
        .filter_map(|(path, text)| Some((AbsPath::new(path).ok()?, text)))
        .collect();
    let mut stacks = Vec::new();
    for (name, files) in compose::named(containers) {
        let own: Option<Vec<String>> = files.iter().map(|file| texts.get(file).cloned()).collect();
        if let Some(own) = own {
            let parsed = own.iter().map(|text| File::parse(text));
            stacks.push(compose::stack(Some(&name), files.clone(), parsed));
        }
        for file in &files {
            texts.remove(file);
        }
    }
    for (file, text) in texts {
        let stack = compose::stack(None, vec![file], std::iter::once(File::parse(&text)));
        if !stack.name.is_empty() && stacks.iter().all(|known| known.name != stack.name) {
            stacks.push(stack);
        }
    }
    stacks
}

/// The swarm that the section `swarm` printed; `None` where the host manages none.
pub fn swarm(piece: Result<&Piece, NoFact>) -> Result<Option<Swarm>, NoFact> {
    let piece = match piece {
        Ok(piece) => piece,
        Err(NoFact::Absent(_)) => return Ok(None),
        Err(why) => return Err(why),
    };
    let (nodes, services) = (piece.text("nodes"), piece.text("services"));
    super::swarm::printed(&nodes, &services, &piece.text("replicas")).map(Some).map_err(|e| {
        NoFact::Failed(format!("what docker told of its swarm is not understood: {e}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::Ended;

    const RECORDED: &str = include_str!("recorded/inspect.json");

    #[test]
    fn what_a_remote_docker_printed_is_read_as_the_socket_is() {
        let images = "sha256:9e2a0ebfe01219e85faa3b8ad3e5145382e387cb19e453b7d9ae6b84daa5276a \
                      2026-11-21 00:57:27 +0200 CEST\n";
        let list = inspected(RECORDED, "", images).unwrap();
        assert_eq!(list.len(), 12);
        let oom = list.iter().find(|c| c.name == "oom").unwrap();
        assert_eq!(
            (oom.ended, oom.image_created_at),
            (Ended::Oom, Some(Millis(1_795_215_447_000)))
        );
        let objects: Vec<serde_json::Value> = serde_json::from_str(RECORDED).unwrap();
        let lines: Vec<String> = objects.iter().map(ToString::to_string).collect();
        assert_eq!(inspected(&lines.join("\n"), "", images).unwrap(), list);
        assert_eq!(inspected("\n", "", ""), Ok(Vec::new()));
        let Err(NoFact::Failed(why)) = inspected("Cannot connect", "", "") else { panic!() };
        assert!(why.contains("docker inspect"), "{why}");
    }
}
