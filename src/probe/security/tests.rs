//! What is new is told until it is accepted, and nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::model::container::{Container, ContainerState, Ended, Health, RestartPolicy};
use crate::model::guard::{GuardedFile, Listener, Login, Protocol};
use crate::model::reading::Concern;

/// A past that remembers what is learned.
#[derive(Default)]
struct Memory(Mutex<Option<BTreeMap<Signal, Known>>>);

impl Past for Memory {
    fn same_hour(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
    fn median(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
    fn growth_per_day(&self, _: &Signal, _: Millis) -> Option<f64> {
        None
    }
    fn known(&self, signal: &Signal) -> Recall {
        match &*self.0.lock().unwrap() {
            None => Recall::NotYet,
            Some(known) => known.get(signal).cloned().map_or(Recall::Nothing, Recall::Is),
        }
    }
}

struct Stage {
    probe: Security,
    memory: Memory,
    now: Millis,
    facts: Facts,
}

impl Stage {
    fn new(settings: Settings) -> Self {
        let memory = Memory::default();
        *memory.0.lock().unwrap() = Some(BTreeMap::new());
        let probe = Security::new(settings, HostName::of("mini"));
        let mut stage = Self { probe, memory, now: Millis(0), facts: Facts::new() };
        let login = Login { user: "dad".into(), source: "192.168.1.7".into() };
        stage.logins(Logins { failed: Some(0), accepted: vec![login], ..Logins::default() });
        stage.ports(&[(Protocol::Tcp, 22, "sshd")]);
        stage.files(&[(Guards::Keys, "/home/dad/.ssh/authorized_keys", "aa", 2)], &[]);
        stage.facts.insert(Fact::Containers, Err(NoFact::Absent("no engine".into())));
        stage
    }

    fn logins(&mut self, logins: Logins) {
        self.facts.insert(Fact::Logins(None), Ok(FactValue::Logins(logins)));
    }

    fn ports(&mut self, all: &[(Protocol, u16, &str)]) {
        let listener = |(protocol, port, process): &(Protocol, u16, &str)| Listener {
            protocol: *protocol,
            port: *port,
            uid: 0,
            process: Some((*process).to_owned()).filter(|p| !p.is_empty()),
        };
        let all = all.iter().map(listener).collect();
        self.facts.insert(Fact::Listening, Ok(FactValue::Listening(all)));
    }

    fn files(&mut self, all: &[(Guards, &str, &str, u64)], hidden: &[(Guards, &str)]) {
        let file = |(guards, path, digest, lines): &(Guards, &str, &str, u64)| GuardedFile {
            guards: *guards,
            path: (*path).to_owned(),
            digest: (*digest).to_owned(),
            lines: *lines,
        };
        let guarded = Guarded {
            files: all.iter().map(file).collect(),
            roots: vec!["root".into()],
            hidden: hidden.iter().map(|(of, path)| (*of, (*path).to_owned())).collect(),
        };
        self.facts.insert(Fact::Guarded(Vec::new()), Ok(FactValue::Guarded(guarded)));
    }

    /// A minute later; what is learned is remembered.
    fn look(&mut self) -> Vec<Reading> {
        self.now = self.now + Span::mins(1);
        let readings = self.probe.judge(&self.facts, &self.memory, self.now);
        let mut memory = self.memory.0.lock().unwrap();
        memory.as_mut().unwrap().extend(self.probe.learned());
        readings
    }

    fn red(&mut self) -> Vec<(String, String)> {
        let red = |r: &Reading| r.severity == Severity::Red;
        let readings = self.look();
        assert!(readings.iter().all(|r| red(r) == (r.concern == Concern::Security)));
        let told = |r: Reading| (r.signal.aspect.to_string(), r.words.to_string());
        readings.into_iter().filter(red).map(told).collect()
    }

    /// As an acknowledgement does.
    fn accept(&mut self, aspect: &'static str) {
        let reading = self.look().into_iter().find(|r| r.signal.aspect.as_str() == aspect).unwrap();
        let mut memory = self.memory.0.lock().unwrap();
        let known = memory.as_mut().unwrap().entry(reading.signal.clone()).or_default();
        for (item, state) in reading.what() {
            match state {
                "" => drop(known.remove(item)),
                state => drop(known.insert(item.to_owned(), state.to_owned())),
            }
        }
    }
}

fn one(aspect: &str, words: &str) -> Vec<(String, String)> {
    vec![(aspect.to_owned(), words.to_owned())]
}

#[test]
fn the_first_look_learns_and_says_nothing() {
    let mut stage = Stage::new(Settings::default());
    assert_eq!(stage.red(), []);
    let aspects: Vec<String> = stage.look().iter().map(|r| r.signal.aspect.to_string()).collect();
    assert_eq!(aspects, ["failed", "source", "ports", "keys", "sudoers", "cron", "root"]);
    assert_eq!(stage.probe.absent(), None);
}

#[test]
fn before_the_former_life_is_known_nothing_is_learned() {
    let mut stage = Stage::new(Settings::default());
    stage.memory = Memory::default();
    let readings = stage.probe.judge(&stage.facts, &stage.memory, Millis(1));
    assert_eq!(readings.len(), 1, "only the rate: {readings:?}");
    assert_eq!(stage.probe.learned(), []);
}

#[test]
fn a_port_is_new_until_it_is_accepted() {
    let mut stage = Stage::new(Settings { ignore: vec!["tcp 80*".into()], ..Settings::default() });
    stage.look();
    use Protocol::{Tcp, Udp};
    // UDP beyond the ports that have owners, and what the config says, is no news.
    stage.ports(&[(Tcp, 22, "sshd"), (Udp, 40_000, "chrome"), (Tcp, 8_096, "jellyfin")]);
    assert_eq!(stage.red(), []);
    stage.ports(&[(Tcp, 22, "sshd"), (Tcp, 4_444, "nc")]);
    assert_eq!(stage.red(), one("ports", "new listening port: tcp 4444 (nc)"));
    stage.accept("ports");
    assert_eq!(stage.red(), []);
    // Gone and back again, it is known; another program's is told by its owner.
    stage.ports(&[]);
    assert_eq!(stage.red(), []);
    stage.ports(&[(Tcp, 22, ""), (Tcp, 4_444, ""), (Tcp, 41_000, "rpc.mountd")]);
    assert_eq!(stage.red(), one("ports", "new listening port: tcp of rpc.mountd (port 41000)"));
    stage.accept("ports");
    stage.ports(&[(Tcp, 42_000, "rpc.mountd")]);
    assert_eq!(stage.red(), [], "another port after each start");
}

#[test]
fn files_that_change_come_or_go_are_told_with_their_lines() {
    let mut stage = Stage::new(Settings::default());
    let keys = "/home/dad/.ssh/authorized_keys";
    stage.look();
    stage.files(&[(Guards::Keys, keys, "bb", 3)], &[]);
    let want = format!("{keys} changed: 2 lines before, 3 lines now");
    assert_eq!(stage.red(), one("keys", &want));
    stage.accept("keys");
    assert_eq!(stage.red(), []);
    stage.files(&[(Guards::Keys, keys, "bb", 3), (Guards::Cron, "/etc/cron.d/x", "cc", 1)], &[]);
    assert_eq!(stage.red(), one("cron", "/etc/cron.d/x is new: 1 line"));
    stage.accept("cron");
    stage.files(&[(Guards::Cron, "/etc/cron.d/x", "cc", 1)], &[]);
    assert_eq!(stage.red(), one("keys", &format!("{keys} is gone: 3 lines before")));
    stage.accept("keys");
    // What may not be looked at any more is not gone, and is named.
    stage.files(&[], &[(Guards::Cron, "/etc/cron.d")]);
    assert_eq!(stage.red(), []);
    assert_eq!(stage.probe.absent().unwrap(), "reef may not look at /etc/cron.d");
}

/// Nobody can say that what may not be read is as it was.
#[test]
fn what_may_not_be_read_is_never_green() {
    let mut stage = Stage::new(Settings::default());
    let sudoers = |stage: &mut Stage| {
        let readings = stage.look();
        readings.into_iter().find(|r| r.signal.aspect.as_str() == "sudoers")
    };
    let keys = (Guards::Keys, "/home/dad/.ssh/authorized_keys", "aa", 2);
    let file = (Guards::Sudoers, "/etc/sudoers", "bb", 9);
    let folder = (Guards::Sudoers, "/etc/sudoers.d");
    stage.files(&[keys], &[(Guards::Sudoers, "/etc/sudoers"), folder]);
    assert_eq!(sudoers(&mut stage), None, "it stands among what was not looked at");
    let absent = stage.probe.absent().unwrap();
    assert_eq!(absent, "reef may not look at /etc/sudoers and 1 more");

    stage.files(&[keys, file], &[folder]);
    sudoers(&mut stage);
    let partly = sudoers(&mut stage).unwrap();
    assert_eq!(partly.severity, Severity::Green);
    assert_eq!(partly.words.to_string(), "nothing new among files of sudoers: 1 (1 not readable)");

    stage.files(&[keys], &[(Guards::Sudoers, "/etc/sudoers"), folder]);
    let lost = sudoers(&mut stage).unwrap();
    assert_eq!(lost.severity, Severity::Unknown, "{lost:?}");
    assert!(lost.words.as_str().contains("may no longer look at files of sudoers"), "{lost:?}");
}

#[test]
fn a_new_source_stays_new_until_it_is_accepted() {
    let mut stage = Stage::new(Settings::default());
    stage.look();
    let came = |user: &str, source: &str| Logins {
        failed: Some(0),
        accepted: vec![Login { user: user.into(), source: source.into() }],
        ..Logins::default()
    };
    stage.logins(came("dad", "192.168.1.7"));
    assert_eq!(stage.red(), []);
    stage.logins(came("dad", "203.0.113.9"));
    let want = one("source", "first login from 203.0.113.9: dad");
    assert_eq!(stage.red(), want);
    // A log is read once.
    stage.logins(Logins { failed: Some(0), ..Logins::default() });
    assert_eq!(stage.red(), want);
    stage.accept("source");
    assert_eq!(stage.red(), []);
    stage.logins(came("root", "203.0.113.9"));
    assert_eq!(stage.red(), []);
}

#[test]
fn many_failed_logins_are_red_and_what_tells_of_none_is_unknown() {
    let mut stage = Stage::new(Settings { failures: 5, ..Settings::default() });
    let failed = |n| Logins {
        failed: Some(n),
        failed_from: vec![("203.0.113.9".to_owned(), n)],
        ..Logins::default()
    };
    stage.look();
    stage.logins(failed(3));
    assert_eq!(stage.red(), []);
    stage.logins(failed(2));
    let want = "5 failed logins within 10 min, most of the last from 203.0.113.9 (2)";
    assert_eq!(stage.red(), one("failed", want));
    stage.logins(failed(0));
    for _ in 0..10 {
        stage.look();
    }
    assert_eq!(stage.red(), [], "past the window");
    stage.logins(Logins {
        unseen: vec!["reef may not read the journal".into()],
        ..Logins::default()
    });
    let readings = stage.look();
    let of_rate = readings.iter().find(|r| r.signal.aspect.as_str() == "failed").unwrap();
    assert_eq!((of_rate.severity, of_rate.reason.as_str()), (Severity::Unknown, "absent"));
    assert_eq!(stage.probe.absent().unwrap(), "reef may not read the journal");
}

fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        id: format!("id-{name}"),
        image: "app:1".into(),
        image_id: "sha256:1".into(),
        image_created_at: None,
        state: ContainerState::Running,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        error: None,
        restarts: 0,
        created_at: Millis(0),
        started_at: None,
        finished_at: None,
        policy: RestartPolicy::No,
        ended: Ended::Untold,
        privileged: false,
        reaches: Vec::new(),
        memory_limit: None,
        memory: None,
        labels: BTreeMap::new(),
    }
}

#[test]
fn a_container_that_reaches_beyond_itself_is_told() {
    let mut stage = Stage::new(Settings::default());
    let plain = container("app");
    let put = |stage: &mut Stage, all: Vec<Container>| {
        stage.facts.insert(Fact::Containers, Ok(FactValue::Containers(all)));
    };
    put(&mut stage, vec![plain.clone()]);
    stage.look();
    let evil = Container {
        name: "evil".into(),
        privileged: true,
        reaches: vec!["docker.sock".into()],
        ..plain.clone()
    };
    put(&mut stage, vec![plain, evil.clone()]);
    let want = "new privileged container: evil (privileged, docker.sock), app:1";
    assert_eq!(stage.red(), one("containers", want));
    stage.accept("containers");
    assert_eq!(stage.red(), []);
    // One that Kubernetes made anew has another name and the same image.
    let label = BTreeMap::from([("io.kubernetes.pod.name".to_owned(), "x".to_owned())]);
    let pod = |name: &str| Container { name: name.into(), labels: label.clone(), ..evil.clone() };
    put(&mut stage, vec![pod("k8s_a")]);
    stage.accept("containers");
    put(&mut stage, vec![pod("k8s_b")]);
    assert_eq!(stage.red(), []);
}
