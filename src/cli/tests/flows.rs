//! Whole commands over a real socket, against a daemon that plays its part from a script.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Fut;
use crate::cli::out::tests::captured;
use crate::cli::out::{Format, Talk};
use crate::cli::page::Detail;
use crate::cli::tests::views::{self, NOW};
use crate::cli::{Cli, Cx};
use crate::clock::SystemClock;
use crate::config::env::Env;
use crate::control::Carries;
use crate::control::server::Server;
use crate::model::approval::Approval;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::{ActionId, ApprovalId, RunId};
use crate::model::plan::{Plan, Verdict};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::operator::order::{Order, Refusal, Who};
use crate::operator::view::{Approvals, Check, Done, DrillState, Planned, RunView};
use crate::store::Store;

/// A daemon that answers from its script and remembers what it was told.
struct Script {
    approvals: Vec<Approval>,
    planned: Option<Planned>,
    check: Vec<crate::operator::view::Signalled>,
    /// How the run ends after the third question about it.
    ending: &'static str,
    drill: DrillState,
    told: Mutex<Vec<Order>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            approvals: vec![views::question(17, RunId(9)), views::choices(18)],
            planned: None,
            check: vec![],
            ending: "fixed",
            drill: DrillState::Passed,
            told: Mutex::default(),
        }
    }
}

impl Carries for Script {
    fn carry_out<'a>(&'a self, order: Order, _: Who) -> Fut<'a, Result<Json, Refusal>> {
        Box::pin(async move {
            let before = {
                let mut told = self.told.lock().unwrap();
                let before = told
                    .iter()
                    .filter(|t| std::mem::discriminant(*t) == std::mem::discriminant(&order))
                    .count();
                told.push(order.clone());
                before
            };
            let zone = || "Europe/Berlin".to_owned();
            #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else is asked is done")]
            let view = match order {
                Order::Status => serde_json::to_value(views::morning()),
                Order::Check { host: Some(host) } if host == "none" => {
                    return Err(Refusal { why: "nothing is watched on none".into() });
                }
                Order::Check { .. } => {
                    let signals = self.check.clone();
                    serde_json::to_value(Check {
                        now: NOW,
                        zone: zone(),
                        signals,
                        absent: vec![],
                        took: Span(5),
                    })
                }
                Order::Approvals { .. } => {
                    let approvals = self.approvals.clone();
                    serde_json::to_value(Approvals { zone: zone(), now: NOW, approvals })
                }
                Order::Undo { .. } | Order::RunbookRun { .. } => match &self.planned {
                    Some(planned) => serde_json::to_value(planned),
                    None => return Err(Refusal { why: "there is no action D-31".into() }),
                },
                Order::Run { run } => {
                    let ended = 1 < before;
                    serde_json::to_value(RunView {
                        run,
                        state: if ended { "ended" } else { "acting" }.into(),
                        ending: ended.then(|| self.ending.to_owned()),
                        words: "the probe that fired is green".into(),
                        actions: vec![ActionId(31)],
                    })
                }
                Order::Drill => serde_json::to_value(views::drill(DrillState::Running)),
                Order::DrillProgress => serde_json::to_value(views::drill(self.drill)),
                Order::Reload => {
                    return Err(Refusal { why: "the old config stays in force".into() });
                }
                order => serde_json::to_value(Done { words: format!("did {order:?}") }),
            };
            view.map_err(|e| Refusal { why: e.to_string() })
        })
    }
}

struct Daemon {
    dir: tempfile::TempDir,
    script: Arc<Script>,
    _stop: CancellationToken,
    _tasks: JoinSet<anyhow::Result<()>>,
}

impl Daemon {
    fn new(script: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::bind(&dir.path().join("reef.sock")).unwrap();
        let (script, stop, mut tasks) =
            (Arc::new(script), CancellationToken::new(), JoinSet::new());
        tasks.spawn(server.serve(Arc::<Script>::clone(&script), stop.clone()));
        Self { dir, script, _stop: stop, _tasks: tasks }
    }

    /// What it was told to change: looking is left out.
    fn told(&self) -> Vec<Order> {
        let looks = |order: &&Order| {
            !matches!(order, Order::Approvals { .. } | Order::Run { .. } | Order::DrillProgress)
        };
        self.script.told.lock().unwrap().iter().filter(looks).cloned().collect()
    }
}

/// What a command left behind.
#[derive(Debug)]
struct Left {
    exit: u8,
    out: String,
    errors: String,
}

