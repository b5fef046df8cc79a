//! The config as a whole: mistakes, secrets, globals and the example.

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use crate::Fut;
use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::globals::{Globals, Listen};
use crate::config::mistakes::Mistakes;
use crate::config::secret::{SecretCommand, SecretSource};
use crate::config::section::{Entry, Origin, Outcome, Reader, Section};
use crate::config::setting::{Address, Bytes, Micros, Percent, Setting};
use crate::model::ids::{HostName, RunbookName};
use crate::model::incident::HoldScope;
use crate::model::plan::Leash;
use crate::model::time::Span;

fn open(text: &str) -> (Reader, Section) {
    Reader::open(Source::new("config.toml", text), env())
}

fn env() -> Env {
    Env::of([("PORT", "7333"), ("TOKEN", "hunter2"), ("WORD", "osberve")])
}

/// Reads a text as globals alone.
fn globals(text: &str) -> Result<(Globals, Outcome), Mistakes> {
    let (reader, mut root) = open(text);
    let globals = Globals::read(&mut root);
    root.finish();
    reader.done().map(|outcome| (globals.unwrap(), outcome))
}

/// Reads a text with `read` and gives the report of what is wrong.
fn wrong(text: &str, read: impl FnOnce(&mut Section)) -> String {
    let (reader, mut root) = open(text);
    read(&mut root);
    root.finish();
    reader.done().map_or_else(|mistakes| mistakes.to_string(), |_| String::new())
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_caret() {
    let report = wrong("[probe.http.x]\nurl = \"http://x\"\n  evry = \"5m\"\n", |root| {
        let mut probes = root.section("probe");
        let mut kind = probes.section("http");
        for (_, entry) in kind.entries() {
            let Entry::Table(mut http) = entry else { panic!("a table was expected") };
            http.need::<String>("url");
            http.or("every", Span::mins(1));
            http.finish();
        }
    });
    assert_eq!(
        report,
        "config.toml:3: [probe.http.x] \"evry\" is not a key here; did you mean \"every\"?\n  \
           3 |   evry = …\n    \
             |   ^^^^\n\
         1 mistake; nothing was changed. Correct the config, then try `reef config check`."
    );
}

/// Twenty mistakes of all sorts, each on the line that its comment-free text stands on.
const TWENTY: &str = r#"ceilng = "ask"
hold_scope = "hosts"
timezone = "Europe/Berln"
pages_repeat = "5 mn"
runbook_dir = "runbooks"
report = { cron = "0 25 * * *", deliver_at = "7 am" }
limits = 3
[breaker]
failures = 0
within = 10
pause = "${PAUSE}"
[web]
listen = "0.0.0.0:7333"
[log]
format = "yaml"
level = true
[report2]
[webb]
[runbok]
[host."-x"]
[host.nas]
port = 70000
ceiling = "${WORD}"
prent = "switch"
[host.this]
address = "::1"
[runbook.disk-full]
leash = { nas = "always" }
[prob]
"#;

#[test]
fn a_text_of_mistakes_alone_ends() {
    let keys: String = (0..4_000).map(|n| format!("k{n} = 1\n")).collect();
    assert_eq!(globals(&keys).unwrap_err().all().len(), 1_000);
    assert_eq!(globals(&"= 1\n".repeat(5_000)).unwrap_err().all().len(), 100);
    assert!(globals(&format!("a = {}", "[".repeat(20_000))).is_err());
}

#[test]
fn twenty_mistakes_are_told_at_once_each_at_its_line() {
    let mistakes = globals(TWENTY).unwrap_err();
    let lines: Vec<usize> = mistakes.all().iter().map(|m| m.line).collect();
    let want =
        [1, 2, 3, 4, 5, 6, 6, 7, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 22, 23, 24, 26, 28, 29];
    assert_eq!(lines, want, "{mistakes}");
    let report = mistakes.to_string();
    for hint in [
        "did you mean \"ceiling\"?",
        "did you mean \"host\"?",
        "did you mean \"Europe/Berlin\"?",
        "\"5 mn\" is no duration",
        "is not an absolute path",
        "${PAUSE}, which is not set",
        "[breaker] failures: 0 is too little; at least 1",
        "reverse proxy",
        "did you mean \"observe\"?",
        "did you mean \"parent\"?",
        "mini is this machine",
        "\"prob\" is not a section here",
        "24 mistakes",
    ] {
        assert!(report.contains(hint), "{hint:?} is not in\n{report}");
    }
    // The value of a variable may be a secret.
    assert!(!report.contains("osberve"), "{report}");
}

#[test]
fn broken_syntax_is_told_alone_and_at_its_line() {
    for (text, line) in [
        ("ceiling = \"ask\nceilng = 1\n", 1),
        ("a = 1\n[web\nlisten = 1\n", 2),
        ("a = 1\na = 2\n", 2),
        ("[web]\n[web]\n", 2),
        ("\n\n= 3\n", 3),
        ("a = 01\n", 1),
    ] {
        let mistakes = globals(text).unwrap_err();
        assert_eq!(mistakes.all()[0].line, line, "{text:?}: {mistakes}");
        assert!(mistakes.all()[0].what.starts_with("this is no TOML"), "{mistakes}");
        assert!(mistakes.all().iter().all(|m| m.what.starts_with("this is no TOML")), "{mistakes}");
    }
}

#[test]
fn a_block_within_a_file_counts_the_lines_of_the_file() {
    let (reader, root) = Reader::open(Source::part("disk-full.md", "a = 1\nb = 2\n", 40), env());
    root.finish();
    let lines: Vec<usize> = reader.done().unwrap_err().all().iter().map(|m| m.line).collect();
    assert_eq!(lines, [40, 41]);
}

#[test]
fn a_section_that_nobody_finished_fails_closed() {
    let report = wrong("[web]\nlisten = \"off\"\nport = 1\n", |root| {
        root.section("web").opt::<Listen>("listen");
    });
    assert!(report.contains("\"port\" is not a key here"), "{report}");
    // One whose parser gave up at a mistake says no more than that.
    let report = wrong("[web]\nport = 1\n", |root| {
        root.section("web").need::<Listen>("listen");
    });
    assert!(report.contains("1 mistake;") && report.contains("listen: is missing"), "{report}");
}

#[test]
fn what_a_section_reads_is_recorded_with_its_origin() {
    let (reader, mut root) = open("a = \"90s\"\nb = [\"x\", \"y${PORT}\"]\nc = \"one\"\n");
    assert_eq!(root.opt("a"), Some(Span::secs(90)));
    assert_eq!(root.list("b"), Some(vec!["x".to_owned(), "y7333".to_owned()]));
    assert_eq!(root.list("c"), Some(vec!["one".to_owned()]));
    assert_eq!(root.or("d", Bytes(50 << 30)), Bytes(50 << 30));
    assert_eq!(root.opt::<u64>("e"), None);
    root.finish();
    let records = reader.done().unwrap().records;
    let shown: Vec<_> = records.iter().map(|r| (&*r.path, &*r.shown, r.origin.clone())).collect();
    assert_eq!(
        shown,
        [
            ("a", "90 s", Origin::Line(1)),
            ("b", "[x, y${PORT}]", Origin::Line(2)),
            ("c", "[one]", Origin::Line(3)),
            ("d", "50 GiB", Origin::Default),
            ("e", "", Origin::Unset),
        ]
    );
}

#[test]
fn entries_are_what_nobody_asked_for_yet() {
    let (reader, mut root) = open("every = \"1m\"\na = \"http://a\"\nb = { x = 1 }\nc = 5\n");
    root.opt::<Span>("every");
    let mut found = Vec::new();
    for (name, entry) in root.entries() {
        found.push(match entry {
            Entry::Short(text) => format!("{name} is {text}"),
            Entry::Table(mut table) => {
                format!("{} has {:?}", table.path().to_owned(), table.opt::<u64>("x"))
            }
            Entry::Other => format!("{name} is odd"),
        });
    }
    assert_eq!(found, ["a is http://a", "b has Some(1)", "c is odd"]);
    root.finish();
    assert!(reader.done().is_ok());
}

#[test]
fn lists_of_tables_are_sections() {
    let (reader, mut root) = open("[[m]]\na = 1\n[[m]]\na = \"x\"\n");
    let found: Vec<Option<u64>> = root.sections("m").iter_mut().map(|s| s.opt("a")).collect();
    assert_eq!(found, [Some(1), None]);
    root.finish();
    assert_eq!(reader.done().unwrap_err().all()[0].line, 4);
}

fn read<T: Setting>(text: &str) -> Result<String, String> {
    let (reader, mut root) = open(&format!("v = {text}"));
    let value: Option<T> = root.opt("v");
    root.finish();
    reader.done().map(|_| value.unwrap().show()).map_err(|m| m.all()[0].what.clone())
}

/// Each value, and how it is shown; `Err` where it is a mistake.
fn check<T: Setting>(cases: &[(&str, Result<&str, ()>)]) {
    for (text, want) in cases {
        let got = read::<T>(text);
        assert_eq!(got.as_deref().map_err(|_| ()), *want, "{text} gave {got:?}");
        if let Ok(shown) = got {
            // What is shown can be written again.
            assert_eq!(read::<T>(&format!("{shown:?}")).as_deref(), Ok(shown.as_str()), "{text}");
        }
    }
}

#[test]
fn durations_sizes_and_shares_are_read_as_people_write_them() {
    check::<Span>(&[
        (r#""30s""#, Ok("30 s")),
        (r#""5 min""#, Ok("5 min")),
        (r#""1h 30min""#, Ok("90 min")),
        (r#""1h30m""#, Ok("90 min")),
        (r#""14d""#, Ok("14 d")),
        (r#""2 weeks""#, Ok("14 d")),
        (r#""0.5s""#, Ok("500 ms")),
        (r#""0s""#, Ok("0 s")),
        (r#""${PORT}ms""#, Ok("7333 ms")),
        ("30", Err(())),
        (r#""30""#, Err(())),
        (r#""""#, Err(())),
        (r#""-5s""#, Err(())),
        (r#""5 parsecs""#, Err(())),
        (r#""1.2.3s""#, Err(())),
        (r#""9999999999999 w""#, Err(())),
        (r#""5s!""#, Err(())),
    ]);
    check::<Bytes>(&[
        (r#""50 GiB""#, Ok("50 GiB")),
        (r#""1.5TB""#, Ok("1500 GB")),
        (r#""200M""#, Ok("200 MiB")),
        (r#""500 kb""#, Ok("500 KB")),
        ("4096", Ok("4 KiB")),
        ("4097", Ok("4097 B")),
        ("-1", Err(())),
        (r#""20000 PiB""#, Err(())),
        (r#""50 GiBs""#, Err(())),
        (r#""GiB""#, Err(())),
    ]);
    check::<Percent>(&[
        (r#""85 %""#, Ok("85 %")),
        (r#""85%""#, Ok("85 %")),
        ("85.5", Ok("85.5 %")),
        ("101", Err(())),
        (r#""nan""#, Err(())),
        (r#""%""#, Err(())),
    ]);
    check::<Micros>(&[
        ("1.00", Ok("1.00")),
        ("3", Ok("3.00")),
        ("0.0125", Ok("0.0125")),
        (r#""0.05""#, Ok("0.05")),
        ("-1.0", Err(())),
        (r#""1 EUR""#, Err(())),
    ]);
}

#[test]
fn a_host_is_a_name_or_an_ip_address() {
    check::<Address>(&[
        (r#""192.168.1.10""#, Ok("192.168.1.10")),
        (r#""nas.home.example""#, Ok("nas.home.example")),
        (r#""fe80::1""#, Ok("fe80::1")),
        (r#""-oProxyCommand=x""#, Err(())),
        (r#""nas:22""#, Err(())),
        (r#""a b""#, Err(())),
        (r#""""#, Err(())),
    ]);
}

#[test]
fn the_defaults_are_those_that_were_decided() {
    let (globals, outcome) = globals("").unwrap();
    assert_eq!(globals.ceiling, Leash::Observe);
    assert_eq!(globals.hold_scope, HoldScope::Global);
    assert_eq!(globals.host_name.as_str(), "mini");
    assert_eq!(globals.report.cron.as_str(), "0 4 * * *");
    assert_eq!(globals.report.deliver_at.to_string(), "07:00");
    assert_eq!((globals.limits.per_service_hour, globals.limits.per_hour), (3, 10));
    assert_eq!(globals.web.show(), "127.0.0.1:7333");
    assert!(globals.hosts.is_empty() && globals.runbooks.is_empty());
    assert!(outcome.records.iter().all(|r| !matches!(r.origin, Origin::Line(_))));
}

#[test]
fn hosts_and_runbooks_are_tables_by_name() {
    let text = r#"
        ceiling = "ask"
        [host.nas]
        address = "192.168.1.10"
        jump = "reef@gate:22"
        ceiling = "auto"
        wakes = true
        restartable = ["nginx", "container:jellyfin"]
        [host.this]
        wakes = true
        [runbook.disk-full]
        leash = { nas = "auto", this = "ask" }
        [runbook.oom]
        leash = "ask"
        enabled = false
    "#;
    let (globals, _) = globals(text).unwrap();
    let (nas, mini) = (HostName::of("nas"), HostName::of("mini"));
    let host = &globals.hosts[&nas];
    assert_eq!(host.ssh.as_ref().unwrap().jump.as_deref(), Some("reef@gate:22"));
    let shown: Vec<String> = host.restartable.iter().map(Setting::show).collect();
    assert_eq!(shown, ["nginx.service", "container:jellyfin"]);
    assert!(globals.hosts[&mini].wakes && globals.hosts[&mini].ssh.is_none());
    // A host's ceiling cannot rise above the global one.
    assert_eq!(globals.ceiling_on(&nas), Leash::Ask);
    let runbook = |name: &str| &globals.runbooks[&RunbookName::new(name).unwrap()];
    assert_eq!(runbook("disk-full").leash_on(&nas), Some(Leash::Auto));
    assert_eq!(runbook("disk-full").leash_on(&mini), Some(Leash::Ask));
    assert_eq!(runbook("disk-full").leash_on(&HostName::of("pve1")), None);
    assert_eq!(runbook("oom").leash_on(&nas), Some(Leash::Ask));
    assert!(!runbook("oom").enabled);
}

#[test]
fn this_machine_has_one_section_and_no_way_to_it() {
    let report = globals("[host.this]\n[host.mini]\n").unwrap_err().to_string();
    assert!(report.contains("has a section already"), "{report}");
    let report = globals("[host.mini]\nuser = \"reef\"\n").unwrap_err().to_string();
    assert!(report.contains("needs no way to it") && report.contains("1 mistake;"), "{report}");
}

/// The example with the lines that begin with one of `prefixes` uncommented.
fn example(prefixes: &[&str]) -> String {
    let uncomment = |line: &str| {
        let plain = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        let bare = prefixes.iter().find_map(|p| line.strip_prefix(p).filter(plain));
        bare.unwrap_or(line).to_owned()
    };
    let text = include_str!("../../config.example.toml");
    let (globals, _) = text.split_once("# ---- probes ----").unwrap();
    globals.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_equals_the_defaults_and_names_every_key() {
    let (defaults, asked) = globals("").unwrap();
    let (written, outcome) = globals(&example(&["#"])).unwrap();
    assert_eq!(written, defaults);
    let keys = |outcome: &Outcome, wanted: fn(&Origin) -> bool| -> Vec<String> {
        let kept = outcome.records.iter().filter(|r| wanted(&r.origin));
        kept.map(|r| r.path.clone()).collect()
    };
    // Every key with a default is written at its default but those that differ by machine.
    let left = keys(&outcome, |origin| *origin == Origin::Default);
    assert_eq!(left, ["host_name", "timezone"]);
    // Every other key has an example, and all examples together are a config.
    let (all, outcome) = globals(&example(&["#> ", "#"])).unwrap();
    let written = keys(&outcome, |origin| matches!(origin, Origin::Line(_)));
    // There are two ways to a host, each shown by a host of its own; what both have is shown once.
    let key_of_host =
        |path: &str| path.strip_prefix("host.")?.split_once('.').map(|(_, key)| key.to_owned());
    let shown = |path: &&String| {
        let key = key_of_host(path);
        key.is_some() && written.iter().any(|other| key_of_host(other) == key)
    };
    let unwritten = keys(&outcome, |origin| !matches!(origin, Origin::Line(_)));
    let unwritten: Vec<&String> = unwritten.iter().filter(|path| !shown(path)).collect();
    assert!(unwritten.is_empty(), "{unwritten:?} have no example");
    assert_eq!((all.hosts.len(), all.runbooks.len()), (2, 1));
    assert!(asked.records.len() < outcome.records.len());
}

/// Prints what it was told to run, with a line's end.
struct Echo;

impl SecretCommand for Echo {
    fn run<'a>(&'a self, argv: &'a [String]) -> Fut<'a, Result<SecretString, String>> {
        Box::pin(async move { Ok(SecretString::from(format!("{}\n", argv.join(" ")))) })
    }
}

/// Reads `text` for the secret `token`, resolves it, and checks that it is nowhere to be seen.
async fn secret(text: &str, env: &Env) -> (Result<String, String>, Result<Outcome, String>) {
    let (reader, mut root) = Reader::open(Source::new("config.toml", text), env.clone());
    let source: Option<SecretSource> = root.secret("token");
    root.finish();
    let outcome = reader.done().map_err(|mistakes| mistakes.to_string());
    let value = match &source {
        Some(source) => source.resolve(env, &Echo).await.map(|s| s.expose_secret().to_owned()),
        None => Err("no source".into()),
    };
    let seen = format!("{source:?} {outcome:?} {env:?} {:?}", value.as_ref().err());
    assert!(!seen.contains("hunter2"), "{seen}");
    (value, outcome)
}

#[tokio::test]
async fn secrets_come_from_four_places_and_are_shown_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    mode(0o600);
    let (path, folder) = (path.to_str().unwrap(), folder.path().to_str().unwrap());
    let env = Env::of([("TOKEN", "hunter2"), ("CREDENTIALS_DIRECTORY", folder)]);

    let quiet = [
        "token = \"${TOKEN}\"".to_owned(),
        format!("token_file = {path:?}"),
        "token = { credential = \"token\" }".to_owned(),
    ];
    for text in &quiet {
        let (value, outcome) = secret(text, &env).await;
        assert_eq!(value.as_deref(), Ok("hunter2"), "{text}");
        let outcome = outcome.unwrap();
        assert!(outcome.findings.is_empty(), "{text}");
        assert!(outcome.records.last().unwrap().shown.starts_with("(secret, from "), "{text}");
    }
    let (value, outcome) = secret("token = { command = [\"pass\", \"show\", \"x\"] }", &env).await;
    assert_eq!(value.as_deref(), Ok("pass show x"));
    assert!(outcome.unwrap().findings.is_empty());

    // What is no reason to refuse, but worth a word.
    mode(0o644);
    for text in [&quiet[1], "token = \"hunter2\"", "token = \"${UNSET:-hunter2}\""] {
        let (value, outcome) = secret(text, &env).await;
        assert_eq!(value.as_deref(), Ok("hunter2"), "{text}");
        assert_eq!(outcome.unwrap().findings.len(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let env = Env::of([("CREDENTIALS_DIRECTORY", path)]);
    for (text, want) in [
        ("token = \"${TOKEN}\"".to_owned(), "not set"),
        (format!("token_file = \"{path}/none\""), "there is no file"),
        ("token = \"hunter2\"\ntoken_file = \"/x\"".into(), "keep one of them"),
        ("token = 5".into(), "is no secret"),
        ("token = { command = [] }".into(), "is empty"),
        ("token = { comand = [\"hunter2\"] }".into(), "did you mean \"command\""),
        ("token = { credential = \"../x\" }".into(), "bare name"),
        ("bearer = \"hunter2\"".into(), "not a key here"),
        ("token = { value = \"hunter2\" }".into(), "not a key here"),
        ("token = \"hunter2".into(), "no TOML"),
        ("tokn = \"hunter2\"\ntoken_file = \"/proc/self/status\"".into(), "did you mean \"token\""),
    ] {
        let (_, outcome) = secret(&text, &env).await;
        let report = outcome.unwrap_err();
        assert!(report.contains(want), "{text}: {report}");
    }
    for (text, want) in [
        (format!("token_file = {:?}", empty.to_str().unwrap()), "it is empty"),
        (format!("token_file = {path:?}"), "no plain file"),
        ("token = { credential = \"none\" }".into(), "cannot be read"),
    ] {
        let (value, _) = secret(&text, &env).await;
        let why = value.unwrap_err();
        assert!(why.contains(want), "{text}: {why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the text, there is a config or a report; nothing panics.
    #[test]
    fn any_text_gives_a_config_or_a_report(text in "\\PC*|(?s).{0,200}") {
        prop_assert!(globals(&text).map_err(|m| m.to_string()).map_or_else(|report| !report.is_empty(), |_| true));
    }

    /// The same for texts that come closer to a config.
    #[test]
    fn any_keys_and_values_give_a_config_or_a_report(
        lines in proptest::collection::vec(
            ("(\\[host\\.nas\\]|\\[runbook\\.x\\]|\\[(breaker|report|web)\\]|(cron|leash|ceiling|within|listen|timezone|port|jump) = )",
             "(\"[ -~]{0,12}\"|[0-9.e-]{1,9}|\\{ [a-z]{1,5} = \"\\$\\{[A-Z:-]{0,8}\\}?\" \\}|\\[\\]|true)?"),
            0..12,
        )
    ) {
        let text: String = lines.iter().map(|(key, value)| format!("{key}{value}\n")).collect();
        prop_assert!(globals(&text).map_err(|m| m.to_string()).map_or_else(|report| !report.is_empty(), |_| true));
    }
}
