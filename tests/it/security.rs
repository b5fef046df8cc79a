//! A real sshd: who tries in vain, and a key that somebody adds.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::lab::{ALONE, Home, Hook, Lab, command};

/// A key that the server does not know.
fn stranger(folder: &Path) -> PathBuf {
    let key = folder.join("stranger");
    let made = command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "stranger", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    key
}

#[test]
fn failed_logins_and_a_changed_authorized_keys_page_once_each_until_they_are_known() {
    let Some(lab) = Lab::up("sshd", "it-security", &[]) else { return };
    let sink = Hook::new();
    let keys = Path::new(lab.get("KEY")).with_file_name("authorized_keys");
    let alone = ALONE.replace("\"security\", ", "");
    let home = Home::new(&format!(
        "{alone}[probe.security]\nevery = \"1s\"\nfailures = 4\nignore = [\"tcp*\", \"udp*\"]\nlog = \"{}\"\nfiles = [{keys:?}]\n\
         [notify.hook]\nwebhook = {{ url = \"{}\" }}\n",
        lab.get("LOG"),
        sink.url()
    ));
    let reef = home.start();
    reef.looks_pass(3);
    assert_eq!(sink.titles(), Vec::<String>::new(), "the first look says nothing: {}", reef.log());

    let key = stranger(home.path());
    for _ in 0..4 {
        let tried = command("ssh")
            .args(["-F", "/dev/null", "-p", lab.get("PORT"), "-o", "BatchMode=yes"])
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i"])
            .arg(&key)
            .args(["127.0.0.1", "true"])
            .output()
            .unwrap();
        assert!(!tried.status.success());
    }
    let page = |aspect: &str| {
        let is_it = |m: &serde_json::Value| {
            let title = m["title"].as_str().unwrap_or("");
            title.starts_with("red security ") && title.ends_with(aspect)
        };
        sink.told().into_iter().find(is_it)
    };
    reef.until("the attempts are told", |_| page(" failed"));
    let mut file = std::fs::OpenOptions::new().append(true).open(&keys).unwrap();
    file.write_all(&std::fs::read(key.with_extension("pub")).unwrap()).unwrap();
    let page = reef.until("the key is told", |_| page(" keys"));
    let body = page["body"].as_str().unwrap();
    assert!(body.contains("changed: 1 line before, 2 lines now"), "{page:#}");
    assert!(!body.contains("ssh-ed25519"), "{page:#}");
    reef.looks_pass(3);
    assert_eq!(sink.titles().len(), 2, "{:?}", sink.titles());

    for id in ["I-1", "I-2"] {
        reef.reef(&["ack", id]).ok();
    }
    // The key is known at once; the attempts are over when their window is.
    reef.until("the key is known", |reef| {
        let over = |i: &serde_json::Value| {
            i["signal"]["aspect"] == "keys" && i["state"]["state"] == "resolved"
        };
        reef.incidents().iter().any(over).then_some(())
    });
}
