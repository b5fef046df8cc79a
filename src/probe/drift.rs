//! `drift`: whether what Terraform or OpenTofu made is still what its files say.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::Fut;
use crate::clients::outfit::Outfit;
use crate::clients::terraform::{Differs, Seen, Stack};
use crate::config::section::Section;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// Addresses that the words of a reading name.
const TOLD: usize = 5;
/// The longest that a plan or an apply may be given: the tools wait no longer.
const LONGEST: Span = Span::hours(1);

/// Plans, and throws the plan away.
#[derive(Debug)]
pub struct DriftProbe {
    stack: Arc<Stack>,
    signal: Signal,
}

impl DriftProbe {
    pub fn new(stack: Arc<Stack>, target: Target) -> Self {
        let signal = Signal { probe: Word::of("drift"), target, aspect: Word::of("plan") };
        Self { stack, signal }
    }

    fn reading(&self, judged: (Severity, &'static str), words: &str, now: Millis) -> Reading {
        let (severity, reason) = judged;
        let mut reading = Reading::new(self.signal.clone(), now, severity, Word::of(reason), words);
        reading.values.insert("stack".into(), Value::Word(self.stack.name.clone()));
        reading
    }

    fn judge(&self, seen: &Seen, now: Millis) -> Reading {
        let n = seen.planned.len();
        let destroyed =
            seen.planned.iter().filter(|(_, action)| action == "delete" || action == "replace");
        let destroyed = destroyed.count();
        let (judged, words) = match (seen.differs, n) {
            (Differs::No, _) => ((Severity::Green, "ok"), "all is as its files say".to_owned()),
            (Differs::Yes, 0) => {
                ((Severity::Yellow, "drift"), "only outputs would change".to_owned())
            }
            (Differs::Yes, _) => {
                let mut told: Vec<String> = seen
                    .planned
                    .iter()
                    .take(TOLD)
                    .map(|(at, what)| format!("{what} {at}"))
                    .collect();
                if TOLD < n {
                    told.push(format!("{} more", n - TOLD));
                }
                let behind = match seen.drifted.len() {
                    0 => String::new(),
                    d => format!("; {d} changed behind its back"),
                };
                (
                    (Severity::Yellow, "drift"),
                    format!("{n} differ from its files: {}{behind}", told.join(", ")),
                )
            }
        };
        let mut reading = self.reading(judged, &words, now);
        let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        reading.values.insert("changes".into(), int(n));
        reading.values.insert("destroyed".into(), int(destroyed));
        reading
    }
}

impl NetProbe for DriftProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            vec![match self.stack.look().await {
                Ok(seen) => self.judge(&seen, now),
                Err(why) => self.reading((Severity::Unknown, "cannot-look"), &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let words = format!("no plan within {after}");
        vec![self.reading((Severity::Unknown, "timeout"), &words, now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "stack", kind: Kind::Word, doc: "its name below [terraform]" },
        Gives { name: "changes", kind: Kind::Int, doc: "resources that differ from the files" },
        Gives {
            name: "destroyed",
            kind: Kind::Int,
            doc: "those of them that would be deleted or replaced",
        },
    ]
}

/// `NAME = "/folder"` below `[terraform]`, or a table with `folder`, `binary`, `addresses`, `hosts`, `apply_within`,
/// `env`, `secrets` and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(folder) = ask.main::<AbsPath>("folder") else { return Vec::new() };
    let binary: Option<String> = ask.opt("binary");
    let plain = |b: &String| ["terraform", "tofu"].contains(&b.as_str()) || AbsPath::new(b).is_ok();
    if binary.as_ref().is_some_and(|b| !plain(b)) {
        ask.mistake(
            "binary",
            "is neither terraform nor tofu; for another one write its absolute path",
        );
    }
    let addresses: Vec<String> = ask.list("addresses").unwrap_or_default();
    if let Some(odd) = addresses.iter().find(|a| !a.contains('.') || a.contains(['*', ' '])) {
        ask.mistake(
            "addresses",
            format!("{odd:?} is no address; write each in full, as `terraform state list` does"),
        );
    }
    let hosts: Vec<HostName> = ask.list("hosts").unwrap_or_default();
    let apply_within = ask.at_least("apply_within", Span::mins(30), Span::secs(10));
    let (env, secrets) = (ask.section("env"), ask.section("secrets"));
    let outfit = outfit(ask, env, secrets);
    let here = ask.cx.here.clone();
    let mut common = Common::with(Span::hours(6), Span::mins(5));
    // A plan tells what is, once: nothing of it passes by itself.
    (common.fire_after, common.clear_after) = (1, 1);
    let mut common = ask.common(common, &here);
    for (key, given) in [("timeout", common.timeout), ("apply_within", apply_within)] {
        if LONGEST < given {
            ask.mistake(key, format!("is too long: {LONGEST} at the most"));
        }
    }
    let Some(target) = ask.target(&here, Thing::Terraform) else { return Vec::new() };
    let Ok(name) = Word::new(ask.name) else {
        ask.mistake("folder", "its name may have letters, digits, '-', '_' and '.' only");
        return Vec::new();
    };
    let stack = Arc::new(Stack {
        name,
        folder,
        binary,
        addresses: addresses.into_iter().collect(),
        hosts: hosts.into_iter().collect(),
        plan_within: common.timeout,
        apply_within,
        outfit,
        turn: Arc::new(Mutex::new(())),
    });
    ask.cx.stacks.add(Arc::clone(&stack));
    // The program is ended within a second of its time, and says so.
    common.timeout = Span(common.timeout.0 + 2_000);
    let probe = DriftProbe::new(stack, target);
    let (main, parent) = (probe.signal.clone(), common.parent.clone());
    let how = How::Net(Box::new(probe));
    let probe = common.probe(Word::of("drift"), format!("drift.{}", ask.name), here, how);
    // Implied: `off` takes it away, and leaves the tools what they need.
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Implied }]
}

