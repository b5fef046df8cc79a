//! Every state of a container, a project and a swarm, and what comes of it.

use super::*;
use crate::clients::docker::printed;
use crate::model::container::{
    Ended, Health, RestartPolicy, Stack, StackService, Swarm, SwarmNode, SwarmService,
};
use crate::model::target::AbsPath;
use crate::probe::docker::compose::ComposeProbe;
use crate::probe::docker::swarm::SwarmProbe;
use crate::probe::past::NoPast;

const NOW: Millis = Millis(1_800_000_000_000);

fn host() -> HostName {
    HostName::of("nas")
}

/// Runs for an hour, made a day ago.
fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        id: format!("id-{name}"),
        image: "app:1".into(),
        image_id: "sha256:1".into(),
        image_created_at: Some(NOW - Span::days(400)),
        state: ContainerState::Running,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        error: None,
        restarts: 0,
        created_at: NOW - Span::days(2),
        started_at: Some(NOW - Span::hours(1)),
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

/// Ended a minute ago.
fn exited(code: i32, ended: Ended, policy: RestartPolicy) -> Container {
    Container {
        state: ContainerState::Exited,
        exit_code: Some(code),
        ended,
        policy,
        finished_at: Some(NOW - Span::mins(1)),
        ..container("app")
    }
}

fn facts(containers: Vec<Container>) -> Facts {
    Facts::from([(Fact::Containers, Ok(FactValue::Containers(containers)))])
}

fn probe() -> DockerProbe {
    DockerProbe::new(Settings::default(), host())
}

/// The readings of containers, not those of the engine.
fn look(probe: &mut DockerProbe, containers: Vec<Container>, at: Millis) -> Vec<Reading> {
    let mut readings = probe.judge(&facts(containers), &NoPast, at);
    readings.retain(|r| r.signal.target.thing() == Thing::Container);
    readings
}

