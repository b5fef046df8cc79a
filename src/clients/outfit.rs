//! What a program of the operator's is run with: its environment, its secrets, and what takes those out of its output.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::clients::host::Output;
use crate::clients::process::{Given, Raw};
use crate::config::keys::{Key, Keys};
use crate::config::section::{Entry, Section};
use crate::model::taint::Tainted;
use crate::policy::redact::Redactor;

/// The surroundings of Ansible and Terraform, as the config declares them.
#[derive(Clone)]
pub struct Outfit {
    env: BTreeMap<String, String>,
    /// Variables whose value is a secret.
    secrets: BTreeMap<String, Key>,
    pub redactor: Arc<Redactor>,
}

impl fmt::Debug for Outfit {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outfit of {:?} and {:?}", self.env.keys(), self.secrets.keys())
    }
}

/// Whether this is a variable's name.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(plain)
}

impl Outfit {
    /// Nothing but the redactor.
    pub fn bare(redactor: Arc<Redactor>) -> Self {
        Self { env: BTreeMap::new(), secrets: BTreeMap::new(), redactor }
    }

    /// Nothing but the folder by which programs find their own files.
    pub fn at_home(home: Option<&str>, redactor: Arc<Redactor>) -> Self {
        let mut outfit = Self::bare(redactor);
        outfit.env.extend(home.map(|home| ("HOME".to_owned(), home.to_owned())));
        outfit
    }

    /// Reads `env = { NAME = "text" }` and `secrets = { NAME = "${VAR}" }`; a secret is said as any other one is.
    /// `HOME` is reef's own unless it is written: programs find their credentials by it.
    pub fn read(
        mut env: Section,
        mut secrets: Section,
        keys: &Keys,
        redactor: Arc<Redactor>,
    ) -> Self {
        let mut outfit = Self::at_home(env.env().get("HOME"), redactor);
        for (name, entry) in env.entries() {
            match entry {
                Entry::Short(_) if !is_name(&name) => env.mistake(&name, "is no variable's name"),
                Entry::Short(_) if name.starts_with("TF_CLI_ARGS") => {
                    env.mistake(&name, "would add options that no approval names; leave it out");
                }
                Entry::Short(text) => drop(outfit.env.insert(name, text)),
                Entry::Table(_) | Entry::Other => env.mistake(&name, "is no text in quotes"),
            }
        }
        env.finish();
        for written in secrets.keys() {
            let name = written.strip_suffix("_file").unwrap_or(&written);
            if !is_name(name) {
                secrets.mistake(&written, "is no variable's name");
                continue;
            }
            if let Some(source) = secrets.secret(name) {
                outfit.secrets.insert(name.to_owned(), keys.add(source));
            }
        }
        secrets.finish();
        outfit
    }

    /// A variable as it is written.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str)
    }

    /// The environment; `own` lies over what the config says. The error names the secret that is not there.
    pub fn given(&self, own: &[(&str, &str)]) -> Result<Given, String> {
        let mut env = self.env.clone();
        for (name, key) in &self.secrets {
            let value = key.value().map_err(|why| format!("{name}: {why}"))?;
            env.insert(name.clone(), value.expose_secret().to_owned());
        }
        env.extend(own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Ok(Given { stdin: Vec::new(), env })
    }

    /// What a program said, without secrets and bounded.
    pub fn clean(&self, raw: &Raw, longest: usize) -> Output {
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            Tainted::bounded(&self.redactor.redact(&text), longest)
        };
        let (stdout, stderr) = (clean(&raw.stdout), clean(&raw.stderr));
        Output { code: raw.code, stdout, stderr, took: raw.took }
    }

    /// A piece of what it said, on one line.
    pub fn line(&self, text: &str, longest: usize) -> String {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let joined = lines.collect::<Vec<_>>().join(" / ");
        Tainted::bounded(&self.redactor.redact(&joined), longest).as_str().to_owned()
    }
}
