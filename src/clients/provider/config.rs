//! `[provider.NAME]`: where machines are kept, which of them may be touched, and by what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clients::host::HostLink;
use crate::clients::json::{Api, Login};
use crate::clients::provider::command::{CommandProvider, Commands, VERBS, check};
use crate::clients::provider::played::Playbooks;
use crate::clients::provider::proxmox::{Clusters, ProxmoxProvider};
use crate::clients::provider::{Known, Provider};
use crate::clients::proxmox::Proxmox;
use crate::config::keys::Keys;
use crate::config::section::{Entry, Section};
use crate::model::ids::HostName;
use crate::model::target::{Target, Thing};
use crate::policy::redact::Redactor;

/// One provider as it was declared.
#[derive(Debug, Clone)]
pub struct Declared {
    kind: Kind,
    machines: BTreeMap<String, String>,
    templates: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
enum Kind {
    Proxmox { proxmox: Proxmox, token: String },
    Command(Commands, Playbooks),
}

/// What a provider is declared among.
#[derive(Debug)]
pub struct Among<'a> {
    /// The clusters of `[proxmox]`.
    pub clusters: &'a Clusters,
    pub keys: &'a Keys,
    /// Those of `[playbook]`.
    pub playbooks: &'a crate::clients::ansible::declared::Playbooks,
    /// Names that targets have already: hosts and clusters.
    pub taken: BTreeSet<HostName>,
}

/// Reads all of them: `[provider.NAME]` with `proxmox` and a token that may act, or with `command` (and `playbook` for
/// verbs that one stands for), and with `vms` and `templates`.
pub fn configure(root: &mut Section, among: &Among<'_>) -> BTreeMap<HostName, Declared> {
    let mut all = root.section("provider");
    let mut found = BTreeMap::new();
    for (name, entry) in all.entries() {
        let host = match HostName::new(name.as_str()) {
            Ok(host) if among.taken.contains(&host) => {
                all.mistake(&name, "is a host's or a cluster's name already; choose another one");
                continue;
            }
            Ok(host) => host,
            Err(bad) => {
                all.mistake(&name, format!("{}: choose another name", bad.why));
                continue;
            }
        };
        let Entry::Table(section) = entry else {
            all.mistake(&name, format!("is not a table; write [provider.{name}]"));
            continue;
        };
        if let Some(declared) = one(section, &host, among) {
            found.insert(host, declared);
        }
    }
    all.finish();
    found
}

fn one(mut section: Section, host: &HostName, among: &Among<'_>) -> Option<Declared> {
    let by_proxmox = section.has("proxmox");
    let by_command = section.has("command");
    let kind = match (by_proxmox, by_command) {
        (true, false) => {
            // Asked for all the same, so that what may stand here is known.
            section.skip("command");
            section.skip("playbook");
            proxmox(&mut section, among)
        }
        (false, true) => command(&mut section, among),
        (true, true) | (false, false) => {
            section.skip("proxmox");
            section.skip("command");
            section.skip("playbook");
            section.mistake(
                "proxmox",
                "names a cluster of [proxmox], or command has one argv for each verb: one of the two is needed",
            );
            None
        }
    };
    let machines = named(&mut section, "vms", host);
    let templates = named(&mut section, "templates", host);
    for name in templates.keys().filter(|name| !machines.contains_key(*name)) {
        section
            .mistake("templates", format!("{name} is none of vms, which say what may be touched"));
    }
    if by_proxmox {
        let numbers = machines.values().chain(templates.values());
        for id in numbers.filter(|id| id.parse::<u64>().is_err()) {
            section.mistake("vms", format!("{id:?} is no number of a guest of Proxmox"));
        }
    }
    if machines.is_empty() {
        section.mistake("vms", "names no machine; write vms = { web = \"104\" }");
    }
    section.finish();
    Some(Declared { kind: kind?, machines, templates })
}

