//! Compose by its command: which generation is there, and what one project's commands look like.

use crate::clients::docker::engine::NotDone;
use crate::clients::docker::sort;
use crate::clients::host::{HostLink, LinkError, Output};
use crate::gate::permit::Permit;
use crate::model::ids::Word;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::policy::argv::classify::{Class, classify};

/// The two commands that go by the name of compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// `docker-compose`; also the second one where it was installed under that name.
    Apart,
    /// `docker compose`.
    Plugin,
}

/// A project whose files the config declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub name: Word,
    /// At least one; the later ones lie over the first.
    pub files: Vec<AbsPath>,
    /// Where the engine is, where the command does not find it by itself.
    pub engine: Option<String>,
}

/// What is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Fetches newer images of these services.
    Pull(Vec<Word>),
    /// Makes anew the containers of these services of which the file or the image changed.
    Up { services: Vec<Word>, others: Others },
    /// Restarts the containers of one service.
    Restart(Word),
}

/// What becomes of services that the named ones depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They run, or are started first.
    Come,
    /// Somebody stopped one of them: none is touched.
    Stay,
}

const SHORT: Span = Span::secs(10);

/// Which compose a host has. The error says how to get one.
pub async fn generation(link: &dyn HostLink) -> Result<Generation, String> {
    let tries =
        [(Generation::Plugin, ["docker", "compose"]), (Generation::Apart, ["docker-compose", ""])];
    for (generation, command) in tries {
        let parts = command.into_iter().filter(|part| !part.is_empty()).chain(["version"]);
        let argv = Argv::new(parts.map(str::to_owned).collect()).map_err(|e| e.to_string())?;
        let Class::ReadOnly(read) = classify(&argv) else {
            return Err(format!("{argv} is not proven to read only"));
        };
        match link.read(&read, SHORT).await {
            Ok(output) if output.code == Some(0) => return Ok(generation),
            // A docker without the plugin takes its name for an unknown command.
            Ok(_) | Err(LinkError::NotStarted(_)) => {}
            Err(why) => return Err(format!("{argv}: {why}")),
        }
    }
    Err(format!("{} has no compose: install docker-compose-plugin or docker-compose", link.name()))
}

/// The command. Names are words, and files absolute, so that none of them can be an option.
pub fn argv(generation: Generation, project: &Project, verb: &Verb) -> Result<Argv, String> {
    let mut parts: Vec<&str> = match generation {
        Generation::Apart => vec!["docker-compose"],
        Generation::Plugin => vec!["docker"],
    };
    if let Some(place) = &project.engine {
        parts.extend(["-H", place]);
    }
    if generation == Generation::Plugin {
        parts.push("compose");
    }
    parts.extend(["-p", project.name.as_str()]);
    for file in &project.files {
        parts.extend(["-f", file.as_str()]);
    }
    match verb {
        Verb::Pull(services) => {
            parts.extend(["pull", "--quiet"]);
            parts.extend(services.iter().map(Word::as_str));
        }
        Verb::Up { services, others } => {
            parts.extend(["up", "-d", "--no-build"]);
            if *others == Others::Stay {
                parts.push("--no-deps");
            }
            parts.extend(services.iter().map(Word::as_str));
        }
        Verb::Restart(service) => parts.extend(["restart", service.as_str()]),
    }
    Argv::new(parts.into_iter().map(str::to_owned).collect()).map_err(|e| e.to_string())
}

/// Does it, with whichever compose the host has.
pub async fn run(
    permit: &Permit,
    link: &dyn HostLink,
    project: &Project,
    verb: &Verb,
    within: Span,
) -> Result<Output, NotDone> {
    let generation = generation(link).await.map_err(NotDone::NotStarted)?;
    let argv = argv(generation, project, verb).map_err(NotDone::NotStarted)?;
    sort(link.exec(permit, &argv, within).await, &argv, link.name().as_str())
}

/// Whether the config's places for compose files have this one: the place is the file, or its folder.
pub fn declared(places: &[String], file: &AbsPath) -> bool {
    let folder = file.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    places.iter().any(|place| {
        let place = place.trim_end_matches('/');
        fits(place, file.as_str()) || fits(place, folder)
    })
}

/// Part by part; a star stands for any number of letters within one part, none of them at its beginning a
/// dot.
fn fits(place: &str, path: &str) -> bool {
    let (mut place, mut path) = (place.split('/'), path.split('/'));
    loop {
        match (place.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part)) if fits_part(wanted, part) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

fn fits_part(wanted: &str, part: &str) -> bool {
    let Some((before, after)) = wanted.split_once('*') else { return wanted == part };
    before.len() + after.len() <= part.len()
        && part.starts_with(before)
        && part.ends_with(after)
        && !part.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> AbsPath {
        AbsPath::new(path).unwrap()
    }

    #[test]
    fn each_generation_is_spoken_to_in_its_own_words() {
        let word = Word::of;
        let mut project = Project {
            name: word("media"),
            files: vec![file("/opt/stacks/media/compose.yaml"), file("/opt/stacks/media/over.yml")],
            engine: None,
        };
        let of = |generation, project: &Project, verb| {
            argv(generation, project, &verb).unwrap().to_string()
        };
        let services = || vec![word("web"), word("db")];
        assert_eq!(
            of(Generation::Plugin, &project, Verb::Pull(services())),
            "docker compose -p media -f /opt/stacks/media/compose.yaml -f /opt/stacks/media/over.yml pull --quiet web db"
        );
        project.files.pop();
        project.engine = Some("unix:///tmp/x.sock".into());
        let up = |others| Verb::Up { services: services(), others };
        assert_eq!(
            of(Generation::Apart, &project, up(Others::Come)),
            "docker-compose -H unix:///tmp/x.sock -p media -f /opt/stacks/media/compose.yaml up -d --no-build web db"
        );
        assert_eq!(
            of(Generation::Plugin, &project, up(Others::Stay)),
            "docker -H unix:///tmp/x.sock compose -p media -f /opt/stacks/media/compose.yaml up -d --no-build --no-deps web db"
        );
        assert!(
            of(Generation::Apart, &project, Verb::Restart(word("web"))).ends_with("restart web")
        );
    }

    #[test]
    fn a_file_is_declared_by_its_place_alone() {
        let places = [
            "/opt/stacks/*".to_owned(),
            "/opt/one/core.yml".to_owned(),
            "/srv/*/compose/".to_owned(),
        ];
        for path in [
            "/opt/stacks/media/compose.yaml",
            "/opt/one/core.yml",
            "/srv/a/compose/docker-compose.yml",
        ] {
            assert!(declared(&places, &file(path)), "{path}");
        }
        for path in [
            "/opt/stacks/media/deep/compose.yaml",
            "/opt/stacks/.hidden/compose.yaml",
            "/opt/one/other.yml",
            "/tmp/compose.yaml",
            "/srv/a/compose/deep/x.yml",
            "/etc/shadow",
        ] {
            assert!(!declared(&places, &file(path)), "{path}");
        }
        assert!(!declared(&[], &file("/opt/stacks/media/compose.yaml")));
    }
}
