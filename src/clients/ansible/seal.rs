//! What a playbook's files are at the moment: their digest, what it leaves out, and whether a check would act.

use std::io::Read;
use std::path::Path;

use crate::clients::ansible::covers::Covered;
use crate::model::digest::{Canonical, Digest};
use crate::model::target::AbsPath;

/// More is no playbook.
const LARGEST: u64 = 16 << 20;
const FILES: usize = 2_000;

/// The files of a playbook, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Of the file alone, as sha256sum has it; with `with` also of all that lies there.
    pub digest: Digest,
    /// Why the digest does not cover all that is run.
    pub uncovered: Option<String>,
    /// Where roles lie, as Ansible takes it, where the digest covers all of them: it looks nowhere else then.
    pub roles_path: Option<String>,
    /// Why a check would do more than look.
    pub acts_in_check: Option<String>,
}

/// Reads the file and what `with` names. Blocks; small files only.
pub fn seal(file: &AbsPath, with: &[AbsPath]) -> Result<Seal, String> {
    let mut reading = Reading { left: LARGEST, found: Vec::new() };
    reading.read(file.as_path())?;
    for more in with {
        reading.walk(more.as_path())?;
    }
    let all = reading.found;
    let whole = all.iter().map(|(name, bytes)| (name, bytes));
    let digest = match (all.first(), with.is_empty()) {
        (Some((_, bytes)), true) => Digest::of(bytes),
        (Some(_) | None, _) => {
            let to = Canonical::new("playbook 1");
            to.list(whole, |to, (name, bytes)| to.text(name).bytes(bytes)).finish()
        }
    };
    let files = all.iter().map(|(name, bytes)| (Path::new(name), bytes.as_slice())).collect();
    let covered = Covered { playbook: file, with, files };
    let uncovered = covered.missing();
    let roles = covered.role_folders();
    let roles: Vec<_> = roles.iter().filter_map(|folder| folder.to_str()).collect();
    let pinned = uncovered.is_none() && !roles.is_empty();
    Ok(Seal {
        digest,
        roles_path: pinned.then(|| roles.join(":")),
        uncovered,
        acts_in_check: all.iter().find_map(|(name, bytes)| acting(name, bytes)),
    })
}

/// The key that a line of YAML begins with, without its collection, and the rest.
fn key_of(line: &str) -> (&str, &str) {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    let (key, value) = line.split_once(':').unwrap_or((line, ""));
    let key = key.trim().trim_matches(['"', '\'']);
    let short = ["ansible.builtin.", "ansible.legacy."].iter().find_map(|p| key.strip_prefix(p));
    (short.unwrap_or(key), value.trim())
}

/// The first line of a file that acts in a check.
fn acting(name: &str, bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().enumerate().find_map(|(n, line)| {
        let (key, value) = key_of(line);
        acts(key, value, line).map(|what| format!("{what} ({name}, line {})", n + 1))
    })
}

fn acts(key: &str, value: &str, line: &str) -> Option<&'static str> {
    let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    let value = value.split('#').next().unwrap_or("").trim().trim_matches(['"', '\'']);
    let stays = ["true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str());
    if (key == "check_mode" && !stays)
        || line.contains("check_mode:no")
        || line.contains("check_mode:false")
    {
        return Some("a task sets check_mode, so that it acts in a check too");
    }
    let pipe = [
        "lookup('pipe'",
        "lookup(\"pipe\"",
        "query('pipe'",
        "query(\"pipe\"",
        "q('pipe'",
        "q(\"pipe\"",
    ];
    if ["with_pipe", "with_lines"].contains(&key) || pipe.iter().any(|p| line.contains(p)) {
        return Some("it runs a command of this machine by a lookup, in a check too");
    }
    None
}

struct Reading {
    left: u64,
    found: Vec<(String, Vec<u8>)>,
}

