//! Raw commands, mount points, the journal, reboots: on a host of which the test writes the answers.

use std::collections::BTreeSet;

use super::stage::{Stage, abs, done, here, path, target, word};
use crate::clients::host::LinkError;
use crate::model::fact::{Fact, FactValue, Volume};
use crate::model::ids::HostName;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Bounds, Call, Tier, Undo};
use crate::model::value::{Kind, Value};
use crate::policy::argv::Argv;
use crate::tool::grants::{Needs, grants};

fn argv(line: &str) -> Value {
    Value::Argv(line.split(' ').map(str::to_owned).collect())
}

fn raw(stage: &Stage, tool: &str, line: &str) -> Call {
    let mut call = stage.call(tool, &[("argv", argv(line))]);
    call.target = Target::host(here());
    call
}

fn volume(mount: &str, source: &str, stale: Option<&str>) -> Volume {
    Volume {
        mount: AbsPath::new(mount).unwrap(),
        source: source.into(),
        fs: "nfs".into(),
        total_bytes: 1_000,
        free_bytes: 250,
        total_inodes: 0,
        free_inodes: 0,
        read_only: false,
        stale: stale.map(str::to_owned),
    }
}

fn volumes(stage: &Stage, volumes: &[Volume]) {
    let value = FactValue::Volumes(volumes.to_vec());
    stage.host.facts.lock().unwrap().insert(Fact::Volumes, value);
}

#[tokio::test]
async fn what_provably_reads_runs_and_all_else_is_for_host_exec() {
    let stage = Stage::new();
    *stage.host.said.lock().unwrap() = Ok((3, "x.service is inactive".into()));
    let found = stage.query(&raw(&stage, "host.run", "systemctl status x.service")).await.unwrap();
    assert_eq!(found.values["code"], Value::Int(3));
    assert!(found.words.as_str().contains("x.service is inactive"), "{}", found.words);
    for line in ["systemctl restart x.service", "sh -c id", "sort --compress-prog=x", "./df"] {
        let why = stage.parse(&raw(&stage, "host.run", line)).err().unwrap().to_string();
        assert!(why.contains("host.exec takes it"), "{line}: {why}");
    }
    assert_eq!(stage.host.commands.lock().unwrap().len(), 1);
}

#[test]
fn a_raw_command_is_critical_and_one_that_the_runbook_names_high() {
    let stage = Stage::new();
    let tier = |line: &str, named: &[&str]| {
        let mut call = raw(&stage, "host.exec", line);
        let commands = named.iter().map(|l| l.split(' ').map(str::to_owned).collect()).collect();
        call.bounds = Bounds { commands, ..Bounds::default() };
        stage.action(&call).tier()
    };
    assert_eq!(tier("zpool clear tank", &[]), Tier::Critical);
    // Not an evaluator: naming it changes nothing.
    assert_eq!(tier("zpool clear tank", &["zpool clear tank"]), Tier::Critical);
    assert_eq!(tier("sh -c id", &[]), Tier::Critical);
    assert_eq!(tier("sh -c id", &["sh -c id"]), Tier::High);
    for near in ["sh -c id ", "sh -c  id", "sh -c", "bash -c id", "sh -c id x"] {
        assert_eq!(tier("sh -c id", &[near]), Tier::Critical, "{near}");
    }
    let why = stage.parse(&raw(&stage, "host.exec", "df -h")).err().unwrap().to_string();
    assert!(why.contains("host.run takes it"), "{why}");
}

#[test]
fn no_tool_gives_a_command_so_that_only_a_runbook_can_write_one() {
    let stage = Stage::new();
    for tool in stage.tools() {
        assert!(tool.spec().gives.iter().all(|g| g.kind != Kind::Argv), "{}", tool.spec().name);
    }
}