/// Runs one command line as `main` does, with `typed` at the prompt.
async fn reef(line: &str, state: &Path, typed: &str, talk: Talk) -> Left {
    let args = std::iter::once("reef").chain(line.split(' '));
    let cli = Cli::try_parse_from(args).unwrap();
    let (mut out, written, errors) = captured(typed, talk);
    if cli.common.json {
        out.format = Format::Json;
    }
    if cli.common.verbose {
        out.page.detail = Detail::Full;
    }
    let mut common = cli.common;
    common.state = Some(state.to_owned());
    let mut cx =
        Cx { common, env: Env::of([("HOME", "/nowhere")]), clock: Box::new(SystemClock), out };
    let exit = match cx.dispatch(cli.command).await {
        Ok(exit) => exit,
        Err(failure) => {
            cx.tell(&failure);
            failure.exit()
        }
    };
    Left { exit: exit.0, out: written.text(), errors: errors.text() }
}

fn approve(id: i64, choice: usize, typed: Option<&str>) -> Order {
    Order::Approve { id: ApprovalId(id), choice: Some(choice), typed: typed.map(str::to_owned) }
}

#[tokio::test]
async fn a_question_is_shown_and_then_answered() {
    use Talk::{Piped, Terminal};
    let yes = approve(17, 1, None);
    for (line, typed, talk, exit, want) in [
        ("approve A-17", "y\n", Terminal, 0, vec![yes.clone()]),
        ("approve A-17", "n\n", Terminal, 1, vec![]),
        ("approve A-17", "", Terminal, 1, vec![]),
        ("approve A-17", "", Piped, 2, vec![]),
        ("approve A-17 --yes", "", Piped, 0, vec![yes]),
        ("approve A-17 2", "y\n", Terminal, 2, vec![]),
        // Several choices: one has to be named, here or at the prompt.
        ("approve A-18", "1\ny\n", Terminal, 0, vec![approve(18, 1, None)]),
        ("approve A-18", "9\n", Terminal, 2, vec![]),
        ("approve A-18 --yes", "", Piped, 2, vec![]),
        ("approve A-18 3 --yes", "", Piped, 0, vec![approve(18, 3, None)]),
        // The second is critical: its target is typed, and --yes is not enough.
        (
            "approve A-18 2 --yes",
            "mini:/var/log\n",
            Terminal,
            0,
            vec![approve(18, 2, Some("mini:/var/log"))],
        ),
        ("approve A-18 2 --yes", "y\n", Terminal, 1, vec![]),
        ("approve A-18 2 --yes", "", Piped, 2, vec![]),
        ("approve A-99", "y\n", Terminal, 1, vec![]),
    ] {
        let daemon = Daemon::new(Script::default());
        let left = reef(line, daemon.dir.path(), typed, talk).await;
        assert_eq!((left.exit, daemon.told()), (exit, want), "{line} with {typed:?}: {left:?}");
        if exit != 0 {
            assert_eq!(left.errors.matches("reef: ").count(), 1, "{line}: {}", left.errors);
        }
    }
}

fn planned(tier: Tier) -> Planned {
    Planned {
        run: RunId(9),
        approval: Some(ApprovalId(17)),
        plan: Some(views::plan(tier)),
        verdict: Verdict::Ask { why: "you typed it".into() },
        words: "compress 38 files, 61 MiB".into(),
    }
}

#[tokio::test]
async fn a_runbook_by_hand_is_shown_asked_and_followed_to_its_end() {
    let line = "runbook run disk-full --on mini:/var --set older=7d";
    let script = || Script { planned: Some(planned(Tier::High)), ..Script::default() };
    let daemon = Daemon::new(script());
    let left = reef(line, daemon.dir.path(), "y\n", Talk::Terminal).await;
    assert_eq!(left.exit, 0, "{left:?}");
    assert!(left.out.starts_with("compress 38 files, 61 MiB\nProceed? [Y/N]"), "{}", left.out);
    assert!(
        left.out.contains("R-9 is acting\nfixed: the probe that fired is green\n"),
        "{}",
        left.out
    );
    assert!(left.out.contains("reef undo D-31"), "{}", left.out);
    let told = daemon.told();
    assert!(
        matches!(&told[0], Order::RunbookRun { set, .. } if set[0] == ("older".into(), "7d".into()))
    );
    assert_eq!(told[1..], [approve(17, 1, None)]);

    // No is told to the daemon, so that no question is left behind.
    let daemon = Daemon::new(script());
    let left = reef(line, daemon.dir.path(), "n\n", Talk::Terminal).await;
    assert_eq!((left.exit, &daemon.told()[1..]), (1, &[Order::Deny { id: ApprovalId(17) }][..]));

    // Nothing is even planned where nobody can be asked.
    let daemon = Daemon::new(script());
    let left = reef(line, daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, daemon.told()), (2, vec![]), "{left:?}");
    assert!(left.errors.contains("--yes"), "{}", left.errors);

    // Critical and --yes without a terminal: refused, and the question closed.
    let daemon =
        Daemon::new(Script { planned: Some(planned(Tier::Critical)), ..Script::default() });
    let left = reef(&format!("{line} --yes"), daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, &daemon.told()[1..]), (2, &[Order::Deny { id: ApprovalId(17) }][..]));

    let daemon = Daemon::new(Script { ending: "not fixed", ..script() });
    assert_eq!(reef(&format!("{line} -y"), daemon.dir.path(), "", Talk::Piped).await.exit, 1);
}