impl Reading {
    fn read(&mut self, path: &Path) -> Result<(), String> {
        let why = |error: std::io::Error| format!("{}: {error}", path.display());
        if self.found.len() == FILES {
            return Err(format!("{}: more than {FILES} files", path.display()));
        }
        let file = std::fs::File::open(path).map_err(why)?;
        if !file.metadata().map_err(why)?.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        let mut bytes = Vec::new();
        file.take(self.left + 1).read_to_end(&mut bytes).map_err(why)?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| format!("{}: more than {LARGEST} bytes in all", path.display()))?;
        self.found.push((path.display().to_string(), bytes));
        Ok(())
    }

    fn walk(&mut self, path: &Path) -> Result<(), String> {
        let about =
            std::fs::symlink_metadata(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if about.is_file() {
            return self.read(path);
        }
        if !about.is_dir() {
            return Err(format!("{} is neither a file nor a folder", path.display()));
        }
        let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        // What git keeps for itself changes with every fetch, and is not run.
        paths.retain(|path| path.file_name().is_none_or(|name| name != ".git"));
        paths.sort();
        paths.iter().try_for_each(|path| self.walk(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Seal {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.yml");
        std::fs::write(&file, text).unwrap();
        seal(&AbsPath::new(file.to_str().unwrap()).unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_hash_is_that_of_sha256sum_and_says_what_it_leaves_out() {
        let plain = of("- hosts: all\n  tasks:\n    - ansible.builtin.ping:\n");
        assert_eq!(
            plain.digest,
            Digest::of(b"- hosts: all\n  tasks:\n    - ansible.builtin.ping:\n")
        );
        assert_eq!((plain.uncovered, plain.acts_in_check), (None, None));
        for text in [
            "- hosts: all\n  roles: [web]\n",
            "- import_playbook: other.yml\n",
            "- hosts: a\n  tasks:\n    - ansible.builtin.include_tasks: x.yml\n",
            "- hosts: a\n  tasks:\n    - copy:\n        src: /etc/hostname\n",
            "  \"vars_files\":\n    - x\n",
        ] {
            assert!(of(text).uncovered.is_some(), "{text}");
        }
    }

    #[test]
    fn a_check_that_would_act_is_known_by_its_text() {
        for text in [
            "- command: x\n  check_mode: false\n",
            "- command: x\n  check_mode: no # really\n",
            "- command: x\n  check_mode: \"{{ no_check }}\"\n",
            "- { command: x, check_mode: no }\n",
            "- debug: { msg: \"{{ lookup( 'pipe', 'date') }}\" }\n",
            "- debug:\n  with_pipe: [ls]\n",
        ] {
            assert!(of(text).acts_in_check.is_some(), "{text}");
        }
        for text in
            ["- command: x\n  check_mode: true\n", "- command: x\n  when: not ansible_check_mode\n"]
        {
            assert_eq!(of(text).acts_in_check, None, "{text}");
        }
    }

    #[test]
    fn whatever_lies_in_its_folders_is_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| AbsPath::new(folder.path().join(name).to_str().unwrap()).unwrap();
        std::fs::create_dir_all(folder.path().join("roles/web/tasks")).unwrap();
        std::fs::write(folder.path().join("site.yml"), "- hosts: all\n  roles: [web]\n").unwrap();
        std::fs::write(folder.path().join("roles/web/tasks/main.yml"), "- ping:\n").unwrap();
        let now = || seal(&path("site.yml"), &[path("roles")]).unwrap();
        let first = now();
        assert_eq!((first.uncovered.clone(), &first), (None, &now()));
        std::fs::write(
            folder.path().join("roles/web/tasks/main.yml"),
            "- command: x\n  check_mode: no\n",
        )
        .unwrap();
        assert!(now().digest != first.digest && now().acts_in_check.is_some());
        std::os::unix::fs::symlink("/etc", folder.path().join("roles/etc")).unwrap();
        assert!(seal(&path("site.yml"), &[path("roles")]).unwrap_err().contains("neither"));
    }
}
