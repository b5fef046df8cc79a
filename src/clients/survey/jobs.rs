//! Jobs that make backups: which tool, started by what, and when. Of a command no more is kept than the tool's name.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Tools whose job is a backup.
const TOOLS: [&str; 27] = [
    "autopostgresqlbackup",
    "automysqlbackup",
    "autorestic",
    "barman",
    "borg",
    "borgmatic",
    "btrbk",
    "duplicati-cli",
    "duplicity",
    "kopia",
    "mariabackup",
    "mariadb-dump",
    "mysqldump",
    "pg_basebackup",
    "pg_dump",
    "pg_dumpall",
    "pgbackrest",
    "proxmox-backup-client",
    "rdiff-backup",
    "restic",
    "rsnapshot",
    "sanoid",
    "snapraid",
    "syncoid",
    "timeshift",
    "vzdump",
    "zrepl",
];

/// Where a machine keeps its programs.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/local/bin", "usr/sbin", "usr/local/sbin"];
/// What is read of one file, and how many files.
const LARGEST: u64 = 256 << 10;
const MOST: usize = 300;

/// A backup that something starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub tool: &'static str,
    /// The timer or the file that starts it.
    pub place: String,
    /// As crontab writes it, where that is known.
    pub schedule: Option<String>,
}

/// The backup tool that a command or a name speaks of.
pub fn tool_in(text: &str) -> Option<&'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let named = |word: &str| {
        // `restic-backup.service`, `backup-restic.sh`: a part of a name counts too.
        TOOLS.into_iter().find(|tool| *tool == word).or_else(|| {
            let mut parts = word.split('-');
            parts.find_map(|part| TOOLS.into_iter().find(|tool| *tool == part))
        })
    };
    text.split(|c| !word(c)).filter(|word| !word.is_empty()).find_map(named)
}

/// The crontabs' and Proxmox' jobs below `root`, and the tools that are installed without any job.
pub fn found(root: &Path) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut left = MOST;
    for file in
        files(root, &["etc/crontab"], &["etc/cron.d", "var/spool/cron/crontabs", "var/spool/cron"])
    {
        let Some(text) = read(root, &file, &mut left) else { continue };
        jobs.extend(text.lines().filter_map(|line| crontab(line, &file)));
    }
    for (folder, schedule) in [
        ("etc/cron.hourly", "@hourly"),
        ("etc/cron.daily", "@daily"),
        ("etc/cron.weekly", "@weekly"),
        ("etc/cron.monthly", "@monthly"),
    ] {
        for file in files(root, &[], &[folder]) {
            let Some(text) = read(root, &file, &mut left) else { continue };
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            let name = file.rsplit('/').next().unwrap_or("");
            let tool = lines.filter_map(tool_in).next().or_else(|| tool_in(name));
            jobs.extend(tool.map(|tool| Job {
                tool,
                place: file.clone(),
                schedule: Some(schedule.to_owned()),
            }));
        }
    }
    for file in ["/etc/pve/jobs.cfg", "/etc/pve/vzdump.cron"] {
        let Some(text) = read(root, file, &mut left) else { continue };
        if text.lines().any(|line| line.starts_with("vzdump:") || line.contains(" vzdump ")) {
            jobs.push(Job { tool: "vzdump", place: file.to_owned(), schedule: None });
        }
    }
    jobs.dedup();
    jobs
}

/// The tools that are installed below `root`.
pub fn installed(root: &Path) -> Vec<&'static str> {
    let is_there =
        |tool: &&str| PROGRAMS.iter().any(|folder| root.join(folder).join(tool).exists());
    // What comes with a database server is no sign of a backup.
    let own =
        |tool: &&str| !tool.starts_with("pg_") && !tool.contains("dump") && *tool != "mariabackup";
    TOOLS.into_iter().filter(own).filter(is_there).collect()
}

