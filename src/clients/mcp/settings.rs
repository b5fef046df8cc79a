//! `[mcp.NAME]`: how a server is reached, and the tiers of its tools.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use crate::clients::http::url::WebUrl;
use crate::config::env::Env;
use crate::config::secret::{SecretCommand, SecretSource};
use crate::config::section::Section;
use crate::model::ids::Word;
use crate::model::time::Span;
use crate::model::tool::Tier;

/// One server as the config has it.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: Word,
    pub way: Way,
    /// Secret headers, or secret variables of the program.
    pub secrets: BTreeMap<String, SecretSource>,
    /// What the operator says of its tools. Any other is critical.
    pub tools: BTreeMap<String, Tier>,
    /// For one call.
    pub timeout: Span,
    /// The tool that runs a command, where it is the way to a host, and its argument for the command.
    pub exec: (String, String),
    /// What that tool is given beside the command.
    pub exec_with: BTreeMap<String, String>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Its own child, over its pipes. It sees these variables and no others.
    Program { argv: Vec<String>, env: BTreeMap<String, String> },
    /// Streamable HTTP.
    Url(WebUrl),
}

/// With the secrets fetched: what a connection is made of.
pub struct Ready {
    pub settings: Settings,
    pub(super) reached: Reached,
}

impl std::fmt::Debug for Ready {
    /// Not the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.settings)
    }
}

pub(super) enum Reached {
    Program { argv: Vec<String>, env: BTreeMap<String, String> },
    Url { url: WebUrl, headers: Vec<(String, SecretString)> },
}

/// A tool that the config says only reads: what needs no permit. Only [`Settings::read_tool`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTool(String);

impl ReadTool {
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Settings {
    /// The tier of a tool: the config's word alone. What the server says of it has no part in this.
    pub fn tier(&self, tool: &str) -> Tier {
        self.tools.get(tool).copied().unwrap_or(Tier::Critical)
    }

    /// The tool, if its tier is low.
    pub fn read_tool(&self, tool: &str) -> Option<ReadTool> {
        (self.tier(tool) == Tier::Low).then(|| ReadTool(tool.to_owned()))
    }

    /// Fetches its secrets.
    pub async fn ready(&self, env: &Env, commands: &dyn SecretCommand) -> Result<Ready, String> {
        let mut fetched = Vec::new();
        for (name, secret) in &self.secrets {
            let value = secret.resolve(env, commands).await;
            fetched.push((
                name.clone(),
                value.map_err(|why| format!("[mcp.{}] {name}: {why}", self.name))?,
            ));
        }
        let reached = match &self.way {
            Way::Program { argv, env } => {
                let mut env = env.clone();
                env.extend(
                    fetched
                        .into_iter()
                        .map(|(name, value)| (name, value.expose_secret().to_owned())),
                );
                Reached::Program { argv: argv.clone(), env }
            }
            Way::Url(url) => Reached::Url { url: url.clone(), headers: fetched },
        };
        Ok(Ready { settings: self.clone(), reached })
    }
}

/// Reads all `[mcp.NAME]`.
pub fn read(root: &mut Section) -> BTreeMap<Word, Settings> {
    let mut all = root.section("mcp");
    let mut servers = BTreeMap::new();
    for (name, section) in all.named("a server's name", |key| format!("[mcp.{key}]")) {
        if let Some(settings) = one(section, name.clone()) {
            servers.insert(name, settings);
        }
    }
    all.finish();
    servers
}

fn one(mut section: Section, name: Word) -> Option<Settings> {
    let argv: Option<Vec<String>> = section.list("command");
    let url: Option<WebUrl> = section.opt("url");
    let env = texts(&mut section, "env");
    let of_url = url.is_some();
    let secrets = secrets(&mut section, if of_url { "headers" } else { "secret_env" });
    let timeout = section.or("timeout", Span::secs(60));
    if timeout < Span::secs(1) || Span::mins(10) < timeout {
        section.mistake("timeout", "is no time for a call; write 1s to 10m");
    }
    let tools = tiers(section.section("tools"));
    let exec = (
        section.or("exec_tool", "exec".to_owned()),
        section.or("exec_argument", "command".to_owned()),
    );
    let exec_with = texts(&mut section, "exec_with");
    let way = match (argv, url) {
        (Some(argv), None) if argv.first().is_some_and(|program| !program.is_empty()) => {
            Some(Way::Program { argv, env })
        }
        (Some(_), None) => {
            section.mistake("command", "names no program; write [\"PROGRAM\", \"ARGUMENT\"]");
            None
        }
        (None, Some(url)) => {
            if !env.is_empty() {
                section.mistake("env", "is for a command; a url has headers");
            }
            Some(Way::Url(url))
        }
        (Some(_), Some(_)) => {
            section.mistake("url", "stands beside command; keep one of them");
            None
        }
        (None, None) => {
            section.mistake("command", "is missing, and so is url; write one of them");
            None
        }
    };
    section.finish();
    Some(Settings { name, way: way?, secrets, tools, timeout, exec, exec_with })
}

fn texts(section: &mut Section, key: &str) -> BTreeMap<String, String> {
    let mut table = section.section(key);
    let names = table.keys();
    let read = names.into_iter().filter_map(|name| Some((name.clone(), table.opt(&name)?)));
    let read = read.collect();
    table.finish();
    read
}

fn secrets(section: &mut Section, key: &str) -> BTreeMap<String, SecretSource> {
    let mut table = section.section(key);
    let mut read = BTreeMap::new();
    for given in table.keys() {
        let name = given.strip_suffix("_file").unwrap_or(&given).to_owned();
        if let Some(secret) = table.secret(&name) {
            read.insert(name, secret);
        }
    }
    table.finish();
    read
}

fn tiers(mut table: Section) -> BTreeMap<String, Tier> {
    let names = table.keys();
    let read = names.into_iter().filter_map(|name| Some((name.clone(), table.opt(&name)?)));
    let read = read.collect();
    table.finish();
    read
}
