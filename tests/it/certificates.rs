//! Certificates end to end: a real certbot, a real ACME server and a real TLS server on a machine with a real systemd.

use serde_json::Value as Json;

use crate::hosts::Machine;
use crate::lab::list;

const OFF: &str = r#"off = ["disk", "memory", "oom", "cpu", "net", "errors.journal", "smart", "zfs", "raid", "time", "heat", "updates", "boot", "security", "dns.resolver", "unit", "reef", "docker", "compose", "swarm", "uplink"]"#;
const NAME: &str = "nas.reef.test";
const AT: &str = "127.0.0.1:8443";

/// Everything on the machine that has to do with its certificate. The authority's own certificate is made anew each time; the one
/// that is ten days from its end is of another authority, as old ones are, and lies where certbot would have put it.
const SETUP: &str = r#"set -eu
exec 2>&1
: >/etc/ssl/openssl.cnf
mkdir -p /srv/acme && cd /srv/acme
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=lab-ca -addext basicConstraints=critical,CA:TRUE
openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >own.ext
openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile own.ext -out own.pem
systemctl start names acme
for i in $(seq 100); do curl -s --cacert ca.pem https://127.0.0.1:14000/dir >/dev/null && break; sleep 0.1; done
cat ca.pem >>/etc/ssl/certs/ca-certificates.crt
certbot --server https://127.0.0.1:14000/dir -n certonly --standalone --http-01-port 5002 --http-01-address 127.0.0.1 \
    --agree-tos --register-unsafely-without-email -d nas.reef.test
curl -s --cacert ca.pem https://127.0.0.1:15000/roots/0 >root.pem
# Ten days from its end: the same key, in another authority's name.
cd /srv/acme && mkdir old && cd old && : >index.txt && echo 4242 >serial
cat >ca.conf <<C
[ca]
default_ca = lab
[lab]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
C
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 900 -subj "/O=Let's Encrypt lab/CN=old authority" \
    -addext basicConstraints=critical,CA:TRUE
openssl req -new -key /etc/letsencrypt/live/nas.reef.test/privkey.pem -subj /CN=nas.reef.test -addext subjectAltName=DNS:nas.reef.test -out old.csr
openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in old.csr -out old.pem -notext \
    -startdate "$(date -u -d '80 days ago' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d '10 days 1 hour' +%Y%m%d%H%M%SZ)"
cp old.pem /etc/letsencrypt/archive/nas.reef.test/cert1.pem
cp ca.pem /etc/letsencrypt/archive/nas.reef.test/chain1.pem
cat old.pem ca.pem >/etc/letsencrypt/archive/nas.reef.test/fullchain1.pem
cat ca.pem ../root.pem >/srv/acme/trusted.pem
ln -s /etc/letsencrypt/live/nas.reef.test/fullchain.pem /srv/site.pem
ln -s /etc/letsencrypt/live/nas.reef.test/privkey.pem /srv/site.pem.key
systemctl start site
"#;

const ACME: &str = r#"{"pebble":{"listenAddress":"127.0.0.1:14000","managementListenAddress":"127.0.0.1:15000","certificate":"/srv/acme/own.pem",
"privateKey":"/srv/acme/own.key","httpPort":5002,"tlsPort":5001,"ocspResponderURL":"","externalAccountBindingRequired":false,
"certificateValidityPeriod":7776000}}"#;

const SITE: &str = "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n\
frontend site\n bind 127.0.0.1:8443 ssl crt /srv/site.pem\n http-request return status 200 content-type text/plain string ok\n";

