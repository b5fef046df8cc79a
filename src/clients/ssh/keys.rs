//! What a host shows of itself before it is trusted, by the programs of OpenSSH. Nothing is written.

use std::collections::BTreeSet;

use crate::clients::process::{Given, Limits, run_raw};
use crate::config::hosts::Ssh;
use crate::config::setting::Address;
use crate::model::ids::HostName;
use crate::model::time::Span;

/// How `ssh` would go, by its own config and reef's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    pub user: String,
    /// The name or address that is dialled.
    pub hostname: String,
    pub port: u16,
    /// The name that known_hosts has it under, where that is another (HostKeyAlias).
    pub alias: Option<String>,
    pub jump: Option<String>,
    pub known_hosts: String,
    /// Private keys that are tried, in order.
    pub identities: Vec<String>,
    /// The config file to go by, where reef names one.
    pub config: Option<String>,
}

/// Whether the keys that a host offers are those that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Yes,
    No,
    /// Others are known under its name.
    Others,
}

/// The host keys of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// As known_hosts takes them.
    pub lines: Vec<String>,
    /// `256 SHA256:... nas (ED25519)`
    pub fingerprints: Vec<String>,
    pub known: Known,
}

/// Asks `ssh -G`, which dials nothing.
pub async fn route(name: &HostName, ssh: &Ssh) -> Result<Route, String> {
    let mut argv = vec!["ssh".to_owned(), "-G".to_owned()];
    let mut add = |flag: &str, value: Option<String>| {
        argv.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    };
    let config = ssh.ssh_config.as_ref().map(ToString::to_string);
    add("-F", config.clone());
    add("-l", ssh.user.as_ref().map(ToString::to_string));
    add("-p", ssh.port.map(|port| port.to_string()));
    add("-i", ssh.key_file.as_ref().map(ToString::to_string));
    add("-J", ssh.jump.clone());
    let address = ssh.address.as_ref().map_or(name.as_str(), Address::as_str);
    argv.extend(["--".to_owned(), address.to_owned()]);
    let said = run(&argv, String::new()).await?;
    let field = |key: &str| -> Vec<String> {
        let of = said.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        of.map(str::to_owned).collect()
    };
    let first = |key: &str| field(key).into_iter().next();
    let port = first("port").and_then(|port| port.parse().ok()).unwrap_or(22);
    let alias = first("hostkeyalias").filter(|alias| alias != "none");
    let known_hosts = first("userknownhostsfile").unwrap_or_default();
    Ok(Route {
        user: first("user").unwrap_or_default(),
        hostname: first("hostname").unwrap_or_else(|| address.to_owned()),
        port,
        alias,
        jump: first("proxyjump").filter(|jump| jump != "none"),
        known_hosts: known_hosts.split(' ').next().unwrap_or("").to_owned(),
        identities: field("identityfile"),
        config,
    })
}

impl Route {
    /// Under which name known_hosts has it.
    pub fn known_as(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.address())
    }

    /// Where it is dialled.
    pub fn address(&self) -> String {
        match self.port {
            22 => self.hostname.clone(),
            port => format!("[{}]:{port}", self.hostname),
        }
    }

    /// The command that makes known_hosts trust what the host offers now.
    pub fn trust(&self) -> String {
        // An address may have brackets, which a shell would read.
        let renamed = self.alias.as_ref().map(|alias| format!(" | sed 's/^[^ ]* /{alias} /'"));
        let scan = self.keyscan().join(" ");
        format!("{scan}{} >> {}", renamed.unwrap_or_default(), self.known_hosts)
    }

    /// The command that prints the host's keys: by the host that is gone through, where there is one.
    pub fn keyscan(&self) -> Vec<String> {
        let mut argv = Vec::new();
        if let Some(jump) = &self.jump {
            argv.push("ssh".to_owned());
            argv.extend(self.config.iter().flat_map(|file| ["-F".to_owned(), file.clone()]));
            // `user@host:port` is ssh's own way to write a hop, and a URL the way to give one.
            // A hop that ssh's config names stays a name: a URL would set a port of its own.
            let (last, before) = match jump.rsplit_once(',') {
                Some((before, last)) => (last, Some(before)),
                None => (jump.as_str(), None),
            };
            argv.extend(before.into_iter().flat_map(|hops| ["-J".to_owned(), hops.to_owned()]));
            let hop = if last.contains(':') { format!("ssh://{last}") } else { last.to_owned() };
            argv.extend(["-oBatchMode=yes".to_owned(), hop]);
        }
        argv.extend(["ssh-keyscan", "-T", "5", "-p"].map(str::to_owned));
        argv.extend([self.port.to_string(), self.hostname.clone()]);
        argv
    }
}

