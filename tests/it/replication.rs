//! Real pairs of databases: a standby that fell over is started again, whatever else ails a pair is named and left alone,
//! and a restart under load loses nothing that was acknowledged.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::databases::{run, until};
use crate::hosts::Machine;
use crate::lab::{ALONE, Home, Lab, Reef, list};

/// Two servers of PostgreSQL as units of the machine: one that takes writes, and one that follows it.
const PAIR: &str = r#"set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
mkdir -p /var/lib/pg /var/lib/sockets && chown postgres /var/lib/pg /var/lib/sockets
as "$bin/initdb" -D /var/lib/pg/main -A trust -U postgres -E UTF8 --no-sync --no-instructions --locale=C.UTF-8 >/dev/null
conf() {
    printf '%s\n' "port=$2" "listen_addresses='127.0.0.1'" "unix_socket_directories='/var/lib/sockets'" wal_level=replica \
        max_wal_senders=5 hot_standby=on shared_buffers=16MB max_connections=30 wal_receiver_status_interval=1s >>"/var/lib/pg/$1/postgresql.conf"
    printf '[Service]\nType=notify\nUser=postgres\nExecStart=%s/postgres -D /var/lib/pg/%s\nKillMode=mixed\nKillSignal=SIGINT\nTimeoutStartSec=30\n' \
        "$bin" "$1" >"/etc/systemd/system/postgresql@$1.service"
    systemctl daemon-reload
    systemctl start "postgresql@$1"
}
conf main 5432
psql -qX -h /var/lib/sockets -U postgres -d postgres -c "create role reef login; grant pg_monitor, pg_checkpoint to reef" -c "create table t(x bigint primary key)"
[ "$1" = alone ] && exit
as "$bin/pg_basebackup" -h 127.0.0.1 -p 5432 -U postgres -D /var/lib/pg/copy -R -X stream -C -S one -c fast --no-sync
sed -i "s/user=postgres/user=postgres application_name=replica1/" /var/lib/pg/copy/postgresql.auto.conf
conf copy 5433
"#;

const OFF: &str = r#"off = ["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]"#;

fn pair(name: &str, which: &str) -> Option<Machine> {
    if !std::path::Path::new("/usr/lib/postgresql").exists() {
        eprintln!("SKIPPED, nothing was tested: postgresql is not installed");
        return None;
    }
    let machine = Machine::up(name)?;
    machine.write("/opt/pair", PAIR);
    machine.run(&["bash", "/opt/pair", which]);
    Some(machine)
}

fn start(machine: &Machine, config: &str) {
    machine.write("/etc/reef/config.toml", config);
    let unit = "[Service]\nType=notify\nNotifyAccess=main\nStateDirectory=reef\nRuntimeDirectory=reef\n\
                ExecStart=/opt/reef/reef -c /etc/reef/config.toml run\n";
    machine.write("/etc/systemd/system/reef.service", unit);
    machine.run(&["systemctl", "daemon-reload"]);
    let (code, text) = machine.try_run(&["systemctl", "restart", "reef"]);
    assert_eq!(code, 0, "{text}\n{}", machine.journal());
}

fn records(machine: &Machine, kind: &str) -> Vec<Json> {
    list(&machine.json(&["audit", "list", "-n", "1000", "--kind", kind]), "records")
}

fn incidents(machine: &Machine) -> Vec<Json> {
    list(&machine.json(&["incidents", "--all"]), "incidents")
}

fn green(machine: &Machine) -> Option<()> {
    let signals = list(&machine.json(&["status"]), "signals");
    let green = signals.iter().all(|s| s["reading"]["severity"] == "green");
    (4 < signals.len() && green).then_some(())
}

fn resolved(machine: &Machine) -> Option<()> {
    incidents(machine).iter().all(|i| i["state"]["state"] == "resolved").then_some(())
}

/// A copy of the shipped runbook whose proof is quicker.
fn quick(machine: &Machine) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/replication-lag.md");
    let text = std::fs::read_to_string(shipped).unwrap();
    let from = "within = \"5m\"\nstays  = \"10s\"";
    assert!(text.contains(from));
    let text = text.replace(from, "within = \"30s\"\nstays = \"1s\"");
    machine.write("/etc/reef/runbooks/replication-lag.md", &text);
}

