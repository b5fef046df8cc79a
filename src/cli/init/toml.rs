//! Text of machines within TOML: quoted, or made harmless for a remark.

use crate::model::taint::Tainted;

/// A value in quotes. `${` would be a variable to the config's reader, so it is doubled.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.replace("${", "$${").chars() {
        escape(&mut out, c);
    }
    out.push('"');
    out
}

/// A key: bare where TOML allows it, else in quotes.
pub(crate) fn key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.chars().all(bare) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        escape(&mut out, c);
    }
    out.push('"');
    out
}

fn escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        // What would not be seen, or would turn around what is: written, it is.
        c if Tainted::new(c.encode_utf8(&mut [0; 4])).as_str() != c.encode_utf8(&mut [0; 4]) => {
            out.push_str(&format!("\\U{:08X}", u32::from(c)));
        }
        c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        c => out.push(c),
    }
}

/// One line of plain text, for a remark or a list: neither ends the line nor steers a terminal.
pub(crate) fn plain(text: &str) -> String {
    let line = text.split(['\n', '\r', '\t']).collect::<Vec<_>>().join(" ");
    Tainted::bounded(&line, 300).as_str().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 11] = [
        "plain-name_1",
        "with.dot",
        "a\"b",
        "a\\b\\",
        "a\nb = 1",
        "\u{1}\u{7f}\u{85}",
        "${HOME}",
        "$${x}",
        "# remark",
        "x\u{202e}y\u{e0041}\u{fffd}ü",
        "",
    ];

    #[test]
    fn whatever_is_written_is_read_back() {
        let env = crate::config::env::Env::of([("HOME", "elsewhere")]);
        for text in HOSTILE {
            let written = format!("[t]\n{} = {}\n", key(text), quoted(text));
            let read: toml::Table = written.parse().unwrap_or_else(|e| panic!("{written}: {e}"));
            let (name, value) = read["t"].as_table().unwrap().iter().next().unwrap();
            assert_eq!(name, text);
            assert_eq!(env.expand(value.as_str().unwrap()).as_deref(), Ok(text), "{written}");
        }
    }

    #[test]
    fn a_remark_stays_one() {
        for text in HOSTILE.iter().chain(&["a\r\nb", "x\u{202e}y\x1b[31m"]) {
            let remark = plain(text);
            assert!(!remark.contains(['\n', '\r', '\u{1b}', '\u{202e}', '\u{85}']), "{remark:?}");
            let read: toml::Table = format!("# {remark}\na = 1\n").parse().unwrap();
            assert_eq!(read.len(), 1);
        }
    }
}