/// A line of a crontab that starts a backup tool; a user's crontab and /etc/crontab begin alike.
fn crontab(line: &str, place: &str) -> Option<Job> {
    let line = line.trim();
    let starts = |c: char| c.is_ascii_digit() || c == '*' || c == '@';
    // `NAME=value` sets the environment, passwords among it.
    if !line.starts_with(starts) {
        return None;
    }
    let tool = tool_in(line)?;
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let words: Vec<&str> = line.split_whitespace().collect();
    let schedule = words.get(..fields)?.join(" ");
    Some(Job { tool, place: place.to_owned(), schedule: Some(schedule) })
}

/// The named files and those directly in the named folders, as paths from the root, sorted.
fn files(root: &Path, names: &[&str], folders: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = names.iter().map(|name| format!("/{name}")).collect();
    for folder in folders {
        let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let plain =
            names.filter(|name| !name.starts_with('.') && !name.chars().any(char::is_control));
        let mut of_it: Vec<String> =
            plain.take(MOST).map(|name| format!("/{folder}/{name}")).collect();
        of_it.sort();
        found.extend(of_it);
    }
    found
}

/// The text of a plain file; a pipe or a device would be waited for.
fn read(root: &Path, file: &str, left: &mut usize) -> Option<String> {
    let path: PathBuf = root.join(file.trim_start_matches('/'));
    if !std::fs::metadata(&path).is_ok_and(|about| about.is_file()) {
        return None;
    }
    *left = left.checked_sub(1)?;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_a_whole_word() {
        for (text, want) in [
            ("/usr/bin/restic backup /srv", Some("restic")),
            ("borgmatic --verbosity 1", Some("borgmatic")),
            ("sudo -u postgres pg_dump photos | gzip", Some("pg_dump")),
            ("/usr/local/bin/backup-restic.sh", Some("restic")),
            ("proxmox-backup-client backup", Some("proxmox-backup-client")),
            ("mariadb-dump --all-databases", Some("mariadb-dump")),
            ("/opt/cyborg/run", None),
            ("resticx", None),
            ("", None),
        ] {
            assert_eq!(tool_in(text), want, "{text}");
        }
    }

    #[test]
    fn jobs_are_found_and_no_command_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "etc/crontab",
            "RESTIC_PASSWORD=hunter2\n# 1 1 * * * root borg old\n30 1 * * * root restic -r sftp:hunter2@x backup /srv\n",
        );
        write("etc/cron.d/photos", "@daily root borg create\n17 * * * * root run-parts\n");
        write("var/spool/cron/crontabs/me", "0 4 * * 0 pg_dumpall > /srv/dump.sql\n");
        write(
            "etc/cron.weekly/rsnapshot",
            "#!/bin/sh\n# restic no more\nexec /usr/bin/rsnapshot weekly\n",
        );
        write("etc/cron.daily/man-db", "#!/bin/sh\nmandb\n");
        write("etc/pve/jobs.cfg", "vzdump: backup-1\n\tschedule 01:00\n");
        write("usr/bin/kopia", "");
        write("usr/bin/pg_dump", "");
        let jobs = found(root.path());
        let told: Vec<String> = jobs
            .iter()
            .map(|job| {
                format!("{} {} {}", job.tool, job.place, job.schedule.as_deref().unwrap_or("?"))
            })
            .collect();
        assert_eq!(
            told,
            [
                "restic /etc/crontab 30 1 * * *",
                "borg /etc/cron.d/photos @daily",
                "pg_dumpall /var/spool/cron/crontabs/me 0 4 * * 0",
                "rsnapshot /etc/cron.weekly/rsnapshot @weekly",
                "vzdump /etc/pve/jobs.cfg ?",
            ]
        );
        assert!(!format!("{jobs:?}").contains("hunter2"));
        assert_eq!(installed(root.path()), ["kopia"]);
        assert_eq!(found(Path::new("/nonexistent")), []);
    }

    #[test]
    fn a_pipe_and_a_flood_do_not_hold_it_up() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/cron.d");
        std::fs::create_dir_all(&folder).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        std::fs::write(folder.join("z-flood"), "x".repeat(1 << 20)).unwrap();
        assert_eq!(found(root.path()), []);
    }
}
