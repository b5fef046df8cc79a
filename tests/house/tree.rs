//! The source tree as the tests see it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::rust::Rust;

/// One Rust file under `src`.
pub(crate) struct File {
    /// From the top of the tree: `src/gate/mod.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) rust: Rust,
    pub(crate) role: Role,
}

/// Whether a file is part of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Binary,
    /// Declared under `#[cfg(test)]`, or below a file that is.
    Tests,
}

impl File {
    /// The folder of `src` that it belongs to: `src/clock.rs` and `src/clock/cron.rs` are `clock`.
    pub(crate) fn house(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap();
        rest.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// What the rules hold for: all of it but the tests.
    pub(crate) fn live(&self) -> &str {
        match self.role {
            Role::Binary => &self.rust.live,
            Role::Tests => "",
        }
    }

    /// Lines before the first test.
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
    }
}

pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file below `folder`, from the top of the tree, sorted.
pub(crate) fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![top().join(folder)];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => found.push(path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The Rust files below `src`, read once for all tests.
pub(crate) fn source() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(read_source);
    &FILES
}

fn read_source() -> Vec<File> {
    let paths = below("src").into_iter().filter(|path| path.ends_with(".rs"));
    let mut files: Vec<File> = paths
        .map(|path| {
            let text = read(&path);
            let rust = Rust::read(&text);
            File { path, text, rust, role: Role::Binary }
        })
        .collect();
    let tests = test_modules(&files);
    for file in &mut files {
        let path = Path::new(&file.path);
        if tests.iter().any(|test| path == test.with_extension("rs") || path.starts_with(test)) {
            file.role = Role::Tests;
        }
    }
    files
}

/// The modules that `#[cfg(test)] mod name;` declares, as paths without an ending.
fn test_modules(files: &[File]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in files {
        let path = Path::new(&file.path);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let folder = match stem {
            "mod" | "lib" | "main" => path.parent().unwrap().to_owned(),
            named => path.with_file_name(named),
        };
        for (at, mark) in file.rust.code.match_indices("#[cfg(test)]") {
            let rest = file.rust.code[at + mark.len()..].trim_start();
            let rest = rest.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let Some((name, _)) = rest.strip_prefix("mod ").and_then(|r| r.split_once([';', '{']))
            else {
                continue;
            };
            found.insert(folder.join(name.trim()));
        }
    }
    found
}

/// Panics with all that is wrong, one line each.
#[track_caller]
pub(crate) fn nothing_wrong(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}\n{}", wrong.join("\n"));
}