#[tokio::test]
async fn what_failed_is_told_with_both_outputs_and_a_look_around() {
    let stage = Stage::new();
    let call = raw(&stage, "host.exec", "zpool clear tank");
    *stage.host.said.lock().unwrap() = Ok((1, "cannot clear tank: no such pool".into()));
    let (_, result) = stage.act(&call).await;
    assert_eq!(result.word(), "failed");
    let ran = stage.host.commands.lock().unwrap().clone();
    assert_eq!(ran[..2], ["zpool clear tank", "uptime"], "it ran once, then was looked around");
    assert!(result.words().contains("stderr: cannot clear tank: no such pool"), "{result:?}");

    // Provably never begun: the gate tries once more, and only then.
    *stage.host.said.lock().unwrap() = Err(LinkError::NotStarted("no connection".into()));
    let permit = stage.permit(&call).await;
    stage.host.commands.lock().unwrap().clear();
    let twice = crate::gate::again::carried_out(stage.again_tools(), permit.step()).await;
    assert_eq!((twice.result.word(), twice.tries), ("not started", 2), "{:?}", twice.result);
    assert_eq!(*stage.host.commands.lock().unwrap(), ["zpool clear tank"; 2]);
    // A right that is missing is not asked for again.
    *stage.host.said.lock().unwrap() = Ok((1, "sudo: a password is required".into()));
    stage.host.commands.lock().unwrap().clear();
    let once = crate::gate::again::carried_out(stage.again_tools(), permit.step()).await;
    assert_eq!((once.result.word(), once.tries), ("not started", 1), "{:?}", once.result);
    // Sent: never again.
    stage.host.commands.lock().unwrap().clear();
    *stage.host.said.lock().unwrap() = Err(LinkError::TimedOut(Span::secs(60)));
    let (_, result) = stage.act(&call).await;
    assert!(matches!(result, ActionResult::Unknown(_)), "{result:?}");
    let clears = stage.host.commands.lock().unwrap().iter().filter(|c| c.contains("clear")).count();
    assert_eq!(clears, 1);
}

#[test]
fn what_is_looked_at_after_a_failure_is_a_look_of_the_table() {
    let stage = Stage::new();
    let mut tools = BTreeSet::new();
    for thing in [
        "mini:unit:web.service",
        "mini:container:web",
        "mini:compose:shop/web",
        "mini:stack:shop",
        "mini:/srv/web",
        "mini:member:pi-1",
        "mini/media/pod/web",
        "mini/media/deployment/web",
        "mini/media/statefulset/web",
        "mini/media/daemonset/web",
        "mini/web/secret/site-tls",
    ] {
        let mut failed = stage.call("host.exec", &[]);
        failed.target = target(thing);
        let looks = crate::gate::again::looks(&failed);
        assert!(!looks.is_empty(), "{thing}");
        for look in looks {
            let parsed = stage.parse(&look);
            assert!(
                matches!(parsed, Ok(crate::gate::tool::Parsed::Query(_))),
                "{look}: {:?}",
                parsed.err()
            );
            tools.insert(look.tool.to_string());
        }
    }
    assert_eq!(tools.len(), 11, "{tools:?}");
}

#[tokio::test]
async fn a_missing_right_is_told_with_its_grant_and_nothing_is_tried_around_it() {
    let stage = Stage::new();
    let call = raw(&stage, "host.exec", "zpool clear tank");
    *stage.host.said.lock().unwrap() = Ok((1, "sudo: a password is required".into()));
    let (_, result) = stage.act(&call).await;
    let ActionResult::NotStarted(words) = &result else { panic!("{result:?}") };
    assert!(words.contains("NOPASSWD: /usr/bin/timeout -k 2 60 zpool clear tank"), "{words}");
    assert_eq!(*stage.host.commands.lock().unwrap(), ["zpool clear tank"]);
    *stage.host.said.lock().unwrap() = Ok((1, "cannot clear: Permission denied".into()));
    let (_, result) = stage.act(&call).await;
    assert!(matches!(result, ActionResult::Failed(_)) && result.words().contains("is missing"));
}

#[tokio::test]
async fn only_declared_mount_points_are_touched() {
    let stage = Stage::with(|inventory, _| {
        inventory.mounts = BTreeSet::from([target("mini:/mnt/photos")]);
    });
    volumes(&stage, &[volume("/mnt/photos", "nas:/photos", Some("has not answered"))]);
    let call = |tool: &str, mount: &str, lazy: bool| {
        let mut args = vec![("mount", Value::Target(target(mount)))];
        if lazy {
            args.push(("lazy", Value::Flag(true)));
        }
        stage.call(tool, &args)
    };
    for mount in ["mini:/", "mini:/mnt", "mini:/mnt/photos/x", "mini:/srv"] {
        let why = stage.parse(&call("mount.unmount", mount, true)).err().unwrap().to_string();
        assert!(why.contains("mounts ="), "{mount}: {why}");
    }
    let detach = call("mount.unmount", "mini:/mnt/photos", true);
    let (effect, undo) = stage.preview(&detach).await.unwrap();
    assert_eq!(effect.words, "detach mini:/mnt/photos (now stale)");
    let Undo::By(undo) = undo else { panic!() };
    assert!(undo.tool.as_str() == "mount.mount" && stage.parse(&undo).is_ok());
    assert!(done(&stage.act(&detach).await.1).starts_with("detached mini:/mnt/photos"));
    let plain = call("mount.unmount", "mini:/mnt/photos", false);
    stage.act(&plain).await;
    stage.act(&call("mount.mount", "mini:/mnt/photos", false)).await;
    let ran = stage.host.commands.lock().unwrap().clone();
    assert_eq!(ran, ["umount -l /mnt/photos", "umount /mnt/photos", "mount /mnt/photos"]);
    assert_eq!(stage.action(&plain).tier(), Tier::Medium);
}