/// The keys that the host offers now, and whether they are known.
pub async fn offered(route: &Route) -> Result<Offered, String> {
    let scanned = run(&route.keyscan(), String::new()).await?;
    let lines: Vec<String> = scanned
        .lines()
        .filter(|line| !line.starts_with('#') && line.split(' ').count() == 3)
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        return Err(format!("{} offers no host key: is sshd running there?", route.address()));
    }
    let shown =
        run(&["ssh-keygen", "-lf", "-"].map(str::to_owned), lines.join("\n") + "\n").await?;
    let find = ["ssh-keygen", "-F", &route.known_as(), "-f", &expand(&route.known_hosts)];
    // It ends with 1 where it finds nothing, and where there is no such file.
    let found = run(&find.map(str::to_owned), String::new()).await.unwrap_or_default();
    Ok(Offered {
        fingerprints: shown.lines().map(str::to_owned).collect(),
        known: known(&lines, &found),
        lines,
    })
}

/// Kinds and keys: the name may be hashed.
fn known(offered: &[String], found: &str) -> Known {
    let key = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let here: BTreeSet<_> =
        found.lines().filter(|line| !line.starts_with('#')).filter_map(key).collect();
    let there: BTreeSet<_> = offered.iter().filter_map(|line| key(line)).collect();
    if here.is_empty() {
        return Known::No;
    }
    let kinds: BTreeSet<&String> = here.iter().map(|(kind, _)| kind).collect();
    let mut same_kind = there.iter().filter(|(kind, _)| kinds.contains(kind)).peekable();
    let all_same = same_kind.peek().is_some() && same_kind.all(|key| here.contains(key));
    if all_same { Known::Yes } else { Known::Others }
}

/// The public half of the first key that ssh would show, and where it lies.
pub async fn public_key(route: &Route) -> Result<String, String> {
    for identity in &route.identities {
        let file = expand(identity);
        let beside = std::fs::read_to_string(format!("{file}.pub"));
        if let Ok(key) = beside {
            return Ok(key.trim().to_owned());
        }
        // A key with a passphrase cannot be asked for its public half without it.
        let argv = ["ssh-keygen", "-y", "-P", "", "-f", &file].map(str::to_owned);
        if std::fs::exists(&file).unwrap_or(false)
            && let Ok(key) = run(&argv, String::new()).await
        {
            return Ok(key.trim().to_owned());
        }
    }
    Err(format!(
        "no public key is to be found among {}: make one with `ssh-keygen -t ed25519`, and name it as \
         key_file",
        route.identities.join(", ")
    ))
}

/// `~/` as ssh writes it is the home of who asks; ssh-keygen does not read it.
fn expand(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => match home() {
            Some(home) => format!("{home}/{rest}"),
            None => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

/// The home folder of the user that runs this, by /etc/passwd: as ssh itself finds it.
pub fn home() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&uid.as_str()))
            .then(|| fields.get(5).map(|home| (*home).to_owned()))?
    })
}

async fn run(argv: &[String], input: String) -> Result<String, String> {
    let limits = Limits { timeout: Span::secs(30), max_output: 1 << 20 };
    let given = Given { stdin: input.into_bytes(), ..Given::default() };
    let program = argv.first().map_or("", String::as_str);
    let raw = run_raw(argv, limits, &given).await.map_err(|why| format!("{program}: {why}"))?;
    match raw.code {
        Some(0) => Ok(String::from_utf8_lossy(&raw.stdout).into_owned()),
        Some(_) | None => {
            let why = String::from_utf8_lossy(&raw.stderr);
            let last = why.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it failed");
            Err(format!("{program}: {}", last.chars().take(200).collect::<String>()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_kind_and_itself() {
        let offered = ["nas ssh-ed25519 AAAA".to_owned(), "nas ssh-rsa BBBB".to_owned()].to_vec();
        for (found, want) in [
            ("", Known::No),
            ("# Host nas found: line 3\n|1|x=|y= ssh-ed25519 AAAA\n", Known::Yes),
            ("nas ssh-ed25519 AAAA comment\nnas ssh-rsa BBBB\n", Known::Yes),
            ("nas ssh-ed25519 CCCC\n", Known::Others),
            ("nas ssh-ed25519 AAAA\nnas ssh-rsa CCCC\n", Known::Others),
            ("nas ecdsa-sha2-nistp256 DDDD\n", Known::Others),
        ] {
            assert_eq!(known(&offered, found), want, "{found}");
        }
    }

    #[test]
    fn a_host_behind_another_is_scanned_from_there() {
        let direct = Route { hostname: "nas".into(), port: 22, ..Route::default() };
        assert_eq!(direct.keyscan().join(" "), "ssh-keyscan -T 5 -p 22 nas");
        assert_eq!(direct.known_as(), "nas");
        let jump = Some("me@gate:2222".to_owned());
        let behind = Route { jump, port: 2200, ..direct };
        let alias = Route { alias: Some("x".into()), known_hosts: "/k".into(), ..behind.clone() };
        assert!(alias.trust().ends_with(" -p 2200 nas | sed 's/^[^ ]* /x /' >> /k"));
        assert_eq!(alias.known_as(), "x");
        let want = "ssh -oBatchMode=yes ssh://me@gate:2222 ssh-keyscan -T 5 -p 2200 nas";
        assert_eq!(behind.keyscan().join(" "), want);
        assert_eq!(behind.known_as(), "[nas]:2200");
    }
}
