//! Ansible and Terraform, for real: a drift is found, asked about, and cured by exactly the plan that was approved; a
//! playbook is what its hash says; a dead host is a failure.

use std::path::{Path, PathBuf};

use reef::clients::ansible::seal::seal;
use reef::control::client::Client;
use reef::model::digest::Digest;
use reef::model::ids::{ApprovalId, RunbookName};
use reef::model::target::AbsPath;
use reef::operator::order::Order;
use serde_json::Value as Json;

use crate::lab::{ALONE, Home, Lab, Reef, command, list, tree};

/// Asks the daemon as a terminal would.
fn order(home: &Home, order: &Order) -> Result<Json, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(vec![home.state().join("reef.sock")]);
    runtime.block_on(client.ask(order)).map_err(|error| error.to_string())
}

fn approve(home: &Home, id: i64, typed: Option<&str>) -> Result<Json, String> {
    let typed = typed.map(str::to_owned);
    order(home, &Order::Approve { id: ApprovalId(id), choice: Some(1), typed })
}

fn config(lab: &Lab, ceiling: &str, books: &Path, more: &str) -> String {
    format!(
        "host_name = \"mini\"\nceiling = \"{ceiling}\"\nrunbook_dir = {books:?}\n{ALONE}\n[terraform.web]\n\
         folder = \"{}\"\nevery = \"1h\"\nenv = {{ TF_CLI_CONFIG_FILE = \"/dev/null\" }}\n{more}\n",
        lab.get("FOLDER")
    )
}

fn books(home: &Home) -> PathBuf {
    home.runbook("terraform-drift", &[("within = \"15m\"", "within = \"3s\"")])
}