#[tokio::test]
async fn a_mount_points_server_is_asked_only_where_the_config_names_it() {
    let stage = Stage::with(|inventory, _| {
        inventory.ways.insert(HostName::of("nas"), crate::config::hosts::Ssh::default());
    });
    let at = Value::Target(target("mini:/mnt/photos"));
    let call = stage.call("mount.status", &[("mount", at)]);
    for (source, server) in [
        ("nas:/photos", true),
        ("ann@nas:/photos", true),
        ("//NAS/photos", true),
        ("evil.example:/x", false),
        ("/dev/sda1", false),
        ("tank/photos", false),
    ] {
        volumes(&stage, &[volume("/mnt/photos", source, Some("x"))]);
        let found = stage.query(&call).await.unwrap();
        assert_eq!(found.values["state"], word("stale"));
        assert_eq!(found.values.contains_key("server_port"), server, "{source}");
    }
    volumes(&stage, &[]);
    assert_eq!(stage.query(&call).await.unwrap().values["state"], word("absent"));
}

#[tokio::test]
async fn a_host_is_rebooted_only_as_the_config_says() {
    let stage = Stage::new();
    stage.host.facts.lock().unwrap().insert(Fact::Uptime, FactValue::Uptime(Span::days(3)));
    let mut call = stage.call("host.reboot", &[]);
    call.target = Target::host(here());
    assert_eq!(stage.action(&call).tier(), Tier::Critical);
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("everything on it is down"), "{}", effect.words);
    stage.act(&call).await;
    assert_eq!(*stage.host.commands.lock().unwrap(), ["systemctl reboot"]);
    let none = Stage::with(|inventory, _| inventory.reboots.clear());
    let why = none.parse(&call).err().unwrap().to_string();
    assert!(why.contains("reboot = ["), "{why}");
}

#[tokio::test]
async fn the_journal_keeps_what_is_said_and_a_vacuum_counts_by_what_it_freed() {
    let stage = Stage::new();
    let mut call = stage.call("journal.vacuum", &[]);
    call.target = Target::host(here());
    let takes =
        |size: &str| format!("Archived and active journals take up {size} in the file system.");
    let said = |size: &str| *stage.host.said.lock().unwrap() = Ok((0, takes(size)));
    said("3.9G");
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("until 500 MiB are left: it takes 3.8 GiB"), "{}", effect.words);
    assert_eq!(effect.max_items, 1);

    // Ended with 0, and as large as before.
    let (_, result) = stage.act(&call).await;
    let commands = stage.host.commands.lock().unwrap().clone();
    assert!(commands.contains(&"journalctl --vacuum-size=524288000".to_owned()), "{commands:?}");
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("nothing was freed")),
        "{result:?}"
    );

    said("500.0M");
    // For the preview, the look before, and the vacuum itself.
    *stage.host.first.lock().unwrap() = vec![takes("3.9G"), takes("3.9G"), takes("3.9G")];
    let (_, result) = stage.act(&call).await;
    assert!(done(&result).contains("freed 3.4 GiB: 500 MiB are left"), "{result:?}");

    // What is small enough is left alone; what cannot be measured is not begun.
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.max_items == 0 && effect.words.contains("nothing to do"), "{}", effect.words);
    *stage.host.said.lock().unwrap() = Ok((0, "what?".into()));
    assert!(stage.preview(&call).await.is_err());
    call.args.insert("keep".into(), Value::Bytes(1 << 20));
    assert!(stage.parse(&call).is_err());
}

