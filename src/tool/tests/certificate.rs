//! Renewing by certbot, on a host that tells what the test says.

use crate::model::fact::{Fact, FactValue, Unit};
use crate::model::ids::UnitName;
use crate::model::renewal::{Lineage, OnDisk, Renewals, Timer};
use crate::model::target::AbsPath;
use crate::model::time::Millis;
use crate::model::tool::{ActionResult, Call};
use crate::model::value::Value;
use crate::tool::grants::{Needs, grants};
use crate::tool::tests::stage::{NOW, Stage, here, target, word};

const DAY: i64 = 86_400_000;

/// A host whose certbot has this lineage.
fn holds(stage: &Stage, name: &str, serial: &str, changed_at: i64) {
    let on_disk = (!serial.is_empty()).then(|| OnDisk {
        serial: serial.to_owned(),
        not_after: Millis(NOW + if serial == "01" { 5 } else { 90 } * DAY),
        names: vec!["photos.example".into()],
    });
    let lineage = Lineage {
        name: name.to_owned(),
        changed_at: Some(Millis(changed_at)),
        authenticator: "webroot".into(),
        server: "https://acme.example/dir".into(),
        on_disk,
        ..Lineage::default()
    };
    let timer = Timer {
        name: "certbot.timer".into(),
        active: "inactive".into(),
        enabled: "disabled".into(),
        result: "success".into(),
    };
    let found = Renewals { lineages: vec![lineage], timers: vec![timer], ..Renewals::default() };
    stage.host.facts.lock().unwrap().insert(Fact::Renewals, FactValue::Renewals(found));
}

fn call(stage: &Stage, tool: &str) -> Call {
    let endpoint = target("mini:endpoint:photos");
    stage.call(tool, &[("endpoint", Value::Target(endpoint))])
}

/// The server shows serial 01, five days before its end.
fn stage() -> Stage {
    let stage = Stage::with(|inventory, _| {
        inventory.served_by = [("photos".to_owned(), target("mini:unit:nginx.service"))].into();
        inventory.places = [("photos".to_owned(), here())].into();
    });
    holds(&stage, "photos.example", "01", 0);
    stage
}

#[tokio::test]
async fn the_preview_says_what_is_renewed_and_what_must_read_it() {
    let stage = stage();
    let found = stage.query(&call(&stage, "tls.inspect")).await.unwrap();
    assert_eq!(found.values["method"], word("certbot"));
    assert_eq!(found.values["due"], Value::Flag(true));
    assert_eq!(found.values["starts"], word("broken"));
    assert_eq!(found.values["unit"], Value::Target(target("mini:unit:nginx.service")));
    assert!(found.words.as_str().contains("broken: certbot.timer is inactive"), "{}", found.words);
    let (effect, _) = stage.preview(&call(&stage, "certificate.renew")).await.unwrap();
    for part in [
        "renew the certificate photos.example (for photos.example; 5 days left) by certbot",
        "proven by webroot to https://acme.example/dir",
        "mini:unit:nginx.service serves it and must read it anew",
        "certbot.timer is inactive and not enabled",
    ] {
        assert!(effect.words.contains(part), "{part} is not in {}", effect.words);
    }
    assert!(stage.host.commands.lock().unwrap().is_empty(), "a preview runs nothing");
}

#[tokio::test]
async fn a_good_ending_without_a_new_certificate_is_a_failure() {
    let stage = stage();
    let call = call(&stage, "certificate.renew");
    *stage.host.said.lock().unwrap() = Ok((0, "No renewals were attempted.".into()));
    let (_, result) = stage.act(&call).await;
    let ActionResult::Failed(words) = &result else { panic!("{result:?}") };
    assert!(words.contains("nothing changed") && words.contains("No renewals"), "{words}");
    let commands = stage.host.commands.lock().unwrap().clone();
    assert_eq!(
        commands[0],
        "certbot renew --cert-name photos.example --non-interactive --no-random-sleep-on-renew"
    );
    // As well where only the time of its file can be seen.
    holds(&stage, "photos.example", "", DAY);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    let result = stage.act_as(&call, effect, undo).await;
    assert!(matches!(result, ActionResult::Failed(_)), "{result:?}");
}

