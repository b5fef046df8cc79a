//! What only some places may name: libraries, programs, the environment, clocks, SQL.

use crate::rust::{imports, lines_with};
use crate::tree::{File, Role, nothing_wrong, source};

/// A word of code, and where it may stand.
struct Rule {
    words: &'static [&'static str],
    /// Beginnings of paths.
    only: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        words: &[
            "openssh::",
            "kube::",
            "k8s_openapi::",
            "reqwest::",
            "hickory_resolver::",
            "bollard::",
            "rmcp::",
            "tokio_postgres::",
            "tokio_postgres_rustls::",
        ],
        only: &["src/clients/"],
        why: "a library that reaches the world is wrapped by a client, which is thin, typed and timed out",
    },
    Rule {
        words: &["tokio_rustls::", "x509_parser::"],
        only: &["src/clients/"],
        why: "TLS is spoken in clients",
    },
    Rule {
        words: &["process::Command", "tokio::process", "Command::new"],
        only: &["src/clients/process.rs"],
        why: "programs are started by clients::process alone: bounded, in a group of their own, ended for sure",
    },
    Rule {
        words: &["rusqlite"],
        only: &["src/store/"],
        why: "the store is the only one that speaks SQL",
    },
    Rule {
        words: &["std::env"],
        only: &["src/config/env.rs", "src/main.rs", "src/cli/mod.rs"],
        why: "the environment is read once, by config; the command line takes its arguments",
    },
    Rule {
        words: &["SystemTime", "Local::now", "Utc::now", "ClockId::Realtime"],
        only: &["src/clock.rs"],
        why: "the clock is asked through the Clock trait, so that tests can turn it",
    },
    Rule {
        words: &["std::time::Instant"],
        only: &[],
        why: "tokio's Instant moves under paused time",
    },
    Rule {
        words: &["chrono::", "chrono_tz::", "cron::"],
        only: &["src/clock.rs", "src/clock/"],
        why: "calendars and time zones stay inside the clock",
    },
    Rule {
        words: &["PostRequest"],
        // What `clients/json.rs` sends takes a permit.
        only: &[
            "src/clients/http/",
            "src/clients/json.rs",
            "src/clients/pihole.rs",
            "src/llm/",
            "src/notify/",
        ],
        why: "a POST without a permit is for the outbox, a model and the log-in at a Pi-hole alone",
    },
    Rule {
        words: &["end_session("],
        only: &["src/clients/http/", "src/clients/pihole.rs"],
        why: "a DELETE without a permit ends reef's own log-in at a Pi-hole, and nothing else",
    },
    Rule { words: &["Permit::issue"], only: &["src/gate/"], why: "only the gate makes a permit" },
    Rule {
        words: &["tokio::spawn", "task::spawn", "Box::leak"],
        only: &[],
        why: "a task belongs to a JoinSet, which its end waits for",
    },
    Rule { words: &["process::exit"], only: &[], why: "main returns an exit code" },
    Rule {
        words: &["println", "eprintln", "print", "eprint", "dbg"],
        only: &["src/cli/"],
        why: "only the command line prints",
    },
];

/// Words that two rules would like to see, and that mean something else here.
fn is_macro(word: &str) -> bool {
    matches!(word, "println" | "eprintln" | "print" | "eprint" | "dbg")
}

/// A library of the same name as a module of ours: `kube::gives` of `crate::probe::kube`.
fn is_own_module(file: &File, word: &str) -> bool {
    let Some(name) = word.strip_suffix("::") else { return false };
    imports(file.live()).iter().any(|import| import.path.last().is_some_and(|last| last == name))
}

