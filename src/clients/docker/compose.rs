//! Compose files: which services a project asks for. Read only as far as that needs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::clients::host::{mountinfo, walk};
use crate::model::container::{Container, Stack, StackService, is_no};
use crate::model::digest::{Canonical, Digest};
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;

/// No compose file is larger; what is, is none.
const LONGEST: u64 = 512 << 10;
/// Projects that are told of.
const MOST: usize = 200;
/// Entries of one folder that a star may stand for.
const STARRED: usize = 500;

const PROJECT: &str = "com.docker.compose.project";
const FILES: &str = "com.docker.compose.project.config_files";
const FOLDER: &str = "com.docker.compose.project.working_dir";

/// What compose looks for in a folder: the first of these, and the first of those over it.
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVER: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files as they were read last: each is read again only when it changed.
#[derive(Debug, Default)]
pub(super) struct Files {
    read: BTreeMap<PathBuf, (Stamp, Result<File, String>)>,
}

/// When it was written (seconds and nanoseconds), and how long it is.
type Stamp = (i64, i64, u64);

/// A compose file, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct File {
    /// Over its text, and over the texts of those that lie over it.
    written: Option<Digest>,
    name: Option<String>,
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    name: Option<Json>,
    #[serde(default)]
    services: Option<BTreeMap<String, Option<Service>>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Service {
    deploy: Option<Deploy>,
    scale: Option<Json>,
    profiles: Option<Json>,
    restart: Option<Json>,
    labels: Option<Json>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Deploy {
    replicas: Option<Json>,
    restart_policy: Option<Json>,
    labels: Option<Json>,
}

impl File {
    /// The error says where it is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let digest = Some(Digest::of(text.as_bytes()));
        if text.trim().is_empty() {
            return Ok(Self { written: digest, ..Self::default() });
        }
        let written: Written = serde_saphyr::from_str(text).map_err(|error| {
            let said = error.to_string();
            said.lines().next().unwrap_or("it is no YAML").chars().take(200).collect::<String>()
        })?;
        let services = written.services.unwrap_or_default().into_iter();
        let name = written.name.as_ref().and_then(Json::as_str).filter(|n| !n.contains('$'));
        Ok(Self {
            written: digest,
            name: name.map(str::to_owned),
            services: services.map(|(name, s)| (name, s.unwrap_or_default())).collect(),
        })
    }

    /// Lays a further file over this one: what it says of a service holds.
    fn over(&mut self, further: &Self) {
        let mut to = Canonical::new("compose files 1");
        for digest in [self.written, further.written].iter().flatten() {
            to = to.bytes(&digest.0);
        }
        self.written = Some(to.finish());
        if further.name.is_some() {
            self.name.clone_from(&further.name);
        }
        for (name, new) in &further.services {
            let old = self.services.entry(name.clone()).or_default();
            let take = |old: &mut Option<Json>, new: &Option<Json>| {
                if new.is_some() {
                    old.clone_from(new);
                }
            };
            take(&mut old.scale, &new.scale);
            take(&mut old.profiles, &new.profiles);
            take(&mut old.restart, &new.restart);
            take(&mut old.labels, &new.labels);
            if let Some(new) = &new.deploy {
                let old = old.deploy.get_or_insert_default();
                take(&mut old.replicas, &new.replicas);
                take(&mut old.restart_policy, &new.restart_policy);
                take(&mut old.labels, &new.labels);
            }
        }
    }

    fn services(&self) -> Vec<StackService> {
        self.services.iter().map(|(name, service)| service.told(name)).collect()
    }
}