#[tokio::test]
async fn a_failure_brings_both_outputs_and_a_lost_one_is_unknown() {
    let stage = stage();
    let call = call(&stage, "certificate.renew");
    *stage.host.said.lock().unwrap() =
        Ok((1, "Failed to renew certificate photos.example with error: refused".into()));
    let (_, result) = stage.act(&call).await;
    assert_eq!(result.word(), "failed");
    assert!(result.words().contains("with error: refused"), "{result:?}");
    use crate::clients::host::LinkError;
    use crate::model::time::Span;
    *stage.host.said.lock().unwrap() = Err(LinkError::TimedOut(Span::mins(10)));
    assert_eq!(stage.act(&call).await.1.word(), "unknown");
}

#[tokio::test]
async fn what_was_renewed_meanwhile_or_by_others_is_left_alone() {
    let stage = stage();
    let call = call(&stage, "certificate.renew");
    let (effect, undo) = stage.preview(&call).await.unwrap();
    // Somebody renewed it between plan and yes.
    holds(&stage, "photos.example", "02", NOW);
    let result = stage.act_as(&call, effect, undo).await;
    assert_eq!(result.word(), "not started", "{result:?}");
    assert!(stage.host.commands.lock().unwrap().is_empty());
    for (lineage, serial, part) in [
        ("photos.example", "02", "renewed already"),
        ("npm-12", "01", "write lineage = \"npm-12\" at the probe tls.photos"),
    ] {
        holds(&stage, lineage, serial, 0);
        let why = stage.preview(&call).await.unwrap_err().to_string();
        assert!(why.contains(part), "{why}");
    }
    stage.host.facts.lock().unwrap().clear();
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("certbot does not renew it"), "{why}");
}

#[tokio::test]
async fn a_unit_reads_its_files_anew_or_is_restarted_where_it_cannot() {
    let stage = Stage::new();
    let unit = |name: &str, active: &str| {
        let fact = Fact::Unit(UnitName::new(name).unwrap());
        let unit = Unit {
            name: name.into(),
            active: active.into(),
            sub: "running".into(),
            load: "loaded".into(),
            result: "success".into(),
            enabled: "enabled".into(),
            restarts: 0,
            main_pid: 7,
            exit_code: 0,
            inactive_at: Millis(0),
        };
        stage.host.facts.lock().unwrap().insert(fact, FactValue::Unit(unit));
    };
    unit("nginx.service", "active");
    unit("old.service", "inactive");
    let call = |name: &str| {
        let unit = target(&format!("mini:unit:{name}"));
        stage.call("unit.reload", &[("unit", Value::Target(unit))])
    };
    for (said, words) in [("yes\n", "it goes on serving"), ("no\n", "down for a moment")] {
        *stage.host.said.lock().unwrap() = Ok((0, said.to_owned()));
        let (effect, _) = stage.preview(&call("nginx.service")).await.unwrap();
        assert!(effect.words.contains(words), "{}", effect.words);
    }
    let (_, result) = stage.act(&call("nginx.service")).await;
    assert_eq!(result.word(), "done");
    let commands = stage.host.commands.lock().unwrap().clone();
    assert_eq!(commands.last().unwrap(), "systemctl reload-or-restart nginx.service");
    assert!(stage.preview(&call("old.service")).await.is_err());
    for never in ["ssh.service", "reef.service", "nginx"] {
        assert!(stage.parse(&call(never)).is_err(), "{never}");
    }
}

