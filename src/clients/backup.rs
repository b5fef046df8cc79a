//! `[backup.NAME]`: a backup that reef may have made: by a command that the operator wrote, run as written, or by the
//! systemd service that makes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::section::Section;
use crate::model::ids::{HostName, UnitName, Word};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::argv::Argv;

/// No backup takes longer.
pub const LONGEST: Span = Span::hours(12);

/// By their names in the config.
pub type Backups = BTreeMap<Word, Arc<BackupJob>>;

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupJob {
    pub name: Word,
    pub host: HostName,
    /// What is run there, letter by letter.
    pub argv: Argv,
    /// Where it lies afterwards: a newer file there proves it. Without it nothing but its probe does.
    pub path: Option<AbsPath>,
    /// For how long it may run.
    pub longest: Span,
}

/// Reads the tables below `[backup]`. `hosts` are those of the config, `here` among them.
pub fn read(mut all: Section, here: &HostName, hosts: &[HostName]) -> Backups {
    let mut backups = Backups::new();
    for (name, mut section) in all.named("a name", |key| format!("[backup.{key}]")) {
        let host = section.host(here, hosts);
        let longest = section.longest(Span::hours(2), LONGEST);
        let path = section.opt::<AbsPath>("path");
        let argv = argv(&mut section);
        section.finish();
        if let Some(argv) = argv {
            let job = BackupJob { name: name.clone(), host, argv, path, longest };
            backups.insert(name, Arc::new(job));
        }
    }
    all.finish();
    backups
}

/// `run`, or what starts the unit and waits for its end.
fn argv(section: &mut Section) -> Option<Argv> {
    let unit: Option<UnitName> = section.opt("unit");
    let run: Option<Vec<String>> = section.list("run");
    let parts = match (unit, run) {
        (Some(unit), None) if unit.as_str().ends_with(".service") => {
            ["systemctl", "start", "--wait", unit.as_str()].map(str::to_owned).to_vec()
        }
        (Some(_), None) => {
            section.mistake("unit", "is no service: name it in full, X.service");
            return None;
        }
        (None, Some(run)) if run.first().is_some_and(|program| program.starts_with('/')) => run,
        (None, Some(_)) => {
            section.mistake("run", "begins with no program by its whole path");
            return None;
        }
        (Some(_), Some(_)) | (None, None) => {
            section.mistake(
                "run",
                "is the command that makes the backup, or unit its service: one of the two is needed",
            );
            return None;
        }
    };
    Argv::new(parts).map_err(|why| section.mistake("run", why.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Env;
    use crate::config::given::Source;
    use crate::config::section::Reader;

    fn read_text(text: &str) -> Result<Backups, String> {
        let (reader, mut root) = Reader::open(Source::new("c.toml", text), Env::of([]));
        let hosts = ["mini", "nas"].map(HostName::of);
        let read = read(root.section("backup"), &hosts[0], &hosts);
        root.finish();
        reader.done().map_err(|m| m.to_string()).map(|_| read)
    }

    #[test]
    fn a_backup_is_a_command_as_written_or_a_service_that_is_waited_for() {
        let read = read_text(
            "[backup.photos]\nunit = \"restic.service\"\nhost = \"nas\"\npath = \"/srv/backup/photos\"\n\
             [backup.db]\nrun = [\"/usr/local/bin/dump\", \"all\"]\nlongest = \"30m\"\n",
        )
        .unwrap();
        let (photos, db) = (&read[&Word::of("photos")], &read[&Word::of("db")]);
        assert_eq!(photos.argv.to_string(), "systemctl start --wait restic.service");
        assert_eq!((photos.host.as_str(), photos.longest), ("nas", Span::hours(2)));
        assert_eq!(
            (db.argv.to_string().as_str(), db.host.as_str()),
            ("/usr/local/bin/dump all", "mini")
        );
    }

    #[test]
    fn every_mistake_is_told_with_what_to_write() {
        for (text, want) in [
            ("[backup.a]\nlongest = \"5m\"\n", "one of the two"),
            ("[backup.a]\nunit = \"a.service\"\nrun = [\"/bin/x\"]\n", "one of the two"),
            ("[backup.a]\nunit = \"a.timer\"\n", "X.service"),
            ("[backup.a]\nrun = [\"x\"]\n", "by its whole path"),
            ("[backup.a]\nhost = \"other\"\nunit = \"a.service\"\n", "no host of the config"),
            ("[backup.a]\nunit = \"a.service\"\nlongest = \"2d\"\n", "between 1 min"),
            ("[backup.a]\nunit = \"a.service\"\nlonger = \"2d\"\n", "did you mean"),
            ("[backup]\na = \"x\"\n", "[backup.a]"),
        ] {
            let told = read_text(text).unwrap_err();
            assert!(told.contains(want), "{want}: {told}");
        }
    }
}
