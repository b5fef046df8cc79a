//! The look at what answers on this machine itself: TLS ports and Kubernetes clusters.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::cli::init::found::{Cluster, Endpoint};
use crate::clients::survey::listening::Listening;
use crate::clients::tls::trust::TlsFault;
use crate::clients::tls::{Leaf, Seen, Tls};
use crate::clock::{Clock, SystemClock};
use crate::config::env::Env;
use crate::model::ids::HostName;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// Ports on which TLS is usual. Others are not knocked at: a handshake is garbage to what speaks something else, and some
/// servers shut out who sends that.
const USUAL: [u16; 20] = [
    443, 465, 636, 853, 990, 993, 995, 2376, 4443, 5001, 5986, 6443, 6697, 7443, 8006, 8007, 8443,
    8883, 9443, 10443,
];
/// Programs whose every port may speak it.
const SERVERS: [&str; 8] =
    ["apache2", "caddy", "haproxy", "httpd", "lighttpd", "nginx", "pveproxy", "traefik"];
/// Ports without it, whoever has them.
const PLAIN: [u16; 3] = [80, 8080, 2019];

const WITHIN: Span = Span::secs(3);
const MOST: usize = 30;

/// A kubeconfig is smaller.
const LARGEST: u64 = 1 << 20;

/// The ports that speak TLS, with what their certificate is worth.
pub(crate) async fn tls(client: &Tls, ports: &[Listening], here: &HostName) -> Vec<Endpoint> {
    let may = |port: &&Listening| {
        let of_server = port.process.as_deref().is_some_and(|process| SERVERS.contains(&process));
        (USUAL.contains(&port.port) || of_server) && !PLAIN.contains(&port.port)
    };
    let mut looks = JoinSet::new();
    for port in ports.iter().filter(may).take(MOST) {
        let (client, port, here) = (client.clone(), port.clone(), here.clone());
        looks.spawn(async move { endpoint(&client, &port, &here).await });
    }
    let mut found: Vec<Endpoint> = looks.join_all().await.into_iter().flatten().collect();
    found.sort_by(|a, b| a.server.cmp(&b.server));
    found
}

/// Nobody says what a server is called: the certificate that it shows to whom asks for nothing in particular does, and then
/// it is asked for that name.
async fn endpoint(client: &Tls, port: &Listening, here: &HostName) -> Option<Endpoint> {
    let address = port.at.to_string();
    let first = client.look(&address, port.port, "localhost", WITHIN).await.ok()?;
    let name = name_of(&first.leaf, here);
    let seen = match &name {
        Some(name) => client.look(&address, port.port, name, WITHIN).await.unwrap_or(first),
        None => first,
    };
    let server = std::net::SocketAddr::new(port.at, port.port).to_string();
    Some(Endpoint {
        server,
        name: name.unwrap_or_else(|| "localhost".to_owned()),
        state: worth(&seen),
    })
}

/// The first name of a certificate that a server can be asked for; any name fits a star.
fn name_of(leaf: &Leaf, here: &HostName) -> Option<String> {
    let plain = |name: &str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(letters)
    };
    let names = leaf.names.iter().map(Tainted::as_str);
    let mut usable = names.map(|name| match name.strip_prefix("*.") {
        Some(rest) => format!("{}.{rest}", here.as_str().to_ascii_lowercase()),
        None => name.to_owned(),
    });
    usable.find(|name| plain(name) && name.parse::<std::net::IpAddr>().is_err())
}

/// One that only its age makes bad is worth watching; one that nobody trusts would be red for ever.
fn worth(seen: &Seen) -> Result<Span, String> {
    let lasting = |fault: &&TlsFault| !matches!(fault, TlsFault::Expired | TlsFault::NotYetValid);
    match seen.faults.iter().find(lasting) {
        None => Ok(seen.leaf.not_after.since(SystemClock.now())),
        Some(TlsFault::SelfSigned | TlsFault::UnknownIssuer) => Err(
            "its certificate comes from no authority that this machine trusts: ca_file = \"/path\" names yours".into(),
        ),
        Some(fault) => Err(fault.to_string()),
    }
}

