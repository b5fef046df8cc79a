//! A command as one line for a tool that gives back nothing but text, and its code and both outputs out of
//! that text again.
//!
//! Such a tool may trim what comes, put the outputs together in its own way, or take no line break. So a
//! constant program runs the command there, prints its standard error and its code behind marks with a random
//! word, and ends well itself. Everything goes through the quoting that is proven for login shells.

use crate::clients::ssh::quote;

/// Undoes the escapes of each argument: a line break would not come through as itself.
const UNESCAPE: &str = r#"n=$#; while [ $n -gt 0 ]; do a=$(printf "%bx" "$1"); shift; set -- "$@" "${a%x}"; n=$((n-1)); done; exec sh -c "$@""#;

/// `$1` is the random word, `$2` the standard input, and the rest the command.
const RUN: &str = r#"word=$1; input=$2; shift 2
exec 3>&1
printf '\n@%s out\n' "$word"
said=$( { { printf %s "$input" | "$@" >&3 3>&-; printf '\n%s' "$?"; } 2>&1 | tail -c 65536; } )
printf '\n@%s err\n%s\n@%s end\n' "$word" "$said" "$word""#;

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// The line that runs `argv` with this input.
pub(super) fn line(word: &str, input: &str, argv: &[String]) -> String {
    let fixed = [RUN, "reef", word, input].map(str::to_owned);
    let escaped = fixed.iter().chain(argv).map(|part| escape(part));
    let outer = ["sh", "-c", UNESCAPE, "reef"].map(str::to_owned);
    quote::line(&outer.into_iter().chain(escaped).collect::<Vec<_>>())
}

/// For `printf %b`, which reads backslashes and nothing else.
fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What the text of the tool holds; `None` where the command did not come to its end.
pub(super) fn read(word: &str, text: &str) -> Option<Left> {
    let (_, rest) = text.split_once(&format!("@{word} out\n"))?;
    let (stdout, rest) = rest.rsplit_once(&format!("\n@{word} err\n"))?;
    let (said, _) = rest.rsplit_once(&format!("\n@{word} end"))?;
    let (stderr, code) = said.rsplit_once('\n').unwrap_or(("", said));
    Some(Left {
        code: code.trim().parse().ok(),
        stdout: stdout.as_bytes().to_vec(),
        stderr: stderr.as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::process::{Given, Limits, run_raw};

    async fn by(shell: &str, input: &str, argv: &[&str]) -> Option<Left> {
        let argv: Vec<String> = argv.iter().map(|&part| part.to_owned()).collect();
        let line = line("0a1b", input, &argv);
        assert!(!line.contains('\n'), "{line}");
        let login = [shell.to_owned(), "-c".to_owned(), line];
        let raw = run_raw(&login, Limits::default(), &Given::default()).await.unwrap();
        assert_eq!((raw.code, raw.stderr.as_slice()), (Some(0), &b""[..]));
        // As a tool would hand it on.
        read("0a1b", String::from_utf8_lossy(&raw.stdout).trim())
    }

    #[tokio::test]
    async fn code_and_both_outputs_come_through_one_text() {
        for shell in ["/bin/sh", "/bin/bash", "/bin/dash"] {
            if !std::path::Path::new(shell).exists() {
                continue;
            }
            let odd = "a b's $(id) \\ \\n `x` \"q\" %s %d !\n\tlast *";
            let left = by(shell, "", &["printf", "%s", odd]).await.unwrap();
            assert_eq!(String::from_utf8(left.stdout).unwrap(), odd);
            assert_eq!(left.code, Some(0));
            let script = "cat; echo no >&2; echo; exit 3";
            let left = by(shell, "in\nput \\ %", &["sh", "-c", script]).await.unwrap();
            assert_eq!(left.stdout, b"in\nput \\ %\n");
            assert_eq!((left.code, left.stderr.as_slice()), (Some(3), &b"no\n"[..]));
            let left = by(shell, "", &["/no/such/program"]).await.unwrap();
            assert_eq!(left.code, Some(127));
        }
    }

    #[test]
    fn what_did_not_end_is_nothing() {
        assert_eq!(read("w", "@w out\nhello"), None);
        assert_eq!(read("w", "POLICY_DENIED"), None);
        // What a command prints cannot pass for the end of another word's.
        let text = "@w out\n@x err\n\n0\n@x end\n@w err\n\n7\n@w end";
        assert_eq!(read("w", text).unwrap().code, Some(7));
    }
}
