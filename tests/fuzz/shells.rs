//! What is sent over SSH is one line that the login shell there splits again: it must split it into
//! exactly the arguments that were meant. Held against real shells, thousands of cases for one process.
//!
//! `REEF_FUZZ=1000 cargo test --profile fuzz --test fuzz shells -- --nocapture` runs ten million cases in each shell.

use std::io::Write;
use std::process::{Command, Stdio};

use reef::clients::ssh::quote;

use crate::mutate::{Dice, times};

/// The shells that people log in to. Those in the second half are not on every machine.
const SHELLS: &[&[&str]] = &[
    &["sh"],
    &["dash"],
    &["bash"],
    &["busybox", "sh"],
    &["zsh", "-f"],
    &["fish", "--no-config"],
    &["ksh"],
    &["mksh"],
];

/// What shells treat as their own.
const ODD: &[&str] = &[
    "'",
    "\"",
    "\\",
    "!",
    "$",
    "`",
    "$(id)",
    "${X}",
    "`id`",
    ";",
    "&",
    "&&",
    "|",
    "||",
    "<",
    ">",
    ">>",
    "<<EOF",
    "(",
    ")",
    "{",
    "}",
    "{a,b}",
    "[",
    "]",
    "[!a]",
    "*",
    "?",
    "~",
    "~root",
    "#",
    "=",
    "=ls",
    "%",
    "%1",
    "^",
    "-",
    "--",
    "\n",
    "\r",
    "\t",
    " ",
    "  ",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{1}",
    "ä",
    "\u{202e}",
    "\u{200b}",
    "\u{1f41a}",
    "$'\\n'",
    "\\\n",
    "a",
    "0",
    "if",
    "then",
    "!!",
    "!$",
    "@",
    "..",
    "/",
    "/*",
    "\\'",
    "'\\''",
    "\"'\"",
    "\\\\",
    "'''",
    "$IFS",
    "\u{a0}",
    "&>",
    "(*)",
];

fn argument(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..dice.below(7) {
        if dice.below(4) == 0 {
            let c = u32::try_from(dice.below(0x300)).unwrap();
            text.extend(char::from_u32(c).filter(|c| *c != '\0'));
        } else {
            text.push_str(ODD[dice.below(ODD.len())]);
        }
    }
    text
}

/// The arguments by the shell, one after the other with NUL between them.
fn split(shell: &[&str], script: &str) -> Option<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "a test starts the shell that it tests")]
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let text = script.to_owned();
    let feeding = std::thread::spawn(move || {
        // A shell that gives up early closes it; what it printed tells.
        let _closed = stdin.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell:?}: {}", said.chars().take(400).collect::<String>());
    Some(output.stdout)
}

/// Cases for one shell process.
const BATCH: usize = 2_000;

#[test]
fn every_shell_splits_a_line_into_the_arguments_that_were_meant() {
    let batches = 5 * times();
    let mut ran = Vec::new();
    for shell in SHELLS {
        let mut dice = Dice::new(42);
        let mut n = 0;
        for _ in 0..batches {
            let mut script = String::new();
            let mut want = Vec::new();
            let mut cases = 0;
            while cases < BATCH {
                // printf is built in, so a case costs no process; each argument ends with a mark.
                let arguments: Vec<String> =
                    (0..=dice.below(4)).map(|_| argument(&mut dice)).collect();
                script.push_str("printf '%s\\0' ");
                script.push_str(&quote::line(&arguments));
                script.push('\n');
                for argument in &arguments {
                    want.extend_from_slice(argument.as_bytes());
                    want.push(0);
                }
                cases += arguments.len();
            }
            let Some(got) = split(shell, &script) else { break };
            if got != want {
                let pairs = got.split(|b| *b == 0).zip(want.split(|b| *b == 0));
                let (got, want) = pairs.into_iter().find(|(got, want)| got != want).unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                panic!("{shell:?} made {:?} of {:?}", text(got), text(want));
            }
            n += cases;
        }
        if 0 < n {
            println!(
                "figure | quoted arguments that {} reads otherwise | 0 of {n}",
                shell.join(" ")
            );
            ran.push(shell);
        }
    }
    assert!(4 <= ran.len(), "sh, dash, bash and BusyBox must be here: {ran:?}");
}