#[test]
fn a_standby_that_fell_over_is_started_and_one_that_was_stopped_is_left_alone() {
    let Some(machine) = pair("it-pgpair", "both") else { return };
    quick(&machine);
    let often = "every = \"1s\", fire_after = 2, clear_after = 1";
    let config = |ceiling: &str| {
        format!(
            "ceiling = \"{ceiling}\"\nrunbook_dir = \"/etc/reef/runbooks\"\n[web]\nlisten = \"off\"\n[probe]\n{OFF}\n\
             postgres.main = {{ url = \"postgres://reef@127.0.0.1:5432/postgres\", standbys = [\"replica1\"], {often} }}\n\
             postgres.copy = {{ url = \"postgres://reef@127.0.0.1:5433/postgres\", primary = \"main\", standby = \"replica1\", \
             served_by = \"unit:postgresql@copy\", depends_on = [\"postgres.main\"], {often} }}\n\
             [host.this]\nrestartable = [\"postgresql@copy\"]\n[runbook.replication-lag]\nleash = \"auto\"\n"
        )
    };
    let state = |unit: &str| machine.try_run(&["systemctl", "is-active", unit]).1.trim().to_owned();
    let pid = |unit: &str| machine.run(&["systemctl", "show", "-P", "MainPID", unit]);
    let primary = pid("postgresql@main");

    start(&machine, &config("observe"));
    machine.until("all is green", green);
    machine.run(&["systemctl", "kill", "--signal=KILL", "postgresql@copy"]);
    let would = machine.until("what would be done is recorded", |m| records(m, "would").pop());
    assert_eq!(would["payload"]["tool"], "database.restart_standby", "{would:#}");
    assert_eq!(state("postgresql@copy"), "failed");
    assert!(records(&machine, "dispatched").is_empty());
    machine.run(&["systemctl", "restart", "postgresql@copy"]);
    machine.until("all is green again", green);
    machine.until("the incident is over", resolved);

    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    start(&machine, &config("auto"));
    machine.until("all is green", green);
    machine.run(&["systemctl", "kill", "--signal=KILL", "postgresql@copy"]);
    let verified = machine.until("the proof", |m| records(m, "verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert_eq!(verified["payload"]["tool"], "database.restart_standby", "{verified:#}");
    assert_eq!(state("postgresql@copy"), "active");
    machine.until("all is green", green);
    machine.until("the incident is over", resolved);
    let before = incidents(&machine).len();

    // Somebody's own doing: told with its cause, and left alone.
    machine.run(&["systemctl", "stop", "postgresql@copy"]);
    let told = machine.until("it is told", |m| {
        let all = incidents(m).into_iter().map(|i| i.to_string());
        all.into_iter().find(|words| words.contains("somebody stopped the standby"))
    });
    assert!(told.contains("keeps WAL"), "{told}");
    assert_eq!(state("postgresql@copy"), "inactive");
    assert!(before < incidents(&machine).len());
    assert_eq!(records(&machine, "dispatched").len(), 1);
    assert_eq!(pid("postgresql@main"), primary, "the primary was touched");
}

/// The operator's own runbook names the server, and what comes before its restart.
const RESTART: &str = r#"+++
title    = "Restart the database"
match    = { probe = "unit", reason = ["never"] }
max_tier = "high"
tools    = ["postgres.connections", "postgres.drain", "postgres.checkpoint", "unit.restart"]
+++
# Restart the database

```step
name = "look"
tool = "postgres.connections"
args = { endpoint = "HOST:endpoint:main" }
```

```step
name = "drain"
tool = "postgres.drain"
args = { endpoint = "HOST:endpoint:main", within = "30s" }
```

```step
name = "checkpoint"
tool = "postgres.checkpoint"
args = { endpoint = "HOST:endpoint:main" }
```

```step
name = "restart"
tool = "unit.restart"
args = { unit = "HOST:unit:postgresql@main.service" }
```

```verify
query = { tool = "unit.status", args = { unit = "HOST:unit:postgresql@main.service" }, value = "state", is = "active" }
```
"#;

/// Writes numbers one by one, and notes each that the server acknowledged.
const WRITER: &str = r#"n=$1
while [ ! -e /run/enough ]; do
    n=$((n + 4))
    psql -qX -h /var/lib/sockets -U postgres -d postgres -c "insert into t values ($n)" >/dev/null 2>&1 && echo $n >>"/var/lib/acknowledged-$1"
done
touch "/run/done-$1"
"#;

#[test]
fn a_restart_under_write_load_loses_no_row_that_was_acknowledged() {
    let Some(machine) = pair("it-pgload", "alone") else { return };
    let host = machine.run(&["hostname"]);
    machine.write("/etc/reef/runbooks/restart-db.md", &RESTART.replace("HOST", &host));
    start(
        &machine,
        &format!(
            "ceiling = \"ask\"\nrunbook_dir = \"/etc/reef/runbooks\"\n[web]\nlisten = \"off\"\n[probe]\n{OFF}\n\
             postgres.main = {{ url = \"postgres://reef@127.0.0.1:5432/postgres\", every = \"1s\" }}\n"
        ),
    );
    machine.write("/opt/writer", WRITER);
    for n in ["1", "2", "3", "4"] {
        machine.run(&[
            "sh",
            "-c",
            &format!("setsid bash /opt/writer {n} >/dev/null 2>&1 </dev/null &"),
        ]);
    }
    let acknowledged = |m: &Machine| -> BTreeSet<u64> {
        let text = m.try_run(&["sh", "-c", "cat /var/lib/acknowledged-*"]).1;
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    machine.until("rows are written", |m| (100 < acknowledged(m).len()).then_some(()));
    let pid = || machine.run(&["systemctl", "show", "-P", "MainPID", "postgresql@main"]);
    let before = (pid(), acknowledged(&machine).len());
    let ran = machine.reef(&["runbook", "run", "restart-db", "--yes"]);
    assert_eq!(ran.0, 0, "{}\n{}", ran.1, machine.journal());
    let dispatched: Vec<String> = records(&machine, "dispatched")
        .iter()
        .map(|r| r["payload"]["tool"].as_str().unwrap().to_owned())
        .collect();
    let mut sorted = dispatched.clone();
    sorted.sort();
    assert_eq!(sorted, ["postgres.checkpoint", "postgres.drain", "unit.restart"], "{dispatched:?}");
    assert_ne!(pid(), before.0, "it was not restarted");
    let after = acknowledged(&machine).len();
    machine.until("rows are written again", |m| (after + 50 < acknowledged(m).len()).then_some(()));
    machine.run(&["touch", "/run/enough"]);
    machine.until("the writers are done", |m| {
        (m.try_run(&["sh", "-c", "ls /run/done-*"]).1.lines().count() == 4).then_some(())
    });
    let acknowledged = acknowledged(&machine);
    let kept = machine.run(&[
        "psql",
        "-qAtX",
        "-h",
        "/var/lib/sockets",
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-c",
        "select x from t",
    ]);
    let kept: BTreeSet<u64> = kept.lines().map(|line| line.parse().unwrap()).collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty() && before.1 < acknowledged.len(), "lost: {lost:?}");
    eprintln!("measured: {} rows acknowledged around a restart, none lost", acknowledged.len());
}

/// Waits until an incident is left to the human with these words.
fn until_told(reef: &Reef, part: &str) -> String {
    reef.until(part, |reef| {
        let all = list(&reef.json(&["incidents", "--all"]), "incidents");
        all.into_iter().map(|i| i.to_string()).find(|words| words.contains(part))
    })
}

#[test]
fn what_ails_a_pair_is_named_and_left_alone() {
    let (Some(pg), Some(my)) =
        (Lab::up("postgres", "named", &[]), Lab::up("mariadb", "named", &[]))
    else {
        return;
    };
    let login = "password = \"lab-only\", every = \"1s\", fire_after = 1, clear_after = 1";
    let postgres = format!(
        "postgres.main = {{ url = \"postgres://reef@127.0.0.1:{}/postgres\", standbys = [\"replica1\"], yellow = \"512 KiB\", red = \"1 MiB\", {login} }}\n\
         postgres.copy = {{ url = \"postgres://reef@127.0.0.1:{}/postgres\", primary = \"main\", standby = \"replica1\", yellow = \"512 KiB\", red = \"1 MiB\", {login} }}\n",
        pg.get("PRIMARY"),
        pg.get("STANDBY"),
    );
    let mariadb = format!(
        "mariadb.main = {{ server = \"127.0.0.1:{}\", replicas = [\"2\"], {login} }}\n\
         mariadb.copy = {{ server = \"127.0.0.1:{}\", replica = true, primary = \"main\", standby = \"2\", {login} }}\n",
        my.get("PRIMARY"),
        my.get("REPLICA"),
    );
    let home = |lines: &str| {
        Home::new(&format!(
            "host_name = \"mini\"\nceiling = \"auto\"\n{ALONE}\n{lines}\n[runbook.replication-lag]\nleash = \"auto\"\n"
        ))
    };
    let home_pg = home(&postgres);
    let reef = home_pg.start();
    until(&reef, "postgres mini:endpoint:main.replica1 lag", "green", "ok");
    until(&reef, "postgres mini:endpoint:copy lag", "green", "ok");
    let sql = |port: &str, statement: &str| {
        let args =
            ["-qAtX", "-h", pg.get("SOCKETS"), "-p", port, "-U", "postgres", "-d", "postgres"];
        run(pg.get("PSQL"), &[&args[..], &["-c", statement]].concat());
    };
    sql(pg.get("STANDBY"), "select pg_wal_replay_pause()");
    sql(
        pg.get("PRIMARY"),
        "insert into t select md5(random()::text) from generate_series(1, 60000)",
    );
    let told = until_told(&reef, "somebody paused the replay");
    assert!(told.contains("pg_wal_replay_resume"), "{told}");
    sql(pg.get("STANDBY"), "select pg_wal_replay_resume()");
    until(&reef, "postgres mini:endpoint:copy lag", "green", "ok");
    assert!(reef.records("dispatched").is_empty());
    drop(reef);

    let home_my = home(&mariadb);
    let reef = home_my.start();
    until(&reef, "mariadb mini:endpoint:copy.replication lag", "green", "ok");
    let sql = |socket: &str, statement: &str| {
        run("mariadb", &["--no-defaults", "-uroot", "-S", my.get(socket), "-Nse", statement]);
    };
    let row = "create table a.u(x int primary key)";
    sql("REPLICA_SOCKET", &format!("set sql_log_bin=0; {row}; insert into a.u values (1)"));
    sql(
        "PRIMARY_SOCKET",
        &format!("set sql_log_bin=0; {row}; set sql_log_bin=1; insert into a.u values (1)"),
    );
    let told = until_told(&reef, "the replica cannot apply what it got");
    assert!(told.contains("Duplicate entry") && told.contains("never skip it blindly"), "{told}");
    assert!(reef.records("dispatched").is_empty());
}
