//! The client against a real sshd, and what a host may answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::clients::process::{Given, Limits, run_raw};
use crate::config::given::Given as Value;
use crate::config::setting::{Address, Setting};
use crate::model::fact::FactValue;
use crate::model::ids::Word;
use crate::model::target::AbsPath;

/// A real server on loopback with its own keys; it ends when this is dropped.
struct Server {
    dir: tempfile::TempDir,
    port: u16,
    tasks: tokio::task::JoinSet<()>,
}

fn present() -> bool {
    let here = Path::new("/usr/sbin/sshd").exists() && Path::new("/usr/bin/ssh").exists();
    if !here {
        let mut err = std::io::stderr();
        let _closed = writeln!(err, "SKIPPED: openssh-server and openssh-client are not installed");
    }
    here
}

async fn keygen(file: &Path) {
    let argv = ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"].map(str::to_owned);
    let argv = [&argv[..], &[file.display().to_string()]].concat();
    let made = run_raw(&argv, Limits::default(), &Given::default()).await.unwrap();
    assert_eq!(made.code, Some(0));
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        keygen(&at("host_key")).await;
        keygen(&at("client_key")).await;
        std::fs::copy(at("client_key.pub"), at("authorized_keys")).unwrap();
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let show = |name: &str| at(name).display().to_string();
        std::fs::write(
            at("sshd_config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
                 StrictModes no\nUsePAM yes\nPermitRootLogin yes\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nUseDNS no\nPrintMotd no\n",
                show("host_key"),
                show("authorized_keys")
            ),
        )
        .unwrap();
        let config = show("sshd_config");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            // The limits end the server with the test, should the drop not.
            let limits = Limits { timeout: Span::secs(30), max_output: 1 << 16 };
            let argv = ["/usr/sbin/sshd", "-D", "-e", "-f", &config].map(str::to_owned);
            let _ended = run_raw(&argv, limits, &Given::default()).await;
        });
        let server = Self { dir, port, tasks };
        let key = std::fs::read_to_string(server.path("host_key.pub")).unwrap();
        server.know(&key);
        server.wait_until_up().await;
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the client's config, with the one key that it knows the server by and nothing of the way.
    fn know(&self, key: &str) {
        let known = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.path("known_hosts"), known).unwrap();
        let config = format!(
            "IdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            self.path("known_hosts").display()
        );
        std::fs::write(self.path("ssh_config"), config).unwrap();
    }

    async fn wait_until_up(&self) {
        for _ in 0..200 {
            if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) {
                let mut banner = [0; 4];
                if stream.read_exact(&mut banner).is_ok() && banner == *b"SSH-" {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the server did not start");
    }

    fn abs(&self, name: &str) -> AbsPath {
        AbsPath::new(self.path(name).to_str().unwrap()).unwrap()
    }

    /// The way to the server, as `[host.nas]` would say it.
    fn way(&self) -> Ssh {
        let root = rustix::process::geteuid().is_root();
        Ssh {
            address: Some(Address::read(&Value::Text("127.0.0.1".into())).unwrap()),
            user: root.then(|| Word::of("root")),
            port: Some(self.port),
            key_file: Some(self.abs("client_key")),
            ssh_config: Some(self.abs("ssh_config")),
            ..Ssh::default()
        }
    }

    fn host(&self) -> SshHost {
        self.host_by(self.way())
    }

    fn host_by(&self, way: Ssh) -> SshHost {
        let redactor = Arc::new(Redactor::new(Vec::new()));
        SshHost::new(HostName::of("nas"), way, self.dir.path().to_owned(), Arc::new(Noon), redactor)
    }
}

#[derive(Debug)]
struct Noon;
impl Clock for Noon {
    fn now(&self) -> crate::model::time::Millis {
        crate::model::time::Millis(1_790_000_000_000)
    }
}

fn argv(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

fn wanted() -> BTreeSet<Fact> {
    BTreeSet::from([Fact::Memory, Fact::Cpu, Fact::Uptime, Fact::Volumes, Fact::FailedUnits])
}

#[tokio::test]
async fn a_real_host_tells_its_facts_and_ends_what_hangs() {
    if !present() {
        return;
    }
    let server = Server::start().await;
    let host = server.host();
    let facts = host.facts(&wanted()).await;
    assert!(matches!(&facts[&Fact::Memory], Ok(FactValue::Memory(m)) if 0 < m.total), "{facts:?}");
    assert!(matches!(&facts[&Fact::Cpu], Ok(FactValue::Cpu(c)) if 0 < c.cores), "{facts:?}");
    assert!(matches!(&facts[&Fact::Uptime], Ok(FactValue::Uptime(_))), "{facts:?}");
    assert!(matches!(&facts[&Fact::Volumes], Ok(FactValue::Volumes(_))), "{facts:?}");
    assert!(matches!(&facts[&Fact::FailedUnits], Err(NoFact::Absent(_))));

    // Arguments arrive as they are: no shell reads them.
    let odd = "a b $(id) `id` ' \" * ; |";
    let said = host.run(&argv(&["echo", odd]), Span::secs(5)).await.unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim_end(), odd);
    let failed = host.run(&argv(&["sh", "-c", "exit 3"]), Span::secs(5)).await.unwrap();
    assert_eq!(failed.code, Some(3));

    let missing = host.run(&argv(&["no-such-program-here"]), Span::secs(5)).await;
    let missing =
        missing.map(|left| (left.code, String::from_utf8_lossy(&left.stderr).into_owned()));
    assert!(matches!(missing, Err(LinkError::NotStarted(_))), "{missing:?}");

    let own = host.run(&argv(&["sh", "-c", "exit 127"]), Span::secs(5)).await.unwrap();
    assert_eq!(own.code, Some(127), "a program that ran and said so");

    // What runs past its time is ended on the host, not only forgotten here.
    let mark = server.path("mark").display().to_string();
    let script = format!("sleep 1.4; touch {mark}");
    let late = host.run(&argv(&["sh", "-c", &script]), Span::secs(1)).await;
    assert!(matches!(late, Err(LinkError::TimedOut(_))));
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert!(!server.path("mark").exists(), "it went on running");
    drop(server.tasks);
}

/// Two real servers of the lab: a target, and a bastion that forwards to it and runs no command.
#[derive(Debug, Clone)]
struct Lab {
    name: String,
    said: BTreeMap<String, String>,
}

impl Lab {
    async fn script(args: &[&str]) -> crate::clients::process::Raw {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/sshd");
        let argv = argv(&[&[script.to_str().unwrap()], args].concat());
        let path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned();
        let given = Given { env: BTreeMap::from([("PATH".to_owned(), path)]), ..Given::default() };
        let limits = Limits { timeout: Span::secs(30), max_output: 1 << 16 };
        run_raw(&argv, limits, &given).await.unwrap()
    }

    async fn up() -> Self {
        let name = format!("unit-{}", std::process::id());
        let raw = Self::script(&["up", &name, "bastion"]).await;
        assert_eq!(raw.code, Some(0), "{}", String::from_utf8_lossy(&raw.stderr));
        let text = String::from_utf8(raw.stdout).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { name, said: text.lines().filter_map(pair).collect() }
    }

    fn get(&self, key: &str) -> &str {
        &self.said[key]
    }

    /// The target by its name in the lab's ssh config, which also says how its bastion is reached.
    fn by(&self, address: &str, port: Option<u16>, jump: Option<&str>) -> Ssh {
        Ssh {
            address: Some(Address::read(&Value::Text(address.into())).unwrap()),
            port,
            ssh_config: Some(AbsPath::new(self.get("SSH_CONFIG")).unwrap()),
            jump: jump.map(str::to_owned),
            ..Ssh::default()
        }
    }

    /// How often the bastion was asked to go on to the target.
    fn forwarded(&self) -> usize {
        let log = std::fs::read_to_string(self.get("BASTION_LOG")).unwrap();
        let asked = format!(
            "direct_tcpip: originator 127.0.0.1 port 65535, target 127.0.0.2 port {}",
            self.get("PORT")
        );
        log.lines().filter(|line| line.contains(&asked)).count()
    }
}

async fn goes_through(lab: Lab) {
    let control = tempfile::tempdir().unwrap();
    let said = async |way: Ssh| {
        let redactor = Arc::new(Redactor::new(Vec::new()));
        let host = SshHost::new(
            HostName::of("nas"),
            way,
            control.path().to_owned(),
            Arc::new(Noon),
            redactor,
        );
        let said = host.run(&argv(&["echo", "there"]), Span::secs(5)).await;
        said.map(|left| String::from_utf8(left.stdout).unwrap().trim_end().to_owned())
    };
    let bastion = lab.get("BASTION");
    let through = |jump| lab.by(&lab.name, None, Some(jump));
    assert_eq!(said(lab.by(&lab.name, None, None)).await, Ok("there".into()));
    assert_eq!(lab.forwarded(), 0, "without a jump the bastion is not asked");

    assert_eq!(said(through(bastion)).await, Ok("there".into()));
    assert_eq!(lab.forwarded(), 1, "the way leads through the bastion");
    let port: u16 = lab.get("BASTION_PORT").parse().unwrap();
    let elsewhere = said(lab.by(bastion, Some(port), Some(bastion))).await;
    assert!(matches!(elsewhere, Err(LinkError::NotStarted(_))), "it forwards to the target only");

    // A jump host that is not there is no way, though the target is up.
    let pid: i32 = lab.get("BASTION_PID").parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let port = lab.get("BASTION_PORT").parse::<u16>().unwrap();
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let nowhere = said(through(bastion)).await;
    assert!(matches!(nowhere, Err(LinkError::NotStarted(_))), "{nowhere:?}");
    assert_eq!(said(lab.by(&lab.name, None, None)).await, Ok("there".into()));
}

#[tokio::test]
async fn every_fact_of_a_tick_takes_one_round_trip() {
    if !present() {
        return;
    }
    let server = Server::start().await;
    let host = server.host();
    assert_eq!(host.trips(), Trips::One);
    std::fs::write(server.path("log"), "x\n").unwrap();
    let mut wanted = wanted();
    wanted.extend([
        Fact::Pressure,
        Fact::OomKills,
        Fact::Interfaces,
        Fact::Busiest,
        Fact::Processes("sshd".into()),
        Fact::FileLines(server.abs("log")),
        Fact::Newest(server.abs("")),
        Fact::JournalErrors,
        Fact::Drives,
        Fact::Pools,
        Fact::Arrays,
        Fact::TimeSync,
        Fact::Sensors,
        Fact::Boot,
    ]);
    for tick in 1..=3_u64 {
        let facts = host.facts(&wanted).await;
        assert_eq!(facts.len(), wanted.len());
        let Ok(FactValue::Processes(found)) = &facts[&Fact::Processes("sshd".into())] else {
            panic!("{facts:?}")
        };
        assert!(!found.is_empty(), "this very sshd runs");
        assert_eq!((host.trips_so_far(), host.way.dials().await), (tick, 1));
    }
    drop(server.tasks);
}

#[tokio::test]
async fn a_jump_host_is_gone_through() {
    if !present() {
        return;
    }
    let lab = Lab::up().await;
    // In a task of its own, so that the servers are taken down whatever comes of it.
    let mut going = tokio::task::JoinSet::new();
    going.spawn(goes_through(lab.clone()));
    let went = going.join_next().await.unwrap();
    assert_eq!(Lab::script(&["down", &lab.name]).await.code, Some(0));
    went.unwrap();
}

#[tokio::test]
async fn a_changed_host_key_and_a_dead_server_are_said_clearly() {
    if !present() {
        return;
    }
    let server = Server::start().await;
    server.know(&std::fs::read_to_string(server.path("client_key.pub")).unwrap());
    let facts = server.host().facts(&wanted()).await;
    assert_eq!(facts.len(), wanted().len());
    let Err(NoFact::Failed(why)) = &facts[&Fact::Memory] else { panic!("{facts:?}") };
    assert!(why.contains("host key"), "{why}");

    let port = server.port;
    let sleeper = server.host().that_may_be_off();
    let mut dead = server.host();
    dead.way.ssh.connect_timeout = Span::secs(2);
    drop(server.tasks);
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for _ in 0..3 {
        let facts = dead.facts(&wanted()).await;
        let Err(NoFact::Failed(why)) = &facts[&Fact::Uptime] else { panic!("{facts:?}") };
        assert!(why.contains("is sshd running"), "{why}");
    }
    assert_eq!(dead.way.dials().await, 1, "who asks again at once gets the same answer");

    let facts = sleeper.facts(&wanted()).await;
    let Err(NoFact::Absent(why)) = &facts[&Fact::Uptime] else { panic!("{facts:?}") };
    assert!(why.contains("off or asleep"), "{why}");
}