/// Where kubeconfigs are.
fn kubeconfigs(env: &Env) -> Vec<(PathBuf, &'static str)> {
    let told = env.get("KUBECONFIG").into_iter().flat_map(|list| list.split(':'));
    let told = told.map(|path| (PathBuf::from(path), "cluster"));
    let home = env.get("HOME").map(|home| (Path::new(home).join(".kube/config"), "cluster"));
    let machine =
        [("/etc/rancher/k3s/k3s.yaml", "k3s"), ("/etc/kubernetes/admin.conf", "kubernetes")];
    let machine = machine.map(|(path, name)| (PathBuf::from(path), name));
    told.chain(machine).chain(home).collect()
}

/// The clusters that this user can reach. Two files may lead to one cluster, so only the first that answers is used.
pub(crate) async fn clusters(env: &Env, taken: &BTreeSet<String>) -> Vec<Cluster> {
    let mut found: Vec<Cluster> = Vec::new();
    for (path, name) in kubeconfigs(env) {
        let kubeconfig = path.to_str().and_then(|path| AbsPath::new(path).ok());
        let Some(kubeconfig) = kubeconfig.filter(|path| path.as_path().is_file()) else { continue };
        if found.iter().any(|known| known.kubeconfig == kubeconfig) {
            continue;
        }
        let is_taken = |name: &String| {
            taken.contains(name) || found.iter().any(|known| known.name.as_str() == name)
        };
        let names = std::iter::once(name.to_owned()).chain((2..100).map(|n| format!("{name}-{n}")));
        let Some(name) = names.into_iter().find(|name| !is_taken(name)) else { continue };
        let Ok(name) = HostName::new(name) else { continue };
        let state = match found.iter().any(|known| known.state.is_ok()) {
            true => {
                Err("It may lead to the same cluster; take the # away where it does not.".into())
            }
            false => reachable(&kubeconfig).await,
        };
        found.push(Cluster { name, kubeconfig, state });
    }
    found
}

async fn reachable(kubeconfig: &AbsPath) -> Result<(), String> {
    let mut text = String::new();
    let read = std::fs::File::open(kubeconfig.as_path())
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    read.map_err(|error| format!("It cannot be read: {error}"))?;
    // Looking must not start programs that a file names.
    if runs_programs(&text)? {
        return Err(
            "Its account comes from a program (exec): give reef an account of its own.".into()
        );
    }
    answers(kubeconfig).await
}

/// Whether any account of a kubeconfig is a program's word; a file that cannot be understood is none to use.
fn runs_programs(text: &str) -> Result<bool, String> {
    let read: Json = serde_saphyr::from_str(text).map_err(|_| "It is no YAML.".to_owned())?;
    let users = read.get("users").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let program = |user: &Json| {
        let user = user.get("user").unwrap_or(&Json::Null);
        ["exec", "auth-provider"].iter().any(|key| user.get(key).is_some())
    };
    Ok(users.iter().any(program))
}

#[cfg(feature = "kube")]
async fn answers(kubeconfig: &AbsPath) -> Result<(), String> {
    use crate::clients::kube::list::Fresh;
    use crate::clients::kube::objects::Node;
    use crate::clients::kube::{Cluster as Client, NoCluster, Settings, Way};
    use crate::policy::redact::Redactor;

    let way = Way::File { kubeconfig: kubeconfig.clone(), context: None };
    let redactor = std::sync::Arc::new(Redactor::new(Vec::new()));
    let client = Client::new(Settings { way, timeout: Span::secs(5), redactor });
    match client.list::<Node>(&[], Fresh::Memory, None).await {
        // Who may see less is told so by the probe, kind by kind.
        Ok(_) | Err(NoCluster::Denied(_)) => Ok(()),
        Err(why) => Err(format!("It did not answer: {why}")),
    }
}

