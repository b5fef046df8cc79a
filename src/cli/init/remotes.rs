//! The look at the hosts of an ssh config: each is dialled once as ssh itself would, and nothing is trusted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::init::found::{Remote, Remotes, Seen};
use crate::cli::init::toml::plain;
use crate::clients::host::HostLink;
use crate::clients::ssh::SshHost;
use crate::clients::ssh::keys::{self, Route};
use crate::clients::survey::ssh_config::Named;
use crate::clock::SystemClock;
use crate::config::hosts::Ssh;
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::{HostName, UnitName};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// For the connection to stand.
const CONNECT: Span = Span::secs(5);
/// For one host in all, and for its fingerprints.
const WITHIN: Span = Span::secs(30);
const FINGERPRINTS: Span = Span::secs(8);
/// Hosts that are dialled at once: each is a handshake of some milliseconds of CPU, also on a bastion.
const AT_ONCE: usize = 6;

/// Where code is kept: their SSH serves git and nothing else.
const FORGES: [&str; 12] = [
    "aur.archlinux.org",
    "azure.com",
    "bitbucket.org",
    "codeberg.org",
    "git.launchpad.net",
    "gitea.com",
    "github.com",
    "gitlab.com",
    "heroku.com",
    "salsa.debian.org",
    "sr.ht",
    "visualstudio.com",
];

/// Names that a config of reef's gives another meaning.
const OWN_WORDS: [&str; 1] = ["this"];

/// Which file is read, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) file: PathBuf,
    /// Where ssh would not look by itself.
    pub(crate) ssh_config: Option<AbsPath>,
    pub(crate) user: String,
}

/// Looks at all that the config names. `scratch` holds the connections and goes afterwards.
pub(crate) async fn look(asked: Asked, named: Named, here: &HostName, scratch: &Path) -> Remotes {
    let mut remotes = Remotes { file: Some(asked.file), user: asked.user, ..Remotes::default() };
    remotes
        .left_out
        .extend(named.unread.into_iter().map(|why| (why, "it was not read".to_owned())));
    let ssh =
        Ssh { ssh_config: asked.ssh_config.clone(), connect_timeout: CONNECT, ..Ssh::default() };
    remotes.ssh_config = asked.ssh_config;
    let mut ways: Vec<(HostName, Vec<String>, Route)> = Vec::new();
    for names in named.hosts {
        match way(&names, here, &ssh).await {
            Ok((name, also, route)) => match ways.iter_mut().find(|known| same(&known.2, &route)) {
                Some(known) => known.1.extend(std::iter::once(name.to_string()).chain(also)),
                None => ways.push((name, also, route)),
            },
            Err(why) => remotes.left_out.push((names.join(" "), why)),
        }
    }
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut looks = JoinSet::new();
    for (n, (name, also, route)) in ways.into_iter().enumerate() {
        let (ssh, room) = (ssh.clone(), Arc::clone(&room));
        let folder = scratch.join(n.to_string());
        looks.spawn(async move {
            // A closed semaphore would let all through at once, which only costs.
            let _turn = room.acquire().await;
            (n, one(name, also, route, ssh, folder).await)
        });
    }
    let mut all = looks.join_all().await;
    all.sort_by_key(|(n, _)| *n);
    remotes.hosts = through(all.into_iter().map(|(_, seen)| seen).collect());
    remotes
}

/// The name that the config would call it, its other names, and the way; or why it is no host to watch.
async fn way(
    names: &[String],
    here: &HostName,
    ssh: &Ssh,
) -> Result<(HostName, Vec<String>, Route), String> {
    let name = name_of(names)?;
    if name == *here || OWN_WORDS.contains(&name.as_str()) {
        return Err("this machine is called so".into());
    }
    // Without asking ssh: its answer may be slow where the config runs programs.
    if is_forge(name.as_str()) {
        return Err("a place for code".into());
    }
    let route = keys::route(&name, ssh).await?;
    if is_forge(&route.hostname) || route.user == "git" {
        return Err("a place for code".into());
    }
    let loopback = ["localhost", "127.0.0.1", "::1"].contains(&route.hostname.as_str());
    if loopback && route.port == 22 && route.jump.is_none() {
        return Err("this machine itself".into());
    }
    let others = names.iter().filter(|other| other.as_str() != name.as_str());
    let also = others.map(|other| plain(other)).collect();
    Ok((name, also, route))
}

/// The first that can be a host's name; an address only where there is no other.
fn name_of(names: &[String]) -> Result<HostName, String> {
    let mut usable = names.iter().filter_map(|name| HostName::new(name.as_str()).ok());
    let is_address = |name: &HostName| name.as_str().parse::<std::net::IpAddr>().is_ok();
    let first = usable
        .next()
        .ok_or("its name has other characters than letters, digits, '-', '_' and '.'")?;
    if !is_address(&first) {
        return Ok(first);
    }
    Ok(usable.find(|name| !is_address(name)).unwrap_or(first))
}

