//! Whether all that a playbook takes in lies among the files that its hash covers.
//!
//! It is followed from the playbook through roles, their dependencies and what tasks include. The text is read as people
//! write it, line by line; what is written in another way, or named only when it runs, is not covered: the playbook is
//! critical then, which is safe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::clients::ansible::taken::{In, Taken, What, taken};
use crate::model::target::AbsPath;

/// Folders beside a playbook whose programs Ansible takes in unasked.
const UNASKED: [&str; 13] = [
    "library",
    "module_utils",
    "action_plugins",
    "cache_plugins",
    "callback_plugins",
    "connection_plugins",
    "filter_plugins",
    "inventory_plugins",
    "lookup_plugins",
    "strategy_plugins",
    "test_plugins",
    "vars_plugins",
    "collections",
];

/// What the hash covers.
#[derive(Debug)]
pub(super) struct Covered<'a> {
    pub(super) playbook: &'a AbsPath,
    pub(super) with: &'a [AbsPath],
    /// Every file of it that was read.
    pub(super) files: BTreeMap<&'a Path, &'a [u8]>,
}

impl Covered<'_> {
    fn folder(&self) -> &Path {
        self.playbook.as_path().parent().unwrap_or(Path::new("/"))
    }

    fn has(&self, path: &Path) -> bool {
        path == self.playbook.as_path()
            || self.with.iter().any(|with| path.starts_with(with.as_path()))
    }

    /// Where roles are looked for, the first before the next: beside the playbook, then where `with` says.
    pub(super) fn role_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder().join("roles")];
        for with in self.with {
            let with = with.as_path();
            let is_role = ["tasks", "meta", "handlers", "defaults", "vars"]
                .iter()
                .any(|part| with.join(part).is_dir());
            let parent = with.parent().unwrap_or(with).to_owned();
            folders.push(if is_role { parent } else { with.to_owned() });
            folders.push(with.join("roles"));
        }
        folders.retain(|folder| folder.is_dir());
        let mut seen = BTreeSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        folders
    }

    /// Why something that is run is not covered; `None` where all of it is.
    pub(super) fn missing(&self) -> Option<String> {
        for name in UNASKED {
            let beside = self.folder().join(name);
            if beside.is_dir() && !self.has(&beside) {
                let beside = beside.display();
                return Some(format!(
                    "Ansible takes in {beside} unasked, which its hash does not cover: name it in `with`"
                ));
            }
        }
        let mut open = vec![(self.playbook.as_path().to_owned(), In::Playbook)];
        let mut seen = BTreeSet::new();
        while let Some((file, is)) = open.pop() {
            if !seen.insert(file.clone()) {
                continue;
            }
            let bytes = self.files.get(file.as_path()).copied().unwrap_or_default();
            for one in taken(&String::from_utf8_lossy(bytes), is) {
                match self.follow(&file, &one) {
                    Ok(more) => open.extend(more),
                    Err(why) => {
                        let (key, line) = (one.key, one.line);
                        let file = file.display();
                        return Some(format!("{why} (`{key}`: {file}, line {line})"));
                    }
                }
            }
        }
        None
    }

    /// What is to be read next because of it; or why it is not covered.
    fn follow(&self, file: &Path, one: &Taken) -> Result<Vec<(PathBuf, In)>, String> {
        let Some(name) = &one.name else {
            return Err(
                "what it takes in is not written as one plain name, so nobody can tell whether its hash covers it"
                    .to_owned(),
            );
        };
        match one.what {
            What::Collections => {
                Err("it takes roles from collections, which its hash does not cover".to_owned())
            }
            What::Role => self.role(file, name),
            What::Playbook => Ok(vec![(self.file(file, name)?, In::Playbook)]),
            What::Tasks => Ok(vec![(self.file(file, name)?, In::Tasks)]),
            What::Other => self.file(file, name).map(|_| Vec::new()),
            What::Source => self.source(file, name),
        }
    }

    fn role(&self, file: &Path, name: &str) -> Result<Vec<(PathBuf, In)>, String> {
        if name.split('.').count() == 3 && !name.contains('/') {
            return Err(format!(
                "its role {name} is one of a collection, which its hash does not cover"
            ));
        }
        let mut places: Vec<PathBuf> =
            self.role_folders().iter().map(|folder| folder.join(name)).collect();
        // A dependency may lie beside the role that wants it.
        places.extend(role_of(file).and_then(Path::parent).map(|beside| beside.join(name)));
        places.push(self.folder().join(name));
        let place = self.first(places, name, "role")?;
        let mut files = Vec::new();
        for (part, is) in [("tasks", In::Tasks), ("handlers", In::Tasks), ("meta", In::Meta)] {
            let part = place.join(part);
            let within = self.files.keys().filter(|path| path.starts_with(&part) && is_yaml(path));
            files.extend(within.map(|path| ((*path).to_owned(), is)));
        }
        Ok(files)
    }

    /// A file of tasks, of variables, of another playbook, or a script.
    fn file(&self, from: &Path, name: &str) -> Result<PathBuf, String> {
        self.first(self.places(from, name), name, "file")
    }

    /// What is copied. What is nowhere on this machine is on the other one, or makes the task fail.
    fn source(&self, from: &Path, name: &str) -> Result<Vec<(PathBuf, In)>, String> {
        let outside = self.places(from, name).into_iter().find(|at| at.exists() && !self.has(at));
        match outside {
            Some(at) => Err(not_covered("file", &at)),
            None => Ok(Vec::new()),
        }
    }

    /// Wherever a name in a file may lead to, the first before the next.
    fn places(&self, from: &Path, name: &str) -> Vec<PathBuf> {
        let beside = from.parent().unwrap_or(Path::new("/"));
        let mut bases = vec![beside.to_owned()];
        for base in role_of(from).into_iter().chain([self.folder()]) {
            let parts = ["", "tasks", "handlers", "vars", "files", "templates"];
            bases.extend(parts.iter().map(|part| base.join(part)));
        }
        bases.iter().map(|base| plain(&base.join(name))).collect()
    }

    /// The first that is there, where it is covered. One before it that is not would be taken instead.
    fn first(&self, places: Vec<PathBuf>, name: &str, what: &str) -> Result<PathBuf, String> {
        match places.into_iter().map(|place| plain(&place)).find(|place| place.exists()) {
            Some(place) if self.has(&place) => Ok(place),
            Some(place) => Err(not_covered(what, &place)),
            None => Err(format!(
                "its {what} {name} lies nowhere in what its hash covers: name its folder in `with`"
            )),
        }
    }
}