#[tokio::test]
async fn ends_of_files_are_read_below_declared_folders_only() {
    let stage = Stage::with(|inventory, dir| {
        inventory.tails = BTreeSet::from([Target::path(here(), &abs(&dir.join("files")))]);
        inventory.repositories.clear();
    });
    let call = |at: &str| stage.call("files.tail", &[("path", path(&stage.root().join(at)))]);
    let inside = stage.root().join("app.log").display().to_string();
    *stage.host.said.lock().unwrap() = Ok((0, inside));
    let found = stage.query(&call("app.log")).await.unwrap();
    assert_eq!(found.values["errors"], Value::Int(0));
    // Where the name leads elsewhere, nothing is read.
    stage.host.commands.lock().unwrap().clear();
    *stage.host.said.lock().unwrap() = Ok((0, "/etc/shadow".into()));
    let why = stage.query(&call("app.log")).await.unwrap_err().to_string();
    assert!(why.contains("/etc/shadow"), "{why}");
    assert_eq!(stage.host.commands.lock().unwrap().len(), 1);
    let outside = stage.call("files.tail", &[("path", path(std::path::Path::new("/etc/shadow")))]);
    assert!(stage.parse(&outside).is_err());
    let repository = stage.call("git.log", &[("path", path(&stage.root()))]);
    let why = stage.parse(&repository).err().unwrap().to_string();
    assert!(why.contains("repositories"), "{why}");
}

#[tokio::test]
async fn volumes_and_load_come_in_numbers() {
    let stage = Stage::new();
    volumes(
        &stage,
        &[volume("/srv", "/dev/sda1", None), volume("/mnt/x", "nas:/x", Some("stale"))],
    );
    let mut call = stage.call("host.df", &[]);
    call.target = Target::host(here());
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["used_percent"], Value::Int(75));
    assert_eq!(found.values["stale"], Value::Int(1));
}

#[test]
fn a_key_that_acts_is_authorized_for_exactly_what_the_config_needs() {
    let mut inventory = crate::tool::world::Inventory {
        restartable: ["nas:unit:web.service", "mini:unit:own.service", "nas:container:photos"]
            .map(target)
            .into(),
        mounts: [target("nas:/mnt/photos")].into(),
        ..crate::tool::world::Inventory::default()
    };
    inventory.reboots.insert(HostName::of("nas"), vec!["systemctl".into(), "reboot".into()]);
    let needs = Needs {
        units: ["web.service", "db.service", "ssh.service", "x.timer"].map(str::to_owned).into(),
        commands: vec![vec!["zpool".into(), "clear".into(), "tank".into()]],
        vacuums: true,
        tools: ["process.kill"].map(crate::model::ids::ToolName::of).into(),
    };
    let listed = grants(&HostName::of("nas"), &inventory, &needs);
    let lines: Vec<String> = listed.iter().map(|l| l.argv.to_string()).collect();
    assert_eq!(
        lines,
        [
            "docker restart -- photos",
            "docker start -- photos",
            "journalctl --vacuum-size=524288000",
            "mount /mnt/photos",
            "systemctl reboot",
            "systemctl restart db.service",
            "systemctl restart web.service",
            "umount -l /mnt/photos",
            "umount /mnt/photos",
            "zpool clear tank",
        ]
    );
    let odd = Argv::new(vec!["systemctl".into(), "restart".into(), "own.service".into()]).unwrap();
    assert!(listed.iter().all(|l| l.argv != odd), "another host's unit");
}

#[test]
fn every_tool_that_acts_says_how_it_is_let_over_ssh() {
    use crate::tool::grants::WAYS;
    let stage = Stage::new();
    let acts = stage.tools().iter().map(|tool| tool.spec()).filter(|s| Tier::Low < s.max_tier);
    let acts: BTreeSet<&str> = acts.map(|spec| spec.name.as_str()).collect();
    let rows: BTreeSet<&str> = WAYS.iter().map(|(tool, _)| *tool).collect();
    assert_eq!(rows, acts);
    assert_eq!(rows.len(), WAYS.len(), "one row each");
}