#[cfg(not(feature = "kube"))]
async fn answers(_: &AbsPath) -> Result<(), String> {
    Err("This build of reef watches no clusters (feature kube).".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::tls::peer::{Peer, Shows, Signed};
    use crate::model::time::Millis;

    fn leaf(names: &[&str]) -> Leaf {
        Leaf {
            not_before: Millis(0),
            not_after: Millis(0),
            names: names.iter().map(|name| Tainted::new(name)).collect(),
            issuer: Tainted::default(),
            serial: String::new(),
            self_signed: false,
        }
    }

    #[test]
    fn a_server_is_asked_for_a_name_of_its_certificate() {
        let here = HostName::of("Mini");
        for (names, want) in [
            (&["photos.home.example", "x"][..], Some("photos.home.example")),
            (&["*.home.example"], Some("mini.home.example")),
            (&["10.0.0.5", "nas"], Some("nas")),
            (&["a b", "-x", "x\"y"], None),
            (&[], None),
        ] {
            assert_eq!(name_of(&leaf(names), &here).as_deref(), want, "{names:?}");
        }
    }

    #[test]
    fn only_what_would_not_be_red_for_ever_is_live() {
        let seen =
            |faults: &[TlsFault]| Seen { leaf: leaf(&[]), chain: 1, faults: faults.to_vec() };
        assert!(worth(&seen(&[])).is_ok());
        assert!(worth(&seen(&[TlsFault::Expired])).is_ok());
        assert!(
            worth(&seen(&[TlsFault::Expired, TlsFault::SelfSigned]))
                .unwrap_err()
                .contains("ca_file")
        );
        assert!(worth(&seen(&[TlsFault::WrongName])).is_err());
    }

    #[tokio::test]
    async fn servers_are_asked_for_their_own_names_and_others_are_left_alone() {
        let shows = Shows {
            name: "photos.home.example",
            not_before: Millis(0),
            not_after: Millis(4_000_000_000_000),
            signed: Signed::Authority,
        };
        let (trusted, stranger) = (
            Peer::start(shows).await,
            Peer::start(Shows { signed: Signed::Stranger, ..shows }).await,
        );
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listening = |port: u16, process: &str| Listening {
            port,
            at: std::net::Ipv4Addr::LOCALHOST.into(),
            process: Some(process.to_owned()),
        };
        let ports = [
            listening(trusted.port, "nginx"),
            listening(stranger.port, "caddy"),
            listening(silent.local_addr().unwrap().port(), "postgres"),
        ];
        let client = Tls::trusting(Some(trusted.ca_file.clone()));
        let found = tls(&client, &ports, &HostName::of("mini")).await;
        assert_eq!(found.len(), 2, "{found:?}");
        for endpoint in &found {
            assert_eq!(endpoint.name, "photos.home.example");
            let is_trusted = endpoint.server == format!("127.0.0.1:{}", trusted.port);
            assert_eq!(endpoint.state.is_ok(), is_trusted, "{endpoint:?}");
        }
        // Whoever speaks something else was not even knocked at.
        let knocked =
            tokio::time::timeout(std::time::Duration::from_millis(50), silent.accept()).await;
        assert!(knocked.is_err());
    }

    #[cfg(feature = "kube")]
    #[tokio::test]
    async fn a_cluster_that_answers_is_used_once() {
        use crate::clients::kube::fake::Fake;

        let (fake, _tasks) = Fake::start().await;
        fake.with(|estate| estate.node("n1"));
        let dir = tempfile::tempdir().unwrap();
        let first = fake.kubeconfig(dir.path(), "right");
        let (copy, gone) = (dir.path().join("copy"), dir.path().join("gone"));
        std::fs::copy(&first, &copy).unwrap();
        std::fs::write(&gone, "no: [yaml").unwrap();
        let list = format!("{}:{first}:{}", gone.display(), copy.display());
        let found = clusters(&Env::of([("KUBECONFIG", &list)]), &BTreeSet::new()).await;
        let told: Vec<(&str, bool)> = found
            .iter()
            .filter(|cluster| cluster.kubeconfig.as_path().starts_with(dir.path()))
            .map(|cluster| (cluster.name.as_str(), cluster.state.is_ok()))
            .collect();
        assert_eq!(told, [("cluster", false), ("cluster-2", true), ("cluster-3", false)]);
    }

    #[tokio::test]
    async fn a_kubeconfig_that_runs_a_program_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let mark = dir.path().join("mark");
        for user in [
            format!("    exec:\n      command: touch\n      args: [\"{}\"]\n", mark.display()),
            format!("    {{exec: {{command: touch, args: [\"{}\"]}}}}\n", mark.display()),
        ] {
            std::fs::write(&path, format!("apiVersion: v1\nusers:\n- name: a\n  user:\n{user}"))
                .unwrap();
            let text = path.to_str().unwrap().to_owned();
            let env = Env::of([("KUBECONFIG", &text)]);
            let found = clusters(&env, &BTreeSet::from(["cluster".to_owned()])).await;
            let own = found.iter().find(|cluster| cluster.kubeconfig.as_str() == text).unwrap();
            assert_eq!(own.name.as_str(), "cluster-2");
            assert!(own.state.as_ref().unwrap_err().contains("exec"), "{own:?}");
        }
        assert!(!mark.exists());
    }
}