fn one(c: Container) -> Reading {
    look(&mut probe(), vec![c], NOW).remove(0)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row a state")]
fn every_state_has_its_verdict() {
    use Ended::{Asked, Oom, Own, Untold};
    use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
    use Severity::{Green, Red, Unknown, Yellow};
    let sick = |streak| Container { health: Health::Unhealthy { streak }, ..container("app") };
    let state = |state| Container { state, ..container("app") };
    let restarting =
        |restarts| Container { restarts, exit_code: Some(3), ..state(ContainerState::Restarting) };
    let failed = |c: Container| Container { error: Some(Tainted::new("no such file")), ..c };
    let old = |c: Container| Container { finished_at: Some(NOW - Span::days(20)), ..c };
    let oneoff = |mut c: Container| {
        c.labels.insert("com.docker.compose.oneoff".into(), "True".into());
        c
    };
    for (c, severity, reason, intended) in [
        (container("app"), Green, "ok", false),
        (Container { health: Health::Healthy, ..container("app") }, Green, "ok", false),
        (Container { health: Health::Starting, ..container("app") }, Green, "ok", false),
        (sick(1), Yellow, "unhealthy", false),
        (sick(3), Red, "unhealthy", false),
        (sick(0), Red, "unhealthy", false),
        (state(ContainerState::Paused), Green, "ok", true),
        (state(ContainerState::Created), Green, "ok", true),
        (failed(state(ContainerState::Created)), Red, "start", false),
        (state(ContainerState::Removing), Green, "ok", true),
        (state(ContainerState::Dead), Yellow, "dead", false),
        (state(ContainerState::Other), Unknown, "state", false),
        (restarting(1), Yellow, "restarting", false),
        (restarting(5), Red, "restarts", false),
        (Container { oom_killed: true, ..restarting(1) }, Red, "oom", false),
        // It runs again since a minute.
        (
            Container {
                oom_killed: true,
                restarts: 1,
                started_at: Some(NOW - Span::mins(1)),
                ..container("app")
            },
            Yellow,
            "oom",
            false,
        ),
        (
            Container {
                oom_killed: true,
                started_at: Some(NOW - Span::hours(2)),
                ..container("app")
            },
            Green,
            "ok",
            false,
        ),
        // Stopped on purpose, whatever it ended with.
        (exited(0, Asked, No), Green, "ok", true),
        (exited(143, Asked, No), Green, "ok", true),
        (exited(137, Asked, Always), Green, "ok", true),
        (exited(1, Asked, No), Green, "ok", true),
        // The engine forgot, but it would have started it again.
        (exited(137, Untold, Always), Green, "ok", true),
        (exited(1, Untold, UnlessStopped), Green, "ok", true),
        (exited(1, Untold, OnFailure { most: 0 }), Green, "ok", true),
        (exited(1, Own, Always), Yellow, "exited", false),
        (failed(exited(128, Own, Always)), Red, "start", false),
        (Container { restarts: 5, ..exited(1, Own, OnFailure { most: 5 }) }, Red, "exited", false),
        (exited(0, Own, OnFailure { most: 5 }), Green, "ok", false),
        // A one-shot that is done.
        (exited(0, Own, No), Green, "ok", false),
        (exited(0, Untold, No), Green, "ok", false),
        (oneoff(exited(1, Own, No)), Green, "ok", true),
        // Crashed.
        (exited(7, Own, No), Red, "exited", false),
        (exited(137, Own, No), Red, "exited", false),
        (exited(7, Untold, No), Red, "exited", false),
        (exited(137, Oom, No), Red, "oom", false),
        (Container { oom_killed: true, ..exited(137, Untold, No) }, Red, "oom", false),
        // Nobody knows.
        (exited(137, Untold, No), Yellow, "intended", false),
        (exited(143, Untold, No), Yellow, "intended", false),
        (exited(255, Untold, No), Yellow, "intended", false),
        // Long before reef first looked.
        (old(exited(1, Untold, No)), Green, "ok", false),
        (old(exited(137, Untold, No)), Green, "ok", true),
        (old(exited(1, Own, No)), Red, "exited", false),
    ] {
        let got = one(c.clone());
        let is_meant = got.values["intended"] == Value::Flag(true);
        let told = (got.severity, got.reason.as_str(), is_meant);
        assert_eq!(told, (severity, reason, intended), "{c:?}: {}", got.words);
        assert_eq!(got.signal.to_string(), "docker nas:container:app state");
        let gives = gives();
        for (name, value) in &got.values {
            let given = gives.iter().find(|g| g.name == name);
            assert!(given.is_some_and(|g| value.fits(&g.kind)), "{name}");
        }
    }
}

#[test]
fn five_restarts_in_an_hour_are_a_fault_and_one_after_an_update_is_none() {
    let mut probe = probe();
    let restarted =
        |restarts| Container { restarts, policy: RestartPolicy::Always, ..container("app") };
    let mut at = |mins, restarts| {
        look(&mut probe, vec![restarted(restarts)], NOW + Span::mins(mins)).remove(0)
    };
    // What was before the first look is past.
    assert_eq!(at(0, 40).severity, Severity::Green);
    let once = at(1, 41);
    assert_eq!((once.severity, once.value), (Severity::Green, Some(1.0)));
    assert_eq!(at(10, 44).severity, Severity::Green);
    let red = at(20, 45);
    assert_eq!((red.severity, red.reason.as_str()), (Severity::Red, "restarts"));
    assert!(red.words.as_str().starts_with("runs, but restarted 5 times in "), "{}", red.words);
    // An hour later it is only often for a day.
    let yellow = at(90, 45);
    assert_eq!((yellow.severity, yellow.reason.as_str()), (Severity::Yellow, "restarts"));
    assert_eq!(at(26 * 60, 45).severity, Severity::Green);
    // Made an hour ago at most: all of its restarts are known at the first look.
    let young = Container { restarts: 6, created_at: NOW - Span::mins(30), ..container("young") };
    assert_eq!(one(young).severity, Severity::Red);
}

#[test]
fn an_update_is_recorded_and_what_was_removed_is_over() {
    let mut probe = probe();
    let broken = exited(1, Ended::Own, RestartPolicy::No);
    assert_eq!(look(&mut probe, vec![broken, container("db")], NOW)[0].severity, Severity::Red);
    assert!(probe.changes().is_empty(), "nothing is known to have changed at the first look");

    let new = Container {
        id: "another".into(),
        image: "app:2".into(),
        image_id: "sha256:2".into(),
        created_at: NOW + Span::mins(1),
        restarts: 1,
        ..container("app")
    };
    let readings = look(&mut probe, vec![new, container("db")], NOW + Span::mins(2));
    assert_eq!(readings[0].severity, Severity::Green);
    let changes = probe.changes();
    assert_eq!((changes.len(), changes[0].kind), (1, ChangeKind::Image));
    assert_eq!(changes[0].words.as_str(), "app: app:1 -> app:2");
    assert_eq!(readings[0].values["restarts"], Value::Int(0), "it goes with the update");

    // Stopped and started by hand.
    let stopped = Container {
        ended: Ended::Asked,
        name: "db".into(),
        id: "id-db".into(),
        ..exited(0, Ended::Asked, RestartPolicy::No)
    };
    look(&mut probe, vec![stopped], NOW + Span::mins(3));
    let changes = probe.changes();
    assert_eq!(
        (changes.len(), changes[0].kind, changes[0].words.as_str()),
        (1, ChangeKind::Switched, "db was stopped by hand")
    );
    let readings = look(&mut probe, vec![container("db")], NOW + Span::mins(4));
    assert_eq!(probe.changes()[0].words.as_str(), "db was started by hand");

    // The removed one is green for some looks, so that its incident ends, and then no more.
    let gone = readings.iter().find(|r| r.signal.target.name() == "app").unwrap();
    assert_eq!((gone.severity, gone.words.as_str()), (Severity::Green, "was removed"));
    for minute in 5..10 {
        look(&mut probe, vec![container("db")], NOW + Span::mins(minute));
    }
    assert_eq!(look(&mut probe, vec![container("db")], NOW + Span::mins(11)).len(), 1);
}

#[test]
fn who_is_left_out_is_left_out() {
    let labelled = |name: &str, label: &str, value: &str| {
        let mut c = Container { name: name.into(), ..exited(1, Ended::Own, RestartPolicy::No) };
        c.labels.insert(label.into(), value.into());
        c
    };
    let settings = Settings { ignore: vec!["test-*".into(), "db".into()], ..Settings::default() };
    let mut probe = DockerProbe::new(settings, host());
    let all = vec![
        labelled("quiet", "reef.watch", "false"),
        labelled("loud", "reef.watch", "true"),
        labelled("web.1.abc", "com.docker.swarm.task.id", "t"),
        labelled("k8s_x", "io.kubernetes.pod.name", "x"),
        Container { name: "test-1".into(), ..container("x") },
        container("db"),
        container("dbs"),
    ];
    let told: Vec<String> =
        look(&mut probe, all, NOW).iter().map(|r| r.signal.target.name().to_owned()).collect();
    assert_eq!(told, ["loud", "dbs"]);
}

#[test]
fn an_engine_that_was_never_there_is_nothing_to_speak_of() {
    let why = |why: NoFact| Facts::from([(Fact::Containers, Err(why))]);
    let (absent, failed) =
        (why(NoFact::Absent("none".into())), why(NoFact::Failed("refused".into())));
    let mut never = probe();
    let told = never.judge(&absent, &NoPast, NOW);
    assert_eq!((told.len(), told[0].reason.as_str()), (1, "absent"), "IfThere keeps silent of it");
    let told = never.judge(&failed, &NoPast, NOW);
    assert_eq!(
        (told.len(), told[0].signal.to_string().as_str(), told[0].severity),
        (1, "docker nas engine", Severity::Unknown)
    );
    let mut once = probe();
    let first = once.judge(&facts(vec![container("app")]), &NoPast, NOW);
    let said: Vec<String> = first.iter().map(|r| r.signal.to_string()).collect();
    assert_eq!(said, ["docker nas engine", "docker nas image", "docker nas:container:app state"]);
    assert_eq!((first[1].severity, first[1].value), (Severity::Green, Some(400.0)));
    for facts in [&absent, &failed, &Facts::new()] {
        let blind = once.judge(facts, &NoPast, NOW);
        assert_eq!(blind.len(), 3);
        assert!(blind.iter().all(|r| r.severity == Severity::Unknown), "{blind:?}");
    }
}

#[test]
fn what_a_real_engine_told_is_judged() {
    let told =
        printed::inspected(include_str!("../../clients/docker/recorded/inspect.json"), "", "")
            .unwrap();
    let at = Millis(1_795_215_485_000);
    let got: BTreeMap<String, (Severity, String)> = look(&mut probe(), told, at)
        .into_iter()
        .map(|r| (r.signal.target.name().to_owned(), (r.severity, r.reason.to_string())))
        .collect();
    use Severity::{Green, Red, Yellow};
    for (name, severity, reason) in [
        ("loop", Red, "restarts"),
        ("oom", Red, "oom"),
        ("sick", Red, "unhealthy"),
        ("well", Green, "ok"),
        ("crashed", Red, "exited"),
        ("once", Green, "ok"),
        ("made", Green, "ok"),
        ("badexec", Red, "start"),
        ("always", Green, "ok"),
        // Without the engine's events nobody can tell.
        ("stopped", Yellow, "intended"),
        ("killed", Yellow, "intended"),
    ] {
        assert_eq!(got[name], (severity, reason.to_owned()), "{name}");
    }
    assert_eq!(got.len(), 11);
}

fn service(name: &str, restarts: bool) -> StackService {
    let (replicas, profiled, opted_out) = (1, false, false);
    StackService { name: name.into(), replicas, profiled, restarts, opted_out }
}

fn of_project(service: &str, state: ContainerState) -> Container {
    let mut c = Container { state, ..container(service) };
    c.labels.insert("com.docker.compose.project".into(), "media".into());
    c.labels.insert("com.docker.compose.service".into(), service.into());
    c
}

#[test]
fn a_service_without_a_container_is_missed_where_the_project_runs() {
    use ContainerState::{Exited, Running};
    let stack = Stack {
        written: None,
        name: "media".into(),
        files: vec![AbsPath::new("/opt/media/compose.yaml").unwrap()],
        services: vec![
            service("web", true),
            service("db", true),
            service("once", false),
            StackService { profiled: true, ..service("debug", true) },
            StackService { replicas: 0, ..service("off", true) },
            StackService { opted_out: true, ..service("quiet", true) },
            StackService { replicas: 2, ..service("many", true) },
        ],
        fault: None,
    };
    let many = || [of_project("many", Running), of_project("many", Running)];
    let look = |probe: &mut ComposeProbe, containers: Vec<Container>, stack: &Stack| {
        let mut facts = facts(containers);
        facts.insert(Fact::Stacks, Ok(FactValue::Stacks(vec![stack.clone()])));
        let mut readings = probe.judge(&facts, &NoPast, NOW);
        assert_eq!(readings.len(), 1);
        readings.remove(0)
    };
    let new = || ComposeProbe::new(compose::Settings::default(), host());
    let told = |containers: Vec<Container>| {
        let r = look(&mut new(), containers.into_iter().chain(many()).collect(), &stack);
        (r.severity, r.words.to_string())
    };
    let both = || vec![of_project("web", Running), of_project("db", Running)];
    assert_eq!(told(both()), (Severity::Green, "all of its 4 services are there".into()));
    // A container that ended is there; what that means the docker probe says.
    assert_eq!(told(vec![of_project("web", Running), of_project("db", Exited)]).0, Severity::Green);
    assert_eq!(
        told(vec![of_project("web", Running)]),
        (Severity::Red, "no container for db".into())
    );
    let short = look(&mut new(), [both(), vec![of_project("many", Running)]].concat(), &stack);
    assert_eq!(
        (short.severity, short.words.as_str()),
        (Severity::Yellow, "too few containers: many 1 of 2")
    );
    // Down is down on purpose, and so is stopped.
    for containers in [vec![], vec![of_project("web", Exited)]] {
        let down = look(&mut new(), containers, &stack);
        assert_eq!(
            (down.severity, down.words.as_str()),
            (Severity::Green, "is down; it has 4 services")
        );
    }
    // Nothing restarts it: what was done and tidied away is not missed, what ran a moment ago is.
    let mut probe = new();
    let with = |more: Vec<Container>| [both(), many().to_vec(), more].concat();
    for containers in [with(vec![of_project("once", Exited)]), with(vec![])] {
        assert_eq!(look(&mut probe, containers, &stack).severity, Severity::Green);
    }
    assert_eq!(
        look(&mut probe, with(vec![of_project("once", Running)]), &stack).severity,
        Severity::Green
    );
    let missed = look(&mut probe, with(vec![]), &stack);
    let mut done = new();
    for containers in [
        with(vec![of_project("once", Running)]),
        with(vec![of_project("once", Exited)]),
        with(vec![]),
    ] {
        assert_eq!(look(&mut done, containers, &stack).severity, Severity::Green, "it was done");
    }
    assert_eq!(
        (missed.severity, missed.words.as_str()),
        (Severity::Yellow, "no container for once")
    );
    assert!(compose::gives().iter().all(|g| missed.values[g.name].fits(&g.kind)));
    assert_eq!(missed.signal.to_string(), "compose nas:stack:media services");
    let wrong = Stack { fault: Some(Tainted::new("line 3: no YAML")), ..stack.clone() };
    assert_eq!(look(&mut new(), both(), &wrong).severity, Severity::Unknown);
}

#[test]
fn a_swarm_is_told_node_by_node_and_service_by_service() {
    let node = |name: &str, state: &str, availability: &str| SwarmNode {
        id: format!("0123456789{name}"),
        name: name.into(),
        state: state.into(),
        availability: availability.into(),
        reachability: None,
        leader: false,
        message: None,
    };
    let service = |name: &str, running, desired, update: &str| SwarmService {
        id: name.into(),
        name: name.into(),
        image: "app:1".into(),
        running,
        desired,
        job: false,
        update: update.into(),
        error: Some(Tainted::new("no suitable node")),
        opted_out: false,
    };
    let reached = |r: &str, n: SwarmNode| SwarmNode { reachability: Some(r.into()), ..n };
    let swarm = Swarm {
        nodes: vec![
            reached("reachable", node("a", "ready", "active")),
            reached("unreachable", node("b", "ready", "active")),
            node("c", "down", "active"),
            node("d", "down", "drain"),
            node("e", "unknown", "active"),
            node("f", "ready", "pause"),
            node("a", "down", "active"),
        ],
        services: vec![
            service("full", 2, 2, "completed"),
            service("none", 0, 2, ""),
            service("some", 1, 2, ""),
            service("off", 0, 0, ""),
            service("rolling", 1, 2, "updating"),
            service("stuck", 2, 2, "paused"),
            SwarmService { job: true, ..service("job", 0, 1, "") },
            SwarmService { opted_out: true, ..service("quiet", 0, 1, "") },
        ],
        leaderless: None,
    };
    let of = |swarm: Option<Swarm>| Facts::from([(Fact::Swarm, Ok(FactValue::Swarm(swarm)))]);
    let mut probe = SwarmProbe::new(swarm::Settings::default(), host());
    assert!(probe.judge(&of(None), &NoPast, NOW).is_empty());
    let readings = probe.judge(&of(Some(swarm.clone())), &NoPast, NOW);
    let told: BTreeMap<String, Severity> =
        readings.iter().map(|r| (r.signal.target.name().to_owned(), r.severity)).collect();
    use Severity::{Green, Red, Yellow};
    for (name, want) in [
        ("", Green),
        ("a", Green),
        ("b", Red),
        ("c", Red),
        ("d", Green),
        ("e", Yellow),
        ("f", Green),
        ("a-01234567", Red),
        ("full", Green),
        ("none", Red),
        ("some", Yellow),
        ("off", Green),
        ("rolling", Yellow),
        ("stuck", Red),
        ("job", Green),
    ] {
        assert_eq!(told[name], want, "{name}");
    }
    assert_eq!(told.len(), 15);
    let none = readings.iter().find(|r| r.signal.target.name() == "none").unwrap();
    assert_eq!(none.words.as_str(), "0 of 2 replicas: no suitable node");
    // Without a leader nobody knows of the services.
    let lost = Swarm { leaderless: Some(Tainted::new("no leader")), ..Swarm::default() };
    let blind = probe.judge(&of(Some(lost)), &NoPast, NOW);
    let red: Vec<String> =
        blind.iter().filter(|r| r.severity == Red).map(|r| r.signal.to_string()).collect();
    assert_eq!((red, blind.len()), (vec!["swarm nas quorum".to_owned()], 15));
    // It left the swarm.
    assert!(probe.judge(&of(None), &NoPast, NOW).iter().all(|r| r.severity == Green));
}