/// What is said to be listed is listed, once the config declares it.
#[test]
fn each_row_of_the_table_has_its_command_or_its_shape() {
    use crate::clients::ssh::gatekeeper::{Files, program};
    use crate::policy::denied::Sudo;
    use crate::tool::grants::{WAYS, Way, shapes};
    let mut stage = Stage::new();
    let peer = crate::clients::tls::TlsServer {
        host: "site.example".into(),
        port: 443,
        name: "site.example".into(),
        lineage: Some("site".into()),
        config_dir: None,
    };
    let mut inventory = (*stage.world.inventory).clone();
    let tls = Some(peer);
    inventory.endpoints.insert("site".into(), crate::tool::world::Endpoint { url: None, tls });
    inventory.places.insert("site".into(), here());
    inventory.served_by.insert("site".into(), target("mini:unit:nginx.service"));
    inventory.restartable.insert(target("mini:container:app"));
    inventory.stacks.insert(here(), vec!["/opt/stacks/*".into()]);
    stage.world.inventory = std::sync::Arc::new(inventory);
    let needs = Needs {
        units: ["postgresql@copy.service".to_owned()].into(),
        commands: vec![vec!["zpool".into(), "clear".into(), "tank".into()]],
        vacuums: true,
        tools: ["process.kill"].map(crate::model::ids::ToolName::of).into(),
    };
    let files = Files {
        roots: [AbsPath::new("/var/log").unwrap()].into(),
        quarantine: AbsPath::new("/var/lib/reef-quarantine").unwrap(),
    };
    let inventory = &stage.world.inventory;
    let listed = grants(&here(), inventory, &needs);
    let text = program(&listed, Some(&files), &shapes(&here(), inventory, &needs), Sudo::No);
    for (tool, way) in WAYS {
        let part = match (*tool, way) {
            (_, Way::Elsewhere) => continue,
            (_, Way::Files) => "'reef-files '*)",
            ("backup.create", _) => "'systemctl start --wait restic.service'",
            ("certificate.renew", _) => "certbot",
            ("compose.pull" | "compose.restart" | "compose.up", _) => "'docker compose -p '*",
            ("compose.rollback", _) => "'docker tag -- '*",
            ("container.restart", _) => "'docker restart -- app'",
            ("container.start", _) => "'docker start -- app'",
            ("database.restart_standby", _) => "'systemctl restart postgresql@copy.service'",
            ("debug.enable", _) => "'systemctl service-log-level web.service debug'",
            ("debug.disable", _) => "'systemctl service-log-level web.service info'",
            ("host.exec", _) => "'zpool clear tank'",
            ("host.reboot", _) => "'systemctl reboot'",
            ("image.prune", _) => "'docker rmi -- '*",
            ("image.pull", _) => "'docker pull --quiet -- '*",
            ("journal.vacuum", _) => "'journalctl --vacuum-size=",
            ("mount.mount", _) => "'mount /mnt/photos'",
            ("mount.unmount", _) => "'umount /mnt/photos'",
            ("process.kill", _) => "'reef-kill '*)",
            ("snapshot.create" | "snapshot.forget" | "snapshot.rollback", _) => "btrfs subvolume",
            ("unit.reload", _) => "'systemctl reload-or-restart nginx.service'",
            ("unit.restart", _) => "'systemctl restart ",
            (tool, _) => panic!("{tool} has a row, and nothing that is let"),
        };
        assert!(text.contains(part), "{tool}: {part}: {text}");
    }
}

/// What a model chooses must already stand in the config: a server that listens on every kind of address
/// that a call could name hears nothing.
#[tokio::test]
async fn nothing_is_sent_to_a_name_that_is_not_declared() {
    use tokio::io::AsyncReadExt;
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let udp = tokio::net::UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
    let mut stage = Stage::new();
    stage.world.web = std::sync::Arc::new(crate::tool::network::Network::default());
    let stage = stage.again();
    let canary = format!("c2VjcmV0.127.0.0.1.{port}");
    let endpoints = [canary.as_str(), "127.0.0.1", "localhost", "photos2", "photos.evil"];
    for name in endpoints {
        for tool in ["http.get", "tls.inspect", "dns.lookup"] {
            let named = target(&format!("mini:endpoint:{name}"));
            let call = stage.call(tool, &[("endpoint", Value::Target(named))]);
            let why = stage.query(&call).await.unwrap_err().to_string();
            assert!(why.contains("of the config"), "{tool} {name}: {why}");
        }
    }
    for host in ["localhost", "127.0.0.1", "evil"] {
        let mut call = stage.call("net.reach", &[]);
        call.target = Target::host(HostName::new(host).unwrap());
        let why = stage.query(&call).await.unwrap_err().to_string();
        assert!(why.contains("of the config"), "{host}: {why}");
    }
    for line in [format!("curl http://127.0.0.1:{port}/"), format!("dig @127.0.0.1 -p {port} x")] {
        assert!(stage.parse(&raw(&stage, "host.run", &line)).is_err());
    }
    let heard = tokio::time::timeout(std::time::Duration::from_millis(100), async {
        let mut bytes = [0; 64];
        tokio::select! {
            got = udp.recv(&mut bytes) => got.unwrap_or(0),
            got = tcp.accept() => match got {
                Ok((mut stream, _)) => stream.read(&mut bytes).await.unwrap_or(1).max(1),
                Err(_) => 1,
            },
        }
    });
    assert!(heard.await.is_err(), "somebody spoke to an address that is not declared");
}
