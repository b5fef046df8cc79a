//! From config to probes, over the whole table.

use std::collections::BTreeMap;

use super::*;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::section::Reader;
use crate::model::fact::{Fact, FactValue, Facts};
use crate::model::time::Span;
use crate::probe::How;

fn context() -> Context {
    let mut cx = Context::new(HostName::new("mini").unwrap());
    cx.hosts.insert(HostName::new("nas").unwrap());
    cx.known_as.insert("192.168.1.4".into(), HostName::new("nas").unwrap());
    cx
}

/// The probes of these lines below `[probe]`, or all mistakes in one text.
fn read(lines: &str) -> Result<Watched, String> {
    let source = Source::new("config.toml", format!("[probe]\n{lines}\n"));
    let (reader, mut root) = Reader::open(source, Env::of([]));
    let watched = from_config(&mut root, &context());
    root.finish();
    match reader.done() {
        Ok(_) => Ok(watched),
        Err(mistakes) => Err(mistakes.to_string()),
    }
}

fn probe<'a>(watched: &'a Watched, name: &str) -> &'a Probe {
    watched.probes.iter().find(|probe| probe.name == name).unwrap()
}

#[test]
fn every_kind_is_told_apart_and_documented() {
    let names: BTreeSet<&str> = kinds().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds().count(), "a name twice");
    for kind in kinds() {
        let summary = kind.summary;
        assert!(!summary.is_empty() && summary.len() <= 100, "{}: {summary}", kind.name);
        assert!(!summary.ends_with('.'), "{}: {summary}", kind.name);
        assert!(Word::new(kind.name).is_ok() && Word::new(kind.probe).is_ok());
        assert!(gives_of(kind.probe).is_some());
        let gives: BTreeSet<&str> = (kind.gives)().iter().map(|g| g.name).collect();
        assert_eq!(gives.len(), (kind.gives)().len(), "{}: a value twice", kind.name);
        assert!((kind.gives)().iter().all(|g| !g.doc.is_empty()), "{}: no doc", kind.name);
    }
}

#[test]
fn every_example_makes_a_probe_of_its_kind() {
    for kind in kinds().filter(|kind| !kind.example.is_empty()) {
        let watched = read(kind.example).unwrap_or_else(|e| panic!("{}: {e}", kind.name));
        let called = |probe: &&Probe| {
            probe.name == kind.name || probe.name.starts_with(&format!("{}.", kind.name))
        };
        let made: Vec<_> = watched.probes.iter().filter(called).collect();
        assert!(!made.is_empty(), "{} makes none", kind.example);
        for probe in made {
            assert_eq!(probe.kind.as_str(), kind.probe, "{}", probe.name);
            assert!(Span(0) < probe.timeout && Span::secs(1) <= probe.every);
            assert!(0 < probe.fire_after && 0 < probe.clear_after);
        }
    }
}