/// The text of a file of the lab's folder changed, as somebody would by hand.
fn edit(lab: &Lab, file: &str, from: &str, to: &str) {
    let path = Path::new(lab.get("FOLDER")).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn state(lab: &Lab) -> String {
    std::fs::read_to_string(Path::new(lab.get("FOLDER")).join("terraform.tfstate")).unwrap()
}

fn severity(reef: &Reef) -> Option<String> {
    let signals = list(&reef.json(&["status"]), "signals");
    let drift = signals.into_iter().find(|s| s["name"] == "drift.web")?;
    Some(drift["reading"]["severity"].as_str()?.to_owned())
}

/// Waits for the question that is not answered yet.
#[track_caller]
fn question(reef: &Reef) -> Json {
    reef.until("a question", |reef| {
        // A yellow is an incident once it was seen twice.
        reef.looks_pass(1);
        reef.approvals().into_iter().find(|a| a["state"]["state"] == "pending")
    })
}

#[test]
fn a_drift_is_found_asked_about_and_cured_by_exactly_that_plan() {
    let Some(lab) = Lab::up("terraform", "it-drift", &[]) else { return };
    let home = Home::new("");
    let books = books(&home);
    let listed = "addresses = [\"terraform_data.web\"]";
    // Somebody changed it by hand.
    edit(&lab, "terraform.tfstate", "\"v1\"", "\"v0\"");
    let before = tree(Path::new(lab.get("FOLDER")));
    home.configure(&config(&lab, "observe", &books, listed));
    let mut reef = home.start();
    let would = reef.until("it is known what would be done", |reef| {
        reef.looks_pass(1);
        reef.records("would").pop()
    });
    assert!(would.to_string().contains("change terraform_data.web"), "{would:#}");
    reef.looks_pass(1);
    assert_eq!(tree(Path::new(lab.get("FOLDER"))), before, "under observe nothing changes");
    assert!(reef.records("dispatched").is_empty() && reef.approvals().is_empty());
    reef.stop();

    let home = Home::new("");
    home.configure(&config(&lab, "ask", &books, listed));
    let reef = home.start();
    let asked = question(&reef);
    assert_eq!(severity(&reef).as_deref(), Some("yellow"));
    let text = asked["question"].as_str().unwrap();
    assert!(text.contains("change terraform_data.web (input: \"v0\" -> \"v1\""), "{text}");
    assert_eq!(asked["tier"], "high", "only a change in place of a listed address");
    assert_eq!(tree(Path::new(lab.get("FOLDER"))), before, "asking changes nothing");
    approve(&home, asked["id"].as_i64().unwrap(), None).unwrap();
    let verified = reef.until("it is proven", |reef| reef.records("verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert!(state(&lab).contains("\"v1\"") && !state(&lab).contains("\"v0\""));
    reef.until("it is green", |reef| (severity(reef)? == "green").then_some(()));
    let closed = reef.records("closed").pop().unwrap();
    let said = closed["payload"]["output_excerpt"].as_str().unwrap();
    assert!(said.contains("0 added, 1 changed, 0 destroyed: update terraform_data.web"), "{said}");
    let argv = closed["payload"]["commands"][0]["argv"].to_string();
    let plan = asked["choices"][0]["plan"]["steps"][0]["effect"]["artifact"].as_str().unwrap();
    assert!(argv.contains(&format!("{plan}.tfplan")), "{argv}");
    reef.reef(&["audit", "verify"]).ok();
}

#[test]
fn what_destroys_is_critical_and_a_plan_that_became_stale_is_void() {
    let Some(lab) = Lab::up("terraform", "it-destroy", &[]) else { return };
    let home = Home::new("");
    let books = books(&home);
    edit(&lab, "main.tf", "[\"a\"]", "[\"b\"]");
    let listed = "addresses = [\"terraform_data.web\", \"terraform_data.db\"]";
    home.configure(&config(
        &lab,
        "auto",
        &books,
        &format!("{listed}\n[runbook.terraform-drift]\nleash = \"auto\"\n"),
    ));
    let reef = home.start();
    let asked = question(&reef);
    let text = asked["question"].as_str().unwrap();
    assert!(text.contains("DESTROY 1") && text.contains("REPLACE terraform_data.db"), "{text}");
    assert_eq!(asked["tier"], "critical", "whoever lists the address");
    let id = asked["id"].as_i64().unwrap();
    // A yes alone is not enough.
    assert!(approve(&home, id, None).unwrap_err().contains("mini:terraform:web"));
    // Meanwhile somebody else changes what it was planned over.
    edit(&lab, "terraform.tfstate", "\"v1\"", "\"v0\"");
    approve(&home, id, Some("mini:terraform:web")).unwrap();
    reef.until("the plan is void", |reef| {
        let of = |a: &&Json| a["id"].as_i64() == Some(id);
        (reef.approvals().iter().find(of)?["state"]["state"] == "void").then_some(())
    });
    assert!(reef.records("dispatched").is_empty(), "{:#?}", reef.records("dispatched"));
    assert!(state(&lab).contains("\"a\""), "nothing was applied");

    // Planned afresh it is asked anew, with both.
    reef.reef(&["approvals", "renew", &format!("A-{id}")]).ok();
    let asked = question(&reef);
    let text = asked["question"].as_str().unwrap();
    assert!(
        text.contains("REPLACE terraform_data.db") && text.contains("change terraform_data.web"),
        "{text}"
    );
    approve(&home, asked["id"].as_i64().unwrap(), Some("mini:terraform:web")).unwrap();
    let verified = reef.until("it is proven", |reef| reef.records("verified").pop());
    assert_eq!(verified["payload"]["outcome"], "yes", "{verified:#}");
    assert_eq!(reef.records("dispatched")[0]["payload"]["tier"], "critical");
    assert!(state(&lab).contains("\"b\"") && state(&lab).contains("\"v1\""));
}

#[test]
fn an_exit_code_of_0_that_changed_nothing_is_not_fixed() {
    let Some(lab) = Lab::up("terraform", "it-nothing", &[]) else { return };
    let home = Home::new("");
    let books = books(&home);
    edit(&lab, "terraform.tfstate", "\"v1\"", "\"v0\"");
    // A program that does all but what it is asked for.
    let program = home.path().join("terraform");
    let script = format!(
        "#!/bin/sh\ncase $2 in apply) exit 0 ;; esac\nexec {} \"$@\"\n",
        lab.get("PROGRAM")
    );
    std::fs::write(&program, script).unwrap();
    assert!(command("chmod").args(["755", program.to_str().unwrap()]).status().unwrap().success());
    home.configure(&config(
        &lab,
        "ask",
        &books,
        &format!("binary = {program:?}\naddresses = [\"terraform_data.web\"]"),
    ));
    let reef = home.start();
    let asked = question(&reef);
    approve(&home, asked["id"].as_i64().unwrap(), None).unwrap();
    let verified = reef.until("it is looked at", |reef| reef.records("verified").pop());
    assert_eq!(verified["payload"]["outcome"], "no", "{verified:#}");
    let closed = reef.records("closed").pop().unwrap();
    assert!(closed.to_string().contains("does not say what it did"), "{closed:#}");
    let told = reef.until("it is told", |reef| {
        reef.incidents().into_iter().find(|i| i["state"]["state"] == "escalated")
    });
    assert_eq!(told["severity"], "yellow", "{told:#}");
}

/// A runbook that a human starts.
const SITE: &str = r#"+++
title    = "Play the site"
match    = { probe = "host", reason = ["never"] }
max_tier = "critical"
tools    = ["ansible.check", "ansible.run"]
+++
# Play the site

```step
name = "check"
tool = "ansible.check"
args = { playbook = "site" }
```

```step
name = "play"
tool = "ansible.run"
args = { playbook = "site" }
```

```verify
query  = { tool = "ansible.check", args = { playbook = "site" }, value = "changed", is = 0 }
within = "5s"
```
"#;

/// A folder with a playbook that writes one line, the inventory with the lab's host, and the config that declares them.
struct Site {
    home: Home,
    host: String,
}

impl Site {
    fn new(sshd: &Lab, ansible: &Lab) -> Self {
        let home = Home::new("");
        let site = Self { home, host: sshd.name().to_owned() };
        let at = |name: &str| site.home.path().join(name);
        std::fs::create_dir(at("books")).unwrap();
        std::fs::write(at("books/site.md"), SITE).unwrap();
        let inventory = format!(
            "{} ansible_ssh_common_args='-F {}' ansible_python_interpreter=/usr/bin/python3 ansible_remote_tmp={}\n",
            site.host,
            sshd.get("SSH_CONFIG"),
            at("remote").display()
        );
        std::fs::write(at("hosts"), inventory).unwrap();
        site.play("one");
        site.declare(ansible, &[]);
        site
    }

    /// Declares the playbook high, by the hash of what it is now together with these folders.
    fn declare(&self, ansible: &Lab, with: &[&str]) {
        let at = |name: &str| self.home.path().join(name);
        let path = |name: &str| AbsPath::new(at(name).to_str().unwrap()).unwrap();
        let all: Vec<AbsPath> = with.iter().map(|name| path(name)).collect();
        let hash = match with.is_empty() {
            true => Digest::of(&std::fs::read(at("site.yml")).unwrap()),
            false => seal(&path("site.yml"), &all).unwrap().digest,
        };
        let with: Vec<&str> = all.iter().map(AbsPath::as_str).collect();
        self.home.configure(&format!(
            "host_name = \"mini\"\nceiling = \"auto\"\nrunbook_dir = {:?}\n{ALONE}\n[playbook.site]\nfile = {:?}\n\
             inventory = {:?}\nhosts = [\"{}\"]\nsha256 = \"{hash}\"\ntier = \"high\"\nbinary = \"{}\"\n\
             timeout = \"2 min\"\nwith = {with:?}\nenv = {{ HOME = {:?} }}\n",
            at("books"),
            at("site.yml"),
            at("hosts"),
            self.host,
            ansible.get("PLAYBOOK"),
            self.home.path(),
        ));
    }

    /// Writes the role `mark` below a folder.
    fn role(&self, below: &str, line: &str) {
        let tasks = self.home.path().join(below).join("mark/tasks");
        std::fs::create_dir_all(&tasks).unwrap();
        let text = format!(
            "- name: write a line\n  ansible.builtin.copy:\n    dest: {}\n    content: \"{line}\\n\"\n",
            self.mark().display()
        );
        std::fs::write(tasks.join("main.yml"), text).unwrap();
    }

    fn play(&self, line: &str) {
        let text = format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: write a line\n      ansible.builtin.copy:\n        \
             dest: {}\n        content: \"{line}\\n\"\n",
            self.mark().display()
        );
        std::fs::write(self.home.path().join("site.yml"), text).unwrap();
    }

    fn mark(&self) -> PathBuf {
        self.home.path().join("mark")
    }

    fn written(&self) -> String {
        std::fs::read_to_string(self.mark()).unwrap_or_default()
    }

    /// Starts the runbook; what is planned.
    fn planned(&self) -> Json {
        let name = RunbookName::new("site").unwrap();
        let on = "mini".parse().unwrap();
        order(&self.home, &Order::RunbookRun { name, on, set: vec![], dry_run: false }).unwrap()
    }
}

