//! What a file is, by where it lies and what it is called: no look inside, no guess by a model.

use crate::model::ids::Word;

/// The kinds that fill volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fills {
    Logs,
    Journal,
    Temp,
    PackageCache,
    Images,
    Backups,
    Database,
    CrashDumps,
    DeletedOpen,
    /// The operating system: told of, never a candidate.
    System,
    Unknown,
}

impl Fills {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Journal => "journal",
            Self::Temp => "temp",
            Self::PackageCache => "package-cache",
            Self::Images => "images",
            Self::Backups => "backups",
            Self::Database => "database",
            Self::CrashDumps => "crash-dumps",
            Self::DeletedOpen => "deleted-open",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// As people call it.
    pub fn told(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Journal => "the journal",
            Self::Temp => "temp files",
            Self::PackageCache => "package caches",
            Self::Images => "images of containers and guests",
            Self::Backups => "backups",
            Self::Database => "database files",
            Self::CrashDumps => "crash dumps",
            Self::DeletedOpen => "deleted files that are still open",
            Self::System => "the operating system",
            Self::Unknown => "data that I do not know",
        }
    }

    pub fn word(self) -> Word {
        Word::of(self.as_str())
    }

    /// Whether some step below critical may touch it, and why or why not.
    pub fn safe(self) -> Result<&'static str, &'static str> {
        match self {
            Self::Logs => Ok("safe to rotate and compress"),
            Self::Journal => {
                Ok("its oldest entries may be deleted until what is to be kept is left")
            }
            Self::Temp => Ok("old ones may go to quarantine"),
            Self::PackageCache => Ok("can be fetched again"),
            Self::Images => Err("containers and guests may need them"),
            Self::Backups => Err("may be the last good copy"),
            Self::Database => Err("never touched by reef"),
            Self::CrashDumps => Err("somebody may want to read them"),
            Self::DeletedOpen => Err("freed when the process that holds them is restarted"),
            Self::System => Err("the operating system"),
            Self::Unknown => Err("data that reef does not know"),
        }
    }
}

/// Folders whose kind is known by their place, tried before any name.
const PLACES: &[(&str, Fills)] = &[
    ("/var/log/journal", Fills::Journal),
    ("/run/log/journal", Fills::Journal),
    ("/var/lib/systemd/coredump", Fills::CrashDumps),
    ("/var/lib/apport/coredump", Fills::CrashDumps),
    ("/var/spool/abrt", Fills::CrashDumps),
    ("/var/crash", Fills::CrashDumps),
    ("/var/lib/apt/lists", Fills::PackageCache),
    ("/var/lib/libvirt/images", Fills::Images),
    ("/var/lib/vz/images", Fills::Images),
    ("/var/lib/vz/template", Fills::Images),
    ("/var/lib/containerd", Fills::Images),
    ("/var/lib/containers", Fills::Images),
    ("/var/lib/machines", Fills::Images),
    ("/var/lib/snapd/snaps", Fills::Images),
    ("/var/lib/vz/dump", Fills::Backups),
    ("/var/backups", Fills::Backups),
    ("/var/lib/mysql", Fills::Database),
    ("/var/lib/mariadb", Fills::Database),
    ("/var/lib/postgresql", Fills::Database),
    ("/var/lib/pgsql", Fills::Database),
    ("/var/lib/mongodb", Fills::Database),
    ("/var/lib/redis", Fills::Database),
    ("/var/lib/influxdb", Fills::Database),
    ("/var/lib/prometheus", Fills::Database),
    ("/var/lib/clickhouse", Fills::Database),
    ("/var/lib/elasticsearch", Fills::Database),
    ("/var/lib/etcd", Fills::Database),
    ("/var/lib/dpkg", Fills::System),
    ("/var/lib/rpm", Fills::System),
    ("/usr", Fills::System),
    ("/boot", Fills::System),
    ("/etc", Fills::System),
    ("/bin", Fills::System),
    ("/sbin", Fills::System),
    ("/lib", Fills::System),
    ("/lib64", Fills::System),
];

