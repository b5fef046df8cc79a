//! Arguments as one line for the login shell of another host, which splits it into exactly these again.
//!
//! Proven against real shells (`tests/fuzz/shells.rs`): sh, dash, bash, BusyBox, and zsh, ksh and fish where
//! they are installed.

/// The arguments, each quoted, with single blanks between them.
pub fn line<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|part| quote(part.as_ref())).collect::<Vec<_>>().join(" ")
}

/// One argument. What any shell might read stands in single quotes; quotes, backslashes and exclamation
/// marks stand outside of them behind a backslash, because in single quotes fish reads a backslash and
/// csh a `!`.
pub fn quote(part: &str) -> String {
    // A leading `=` is a path of a program to zsh, a leading `~` a home to all.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !part.is_empty() && !part.starts_with('=') && part.chars().all(plain) {
        return part.to_owned();
    }
    let mut quoted = String::with_capacity(part.len() + 2);
    let mut inside = false;
    for c in part.chars() {
        if matches!(c, '\'' | '\\' | '!') {
            if inside {
                quoted.push('\'');
                inside = false;
            }
            quoted.push('\\');
        } else if !inside {
            quoted.push('\'');
            inside = true;
        }
        quoted.push(c);
    }
    if inside {
        quoted.push('\'');
    }
    if quoted.is_empty() { "''".to_owned() } else { quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_might_read_is_quoted() {
        for (part, want) in [
            ("", "''"),
            ("systemctl", "systemctl"),
            ("--vacuum-size=500M", "--vacuum-size=500M"),
            ("=ls", "'=ls'"),
            ("~", "'~'"),
            ("a b", "'a b'"),
            ("$(id)", "'$(id)'"),
            ("it's", "'it'\\''s'"),
            ("a\\b", "'a'\\\\'b'"),
            ("!", "\\!"),
            ("a\nb", "'a\nb'"),
            ("*", "'*'"),
            ("ä", "'ä'"),
        ] {
            assert_eq!(quote(part), want, "{part:?}");
        }
        assert_eq!(line(&["echo", "a b", ""]), "echo 'a b' ''");
    }
}
