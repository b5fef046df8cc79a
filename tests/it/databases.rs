//! Databases, queues and a bucket, each the real thing: what is behind, missing, full or gone turns its
//! own signal and no other.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Lab, Reef, Said, command, list};

/// The reading of `probe mini:endpoint:NAME aspect`.
fn reading(reef: &Reef, signal: &str) -> Option<Json> {
    let signals = list(&reef.json(&["status"]), "signals");
    let readings = signals.into_iter().map(|mut one| one["reading"].take());
    readings.into_iter().find(|reading| {
        let part = |name: &str| reading["signal"][name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", part("probe"), part("target"), part("aspect")) == signal
    })
}

/// Waits until a signal is told so, and gives its words.
#[track_caller]
pub fn until(reef: &Reef, signal: &str, severity: &str, reason: &str) -> String {
    reef.until(&format!("{signal} is {severity} {reason}"), |reef| {
        let reading = reading(reef, signal)?;
        let is = reading["severity"] == severity && reading["reason"] == reason;
        is.then(|| reading["words"].as_str().unwrap().to_owned())
    })
}

#[track_caller]
pub fn run(program: &str, args: &[&str]) -> Said {
    let output = command(program).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
    .ok()
}

fn config(lines: &str) -> Home {
    Home::new(&format!("host_name = \"mini\"\n{ALONE}\n{lines}\n"))
}

/// A text that compresses badly, so that WAL grows by it.
const FILL: &str = "insert into t select md5(random()::text) from generate_series(1, 200000)";

#[test]
fn a_standby_lags_catches_up_and_is_killed() {
    let Some(lab) = Lab::up("postgres", "pair", &[]) else { return };
    let (primary, standby) = (lab.get("PRIMARY").to_owned(), lab.get("STANDBY").to_owned());
    let sql = |port: &str, statement: &str| {
        let args =
            ["-qAtX", "-h", lab.get("SOCKETS"), "-p", port, "-U", "postgres", "-d", "postgres"];
        run(lab.get("PSQL"), &[&args[..], &["-c", statement]].concat()).out
    };
    let login = "password = \"lab-only\", every = \"1s\", fire_after = 1";
    let home = config(&format!(
        "postgres.main = {{ url = \"postgres://reef@127.0.0.1:{primary}/postgres\", standbys = [\"replica1\"], yellow = \"1 MiB\", red = \"8 MiB\", yellow_after = \"2s\", slots = \"4 MiB\", {login} }}\n\
         postgres.copy = {{ url = \"postgres://reef@127.0.0.1:{standby}/postgres\", yellow = \"1 MiB\", red = \"8 MiB\", {login} }}\n\
         postgres.wrong = {{ url = \"postgres://nobody@127.0.0.1:{primary}/postgres\", {login} }}\n"
    ));
    let reef = home.start();
    let of = |name: &str, aspect: &str| format!("postgres mini:endpoint:{name} {aspect}");
    assert!(until(&reef, &of("main", "server"), "green", "ok").starts_with("primary, PostgreSQL"));
    until(&reef, &of("main.replica1", "lag"), "green", "ok");
    until(&reef, &of("main", "slots"), "green", "ok");
    until(&reef, &of("main", "connections"), "green", "ok");
    assert!(until(&reef, &of("copy", "server"), "green", "ok").starts_with("standby"));
    until(&reef, &of("copy", "lag"), "green", "ok");
    // A wrong password says nothing about the server.
    until(&reef, &of("wrong", "server"), "unknown", "denied");

    sql(&standby, "select pg_wal_replay_pause()");
    sql(&primary, FILL);
    let words = until(&reef, &of("main.replica1", "lag"), "red", "behind");
    assert!(words.contains("MiB"), "{words}");
    assert!(until(&reef, &of("copy", "lag"), "red", "behind").contains("replay is paused"));
    let lag = reef.until("two seconds behind", |reef| {
        let reading = reading(reef, &of("main.replica1", "lag"))?;
        reading["values"]["lag"]["span"].as_i64().filter(|ms| 2_000 <= *ms)
    });
    let bytes = reading(&reef, &of("main.replica1", "lag")).unwrap();
    let bytes = bytes["values"]["behind"]["bytes"].as_i64().unwrap();
    eprintln!("measured with replay paused: {bytes} bytes and {lag} ms behind");
    assert!(8 << 20 < bytes, "{bytes}");

    sql(&standby, "select pg_wal_replay_resume()");
    until(&reef, &of("main.replica1", "lag"), "green", "ok");
    until(&reef, &of("copy", "lag"), "green", "ok");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/postgres");
    run(script, &["kill", lab.name()]);
    let words = until(&reef, &of("main.replica1", "lag"), "red", "missing");
    assert!(words.contains("replica1 is not connected"), "{words}");
    until(&reef, &of("copy", "server"), "red", "refused");
    until(&reef, &of("copy", "lag"), "unknown", "refused");
    until(&reef, &of("main", "server"), "green", "ok");
    sql(&primary, FILL);
    until(&reef, &of("main", "slots"), "red", "unused");
}

#[test]
fn a_replica_stops_and_is_killed() {
    let Some(lab) = Lab::up("mariadb", "pair", &[]) else { return };
    let sql = |socket: &str, statement: &str| {
        let socket = lab.get(socket);
        run("mariadb", &["--no-defaults", "-uroot", "-S", socket, "-Nse", statement]);
    };
    let login = "password = \"lab-only\", every = \"1s\", fire_after = 1";
    let home = config(&format!(
        "mariadb.main = {{ server = \"127.0.0.1:{}\", replicas = [\"2\"], {login} }}\n\
         mariadb.copy = {{ server = \"127.0.0.1:{}\", replica = true, yellow_after = \"1s\", {login} }}\n\
         mariadb.wrong = {{ server = \"127.0.0.1:{}\", user = \"nobody\", {login} }}\n",
        lab.get("PRIMARY"),
        lab.get("REPLICA"),
        lab.get("PRIMARY"),
    ));
    let reef = home.start();
    let of = |name: &str, aspect: &str| format!("mariadb mini:endpoint:{name} {aspect}");
    assert!(until(&reef, &of("main", "server"), "green", "ok").starts_with("MariaDB 1"));
    until(&reef, &of("main.2", "replica"), "green", "ok");
    until(&reef, &of("main", "connections"), "green", "ok");
    let lag = of("copy.replication", "lag");
    until(&reef, &lag, "green", "ok");
    until(&reef, &of("wrong", "server"), "unknown", "denied");

    sql("REPLICA_SOCKET", "stop slave sql_thread");
    until(&reef, &lag, "red", "sql-stopped");
    sql("REPLICA_SOCKET", "start slave sql_thread");
    until(&reef, &lag, "green", "ok");
    // A row that is there already: replication breaks by an error, and its words come along.
    sql(
        "REPLICA_SOCKET",
        "set sql_log_bin=0; create table a.u(x int primary key); insert into a.u values (1)",
    );
    sql(
        "PRIMARY_SOCKET",
        "set sql_log_bin=0; create table a.u(x int primary key); set sql_log_bin=1; insert into a.u values (1)",
    );
    let words = until(&reef, &lag, "red", "sql-stopped");
    assert!(words.contains("Duplicate entry"), "{words}");
    sql("REPLICA_SOCKET", "delete from a.u; start slave");
    until(&reef, &lag, "green", "ok");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/mariadb");
    run(script, &["kill", lab.name()]);
    until(&reef, &of("main.2", "replica"), "red", "missing");
    until(&reef, &of("copy", "server"), "red", "refused");
    until(&reef, &lag, "unknown", "refused");
    until(&reef, &of("main", "server"), "green", "ok");
}

/// Sends lines to a server and gives what it says within a moment.
fn tell(port: &str, lines: &[u8]) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    stream.write_all(lines).unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 65_536];
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 {
            break;
        }
        said.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn queues_fill_and_empty() {
    let (Some(redis), Some(nats)) = (Lab::up("redis", "queue", &[]), Lab::up("nats", "queue", &[]))
    else {
        return;
    };
    let (port, monitoring) = (redis.get("PORT"), nats.get("MONITORING"));
    let levels = "yellow = 10, red = 100, every = \"1s\", fire_after = 1, clear_after = 1";
    let home = config(&format!(
        "queue.jobs = {{ redis = \"redis://127.0.0.1:{port}\", password = \"lab-only\", queue = \"jobs\", {levels} }}\n\
         queue.group = {{ redis = \"redis://127.0.0.1:{port}/0\", password = \"lab-only\", queue = \"events\", group = \"workers\", {levels} }}\n\
         queue.open = {{ redis = \"redis://127.0.0.1:{port}\", queue = \"jobs\", {levels} }}\n\
         queue.orders = {{ nats = \"{monitoring}\", queue = \"ORDERS\", {levels} }}\n"
    ));
    let reef = home.start();
    let of = |name: &str| format!("queue mini:endpoint:{name} waiting");
    let redis_says = |script: &str| tell(port, format!("AUTH lab-only\r\n{script}").as_bytes());
    assert!(until(&reef, &of("jobs"), "green", "ok").contains("empty"));
    until(&reef, &of("open"), "unknown", "denied");
    until(&reef, &of("group"), "red", "missing");
    until(&reef, &of("orders"), "red", "missing");

    redis_says(&format!(
        "LPUSH jobs {}\r\nXGROUP CREATE events workers 0 MKSTREAM\r\nXADD events * a b\r\n",
        "x ".repeat(50)
    ));
    assert!(until(&reef, &of("jobs"), "yellow", "long").contains("50 wait"));
    assert!(until(&reef, &of("group"), "green", "ok").contains("1 wait"));
    redis_says("DEL jobs\r\n");
    until(&reef, &of("jobs"), "green", "ok");

    let stream = br#"{"name":"ORDERS","subjects":["orders"],"storage":"memory","retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"num_replicas":1}"#;
    let mut lines =
        b"CONNECT {\"verbose\":false}\r\nSUB reply 1\r\nPUB $JS.API.STREAM.CREATE.ORDERS reply "
            .to_vec();
    lines.extend(format!("{}\r\n", stream.len()).as_bytes());
    lines.extend(stream);
    lines.extend(b"\r\n");
    lines.extend(b"PUB orders 1\r\nx\r\n".repeat(120));
    lines.extend(b"PING\r\n");
    let said = tell(nats.get("PORT"), &lines);
    assert!(said.contains("stream_create_response") && !said.contains("\"error\""), "{said}");
    assert!(until(&reef, &of("orders"), "red", "long").contains("120 wait"));
    drop((redis, nats));
    until(&reef, &of("jobs"), "red", "refused");
    until(&reef, &of("orders"), "red", "refused");
}