impl Service {
    fn told(&self, name: &str) -> StackService {
        let deploy = self.deploy.clone().unwrap_or_default();
        let replicas = deploy.replicas.as_ref().or(self.scale.as_ref()).and_then(number);
        // `no` without quotes is a word in YAML 1.2, and false in 1.1.
        let restart = match &self.restart {
            Some(Json::String(word)) => word != "no",
            Some(Json::Bool(yes)) => *yes,
            Some(_) | None => false,
        };
        let redeployed = deploy.restart_policy.as_ref().is_some_and(|policy| {
            policy.get("condition").and_then(Json::as_str).is_none_or(|word| word != "none")
        });
        let profiled = match &self.profiles {
            Some(Json::Array(profiles)) => !profiles.is_empty(),
            Some(Json::String(_)) => true,
            Some(_) | None => false,
        };
        let labels = [&self.labels, &deploy.labels];
        StackService {
            name: name.to_owned(),
            replicas: replicas.unwrap_or(1),
            profiled,
            restarts: restart || redeployed,
            opted_out: labels.into_iter().flatten().any(opts_out),
        }
    }
}

/// A number as it is written, or in quotes; what stands in a variable is not known here.
fn number(value: &Json) -> Option<u32> {
    match value {
        Json::Number(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()),
        Json::String(text) => text.trim().parse().ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Labels are a table, or a list of `name=value`.
fn opts_out(labels: &Json) -> bool {
    match labels {
        Json::Object(table) => table.get("reef.watch").is_some_and(|value| match value {
            Json::String(word) => is_no(word),
            Json::Bool(yes) => !yes,
            Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => false,
        }),
        Json::Array(list) => list
            .iter()
            .filter_map(Json::as_str)
            .any(|label| label.strip_prefix("reef.watch=").is_some_and(is_no)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// The project's files, as its containers name them.
pub(super) fn named(containers: &[Container]) -> BTreeMap<String, Vec<AbsPath>> {
    let mut projects = BTreeMap::new();
    for container in containers {
        let (Some(project), Some(files)) = (container.label(PROJECT), container.label(FILES))
        else {
            continue;
        };
        let folder = container.label(FOLDER).unwrap_or("/");
        let path = |file: &str| match file.starts_with('/') {
            true => AbsPath::new(file).ok(),
            false => AbsPath::new(&format!("{folder}/{file}")).ok(),
        };
        // Whoever may start a container writes its labels: no other file of this machine is opened.
        let is_yaml = |file: &&str| file.ends_with(".yml") || file.ends_with(".yaml");
        let files: Vec<&str> = files.split(',').take(20).collect();
        let files: Option<Vec<AbsPath>> =
            files.iter().all(is_yaml).then(|| files.into_iter().map(path).collect()).flatten();
        if let Some(files) = files {
            projects.entry(project.to_owned()).or_insert(files);
        }
        if projects.len() == MOST {
            break;
        }
    }
    projects
}

/// One project of these files' texts, the later ones laid over the first.
pub(super) fn stack(
    name: Option<&str>,
    files: Vec<AbsPath>,
    texts: impl Iterator<Item = Result<File, String>>,
) -> Stack {
    let (mut whole, mut fault) = (File::default(), None);
    for (text, path) in texts.zip(&files) {
        match text {
            Ok(file) => whole.over(&file),
            Err(why) => fault = Some(Tainted::bounded(&format!("{path}: {why}"), 300)),
        }
    }
    let name = name.map(str::to_owned).or_else(|| whole.name.clone());
    let folder = || files.first().and_then(|f| f.as_path().parent()?.file_name()?.to_str());
    let name = name.unwrap_or_else(|| normal(folder().unwrap_or_default()));
    Stack { name, services: whole.services(), files, fault, written: whole.written }
}

/// A folder's name as compose makes a project's of it.
fn normal(folder: &str) -> String {
    let kept = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let name: String = folder.to_lowercase().chars().filter(kept).collect();
    name.trim_start_matches(['_', '-']).to_owned()
}

impl Files {
    /// The projects that the containers name, and those in the folders of the config.
    pub(super) fn stacks(&mut self, containers: &[Container], places: &[String]) -> Vec<Stack> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts = mountinfo::parse(&mounts);
        let mut told: BTreeMap<String, Stack> = BTreeMap::new();
        let mut used: Vec<PathBuf> = Vec::new();
        for (name, files) in named(containers) {
            // A file that is not there, or not for us, was written inside some other program's
            // container: that says nothing about the project.
            let readable = |file: &AbsPath| {
                !walk::served(file, &mounts) && std::fs::File::open(file.as_path()).is_ok()
            };
            if !files.iter().all(readable) {
                continue;
            }
            let read: Vec<_> = files.iter().map(|file| self.file(file, &mounts)).collect();
            used.extend(files.iter().map(|f| f.as_path().to_owned()));
            told.insert(name.clone(), stack(Some(&name), files, read.into_iter()));
        }
        for folder in places.iter().flat_map(|place| starred(place, &mounts)) {
            let files = files_in(&folder);
            if files.is_empty() || told.len() == MOST {
                continue;
            }
            let read: Vec<_> = files.iter().map(|file| self.file(file, &mounts)).collect();
            used.extend(files.iter().map(|f| f.as_path().to_owned()));
            let stack = stack(None, files, read.into_iter());
            if !stack.name.is_empty() {
                told.entry(stack.name.clone()).or_insert(stack);
            }
        }
        self.read.retain(|path, _| used.contains(path));
        told.into_values().collect()
    }

    fn file(&mut self, path: &AbsPath, mounts: &[mountinfo::Mount]) -> Result<File, String> {
        if walk::served(path, mounts) {
            return Err("lies on a network volume, where reading could hang".into());
        }
        let about = std::fs::metadata(path.as_path()).map_err(|e| e.to_string())?;
        let stamp = (about.mtime(), about.mtime_nsec(), about.len());
        if let Some((known, file)) = self.read.get(path.as_path())
            && *known == stamp
        {
            return file.clone();
        }
        let file = if !about.is_file() {
            Err("is no file".into())
        } else if LONGEST < about.len() {
            Err("is too long for a compose file".into())
        } else {
            let text = std::fs::read_to_string(path.as_path()).map_err(|e| e.to_string());
            text.and_then(|text| File::parse(&text))
        };
        self.read.insert(path.as_path().to_owned(), (stamp, file.clone()));
        file
    }
}

/// The folders (or files) that a place with stars stands for: `/opt/stacks/*`.
/// Network volumes are left out, because reading one could hang.
fn starred(place: &str, mounts: &[mountinfo::Mount]) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in place.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in found {
            let Some((before, after)) = part.split_once('*') else {
                next.push(folder.join(part));
                continue;
            };
            let named = folder.to_str().and_then(|path| AbsPath::new(path).ok());
            if named.is_none_or(|path| walk::served(&path, mounts)) {
                continue;
            }
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut names: Vec<String> = entries
                .take(STARRED)
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|n| before.len() + after.len() <= n.len())
                .filter(|n| n.starts_with(before) && n.ends_with(after) && !n.starts_with('.'))
                .collect();
            names.sort();
            next.extend(names.into_iter().map(|name| folder.join(name)));
        }
        found = next;
        found.truncate(STARRED);
    }
    found
}

fn files_in(place: &Path) -> Vec<AbsPath> {
    let path = |path: PathBuf| AbsPath::new(path.to_str()?).ok();
    if place.is_file() {
        return path(place.to_owned()).into_iter().collect();
    }
    let first = |names: [&str; 4]| names.map(|n| place.join(n)).into_iter().find(|p| p.is_file());
    let Some(own) = first(NAMES) else { return Vec::new() };
    [Some(own), first(OVER)].into_iter().flatten().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: &str = "
x-common: &common
  restart: unless-stopped
  logging: { driver: json-file }
services:
  jellyfin:
    <<: *common
    image: jellyfin/jellyfin:${VERSION:-10.9}
    ports: ['8096:8096', \"127.0.0.1:1:1/udp\"]
    environment:
      - PUID=1000
  db:
    image: postgres
    restart: always
    deploy: { replicas: 2, restart_policy: { condition: any } }
  init: { image: busybox, command: [\"true\"], restart: \"no\" }
  plain: { image: busybox, restart: no }
  off: { image: a, scale: 0 }
  many: { image: a, deploy: { replicas: '${N:-3}', mode: replicated } }
  debug: { image: a, profiles: [debug, dev] }
  quiet: { image: a, labels: [\"reef.watch=false\", \"a=b\"] }
  silent: { image: a, labels: { reef.watch: false } }
  reset: { image: a, ports: !reset [] }
  empty:
volumes: { data: }
";

    #[test]
    fn services_are_read_as_far_as_needed() {
        let file = File::parse(MEDIA).unwrap();
        let told: BTreeMap<String, StackService> =
            file.services().into_iter().map(|s| (s.name.clone(), s)).collect();
        let row = |name: &str| {
            let s = &told[name];
            (s.replicas, s.profiled, s.restarts, s.opted_out)
        };
        for (name, want) in [
            ("jellyfin", (1, false, true, false)),
            ("db", (2, false, true, false)),
            ("init", (1, false, false, false)),
            ("plain", (1, false, false, false)),
            ("off", (0, false, false, false)),
            ("many", (1, false, false, false)),
            ("debug", (1, true, false, false)),
            ("quiet", (1, false, false, true)),
            ("silent", (1, false, false, true)),
            ("reset", (1, false, false, false)),
            ("empty", (1, false, false, false)),
        ] {
            assert_eq!(row(name), want, "{name}");
        }
        assert_eq!(told.len(), 11);
    }

    #[test]
    fn a_wrong_file_says_so_and_a_hostile_one_ends() {
        for text in ["services: [", "services:\n  a: 7\n", "a: *nobody", "- list", "services: text"]
        {
            let why = File::parse(text).unwrap_err();
            assert!(!why.is_empty() && why.len() <= 200 && !why.contains('\n'), "{text}: {why}");
        }
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for i in 0..12 {
            let (new, old) = (char::from(b'b' + i), char::from(b'a' + i));
            bomb.push_str(&format!(
                "{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
            ));
        }
        bomb.push_str("services: { a: { labels: *m } }\n");
        assert!(File::parse(&bomb).is_err());
        assert_eq!(File::parse("").unwrap().services, File::default().services);
        assert!(File::parse("services:\n").unwrap().services.is_empty());
    }

    #[test]
    fn projects_are_found_in_folders_with_their_overrides() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Media_1/compose.yaml", "services: { a: { restart: always }, b: { scale: 2 } }");
        write("Media_1/compose.override.yaml", "services: { b: { scale: 0 }, c: {} }");
        write("web/docker-compose.yml", "name: site\nservices: { a: {} }");
        write("broken/compose.yaml", "services: [");
        write(".git/compose.yaml", "services: { a: {} }");
        write("notes/readme.txt", "");
        let mut files = Files::default();
        let place = format!("{}/*", dir.path().display());
        let stacks = files.stacks(&[], std::slice::from_ref(&place));
        let names: Vec<&str> = stacks.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["broken", "media_1", "site"]);
        assert!(stacks[0].fault.is_some());
        let replicas: Vec<(&str, u32)> =
            stacks[1].services.iter().map(|s| (s.name.as_str(), s.replicas)).collect();
        assert_eq!(replicas, [("a", 1), ("b", 0), ("c", 1)]);
        assert_eq!(files.read.len(), 4);
        // What changed is read again; what is gone is forgotten.
        write("web/docker-compose.yml", "name: site\nservices: { a: {}, new: {} }");
        std::fs::remove_dir_all(dir.path().join("broken")).unwrap();
        let stacks = files.stacks(&[], &[place]);
        assert_eq!((stacks.len(), stacks[1].services.len(), files.read.len()), (2, 2, 3));
    }
}
