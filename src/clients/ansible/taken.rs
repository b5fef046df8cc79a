//! What a file of Ansible's says that it takes in, as people write it: one key a line.

/// What kind of file it is: the same key means other things in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum In {
    Playbook,
    Tasks,
    /// A role's `meta`.
    Meta,
}

/// What is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Role,
    Playbook,
    Tasks,
    /// Variables, and scripts.
    Other,
    /// What a module copies.
    Source,
    Collections,
}

/// One thing that is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) what: What,
    pub(super) key: &'static str,
    /// `None`: it is not one plain name.
    pub(super) name: Option<String>,
    /// From 1.
    pub(super) line: usize,
}

/// The keys, what each takes in, and below which keys its name may stand; none: it has a list.
const KEYS: [(&str, What, &[&str]); 13] = [
    ("roles", What::Role, &[]),
    ("dependencies", What::Role, &[]),
    ("import_role", What::Role, &["name", "role"]),
    ("include_role", What::Role, &["name", "role"]),
    ("import_playbook", What::Playbook, &["file"]),
    ("import_tasks", What::Tasks, &["file"]),
    ("include_tasks", What::Tasks, &["file"]),
    ("include", What::Tasks, &["file"]),
    ("include_vars", What::Other, &["file", "dir"]),
    ("vars_files", What::Other, &[]),
    ("script", What::Other, &["cmd"]),
    ("src", What::Source, &["src"]),
    ("collections", What::Collections, &[]),
];

/// The keys by which code is taken in: they must not hide within a line.
fn counts(key: &str, is: In) -> bool {
    match is {
        In::Playbook => key != "dependencies",
        // A module's own argument may be called `roles` there.
        In::Tasks => !["roles", "dependencies", "collections"].contains(&key),
        In::Meta => ["dependencies", "collections"].contains(&key),
    }
}

/// All that a text takes in, in its order.
pub(super) fn taken(text: &str, is: In) -> Vec<Taken> {
    let lines: Vec<Line<'_>> = text.lines().map(Line::read).collect();
    let mut all = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (key, what, below) in KEYS.iter().filter(|(key, ..)| counts(key, is)) {
            let one = |name, line| Taken { what: *what, key, name, line: line + 1 };
            if line.key == *key {
                let names = match below.is_empty() {
                    true => list(&lines, at),
                    false => vec![(single(&lines, at, below), at)],
                };
                all.extend(names.into_iter().map(|(name, at)| one(name, at)));
            } else if *what != What::Source && hides(line.text, key) {
                all.push(one(None, at));
            }
        }
    }
    all
}

/// One line: how far in its key stands, the key without its collection, and what stands behind it.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    /// Without a comment.
    text: &'a str,
    /// Where the line begins, and where its key does, behind dashes.
    starts: usize,
    indent: usize,
    is_item: bool,
    key: &'a str,
    value: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let text = match line.trim_start().starts_with('#') {
            true => "",
            false => line.split(" #").next().unwrap_or(line).trim_end(),
        };
        let bare = text.trim_start();
        let starts = text.len() - bare.len();
        let mut rest = bare;
        while let Some(after) = rest.strip_prefix("- ") {
            rest = after.trim_start();
        }
        let (key, value) = match rest.split_once(':') {
            Some((key, value))
                if !rest.starts_with(['{', '['])
                    && (value.is_empty() || value.starts_with(' ')) =>
            {
                (key, value)
            }
            Some(_) | None => ("", rest),
        };
        let key = key.trim().trim_matches(['"', '\'']);
        let short =
            ["ansible.builtin.", "ansible.legacy."].iter().find_map(|p| key.strip_prefix(p));
        Self {
            text,
            starts,
            indent: text.len() - rest.len(),
            is_item: bare.starts_with("- ") || bare == "-",
            key: short.unwrap_or(key),
            value: value.trim(),
        }
    }
}

/// A name that stands for itself.
fn name(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'']);
    let odd = text.contains(['{', '}', '[', ']', '*', '&', '|', '>', '\\', '\n']);
    (!odd && !text.is_empty() && !text.contains("!!")).then(|| text.to_owned())
}

/// `role: web` out of `{ role: web, tags: x }`, or `name=web` out of `name=web tags=x`.
fn of_row(row: &str, keys: &[&str]) -> Option<String> {
    let within = row.strip_prefix('{').and_then(|row| row.strip_suffix('}'));
    let (parts, between): (Vec<&str>, char) = match within {
        Some(row) => (row.split(',').collect(), ':'),
        None => (row.split_whitespace().collect(), '='),
    };
    let named = parts.into_iter().filter_map(|part| part.split_once(between));
    let mut found = named.filter(|(key, _)| keys.contains(&key.trim())).map(|(_, value)| value);
    name(found.next()?)
}