/// The machine with its certificate ten days from the end, served by a unit, and a line of cron that calls what is not there.
fn machine(name: &str) -> Option<Machine> {
    for program in ["certbot", "pebble", "pebble-challtestsrv", "haproxy", "curl"] {
        let there = ["/usr/bin", "/usr/sbin"]
            .iter()
            .any(|folder| std::path::Path::new(folder).join(program).exists());
        if !there {
            eprintln!("SKIPPED, nothing was tested: {program} is not installed");
            return None;
        }
    }
    let machine = Machine::up(name)?;
    machine.write("/srv/acme/pebble.json", ACME);
    machine.write("/srv/site.cfg", SITE);
    let unit = |name: &str, lines: &str| {
        machine.write(
            &format!("/etc/systemd/system/{name}.service"),
            &format!("[Service]\n{lines}\n"),
        );
    };
    unit(
        "names",
        "ExecStart=/usr/bin/pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 127.0.0.1:8053 -management 127.0.0.1:8055 \
         -http01 '' -https01 '' -tlsalpn01 ''",
    );
    unit(
        "acme",
        "Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0\n\
         ExecStart=/usr/bin/pebble -config /srv/acme/pebble.json -dnsserver 127.0.0.1:8053",
    );
    unit(
        "site",
        "Type=notify\nExecStart=/usr/sbin/haproxy -Ws -f /srv/site.cfg\nExecReload=/bin/kill -USR2 $MAINPID\nKillMode=mixed",
    );
    machine.write("/etc/cron.d/certbot", "17 3 * * * root /usr/local/bin/certbot -q renew\n");
    machine.run(&["systemctl", "daemon-reload"]);
    let (code, text) = machine.try_run(&["bash", "-c", SETUP]);
    assert_eq!(code, 0, "{text}\n{}", machine.try_run(&["systemctl", "status", "acme", "site"]).1);
    Some(machine)
}

/// reef as a service, with a probe of the certificate at this server.
fn start(machine: &Machine, ceiling: &str) {
    start_with(machine, ceiling, AT, "");
}

fn start_with(machine: &Machine, ceiling: &str, server: &str, more: &str) {
    let config = format!(
        "ceiling = \"{ceiling}\"\n[host.this]\ndisturb = true\n[web]\nlisten = \"off\"\n[probe]\n{OFF}\n\
         tls.nas = {{ server = \"{server}\", server_name = \"{NAME}\", ca_file = \"/srv/acme/trusted.pem\", served_by = \"unit:site\", every = \"1s\" }}\n{more}"
    );
    machine.write("/etc/reef/config.toml", &config);
    machine.write(
        "/etc/systemd/system/reef.service",
        "[Service]\nType=notify\nNotifyAccess=main\nStateDirectory=reef\nRuntimeDirectory=reef\n\
         ExecStart=/opt/reef/reef -c /etc/reef/config.toml run\n",
    );
    machine.run(&["systemctl", "daemon-reload"]);
    let (code, text) = machine.try_run(&["systemctl", "restart", "reef"]);
    assert_eq!(code, 0, "{text}\n{}", machine.journal());
}

fn records(machine: &Machine, kind: &str) -> Vec<Json> {
    let mut all = list(&machine.json(&["audit", "list", "-n", "1000", "--kind", kind]), "records");
    all.reverse();
    all
}