fn outfit(ask: &Ask<'_>, env: Option<Section>, secrets: Option<Section>) -> Outfit {
    match (env, secrets) {
        (Some(env), Some(secrets)) => {
            Outfit::read(env, secrets, &ask.cx.keys, ask.cx.redactor.clone())
        }
        (Some(_) | None, _) => Outfit::at_home(ask.home(), ask.cx.redactor.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::redact::Redactor;
    use crate::probe::ask::NoPast;

    /// A probe over a program that prints and ends like this.
    async fn look(script: &str) -> Reading {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("terraform");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let stack = Stack {
            name: Word::of("web"),
            folder: AbsPath::new("/srv").unwrap(),
            binary: Some(program.to_str().unwrap().to_owned()),
            addresses: [].into(),
            hosts: [].into(),
            plan_within: Span::secs(5),
            apply_within: Span::secs(5),
            outfit: Outfit::bare(Arc::new(Redactor::new(Vec::new()))),
            turn: Arc::default(),
        };
        let target = "mini:terraform:web".parse().unwrap();
        let mut probe = DriftProbe::new(Arc::new(stack), target);
        probe.look(&NoPast, Millis(1)).await.remove(0)
    }

    const DRIFT: &str = include_str!("../clients/terraform/recorded/drift.jsonl");

    #[tokio::test]
    async fn exit_codes_and_recorded_lines_are_judged() {
        let drift = look(&format!("cat <<'END'\n{DRIFT}\nEND\nexit 2")).await;
        assert_eq!((drift.severity, drift.reason.as_str()), (Severity::Yellow, "drift"));
        assert_eq!(drift.words.as_str(), "1 differ from its files: update terraform_data.web");
        assert!(gives().iter().all(|g| drift.values[g.name].fits(&g.kind)), "{drift:?}");
        assert_eq!(look("exit 0").await.severity, Severity::Green);
        let outputs = look("exit 2").await;
        assert_eq!(outputs.words.as_str(), "only outputs would change");
        let args = look("for a; do echo \"$a\"; done >&2; exit 1").await;
        assert_eq!((args.severity, args.reason.as_str()), (Severity::Unknown, "cannot-look"));
        let want = "-chdir=/srv / plan / -detailed-exitcode / -input=false / -lock=false / -no-color / -json";
        assert!(args.words.as_str().contains(want), "{}", args.words);
    }

    #[tokio::test]
    async fn what_cannot_look_is_unknown_and_says_what_to_do() {
        let init = r#"echo '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"Backend initialization required, please run \"terraform init\"","detail":""}}'; exit 1"#;
        let told = look(init).await;
        assert_eq!(told.severity, Severity::Unknown);
        assert!(told.words.as_str().contains("init` by hand once"), "{}", told.words);
        let denied = r#"echo '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"reading the state","detail":"api error AccessDenied: Access Denied"}}'; exit 1"#;
        let told = look(denied).await;
        assert!(told.words.as_str().contains("a right is missing"), "{}", told.words);
        assert_eq!(look("kill -9 $$").await.severity, Severity::Unknown);
    }

    /// The names of the probes, the declared folders and what is wrong with a config.
    fn read(text: &str) -> (Vec<String>, Vec<Arc<Stack>>, String) {
        use crate::config::env::Env;
        use crate::config::given::Source;
        use crate::config::section::Reader;
        let cx = crate::probe::ask::Context::new(HostName::of("mini"));
        let (reader, mut root) = Reader::open(Source::new("c.toml", text), Env::of([]));
        let watched = crate::probe::table::from_config(&mut root, &cx);
        root.finish();
        let names = watched.probes.iter().map(|p| p.name.clone());
        let names = names.filter(|name| name.starts_with("drift")).collect();
        let wrong = reader.done().err().map(|m| m.to_string()).unwrap_or_default();
        (names, cx.stacks.all().into_values().collect(), wrong)
    }

    #[test]
    fn a_declared_folder_brings_its_probe_which_may_be_off() {
        let (names, stacks, wrong) = read("[terraform]\nweb = \"/srv/web\"\n");
        assert_eq!((names, wrong.as_str()), (vec!["drift.web".to_owned()], ""));
        assert_eq!(
            (stacks[0].plan_within, stacks[0].apply_within),
            (Span::mins(5), Span::mins(30))
        );
        let (names, stacks, wrong) = read(
            "[probe]\noff = [\"drift.web\"]\n[terraform.web]\nfolder = \"/srv/web\"\nbinary = \"tofu\"\n",
        );
        assert_eq!((names.len(), stacks.len(), wrong.as_str()), (0, 1, ""));
        for (text, want) in [
            ("[terraform.web]\n", "folder"),
            ("[terraform]\nweb = \"srv\"\n", "absolute"),
            ("[terraform.web]\nfolder = \"/a\"\nbinary = \"sh\"\n", "neither terraform nor tofu"),
            ("[terraform.web]\nfolder = \"/a\"\naddresses = [\"a.*\"]\n", "no address"),
            ("[terraform.web]\nfolder = \"/a\"\napply_within = \"3h\"\n", "too long"),
            (
                "[terraform.web]\nfolder = \"/a\"\nenv = { TF_CLI_ARGS_apply = \"-x\" }\n",
                "no approval",
            ),
            ("[terraform.web]\nfolder = \"/a\"\nadresses = [\"a.b\"]\n", "did you mean"),
            ("[probe]\ndrift.web = \"/a\"\n", "written apart"),
        ] {
            let (_, _, wrong) = read(text);
            assert!(wrong.contains(want), "{want}: {wrong}");
        }
    }
}