#[test]
fn the_defaults_watch_the_whole_machine() {
    let probes = defaults(&context());
    let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
    for name in ["disk", "memory", "oom", "cpu", "net", "errors.journal", "dns.resolver", "reef"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    let every = |name: &str| probes.iter().find(|probe| probe.name == name).unwrap().every;
    assert_eq!((every("disk"), every("memory")), (Span::mins(5), Span::mins(1)));
    assert_eq!(every("errors.journal"), Span::mins(5));
    let unique: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}

#[test]
fn a_remote_host_explains_its_own_probes() {
    let (nas, gate) = (HostName::of("nas"), HostName::of("gate"));
    let mut cx = context();
    cx.hosts.insert(gate.clone());
    cx.remotes = BTreeMap::from([(nas.clone(), Some("gate".into())), (gate.clone(), None)]);
    cx.wakes.insert(nas.clone());
    let probes = defaults(&cx);
    let on = |host: &HostName| probes.iter().filter(|p| p.host == *host).collect::<Vec<_>>();
    for (host, parent, wakes) in [(&nas, Some(host_signal(&gate)), true), (&gate, None, false)] {
        let probes = on(host);
        assert!(probes.iter().all(|probe| probe.wakes == wakes));
        let (reach, others): (Vec<&Probe>, Vec<&Probe>) =
            probes.into_iter().partition(|probe| probe.kind.as_str() == "host");
        assert_eq!((reach.len(), &reach[0].parent), (1, &parent));
        assert!(others.iter().all(|probe| probe.parent == Some(host_signal(host))));
        let names: Vec<&str> = others.iter().map(|probe| probe.name.as_str()).collect();
        for name in [
            "disk",
            "memory",
            "oom",
            "cpu",
            "net",
            "smart",
            "zfs",
            "raid",
            "unit",
            "errors.journal",
        ] {
            assert!(names.contains(&name), "{name} of {names:?}");
        }
    }
    assert!(on(&cx.here).iter().all(|probe| !probe.wakes));
}

#[test]
fn a_host_has_a_parent_that_there_is_and_none_that_leads_back() {
    for (of_nas, of_gate, part) in
        [("gaet", None, "did you mean \"gate\""), ("gate", Some("nas"), "in a circle")]
    {
        let mut cx = context();
        cx.hosts.insert(HostName::of("gate"));
        cx.remotes = BTreeMap::from([
            (HostName::of("nas"), Some(of_nas.to_owned())),
            (HostName::of("gate"), of_gate.map(str::to_owned)),
        ]);
        let (reader, mut root) = Reader::open(Source::new("config.toml", ""), Env::of([]));
        from_config(&mut root, &cx);
        root.finish();
        let told = reader.done().unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_url_is_enough_and_https_brings_the_certificate() {
    let watched = read("http.photos = \"https://photos.example/ping\"").unwrap();
    let (http, tls) = (probe(&watched, "http.photos"), probe(&watched, "tls.photos"));
    assert_eq!((http.every, http.fire_after, http.clear_after), (Span::mins(1), 3, 2));
    assert_eq!(tls.every, Span::mins(15));
    assert_eq!(
        tls.parent.as_ref().map(ToString::to_string).as_deref(),
        Some("http mini:endpoint:photos status")
    );
    assert_eq!(http.parent, None);
    // With the one of this machine's own resolver.
    assert_eq!(watched.endpoints.len(), 2);
    let endpoint = &watched.endpoints[0];
    assert_eq!(endpoint.target.to_string(), "mini:endpoint:photos");
    let server = endpoint.tls.as_ref().unwrap();
    assert_eq!((server.host.as_str(), server.port), ("photos.example", 443));
    let plain = read("http.photos = \"http://photos.example/\"").unwrap();
    assert!(plain.probes.iter().all(|probe| probe.kind.as_str() != "tls"));
}

#[test]
fn a_known_host_is_the_parent_of_its_urls() {
    for url in ["http://nas:8096/health", "http://NAS/", "http://192.168.1.4/"] {
        let watched = read(&format!("http.jellyfin = \"{url}\"")).unwrap();
        let http = probe(&watched, "http.jellyfin");
        assert_eq!(http.host.as_str(), "nas", "{url}");
        assert_eq!(http.parent, Some(host_signal(&HostName::new("nas").unwrap())), "{url}");
    }
    let local = read("http.x = \"http://localhost:8080/\"").unwrap();
    assert_eq!(probe(&local, "http.x").parent, None);
}

#[test]
fn the_common_keys_reach_the_probe() {
    let watched = read(
        "http.a = \"http://a.example\"\n\
         http.b = { url = \"http://nas/b\", every = \"10s\", timeout = \"3s\", fire_after = 1, clear_after = 4,\n\
                    wakes = true, parent = \"http.a\", served_by = \"unit:nginx\", retry_after = \"1s\" }",
    )
    .unwrap();
    let b = probe(&watched, "http.b");
    assert_eq!((b.every, b.fire_after, b.clear_after, b.wakes), (Span::secs(10), 1, 4, true));
    assert_eq!(b.timeout, Span::secs(8), "two requests, the pause and a second");
    assert_eq!(b.parent.as_ref().unwrap().target.to_string(), "mini:endpoint:a");
    assert_eq!(b.served_by.as_ref().unwrap().to_string(), "nas:unit:nginx.service");
    assert!(matches!(b.how, How::Net(_)));
}

#[test]
fn a_named_probe_replaces_the_default_or_implied_one() {
    let watched = read(
        "dns.resolver = \"127.0.0.1\"\nhttp.a = \"https://a.example\"\ntls.a = { server = \"a.example\", every = \"1h\" }",
    )
    .unwrap();
    let named = |name: &str| watched.probes.iter().filter(|probe| probe.name == name).count();
    assert_eq!((named("dns.resolver"), named("tls.a"), named("http.a")), (1, 1, 1));
    assert_eq!(probe(&watched, "tls.a").every, Span::hours(1));
    let without = read("off = [\"dns.resolver\"]").unwrap();
    assert!(without.probes.iter().all(|probe| probe.name != "dns.resolver"));
}

#[cfg(feature = "kube")]
#[test]
fn what_may_change_a_cluster_is_checked_when_it_is_declared() {
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let file = format!("file = \"/m\", sha256 = \"{hash}\"");
    for (line, part) in [
        ("manifest.a = { file = \"/m\", sha256 = \"12\" }".to_owned(), "64 hex digits"),
        ("manifest.a = { file = \"m\", sha256 = \"12\" }".to_owned(), "not an absolute path"),
        ("manifest.a = \"/m\"".to_owned(), "is no table"),
        (format!("manifest.\"a b\" = {{ {file} }}"), "white space"),
        (format!("patch.a = {{ object = \"web/secret/x\", {file} }}"), "does not patch"),
        (format!("patch.a = {{ object = \"web/role/x\", {file} }}"), "is no object"),
        (
            "tls_secret.a = { secret = \"web/deployment/x\", certificate_file = \"/c\", key_file = \"/k\" }"
                .to_owned(),
            "is no secret",
        ),
        ("tls_secret.a = { secret = \"web/secret/x\" }".to_owned(), "key_file: is missing"),
    ] {
        let lines = format!("[kubernetes.k3s]\nkubeconfig_file = \"/k\"\n{line}");
        let told = read(&lines).err().unwrap_or_else(|| panic!("{line} was taken"));
        assert!(told.contains(part), "{line}\n{told}");
    }
    assert!(
        read(&format!("[kubernetes.k3s]\nkubeconfig_file = \"/k\"\nmanifest.a = {{ {file} }}"))
            .is_ok()
    );
}

#[test]
fn each_mistake_is_told_at_its_line() {
    for (lines, part) in [
        ("htpp.a = \"http://a\"", "did you mean \"http\""),
        ("http = \"http://a\"", "needs a name of yours"),
        ("http.a = 3", "not text in quotes"),
        ("http.a = \"nas\"", "is no URL"),
        ("http.a = { body = \"x\" }", "url: is missing"),
        ("http.a = { url = \"http://a\", bodi = \"x\" }", "bodi"),
        ("http.a = { url = \"http://a\", status = [\"2xx\"] }", "is no HTTP status"),
        ("http.a = { url = \"http://a\", body_matches = \"(\" }", "no regular expression"),
        ("http.a = { url = \"http://a\", every = \"10ms\" }", "is too short"),
        ("http.a = { url = \"http://a\", fire_after = 0 }", "1 at least"),
        ("http.a = { url = \"http://a\", parent = \"nass\" }", "did you mean \"nas\""),
        ("http.a = { url = \"http://a\", parent = \"mini\" }", "is this machine"),
        ("http.a = { url = \"http://a\", parent = \"http.a\" }", "its own parent"),
        (
            "http.a = { url = \"http://a\", parent = \"http.b\" }\nhttp.b = { url = \"http://b\", parent = \"http.a\" }",
            "in a circle",
        ),
        ("http.a = { url = \"http://a\", served_by = \"nginx\" }", "is no unit"),
        ("http.\"a b\" = \"http://a\"", "white space"),
        ("http.\"*\" = \"http://a\"", "star"),
        ("tls.a = \"a:0\"", "is no server"),
        ("dns.a = \"pihole\"", "is no name server"),
        ("reef.a = \"x\"", "made by reef itself"),
        ("exec.a = \"/bin/check -w 1\"", "no shell reads it"),
        ("exec.a = []", "names no program"),
        ("exec.a = { timeout = \"3s\" }", "argv: is missing"),
        ("disk = { every = \"1ms\" }", "too short"),
        ("disk.\"srv\" = { yellow = \"3 %\" }", "mount point"),
        ("cpu = { fire_after = 0 }", "1 at least"),
        ("cpu = \"x\"", "not a table"),
        ("off = [\"dns.resolvr\"]", "did you mean \"dns.resolver\""),
    ] {
        let told = read(lines).err().unwrap_or_else(|| panic!("{lines} was taken"));
        assert!(told.contains(part), "{lines}\n{told}");
        assert!(told.contains("config.toml:"), "{told}");
    }
}

/// The embedded default against the machine that runs the tests, whatever it is.
#[tokio::test]
async fn the_defaults_give_fifteen_signals_on_a_plain_box() {
    use std::sync::Arc;

    use crate::clients::host::HostLink;
    use crate::clients::host::local::LocalHost;
    use crate::clock::Clock;
    use crate::model::time::Millis;
    use crate::policy::redact::Redactor;
    use crate::probe::ask::NoPast;

    #[derive(Debug)]
    struct Noon;
    impl Clock for Noon {
        fn now(&self) -> Millis {
            Millis(1_790_000_000_000)
        }
    }

    let here = HostName::new("mini").unwrap();
    let redactor = Arc::new(Redactor::new(Vec::new()));
    let local = LocalHost::new(here.clone(), Arc::new(Noon), redactor);
    let mut signals = BTreeSet::new();
    for probe in defaults(&Context::new(here)) {
        let readings = match probe.how {
            How::Host(mut probe) => {
                let facts = local.facts(&probe.wants()).await;
                probe.judge(&facts, &NoPast, Noon.now())
            }
            // What a look would give without asking the network.
            How::Net(probe) => probe.timed_out(Span::secs(1), Noon.now()),
        };
        for reading in readings {
            assert!(!reading.words.is_empty(), "{}", reading.signal);
            assert!(signals.insert(reading.signal.to_string()), "{} twice", reading.signal);
        }
    }
    assert!(15 <= signals.len(), "{signals:#?}");
}

#[test]
fn a_thing_on_another_host_is_watched_there_and_explained_by_it() {
    let mut cx = context();
    cx.remotes = BTreeMap::from([(HostName::of("nas"), None)]);
    let read = |lines: &str| {
        let source = Source::new("config.toml", format!("[probe]\n{lines}\n"));
        let (reader, mut root) = Reader::open(source, Env::of([]));
        let watched = from_config(&mut root, &cx);
        root.finish();
        reader.done().map(|_| watched).map_err(|mistakes| mistakes.to_string())
    };
    for (lines, name, signal) in [
        (
            "unit.web = { unit = \"nginx\", host = \"nas\" }",
            "unit.web",
            "unit nas:unit:nginx.service state",
        ),
        (
            "process.a = { process = \"a\", host = \"nas\" }",
            "process.a",
            "process nas:check:a running",
        ),
        (
            "folder.a = { path = \"/a\", budget = \"1 GiB\", host = \"nas\" }",
            "folder.a",
            "disk nas:/a bytes",
        ),
        ("backup.a = { path = \"/a\", host = \"nas\" }", "backup.a", "backup nas:backup:a age"),
        ("errors.a = { log = \"/a\", host = \"nas\" }", "errors.a", "errors nas:log:a rate"),
    ] {
        let watched = read(lines).unwrap();
        let made = watched.probes.into_iter().find(|probe| probe.name == name).unwrap();
        assert_eq!(
            (made.host.as_str(), made.parent),
            ("nas", Some(host_signal(&HostName::of("nas"))))
        );
        let How::Host(mut probe) = made.how else { panic!("{name}") };
        let up = (Fact::Uptime, Ok(FactValue::Uptime(Span::days(1))));
        let said = probe.judge(
            &Facts::from([up]),
            &crate::probe::ask::NoPast,
            crate::model::time::Millis(1),
        );
        assert_eq!(said[0].signal.to_string(), signal);
    }
    for host in ["nass", "NAS"] {
        let told =
            read(&format!("unit.web = {{ unit = \"nginx\", host = \"{host}\" }}")).unwrap_err();
        assert!(told.contains("is no host here") && told.contains("nas"), "{told}");
    }
}

#[test]
fn a_host_differs_by_tables_of_its_own() {
    use crate::model::fact::Volume;
    use crate::model::severity::Severity;
    use crate::model::target::AbsPath;
    use crate::model::time::Millis;
    use crate::probe::ask::NoPast;

    let machine: BTreeSet<&str> = kinds()
        .filter(|kind| matches!(kind.made, Made::Machine { .. }))
        .map(|kind| kind.name)
        .collect();
    assert_eq!(machine, crate::config::hosts::PROBES.into_iter().collect());

    let (nas, gate) = (HostName::of("nas"), HostName::of("gate"));
    let mut cx = context();
    cx.hosts.insert(gate.clone());
    cx.remotes = BTreeMap::from([(nas.clone(), None), (gate.clone(), None)]);
    let read = |text: &str| {
        let (reader, mut root) = Reader::open(Source::new("config.toml", text), Env::of([]));
        let watched = from_config(&mut root, &cx);
        root.finish();
        reader.done().map(|outcome| (watched, outcome)).map_err(|mistakes| mistakes.to_string())
    };
    let text = "[host.nas]\nparent = \"gate\"\ndisk.\"/\" = { yellow = \"50 %\" }\n\
         memory = { wakes = true, every = \"7m\" }\n\
         security = { log = \"/var/log/secure\", files = [\"/etc/dropbear/authorized_keys\"] }\n\
         [probe.disk]\nred = \"99 %\"\n";
    let (mut watched, outcome) = read(text).unwrap();
    let root = Volume {
        mount: AbsPath::root(),
        source: "/dev/sda1".into(),
        fs: "ext4".into(),
        total_bytes: 10 << 30,
        free_bytes: 4 << 30,
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: None,
    };
    let facts = Facts::from([
        (Fact::Volumes, Ok(FactValue::Volumes(vec![root]))),
        (Fact::Uptime, Ok(FactValue::Uptime(Span::days(1)))),
    ]);
    for (host, want) in
        [(&nas, Severity::Yellow), (&gate, Severity::Green), (&cx.here, Severity::Green)]
    {
        let on = |p: &&mut Probe| p.name == "disk" && p.host == *host;
        let disk = watched.probes.iter_mut().find(on).unwrap();
        let How::Host(probe) = &mut disk.how else { panic!() };
        assert_eq!(probe.judge(&facts, &NoPast, Millis(1))[0].severity, want, "{host}");
    }
    let of = |host: &HostName, name: &str| {
        watched.probes.iter().find(|p| p.name == name && p.host == *host).unwrap()
    };
    let memory = of(&nas, "memory");
    assert_eq!((memory.wakes, memory.every), (true, Span::mins(7)));
    assert_eq!(memory.parent, Some(host_signal(&nas)));
    let How::Host(security) = &of(&nas, "security").how else { panic!() };
    assert!(security.wants().contains(&Fact::Logins(AbsPath::new("/var/log/secure").ok())));
    // Every default is not told anew for every host.
    let told = |path: &str| outcome.records.iter().any(|r| r.path.starts_with(path));
    assert!(told("host.nas.disk./.yellow") && !told("host.nas.cpu") && !told("host.gate"));

    for (lines, part) in [
        (
            "[host.nas.disk]\nyelow = \"50 %\"",
            "yelow: is neither a key of disk nor a mount point; did you mean \"yellow\"",
        ),
        ("[host.nas.security]\nlogs = \"/x\"", "did you mean \"log\""),
    ] {
        let why = read(lines).map(drop).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}