fn is_forge(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FORGES.iter().any(|forge| {
        name.strip_suffix(forge).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// Two names for one host: the same server, whose keys are known under the same name.
fn same(one: &Route, other: &Route) -> bool {
    let place = |route: &Route| {
        (
            route.hostname.clone(),
            route.port,
            route.user.clone(),
            route.jump.clone(),
            route.alias.clone(),
        )
    };
    place(one) == place(other)
}

async fn one(name: HostName, also: Vec<String>, route: Route, ssh: Ssh, folder: PathBuf) -> Remote {
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let link = SshHost::new(name.clone(), ssh, folder, Arc::new(SystemClock), redactor);
    let state = match timeout(WITHIN.duration(), seen(&link)).await {
        Ok(state) => state,
        Err(_) => Err(format!("it did not answer within {WITHIN}")),
    };
    let mut fingerprints = Vec::new();
    if state.as_ref().is_err_and(|why| why.contains("reef host trust"))
        && let Ok(Ok(offered)) = timeout(FINGERPRINTS.duration(), keys::offered(&route)).await
    {
        fingerprints = offered.fingerprints;
    }
    let via = route.jump.as_ref().map(|jump| format!(" via {jump}")).unwrap_or_default();
    let way = format!("{}@{}{via}", route.user, route.address());
    // Until all are known, the name of what it goes through is only a name.
    let through = route.jump.as_deref().and_then(last_hop).and_then(|hop| HostName::new(hop).ok());
    Remote { name, also, way, through, state, fingerprints }
}

async fn seen(link: &SshHost) -> Result<Seen, String> {
    let wanted = BTreeSet::from([Fact::Uptime, Fact::Volumes, Fact::FailedUnits, Fact::Containers]);
    let mut facts = link.facts(&wanted).await;
    let mut seen = Seen::default();
    match facts.remove(&Fact::Uptime) {
        Some(Ok(FactValue::Uptime(up))) => seen.up = up,
        Some(Err(why)) => return Err(why.to_string()),
        Some(Ok(_)) | None => return Err("it was not asked".into()),
    }
    if let Some(Ok(FactValue::Volumes(volumes))) = facts.remove(&Fact::Volumes) {
        seen.volumes = volumes.iter().map(|volume| volume.mount.to_string()).collect();
    }
    if let Some(Ok(FactValue::Containers(containers))) = facts.remove(&Fact::Containers) {
        seen.containers = Some(containers.into_iter().map(|container| container.name).collect());
    }
    if let Some(Ok(FactValue::FailedUnits(units))) = facts.remove(&Fact::FailedUnits) {
        seen.failed =
            units.iter().filter_map(|unit| UnitName::new(unit.name.as_str()).ok()).collect();
    }
    Ok(seen)
}

/// The name in `USER@HOST:PORT`, of several hops the last.
fn last_hop(jump: &str) -> Option<&str> {
    let hop = jump.rsplit(',').next()?;
    let hop = hop.strip_prefix("ssh://").unwrap_or(hop);
    hop.rsplit('@').next()?.split(':').next().filter(|name| !name.is_empty())
}

/// Resolves what hosts go through to the names of the others, by whichever of their names it was written.
fn through(mut hosts: Vec<Remote>) -> Vec<Remote> {
    let known: Vec<(HostName, Vec<String>)> =
        hosts.iter().map(|host| (host.name.clone(), host.also.clone())).collect();
    for host in &mut hosts {
        let called = host.through.take();
        host.through = called.and_then(|called| {
            let of = |(name, also): &&(HostName, Vec<String>)| {
                *name == called || also.iter().any(|other| other == called.as_str())
            };
            known.iter().find(of).map(|(name, _)| name.clone()).filter(|name| *name != host.name)
        });
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_called_by_a_name_that_a_config_can_hold() {
        let of = |names: &[&str]| {
            name_of(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
                .map(|n| n.to_string())
        };
        assert_eq!(of(&["nas", "nas.home"]).unwrap(), "nas");
        assert_eq!(of(&["10.0.0.5", "nas"]).unwrap(), "nas");
        assert_eq!(of(&["10.0.0.5"]).unwrap(), "10.0.0.5");
        assert_eq!(of(&["my pi", "-oProxyCommand=x", "a\"b", "pi"]).unwrap(), "pi");
        for hostile in ["a\nb", "\u{1b}[31m", "-o", "a b", "[x]", "ü"] {
            assert!(of(&[hostile]).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn places_for_code_are_no_hosts() {
        for (name, want) in [
            ("github.com", true),
            ("GitHub.com", true),
            ("ssh.github.com", true),
            ("vs-ssh.visualstudio.com", true),
            ("notgithub.com", false),
            ("github.com.home", false),
            ("gitlab.home.example", false),
        ] {
            assert_eq!(is_forge(name), want, "{name}");
        }
    }

    #[test]
    fn what_is_gone_through_is_one_of_the_hosts() {
        let remote = |name: &'static str, also: &[&str], through: Option<&'static str>| Remote {
            name: HostName::of(name),
            also: also.iter().map(|a| (*a).to_owned()).collect(),
            way: String::new(),
            through: through.map(HostName::of),
            state: Ok(Seen::default()),
            fingerprints: Vec::new(),
        };
        let hosts = through(vec![
            remote("gate", &["bastion"], Some("gate")),
            remote("nas", &[], Some("bastion")),
            remote("far", &[], Some("elsewhere")),
        ]);
        let names: Vec<Option<&str>> =
            hosts.iter().map(|h| h.through.as_ref().map(HostName::as_str)).collect();
        assert_eq!(names, [None, Some("gate"), None]);
        for (jump, want) in [
            ("gate", Some("gate")),
            ("me@gate:2222", Some("gate")),
            ("a,ssh://me@gate:22", Some("gate")),
            ("", None),
        ] {
            assert_eq!(last_hop(jump), want, "{jump}");
        }
    }
}