#[test]
fn a_playbook_is_what_its_hash_says_and_a_dead_host_is_a_failure() {
    let Some(ansible) = Lab::up("ansible", "it-play", &[]) else { return };
    let Some(sshd) = Lab::up("sshd", "it-play", &[]) else { return };
    let site = Site::new(&sshd, &ansible);
    let reef = site.home.start();
    let outcomes = |kind: &str| -> Vec<Json> {
        reef.records(kind).iter().map(|r| r["payload"]["outcome"].clone()).collect()
    };
    let planned = site.planned();
    let words = planned["words"].as_str().unwrap();
    for part in ["[high: its hash is", "+one", &format!("{} changed 1", site.host)] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(site.written(), "", "a preview changes nothing");
    approve(&site.home, planned["approval"].as_i64().unwrap(), None).unwrap();
    reef.until("it is proven", |_| (outcomes("verified") == ["yes"]).then_some(()));
    assert_eq!(site.written(), "one\n");
    let dispatched = reef.records("dispatched");
    assert_eq!(dispatched[0]["payload"]["tier"], "high", "{dispatched:#?}");
    let closed = reef.records("closed").pop().unwrap().to_string();
    assert!(closed.contains(&format!("{} changed 1, ok 1", site.host)), "{closed}");

    // Another text is another playbook.
    site.play("two");
    let planned = site.planned();
    let words = planned["words"].as_str().unwrap();
    assert!(words.contains("[critical: it was changed, so it is critical again"), "{words}");
    let id = planned["approval"].as_i64().unwrap();
    assert!(approve(&site.home, id, None).unwrap_err().contains("type the target's name"));
    approve(&site.home, id, Some("mini")).unwrap();
    reef.until("it is proven", |_| (outcomes("verified").len() == 2).then_some(()));
    assert_eq!(site.written(), "two\n");
    assert_eq!(reef.records("dispatched")[1]["payload"]["tier"], "critical");

    // Its host dies between the yes and the play.
    site.play("three");
    let planned = site.planned();
    assert!(command("kill").arg(sshd.get("PID")).status().unwrap().success());
    let gone = approve(&site.home, planned["approval"].as_i64().unwrap(), Some("mini"));
    assert!(gone.is_ok(), "{gone:?}");
    let told = reef.until("it is told", |reef| {
        let said = reef.audit().into_iter().rev().map(|r| r.to_string());
        said.into_iter().find(|r| r.contains("unreachable: ") || r.contains("unreachable 1"))
    });
    assert!(told.contains(&site.host), "{told}");
    assert_eq!(site.written(), "two\n");
    assert_eq!(outcomes("verified").iter().filter(|o| **o == "yes").count(), 2);
}