#[test]
fn each_thing_is_named_in_its_place_only() {
    let mut wrong = Vec::new();
    for file in source().iter().filter(|file| file.role == Role::Binary) {
        // `crate::a::cron::X` is ours: what follows a `::` is no library.
        let live = file.live();
        for rule in
            RULES.iter().filter(|rule| !rule.only.iter().any(|place| file.path.starts_with(place)))
        {
            for word in rule.words.iter().filter(|word| !is_own_module(file, word)) {
                let written = if is_macro(word) { format!("{word}!") } else { (*word).to_owned() };
                for line in lines_with(live, &written) {
                    let text = live.lines().nth(line - 1).unwrap();
                    if !text.contains(&format!("::{written}")) {
                        wrong.push(format!(
                            "{}:{line}: {}\n    {}",
                            file.path,
                            text.trim(),
                            rule.why
                        ));
                    }
                }
            }
        }
    }
    nothing_wrong(&wrong, "each thing is named in its place only (tests/house/places.rs)");
}

#[test]
fn nothing_is_global() {
    let mut wrong = Vec::new();
    for file in source().iter().filter(|file| file.role == Role::Binary) {
        for (n, line) in file.live().lines().enumerate() {
            let of_a_static = line.trim_start().trim_start_matches("pub ").strip_prefix("static ");
            let changes = ["Lock<", "Mutex<", "Atomic", "Cell<", "LazyLock"];
            if line.contains("thread_local!")
                || line.contains("Box::leak")
                || of_a_static.is_some_and(|rest| changes.iter().any(|kind| rest.contains(kind)))
            {
                wrong.push(format!("{}:{}: {}", file.path, n + 1, line.trim()));
            }
        }
    }
    nothing_wrong(&wrong, "what changes has an owner: nothing is global");
}

#[test]
fn sql_stands_in_the_store_only() {
    let mut wrong = Vec::new();
    // Databases that are watched are asked in their own language; nothing of reef's is in them.
    let watched = ["src/clients/postgres/", "src/clients/mysql/"];
    let may = |file: &&File| watched.iter().any(|place| file.path.starts_with(place));
    for file in
        source().iter().filter(|f| f.role == Role::Binary && f.house() != "store" && !may(f))
    {
        for (line, text) in &file.rust.texts {
            if is_sql(text) {
                wrong.push(format!("{}:{line}: {}", file.path, text.trim()));
            }
        }
    }
    nothing_wrong(&wrong, "SQL stands in src/store only");
    let in_store = source()
        .iter()
        .filter(|f| f.house() == "store")
        .flat_map(|f| &f.rust.texts)
        .filter(|(_, t)| is_sql(t))
        .count();
    assert!(10 < in_store, "the rule does not see the SQL of the store: {in_store}");
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start();
    [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "PRAGMA ",
        "BEGIN ",
        "ALTER TABLE ",
    ]
    .iter()
    .any(|word| text.starts_with(word))
}

#[test]
fn only_messages_and_models_are_posted() {
    let mut wrong = Vec::new();
    for file in source().iter().filter(|f| f.role == Role::Binary) {
        let speaks_http = imports(file.live())
            .iter()
            .any(|i| i.path.starts_with(&["clients".into(), "http".into()]));
        if speaks_http && !matches!(file.house(), "notify" | "llm" | "clients") {
            wrong.extend(
                lines_with(file.live(), ".post(")
                    .iter()
                    .map(|line| format!("{}:{line}", file.path)),
            );
        }
    }
    nothing_wrong(&wrong, "a POST may change something: it is for notify and llm only");
}

#[test]
fn verdicts_and_values_neither_await_nor_look() {
    let forbidden = [
        ".await",
        "async",
        "tokio::",
        "std::fs",
        "TcpStream",
        "UdpSocket",
        "ToSocketAddrs",
        "std::process",
        "File::open",
        "Mutex",
        "rustix::",
    ];
    let mut wrong = Vec::new();
    for file in source()
        .iter()
        .filter(|f| f.role == Role::Binary && matches!(f.house(), "model" | "policy" | "runbook"))
    {
        for word in forbidden {
            // The redactor learns secrets once they are fetched: the one thing in policy that is shared.
            if word == "Mutex" && file.path.starts_with("src/policy/redact") {
                continue;
            }
            wrong.extend(
                lines_with(file.live(), word)
                    .iter()
                    .map(|line| format!("{}:{line}: {word}", file.path)),
            );
        }
    }
    nothing_wrong(&wrong, "model, policy and runbook are pure: values in, values out");
}