/// The one name of a key: behind it, or below it.
fn single(lines: &[Line<'_>], at: usize, keys: &[&str]) -> Option<String> {
    let line = lines[at];
    if line.value.is_empty() {
        let below = lines[at + 1..].iter().filter(|l| !l.text.is_empty());
        let mut below = below.take_while(|l| line.indent < l.starts);
        let found = below.find(|l| keys.contains(&l.key))?;
        return name(found.value);
    }
    if let Some(named) = of_row(line.value, keys) {
        return Some(named);
    }
    // What is said of it may stand behind it: `run.sh --all`.
    let first = match line.value.starts_with(['"', '\'']) {
        true => line.value,
        false => line.value.split_whitespace().next()?,
    };
    if first.contains('=') { None } else { name(first) }
}

/// Each name of a list, with its line.
fn list(lines: &[Line<'_>], at: usize) -> Vec<(Option<String>, usize)> {
    let line = lines[at];
    if let Some(row) = line.value.strip_prefix('[') {
        let Some(row) = row.strip_suffix(']') else { return vec![(None, at)] };
        let names = row.split(',').filter(|part| !part.trim().is_empty());
        return names.map(|part| (name(part), at)).collect();
    }
    if !line.value.is_empty() {
        return vec![(None, at)];
    }
    let mut found: Vec<(Option<String>, usize)> = Vec::new();
    let mut items = None;
    for (n, below) in lines.iter().enumerate().skip(at + 1).filter(|(_, l)| !l.text.is_empty()) {
        // The items of a list may stand as far in as its key.
        let inside = line.indent < below.starts || (line.indent == below.starts && below.is_item);
        if !inside {
            break;
        }
        let first = *items.get_or_insert(below.starts);
        let named = ["role", "name"].contains(&below.key);
        match (below.is_item && below.starts == first, named) {
            (true, true) => found.push((name(below.value), n)),
            (true, false) if below.value.starts_with('{') => {
                found.push((of_row(below.value, &["role", "name"]), n));
            }
            (true, false) if below.key.is_empty() => found.push((name(below.value), n)),
            // Its name stands further down.
            (true, false) => found.push((None, n)),
            (false, true) => {
                if let Some((last @ None, _)) = found.last_mut() {
                    *last = name(below.value);
                }
            }
            (false, false) => {}
        }
    }
    found
}

/// Whether a key stands within a line, where it is not the line's own.
fn hides(line: &str, key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(key).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + key.len()..]);
        let after = after.trim_start_matches(['"', '\'']).trim_start();
        !before.ends_with(plain) && (after.starts_with(": ") || after == ":")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is: In, want: &[(What, Option<&str>, usize)]) {
        let all = taken(text, is);
        let found: Vec<_> = all.iter().map(|t| (t.what, t.name.as_deref(), t.line)).collect();
        assert_eq!(found, want, "{text}");
    }

    #[test]
    fn what_is_taken_in_is_read_as_people_write_it() {
        use What::{Other, Playbook, Role, Source, Tasks};
        for (text, want) in [
            (
                "- hosts: all\n  roles:\n    - web\n    - db # x\n",
                &[(Role, Some("web"), 3), (Role, Some("db"), 4)][..],
            ),
            ("- hosts: all\n  roles:\n  - web\n  tasks:\n  - ping:\n", &[(Role, Some("web"), 3)]),
            ("  roles: [ web, \"db\" ]\n", &[(Role, Some("web"), 1), (Role, Some("db"), 1)]),
            ("  roles:\n    - when: x\n      role: web\n", &[(Role, Some("web"), 2)]),
            ("  roles:\n    - when: x\n", &[(Role, None, 2)]),
            ("  roles: \"{{ all }}\"\n", &[(Role, None, 1)]),
            ("  roles:\n    - role: \"{{ one }}\"\n", &[(Role, None, 2)]),
            ("- import_playbook: a.yml tags=x\n", &[(Playbook, Some("a.yml"), 1)]),
            ("- ansible.builtin.import_tasks: a.yml\n", &[(Tasks, Some("a.yml"), 1)]),
            ("- include_tasks:\n    file: a.yml\n  tags: x\n", &[(Tasks, Some("a.yml"), 1)]),
            ("- include_tasks: { file: a.yml }\n", &[(Tasks, Some("a.yml"), 1)]),
            ("- { include_tasks: a.yml }\n", &[(Tasks, None, 1)]),
            ("- include_tasks: \"{{ os }}.yml\"\n", &[(Tasks, None, 1)]),
            ("- script: a.sh --all\n", &[(Other, Some("a.sh"), 1)]),
            ("  vars_files:\n    - a.yml\n", &[(Other, Some("a.yml"), 2)]),
            ("- copy:\n    src: a\n", &[(Source, Some("a"), 2)]),
            ("# roles: [web]\n- name: the includes\n", &[]),
        ] {
            check(text, In::Playbook, want);
        }
        check("- user:\n    roles: [a]\n", In::Tasks, &[]);
        check("dependencies: []\n", In::Meta, &[]);
        check("dependencies:\n  - { role: base, x: y }\n", In::Meta, &[(Role, Some("base"), 2)]);
    }
}
