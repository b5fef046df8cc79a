//! What people write: config, runbooks, quantities, cron lines, commands, targets; and what models write.

use std::sync::Arc;

use reef::clock::cron::Cron;
use reef::clock::zone::{DayTime, Zone};
use reef::config::env::Env;
use reef::config::given::{Given, Source};
use reef::config::section::Reader;
use reef::config::setting::{Address, Bytes, Micros, Percent, Setting};
use reef::daemon::{books, life, wire};
use reef::llm::openai::dialect;
use reef::model::ids::HostName;
use reef::model::target::Target;
use reef::model::time::{Millis, Span};
use reef::operator::order::Order;
use reef::policy::argv::Argv;
use reef::policy::argv::classify::classify;

use crate::mutate::{bytes, text};

/// The example with its comments taken off, and pieces of what people write first.
fn configs() -> Vec<String> {
    let example = include_str!("../../config.example.toml");
    let keys = |mark: &str| {
        let line = |l: &str| l.strip_prefix(mark).unwrap_or(l).to_owned();
        example.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let mut all = vec![example.to_owned(), keys("#"), keys("#> ")];
    all.extend(keys("#").split("\n[").map(|section| format!("[{section}")));
    all.push(
        "ceiling = \"ask\"\n[probe]\nhttp.a = \"https://u:${P:-x}@h:1/p\"\ndisk.\"/\" = { yellow = \"80 %\" }\n"
            .into(),
    );
    all
}

#[test]
fn toml() {
    let corpus = configs();
    let corpus: Vec<&str> = corpus.iter().map(String::as_str).collect();
    text("toml with places", 1_000, &corpus, |case| {
        let (reader, root) = Reader::open(Source::new("fuzz", case), Env::of([]));
        root.finish();
        drop(reader.done());
    });
}

#[test]
fn config() {
    let corpus = configs();
    let corpus: Vec<&str> = corpus.iter().map(String::as_str).collect();
    let mut wrong = 0;
    text("a whole config", 60, &corpus, |case| {
        if let Err(mistakes) =
            life::check(Source::new("fuzz.toml", case), &Env::of([("HOME", "/x")]))
        {
            // Whoever gets it wrong is told something, and not a page per key.
            let told = mistakes.to_string();
            assert!(
                !told.trim().is_empty() && told.len() < 64 + 20 * (case.len() + 4_096),
                "{told}"
            );
            wrong += 1;
        }
    });
    assert!(0 < wrong, "damage never makes a config wrong");
}

#[test]
fn runbooks() {
    let shipped = reef::runbook::shipped();
    let corpus: Vec<&str> = shipped.iter().map(|(_, text)| *text).collect();
    let tools = wire::tool_specs(&HostName::new("mini").unwrap());
    text("a runbook", 250, &corpus, |case| match books::one("fuzz", case, &tools) {
        Ok(book) => assert!(book.steps().count() < 10_000),
        Err(mistakes) => {
            let lines = case.lines().count() + 1;
            for mistake in mistakes {
                assert!(mistake.line <= lines, "{mistake:?} of {lines} lines");
            }
        }
    });
}

/// What is read is shown, and what is shown reads back as the same.
fn setting<T: Setting + PartialEq + std::fmt::Debug>(name: &str, corpus: &[&str]) {
    text(name, 2_000, corpus, |case| {
        if let Ok(read) = T::read(&Given::Text(case.to_owned())) {
            let shown = read.show();
            let again = T::read(&Given::Text(shown.clone()));
            assert_eq!(again.as_ref(), Ok(&read), "{case:?} is shown as {shown:?}");
        }
    });
}

#[test]
fn quantities_and_names() {
    setting::<Span>(
        "durations",
        &["30s", "5 min", "1h 30min", "14d", "1.5 h", "250 ms", "2 weeks"],
    );
    setting::<Bytes>("sizes", &["50 GiB", "1.5TB", "4096", "1k", "0.1 KiB", "16 EiB"]);
    setting::<Percent>("shares", &["85 %", "85", "0.1%", "100 %", "99.999"]);
    setting::<Micros>("money", &["1.00", "0.05", "20", "1000000"]);
    setting::<DayTime>("times of the day", &["07:00", "23:59", "0:00"]);
    setting::<Address>("addresses", &["nas", "192.168.1.2", "fe80::1", "[::1]", "a.example"]);
    setting::<Target>(
        "targets",
        &["nas", "nas:/var/log", "nas:unit:nginx.service", "a:endpoint:b"],
    );
}

#[test]
fn cron_lines() {
    let corpus =
        ["0 4 * * *", "*/5 0-23/2 1,15 jan-dec mon", "@daily", "30 1 29 2 *", "0 0 31 2 *"];
    let at = Millis(1_772_500_000_000);
    text("cron lines", 1_500, &corpus, |case| {
        if let Ok(cron) = Cron::parse(case) {
            assert_eq!(Cron::parse(cron.as_str()).as_ref(), Ok(&cron), "{case:?}");
            for zone in [Zone::UTC, Zone::parse("Europe/Berlin").unwrap()] {
                if let Some(next) = cron.next_after(at, zone) {
                    assert!(at < next, "{case:?} goes back");
                }
            }
        }
    });
}

#[test]
fn commands() {
    let corpus = [
        "systemctl\nrestart\nnginx",
        "sudo\n-u\nroot\nsh\n-c\nrm -rf /",
        "find\n/\n-name\n*.log\n-delete",
        "env\nA=b\nbash\n-lc\nid",
        "journalctl\n-u\nx.service\n-n\n50",
        "cat\n/proc/meminfo",
        "timeout\n5\ndf\n-P",
    ];
    text("commands", 4_000, &corpus, |case| {
        if let Ok(argv) = Argv::new(case.split('\n').map(str::to_owned).collect()) {
            let class = format!("{:?}", classify(&argv));
            assert_eq!(format!("{:?}", classify(&argv)), class);
        }
    });
}

#[test]
fn orders_on_the_socket() {
    let corpus = [
        r#"{"order":"status"}"#,
        r#"{"order":"approve","id":17,"choice":1,"typed":"nas:/var"}"#,
        r#"{"order":"runbook_run","name":"disk-full","on":"nas:/var","set":[["older","30d"]],"dry_run":true}"#,
        r#"{"order":"settle","action":31,"became":"ran","note":"seen"}"#,
        r#"{"order":"audit_list","limit":20,"kind":"verified","incident":null,"text":"x"}"#,
    ];
    text("orders", 4_000, &corpus, |case| {
        if let Ok(order) = serde_json::from_str::<Order>(case) {
            let sent = serde_json::to_string(&order).unwrap();
            assert_eq!(serde_json::from_str::<Order>(&sent).unwrap(), order, "{case}");
        }
    });
}

#[test]
fn replies_of_models() {
    let corpus = [
        r#"{"choices":[{"message":{"role":"assistant","content":"hm","tool_calls":[{"id":"a","type":"function",
            "function":{"name":"disk_usage","arguments":"{\"path\":\"/var\"}"}}]},"finish_reason":"tool_calls"}],
            "usage":{"prompt_tokens":12,"completion_tokens":3}}"#,
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"x"}]},"finish_reason":"stop"}]}"#,
        r#"{"error":{"message":"no such model","code":404}}"#,
        r#"{"error":"overloaded"}"#,
        "<html>502</html>",
    ];
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|reply| reply.as_bytes().to_vec()).collect();
    let mut good = 0;
    bytes("replies of models", 3_000, &corpus, |case| {
        good += u32::from(dialect::reply(case).is_ok());
        assert!(dialect::complaint(case).len() < 10_000);
    });
    assert!(0 < good);
}

