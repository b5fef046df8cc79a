//! Each invariant that `src/README.md` lists names the test that holds it, and that test exists.

use crate::tree::{below, read, top};

#[test]
fn every_invariant_names_a_test_that_exists() {
    let text = read("src/README.md");
    let (_, rest) =
        text.split_once("## Invariants").expect("src/README.md has a section Invariants");
    let section = rest.split("\n## ").next().unwrap();
    let mut named = 0;
    let mut wrong = Vec::new();
    // A test is named `function` (`file`) or `function` in `file`: two words in backquotes, the second a path.
    let words: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
    for pair in words.windows(2) {
        let [function, file] = pair else { continue };
        if !file.ends_with(".rs") {
            continue;
        }
        named += 1;
        let Ok(source) = std::fs::read_to_string(top().join(file)) else {
            wrong.push(format!("{file}: there is no such file"));
            continue;
        };
        if !source.contains(&format!("fn {function}(")) {
            wrong.push(format!("{file}: has no test {function}"));
        }
    }
    crate::tree::nothing_wrong(&wrong, "src/README.md names tests that do not exist");
    assert!(12 < named, "src/README.md names only {named} tests");
}

#[test]
fn the_code_map_names_every_folder() {
    let text = read("src/README.md");
    let mut folders: Vec<String> = below("src")
        .iter()
        .filter_map(|path| Some(path.strip_prefix("src/")?.split_once('/')?.0.to_owned()))
        .collect();
    folders.dedup();
    let missing: Vec<&String> =
        folders.iter().filter(|f| !text.contains(&format!("`{f}/`"))).collect();
    assert!(missing.is_empty(), "src/README.md does not name {missing:?}");
    assert!(text.lines().count() <= 150, "src/README.md is longer than 150 lines");
}
