//! `config.example.toml` is the whole config at its defaults, and its examples are a config.

use std::collections::BTreeMap;

use reef::config::env::Env;
use reef::config::given::Source;
use reef::config::hosts::PROBES;
use reef::config::section::{Origin, Record};
use reef::daemon::life::check;
use reef::probe::table::Made;

use crate::tree::{read, top};

/// The example with the lines that begin with one of `prefixes` uncommented.
fn uncommented(prefixes: &[&str]) -> String {
    let bare = |line: &str| {
        let plain = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        prefixes.iter().find_map(|p| line.strip_prefix(p).filter(plain)).unwrap_or(line).to_owned()
    };
    read("config.example.toml").lines().map(bare).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn records(text: &str) -> BTreeMap<String, Record> {
    // A machine with reef installed has the folder; here the shipped ones stand in for the operator's.
    let text = text.replace("/etc/reef/runbooks", top().join("runbooks").to_str().unwrap());
    let checked = check(Source::new("config.example.toml", text), &Env::of([]));
    let outcome = checked.unwrap_or_else(|mistakes| panic!("{mistakes}")).outcome;
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    outcome.records.into_iter().map(|record| (record.path.clone(), record)).collect()
}

/// Differs from machine to machine, so that no file can hold it.
const OF_THE_MACHINE: [&str; 2] = ["host_name", "timezone"];

#[test]
fn what_is_written_behind_a_hash_is_the_default() {
    let defaults = records("");
    let mut wrong = Vec::new();
    for (path, written) in records(&uncommented(&["#"])) {
        let is_written = matches!(written.origin, Origin::Line(_));
        match defaults.get(&path) {
            Some(default) if default.shown != written.shown => {
                wrong
                    .push(format!("{path} is {}, and by default {}", written.shown, default.shown));
            }
            Some(_)
                if !is_written
                    && written.origin == Origin::Default
                    && !OF_THE_MACHINE.contains(&path.as_str()) =>
            {
                wrong.push(format!(
                    "{path} has the default {}, which stands nowhere",
                    written.shown
                ));
            }
            Some(_) => {}
            None => wrong.push(format!("{path} is no default")),
        }
    }
    crate::tree::nothing_wrong(
        &wrong,
        "config.example.toml: \"#key = value\" is a key at its default",
    );
}

#[test]
fn all_examples_together_are_a_config_that_names_every_key() {
    let all = records(&uncommented(&["#> ", "#"]));
    let unwritten: Vec<&String> = all
        .iter()
        .filter(|(_, record)| !matches!(record.origin, Origin::Line(_)))
        .map(|(path, _)| path)
        .collect();
    // A key that any probe takes is documented once, not under every probe of the example.
    let once = [
        "every",
        "timeout",
        "fire_after",
        "fire_of",
        "clear_after",
        "tolerance",
        "wakes",
        "parent",
        "depends_on",
        "served_by",
    ];
    // Hosts and servers stand there in several kinds: each key is shown in one of them.
    let elsewhere = |path: &str| {
        let key = path.rsplit('.').next().unwrap_or(path);
        ["host.", "mcp.", "debug.", "backup.", "dns.", "provider."].iter().any(|place| {
            let shown = |(other, record): (&String, &Record)| {
                other.starts_with(place)
                    && other.ends_with(&format!(".{key}"))
                    && matches!(record.origin, Origin::Line(_))
            };
            path.starts_with(place) && all.iter().any(shown)
        })
    };
    let left: Vec<&&String> = unwritten
        .iter()
        .filter(|path| {
            let places = ["probe.", "kubernetes.", "proxmox.", "terraform."];
            let of_probe = places.iter().any(|place| path.starts_with(place));
            let common = once.iter().any(|key| of_probe && path.ends_with(&format!(".{key}")));
            // A secret is written in one of its ways; the example shows another.
            // So is what a body must say.
            // And a job has a period or a crontab line.
            let of_job = path.starts_with("probe.push.")
                && (path.ends_with(".schedule") || path.ends_with(".timezone"));
            // What a host's own table may say stands below [probe].
            let of_host = PROBES.iter().any(|kind| path.starts_with(&format!("host.nas.{kind}.")));
            !common
                && !elsewhere(path)
                && !of_job
                && !of_host
                && !path.ends_with(".credential")
                && !path.ends_with(".body_matches")
        })
        .collect();
    assert!(left.is_empty(), "{left:?} have no example");
}

#[test]
fn every_kind_of_probe_has_an_example() {
    let text = read("config.example.toml");
    let kinds = reef::probe::table::kinds().filter(|kind| !kind.example.is_empty());
    let missing: Vec<&str> = kinds
        .filter(|kind| {
            let name = kind.name;
            let begins = match kind.made {
                Made::Apart { table, .. } => vec![format!("[{table}]"), format!("[{table}.")],
                Made::Named(_) | Made::Machine { .. } | Made::Itself => {
                    vec![format!("[probe.{name}"), format!("probe.{name}"), format!("{name}.")]
                }
            };
            let bare = |line: &str| line.trim_start_matches(['#', '>', ' ']).to_owned();
            !text.lines().map(bare).any(|line| begins.iter().any(|begin| line.starts_with(begin)))
        })
        .map(|kind| kind.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?} have no example in config.example.toml");
}

#[test]
fn the_model_that_is_shown_has_the_default_budget() {
    let all = records(&uncommented(&["#> ", "#"]));
    let least = records("[model]\nopenai = { url = \"http://127.0.0.1/v1\", name = \"m\" }\n");
    let defaults = least.iter().filter(|(path, _)| path.starts_with("model.budget."));
    let mut seen = 0;
    for (path, default) in defaults {
        assert_eq!(all[path].shown, default.shown, "{path}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}