/// Folders of packages that can be fetched again, wherever they lie.
const PACKAGE_CACHES: &[&str] = &[
    "/var/cache/apt",
    "/var/cache/dnf",
    "/var/cache/yum",
    "/var/cache/zypp",
    "/var/cache/apk",
    "/var/cache/pacman/pkg",
    "/var/cache/PackageKit",
    "/.cache/pip",
    "/.cache/yarn",
    "/.npm/_cacache",
    "/.cargo/registry/cache",
];

/// What a file is, and the folder that its group is told by. `start` is where the walk began: unknown
/// data is grouped by its first two folders below it.
pub fn classify<'a>(path: &'a str, start: &str) -> (Fills, &'a str) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some((place, fills)) = PLACES.iter().find(|(place, _)| is_below(path, place)) {
        return (*fills, &path[..place.len()]);
    }
    if let Some(end) = package_cache(path) {
        return (Fills::PackageCache, &path[..end]);
    }
    if is_below(path, "/var/lib/docker") {
        return docker(path, folder, name);
    }
    if let Some(found) = by_folder(folder) {
        return found;
    }
    let folder_or_root = if folder.is_empty() { "/" } else { folder };
    if let Some(fills) = by_name(name) {
        return (fills, folder_or_root);
    }
    for (place, fills) in
        [("/var/log", Fills::Logs), ("/var/tmp", Fills::Temp), ("/tmp", Fills::Temp)]
    {
        if is_below(path, place) {
            return (fills, &path[..place.len()]);
        }
    }
    (Fills::Unknown, first_folders(folder_or_root, start))
}

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

/// Where the package cache that a path lies in ends.
pub fn package_cache(path: &str) -> Option<usize> {
    PACKAGE_CACHES.iter().find_map(|cache| {
        let end = path.find(cache)? + cache.len();
        path[end..].starts_with('/').then_some(end)
    })
}

/// Docker's folder holds layers, the containers' logs, and volumes, which are somebody's data.
fn docker<'a>(path: &'a str, folder: &'a str, name: &str) -> (Fills, &'a str) {
    const VOLUMES: &str = "/var/lib/docker/volumes";
    if name.contains("-json.log") {
        return (Fills::Logs, "/var/lib/docker/containers");
    }
    if is_below(path, VOLUMES) {
        return match by_name(name) {
            Some(fills) => (fills, folder),
            None => (Fills::Unknown, first_folders(folder, VOLUMES)),
        };
    }
    (Fills::Images, "/var/lib/docker")
}

/// By the names of folders, the deepest first.
fn by_folder(folder: &str) -> Option<(Fills, &str)> {
    let mut rest = folder;
    while let Some((up, name)) = rest.rsplit_once('/') {
        // /tmp and /var/tmp themselves say little about what others put there.
        let fills = match name {
            "journal" if up.ends_with("/log") => Some(Fills::Journal),
            "log" | "logs" if rest != "/var/log" => Some(Fills::Logs),
            "backup" | "backups" => Some(Fills::Backups),
            "coredump" | "coredumps" | "crash" => Some(Fills::CrashDumps),
            "tmp" | "temp" if rest != "/tmp" && rest != "/var/tmp" => Some(Fills::Temp),
            _ => None,
        };
        if let Some(fills) = fills {
            return Some((fills, rest));
        }
        rest = up;
    }
    None
}

fn by_name(name: &str) -> Option<Fills> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    let is_core = lower == "core"
        || lower.strip_prefix("core.").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    if is_core || ends(&[".dmp", ".hprof", ".core"]) {
        Some(Fills::CrashDumps)
    } else if ends(&[".bak", ".dump", ".sql", ".sql.gz", ".sql.zst", ".backup", ".vma.zst"]) {
        Some(Fills::Backups)
    } else if ends(&[".sqlite", ".sqlite3", ".db", ".ibd", ".mdb", ".rdb", ".db-wal", ".myd"]) {
        Some(Fills::Database)
    } else if ends(&[".qcow2", ".vmdk", ".vdi", ".iso", ".img"]) {
        Some(Fills::Images)
    } else if is_rotated_log(name, In::AnyFolder) || is_current_log(name, In::AnyFolder) {
        Some(Fills::Logs)
    } else {
        None
    }
}