#[tokio::test]
async fn a_question_of_the_runbook_is_never_answered_by_a_yes_alone() {
    let asked = Planned { approval: Some(ApprovalId(18)), ..planned(Tier::High) };
    let script = || Script { planned: Some(asked.clone()), ..Script::default() };
    let line = "runbook run disk-full --on mini:/var --yes";
    let daemon = Daemon::new(script());
    let left = reef(line, daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, daemon.told().len()), (2, 1), "{left:?}");
    assert!(left.errors.contains("reef approve A-18 1"), "{}", left.errors);
    let daemon = Daemon::new(script());
    let left = reef(line, daemon.dir.path(), "3\n", Talk::Terminal).await;
    assert_eq!((left.exit, &daemon.told()[1..]), (0, &[approve(18, 3, None)][..]), "{left:?}");
    // It is asked once, in its own words, and what does nothing needs no second yes.
    assert!(!left.out.contains("compress 38 files, 61 MiB\n"), "{}", left.out);
    assert!(!left.out.contains("Proceed?"), "{}", left.out);
    assert!(left.out.contains("reef does nothing about it."), "{}", left.out);
}

#[tokio::test]
async fn a_dry_run_asks_nothing_and_does_nothing() {
    let plan: Option<Plan> = Some(views::plan(Tier::High));
    let dry = Planned { run: RunId(0), approval: None, plan, ..planned(Tier::High) };
    let daemon = Daemon::new(Script { planned: Some(dry), ..Script::default() });
    let line = "runbook run disk-full --on mini:/var --dry-run";
    let left = reef(line, daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, daemon.told().len()), (0, 1), "{left:?}");
    assert!(left.out.contains("Dry run: nothing was changed; it would ask first"), "{}", left.out);
}

#[tokio::test]
async fn check_ends_as_a_nagios_plugin_does() {
    let signal = |severity| views::signalled("disk", "mini:/", severity, "x");
    let green = Severity::Green;
    for (severities, want) in [
        (vec![green], 0),
        (vec![green, Severity::Yellow, Severity::Unknown], 1),
        (vec![Severity::Red, Severity::Yellow], 2),
        (vec![green, Severity::Unknown], 3),
        (vec![], 3),
    ] {
        let check = severities.into_iter().map(signal).collect();
        let daemon = Daemon::new(Script { check, ..Script::default() });
        for line in ["check", "check --json", "check mini -v"] {
            let left = reef(line, daemon.dir.path(), "", Talk::Piped).await;
            assert_eq!(left.exit, want, "{line}: {left:?}");
        }
    }
    // Nothing that keeps a plugin from looking is a warning or an all-clear.
    let daemon = Daemon::new(Script::default());
    let left = reef("check none", daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, left.errors.as_str()), (3, "reef: nothing is watched on none\n"));
    let nobody = tempfile::tempdir().unwrap();
    // Without a daemon it looks for itself, by the config, which is not there.
    let config = nobody.path().join("none.toml").display().to_string();
    let left = reef(&format!("check -c {config}"), nobody.path(), "", Talk::Piped).await;
    assert!(left.exit == 3 && left.errors.contains("none.toml: cannot be read"), "{left:?}");
}

#[tokio::test]
async fn a_drill_is_followed_and_its_exit_code_says_how_it_went() {
    for (drill, exit, last) in
        [(DrillState::Passed, 0, "PASS  detect"), (DrillState::Failed, 1, "FAIL  after \"red\"")]
    {
        let daemon = Daemon::new(Script { drill, ..Script::default() });
        let left = reef("drill", daemon.dir.path(), "", Talk::Piped).await;
        assert_eq!(left.exit, exit, "{left:?}");
        assert!(left.out.lines().last().unwrap().starts_with(last), "{}", left.out);
        assert_eq!(left.out.matches("planted").count(), 1, "each step once: {}", left.out);
    }
}

