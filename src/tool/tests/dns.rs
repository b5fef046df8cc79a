//! DNS records by scripts of the operator's, which keep a zone in a folder.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::stage::{Stage, done, undone_by, word};
use crate::clients::dns::declared::{Look, Zone};
use crate::clients::outfit::Outfit;
use crate::model::ids::Word;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Tier, ToolError, Undo};
use crate::model::value::Value;
use crate::policy::redact::Redactor;

fn script(path: &Path, text: &str) -> String {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn argv(program: String, rest: &[&str]) -> Vec<String> {
    [program].into_iter().chain(rest.iter().map(|part| (*part).to_owned())).collect()
}

/// `[dns.home]`, whose records are files of the folder, by name and type.
pub(super) fn zone(dir: &Path) -> Zone {
    let at = dir.join("zone");
    std::fs::create_dir_all(&at).unwrap();
    let at = at.display();
    let set = script(
        &dir.join("dns-set"),
        &format!("echo \"$*\" >>{at}/said\nprintf '%s\\n' \"$3\" >\"{at}/$1.$2\""),
    );
    let unset =
        script(&dir.join("dns-unset"), &format!("echo \"$*\" >>{at}/said\nrm \"{at}/$1.$2\""));
    let get = script(
        &dir.join("dns-get"),
        &format!("if [ -e \"{at}/$1.$2\" ]; then cat \"{at}/$1.$2\"; fi"),
    );
    Zone {
        name: Word::of("home"),
        zones: vec!["home.example".to_owned()],
        set: argv(set, &["{name}", "{type}", "{value}", "{ttl}", "{zone}"]),
        unset: Some(argv(unset, &["{name}", "{type}"])),
        look: Look::Command(argv(get, &["{name}", "{type}"])),
        ttl: Span::mins(5),
        timeout: Span::secs(5),
        within: Span::secs(1),
        outfit: Outfit::bare(Arc::new(Redactor::new(Vec::new()))),
    }
}

fn set(stage: &Stage, kind: &str, value: &str) -> Call {
    let value = ("value", Value::Line(value.into()));
    let name = ("name", word("Photos.home.example"));
    stage.call("dns.record", &[("dns", word("home")), name, ("type", word(kind)), value])
}

fn kept(stage: &Stage, file: &str) -> Option<String> {
    std::fs::read_to_string(stage.dir.path().join("zone").join(file)).ok()
}

fn write(stage: &Stage, file: &str, text: &str) {
    std::fs::write(stage.dir.path().join("zone").join(file), text).unwrap();
}

#[tokio::test]
async fn a_record_is_set_shown_before_proven_after_and_put_back() {
    for (kind, old, new) in [
        ("A", "192.0.2.1", "192.0.2.7"),
        ("AAAA", "2001:db8::1", "2001:db8::7"),
        ("cname", "old.home.example", "new.home.example"),
        ("TXT", "v=spf1 -all", "a text; with $(odd) 'parts'"),
    ] {
        let stage = Stage::new();
        let file = format!("photos.home.example.{}", kind.to_ascii_uppercase());
        let call = set(&stage, kind, new);
        assert_eq!(stage.action(&call).tier(), Tier::Medium);

        // There was none: its undo takes it away again.
        let (effect, undo) = stage.preview(&call).await.unwrap();
        assert!(effect.words.contains(&format!("nothing -> {new}")), "{}", effect.words);
        assert_eq!(kept(&stage, &file), None, "a preview changes nothing");
        done(&stage.act_as(&call, effect, undo.clone()).await);
        assert_eq!(kept(&stage, &file), Some(format!("{new}\n")));
        let back = undone_by(&undo);
        assert_eq!(stage.action(&back).tier(), Tier::Medium);
        let (_, result) = stage.act(&back).await;
        assert!(done(&result).ends_with("and is nothing"), "{result:?}");
        assert_eq!(kept(&stage, &file), None);

        // There was another one: it is had back.
        write(&stage, &file, &format!("{old}\n"));
        let (undo, result) = stage.act(&call).await;
        assert!(done(&result).contains(&format!("was {old}, and is {new}")), "{result:?}");
        let (nothing, _) = stage.preview(&call).await.unwrap();
        assert_eq!(nothing.max_items, 0, "twice is nothing");
        done(&stage.act(&undone_by(&undo)).await.1);
        assert_eq!(kept(&stage, &file), Some(format!("{old}\n")));
    }
    let stage = Stage::new();
    done(&stage.act(&set(&stage, "A", "192.0.2.7")).await.1);
    assert_eq!(kept(&stage, "said").unwrap(), "photos.home.example A 192.0.2.7 300 home.example\n");
}

#[tokio::test]
async fn an_exit_code_of_0_proves_nothing_and_one_above_it_is_told() {
    for (text, want, words) in [
        ("exit 0", "failed", "nothing changed: it is 192.0.2.1"),
        ("echo no such zone >&2; exit 3", "failed", "code 3: no such zone"),
        ("echo 192.0.2.9 >FILE", "failed", "but it is 192.0.2.9"),
        ("exec sleep 20", "unknown", "did not end"),
    ] {
        let stage = Stage::with(|inventory, dir| {
            let file = dir.join("zone/photos.home.example.A");
            let mut zone = zone(dir);
            zone.timeout = Span::secs(1);
            script(&dir.join("dns-set"), &text.replace("FILE", file.to_str().unwrap()));
            inventory.zones = [(Word::of("home"), Arc::new(zone))].into();
        });
        write(&stage, "photos.home.example.A", "192.0.2.1\n");
        let (_, result) = stage.act(&set(&stage, "A", "192.0.2.7")).await;
        assert_eq!(result.word(), want, "{text}: {result:?}");
        assert!(result.words().contains(words), "{text}: {result:?}");
    }
}

#[tokio::test]
async fn several_records_and_what_changed_since_are_left_alone() {
    let stage = Stage::new();
    let call = set(&stage, "A", "192.0.2.7");
    write(&stage, "photos.home.example.A", "192.0.2.1\n192.0.2.2\n");
    let why = stage.preview(&call).await.unwrap_err().to_string();
    assert!(why.contains("2 records of type A (192.0.2.1, 192.0.2.2)"), "{why}");
    write(&stage, "photos.home.example.A", "192.0.2.1\n");
    let (effect, undo) = stage.preview(&call).await.unwrap();
    write(&stage, "photos.home.example.A", "192.0.2.2\n");
    let result = stage.act_as(&call, effect, undo).await;
    assert!(matches!(&result, ActionResult::NotStarted(why) if why.contains("no longer")));
    assert_eq!(kept(&stage, "photos.home.example.A").unwrap(), "192.0.2.2\n");
    // What a server says is put into no call unless it could be set.
    let call = set(&stage, "TXT", "new");
    write(&stage, "photos.home.example.TXT", "--force\n");
    let (_, undo) = stage.preview(&call).await.unwrap();
    assert!(matches!(undo, Undo::Impossible(_)), "{undo:?}");
}

#[test]
fn what_is_no_record_of_a_declared_zone_is_refused() {
    let stage = Stage::with(|inventory, dir| {
        let bare = Zone { unset: None, name: Word::of("bare"), ..zone(dir) };
        inventory.zones.insert(Word::of("bare"), Arc::new(bare));
    });
    let call = |changes: &[(&str, Option<Value>)]| {
        let mut call = set(&stage, "A", "192.0.2.7");
        for (name, value) in changes {
            match value {
                Some(value) => drop(call.args.insert((*name).to_owned(), value.clone())),
                None => drop(call.args.remove(*name)),
            }
        }
        call
    };
    let line = |text: &str| Some(Value::Line(text.into()));
    for (changes, words) in [
        (vec![("dns", Some(word("other")))], "declares no [dns.other]; it declares bare, home"),
        (vec![("name", Some(word("photos.other.example")))], "none of the zones"),
        (vec![("name", Some(word("nothome.example")))], "none of the zones"),
        (vec![("name", Some(word("a..home.example")))], "no name of a record"),
        (vec![("type", Some(word("MX")))], "A, AAAA, CNAME or TXT"),
        (vec![("value", line("2001:db8::1"))], "no IPv4 address"),
        (vec![("value", line("-x")), ("type", Some(word("TXT")))], "without a dash"),
        (vec![("value", None)], "needs a value, or absent"),
        (vec![("absent", Some(Value::Flag(true)))], "and not both"),
        (vec![("ttl", Some(Value::Span(Span::secs(1))))], "30 s to 7 d"),
        (
            vec![("type", Some(word("CNAME"))), ("value", line("photos.home.example."))],
            "alias of itself",
        ),
        (
            vec![("dns", Some(word("bare"))), ("value", None), ("absent", Some(Value::Flag(true)))],
            "has no unset",
        ),
    ] {
        match stage.parse(&call(&changes)) {
            Err(ToolError::Refused(why)) => assert!(why.contains(words), "{words}: {why}"),
            Err(other) => panic!("{words}: {other:?}"),
            Ok(_) => panic!("{words}: it was taken"),
        }
    }
}
