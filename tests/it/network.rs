//! Machines, ports and certificates on a real network stack: echoes, an SSH server's greeting, and what
//! an ACME server issued.

use crate::databases::until;
use crate::lab::{ALONE, Home, Lab};

fn config(lines: &str) -> Home {
    Home::new(&format!("host_name = \"mini\"\n{ALONE}\n{lines}\n"))
}

#[test]
fn an_ssh_server_greets_until_it_is_gone() {
    let Some(lab) = Lab::up("sshd", "greets", &[]) else { return };
    let port = lab.get("PORT");
    let quick = "every = \"1s\", fire_after = 1";
    let home = config(&format!(
        "tcp.ssh = {{ server = \"127.0.0.1:{port}\", expect = \"SSH-2.0\", {quick} }}\n\
         tcp.mail = {{ server = \"127.0.0.1:{port}\", expect = \"220 \", {quick} }}\n\
         ping.self = {{ hosts = [\"127.0.0.1\", \"::1\"], {quick} }}\n\
         ping.nobody = {{ hosts = [\"no-such-host.invalid\"], {quick} }}\n"
    ));
    let reef = home.start();
    let words = until(&reef, "tcp mini:endpoint:ssh port", "green", "ok");
    assert!(words.contains("OpenSSH"), "{words}");
    until(&reef, "tcp mini:endpoint:mail port", "red", "greeting");
    until(&reef, "ping mini:endpoint:nobody reach", "red", "silent");
    if rustix::process::geteuid().is_root() {
        let words = until(&reef, "ping mini:endpoint:self reach", "green", "ok");
        assert!(words.contains("127.0.0.1 in "), "{words}");
    }
    drop(lab);
    until(&reef, "tcp mini:endpoint:ssh port", "red", "refused");
}

#[test]
fn a_certificate_of_an_acme_server_is_judged_in_its_file_and_on_its_port() {
    let Some(lab) = Lab::up("acme", "nas", &[]) else { return };
    let (live, root) = (lab.get("LIVE"), lab.get("ROOT"));
    let (whole, leaf) = (lab.get("WHOLE"), lab.get("LEAF"));
    let name = "server_name = \"nas.reef.test\"";
    let home = config(&format!(
        "tls.good = {{ server = \"127.0.0.1:{whole}\", {name}, ca_file = \"{root}\" }}\n\
         tls.short = {{ server = \"127.0.0.1:{leaf}\", {name}, ca_file = \"{root}\" }}\n\
         tls.name = {{ server = \"127.0.0.1:{whole}\", server_name = \"photos.reef.test\", ca_file = \"{root}\" }}\n\
         tls.stranger = {{ server = \"127.0.0.1:{whole}\", {name} }}\n\
         cert.good = {{ path = \"{live}/full*.pem\", name = \"nas.reef.test\", ca_file = \"{root}\" }}\n\
         cert.short = {{ path = \"{live}/cert.pem\", ca_file = \"{root}\" }}\n\
         cert.gone = \"{live}/none.pem\"\n"
    ));
    let reef = home.start();
    let tls = |name: &str| format!("tls mini:endpoint:{name} days");
    let file = |name: &str| format!("cert mini:{live}/{name} days");
    let words = until(&reef, &tls("good"), "green", "ok");
    assert!(words.starts_with("89 days left") || words.starts_with("90 days left"), "{words}");
    until(&reef, &tls("short"), "red", "unknown-issuer");
    until(&reef, &tls("name"), "red", "wrong-name");
    until(&reef, &tls("stranger"), "red", "unknown-issuer");
    until(&reef, &file("fullchain.pem"), "green", "ok");
    until(&reef, "cert mini:endpoint:good files", "green", "ok");
    until(&reef, &file("cert.pem"), "red", "unknown-issuer");
    until(&reef, &file("none.pem"), "red", "missing");
}