#[tokio::test]
async fn json_is_the_view_as_it_came() {
    let daemon = Daemon::new(Script::default());
    let left = reef("status --json", daemon.dir.path(), "", Talk::Terminal).await;
    let printed: Json = serde_json::from_str(&left.out).unwrap();
    assert_eq!(printed, serde_json::to_value(views::morning()).unwrap());
    let left = reef("approve A-17 --yes --json", daemon.dir.path(), "", Talk::Piped).await;
    let printed: Json = serde_json::from_str(&left.out).unwrap();
    assert!(printed["words"].as_str().unwrap().starts_with("did Approve"), "{left:?}");
    assert!(left.errors.contains("restart jellyfin.service"), "{left:?}");
    let left = reef("tools --json", daemon.dir.path(), "", Talk::Piped).await;
    let printed: Json = serde_json::from_str(&left.out).unwrap();
    assert!(10 < printed["tools"].as_array().unwrap().len(), "{left:?}");
}

#[tokio::test]
async fn a_refusal_is_told_once_and_a_kept_config_is_a_wrong_one() {
    let daemon = Daemon::new(Script::default());
    let left = reef("undo D-31 --yes", daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, left.errors.as_str()), (1, "reef: there is no action D-31\n"));
    let left = reef("reload", daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, left.errors.as_str()), (2, "reef: the old config stays in force\n"));
    let left = reef("pause --note hands", daemon.dir.path(), "", Talk::Piped).await;
    assert_eq!((left.exit, left.out.as_str()), (0, "did Pause { note: Some(\"hands\") }\n"));
}

/// A state as a daemon leaves it.
fn state_of_the_dead() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = Store::open_with(
        &path,
        crate::store::StoreOptions { ballast_bytes: 0, readings_bytes: 1 << 20 },
    )
    .unwrap();
    store
        .call_now(|db| {
            for seq in 1..=3 {
                let payload = AuditPayload {
                    outcome: Some(format!("note {seq}")),
                    ..AuditPayload::default()
                };
                db.append(&AuditEntry {
                    at: Millis(seq),
                    actor: "reef".into(),
                    kind: AuditKind::Noted,
                    payload,
                })?;
            }
            db.set_flag(crate::gate::facts::PAUSED, Some("me"), NOW)
        })
        .unwrap();
    drop(store);
    std::fs::create_dir(path.join("reports")).unwrap();
    std::fs::write(path.join("reports/2026-03-03.md"), "# Tuesday\n**All works.**\n").unwrap();
    std::os::unix::fs::symlink("2026-03-03.md", path.join("reports/latest.md")).unwrap();
    (dir, path)
}

#[tokio::test]
async fn what_a_dead_daemon_left_can_be_read() {
    let (_dir, state) = state_of_the_dead();
    for (line, want) in [
        ("status", "not running; state"),
        ("status --json", "\"paused\": \"me\""),
        ("incidents", "no incidents"),
        ("approvals --all", "no questions"),
        ("audit list", "note 3"),
        ("audit show 2", "Outcome: note 2"),
        ("audit verify", "chain ok: 3 records"),
        ("report", "# Tuesday\n**All works.**\n"),
        ("report --path", "reports/2026-03-03.md"),
    ] {
        let left = reef(line, &state, "", Talk::Piped).await;
        assert_eq!(
            (left.exit, left.errors.as_str()),
            (0, "reef is not running; this is what it left\n"),
            "{line}: {left:?}"
        );
        assert!(left.out.contains(want), "{line}: {}", left.out);
    }
    let left = reef("report", &state, "", Talk::Terminal).await;
    assert!(left.out.starts_with("Tuesday\nAll works.\n"), "{left:?}");
    // Nothing of it was changed, and a record that is not there is an error.
    let left = reef("audit show 9", &state, "", Talk::Piped).await;
    assert!(left.exit == 1 && left.errors.contains("there is no record 9"), "{left:?}");

    let none = tempfile::tempdir().unwrap();
    let left = reef("status", none.path(), "", Talk::Piped).await;
    assert_eq!(left.exit, 1);
    assert!(left.errors.contains("reef is not running, and there is no state in"), "{left:?}");
    let left = reef("deny A-1", &state, "", Talk::Piped).await;
    assert!(left.exit == 1 && left.errors.contains("reef is not running"), "{left:?}");
}

#[tokio::test]
async fn a_tampered_log_is_an_exit_code() {
    let (_dir, state) = state_of_the_dead();
    let anchors = state.join("audit.head");
    let heads = std::fs::read_to_string(&anchors).unwrap();
    let mut heads: Json = serde_json::from_str(&heads).unwrap();
    let last = heads.as_array().unwrap().last().unwrap().clone();
    heads.as_array_mut().unwrap().push(json!({ "seq": 99, "hash": last["hash"] }));
    std::fs::write(&anchors, heads.to_string()).unwrap();
    let left = reef("audit verify", &state, "", Talk::Piped).await;
    assert!(left.exit == 1 && left.out.starts_with("chain BROKEN at record"), "{left:?}");
}