fn not_covered(what: &str, at: &Path) -> String {
    format!("its {what} {} is not covered by its hash: name it in `with`", at.display())
}

/// The folder of the role that a file is of.
fn role_of(file: &Path) -> Option<&Path> {
    let parts = ["tasks", "handlers", "meta"];
    let of = |path: &&Path| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|name| parts.contains(&name))
    };
    file.ancestors().skip(1).find(of).and_then(Path::parent)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| ["yml", "yaml"].contains(&e))
}

/// Without `.` and `..`, by name: nothing that the hash covers is a link.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::ansible::seal::seal;

    /// A folder with these files, and the playbook `site.yml` among them.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let at = folder.path().join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, text).unwrap();
        }
        folder
    }

    fn missing(files: &[(&str, &str)], with: &[&str]) -> Option<String> {
        let folder = tree(files);
        let path = |name: &str| AbsPath::new(folder.path().join(name).to_str().unwrap()).unwrap();
        let with: Vec<AbsPath> = with.iter().map(|name| path(name)).collect();
        seal(&path("site.yml"), &with).unwrap().uncovered
    }

    const WEB: (&str, &str) =
        ("roles/web/tasks/main.yml", "- include_tasks: more.yml\n- ansible.builtin.ping:\n");
    const MORE: (&str, &str) =
        ("roles/web/tasks/more.yml", "- copy:\n    src: web.conf\n    dest: /etc/web.conf\n");
    const CONF: (&str, &str) = ("roles/web/files/web.conf", "x\n");

    #[test]
    fn what_lies_within_is_covered() {
        let dependent = ("roles/web/meta/main.yml", "dependencies:\n  - role: base\n");
        let base = ("roles/base/tasks/main.yml", "- ping:\n");
        for play in [
            "- hosts: all\n  roles:\n    - web\n",
            "- hosts: all\n  roles:\n  - role: web\n    tags: [x]\n",
            "- hosts: all\n  roles:\n    - { role: web, tags: x }\n",
            "- hosts: all\n  roles: [web]\n",
            "- hosts: all\n  tasks:\n    - import_role:\n        name: web\n",
            "- hosts: all\n  tasks:\n    - ansible.builtin.include_role: name=web\n",
            "- hosts: all\n  vars_files:\n    - vars/a.yml\n  tasks:\n    - script: run.sh --all\n",
            "- import_playbook: plays/other.yml\n",
        ] {
            let files = [
                ("site.yml", play),
                WEB,
                MORE,
                CONF,
                dependent,
                base,
                ("vars/a.yml", "roles: [elsewhere]\n"),
                ("files/run.sh", "#!/bin/sh\n"),
                ("plays/other.yml", "- hosts: all\n  roles:\n    - web\n"),
                // Nobody takes it in, so what it says does not matter.
                ("roles/unused/tasks/main.yml", "- include_role: { name: \"{{ x }}\" }\n"),
            ];
            let with = ["roles", "vars", "files", "plays"];
            assert_eq!(missing(&files, &with), None, "{play}");
        }
    }

    const BASED: (&str, &str) = ("roles/web/meta/main.yml", "dependencies:\n- base\n");

    #[test]
    fn what_lies_outside_makes_it_critical_and_is_named() {
        let play = |text: &'static str| ("site.yml", text);
        let web = "- hosts: all\n  roles:\n    - web\n";
        for (files, with, part) in [
            // The role lies beside the playbook, and `with` names only another one.
            (
                vec![play(web), WEB, MORE, CONF, ("roles/db/tasks/main.yml", "")],
                "roles/db",
                "roles/web",
            ),
            // It lies nowhere that is known.
            (
                vec![play(web), ("shared/db/tasks/main.yml", "")],
                "shared",
                "its role web lies nowhere",
            ),
            // A role of the same name beside the playbook comes first.
            (
                vec![
                    play(web),
                    ("roles/web/tasks/main.yml", ""),
                    ("shared/web/tasks/main.yml", ""),
                ],
                "shared",
                "roles/web is not covered",
            ),
            (
                vec![play("- hosts: all\n  roles:\n    - ns.tools.web\n"), WEB, MORE, CONF],
                "roles",
                "one of a collection",
            ),
            (
                vec![
                    play("- hosts: all\n  collections: [ns.tools]\n  roles: [web]\n"),
                    WEB,
                    MORE,
                    CONF,
                ],
                "roles",
                "from collections",
            ),
            (
                vec![play("- hosts: all\n  roles:\n    - \"{{ which }}\"\n"), WEB],
                "roles",
                "one plain name",
            ),
            (
                vec![play("- hosts: all\n  tasks:\n    - { import_role: { name: web } }\n"), WEB],
                "roles",
                "one plain name",
            ),
            (vec![play("- import_playbook: ../other.yml\n"), WEB], "roles", "lies nowhere"),
            (
                vec![play(web), ("roles/web/tasks/main.yml", "- include_tasks: /etc/hostname\n")],
                "roles",
                "/etc/hostname is not covered",
            ),
            (
                vec![
                    play(web),
                    ("roles/web/tasks/main.yml", "- include_tasks:\n    file: ../../../x.yml\n"),
                    ("x.yml", ""),
                ],
                "roles",
                "x.yml is not covered",
            ),
            (
                vec![play(web), ("roles/web/tasks/main.yml", "- copy:\n    src: /etc/hostname\n")],
                "roles",
                "/etc/hostname is not covered",
            ),
            (vec![play(web), WEB, MORE, CONF, BASED], "roles", "its role base lies nowhere"),
            (vec![play(web), WEB, MORE, CONF, ("library/x.py", "")], "roles", "library unasked"),
        ] {
            let told = missing(&files, &[with]).unwrap_or_else(|| panic!("{part} of {files:?}"));
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_changed_role_is_another_hash() {
        let files = [("site.yml", "- hosts: all\n  roles: [web]\n"), WEB, MORE, CONF];
        let folder = tree(&files);
        let path = |name: &str| AbsPath::new(folder.path().join(name).to_str().unwrap()).unwrap();
        let now = || seal(&path("site.yml"), &[path("roles")]).unwrap();
        let before = now();
        assert_eq!(before.roles_path.as_deref(), Some(path("roles").as_str()));
        std::fs::write(folder.path().join(CONF.0), "y\n").unwrap();
        assert_ne!(now().digest, before.digest);
    }
}
