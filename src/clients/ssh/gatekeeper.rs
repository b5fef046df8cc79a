//! The program behind a key that may act: it lets exactly the listed commands through, letter by letter,
//! and runs none that it did not have written down itself.

use std::collections::BTreeSet;

use crate::clients::files::remote;
use crate::clients::signal::kill;
use crate::clients::ssh::quote;
use crate::model::target::AbsPath;
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

/// Below which folders a key may let reef compress files, move them into quarantine and bring them back. Which files
/// these are cannot be listed beforehand, so the program that does it stands in the gatekeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub roots: BTreeSet<AbsPath>,
    pub quarantine: AbsPath,
}

impl Files {
    /// The case that answers requests for files. They have no quotes by themselves; one with any is refused.
    fn case(&self) -> String {
        let roots = self.roots.iter().chain([&self.quarantine]);
        let roots: Vec<&str> = roots.map(AbsPath::as_str).collect();
        let program = format!("roots={}\n{}", quote::quote(&roots.join("\n")), remote::PROGRAM);
        format!(
            "'{called} '*)\n    case $SSH_ORIGINAL_COMMAND in *[!A-Za-z0-9_./:@%+,=\\ -]*) refuse ;; esac\n    \
             set -f\n    set -- $SSH_ORIGINAL_COMMAND\n    run {seconds} sh -c {program} \"$@\" ;;\n",
            called = remote::CALLED,
            seconds = seconds(remote::LONGEST),
            program = quote::quote(&program),
        )
    }
}

/// What a key may be asked for whose last words nobody knows beforehand: held against its shape, word by word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Whether one process may be ended, by its number and start time.
    pub kill: Kill,
    /// Places of compose files, as the config has them: projects of files there may be fetched, brought up and restarted.
    pub compose: Vec<String>,
    /// Whether images may be fetched, named and, where nothing uses them, removed.
    pub images: Images,
}

/// See [`Shapes::kill`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kill {
    May,
    #[default]
    Never,
}

/// See [`Shapes::images`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Images {
    May,
    #[default]
    Never,
}

const PLAIN: &str = "case $SSH_ORIGINAL_COMMAND in *[!A-Za-z0-9_./:@%+,=\\ -]*) refuse ;; esac\n    set -f\n    set -- $SSH_ORIGINAL_COMMAND\n";

/// Whether `$@` is compose's command with files of a declared place, and nothing that it has not to say.
const COMPOSES: &str = r#"
# slashes TEXT: how many there are.
slashes() { printf %s "$1" | tr -cd / | wc -c; }
composes() {
    shift
    [ "$1" = compose ] && shift
    [ "${1-}" = -p ] || return 1
    case ${2-} in ''|-*|*/*) return 1 ;; esac
    shift 2
    files=0
    while [ "${1-}" = -f ]; do
        declared "${2-}" || return 1
        files=$((files + 1))
        shift 2
    done
    [ "$files" -gt 0 ] || return 1
    case "${1-} ${2-} ${3-}" in
    'up -d --no-build') shift 3; [ "${1-}" = --no-deps ] && shift ;;
    'pull --quiet '*) shift 2 ;;
    'restart '*) [ -n "${2-}" ] || return 1; shift ;;
    *) return 1 ;;
    esac
    for service in "$@"; do case $service in ''|-*|*/*) return 1 ;; esac; done
    return 0
}
"#;