/// The serial number that is shown on the wire.
fn on_the_wire(machine: &Machine) -> String {
    let script = format!(
        "openssl s_client -connect {AT} -servername {NAME} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    machine.run(&["sh", "-c", &script])
}

/// All of certbot's files with their digests.
fn files(machine: &Machine) -> String {
    machine.run(&[
        "sh",
        "-c",
        "find /etc/letsencrypt /var/lib/letsencrypt -type f -exec sha256sum {} + | sort -k 2",
    ])
}

/// The only approval that waits, once it does.
#[track_caller]
fn asked(machine: &Machine) -> Json {
    machine.until("it is asked", |m| {
        let all = list(&m.json(&["approvals", "--all"]), "approvals");
        all.into_iter().find(|a| a["state"]["state"] == "pending")
    })
}

#[test]
fn a_certificate_ten_days_from_its_end_is_renewed_and_proven_on_the_wire() {
    let Some(machine) = machine("it-cert") else { return };
    let (old, before) = (on_the_wire(&machine), files(&machine));
    assert!(old.ends_with("4242"), "{old}");

    // Under observe nothing at all changes.
    start(&machine, "observe");
    machine.until("what would be done is recorded", |m| {
        let would = records(m, "would");
        would.into_iter().find(|r| r["payload"]["tool"] == "certificate.renew")
    });
    assert!(records(&machine, "dispatched").is_empty());
    assert_eq!((on_the_wire(&machine), files(&machine)), (old.clone(), before));
    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);

    // Asked, and told what is about to happen and why it did not happen by itself.
    start(&machine, "ask");
    let approval = asked(&machine);
    let text = approval.to_string();
    for part in [
        "certificate.renew",
        "unit.reload",
        "renew the certificate nas.reef.test (for nas.reef.test; 10 days left) by certbot",
        "calls /usr/local/bin/certbot, which is missing",
        "unit:site.service: it goes on serving",
    ] {
        assert!(text.contains(part), "{part} is not in {approval:#}");
    }
    assert!(records(&machine, "dispatched").is_empty(), "nothing before the yes");
    let (code, said) = machine.reef(&["approve", "A-1", "--yes"]);
    assert_eq!(code, 0, "{said}");
    machine.until("it is fixed", |m| {
        let incidents = list(&m.json(&["incidents", "--all"]), "incidents");
        assert!(incidents.len() <= 1, "{incidents:#?}");
        incidents.first().filter(|i| i["state"]["state"] == "resolved").map(drop)
    });
    let new = on_the_wire(&machine);
    assert_ne!(new, old, "another certificate is served");
    let tools: Vec<Json> =
        records(&machine, "dispatched").iter().map(|r| r["payload"]["tool"].clone()).collect();
    assert_eq!(tools, ["certificate.renew", "unit.reload"]);
    let verified = records(&machine, "verified");
    assert_eq!(verified[0]["payload"]["outcome"], "yes", "{verified:#?}");

    // The story, as people know it: what, why, how it was proven, and what is left to the human.
    let (code, story) = machine.reef(&["audit", "timeline", "I-1"]);
    assert_eq!(code, 0, "{story}");
    let serial = new.trim_start_matches("serial=").to_ascii_lowercase();
    for part in [
        "Agent: runbook certificate",
        "Action: certificate.renew",
        "tls.inspect() → certificate.renew()",
        "tls.inspect() → unit.reload()",
        "Proof: green ",
        "Errors: None",
        "Command: certbot renew --cert-name nas.reef.test --non-interactive --no-random-sleep-on-renew (exit code 0)",
        "Verified: yes: ",
        "Action: unit.reload",
        "Command: systemctl reload-or-restart site.service (exit code 0)",
        "left to a human: certificate renewed; fix the timer and the cron: certbot.timer is inactive",
        "the line of cron in /etc/cron.d/certbot calls /usr/local/bin/certbot, which is missing",
        &serial,
        "10 days left",
        "resolved",
    ] {
        let flat = story.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{part} is not in\n{story}");
    }
    let (code, said) = machine.reef(&["audit", "verify"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_renewal_that_fails_is_escalated_with_its_log_and_nothing_is_fixed() {
    let Some(machine) = machine("it-cert-fails") else { return };
    let old = on_the_wire(&machine);
    machine.run(&["systemctl", "stop", "acme"]);
    start(&machine, "ask");
    asked(&machine);
    machine.reef(&["approve", "A-1", "--yes"]);
    let incident = machine.until("it is escalated", |m| {
        let incidents = list(&m.json(&["incidents", "--all"]), "incidents");
        incidents.into_iter().find(|i| i["state"]["state"] == "escalated")
    });
    let why = incident["state"]["why"].as_str().unwrap();
    assert!(why.contains("certbot renew --cert-name nas.reef.test ended with code 1"), "{why}");
    let closed = records(&machine, "closed").pop().unwrap();
    let errors = closed["payload"]["errors"].as_str().unwrap();
    assert!(errors.contains("Connection refused"), "{errors}");
    assert_eq!(records(&machine, "dispatched").len(), 1, "nothing was reloaded");
    assert!(records(&machine, "verified").iter().all(|r| r["payload"]["outcome"] != "yes"));
    assert_eq!(on_the_wire(&machine), old);

    // certbot ends well and renews nothing: that is no renewal either.
    machine.run(&["systemctl", "start", "acme"]);
    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    machine.run(&[
        "sed",
        "-i",
        "s/^# renew_before_expiry = .*/renew_before_expiry = 5 days/",
        "/etc/letsencrypt/renewal/nas.reef.test.conf",
    ]);
    start(&machine, "ask");
    asked(&machine);
    machine.reef(&["approve", "A-1", "--yes"]);
    let closed = machine.until("it ended", |m| records(m, "closed").pop());
    assert_eq!(closed["payload"]["outcome"], "failed", "{closed:#}");
    let errors = closed["payload"]["errors"].as_str().unwrap();
    assert!(errors.contains("certbot ended well, but nothing changed"), "{errors}");
    assert!(records(&machine, "verified").iter().all(|r| r["payload"]["outcome"] != "yes"));
    assert_eq!(on_the_wire(&machine), old);
}

/// A server on the machine, and how reef gets in: by one key that looks and another that acts.
const OVER_SSH: &str = r#"set -eu
exec 2>&1
mkdir -p /run/sshd /etc/ssh && cd /etc/ssh
for key in host look act; do ssh-keygen -q -t ed25519 -N '' -C $key -f /etc/ssh/$key; done
cp look.pub authorized
printf '%s\n' 'Port 2222' 'ListenAddress 127.0.0.1' 'HostKey /etc/ssh/host' 'PidFile none' 'AuthorizedKeysFile /etc/ssh/authorized' \
    'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' 'PasswordAuthentication no' 'UseDNS no' 'MaxSessions 100' >sshd_config
echo '127.0.0.1 nas.reef.test' >>/etc/hosts
echo "nas $(cut -d' ' -f1,2 host.pub)" >known
printf '%s\n' 'Host nas.reef.test nas' '  HostName 127.0.0.1' '  HostKeyAlias nas' '  Port 2222' '  User root' '  IdentityFile /etc/ssh/look' \
    '  IdentitiesOnly yes' '  IdentityAgent none' '  UserKnownHostsFile /etc/ssh/known' '  GlobalKnownHostsFile /dev/null' \
    '  StrictHostKeyChecking yes' '  BatchMode yes' '  ConnectTimeout 5' >config
systemd-run --quiet --unit ways /usr/sbin/sshd -D -f /etc/ssh/sshd_config
for i in $(seq 50); do (: </dev/tcp/127.0.0.1/2222) && break; sleep 0.1; done
"#;

#[test]
fn over_ssh_it_is_renewed_by_a_key_that_may_do_just_that() {
    if !std::path::Path::new("/usr/sbin/sshd").exists() {
        eprintln!("SKIPPED, nothing was tested: sshd is not installed");
        return;
    }
    let Some(machine) = machine("it-cert-ssh") else { return };
    let (code, text) = machine.try_run(&["bash", "-c", OVER_SSH]);
    assert_eq!(code, 0, "{text}");
    let old = on_the_wire(&machine);
    let nas = "[host.nas]\naddress = \"nas.reef.test\"\nssh_config = \"/etc/ssh/config\"\nact_key = \"/etc/ssh/act\"\ndisturb = true\n\
               [runbook.certificate]\nleash = \"auto\"\n";
    start_with(&machine, "observe", "nas.reef.test:8443", nas);
    let made = machine.json(&["host", "authorize", "nas", "--act", "--at", "/etc/ssh/reef-act"]);
    let commands: Vec<Json> = list(&made, "commands");
    let renewals = ["nas.reef.test", "reef.test"].map(|name| {
        format!("certbot renew --cert-name {name} --non-interactive --no-random-sleep-on-renew")
    });
    for line in
        renewals.iter().map(String::as_str).chain(["systemctl reload-or-restart site.service"])
    {
        assert!(commands.iter().any(|known| known == line), "{line}: {commands:#?}");
    }
    machine.write("/etc/ssh/reef-act", made["gatekeeper"].as_str().unwrap());
    machine.run(&["chmod", "755", "/etc/ssh/reef-act"]);
    let line = made["line"].as_str().unwrap();
    machine.write("/etc/ssh/more", &format!("{line}\n"));
    machine.run(&["sh", "-c", "cat /etc/ssh/more >>/etc/ssh/authorized"]);

    machine.run(&["systemctl", "stop", "reef"]);
    machine.run(&["rm", "-rf", "/var/lib/reef"]);
    start_with(&machine, "auto", "nas.reef.test:8443", nas);
    let verified = machine.until("the proof", |m| records(m, "verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert_ne!(on_the_wire(&machine), old);
    let dispatched = records(&machine, "dispatched");
    assert_eq!(dispatched.len(), 2, "{dispatched:#?}");
    assert!(dispatched.iter().all(|r| r["payload"]["host"] == "nas"), "{dispatched:#?}");
}
