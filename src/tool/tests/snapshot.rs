//! Snapshots of file systems, on a host whose zfs(8) keeps state. btrfs is tested on a real one, by the binary.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::stage::{Stage, done, here, target, undone_by, word};
use crate::Fut;
use crate::clients::host::{HostLink, LinkError, Output};
use crate::config::snapshots::{Dataset, SnapshotBy};
use crate::gate::permit::Permit;
use crate::gate::tool::Parsed;
use crate::model::fact::{Fact, Facts};
use crate::model::ids::{HostName, ToolName};
use crate::model::taint::Tainted;
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Bounds, Call, Tier, ToolError, Undo};
use crate::model::value::Value;
use crate::policy::argv::{Argv, ReadOnly};
use crate::tool::grants::{Needs, grants};
use crate::tool::world::{Deeds, Inventory};

const AT: &str = "mini:/srv/web";

/// What zfs(8) would keep of one dataset.
#[derive(Debug, Default)]
struct Pool {
    content: String,
    /// Names with what they hold, oldest first.
    snapshots: Vec<(String, String)>,
    /// It says yes and does nothing.
    lies: bool,
    /// It says that this may not be.
    refuses: Option<&'static str>,
    ran: Vec<String>,
}

#[derive(Debug)]
struct Zfs {
    name: HostName,
    pool: Mutex<Pool>,
}

impl Zfs {
    fn said(&self, argv: &[String], acts: bool) -> (i32, String, String) {
        let mut pool = self.pool.lock().unwrap();
        let parts: Vec<&str> = argv.iter().map(String::as_str).collect();
        if acts {
            pool.ran.push(parts.join(" "));
            if let Some(why) = pool.refuses {
                return (1, String::new(), why.into());
            }
            if pool.lies {
                return (0, String::new(), String::new());
            }
        }
        let yes = |text: String| (0, text, String::new());
        let no = |why: &str| (1, String::new(), why.to_owned());
        match parts.as_slice() {
            ["zfs", "list", "-Hp", "-o", "written,mountpoint", "tank/web"] => {
                let written = match pool.snapshots.last() {
                    Some((_, held)) if *held == pool.content => 0,
                    _ => 3 << 20,
                };
                yes(format!("{written}\t/srv/web\n"))
            }
            [
                "zfs",
                "list",
                "-Hp",
                "-o",
                "name",
                "-t",
                "snapshot",
                "-d",
                "1",
                "-S",
                "createtxg",
                "tank/web",
            ] => {
                let all = pool.snapshots.iter().rev().map(|(name, _)| format!("tank/web@{name}\n"));
                yes(all.collect())
            }
            ["zfs", "list", "-Hp", "-o", "creation,name", "-t", "snapshot", names @ ..] => {
                let (mut out, mut err) = (String::new(), String::new());
                for name in names {
                    let short = name.strip_prefix("tank/web@").unwrap();
                    match pool.snapshots.iter().position(|(known, _)| known == short) {
                        Some(n) => out.push_str(&format!("{}\t{name}\n", 1_800_000_100 + n)),
                        None => {
                            err.push_str(&format!(
                                "cannot open '{name}': dataset does not exist\n"
                            ));
                        }
                    }
                }
                (i32::from(!err.is_empty()), out, err)
            }
            ["zfs", "snapshot", of] => {
                let name = of.strip_prefix("tank/web@").unwrap().to_owned();
                if pool.snapshots.iter().any(|(known, _)| *known == name) {
                    return no("cannot create snapshot: dataset already exists");
                }
                let content = pool.content.clone();
                pool.snapshots.push((name, content));
                yes(String::new())
            }
            ["zfs", "rollback", of] => {
                let name = of.strip_prefix("tank/web@").unwrap();
                match pool.snapshots.last().cloned() {
                    Some((newest, content)) if newest == name => {
                        pool.content = content;
                        yes(String::new())
                    }
                    _ => no("cannot rollback: more recent snapshots or bookmarks exist"),
                }
            }
            ["zfs", "destroy", of] => {
                let name = of.strip_prefix("tank/web@").unwrap();
                pool.snapshots.retain(|(known, _)| known != name);
                yes(String::new())
            }
            other => panic!("no such command: {other:?}"),
        }
    }

