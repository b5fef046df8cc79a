//! Log lines to templates, so that a thousand lines of one kind are one line with a count.
//!
//! One pass over a bounded line: what varies from line to line becomes a placeholder that holds no digit,
//! so that a template of a template is itself in all but odd cases.

use std::net::IpAddr;

/// The most characters of a template.
pub const LONGEST: usize = 240;

/// The most characters of a line that are looked at.
const LOOKED_AT: usize = 2_048;
/// A quoted string longer than this is taken for no string.
const LONGEST_QUOTED: usize = 400;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The template of a log line: what varies becomes `<n>`, `<hex>`, `<id>`, `<uuid>`, `<ip>`, `<mac>`,
/// `<time>` or `"<str>"`. One line, at most [`LONGEST`] characters.
pub fn template(line: &str) -> String {
    let line = match line.char_indices().nth(LOOKED_AT) {
        Some((end, _)) => &line[..end],
        None => line,
    };
    let mut out = String::with_capacity(line.len().min(LONGEST * 2));
    let mut rest = line.trim();
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let taken = if c.is_whitespace() {
            out.push(' ');
            rest.len() - rest.trim_start().len()
        } else if let Some(quoted) = quoted(rest, before) {
            out.push_str("\"<str>\"");
            quoted
        } else if let Some(word) = word(rest) {
            push_word(&mut out, word);
            word.len()
        } else {
            if !c.is_control() {
                out.push(c);
            }
            c.len_utf8()
        };
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    bounded(&join_times(&out))
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text[..end].trim_end_matches('…')),
        None => text.to_owned(),
    }
}

/// The length of a quoted string with its quotes. An apostrophe within a word opens none.
fn quoted(rest: &str, before: char) -> Option<usize> {
    let open = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    if open != '"' && before.is_alphanumeric() {
        return None;
    }
    let end = rest[1..].char_indices().take(LONGEST_QUOTED).find(|(_, c)| *c == open)?.0;
    Some(end + 2)
}

/// The run of characters that belong together, without what merely ends the sentence.
fn word(rest: &str) -> Option<&str> {
    let first = rest.chars().next()?;
    if !first.is_alphanumeric() && !matches!(first, '/' | '_' | '-' | ':' | '+') {
        return None;
    }
    let belongs = |c: char| c.is_alphanumeric() || "_-.:/@+%#~".contains(c);
    let end = rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
    let word = rest[..end].trim_end_matches(['.', ':']);
    (!word.is_empty()).then_some(word)
}

fn push_word(out: &mut String, word: &str) {
    if !word.bytes().any(|b| b.is_ascii_digit()) && !is_hex_id(word) {
        let month = out.is_empty() && MONTHS.contains(&word);
        out.push_str(if month { "<time>" } else { word });
    } else if is_time(word) {
        out.push_str("<time>");
    } else if is_uuid(word) {
        out.push_str("<uuid>");
    } else if is_mac(word) {
        out.push_str("<mac>");
    } else if let Some(tail) = ip_tail(word) {
        out.push_str("<ip>");
        out.push_str(tail);
    } else {
        push_parts(out, word);
    }
}

/// Part by part: `/var/log/app-2024.log.1` is `/var/log/app-<n>.log.<n>`.
fn push_parts(out: &mut String, word: &str) {
    let word = match word.strip_prefix(['-', '+']) {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => number,
        _ => word,
    };
    // A version is one number, however many parts it has.
    let mut version = false;
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if version && part.starts_with(|c: char| c.is_ascii_digit()) {
            // Without the dot before it: the number goes on, `3.5GiB` keeps its unit.
            out.pop();
            push_part(out, part.trim_start_matches(|c: char| c.is_ascii_digit()));
        } else {
            push_part(out, part);
        }
        let mark = after.chars().next();
        out.extend(mark);
        version = number && mark == Some('.');
        rest = &after[mark.map_or(0, char::len_utf8)..];
    }
}

