//! Words that have no place in the tree: they speak of a machine that nobody else has.

use crate::tree::{below, nothing_wrong, read, top};

/// In two halves, so that this file does not hold what it looks for.
const FORBIDDEN: [(&str, &str); 12] = [
    ("/wo", "rk/"),
    ("/fa", "rm/"),
    ("/ro", "ot/."),
    ("/var/tm", "p/lab"),
    (".lib", "rary"),
    ("sub", "agent"),
    ("pypi", ".org"),
    ("python", "hosted"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.debian", ".org"),
    ("static.rust", "-lang"),
];

/// Root's own folders, the same on every machine: what policy keeps out of reach, and what attacks name.
const ROOTS_HOME: [&str; 2] = ["src/config/places.rs", "src/agent/tests/injections.toml"];

#[test]
fn nothing_speaks_of_the_machine_that_it_was_written_on() {
    let folders = ["src", "tests", "benches", "runbooks", ".github", ".ci"];
    let mut files: Vec<String> =
        folders.into_iter().filter(|f| top().join(f).is_dir()).flat_map(below).collect();
    files.extend(["README.md", "Cargo.toml", "config.example.toml"].map(str::to_owned));
    let mut wrong = Vec::new();
    for path in files {
        let Ok(text) = std::fs::read_to_string(top().join(&path)) else { continue };
        let own = |start: &str| start == "/ro" && ROOTS_HOME.contains(&path.as_str());
        for (n, line) in text.lines().enumerate() {
            let found = FORBIDDEN.iter().find(|(a, b)| line.contains(&format!("{a}{b}")));
            if let Some((a, b)) = found.filter(|(a, _)| !own(a)) {
                wrong.push(format!("{path}:{}: {a}{b}: {}", n + 1, line.trim()));
            }
        }
    }
    nothing_wrong(&wrong, "machine paths and package hosts do not belong in the tree");
}

#[test]
fn nothing_is_left_to_do() {
    let mark = ["todo", "!("].concat();
    let later = ["TO", "DO"].concat();
    let mut wrong = Vec::new();
    for path in below("src").into_iter().chain(below("tests")).chain(below("runbooks")) {
        let text = read_text(&path);
        for (n, line) in text.lines().enumerate() {
            if line.contains(&mark) || line.contains(&later) {
                wrong.push(format!("{path}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    nothing_wrong(&wrong, "what is left to do is no part of the source");
}

fn read_text(path: &str) -> String {
    match path.ends_with(".rs") || path.ends_with(".md") || path.ends_with(".toml") {
        true => read(path),
        false => String::new(),
    }
}
