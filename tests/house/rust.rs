//! As much of Rust's grammar as the rules need: comments and literals apart from code, test code
//! apart from the rest, and the paths that a file imports.

/// A file's text in layers of the same length, so that a position is a line in all of them.
pub(crate) struct Rust {
    /// Code with comments and the insides of literals blanked.
    pub(crate) code: String,
    /// The same without what `#[cfg(test)]` stands before.
    pub(crate) live: String,
    /// String literals outside of test code, with the line that each begins on.
    pub(crate) texts: Vec<(usize, String)>,
}

/// One path that a file names, from `crate::` on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) line: usize,
    /// `["gate", "permit", "Permit"]`; `*` for all and `self` for the module itself.
    pub(crate) path: Vec<String>,
}

impl Rust {
    pub(crate) fn read(text: &str) -> Self {
        let (code, texts) = mask(text);
        let live = without_tests(&code);
        let lines = line_starts(text);
        let is_live = |at: usize| live.as_bytes()[at] == b'"';
        let texts = texts.into_iter().filter(|(at, _)| is_live(*at));
        let texts = texts.map(|(at, text)| (line_of(&lines, at), text)).collect();
        Self { code, live, texts }
    }
}

/// The lines on which `word` stands as a whole word.
pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let lines = line_starts(code);
    positions(code, word).map(|at| line_of(&lines, at)).collect()
}

/// Whether `word` stands in `code` bounded by what is no part of a name.
fn positions<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let starts_as_name = word.starts_with(part);
    let ends_as_name = word.ends_with(part);
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[*at + word.len()..].chars().next();
        !(starts_as_name && before.is_some_and(part) || ends_as_name && after.is_some_and(part))
    })
}

/// Every path after `crate::`, in `use` groups and in the middle of code.
pub(crate) fn imports(code: &str) -> Vec<Import> {
    let lines = line_starts(code);
    let mut found = Vec::new();
    for at in positions(code, "crate::") {
        let mut tree = UseTree { rest: &code[at + "crate::".len()..], paths: Vec::new() };
        tree.tree(&mut Vec::new());
        let line = line_of(&lines, at);
        found.extend(tree.paths.into_iter().map(|path| Import { line, path }));
    }
    found
}

struct UseTree<'a> {
    rest: &'a str,
    paths: Vec<Vec<String>>,
}

impl UseTree<'_> {
    /// `a::{b, c::D as E}`, `a::*`, `a::b`; ends before what belongs to no path.
    fn tree(&mut self, before: &mut Vec<String>) {
        let depth = before.len();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix('{') {
                self.rest = rest;
                self.group(before);
                break;
            }
            if let Some(rest) = self.rest.strip_prefix('*') {
                self.rest = rest;
                before.push("*".into());
                self.paths.push(before.clone());
                break;
            }
            let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            if name.is_empty() {
                self.paths.push(before.clone());
                break;
            }
            before.push(name.to_owned());
            self.rest = rest;
            match rest.strip_prefix("::") {
                Some(rest) => self.rest = rest,
                None => {
                    self.paths.push(before.clone());
                    break;
                }
            }
        }
        before.truncate(depth);
    }

    fn group(&mut self, before: &mut Vec<String>) {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match self.rest.strip_prefix('}') {
                Some(rest) => {
                    self.rest = rest;
                    return;
                }
                None if self.rest.is_empty() => return,
                None => self.tree(before),
            }
            // ` as Name` says nothing of where a thing lies.
            let end = self.rest.find([',', '}']).unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Lines count from 1.
fn line_of(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|start| *start <= at)
}

