//! The fault that needs nothing: a folder of logs grows over its budget, and disk-full compresses them.

use std::path::{Path, PathBuf};

use crate::lab::{ALONE, Home, Reef, write_log};

/// A daemon's home with a folder of logs that has a budget of 1 MiB.
#[derive(Debug)]
pub struct Logs {
    pub home: Home,
    ceiling: &'static str,
    within: &'static str,
    more: String,
}

impl Logs {
    /// `ceiling` is the global one; the runbook's own leash is `auto`.
    pub fn new(ceiling: &'static str) -> Self {
        let logs = Self { home: Home::new(""), ceiling, within: "4s", more: String::new() };
        std::fs::create_dir(logs.folder()).unwrap();
        logs.configured()
    }

    /// With more tables at the end of the config.
    pub fn with(self, more: &str) -> Self {
        Self { more: more.to_owned(), ..self }.configured()
    }

    /// How long a verification looks for green.
    pub fn proven_within(self, within: &'static str) -> Self {
        Self { within, ..self }.configured()
    }

    fn configured(self) -> Self {
        let runbooks = runbooks(&self.home, &self.folder(), self.within);
        let folder = self.folder();
        self.home.configure(&format!(
            r#"
ceiling = "{}"
runbook_dir = {runbooks:?}
{ALONE}
folder.logs = {{ path = {folder:?}, budget = "1 MiB", every = "1s", fire_after = 1, clear_after = 1 }}
[runbook.disk-full]
leash = "auto"
{}"#,
            self.ceiling, self.more
        ));
        self
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    /// Six logs of 300 kB, `batch` in their names.
    pub fn overflow(&self, batch: &str) {
        for n in 1..=6 {
            write_log(&self.folder().join(format!("{batch}.log.{n}")), 300_000).unwrap();
        }
    }

    /// The daemon, once it has seen the folder green: in the first minutes after a boot of the machine
    /// only what was green counts as a fault.
    #[track_caller]
    pub fn start(&self) -> Reef {
        let reef = self.home.start();
        reef.until_green();
        reef
    }

    /// How many logs are compressed, and how many are not.
    pub fn counted(&self) -> (usize, usize) {
        let names = std::fs::read_dir(self.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let (small, large): (Vec<String>, Vec<String>) =
            names.partition(|name| name.ends_with(".gz"));
        (small.len(), large.len())
    }
}

/// disk-full, which may work in this folder only, with the patience of a test.
fn runbooks(home: &Home, folder: &Path, within: &str) -> PathBuf {
    let roots = r#"roots    = ["/tmp", "/var/tmp", "/var/log", "/var/cache/apt", "/var/cache/dnf", "/var/cache/pacman"]"#;
    home.runbook(
        "disk-full",
        &[
            (roots, &format!("roots    = [{folder:?}]")),
            ("leash    = \"ask\"", "leash    = \"auto\""),
            ("attempts = 2", "attempts = 50"),
            ("cooldown = \"1h\"", "cooldown = \"1s\""),
            ("within = \"5m\"", &format!("within = \"{within}\"")),
            ("args = { path = \"/tmp\", what", &format!("args = {{ path = {folder:?}, what")),
            ("args = { path = \"/var/tmp\", what", &format!("args = {{ path = {folder:?}, what")),
            ("args = { path = \"/tmp\", what", &format!("args = {{ path = {folder:?}, what")),
            ("args = { path = \"/var/tmp\", what", &format!("args = {{ path = {folder:?}, what")),
        ],
    )
}