/// The first two folders of `folder` below `start`.
fn first_folders<'a>(folder: &'a str, start: &str) -> &'a str {
    let start = if start == "/" { "" } else { start };
    let rest = folder.get(start.len()..).unwrap_or("");
    let end = rest.match_indices('/').nth(2).map_or(folder.len(), |(at, _)| start.len() + at);
    match &folder[..end] {
        "" => "/",
        group => group,
    }
}

/// Where a name is judged: a folder of logs makes `syslog` and `messages` logs too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    LogFolder,
    AnyFolder,
}

impl In {
    /// Of a file's path.
    pub fn of(path: &str) -> Self {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_log = |part: &str| part == "log" || part == "logs";
        if folder.split('/').any(is_log) { Self::LogFolder } else { Self::AnyFolder }
    }
}

const COMPRESSED: &[&str] = &[".gz", ".xz", ".bz2", ".zst", ".lz4", ".lzma", ".zip", ".Z"];

/// Whether a name says that it is compressed already.
pub fn is_compressed(name: &str) -> bool {
    COMPRESSED.iter().any(|ending| name.ends_with(ending))
}

/// Whether a name is one that rotation makes: `syslog.1`, `app.log.2.gz`, `access.log-20260101`,
/// `app-2026-01-01.log`, `boot.log.old`, an archived journal.
pub fn is_rotated_log(name: &str, place: In) -> bool {
    if name.starts_with('.') {
        return false;
    }
    if let Some(journal) = name.strip_suffix(".journal") {
        return journal.contains('@');
    }
    let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending));
    let stem = plain.unwrap_or(name);
    let log_like = |base: &str| {
        base.ends_with(".log") || (place == In::LogFolder && !base.is_empty() && !is_binary(base))
    };
    if plain.is_some() && stem.ends_with(".log") {
        return true;
    }
    if let Some(base) = stem.strip_suffix(".old") {
        return log_like(base);
    }
    if let Some((base, number)) = stem.rsplit_once('.')
        && (1..=4).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        return log_like(base) && !base.ends_with(".so");
    }
    // A date at the end, or before `.log`.
    let dated = stem.strip_suffix(".log");
    let base = dated.unwrap_or(stem);
    match without_date(base) {
        Some("") | None => false,
        Some(base) => dated.is_some() || log_like(base),
    }
}

/// The name before `-20260101`, `-20260101-0315`, `.2026-01-01`.
fn without_date(name: &str) -> Option<&str> {
    let at = name.char_indices().find_map(|(at, c)| {
        let date = name.get(at + 1..)?;
        (matches!(c, '-' | '.' | '_') && is_date(date)).then_some(at)
    })?;
    name.get(..at)
}

fn is_date(given: &str) -> bool {
    let digits: String = given.chars().filter(char::is_ascii_digit).collect();
    let only = given.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|d| d.parse::<u32>().ok());
    only && (8..=14).contains(&digits.len())
        && part(0, 4).is_some_and(|year| (1990..2100).contains(&year))
        && part(4, 6).is_some_and(|month| (1..=12).contains(&month))
        && part(6, 8).is_some_and(|day| (1..=31).contains(&day))
}

/// Login records and the like: fixed records that a cut or a gzip would break for their readers.
fn is_binary(name: &str) -> bool {
    const BINARY: &[&str] = &["wtmp", "btmp", "lastlog", "faillog", "tallylog", "utmp"];
    BINARY.contains(&name.split('.').next().unwrap_or(name))
}

