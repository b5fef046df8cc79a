//! The hosts that an ssh_config(5) names. What it says of them is left to ssh itself.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is read of one file, how many files, how deep they include each other, and how many hosts they name.
const LARGEST: u64 = 1 << 20;
const MOST_FILES: usize = 100;
const DEEPEST: u32 = 8;
const MOST: usize = 200;

/// What a config names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The names of each `Host` line that are no patterns, in their order; each name once.
    pub hosts: Vec<Vec<String>>,
    /// Patterns: they say how hosts are reached, and name none.
    pub patterns: Vec<String>,
    /// Files that could not be read, with why.
    pub unread: Vec<String>,
}

/// Reads a config and what it includes. `home` stands for `~`, and included names are relative to its `.ssh`.
pub fn read(file: &Path, home: &Path) -> Named {
    let mut reader = Reader { home, files: 0, seen: BTreeSet::new(), named: Named::default() };
    reader.file(file, 0);
    reader.named
}

struct Reader<'a> {
    home: &'a Path,
    files: usize,
    seen: BTreeSet<String>,
    named: Named,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, depth: u32) {
        if MOST_FILES <= self.files || DEEPEST < depth {
            return;
        }
        self.files += 1;
        match text(path) {
            Ok(text) => text.lines().for_each(|line| self.line(line, depth)),
            Err(why) => self.named.unread.push(format!("{}: {why}", path.display())),
        }
    }

    fn line(&mut self, line: &str, depth: u32) {
        let words = words(line);
        let Some((keyword, args)) = words.split_first() else { return };
        if keyword.eq_ignore_ascii_case("include") {
            for place in args {
                for file in self.included(place) {
                    self.file(&file, depth + 1);
                }
            }
        } else if keyword.eq_ignore_ascii_case("host") {
            self.host(args);
        }
    }

    fn host(&mut self, args: &[String]) {
        let mut names = Vec::new();
        for arg in args {
            if arg.contains(['*', '?']) || arg.starts_with('!') {
                self.named.patterns.push(arg.clone());
            } else if self.seen.len() < MOST && self.seen.insert(arg.clone()) {
                names.push(arg.clone());
            }
        }
        if !names.is_empty() {
            self.named.hosts.push(names);
        }
    }

    /// The files of an `Include`, of whose name the last part may have stars.
    fn included(&self, place: &str) -> Vec<PathBuf> {
        let path = match place.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.home.join(".ssh").join(place),
        };
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return Vec::new();
        };
        let Some((before, after)) = name.split_once('*') else { return vec![path] };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let fits = |n: &String| {
            before.len() + after.len() <= n.len()
                && n.starts_with(before)
                && n.ends_with(after)
                && !n.starts_with('.')
        };
        let mut found: Vec<PathBuf> =
            names.filter(fits).take(MOST_FILES).map(|n| folder.join(n)).collect();
        found.sort();
        found
    }
}

fn text(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("is no file".into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The words of a line: the keyword may be followed by `=`, arguments may stand in quotes, a `#` begins a remark.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        let (word, after) = match rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            Some(quoted) => quoted,
            None => {
                let ends = |c: char| c.is_whitespace() || (found.is_empty() && c == '=');
                rest.split_at(rest.find(ends).unwrap_or(rest.len()))
            }
        };
        found.push(word.to_owned());
        rest = after.trim_start();
        if found.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_and_patterns_name_none() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(".ssh").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        write("conf.d/a.conf", "Host pve1\n");
        write("conf.d/b.conf", "host=\"pve2\" # the other\nInclude conf.d/b.conf\n");
        write("conf.d/.hidden.conf", "Host hidden\n");
        let main = write(
            "config",
            "# Host nobody\nInclude conf.d/*.conf ~/.ssh/none\nHost nas nas.home 10.0.0.5\n  HostName 10.0.0.5\n\tUser me\nHOST  \"my pi\" !bad w?b *\n\
             Match host x exec \"rm -rf /\"\nHost nas again\n=\nHost\nHost \"open\n",
        );
        let named = read(&main, home.path());
        assert_eq!(
            named.hosts,
            [
                vec!["pve1"],
                vec!["pve2"],
                vec!["nas", "nas.home", "10.0.0.5"],
                vec!["my pi"],
                vec!["again"],
                vec!["\"open"]
            ]
        );
        assert_eq!(named.patterns, ["!bad", "w?b", "*"]);
        assert!(named.unread.len() == 1 && named.unread[0].contains(".ssh/none"), "{named:?}");
    }

    #[test]
    fn what_is_no_config_ends() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config");
        std::fs::write(
            &path,
            [b"Host \xff\xfe\n".as_slice(), &b"Host a\n".repeat(100_000)].concat(),
        )
        .unwrap();
        assert_eq!(read(&path, home.path()).hosts.len(), 2);
        let many: String = (0..5_000).map(|n| format!("Host h{n}\n")).collect();
        std::fs::write(&path, many).unwrap();
        assert_eq!(read(&path, home.path()).hosts.len(), MOST);
        assert_eq!(read(Path::new("/dev/zero"), home.path()).hosts.len(), 0);
        assert!(read(&home.path().join("none"), home.path()).unread[0].contains("No such file"));
    }
}