    fn answer(&self, argv: &Argv, acts: bool) -> Result<Output, LinkError> {
        let (code, out, err) = self.said(argv.as_slice(), acts);
        let (stdout, stderr) = (Tainted::new(&out), Tainted::new(&err));
        Ok(Output { code: Some(code), stdout, stderr, took: Span(20) })
    }
}

impl HostLink for Zfs {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn facts<'a>(&'a self, _: &'a BTreeSet<Fact>) -> Fut<'a, Facts> {
        Box::pin(async { Facts::new() })
    }

    fn read<'a>(&'a self, argv: &'a ReadOnly, _: Span) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async { self.answer(argv.argv(), false) })
    }

    fn exec<'a>(
        &'a self,
        _: &'a Permit,
        argv: &'a Argv,
        _: Span,
    ) -> Fut<'a, Result<Output, LinkError>> {
        Box::pin(async { self.answer(argv, true) })
    }
}

/// What was done before, as the test says.
#[derive(Debug, Default)]
struct Past(Mutex<Vec<(Millis, Call)>>);

impl Deeds for Past {
    fn count<'a>(
        &'a self,
        _: &'a ToolName,
        _: &'a Target,
        _: Millis,
    ) -> Fut<'a, Result<u32, String>> {
        Box::pin(async { Ok(0) })
    }

    fn undos<'a>(
        &'a self,
        _: &'a [ToolName],
        _: &'a Target,
        _: Millis,
    ) -> Fut<'a, Result<Vec<(Millis, Call)>, String>> {
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }
}

struct Lab {
    stage: Stage,
    zfs: Arc<Zfs>,
    past: Arc<Past>,
}

impl Lab {
    fn new() -> Self {
        let mut stage = Stage::with(|inventory, _| {
            let by = SnapshotBy::Zfs(Dataset::new("tank/web").unwrap());
            inventory.filesystems = [(target(AT), by)].into();
        });
        let pool = Mutex::new(Pool { content: "good".into(), ..Pool::default() });
        let (zfs, past) = (Arc::new(Zfs { name: here(), pool }), Arc::new(Past::default()));
        stage.world.hosts = [(here(), Arc::clone(&zfs) as _)].into();
        stage.world.deeds = Arc::clone(&past) as _;
        Self { stage: stage.again(), zfs, past }
    }

    fn pool<T>(&self, with: impl FnOnce(&mut Pool) -> T) -> T {
        with(&mut self.zfs.pool.lock().unwrap())
    }

    async fn refused(&self, call: &Call) -> String {
        let why = match self.stage.parse(call) {
            Ok(Parsed::Action(action)) => action.preview().await.err(),
            Ok(Parsed::Query(_)) => None,
            Err(why) => Some(why),
        };
        match why {
            Some(ToolError::Refused(why)) => why,
            other => panic!("{call}: {other:?}"),
        }
    }
}

fn call(tool: &'static str, at: &str, more: &[(&str, Value)]) -> Call {
    let mut args: std::collections::BTreeMap<String, Value> =
        more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    args.insert("of".into(), Value::Target(target(at)));
    Call { tool: ToolName::of(tool), target: target(at), args, bounds: Bounds::default() }
}

