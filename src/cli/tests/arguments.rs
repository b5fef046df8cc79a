//! What may be typed, and what is said to what may not.

use clap::{CommandFactory, Parser};

use crate::cli::Cli;
use crate::cli::exit::Exit;
use crate::config::env::Env;

#[test]
fn the_arguments_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn everything_in_the_manual_parses() {
    for line in [
        "run",
        "run --dry-run -c /etc/reef/config.toml --state /var/lib/reef",
        "init",
        "init --yes -c /tmp/reef.toml --ssh-config /etc/ssh/ssh_config --json",
        "check",
        "check nas -v --json",
        "--json status",
        "status --color never",
        "incidents --all",
        "approvals",
        "approve A-17",
        "approve 17 2 --yes",
        "deny a-17",
        "ack I-42 --note mine",
        "undo D-31 -y",
        "settle D-31 did-not-run --note looked",
        "audit list -n 5 --kind closed --incident I-4 --text nginx",
        "audit show 31",
        "audit show D-31",
        "audit verify",
        "report --path",
        "runbook list",
        "runbook show disk-full",
        "runbook check a.md b.md",
        "runbook test disk red mini:/var --reason bytes",
        "runbook run disk-full --on mini:/var --set older=7d --set a=b=c --dry-run",
        "runbook promote disk-full nas --write",
        "tools",
        "config check",
        "config show",
        "pause --note hands",
        "resume",
        "reload",
        "drill",
    ] {
        let args = std::iter::once("reef").chain(line.split(' '));
        if let Err(error) = Cli::try_parse_from(args) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_what_is_right() {
    for (line, want) in [
        ("approve", "<ID>"),
        ("approve x", "\"x\" is not a number like A-17"),
        ("approve I-4", "\"I-4\" is not a number like A-17"),
        ("approve 0", "is not a number like A-17"),
        ("approve -- -5", "is not a number like A-17"),
        ("ack A-4", "is not a number like I-17"),
        ("settle D-31 maybe --note x", "[possible values: ran, did-not-run]"),
        ("settle D-31 ran", "--note"),
        ("audit list --kind magic", "kinds are looked, asked, answered"),
        (
            "runbook run x --on var/log",
            "is no object of a cluster: write NAMESPACE/deployment/NAME",
        ),
        ("runbook run x --on mini:var", "is no target: write HOST, HOST:/path or HOST:unit:NAME"),
        ("runbook run x --on mini:/var/../etc", "'..'"),
        ("runbook run x --on mini --set older", "KEY=VALUE"),
        ("runbook run ../x --on mini", "letters, digits"),
        ("runbook test disk blue mini", "a severity is green, yellow, red or unknown"),
        ("status --color pink", "[possible values: auto, always, never]"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("statu", "similar subcommands exist: 'settle', 'status'"),
        ("", "Usage: reef [OPTIONS] <COMMAND>"),
    ] {
        let args = std::iter::once("reef").chain(line.split(' ').filter(|part| !part.is_empty()));
        let error = Cli::try_parse_from(args).expect_err(line);
        assert!(error.use_stderr(), "{line}");
        let text = error.render().to_string();
        assert!(text.contains(want), "{line}: {text}");
        let exit = crate::cli::misused(&error, &Env::of([]));
        assert_eq!(exit, Exit::USAGE, "{line}");
    }
}

#[test]
fn help_is_short_and_says_what_the_exit_codes_mean() {
    let help = Cli::command().render_help().to_string();
    assert!(help.lines().count() <= 44, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
    let last: Vec<&str> = help.lines().rev().take(2).collect();
    assert_eq!(
        last,
        [
            "`reef check` speaks Nagios: 0 green, 1 yellow, 2 red, 3 unknown.",
            "Exit codes: 0 done, 1 failed or refused, 2 wrong usage or config.",
        ]
    );
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        commands.join(" "),
        "run init check status incidents approvals approve deny ack silence ping undo settle audit report runbook \
         tools host config pause resume reload backtest drill install"
    );
}
