//! Imports point down only.

use std::collections::BTreeMap;

use crate::rust::imports;
use crate::tree::{File, Role, nothing_wrong, source};

/// From the lowest row up. Nothing imports sideways inside a row.
const ROWS: [&[&str]; 16] = [
    &["model"],
    &["clock"],
    &["config"],
    &["policy", "runbook"],
    &["store"],
    &["gate"],
    &["clients"],
    &["probe", "tool", "llm", "notify", "memory"],
    &["agent"],
    &["run"],
    &["watch", "maintenance", "report", "node", "exam"],
    &["operator"],
    &["control", "web", "mcp"],
    &["daemon"],
    &["cli"],
    &["main"],
];

/// Stands beside the rows: the modules, and the one alias that everybody uses.
const ROOT: &str = "lib";

fn rows() -> BTreeMap<&'static str, usize> {
    ROWS.iter()
        .enumerate()
        .flat_map(|(row, names)| names.iter().map(move |name| (*name, row)))
        .collect()
}

/// What is wrong with this file's imports, one line each.
fn wrong(file: &File, code: &str, rows: &BTreeMap<&str, usize>, test_may: &[&str]) -> Vec<String> {
    let own = file.house();
    let Some(row) = rows.get(own) else {
        return vec![format!("{}: the folder {own} stands in no row of the layers", file.path)];
    };
    let mut wrong = Vec::new();
    for import in imports(code) {
        let to = import.path.first().map_or("", String::as_str);
        if to == own || to == "Fut" || test_may.contains(&to) {
            continue;
        }
        let where_to = format!(
            "{}:{}: {own} imports crate::{}",
            file.path,
            import.line,
            import.path.join("::")
        );
        match rows.get(to) {
            None => wrong.push(format!("{where_to}, but {to} stands in no row of the layers")),
            Some(lower) if lower < row => {}
            Some(same) if same == row => {
                wrong.push(format!("{where_to}, sideways: pass a value, or move it down"));
            }
            Some(_) => {
                wrong.push(format!("{where_to}, which lies above: pass a value or a trait object"));
            }
        }
    }
    wrong
}

#[test]
fn imports_point_down_and_never_sideways() {
    let rows = rows();
    let mut found = Vec::new();
    for file in source().iter().filter(|file| file.house() != ROOT) {
        found.extend(wrong(file, file.live(), &rows, &[]));
    }
    nothing_wrong(&found, "imports point down only, see DESIGN.md's rows in tests/house/layers.rs");
}

#[test]
fn tests_import_what_lies_below_and_the_fake_estate() {
    let rows = rows();
    let mut found = Vec::new();
    for file in source().iter().filter(|file| file.house() != ROOT) {
        found.extend(wrong(file, &file.rust.code, &rows, &["exam"]));
    }
    nothing_wrong(&found, "tests may import what lies below their folder, and exam");
}

#[test]
fn every_folder_is_declared_and_stands_in_a_row() {
    let files = source();
    let lib = files.iter().find(|file| file.path == "src/lib.rs").unwrap();
    let declared: Vec<&str> =
        lib.live().lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rows = rows();
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !matches!(file.house(), "lib" | "main")) {
        if !declared.contains(&file.house()) {
            wrong.push(format!("{}: src/lib.rs declares no such module", file.path));
        }
        if !rows.contains_key(file.house()) {
            wrong.push(format!("{}: stands in no row", file.path));
        }
    }
    nothing_wrong(&wrong, "a folder of src is a module with a row");
}

#[test]
fn nothing_leaves_its_folder_by_super() {
    let mut wrong = Vec::new();
    for file in source().iter().filter(|file| file.role == Role::Binary) {
        let depth = file.path.matches('/').count() - 1;
        let most = (1..8).take_while(|n| file.live().contains(&"super::".repeat(*n))).count();
        if depth < most {
            wrong.push(format!(
                "{}: climbs {most} modules by super::, out of its folder",
                file.path
            ));
        }
    }
    nothing_wrong(&wrong, "across folders a path begins with crate::");
}
