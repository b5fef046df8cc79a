//! Text of machines inside a Markdown report: shown, never obeyed.
//!
//! What comes in is bounded and without control characters already. Here it loses its line breaks and
//! its power over Markdown: it becomes no heading, list, link, image, code block or HTML, neither
//! where it stands nor where wrapping puts it at the beginning of a line.

/// The widest line, in characters, where words allow.
pub const WIDTH: usize = 100;

/// The most characters of one piece of text.
const LONGEST: usize = 600;

/// Text as it may stand anywhere but at the beginning of a line: one line, escaped. What a viewer
/// would turn into a link by itself goes into a code span.
pub fn plain(text: &str) -> String {
    bounded(text).split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// A command of reef's own as a code span that no line break falls into.
pub fn command(text: &str) -> String {
    format!("`{}`", text.replace(' ', UNBROKEN))
}

/// Stands for a space that wrapping keeps. White space of machines is folded before, so that none of
/// theirs is one.
const UNBROKEN: &str = "\u{a0}";

fn bounded(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        kept.push_str(" …(cut)");
    }
    kept
}

fn word(word: &str) -> String {
    if links_itself(word) {
        return format!("`{}`", word.replace('`', "'"));
    }
    let chars: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len());
    let letter =
        |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    for (at, c) in chars.iter().copied().enumerate() {
        let special = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '|' | '$' => true,
            // Within a word it means nothing: `immich_pgdata` stays as it is.
            '_' => !(letter(at.checked_sub(1)) && letter(Some(at + 1))),
            '&' => letter(Some(at + 1)) || chars.get(at + 1) == Some(&'#'),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Viewers link addresses that stand for themselves.
fn links_itself(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("://")
        || lower.contains("www.")
        || lower.contains("mailto:")
        || lower.contains("xmpp:")
        || lower.contains('@')
}

/// Breaks one paragraph or list item into lines of at most [`WIDTH`] characters, where words allow.
/// `first` begins the first line, the others are indented by its width.
pub fn wrap(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let mut out = String::from(first);
    let mut width = indent.len();
    let mut is_first = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = word.chars().count();
        if is_first {
            out.push_str(&harmless(word));
            width += wide;
        } else if width + 1 + wide <= WIDTH {
            out.push(' ');
            out.push_str(word);
            width += 1 + wide;
        } else {
            out.push('\n');
            out.push_str(&indent);
            out.push_str(&harmless(word));
            width = indent.len() + wide;
        }
        is_first = false;
    }
    out.push('\n');
    out.replace(UNBROKEN, " ")
}

/// A word that may begin a line: what would make a heading, a list, a quote, a rule or (as some viewers
/// read a colon) a definition of it is escaped.
fn harmless(word: &str) -> String {
    if word.starts_with(['#', '>', '-', '+', '=', ':']) {
        return format!("\\{word}");
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    if 0 < digits
        && let Some(rest) = word.get(digits..)
        && (rest == "." || rest == ")")
    {
        return format!("{}\\{rest}", word.get(..digits).unwrap_or_default());
    }
    word.to_owned()
}

/// `61,204`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 action`, `2 actions`.
pub fn counted(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_machines_says_what_it_says_and_no_more() {
        for (given, want) in [
            ("86 %, 9 GiB free", "86 %, 9 GiB free"),
            ("immich_pgdata is _big_", "immich_pgdata is \\_big\\_"),
            ("a\n# b\r\n\t c", "a # b c"),
            ("[x](y) ![z](q)", "\\[x\\](y) !\\[z\\](q)"),
            ("see https://evil.example/a`b now", "see `https://evil.example/a'b` now"),
            ("WWW.evil.example me@evil.example", "`WWW.evil.example` `me@evil.example`"),
            ("<b>&lt; & *~~x~~* `y`", "\\<b>\\&lt; & \\*\\~\\~x\\~\\~\\* \\`y\\`"),
            ("C:\\x", "C:\\\\x"),
        ] {
            assert_eq!(plain(given), want, "{given:?}");
        }
        assert!(plain(&"x ".repeat(5_000)).ends_with("…(cut)"));
        assert_eq!(
            wrap("- ", &format!("{} {}", "x".repeat(85), command("reef ack I-1"))),
            format!("- {}\n  `reef ack I-1`\n", "x".repeat(85))
        );
    }

    #[test]
    fn no_word_that_wrapping_puts_first_begins_anything() {
        let long = "x".repeat(97);
        for (first, want) in [
            ("#", "\\#"),
            ("-", "\\-"),
            ("->", "\\->"),
            ("+", "\\+"),
            (">", "\\>"),
            ("===", "\\==="),
            (":>", "\\:>"),
            ("1.", "1\\."),
            ("12)", "12\\)"),
            ("1.5", "1.5"),
            ("word", "word"),
        ] {
            assert_eq!(
                wrap("- ", &format!("{long} {first} end")),
                format!("- {long}\n  {want} end\n")
            );
            assert_eq!(wrap("- ", &format!("{first} end")), format!("- {want} end\n"));
        }
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        let read = [0, 999, 1_000, 61_204, 1_234_567].map(grouped);
        assert_eq!(read, ["0", "999", "1,000", "61,204", "1,234,567"]);
        assert_eq!(counted(1, "action"), "1 action");
        assert_eq!(counted(0, "model call"), "0 model calls");
    }
}