#[tokio::test]
async fn a_snapshot_is_taken_seen_rolled_back_to_and_removed() {
    let lab = Lab::new();
    let create = call("snapshot.create", AT, &[("mark", word("reef-run-7"))]);
    assert_eq!(lab.stage.action(&create).tier(), Tier::Medium);
    let (effect, _) = lab.stage.preview(&create).await.unwrap();
    for part in ["reef-1", "ZFS dataset tank/web", "kept for 7 d", "loses what anybody wrote"] {
        assert!(effect.words.contains(part), "{part}: {}", effect.words);
    }
    let (undo, result) = lab.stage.act(&create).await;
    assert!(done(&result).starts_with("done and seen: "), "{result:?}");
    let back = undone_by(&undo);
    assert_eq!(
        back.to_string(),
        format!("snapshot.rollback {AT} mark=reef-run-7 name=reef-1 of={AT}")
    );
    lab.past.0.lock().unwrap().push((Millis(1), back.clone()));

    let mut query = call("snapshot.list", AT, &[("name", word("reef-1"))]);
    let found = lab.stage.query(&query).await.unwrap();
    assert_eq!(
        (&found.values["count"], &found.values["is_there"]),
        (&Value::Int(1), &Value::Flag(true))
    );
    query.args.insert("name".into(), word("reef-2"));
    assert_eq!(lab.stage.query(&query).await.unwrap().values["is_there"], Value::Flag(false));

    lab.pool(|pool| pool.content = "spoilt".into());
    assert_eq!(lab.stage.action(&back).tier(), Tier::Critical);
    let (effect, _) = lab.stage.preview(&back).await.unwrap();
    assert!(effect.words.contains("3 MiB that was written since is lost"), "{}", effect.words);
    assert!(effect.words.contains("of 2027-01-15T08:01:40Z"), "{}", effect.words);
    let (undo, result) = lab.stage.act(&back).await;
    done(&result);
    assert!(matches!(undo, Undo::Impossible(_)), "what was written since is lost");
    assert_eq!(lab.pool(|pool| pool.content.clone()), "good");

    let forget = Call { tool: ToolName::of("snapshot.forget"), ..back };
    done(&lab.stage.act(&forget).await.1);
    let (effect, _) = lab.stage.preview(&forget).await.unwrap();
    assert_eq!(effect.max_items, 0, "what is gone is not removed again");
    assert_eq!(
        lab.pool(|pool| pool.ran.clone()),
        [
            "zfs snapshot tank/web@reef-1",
            "zfs rollback tank/web@reef-1",
            "zfs destroy tank/web@reef-1"
        ]
    );
}

#[tokio::test]
async fn a_newer_snapshot_is_never_destroyed_to_roll_back() {
    let lab = Lab::new();
    let create = call("snapshot.create", AT, &[]);
    let (undo, _) = lab.stage.act(&create).await;
    lab.pool(|pool| pool.snapshots.push(("autosnap_hourly".into(), "later".into())));
    let why = lab.refused(&undone_by(&undo)).await;
    assert!(
        why.contains("autosnap_hourly is") && why.contains("/srv/web/.zfs/snapshot/reef-1"),
        "{why}"
    );
    // It came between the plan and the act.
    lab.pool(|pool| drop(pool.snapshots.pop()));
    let back = undone_by(&undo);
    let (effect, none) = lab.stage.preview(&back).await.unwrap();
    lab.pool(|pool| pool.snapshots.push(("autosnap_hourly".into(), "later".into())));
    let result = lab.stage.act_as(&back, effect, none).await;
    assert_eq!(result.word(), "not started", "{result:?}");
    assert!(lab.pool(|pool| pool.ran.iter().all(|ran| !ran.contains("rollback"))));
}

#[tokio::test]
async fn an_exit_code_of_zero_proves_nothing() {
    let lab = Lab::new();
    let create = call("snapshot.create", AT, &[]);
    lab.pool(|pool| pool.lies = true);
    let (undo, result) = lab.stage.act(&create).await;
    assert!(result.word() == "failed" && result.words().contains("it is not there"), "{result:?}");
    lab.pool(|pool| pool.lies = false);
    lab.stage.act(&create).await;
    lab.pool(|pool| pool.lies = true);
    let back = undone_by(&undo);
    let forget = Call { tool: ToolName::of("snapshot.forget"), ..back };
    let (_, result) = lab.stage.act(&forget).await;
    assert!(result.word() == "failed" && result.words().contains("still there"), "{result:?}");
    lab.pool(|pool| (pool.lies, pool.refuses) = (false, Some("cannot create: permission denied")));
    let (_, result) = lab.stage.act(&create).await;
    assert!(result.words().contains("zfs snapshot tank/web@reef-2"), "the grant: {result:?}");
}

