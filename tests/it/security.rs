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
        "{alone}[probe.security]\nevery = \"1s\"\nfailures = 4\nlog = \"{}\"\nfiles = [{keys:?}]\n\
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
            .args(["-F", lab.get("SSH_CONFIG"), "-o", "IdentityFile=none", "-i"])
            .arg(&key)
            .args([lab.name(), "true"])
            .output()
            .unwrap();
        assert!(!tried.status.success());
    }
    let paged = |about: &str| sink.told().into_iter().filter(|m| m["title"] == about).count();
    reef.until("the attempts are told", |_| {
        (paged(&format!("red security {} failed", here(&reef))) == 1).then_some(())
    });
    let mut file = std::fs::OpenOptions::new().append(true).open(&keys).unwrap();
    file.write_all(&std::fs::read(key.with_extension("pub")).unwrap()).unwrap();
    let title = format!("red security {} keys", here(&reef));
    reef.until("the key is told", |_| (paged(&title) == 1).then_some(()));
    let page = sink.told().into_iter().find(|m| m["title"] == title).unwrap();
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

/// What the machine of the test is called.
fn here(reef: &crate::lab::Reef) -> String {
    let signals = crate::lab::list(&reef.json(&["check"]), "signals");
    let target = signals[0]["reading"]["signal"]["target"].as_str().unwrap().to_owned();
    target.split(':').next().unwrap().to_owned()
}