/// Blanks comments and the insides of literals; gives the string literals with where they begin.
fn mask(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut texts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let named =
            at.checked_sub(1).is_some_and(|b| bytes[b] == b'_' || bytes[b].is_ascii_alphanumeric());
        let end = if rest.starts_with(b"//") {
            at + until(rest, b"\n")
        } else if rest.starts_with(b"/*") {
            at + until(rest, b"*/") + 2
        } else if let Some(hashes) = raw_string(rest).filter(|_| !named || rest[0] == b'"') {
            let open = rest.iter().position(|b| *b == b'"').unwrap() + 1;
            let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
            let inside = at + open..at + open + until(&rest[open..], &close);
            texts.push((inside.start - 1, text[inside.clone()].to_owned()));
            blank(&mut out, inside.clone());
            at = inside.end + close.len();
            continue;
        } else if rest[0] == b'"' {
            let inside = at + 1..at + 1 + until_quote(&rest[1..], b'"');
            texts.push((at, text[inside.clone()].to_owned()));
            blank(&mut out, inside.clone());
            at = inside.end + 1;
            continue;
        } else if rest[0] == b'\'' && is_char(rest) {
            let inside = at + 1..at + 1 + until_quote(&rest[1..], b'\'');
            blank(&mut out, inside.clone());
            at = inside.end + 1;
            continue;
        } else {
            at += 1;
            continue;
        };
        blank(&mut out, at..end.min(bytes.len()));
        at = end;
    }
    (String::from_utf8(out).unwrap(), texts)
}

fn until(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).position(|w| w == mark).unwrap_or(bytes.len())
}

fn until_quote(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// `r"`, `br#"`: how many hashes.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|b| **b == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// A lifetime is no character: `'a` has no closing quote one character on.
fn is_char(rest: &[u8]) -> bool {
    let text = std::str::from_utf8(&rest[1..rest.len().min(8)]);
    let text =
        text.unwrap_or_else(|e| std::str::from_utf8(&rest[1..=e.valid_up_to()]).unwrap_or(""));
    text.starts_with('\\') || text.chars().nth(1) == Some('\'')
}

fn blank(out: &mut [u8], range: std::ops::Range<usize>) {
    for byte in &mut out[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Blanks each item that `#[cfg(test)]` stands before.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let mut end = at + mark.len();
        let mut depth = 0_usize;
        for (n, byte) in code.bytes().enumerate().skip(end) {
            end = n + 1;
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b';' if depth == 0 => break,
                _ => {}
            }
        }
        blank(&mut out, at..end);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn code_is_told_from_comments_literals_and_tests() {
    let text = "use crate::a::{b::C, d};\n// crate::no\nfn f<'a>(x: &'a str) { g('\"', \"crate::no\", r#\"SELECT \"x\"\"#) }\n\
                #[cfg(test)]\nmod tests { use crate::t; }\nfn h() { crate::e::f() }\n";
    let read = Rust::read(text);
    let paths = |code: &str| -> Vec<(usize, String)> {
        imports(code).into_iter().map(|i| (i.line, i.path.join("::"))).collect()
    };
    let owned = |found: &[(usize, &str)]| -> Vec<(usize, String)> {
        found.iter().map(|(line, path)| (*line, (*path).to_owned())).collect()
    };
    assert_eq!(paths(&read.live), owned(&[(1, "a::b::C"), (1, "a::d"), (6, "e::f")]));
    assert_eq!(paths(&read.code), owned(&[(1, "a::b::C"), (1, "a::d"), (5, "t"), (6, "e::f")]));
    assert_eq!(read.texts, owned(&[(3, "crate::no"), (3, "SELECT \"x\"")]));
}

#[test]
fn nested_groups_give_each_path_once() {
    let found = imports("use crate::{\n    a::{self, b as c},\n    d::*, e,\n};\nuse crate::f;");
    let found: Vec<String> =
        found.into_iter().map(|i| format!("{} {}", i.line, i.path.join("::"))).collect();
    assert_eq!(found, ["1 a::self", "1 a::b", "1 d::*", "1 e", "5 f"]);
}

#[test]
fn a_word_is_found_whole() {
    assert_eq!(lines_with("SqlCommand\nCommand::new\nmy_cron::x cron::y", "cron::"), [3]);
    assert_eq!(lines_with("SqlCommand\nCommand::new", "Command"), [2]);
}