fn proxmox(section: &mut Section, among: &Among<'_>) -> Option<Kind> {
    let name: Option<String> = section.opt("proxmox");
    let token: Option<String> = section.opt("token_id");
    let secret = section.secret("token_secret");
    let is_token = |id: &String| {
        id.split_once('!').is_some_and(|(user, token)| user.contains('@') && !token.is_empty())
    };
    let (Some(token), Some(secret)) = (token.filter(is_token), secret) else {
        section.mistake(
            "token_id",
            "needs USER@REALM!NAME of an API token that may act (the one that looks need not), and token_secret_file = \"/path\" or token_secret = \"${VAR}\"",
        );
        return None;
    };
    let name = name?;
    let Some(known) = among.clusters.get(&name) else {
        section.mistake("proxmox", format!("{name:?} is no cluster of [proxmox]"));
        return None;
    };
    let login =
        Login::Token { before: format!("PVEAPIToken={token}="), key: among.keys.add(secret) };
    Some(Kind::Proxmox { proxmox: Proxmox { api: Api { login, ..known.api } }, token })
}

fn command(section: &mut Section, among: &Among<'_>) -> Option<Kind> {
    let mut inner = section.section("command");
    let mut commands = Commands::new();
    for (verb, _) in VERBS {
        let Some(argv) = inner.list::<String>(verb) else { continue };
        match check(verb, &argv) {
            Ok(()) => drop(commands.insert((*verb).to_owned(), argv)),
            Err(why) => inner.mistake(verb, why),
        }
    }
    if !commands.contains_key("state") {
        inner.mistake(
            "state",
            "is missing: the command that prints how a machine is, by which every change is proven",
        );
    }
    inner.finish();
    let playbooks = playbooks(section, &commands, among);
    Some(Kind::Command(commands, playbooks))
}

/// `playbook = { start = "NAME" }`: the verbs that a playbook of `[playbook]` stands for.
fn playbooks(section: &mut Section, commands: &Commands, among: &Among<'_>) -> Playbooks {
    let mut found = Playbooks::new();
    if !section.has("playbook") {
        section.skip("playbook");
        return found;
    }
    let mut inner = section.section("playbook");
    for (verb, entry) in inner.entries() {
        let Entry::Short(name) = entry else {
            inner.mistake(&verb, "is no text in quotes: the name of a [playbook.NAME]");
            continue;
        };
        let known = VERBS.iter().any(|(known, _)| *known == verb);
        let playbook = among.playbooks.iter().find(|(known, _)| known.as_str() == name);
        match playbook {
            _ if verb == "state" => {
                inner.mistake(&verb, "is told by a command: no playbook says how a machine is");
            }
            _ if !known => inner.mistake(&verb, "is no verb that command could have"),
            _ if commands.contains_key(&verb) => {
                inner.mistake(&verb, "has a command already: one of the two is needed");
            }
            None => inner.mistake(&verb, format!("the config has no [playbook.{name}]")),
            Some((_, playbook)) => drop(found.insert(verb, Arc::clone(playbook))),
        }
    }
    inner.finish();
    found
}

/// A table of names of the operator's own, each a name that a target can have.
fn named(section: &mut Section, key: &str, host: &HostName) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if !section.has(key) {
        section.skip(key);
        return found;
    }
    let mut inner = section.section(key);
    for (name, entry) in inner.entries() {
        let Entry::Short(id) = entry else {
            inner.mistake(&name, "is no text in quotes: what its provider calls it");
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if Target::new(host.clone(), Thing::Vm, &name).is_err() {
            inner.mistake(&name, "is no name that a target can have; choose another one");
        } else if id.is_empty() || id.starts_with(['-', '.']) || !id.chars().all(plain) {
            inner.mistake(&name, "is called by letters, digits, and - _ . within them only");
        } else {
            found.insert(name, id);
        }
    }
    inner.finish();
    found
}

impl Declared {
    /// Whether a machine is one of its.
    pub fn names(&self, machine: &Target) -> bool {
        self.machines.contains_key(machine.name())
    }

    /// The provider with a client of its own. Commands run on this machine.
    pub fn known(&self, here: &Arc<dyn HostLink>, redactor: &Arc<Redactor>) -> Known {
        let provider: Arc<dyn Provider> = match &self.kind {
            Kind::Proxmox { proxmox, token } => {
                Arc::new(ProxmoxProvider { proxmox: proxmox.clone(), token: token.clone() })
            }
            Kind::Command(commands, playbooks) => Arc::new(CommandProvider {
                link: Arc::clone(here),
                commands: commands.clone(),
                playbooks: playbooks.clone(),
                redactor: Arc::clone(redactor),
            }),
        };
        Known { provider, machines: self.machines.clone(), templates: self.templates.clone() }
    }
}