#[test]
fn a_bucket_is_empty_has_a_backup_and_is_gone() {
    let Some(lab) = Lab::up("s3", "bucket", &[]) else { return };
    let url = lab.get("URL");
    let keys = "secret_key = \"S3RVER\", newest_within = \"1h\", every = \"1s\", fire_after = 1";
    let home = config(&format!(
        "s3.backup = {{ url = \"{url}\", bucket = \"backup\", prefix = \"nas/a b\", access_key = \"S3RVER\", {keys} }}\n\
         s3.none = {{ url = \"{url}\", bucket = \"nothing\", access_key = \"S3RVER\", {keys} }}\n\
         s3.wrong = {{ url = \"{url}\", bucket = \"backup\", access_key = \"guessed\", {keys} }}\n"
    ));
    let reef = home.start();
    let of = |name: &str| format!("s3 mini:endpoint:{name} newest");
    until(&reef, &of("backup"), "red", "none");
    until(&reef, &of("none"), "red", "missing");
    until(&reef, &of("wrong"), "unknown", "denied");
    // As an S3 server keeps it: the object beside what is known of it.
    let object = format!("{}/backup/nas/a b+c", lab.get("STORE"));
    std::fs::create_dir_all(format!("{}/backup/nas", lab.get("STORE"))).unwrap();
    for (suffix, text) in [
        ("._S3rver_object", "backup"),
        ("._S3rver_object.md5", "402051f4be0cc3aad33bcf3ac3d6532b"),
        ("._S3rver_metadata.json", "{\"content-type\":\"binary/octet-stream\"}"),
    ] {
        std::fs::write(format!("{object}{suffix}"), text).unwrap();
    }
    let words = until(&reef, &of("backup"), "green", "ok");
    assert!(words.contains("1 objects, 6 B"), "{words}");
    drop(lab);
    until(&reef, &of("backup"), "red", "refused");
}