/// Whether a name is that of a log in use. Not one of digits alone (`000123.log`): that is how
/// LevelDB and RocksDB call their write-ahead logs, which are databases.
pub fn is_current_log(name: &str, place: In) -> bool {
    if name.starts_with('.')
        || is_binary(name)
        || is_compressed(name)
        || is_rotated_log(name, place)
    {
        return false;
    }
    if let Some(stem) = name.strip_suffix(".log") {
        return !stem.is_empty() && !stem.bytes().all(|b| b.is_ascii_digit());
    }
    place == In::LogFolder
        && (!name.contains('.')
            || [".err", ".warn", ".info", ".out", ".txt"].iter().any(|e| name.ends_with(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_place_and_name() {
        let cases = [
            ("/var/log/syslog", Fills::Logs, "/var/log"),
            ("/var/log/nginx/access.log.1", Fills::Logs, "/var/log/nginx"),
            ("/var/log/journal/ab/system.journal", Fills::Journal, "/var/log/journal"),
            ("/srv/app/logs/x", Fills::Logs, "/srv/app/logs"),
            ("/srv/app/app.log", Fills::Logs, "/srv/app"),
            ("/tmp/x", Fills::Temp, "/tmp"),
            ("/tmp/a/b/c.bin", Fills::Temp, "/tmp"),
            ("/tmp/a/app.log", Fills::Logs, "/tmp/a"),
            ("/var/tmp/x", Fills::Temp, "/var/tmp"),
            ("/var/cache/apt/archives/a.deb", Fills::PackageCache, "/var/cache/apt"),
            ("/home/u/.cache/pip/x", Fills::PackageCache, "/home/u/.cache/pip"),
            ("/var/lib/docker/overlay2/x/diff/a", Fills::Images, "/var/lib/docker"),
            (
                "/var/lib/docker/containers/ab/ab-json.log",
                Fills::Logs,
                "/var/lib/docker/containers",
            ),
            (
                "/var/lib/docker/volumes/immich/_data/photos/x.jpg",
                Fills::Unknown,
                "/var/lib/docker/volumes/immich/_data",
            ),
            ("/var/lib/postgresql/15/main/base/1", Fills::Database, "/var/lib/postgresql"),
            ("/var/lib/mysql/x.log", Fills::Database, "/var/lib/mysql"),
            ("/srv/backups/2026/a.tar", Fills::Backups, "/srv/backups"),
            ("/home/u/old.sql.gz", Fills::Backups, "/home/u"),
            ("/var/crash/x", Fills::CrashDumps, "/var/crash"),
            ("/srv/app/core.1234", Fills::CrashDumps, "/srv/app"),
            ("/srv/vm/disk.qcow2", Fills::Images, "/srv/vm"),
            ("/srv/media/films/a.mkv", Fills::Unknown, "/srv/media"),
            ("/a.bin", Fills::Unknown, "/"),
            ("/usr/lib/x.so.1", Fills::System, "/usr"),
        ];
        for (path, fills, group) in cases {
            assert_eq!(classify(path, "/"), (fills, group), "{path}");
        }
    }

    #[test]
    fn unknown_data_is_told_by_its_first_folders() {
        assert_eq!(first_folders("/srv/a/b/c", "/srv"), "/srv/a/b");
        assert_eq!(first_folders("/srv", "/srv"), "/srv");
    }

    #[test]
    fn rotated_and_current_logs_are_told_apart() {
        use In::{AnyFolder as Any, LogFolder as Log};
        let rotated = [
            ("syslog.1", Log),
            ("app.log.2", Any),
            ("app.log.2.gz", Any),
            ("app.log.gz", Any),
            ("access.log-20260101", Any),
            ("syslog-20260101-0315", Log),
            ("app-2026-01-01.log", Any),
            ("boot.log.old", Any),
            ("system@0005f-1.journal", Any),
        ];
        for (name, place) in rotated {
            assert!(is_rotated_log(name, place), "{name}");
            assert!(!is_current_log(name, place), "{name}");
        }
        let current =
            [("app.log", Any), ("syslog", Log), ("mail.err", Log), ("build-1.2.log", Any)];
        for (name, place) in current {
            assert!(is_current_log(name, place), "{name}");
            assert!(!is_rotated_log(name, place), "{name}");
        }
        let neither = [
            ("syslog", Any),
            ("wtmp", Log),
            ("wtmp.1", Log),
            ("system.journal", Log),
            ("libc.so.6", Log),
            ("000123.log", Log),
            (".log", Log),
            ("a.sqlite", Log),
            ("x.1", Any),
            ("20260101.log", Any),
        ];
        for (name, place) in neither {
            assert!(!is_current_log(name, place) && !is_rotated_log(name, place), "{name}");
        }
    }
}
