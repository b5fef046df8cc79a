//! Files stay small and say what they are for.

use crate::tree::{Role, below, nothing_wrong, read, source};

const LONG: usize = 400;

/// Files above 400 lines before their tests, each with the reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "src/exam/proxmox.rs",
        "one fake cluster: what it answers and what it refuses stand in one place",
    ),
    ("src/exam/host.rs", "one fake host: every fact that it answers stands in one place"),
    ("src/watch/ticker.rs", "one loop: its state, its select, and what each branch of it does"),
];

#[test]
fn a_long_file_is_an_exception_with_a_name() {
    let mut lines: Vec<(usize, String)> = source()
        .iter()
        .filter(|f| f.role == Role::Binary)
        .map(|f| (f.lines(), f.path.clone()))
        .collect();
    lines.sort();
    let at = |share: usize| lines[lines.len() * share / 100].0;
    println!("{} files, median {} lines before tests, p90 {}", lines.len(), at(50), at(90));
    assert!(at(50) <= 160, "the median file has {} lines: split the large ones", at(50));
    let mut wrong = Vec::new();
    for (lines, path) in lines.iter().filter(|(lines, _)| LONG < *lines) {
        if !EXCEPTIONS.iter().any(|(known, _)| known == path) {
            wrong.push(format!(
                "{path}: {lines} lines before its tests; split it, or say why it cannot be"
            ));
        }
    }
    for (path, why) in EXCEPTIONS {
        assert!(20 < why.len(), "{path}: \"{why}\" is no reason");
        if !lines.iter().any(|(lines, known)| known == path && LONG < *lines) {
            wrong.push(format!("{path}: is no exception any more"));
        }
    }
    nothing_wrong(&wrong, "a file has at most 400 lines before its tests");
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut wrong = Vec::new();
    for path in
        ["src", "tests", "benches"].into_iter().flat_map(below).filter(|path| path.ends_with(".rs"))
    {
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("//! ").or(first.strip_prefix("#![doc = "));
        if says.is_none_or(|says| says.len() < 8) {
            wrong.push(format!("{path}: {first}"));
        }
    }
    nothing_wrong(&wrong, "the first line of a file is //! and a sentence");
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let said = |path: &String| {
        let path = path.to_ascii_lowercase();
        ["util", "helper", "misc", "manager", "common.rs", "/data.rs", "stuff"]
            .iter()
            .any(|word| path.contains(word))
    };
    let wrong: Vec<String> = below("src").into_iter().filter(said).collect();
    nothing_wrong(&wrong, "a file is named after what is in it");
}
