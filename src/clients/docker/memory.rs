//! What a container uses of its memory, read from its cgroup: no request to the engine, and as the engine's
//! own statistics count it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// In bytes, without what the kernel would give back at once. `None` where the cgroup is not to be seen, as
/// from within a container.
pub(super) fn used(pid: u32, id: &str) -> Option<u64> {
    used_below(Path::new("/"), pid, id)
}

fn used_below(root: &Path, pid: u32, id: &str) -> Option<u64> {
    let text = |path: PathBuf| std::fs::read_to_string(path).ok();
    let groups = text(root.join(format!("proc/{pid}/cgroup")))?;
    let (file, stat) = files(&groups, id)?;
    let usage = text(root.join(file))?.trim().parse().ok()?;
    let stat = text(root.join(stat)).unwrap_or_default();
    Some(without_cache(usage, &stat))
}

/// Where usage and statistics lie. The number may be another process's by now, or in another name space:
/// only a path with the container's own id is looked at.
fn files(groups: &str, id: &str) -> Option<(String, String)> {
    let mut unified = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if !path.contains(id) || path.contains("..") {
            continue;
        }
        if controllers.split(',').any(|c| c == "memory") {
            let folder = format!("sys/fs/cgroup/memory{path}");
            return Some((
                format!("{folder}/memory.usage_in_bytes"),
                format!("{folder}/memory.stat"),
            ));
        }
        if controllers.is_empty() {
            let folder = format!("sys/fs/cgroup{path}");
            unified = Some((format!("{folder}/memory.current"), format!("{folder}/memory.stat")));
        }
    }
    unified
}

fn without_cache(usage: u64, stat: &str) -> u64 {
    let of = |name: &str| {
        stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    let cache = of("total_inactive_file ").or_else(|| of("inactive_file ")).unwrap_or(0);
    usage.saturating_sub(cache)
}

/// The answer to `GET /containers/ID/stats`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    memory_stats: MemoryStats,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MemoryStats {
    usage: Option<u64>,
    stats: Detail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    total_inactive_file: Option<u64>,
    inactive_file: Option<u64>,
}

impl Stats {
    pub(super) fn used(&self) -> Option<u64> {
        let Detail { total_inactive_file, inactive_file } = self.memory_stats.stats;
        let cache = total_inactive_file.or(inactive_file).unwrap_or(0);
        Some(self.memory_stats.usage?.saturating_sub(cache))
    }
}

/// The lines `ID USAGE CACHE` that the collector prints of one that runs with a limit.
pub(super) fn printed(text: &str) -> std::collections::BTreeMap<&str, u64> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (id, usage) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let cache = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Some((id, usage.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_of_either_kind_tells_what_is_used_without_cache() {
        let id = "9f".repeat(32);
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/1/cgroup", &format!("12:pids:/docker/{id}\n5:cpu,memory:/docker/{id}\n0::/\n"));
        let v1 = format!("sys/fs/cgroup/memory/docker/{id}");
        write(&format!("{v1}/memory.usage_in_bytes"), "9000\n");
        write(&format!("{v1}/memory.stat"), "inactive_file 10\ntotal_inactive_file 4000\n");
        write("proc/2/cgroup", &format!("0::/system.slice/docker-{id}.scope\n"));
        let v2 = format!("sys/fs/cgroup/system.slice/docker-{id}.scope");
        write(&format!("{v2}/memory.current"), "700\n");
        write(&format!("{v2}/memory.stat"), "anon 600\ninactive_file 50\n");
        // Another process has the number by now.
        write("proc/3/cgroup", "0::/user.slice\n");
        assert_eq!(used_below(dir.path(), 1, &id), Some(5_000));
        assert_eq!(used_below(dir.path(), 2, &id), Some(650));
        assert_eq!(used_below(dir.path(), 3, &id), None);
        assert_eq!(used_below(dir.path(), 4, &id), None);
    }

    #[test]
    fn statistics_and_printed_lines_count_alike() {
        let stats: Stats = serde_json::from_str(
            r#"{"memory_stats":{"usage":900,"limit":1000,"stats":{"inactive_file":100}}}"#,
        )
        .unwrap();
        assert_eq!(stats.used(), Some(800));
        assert_eq!(serde_json::from_str::<Stats>("{}").unwrap().used(), None);
        let lines = printed("a 900 100\nb 5\nc x\n\n");
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), [("a", 800), ("b", 5)]);
    }
}