#[test]
fn secrets_in_any_text() {
    let secret = "hunter2-correct-horse";
    let redactor =
        Arc::new(reef::policy::redact::Redactor::new(vec![secrecy::SecretString::from(
            secret.to_owned(),
        )]));
    let corpus = [
        "password=hunter2-correct-horse&x=1",
        "Authorization: Bearer hunter2-correct-horse\n-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----",
        "https://u:hunter2-correct-horse@h/ aHVudGVyMi1jb3JyZWN0LWhvcnNl",
    ];
    text("secrets", 1_500, &corpus, |case| {
        let shown = redactor.redact(case).into_owned();
        assert!(!shown.contains(secret), "{case:?}");
        // What reef made of it is read by reef again: in a prompt, in a report.
        assert!(!redactor.redact(&shown).contains(secret));
    });
}

#[test]
fn reports_as_pages() {
    let corpus = [
        "# Tue (written 04:00)\n\n**One thing needs you.**\n\n| data | newest |\n|---|---|\n| a | b |\n- x `y`\n",
        "<script>alert(1)</script> [a](javascript:alert(1)) ![b](http://x)\n\n```\ncode\n```\n",
    ];
    text("reports", 1_500, &corpus, |case| {
        let page = reef::web::reading::report(case).to_lowercase();
        assert!(!page.contains("<script"), "{case:?}");
    });
}
