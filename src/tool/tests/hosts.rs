//! Units, logs, endpoints and messages, on a host of which the test writes the answers.

use super::stage::{Stage, done, here, target, word};
use crate::clients::host::LinkError;
use crate::model::fact::{Fact, FactValue, Unit};
use crate::model::ids::UnitName;
use crate::model::message::Urgency;
use crate::model::target::{Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::{ActionResult, Call};
use crate::model::value::Value;

fn on(stage: &Stage, tool: &str, unit: &str) -> Call {
    let unit = Target::new(here(), Thing::Unit, unit).unwrap();
    stage.call(tool, &[("unit", Value::Target(unit))])
}

fn stands(stage: &Stage, name: &str, load: &str) {
    let unit = Unit {
        name: name.into(),
        active: "failed".into(),
        sub: "failed".into(),
        load: load.into(),
        result: "exit-code".into(),
        enabled: "enabled".into(),
        restarts: 3,
        main_pid: 0,
        exit_code: 1,
        inactive_at: Millis(0),
    };
    let fact = Fact::Unit(UnitName::new(name).unwrap());
    stage.host.facts.lock().unwrap().insert(fact, FactValue::Unit(unit));
}

#[tokio::test]
async fn a_unit_is_looked_at_and_restarted() {
    let stage = Stage::new();
    stands(&stage, "nginx.service", "loaded");
    let found = stage.query(&on(&stage, "unit.status", "nginx.service")).await.unwrap();
    assert_eq!(found.values["state"], word("failed"));
    assert_eq!(found.values["result"], word("exit-code"));
    assert_eq!(found.values["restarts"], Value::Int(3));
    assert_eq!(found.values["restartable"], Value::Flag(true));

    let call = on(&stage, "unit.restart", "nginx.service");
    let (effect, _) = stage.preview(&call).await.unwrap();
    assert!(effect.words.contains("down for a moment"), "{}", effect.words);
    assert!(stage.host.commands.lock().unwrap().is_empty(), "the preview ran a command");
    let (_, result) = stage.act(&call).await;
    assert!(done(&result).starts_with("restarted mini:unit:nginx.service"), "{result:?}");
    assert_eq!(*stage.host.commands.lock().unwrap(), ["systemctl restart nginx.service"]);
}

#[tokio::test]
async fn how_a_restart_fails_is_told_apart() {
    let stage = Stage::new();
    stands(&stage, "nginx.service", "loaded");
    let call = on(&stage, "unit.restart", "nginx.service");
    for (said, want) in [
        (Ok((1, "Job failed".to_owned())), "failed"),
        (Err(LinkError::NotStarted("no systemctl".into())), "not started"),
        (Err(LinkError::TimedOut(Span::secs(120))), "unknown"),
        (Err(LinkError::Lost("reset".into())), "unknown"),
    ] {
        *stage.host.said.lock().unwrap() = said;
        let (_, result) = stage.act(&call).await;
        assert_eq!(result.word(), want, "{result:?}");
        assert!(matches!(result, ActionResult::Unknown(_)) == (want == "unknown"));
    }
}

#[tokio::test]
async fn units_that_are_not_there_or_not_for_reef_are_refused() {
    let stage = Stage::new();
    stands(&stage, "gone.service", "not-found");
    let call = on(&stage, "unit.restart", "gone.service");
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("not-found"), "{why}");
    let found = stage.query(&on(&stage, "unit.status", "gone.service")).await.unwrap();
    assert_eq!(found.values["state"], word("not-found"));
    for unit in ["ssh.service", "systemd-journald.service", "reef.service", "nginx", "a.mount"] {
        assert!(stage.parse(&on(&stage, "unit.restart", unit)).is_err(), "{unit}");
    }
}

#[tokio::test]
async fn log_lines_come_as_templates() {
    let stage = Stage::new();
    let text = "error: disk 7 is gone\nhello\nerror: disk 8 is gone\n";
    *stage.host.said.lock().unwrap() = Ok((0, text.to_owned()));
    let found = stage.query(&on(&stage, "unit.logs", "nginx.service")).await.unwrap();
    assert_eq!(found.values["errors"], Value::Int(2));
    let Value::Text(template) = &found.values["template"] else { panic!() };
    assert!(template.as_str().contains("disk <n> is gone"), "{template}");

    let log = Target::new(here(), Thing::Log, "journal").unwrap();
    let call = stage.call("logs.patterns", &[("log", Value::Target(log))]);
    *stage.host.said.lock().unwrap() = Ok((0, "error: disk 7\nerror: disk 8\nother\n".to_owned()));
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["known"], Value::Flag(true));
    assert_eq!(found.values["count"], Value::Int(2));
    *stage.host.said.lock().unwrap() = Ok((0, "strange\n".to_owned()));
    assert_eq!(stage.query(&call).await.unwrap().values["known"], Value::Flag(false));
    *stage.host.said.lock().unwrap() = Ok((1, "no journal".to_owned()));
    assert!(stage.query(&call).await.unwrap_err().to_string().contains("no journal"));
}

#[tokio::test]
async fn only_named_endpoints_are_asked() {
    let stage = Stage::new();
    let call = |tool: &str, name: &str| {
        let endpoint = target(&format!("mini:endpoint:{name}"));
        stage.call(tool, &[("endpoint", Value::Target(endpoint))])
    };
    let found = stage.query(&call("http.get", "jellyfin")).await.unwrap();
    assert_eq!(found.values["status"], Value::Int(502));
    assert!(stage.parse(&call("http.get", "evil.example")).is_err());
    for tool in ["tls.inspect", "certificate.renew"] {
        assert!(stage.parse(&call(tool, "jellyfin")).is_err(), "it has no TLS");
        assert!(stage.parse(&call(tool, "evil.example")).is_err());
    }
    let found = stage.query(&call("tls.inspect", "photos")).await.unwrap();
    assert_eq!(found.values["days"], Value::Int(5));
    let found = stage.query(&call("tls.inspect", "own")).await.unwrap();
    assert_eq!(found.values["method"], word("self-signed"));
}

#[tokio::test]
async fn a_message_says_only_how_urgent_it_is() {
    let stage = Stage::new();
    stage.query(&stage.call("human.message", &[("urgency", word("page"))])).await.unwrap();
    let told = stage.outbox.0.lock().unwrap();
    assert_eq!(*told, [(Target::host(here()), Urgency::Page)]);
    assert!(stage.parse(&stage.call("human.message", &[("urgency", word("siren"))])).is_err());
}

#[tokio::test]
async fn the_real_network_answers_for_an_endpoint() {
    use crate::clients::http::url::WebUrl;
    use crate::clients::tls::TlsServer;
    use crate::tool::network::{Network, Web};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 1_024];
        assert!(0 < socket.read(&mut head).await.unwrap());
        socket.write_all(b"HTTP/1.1 418 x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    };
    let url = WebUrl::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let network = Network::default();
    let (answer, ()) = tokio::join!(network.get(&url), serve);
    assert_eq!(answer.unwrap().status, 418);
    drop(listener);
    let why = network.get(&url).await.unwrap_err();
    assert!(why.contains("refused"), "{why}");
    let peer = TlsServer {
        host: "127.0.0.1".into(),
        port,
        name: "localhost".into(),
        lineage: None,
        config_dir: None,
    };
    let why = network.certificate(&peer).await.unwrap_err();
    assert!(why.contains(&format!("127.0.0.1:{port}")), "{why}");
}