#[test]
fn a_role_is_part_of_the_hash_or_the_playbook_is_critical() {
    let Some(ansible) = Lab::up("ansible", "it-roles", &[]) else { return };
    let Some(sshd) = Lab::up("sshd", "it-roles", &[]) else { return };
    let site = Site::new(&sshd, &ansible);
    let play = "- hosts: all\n  gather_facts: false\n  roles:\n    - mark\n";
    std::fs::write(site.home.path().join("site.yml"), play).unwrap();
    let words = |site: &Site| site.planned()["words"].as_str().unwrap().to_owned();
    // The hash is of the playbook and of one folder, and the role lies in another: Ansible would take it.
    site.role("roles", "outside");
    std::fs::create_dir(site.home.path().join("shared")).unwrap();
    std::fs::write(site.home.path().join("shared/readme"), "x").unwrap();
    site.declare(&ansible, &["shared"]);
    let mut reef = site.home.start();
    let told = words(&site);
    for part in ["nobody can say that a check", "roles/mark is not covered", "name it in `with`"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    reef.stop();

    // Named, it is part of what is known to the letter, wherever it lies.
    std::fs::remove_dir_all(site.home.path().join("roles")).unwrap();
    site.role("shared", "within");
    site.declare(&ansible, &["shared"]);
    let mut reef = site.home.start();
    let planned = site.planned();
    let told = planned["words"].as_str().unwrap();
    assert!(told.contains("[high: its hash is") && told.contains("+within"), "{told}");
    approve(&site.home, planned["approval"].as_i64().unwrap(), None).unwrap();
    reef.until("it is proven", |reef| {
        let verified = reef.records("verified").pop()?;
        (verified["payload"]["outcome"] == "yes").then_some(())
    });
    assert_eq!(site.written(), "within\n");
    site.role("shared", "changed");
    let told = words(&site);
    assert!(told.contains("[critical: it was changed, so it is critical again"), "{told}");
    assert!(told.contains("+changed"), "{told}");
    reef.stop();
}

/// A provider whose machines are files, started by a real playbook.
#[test]
fn a_playbook_starts_a_machine_of_a_provider_and_the_state_command_proves_it() {
    let Some(ansible) = Lab::up("ansible", "it-vm", &[]) else { return };
    let home = Home::new("");
    let at = |name: &str| home.path().join(name);
    let show = |name: &str| at(name).display().to_string();
    std::fs::create_dir(at("books")).unwrap();
    let book = "+++\ntitle = \"Start it\"\nmatch = { probe = \"host\", reason = [\"never\"] }\nmax_tier = \"high\"\n\
                tools = [\"vm.start\"]\n+++\n# Start it\n\n```step\nname = \"start\"\ntool = \"vm.start\"\n\
                target = \"lab:vm:web\"\nargs = { vm = \"lab:vm:web\" }\n```\n";
    std::fs::write(at("books/start.md"), book).unwrap();
    std::fs::write(at("web-1"), "status=stopped\nstopped_by=itself\n").unwrap();
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: start it\n      ansible.builtin.copy:\n        \
         dest: \"{}/{{{{ reef_vm }}}}\"\n        content: \"status=running\\n\"\n",
        home.path().display()
    );
    std::fs::write(at("start.yml"), play).unwrap();
    std::fs::write(
        at("hosts"),
        "localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n",
    )
    .unwrap();
    std::fs::write(at("state-of"), format!("#!/bin/sh\ncat {}/$1\n", home.path().display()))
        .unwrap();
    assert!(command("chmod").args(["755", &show("state-of")]).status().unwrap().success());
    let hash = Digest::of(&std::fs::read(at("start.yml")).unwrap());
    home.configure(&format!(
        "host_name = \"mini\"\nceiling = \"auto\"\nrunbook_dir = {:?}\n{ALONE}\n[playbook.start]\nfile = {:?}\ninventory = {:?}\n\
         hosts = [\"localhost\"]\nsha256 = \"{hash}\"\ntier = \"high\"\nbinary = \"{}\"\ntimeout = \"2 min\"\n\
         env = {{ HOME = {:?} }}\n[provider.lab]\nvms = {{ web = \"web-1\" }}\ncommand.state = [{:?}, \"{{vm}}\"]\n\
         playbook.start = \"start\"\n",
        at("books"),
        at("start.yml"),
        at("hosts"),
        ansible.get("PLAYBOOK"),
        home.path(),
        at("state-of"),
    ));
    let reef = home.start();
    let name = RunbookName::new("start").unwrap();
    let on = "mini".parse().unwrap();
    let planned =
        order(&home, &Order::RunbookRun { name, on, set: vec![], dry_run: false }).unwrap();
    let words = planned["words"].as_str().unwrap();
    for part in
        ["start lab:vm:web (now stopped), by the playbook", "[high: its hash is", "+status=running"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    let machine = || std::fs::read_to_string(at("web-1")).unwrap();
    assert!(machine().contains("stopped"), "a preview changes nothing");
    approve(&home, planned["approval"].as_i64().unwrap(), None).unwrap();
    let closed = reef.until("it is done", |reef| reef.records("closed").pop());
    assert_eq!(closed["payload"]["outcome"], "done", "{closed:#}");
    assert_eq!(machine(), "status=running\n");
    let argv = closed["payload"]["commands"][0]["argv"].to_string();
    assert!(argv.contains("reef_vm"), "{argv}");
    assert_eq!(reef.records("dispatched")[0]["payload"]["tier"], "high");
}
