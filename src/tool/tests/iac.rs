//! Ansible and Terraform over small programs that print what the real ones were recorded to print.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::stage::{Stage, abs, done, target, word};
use crate::clients::ansible::Playbook;
use crate::clients::outfit::Outfit;
use crate::clients::terraform::Stack;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::target::Target;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Tier, ToolError, Undo};
use crate::model::value::Value;
use crate::policy::redact::Redactor;

const REPLACE: &str = include_str!("../../clients/terraform/recorded/replace.json");
const APPLIED: &str = include_str!("../../clients/terraform/recorded/apply.jsonl");
const STALE: &str = include_str!("../../clients/terraform/recorded/stale.jsonl");
const CHECK: &str = include_str!("../../clients/ansible/recorded/check.txt");
const UNREACHABLE: &str = include_str!("../../clients/ansible/recorded/unreachable.txt");
const PLAYBOOK: &str = "- hosts: mini\n  tasks:\n    - ansible.builtin.ping:\n";

fn outfit() -> Outfit {
    Outfit::bare(Arc::new(Redactor::new(Vec::new())))
}

/// `[terraform.web]` of the stage.
pub(super) fn stack(dir: &Path) -> Stack {
    Stack {
        name: Word::of("web"),
        folder: abs(&dir.join("infra")),
        binary: Some(dir.join("terraform").to_str().unwrap().to_owned()),
        addresses: ["terraform_data.web".to_owned()].into(),
        hosts: [].into(),
        plan_within: Span::secs(5),
        apply_within: Span::secs(5),
        outfit: outfit(),
        turn: Arc::default(),
    }
}

/// `[playbook.site]` of the stage.
pub(super) fn playbook(dir: &Path) -> Playbook {
    Playbook {
        name: Word::of("site"),
        file: abs(&dir.join("site.yml")),
        inventory: abs(&dir.join("hosts")),
        hosts: vec![Word::of("mini")],
        tags: vec![Word::of("web")],
        vars: [].into(),
        with: Vec::new(),
        sha256: Some(Digest::of(PLAYBOOK.as_bytes())),
        tier: Tier::High,
        binary: Some(dir.join("ansible-playbook").to_str().unwrap().to_owned()),
        within: Span::secs(5),
        outfit: outfit(),
    }
}

