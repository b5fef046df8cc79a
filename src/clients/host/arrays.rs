//! /proc/mdstat. Pure.

use crate::model::fact::Array;

/// The arrays, in their order there.
pub fn read(mdstat: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for line in mdstat.lines() {
        let name = line
            .split_once(" : ")
            .filter(|(name, _)| name.starts_with("md") && !name.contains(' '));
        if let Some((name, rest)) = name {
            arrays.push(first(name, rest));
        } else if let Some(array) = arrays.last_mut().filter(|_| line.starts_with(' ')) {
            more(array, line.trim());
        }
    }
    arrays
}

/// `md0 : active (auto-read-only) raid1 sdb1[1](F) sda1[0]`
fn first(name: &str, rest: &str) -> Array {
    let mut words = rest.split_whitespace();
    let active = words.next() == Some("active");
    let mut array = Array { name: name.to_owned(), active, ..Array::default() };
    for word in words {
        match word.split_once('[') {
            None if word.starts_with('(') => {}
            None => word.clone_into(&mut array.level),
            Some((member, marks)) => {
                if marks.contains("(F)") {
                    array.failed.push(member.to_owned());
                }
            }
        }
    }
    array
}

/// `976630464 blocks super 1.2 [2/1] [U_]` and `[==>...]  recovery = 12.6% (...) finish=...`
fn more(array: &mut Array, line: &str) {
    for word in line.split_whitespace() {
        let counts = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')?.split_once('/'));
        if let Some((wanted, in_use)) = counts
            && let (Ok(wanted), Ok(in_use)) = (wanted.parse(), in_use.parse())
        {
            (array.wanted, array.in_use) = (wanted, in_use);
        }
    }
    for what in ["recovery", "resync", "reshape", "check", "repair"] {
        if let Some((_, rest)) = line.split_once(&format!("{what} = ")) {
            let share = rest.split_whitespace().next().unwrap_or("").trim_end_matches('%');
            array.doing = format!("{what} {share} %");
        } else if let Some((_, rest)) = line.split_once(&format!("{what}=")) {
            // `resync=PENDING`, `resync=DELAYED`
            let state = rest.split_whitespace().next().unwrap_or("");
            array.doing = format!("{what} {}", state.to_ascii_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MDSTAT: &str = include_str!("samples/mdstat");

    #[test]
    fn arrays_tell_their_members_and_what_goes_on() {
        let arrays = read(MDSTAT);
        let told: Vec<_> = arrays
            .iter()
            .map(|a| (a.name.as_str(), a.level.as_str(), a.active, a.wanted, a.in_use))
            .collect();
        let want = [
            ("md2", "raid5", true, 4, 3),
            ("md1", "raid1", true, 2, 2),
            ("md0", "raid1", true, 2, 1),
            ("md127", "", false, 0, 0),
            ("md9", "raid0", true, 0, 0),
        ];
        assert_eq!(told, want);
        assert_eq!(arrays[0].doing, "recovery 12.6 %");
        assert_eq!(arrays[1].doing, "check 3.0 %");
        assert_eq!(arrays[2].failed, ["sdb1"]);
        assert_eq!(read("Personalities : \nunused devices: <none>\n"), []);
    }
}