impl Shapes {
    /// The functions that its cases call.
    fn functions(&self) -> String {
        if self.compose.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\n# declared FILE: whether it lies in a place that the config declares, part for part.\n\
             declared() {\n    case $1 in /*) ;; *) return 1 ;; esac\n    case $1 in *..*|*//*|*/.*) return 1 ;; esac\n    \
             for at in \"$1\" \"${1%/*}\"; do\n",
        );
        for place in &self.compose {
            let place = place.trim_end_matches('/');
            // Only a star is a pattern, and never over a slash.
            let pattern: Vec<String> = place.split('*').map(quote::quote).collect();
            let pattern = pattern.join("*").replace("''", "");
            let slashes = place.matches('/').count();
            text.push_str(&format!(
                "        case $at in {pattern}) [ \"$(slashes \"$at\")\" -eq {slashes} ] && return 0 ;; esac\n"
            ));
        }
        text.push_str("    done\n    return 1\n}\n");
        format!("{COMPOSES}{text}")
    }

    fn cases(&self) -> String {
        let mut text = String::new();
        if self.kill == Kill::May {
            text.push_str(&format!(
                "'{called} '*)\n    {PLAIN}    [ $# -eq 4 ] || refuse\n    \
                 case $2$3 in *[!0-9]*) refuse ;; esac\n    case $2 in 0*|1) refuse ;; esac\n    case $4 in TERM|KILL) ;; *) refuse ;; esac\n    \
                 run 15 sh -c {program} \"$@\" ;;\n",
                called = kill::CALLED,
                program = quote::quote(kill::PROGRAM),
            ));
        }
        if !self.compose.is_empty() {
            text.push_str(&format!(
                "'docker compose -p '*|'docker-compose -p '*)\n    {PLAIN}    composes \"$@\" || refuse\n    \
                 run 3600 \"$@\" ;;\n"
            ));
        }
        if self.images == Images::May {
            text.push_str(&format!(
                "'docker pull --quiet -- '*|'docker tag -- '*)\n    {PLAIN}    [ $# -eq 5 ] || refuse\n    \
                 case $5 in -*) refuse ;; esac\n    run 1800 \"$@\" ;;\n\
                 'docker rmi -- '*)\n    {PLAIN}    [ $# -eq 4 ] || refuse\n    \
                 case $4 in sha256:*) ;; *) refuse ;; esac\n    run 60 \"$@\" ;;\n"
            ));
        }
        text
    }
}