#[test]
fn a_key_may_renew_what_the_config_names_and_reload_what_serves_it() {
    let stage = stage();
    let listed = |host: &str| -> Vec<String> {
        let host = crate::model::ids::HostName::new(host).unwrap();
        let all = grants(&host, &stage.world.inventory, &Needs::default());
        all.iter().map(|listed| listed.argv.to_string()).collect()
    };
    let here = listed("mini");
    for line in [
        "certbot renew --cert-name photos.example --non-interactive --no-random-sleep-on-renew",
        "systemctl reload-or-restart nginx.service",
    ] {
        assert!(here.iter().any(|known| known == line), "{line}: {here:#?}");
    }
    assert!(!listed("nas").iter().any(|line| line.contains("certbot")));
}

#[tokio::test]
async fn a_certificate_in_a_file_is_told_with_who_renews_it() {
    let stage = stage();
    let of = |path: &str| {
        let path = Value::Path(AbsPath::new(path).unwrap());
        stage.call("certificate.inspect", &[("path", path)])
    };
    let found = stage.query(&of("/etc/ssl/web.pem")).await.unwrap();
    assert_eq!(found.values["method"], word("certbot"));
    assert_eq!(found.values["days"], Value::Int(5));
    assert_eq!(found.values["due"], Value::Flag(true));
    assert!(found.words.as_str().contains("broken: certbot.timer is inactive"), "{}", found.words);
    // certbot has another one: the file is a copy that nobody brought up to date.
    holds(&stage, "photos.example", "02", NOW);
    let found = stage.query(&of("/etc/ssl/web.pem")).await.unwrap();
    assert_eq!(found.values["due"], Value::Flag(false));
    let found = stage.query(&of("/etc/ssl/own.pem")).await.unwrap();
    assert_eq!(found.values["method"], word("self-signed"));
    let none = stage.query(&of("/etc/ssl/none")).await.unwrap_err();
    assert!(none.to_string().contains("no such file"), "{none}");
    let mut elsewhere = of("/etc/ssl/web.pem");
    elsewhere.target = target("nas");
    assert!(stage.parse(&elsewhere).is_err(), "the files of other hosts are not read");
}

#[tokio::test]
async fn a_real_file_is_read() {
    use crate::tool::network::{Network, Web};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| AbsPath::new(folder.path().join(name).to_str().unwrap()).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["web.home".to_owned()]).unwrap();
    std::fs::write(folder.path().join("web.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let network = Network::default();
    let leaf = network.in_file(&at("web.pem"), Millis(NOW)).await.unwrap();
    assert_eq!(leaf.names[0].as_str(), "web.home");
    assert!(leaf.self_signed);
    for (name, part) in [("none.pem", "no such file"), ("empty.pem", "no certificate")] {
        let why = network.in_file(&at(name), Millis(NOW)).await.unwrap_err();
        assert!(why.contains(part) && why.contains(name), "{why}");
    }
}

#[tokio::test]
async fn another_folder_of_certbots_is_used_only_where_the_config_says_it() {
    let stage = stage();
    let in_folder = |stage: &Stage, serial: &str| {
        holds(stage, "photos.example", serial, 0);
        let mut facts = stage.host.facts.lock().unwrap();
        let Some(FactValue::Renewals(found)) = facts.get_mut(&Fact::Renewals) else { panic!() };
        found.lineages[0].folder = "/srv/certbot".into();
    };
    in_folder(&stage, "01");
    let why = stage.preview(&call(&stage, "certificate.renew")).await.unwrap_err().to_string();
    assert!(why.contains("write config_dir = \"/srv/certbot\" at the probe tls.photos"), "{why}");
    let declared = Stage::with(|inventory, _| {
        let photos = inventory.endpoints.get_mut("photos").unwrap().tls.as_mut().unwrap();
        photos.config_dir = AbsPath::new("/srv/certbot").ok();
        inventory.places = [("photos".to_owned(), here())].into();
    });
    in_folder(&declared, "01");
    let (_, result) = declared.act(&call(&declared, "certificate.renew")).await;
    assert!(result.words().contains("nothing changed"), "{result:?}");
    let ran = declared.host.commands.lock().unwrap()[0].clone();
    assert!(ran.ends_with("--no-random-sleep-on-renew --config-dir /srv/certbot"), "{ran}");
}
