//! Secrets: where each comes from, and its value in memory only.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use secrecy::{ExposeSecret, SecretString};

use crate::Fut;
use crate::config::env::{Env, has_variable, sole_variable};
use crate::config::given::{Given, Node};
use crate::config::section::{Origin, Section};
use crate::model::target::AbsPath;

/// Where a secret's value is fetched at the start.
#[derive(Clone)]
pub enum SecretSource {
    /// In the environment, or written down: it is in memory already.
    Held { value: SecretString, from: String },
    /// The content of a file, without the line's end.
    File(AbsPath),
    /// A systemd credential, by name.
    Credential(String),
    /// What a program prints, without the line's end. Run as written.
    Command(Vec<String>),
}

/// Runs the argv that the operator wrote for a secret. `clients` has the one that may start programs.
pub trait SecretCommand: Send + Sync {
    /// Its standard output, or why there is none.
    fn run<'a>(&'a self, argv: &'a [String]) -> Fut<'a, Result<SecretString, String>>;
}

/// More is no secret but a mistake.
const LARGEST: u64 = 64 << 10;

impl fmt::Display for SecretSource {
    /// Where it is from, never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { from, .. } => write!(f, "(secret, from {from})"),
            Self::File(path) => write!(f, "(secret, from {path})"),
            Self::Credential(name) => write!(f, "(secret, from the credential {name})"),
            Self::Command(argv) => {
                write!(f, "(secret, from the command {})", argv.first().map_or("", String::as_str))
            }
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl SecretSource {
    /// Fetches the value. The error says which source failed and why, and nothing of the value.
    pub async fn resolve(
        &self,
        env: &Env,
        commands: &dyn SecretCommand,
    ) -> Result<SecretString, String> {
        let value = match self {
            Self::Held { value, .. } => Ok(value.clone()),
            Self::File(path) => read_file(path),
            Self::Credential(name) => credential_path(env, name).and_then(|path| read_file(&path)),
            Self::Command(argv) => commands.run(argv).await,
        };
        let value = value.map_err(|why| format!("{self}: {why}"))?;
        let trimmed = value.expose_secret().trim_end_matches(['\n', '\r']);
        if trimmed.is_empty() {
            return Err(format!("{self}: it is empty"));
        }
        Ok(SecretString::from(trimmed.to_owned()))
    }
}

fn credential_path(env: &Env, name: &str) -> Result<AbsPath, String> {
    let folder = env.get("CREDENTIALS_DIRECTORY").ok_or(
        "systemd gave this process no credentials; add LoadCredential= to the unit, or use a file",
    )?;
    AbsPath::new(&format!("{folder}/{name}")).map_err(|bad| bad.to_string())
}

/// Opens without waiting: a pipe under this name must not hold up the start.
fn open(path: &AbsPath) -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path.as_path())
}

fn read_file(path: &AbsPath) -> Result<SecretString, String> {
    let why = |error: std::io::Error| format!("cannot be read: {error}");
    let file = open(path).map_err(why)?;
    let about = file.metadata().map_err(why)?;
    if !about.is_file() {
        return Err("is no plain file".into());
    }
    if LARGEST < about.len() {
        return Err(format!("has {} bytes; a secret has at most {LARGEST}", about.len()));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(why)?;
    Ok(SecretString::from(text))
}

impl Section {
    /// A secret: `KEY = "${VAR}"`, `KEY_file = "/path"`, `KEY = { command = ["pass", "show", "x"] }` or
    /// `KEY = { credential = "name" }`. A literal one and a file that others can read are findings.
    pub fn secret(&mut self, key: &str) -> Option<SecretSource> {
        let file_key = format!("{key}_file");
        let (given, file) = (self.node(key), self.node(&file_key));
        let (source, line) = match (given, file) {
            (None, None) => {
                self.record(key, String::new(), Origin::Unset);
                return None;
            }
            (Some(_), Some(_)) => {
                self.mistake(&file_key, format!("stands beside {key}; keep one of them"));
                return None;
            }
            (None, Some(node)) => (self.secret_file(&file_key)?, node.key_at.line),
            (Some(node), None) => {
                let line = node.key_at.line;
                (self.secret_value(key, node)?, line)
            }
        };
        self.record(key, source.to_string(), Origin::Line(line));
        Some(source)
    }

    /// A secret that must be there.
    pub fn need_secret(&mut self, key: &str) -> Option<SecretSource> {
        if !self.has(key) && !self.has(&format!("{key}_file")) {
            self.mistake(
                key,
                format!("is missing; write {key} = \"${{VAR}}\" or {key}_file = \"/path\""),
            );
        }
        self.secret(key)
    }

    fn secret_file(&mut self, key: &str) -> Option<SecretSource> {
        let path: AbsPath = self.opt(key)?;
        match std::fs::metadata(path.as_path()) {
            Ok(about) if about.mode() & 0o004 != 0 => {
                self.finding(key, format!("{path} can be read by everybody; chmod 600 {path}"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.mistake(key, format!("there is no file {path}"));
                return None;
            }
            // Whoever checks the config may see less than the daemon does.
            Err(_) => {}
        }
        Some(SecretSource::File(path))
    }

    fn secret_value(&mut self, key: &str, node: Node) -> Option<SecretSource> {
        let text = match node.value {
            Given::Text(text) => text,
            Given::Table(_) => return self.secret_table(key),
            Given::Int(_) | Given::Float(_) | Given::Flag(_) | Given::List(_) | Given::Other(_) => {
                self.mistake(key, "is no secret; write \"${VAR}\", { command = [...] } or { credential = \"NAME\" }");
                return None;
            }
        };
        let value = match self.env().expand(&text) {
            Ok(value) => SecretString::from(value),
            Err(why) if has_variable(&text) => {
                self.mistake(key, why);
                return None;
            }
            Err(_) => return None,
        };
        let from = match sole_variable(&text) {
            Some((name, default)) => {
                let written =
                    default.is_some_and(|d| !d.is_empty()) && self.env().get(name).is_none();
                if written {
                    self.literal(key);
                }
                format!("${{{name}}}")
            }
            None if has_variable(&text) => "the environment".to_owned(),
            None => {
                self.literal(key);
                "the config itself".to_owned()
            }
        };
        Some(SecretSource::Held { value, from })
    }

    fn literal(&mut self, key: &str) {
        self.finding(
            key,
            format!("the secret stands in the config for all who read it; move it to a file and write {key}_file = \"/path\", or use ${{VAR}}"),
        );
    }

    fn secret_table(&mut self, key: &str) -> Option<SecretSource> {
        let mut table = self.section(key);
        let command: Option<Vec<String>> = table.list("command");
        let credential: Option<String> = table.opt("credential");
        let source = match (command, credential) {
            (Some(argv), None) if argv.first().is_some_and(|program| !program.is_empty()) => {
                Some(SecretSource::Command(argv))
            }
            (None, Some(name)) if !name.is_empty() && !name.contains('/') => {
                Some(SecretSource::Credential(name))
            }
            (Some(_), Some(_)) => {
                table.mistake("credential", "stands beside command; keep one of them");
                None
            }
            (Some(_), None) => {
                table.mistake("command", "is empty; write the program and its arguments");
                None
            }
            (None, Some(_)) => {
                table.mistake("credential", "is the bare name of a systemd credential");
                None
            }
            (None, None) => {
                if !table.has("command") && !table.has("credential") {
                    table.mistake(
                        "command",
                        "is missing; write command = [...] or credential = \"NAME\"",
                    );
                }
                None
            }
        };
        table.finish();
        source
    }
}
