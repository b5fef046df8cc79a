//! The program behind a key that may act: it lets exactly the listed commands through, letter by letter,
//! and runs none that it did not have written down itself.

use crate::clients::ssh::quote;
use crate::model::time::Span;
use crate::policy::argv::Argv;
use crate::policy::denied::{Sudo, seconds};

/// What it says where a command is not listed, before it ends with 126.
pub(super) const REFUSES: &str = "reef-act: this key may not run this";

/// One command that a key may run, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub argv: Argv,
    pub timeout: Span,
}

const HEAD: &str = r#"#!/bin/sh
# What reef may do on this host, and nothing else. The command that a key asks for is compared with each
# line below as a whole; what runs is what stands here. Anything else ends with 126.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
LC_ALL=C
export PATH LC_ALL
umask 077

refuse() {
    echo "reef-act: this key may not run this" >&2
    command -v logger >/dev/null 2>&1 && logger -t reef-act "refused a command that is not listed"
    exit 126
}
"#;

const RUN: &str = r#"
# run SECONDS COMMAND...: with a limit by what the host has: not every one has `timeout`.
run() {
    secs=$1
    shift
    exec </dev/null
    if command -v timeout >/dev/null 2>&1; then exec timeout -k 2 "$secs" "$@"; fi
    command -v "$1" >/dev/null 2>&1 || { echo "timeout: failed to run command" >&2; exit 127; }
    "$@" & child=$!
    ( sleep "$secs" & nap=$!; trap 'kill $nap; exit' TERM; wait $nap
      kill $child && sleep 2 && kill -9 $child ) >/dev/null 2>&1 & guard=$!
    wait $child; code=$?
    kill $guard 2>/dev/null || code=124
    exit $code
}
"#;

const RUN_AS_ROOT: &str = r#"
# run SECONDS COMMAND...: as root, with the limit inside: only root may end what root runs.
run() {
    secs=$1
    shift
    exec sudo -n timeout -k 2 "$secs" "$@" </dev/null
}
"#;

/// The whole program for these commands.
pub fn program(listed: &[Listed], sudo: Sudo) -> String {
    let run = match sudo {
        Sudo::No => RUN,
        Sudo::Yes => RUN_AS_ROOT,
    };
    let mut text = format!("{HEAD}{run}\ncase ${{SSH_ORIGINAL_COMMAND-}} in\n");
    for Listed { argv, timeout } in listed {
        let line = quote::line(argv.as_slice());
        // The pattern is quoted as a whole, so that nothing in it is one.
        text.push_str(&format!("{}) run {} {line} ;;\n", quote::quote(&line), seconds(*timeout)));
    }
    text.push_str("*) refuse ;;\nesac\n");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clients::process::{Given, Limits, run_raw};

    fn listed(parts: &[&str]) -> Listed {
        let argv = Argv::new(parts.iter().map(|&part| part.to_owned()).collect()).unwrap();
        Listed { argv, timeout: Span::secs(20) }
    }

    async fn asked(program: &std::path::Path, command: Option<&str>) -> (Option<i32>, String) {
        let mut env = BTreeMap::new();
        if let Some(command) = command {
            env.insert("SSH_ORIGINAL_COMMAND".to_owned(), command.to_owned());
        }
        let argv = ["/bin/sh".to_owned(), program.display().to_string()];
        let given = Given { env, ..Given::default() };
        let raw = run_raw(&argv, Limits::default(), &given).await.unwrap();
        let said = [raw.stdout, raw.stderr].concat();
        (raw.code, String::from_utf8_lossy(&said).into_owned())
    }

    #[tokio::test]
    async fn only_what_is_listed_runs_and_it_runs_as_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reef-act");
        let odd = "a * b's \\ $(id) ;\n!";
        let all = [listed(&["echo", "one"]), listed(&["echo", odd]), listed(&["echo", "*"])];
        std::fs::write(&file, program(&all, Sudo::No)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        for one in &all {
            let command = quote::line(one.argv.as_slice());
            let (code, said) = asked(&file, Some(&command)).await;
            assert_eq!((code, said.as_str()), (Some(0), &*format!("{}\n", one.argv.args()[0])));
        }
        let refused = [
            None,
            Some(""),
            Some("echo two"),
            Some("echo one two"),
            Some("echo one; id"),
            Some("echo one\nid"),
            Some("echo one\n"),
            Some(" echo one"),
            Some("echo  one"),
            Some("echo 'one'"),
            Some("echo anything"),
            Some("'echo one'"),
            Some("*"),
            Some("echo one) run 5 id ;; x"),
        ];
        for command in refused {
            let (code, said) = asked(&file, command).await;
            assert_eq!(code, Some(126), "{command:?}: {said}");
            assert!(said.starts_with(REFUSES), "{command:?}: {said}");
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reef-act");
        let argv = Argv::new(vec!["sleep".into(), "30".into()]).unwrap();
        let listed = [Listed { argv, timeout: Span::secs(1) }];
        std::fs::write(&file, program(&listed, Sudo::No)).unwrap();
        assert_eq!(asked(&file, Some("sleep 30")).await.0, Some(124));
    }

    #[test]
    fn as_root_it_goes_through_sudo_and_nothing_else() {
        let text = program(&[listed(&["umount", "/srv"])], Sudo::Yes);
        assert!(text.contains("exec sudo -n timeout -k 2 \"$secs\" \"$@\""), "{text}");
        assert!(text.contains("\n'umount /srv') run 20 umount /srv ;;\n"), "{text}");
    }
}