fn push_part(out: &mut String, part: &str) {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 && !is_hex_id(part) {
        out.push_str(part);
    } else if digits == part.len() {
        out.push_str("<n>");
    } else if is_hex_id(part) {
        out.push_str("<hex>");
    } else if is_random(part) {
        out.push_str("<id>");
    } else {
        // `eth0`, `12ms`: the name or unit stays.
        let mut in_number = false;
        for c in part.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !in_number {
                out.push_str("<n>");
            }
            in_number = c.is_ascii_digit();
        }
    }
}

/// `0x1f`, or six and more hex digits with both letters and digits among them, or sixteen of any.
fn is_hex_id(part: &str) -> bool {
    let digits = part.strip_prefix("0x").unwrap_or(part);
    let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let letters = digits.bytes().any(|b| b.is_ascii_alphabetic());
    let numbers = digits.bytes().any(|b| b.is_ascii_digit());
    hex && (digits.len() < part.len()
        || (6 <= digits.len() && letters && numbers)
        || (16 <= digits.len() && letters))
}

/// Letters and digits that change often: a pod's suffix, a random name.
fn is_random(part: &str) -> bool {
    let kinds: Vec<bool> = part.chars().map(|c| c.is_ascii_digit()).collect();
    2 <= kinds.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// `2026-08-12T03:20:01.123+02:00`, `2026-08-12`, `03:20:01.5`, `12/Aug/2026:03:20:01`.
fn is_time(word: &str) -> bool {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let is_clock = |shape: &str| {
        let shape = shape.trim_end_matches('Z');
        let shape = shape.split_once(['+', '-']).map_or(shape, |(clock, _)| clock);
        let (clock, fraction) = shape.split_once('.').unwrap_or((shape, "9"));
        matches!(clock, "99:99:99" | "9:99:99")
            && !fraction.is_empty()
            && fraction.chars().all(|c| c == '9')
    };
    if matches!(shape.as_str(), "9999-99-99" | "9999/99/99" | "99.99.9999" | "99/99/9999") {
        return true;
    }
    if is_clock(&shape) {
        return true;
    }
    if let Some(clock) = shape.strip_prefix("9999-99-99T") {
        return is_clock(clock);
    }
    let mut parts = shape.splitn(3, '/');
    let (day, month, rest) = (parts.next(), parts.next(), parts.next().unwrap_or(""));
    day == Some("99")
        && month.is_some_and(|month| MONTHS.contains(&month))
        && rest.strip_prefix("9999").is_some_and(|r| r.is_empty() || r == ":99:99:99")
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_mac(word: &str) -> bool {
    word.len() == 17
        && word.split(':').count() == 6
        && word.split(':').all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What stands behind an address: a port or a prefix length, as its template.
fn ip_tail(word: &str) -> Option<&'static str> {
    if word.parse::<IpAddr>().is_ok() {
        return Some("");
    }
    let (address, tail, shown) = match word.rsplit_once('/') {
        Some((address, tail)) => (address, tail, "/<n>"),
        None => {
            let (address, tail) = word.rsplit_once(':')?;
            (address, tail, ":<n>")
        }
    };
    let number = !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit());
    (number && address.parse::<IpAddr>().is_ok()).then_some(shown)
}

/// A date and a time of day are one time: `<time> <n> <time>` of syslog too.
fn join_times(out: &str) -> String {
    let mut joined = out.trim().to_owned();
    for apart in ["<time> <n> <time>", "<time> <time>"] {
        while joined.contains(apart) {
            joined = joined.replace(apart, "<time>");
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, want: &str) {
        assert_eq!(template(line), want, "{line}");
        assert_eq!(template(want), want, "a template is its own");
    }

    #[test]
    fn what_varies_is_gone_and_what_tells_stays() {
        for (line, want) in [
            ("", ""),
            ("  out   of\tmemory \n", "out of memory"),
            ("Killed process 812 (java)", "Killed process <n> (java)"),
            (
                "Aug 12 03:20:01 mini sshd[812]: Failed password for root from 10.0.0.9 port 4242 ssh2",
                "<time> mini sshd[<n>]: Failed password for root from <ip> port <n> ssh<n>",
            ),
            ("Aug  2 03:20:01 mini kernel: x", "<time> mini kernel: x"),
            ("2026-08-12T03:20:01.123456+02:00 started", "<time> started"),
            ("2026-08-12T03:20:01Z started", "<time> started"),
            ("2026-08-12 03:20:01,123 ERROR x", "<time>,<n> ERROR x"),
            ("2026/08/12 03:20:01 [error] 12#34: *56 x", "<time> [error] <n>#<n>: *<n> x"),
            ("10.0.0.9 - - [12/Aug/2026:03:20:01 +0200] x", "<ip> - - [<time> <n>] x"),
            ("dial tcp 10.0.0.9:5432: refused", "dial tcp <ip>:<n>: refused"),
            ("from fe80::1 via 2001:db8::/32.", "from <ip> via <ip>/<n>."),
            ("link 52:54:00:ab:cd:ef up", "link <mac> up"),
            ("request 123e4567-e89b-42d3-a456-426614174000 failed", "request <uuid> failed"),
            ("commit 9f3a1c7 at 0x7ffe01", "commit <hex> at <hex>"),
            ("pod web-7c9d8f6b5-x2x9z gone", "pod web-<hex>-<id> gone"),
            ("took 12ms, 3.5GiB, -5, 85%", "took <n>ms, <n>GiB, <n>, <n>%"),
            ("version 1.2.3 of 10.11", "version <n> of <n>"),
            ("eth0: carrier lost", "eth<n>: carrier lost"),
            ("/var/log/app-2024.log.1 is full", "/var/log/app-<n>.log.<n> is full"),
            ("open /proc/812/stat", "open /proc/<n>/stat"),
            ("GET \"/a?b=c\" for 'ann' `x`", "GET \"<str>\" for \"<str>\" \"<str>\""),
            ("can't open ann's file", "can't open ann's file"),
            ("say \"hello", "say \"hello"),
            ("pid=123 user=ann", "pid=<n> user=ann"),
            ("may I come in March?", "may I come in March?"),
            ("deadbeef and facade", "deadbeef and facade"),
            ("überall 3 Zeichen", "überall <n> Zeichen"),
        ] {
            check(line, want);
        }
    }

    #[test]
    fn lines_of_one_kind_share_a_template() {
        let line = |n: u32| {
            format!(
                "2026-08-{:02} 03:{:02}:01 worker-{n} [{:08x}] GET /item/{n} from 10.0.{}.{} took {}ms",
                n % 28 + 1,
                n % 60,
                n.wrapping_mul(2_654_435_761) | 0xa000_0001,
                n % 200,
                n % 250,
                n * 7,
            )
        };
        let mut templates: Vec<_> = (1..500).map(|n| template(&line(n))).collect();
        templates.sort();
        templates.dedup();
        assert!(templates.len() <= 2, "{templates:?}");
        assert_ne!(template("disk a failed"), template("disk b failed"));
    }

    #[test]
    fn a_flood_is_bounded() {
        let long = "word ".repeat(1_000_000);
        let got = template(&long);
        assert!(got.chars().count() <= LONGEST + 1 && got.ends_with('…'));
        assert_eq!(template(&got), got);
        assert_eq!(template(&"7".repeat(10_000)), "<n>");
    }

    proptest! {
        #[test]
        fn any_line_has_a_bounded_template_without_digits(line in ".{0,400}") {
            let got = template(&line);
            prop_assert!(got.chars().count() <= LONGEST + 1);
            prop_assert!(!got.contains('\n'));
            prop_assert!(!got.bytes().any(|b| b.is_ascii_digit()), "{}", got);
            prop_assert_eq!(template(&line), got);
        }
    }
}