fn program(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A stage with a terraform whose plan says `json`, and whose apply runs `apply`.
fn terraform(json: &str, apply: &str) -> Stage {
    let stage = Stage::new();
    let at = |name: &str| stage.dir.path().join(name);
    for (name, content) in [("json", json), ("state", "{\"serial\":1}"), ("bytes", "PK plan 1")] {
        std::fs::write(at(name), content).unwrap();
    }
    program(
        &at("terraform"),
        &format!(
            "cd {}\necho \"$*\" >>said\nfor a; do case $a in -out=*) out=${{a#-out=}} ;; esac; done\n\
             case $2 in plan) cat bytes >\"$out\" ;; show) cat json ;; state) cat state ;; apply) {apply} ;; esac",
            stage.dir.path().display()
        ),
    );
    stage
}

async fn planned(stage: &Stage) -> (Call, crate::model::tool::Found) {
    let found =
        stage.query(&stage.call("terraform.plan", &[("stack", word("web"))])).await.unwrap();
    let plan = found.values["plan"].clone();
    (stage.call("terraform.apply", &[("stack", word("web")), ("plan", plan)]), found)
}

/// The recorded plan without its replacement.
fn only_in_place() -> String {
    let mut json: serde_json::Value = serde_json::from_str(REPLACE).unwrap();
    json["resource_changes"]
        .as_array_mut()
        .unwrap()
        .retain(|c| c["address"] == "terraform_data.web");
    json.to_string()
}

#[tokio::test]
async fn a_plan_is_told_by_address_and_exactly_it_is_applied() {
    let stage = terraform(REPLACE, &format!("cat <<'END'\n{APPLIED}\nEND\n"));
    let (call, found) = planned(&stage).await;
    assert_eq!(found.values["destroyed"], Value::Int(1));
    assert_eq!(found.values["in_place"], Value::Flag(false));
    assert!(found.words.as_str().contains("\nREPLACE terraform_data.db ("), "{}", found.words);
    let digest = Digest::of(b"PK plan 1");
    assert_eq!(call.args["plan"].to_string(), digest.to_string());
    assert_eq!(stage.action(&call).tier(), Tier::Critical);
    assert_eq!(stage.action(&call).lease(), [target("mini:terraform:web")]);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    assert_eq!((effect.max_items, effect.artifact), (2, Some(digest)));
    assert!(effect.words.contains("[critical: REPLACE terraform_data.db]"), "{}", effect.words);
    assert!(effect.words.contains("\n  REPLACE terraform_data.db"), "{}", effect.words);
    assert!(matches!(&undo, Undo::Impossible(why) if why.contains("1 resources are destroyed")));
    let result = stage.act_as(&call, effect, undo).await;
    assert!(
        done(&result).contains("1 added, 1 changed, 1 destroyed: delete terraform_data.db"),
        "{result:?}"
    );
    let said = std::fs::read_to_string(stage.dir.path().join("said")).unwrap();
    let applied = said.lines().last().unwrap();
    assert!(
        applied
            .ends_with(&format!("-json {}/plans/web/{digest}.tfplan", stage.dir.path().display())),
        "{applied}"
    );
    assert!(!said.contains("auto-approve"), "{said}");
}

#[tokio::test]
async fn only_changes_in_place_of_listed_addresses_are_high() {
    let stage = terraform(&only_in_place(), "exit 1");
    let (call, found) = planned(&stage).await;
    assert_eq!(found.values["in_place"], Value::Flag(true));
    assert_eq!(stage.action(&call).tier(), Tier::High);
    // What is kept says less than the file: nothing is run.
    let (effect, undo) = stage.preview(&call).await.unwrap();
    std::fs::write(stage.dir.path().join("json"), REPLACE).unwrap();
    let result = stage.act_as(&call, effect, undo).await;
    assert!(
        matches!(&result, ActionResult::NotStarted(why) if why.contains("not what its file says")),
        "{result:?}"
    );
    // A plan that nobody made is critical, and cannot be previewed.
    let none =
        stage.call("terraform.apply", &[("stack", word("web")), ("plan", word(&"ab".repeat(32)))]);
    assert_eq!(stage.action(&none).tier(), Tier::Critical);
    assert!(
        matches!(stage.preview(&none).await, Err(ToolError::Failed(why)) if why.contains("plan anew"))
    );
}

#[tokio::test]
async fn a_plan_that_changed_or_became_stale_is_refused() {
    for (what, want) in [
        ("file", "not the plan that was made"),
        ("state", "it is stale"),
        ("artifact", "not the plan that was approved"),
    ] {
        let stage = terraform(&only_in_place(), "touch applied");
        let (call, _) = planned(&stage).await;
        let (mut effect, undo) = stage.preview(&call).await.unwrap();
        match what {
            "file" => {
                let file = format!("plans/web/{}.tfplan", Digest::of(b"PK plan 1"));
                std::fs::write(stage.dir.path().join(file), "PK plan 2").unwrap();
            }
            "state" => std::fs::write(stage.dir.path().join("state"), "{\"serial\":2}").unwrap(),
            _ => effect.artifact = Some(Digest::of(b"another")),
        }
        let result = stage.act_as(&call, effect, undo).await;
        assert!(
            matches!(&result, ActionResult::NotStarted(why) if why.contains(want)),
            "{what}: {result:?}"
        );
        assert!(!stage.dir.path().join("applied").exists(), "{what}");
        // Over another state the same plan is another one.
        if what == "state" {
            std::fs::write(stage.dir.path().join("bytes"), "PK plan 3").unwrap();
            assert_ne!(planned(&stage).await.0, call);
        }
    }
    // Of a world that stayed as it was, the plan that is kept is the answer, whatever the bytes of a new one.
    let stage = terraform(&only_in_place(), "exit 1");
    let (call, _) = planned(&stage).await;
    std::fs::write(stage.dir.path().join("bytes"), "PK other bytes").unwrap();
    assert_eq!(planned(&stage).await.0, call);
}

#[tokio::test]
async fn an_apply_that_does_not_end_well_says_how_far_it_came() {
    let lines =
        |part: &str| APPLIED.lines().filter(|l| l.contains(part)).collect::<Vec<_>>().join("\n");
    let begun = lines("Destroying...");
    for (apply, want) in [
        (format!("cat <<'END'\n{STALE}\nEND\nexit 1"), "not started"),
        (format!("cat <<'END'\n{begun}\n{STALE}\nEND\nexit 1"), "failed"),
        (format!("cat <<'END'\n{begun}\nEND\nkill -9 $$"), "failed"),
        ("sleep 20".to_owned(), "unknown"),
        ("exit 0".to_owned(), "done"),
    ] {
        let mut stage = terraform(REPLACE, &apply);
        let mut quick = stack(stage.dir.path());
        quick.apply_within = if want == "unknown" { Span(300) } else { Span::secs(5) };
        let inventory = Arc::make_mut(&mut stage.world.inventory);
        inventory.terraforms.insert(Word::of("web"), Arc::new(quick));
        let stage = stage.again();
        let (call, _) = planned(&stage).await;
        let (_, result) = stage.act(&call).await;
        assert_eq!(result.word(), want, "{apply}: {result:?}");
        if want == "failed" {
            assert!(
                result.words().contains("begun and not ended: delete terraform_data.db"),
                "{result:?}"
            );
        }
        if want == "done" {
            assert!(result.words().contains("does not say what it did"), "{result:?}");
        }
    }
}

/// A stage with an ansible-playbook that lists this host and otherwise runs `check` or `run`.
fn ansible(check: &str, run: &str) -> Stage {
    let stage = Stage::new();
    let at = |name: &str| stage.dir.path().join(name);
    std::fs::write(at("site.yml"), PLAYBOOK).unwrap();
    std::fs::write(at("hosts"), "mini\n").unwrap();
    program(
        &at("ansible-playbook"),
        &format!(
            "cd {}\necho \"$ANSIBLE_SSH_ARGS $*\" >>said\n\
             case $* in *--list-hosts) printf '\\n  play #1 (mini): mini\\n    hosts (1):\\n      here\\n' ;;\n\
             *--check*) {check} ;;\n*) {run} ;; esac",
            stage.dir.path().display()
        ),
    );
    stage
}

fn cat(text: &str) -> String {
    format!("cat <<'END'\n{text}\nEND\n")
}

fn play(stage: &Stage) -> Call {
    stage.call("ansible.run", &[("playbook", word("site"))])
}

#[tokio::test]
async fn a_playbook_is_previewed_by_its_check_and_is_high_while_its_hash_holds() {
    let ran = CHECK.replace("skipping", "changed");
    let stage = ansible(&cat(CHECK), &cat(&ran));
    let call = play(&stage);
    assert_eq!(stage.action(&call).tier(), Tier::High);
    let lease = stage.action(&call).lease();
    assert_eq!(lease, [target("mini:playbook:site"), target("mini")]);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    for part in
        ["on here [high: its hash is", "here changed 1", "\n  +hello here", "what a check skips"]
    {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    let result = stage.act_as(&call, effect.clone(), undo.clone()).await;
    assert!(done(&result).contains("here changed 1, ok 1"), "{result:?}");
    let said = std::fs::read_to_string(stage.dir.path().join("said")).unwrap();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("-o ControlMaster=no -o ControlPath=none -C -i "), "{last}");
    assert!(last.ends_with("/site.yml --limit mini --tags web --diff"), "{last}");

    std::fs::write(stage.dir.path().join("site.yml"), format!("{PLAYBOOK}  become: true\n"))
        .unwrap();
    assert_eq!(stage.action(&call).tier(), Tier::Critical);
    let (changed, _) = stage.preview(&call).await.unwrap();
    assert!(
        changed.words.contains("[critical: it was changed, so it is critical again"),
        "{}",
        changed.words
    );
    // What was approved is not what would be run.
    let result = stage.act_as(&call, effect, undo).await;
    assert!(
        matches!(&result, ActionResult::NotStarted(why) if why.contains("plan anew")),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_dead_host_is_a_failure_though_the_exit_code_is_0() {
    let syntax = "echo 'ERROR! Syntax Error' >&2; exit 4";
    let other = cat(&CHECK.replace("here ", "else "));
    for (run, want, words) in [
        (format!("{}exit 0", cat(UNREACHABLE)), "failed", "unreachable: gone"),
        (format!("{}exit 4", cat(UNREACHABLE)), "failed", "ended with code 4"),
        (format!("{other}exit 0"), "failed", "not in the recap: here"),
        ("exit 0".to_owned(), "not started", "it said nothing"),
        (syntax.to_owned(), "not started", "Syntax Error"),
        ("echo 'PLAY [mini] ***'; exit 0".to_owned(), "unknown", "no recap"),
    ] {
        let stage = ansible(&cat(CHECK), &run);
        let (_, result) = stage.act(&play(&stage)).await;
        assert_eq!(result.word(), want, "{run}: {result:?}");
        assert!(result.words().contains(words), "{run}: {result:?}");
    }
}

#[tokio::test]
async fn a_playbook_that_does_not_end_is_unknown_and_what_was_begun_is_ended() {
    let mut stage = ansible(&cat(CHECK), "(sleep 1; touch late) & wait");
    let quick = Playbook { within: Span(300), ..playbook(stage.dir.path()) };
    Arc::make_mut(&mut stage.world.inventory).playbooks.insert(Word::of("site"), Arc::new(quick));
    let stage = stage.again();
    let (_, result) = stage.act(&play(&stage)).await;
    assert!(matches!(&result, ActionResult::Unknown(why) if why.contains("killed")), "{result:?}");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(!stage.dir.path().join("late").exists());
}

#[tokio::test]
async fn a_check_that_would_act_is_not_made() {
    let stage = ansible("touch checked", "exit 0");
    let text = format!("{PLAYBOOK}    - command: x\n      check_mode: false\n");
    std::fs::write(stage.dir.path().join("site.yml"), text).unwrap();
    let call = stage.call("ansible.check", &[("playbook", word("site"))]);
    for said in [stage.query(&call).await.err(), stage.preview(&play(&stage)).await.err()] {
        let why = said.unwrap().to_string();
        assert!(why.contains("acts in a check too") && why.contains("line 5"), "{why}");
    }
    assert!(!stage.dir.path().join("checked").exists());
    std::fs::write(stage.dir.path().join("site.yml"), PLAYBOOK).unwrap();
    let stage = ansible(&cat(CHECK), "exit 0");
    let found = stage.query(&call).await.unwrap();
    assert_eq!(found.values["sealed"], Value::Flag(true));
    assert!(found.words.as_str().contains("+hello here"), "{}", found.words);
}

#[test]
fn a_host_is_answered_by_what_names_it_only() {
    let stage = Stage::new();
    let mut call = play(&stage);
    call.target = Target::host(crate::model::ids::HostName::new("nas").unwrap());
    let why = stage.parse(&call).err().unwrap().to_string();
    assert!(why.contains("nas is none of the hosts of [playbook.site]"), "{why}");
    for (tool, arg) in [("ansible.run", "playbook"), ("terraform.plan", "stack")] {
        let why = stage.parse(&stage.call(tool, &[(arg, word("other"))])).err().unwrap();
        assert!(why.to_string().contains("declares no"), "{why}");
    }
}
