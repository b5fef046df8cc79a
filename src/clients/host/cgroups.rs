//! OOM kills by cgroup, in both versions' trees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::clients::host::proc::counter;
use crate::model::fact::OomKills;

/// Cgroups that are read in one walk; a host with more of them tells only its own count for the rest.
const MOST: usize = 5_000;

/// The OOM kills of a host. The walk over all cgroups is made only when the host's own count moved.
#[derive(Debug, Default)]
pub struct Kills {
    last: Option<OomKills>,
}

impl Kills {
    /// `vmstat` is the text of /proc/vmstat, `tree` where cgroups are mounted: /sys/fs/cgroup.
    pub fn read(&mut self, vmstat: &str, tree: &Path) -> Result<OomKills, String> {
        let host = counter(vmstat, "oom_kill")
            .ok_or("this kernel does not count OOM kills (Linux before 4.13)")?;
        if let Some(last) = &self.last
            && last.host == host
        {
            return Ok(last.clone());
        }
        let kills = OomKills { host, cgroups: walk(tree) };
        self.last = Some(kills.clone());
        Ok(kills)
    }
}

/// Every cgroup with kills, by its path below the controller.
fn walk(tree: &Path) -> BTreeMap<String, u64> {
    // Version 1 keeps the counter in its memory controller's tree, version 2 in its only one.
    let v1 = tree.join("memory");
    let (root, file) = match v1.join("memory.oom_control").exists() {
        true => (v1, "memory.oom_control"),
        false => (tree.to_owned(), "memory.events"),
    };
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        seen += 1;
        if MOST < seen {
            break;
        }
        let kills = std::fs::read_to_string(folder.join(file)).ok();
        let kills = kills.and_then(|text| counter(&text, "oom_kill")).unwrap_or(0);
        if 0 < kills
            && let Ok(below) = folder.strip_prefix(&root)
        {
            found.insert(format!("/{}", below.display()), kills);
        }
        let Ok(inside) = std::fs::read_dir(&folder) else { continue };
        folders.extend(
            inside.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    #[test]
    fn both_trees_tell_which_cgroup_lost_a_process() {
        let v1 = tempfile::tempdir().unwrap();
        write(v1.path(), "memory/memory.oom_control", "under_oom 0\noom_kill 0\n");
        write(v1.path(), "memory/a/b.service/memory.oom_control", "under_oom 0\noom_kill 2\n");
        let v2 = tempfile::tempdir().unwrap();
        write(v2.path(), "cgroup.controllers", "memory\n");
        write(v2.path(), "a/b.service/memory.events", "low 0\noom 2\noom_kill 2\n");
        write(v2.path(), "a/memory.events", "low 0\noom 0\noom_kill 0\n");
        for tree in [v1, v2] {
            let kills = Kills::default().read("oom_kill 5\n", tree.path()).unwrap();
            let cgroups = BTreeMap::from([("/a/b.service".to_owned(), 2)]);
            assert_eq!(kills, OomKills { host: 5, cgroups });
        }
    }

    #[test]
    fn the_tree_is_walked_only_when_the_count_moved() {
        let tree = tempfile::tempdir().unwrap();
        let mut kills = Kills::default();
        assert_eq!(kills.read("oom_kill 0\n", tree.path()).unwrap().cgroups.len(), 0);
        write(tree.path(), "a/memory.events", "oom_kill 1\n");
        assert_eq!(kills.read("oom_kill 0\n", tree.path()).unwrap().cgroups.len(), 0);
        assert_eq!(kills.read("oom_kill 1\n", tree.path()).unwrap().cgroups.len(), 1);
        assert!(kills.read("pgfault 1\n", tree.path()).is_err());
    }

    /// A real kill in a cgroup of this test's own, where one can be made.
    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
    async fn a_real_kill_is_counted_where_it_happened() {
        use crate::clients::process::{Given, Limits, run_raw};
        let name = format!("reef-test-{}.service", std::process::id());
        let tree = Path::new("/sys/fs/cgroup");
        let v1 = tree.join("memory").join(&name);
        let (cgroup, limit) = match tree.join("memory/memory.oom_control").exists() {
            true => (v1, "memory.limit_in_bytes"),
            false => (tree.join(&name), "memory.max"),
        };
        let made = std::fs::create_dir(&cgroup)
            .and_then(|()| std::fs::write(cgroup.join(limit), "16777216"));
        if let Err(why) = made {
            let _none = std::fs::remove_dir(&cgroup);
            eprintln!("SKIPPED: cannot make a limited cgroup here ({why}); run the tests as root");
            return;
        }
        for swap in ["memory.memsw.limit_in_bytes", "memory.swap.max"] {
            // Not every kernel has one of them; without swap it has nothing to limit.
            let bytes = if swap.ends_with("max") { "0" } else { "16777216" };
            let _none = std::fs::write(cgroup.join(swap), bytes);
        }
        let vmstat = || std::fs::read_to_string("/proc/vmstat").unwrap();
        let mut kills = Kills::default();
        let before = kills.read(&vmstat(), tree).unwrap();
        let script = format!("echo $$ > {}/cgroup.procs; exec tail /dev/zero", cgroup.display());
        let argv = ["sh", "-c", &script].map(str::to_owned);
        let ended = run_raw(&argv, Limits::default(), &Given::default()).await;
        let after = kills.read(&vmstat(), tree).unwrap();
        std::fs::remove_dir(&cgroup).unwrap();
        assert_eq!(ended.unwrap().code, None, "it was killed by a signal");
        assert!(before.host < after.host);
        assert_eq!(after.cgroups.get(&format!("/{name}")), Some(&1), "{after:?}");
    }
}