#[tokio::test]
async fn a_name_that_is_used_again_is_not_mistaken_for_what_it_was() {
    let lab = Lab::new();
    let of_run = |mark: &str| call("snapshot.create", AT, &[("mark", word(mark))]);
    let (first, _) = lab.stage.act(&of_run("reef-run-1")).await;
    lab.past.0.lock().unwrap().push((Millis(1), undone_by(&first)));
    let forget = Call { tool: ToolName::of("snapshot.forget"), ..undone_by(&first) };
    done(&lab.stage.act(&forget).await.1);
    let (second, _) = lab.stage.act(&of_run("reef-run-9")).await;
    lab.past.0.lock().unwrap().push((Millis(2), undone_by(&second)));
    assert_eq!(undone_by(&second).args["name"], word("reef-1"), "the name is free again");
    let why = lab.refused(&undone_by(&first)).await;
    assert!(why.contains("the one that was meant is gone"), "{why}");
    assert!(lab.stage.preview(&undone_by(&second)).await.is_ok());
    assert_eq!(lab.stage.preview(&forget).await.unwrap().0.max_items, 0, "another's stays");
    // What was planned as one name is not done with another.
    let third = of_run("reef-run-10");
    let (effect, undo) = lab.stage.preview(&third).await.unwrap();
    lab.stage.act(&of_run("reef-run-11")).await;
    assert_eq!(lab.stage.act_as(&third, effect, undo).await.word(), "not started");
}

#[tokio::test]
async fn what_is_not_declared_not_reefs_own_or_too_much_is_refused() {
    let lab = Lab::new();
    let cases = [
        (call("snapshot.create", "mini:/srv", &[]), "snapshots.\"/srv\" = {}"),
        (call("snapshot.rollback", AT, &[("name", word("daily"))]), "no snapshot of reef's own"),
        (call("snapshot.forget", AT, &[("name", word("reef-9"))]), "no snapshot of reef's own"),
        (call("snapshot.rollback", AT, &[("name", word("reef-1"))]), "(any more)"),
        (call("snapshot.create", AT, &[("keep", Value::Span(Span::mins(5)))]), "an hour at least"),
    ];
    for (call, part) in cases {
        let why = lab.refused(&call).await;
        assert!(why.contains(part), "{call}: {why}");
    }
    for _ in 0..8 {
        lab.stage.act(&call("snapshot.create", AT, &[])).await;
    }
    let why = lab.refused(&call("snapshot.create", AT, &[])).await;
    assert!(why.contains("eight snapshots"), "{why}");

    let mounted = SnapshotBy::Zfs(Dataset::new("tank/web").unwrap());
    let own = Stage::with(|inventory, _| {
        inventory.filesystems = [(target(AT), mounted)].into();
        inventory.protected = vec![crate::model::target::AbsPath::new("/srv/web/reef").unwrap()];
    });
    let why = own.parse(&call("snapshot.create", AT, &[])).err().unwrap().to_string();
    assert!(why.contains("reef's own audit log"), "{why}");
}

#[test]
fn a_key_is_authorized_for_each_of_the_eight_names() {
    let zfs = SnapshotBy::Zfs(Dataset::new("tank/web").unwrap());
    let filesystems = [
        (target("nas:/srv/web"), zfs),
        (target("nas:/home"), SnapshotBy::Btrfs),
        (target("mini:/srv"), SnapshotBy::Btrfs),
    ];
    let inventory = Inventory { filesystems: filesystems.into(), ..Inventory::default() };
    let listed = grants(&HostName::of("nas"), &inventory, &Needs::default());
    let lines: Vec<String> = listed.iter().map(|l| l.argv.to_string()).collect();
    assert_eq!(lines.len(), 8 * 3 + 8 * 4, "{lines:#?}");
    for line in [
        "zfs snapshot tank/web@reef-1",
        "zfs rollback tank/web@reef-8",
        "zfs destroy tank/web@reef-3",
        "btrfs subvolume snapshot -r /home /home/.reef-2",
        "btrfs subvolume delete /home/.reef-8",
    ] {
        assert!(lines.iter().any(|listed| listed == line), "{line}: {lines:#?}");
    }
    assert!(lines.iter().any(|l| l.starts_with("rsync") && l.ends_with("/home/.reef-1/ /home/")));
    assert!(lines.iter().all(|l| !l.contains(" -r tank") && !l.contains("/srv/.reef")));
}