/// The whole program for these commands, and for files below these folders. Files are left to a key of root's own:
/// by sudo it would be the right to run `sh`, which is all of root.
pub fn program(listed: &[Listed], files: Option<&Files>, shapes: &Shapes, sudo: Sudo) -> String {
    let run = match sudo {
        Sudo::No => RUN,
        Sudo::Yes => RUN_AS_ROOT,
    };
    let shapes = match sudo {
        Sudo::No => shapes.clone(),
        // By sudo it would be the right to run `sh`.
        Sudo::Yes => Shapes { kill: Kill::Never, ..shapes.clone() },
    };
    let functions = shapes.functions();
    let mut text = format!("{HEAD}{run}{functions}\ncase ${{SSH_ORIGINAL_COMMAND-}} in\n");
    for Listed { argv, timeout } in listed {
        let line = quote::line(argv.as_slice());
        // The pattern is quoted as a whole, so that nothing in it is one.
        text.push_str(&format!("{}) run {} {line} ;;\n", quote::quote(&line), seconds(*timeout)));
    }
    if let (Some(files), Sudo::No) = (files, sudo) {
        text.push_str(&files.case());
    }
    text.push_str(&shapes.cases());
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
        std::fs::write(&file, program(&all, None, &Shapes::default(), Sudo::No)).unwrap();
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
        std::fs::write(&file, program(&listed, None, &Shapes::default(), Sudo::No)).unwrap();
        assert_eq!(asked(&file, Some("sleep 30")).await.0, Some(124));
    }

    #[tokio::test]
    async fn files_may_be_touched_below_the_listed_folders_and_by_requests_of_plain_letters_only() {
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| folder.path().join(name).display().to_string();
        for name in ["log", "other"] {
            std::fs::create_dir(text(name)).unwrap();
            std::fs::write(format!("{}/a.log.1", text(name)), "a line\n".repeat(2_000)).unwrap();
        }
        let path = |name: &str| AbsPath::new(&text(name)).unwrap();
        let files = Files { roots: BTreeSet::from([path("log")]), quarantine: path("q") };
        let file = folder.path().join("reef-act");
        std::fs::write(&file, program(&[], Some(&files), &Shapes::default(), Sudo::No)).unwrap();
        let request = |root: &str, more: &str| {
            use std::os::unix::fs::MetadataExt;
            let log = format!("{root}/a.log.1");
            let about = std::fs::metadata(&log).unwrap();
            let (dev, ino, length, at) = (about.dev(), about.ino(), about.len(), about.mtime());
            format!(
                "reef-files compress {root} {} m1 {dev} {ino} {length} {at} {log}{more}",
                text("q")
            )
        };
        for (request, code, part) in [
            (request(&text("other"), ""), 22, "may not touch"),
            (request(&text("log"), ";id"), 126, REFUSES),
            (request(&text("log"), "\nid"), 126, REFUSES),
            (request(&text("log"), " $(id)"), 126, REFUSES),
            (request(&text("log"), " '*'"), 126, REFUSES),
            (request(&text("log"), " one-more"), 22, "no such request"),
            ("reef-files".to_owned(), 126, REFUSES),
            ("reef-files sh -c id".to_owned(), 22, "no such request"),
            (request(&text("log"), ""), 0, "ok 14000 "),
        ] {
            let (ended, said) = asked(&file, Some(&request)).await;
            assert_eq!(ended, Some(code), "{request}: {said}");
            assert!(said.contains(part) && !said.contains("uid="), "{request}: {said}");
        }
        assert!(folder.path().join("log/a.log.1.gz").exists());
        assert!(folder.path().join("other/a.log.1").exists());
        let by_sudo = program(&[], Some(&files), &Shapes::default(), Sudo::Yes);
        assert!(!by_sudo.contains("reef-files"), "{by_sudo}");
    }

    #[tokio::test]
    async fn what_has_a_shape_is_let_through_word_for_word_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reef-act");
        let shapes = Shapes {
            kill: Kill::May,
            compose: vec!["/opt/stacks/*".into(), "/opt/one/core.yml".into()],
            images: Images::May,
        };
        let id = format!("sha256:{}", "0a".repeat(32));
        let up = "docker compose -p media -f /opt/stacks/media/compose.yaml up -d --no-build";
        let one = "docker-compose -p core -f /opt/one/core.yml";
        let passes = [
            "reef-kill 4711 99887 TERM".to_owned(),
            format!("{up} web db"),
            format!("{up} --no-deps web"),
            up.to_owned(),
            format!("{one} pull --quiet web"),
            format!("{one} restart web"),
            "docker pull --quiet -- 127.0.0.1:5000/app:v2".to_owned(),
            format!("docker tag -- {id} app:latest"),
            format!("docker rmi -- {id}"),
        ];
        let refused = [
            "reef-kill 4711 99887 HUP".to_owned(),
            "reef-kill 4711 99887".to_owned(),
            "reef-kill -1 99887 KILL".to_owned(),
            "reef-kill 1 99887 TERM".to_owned(),
            "reef-kill 01 99887 TERM".to_owned(),
            "reef-kill 1 2 TERM; id".to_owned(),
            format!("{up} web;id"),
            format!("{up} --privileged"),
            format!("{up} --no-deps --build web"),
            format!("{one} down"),
            format!("{one} exec web sh"),
            format!("{one} restart"),
            format!("{one} -f /tmp/x.yml restart web"),
            "docker compose -p media up -d --no-build".to_owned(),
            "docker compose -p media -f /opt/stacks/a/b/compose.yaml restart web".to_owned(),
            "docker compose -p media -f /opt/stacks/../x/compose.yaml restart web".to_owned(),
            "docker compose -p media -f /opt/stacks/.h/compose.yaml restart web".to_owned(),
            "docker compose -p media -f /etc/x.yaml restart web".to_owned(),
            "docker compose -p --help -f /opt/one/core.yml restart web".to_owned(),
            "docker pull --quiet -- --all".to_owned(),
            "docker pull --quiet -- a b".to_owned(),
            "docker rmi -- app:latest".to_owned(),
            "docker run -- app".to_owned(),
        ];
        // What runs is said, not run: some of it is there on this machine.
        let says = |shapes: &Shapes| {
            let text = program(&[], None, shapes, Sudo::No);
            assert!(text.contains(RUN));
            let said = "\nrun() { shift; echo \"runs $1 $2 $#\"; exit 0; }\n";
            std::fs::write(&file, text.replace(RUN, said)).unwrap();
        };
        says(&shapes);
        for command in &passes {
            let (code, said) = asked(&file, Some(command)).await;
            assert_eq!(code, Some(0), "{command}: {said}");
            assert!(said.starts_with("runs "), "{command}: {said}");
        }
        for command in &refused {
            let (code, said) = asked(&file, Some(command)).await;
            assert_eq!(code, Some(126), "{command}: {said}");
        }
        says(&Shapes::default());
        for command in &passes {
            assert_eq!(asked(&file, Some(command)).await.0, Some(126), "{command}");
        }
        let by_sudo = program(&[], None, &shapes, Sudo::Yes);
        assert!(!by_sudo.contains("reef-kill"), "{by_sudo}");
    }

    #[test]
    fn as_root_it_goes_through_sudo_and_nothing_else() {
        let text = program(&[listed(&["umount", "/srv"])], None, &Shapes::default(), Sudo::Yes);
        assert!(text.contains("exec sudo -n timeout -k 2 \"$secs\" \"$@\""), "{text}");
        assert!(text.contains("\n'umount /srv') run 20 umount /srv ;;\n"), "{text}");
    }
}
