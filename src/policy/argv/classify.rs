//! Decides what a command is from its arguments alone: what is not proven to read is critical.

use crate::model::target::AbsPath;
use crate::policy::argv::check::Check;
use crate::policy::argv::programs::{EVALUATORS, FOLDERS, RUNNERS};
use crate::policy::argv::reads::{self, Form, Read, VERB_FIRST, Valued};
use crate::policy::argv::{Argv, ReadOnly};

/// What a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Every option and operand stands in the table of commands that only read.
    ReadOnly(ReadOnly),
    /// Not proven to read. Says why.
    Critical { why: String },
    /// Runs what its arguments say: critical unless a runbook pins the exact command (then high).
    Evaluator { why: String },
}

/// Classifies a command. Options are matched whole: an abbreviation, an unknown option or a value in
/// another form than the table's is critical.
pub fn classify(argv: &Argv) -> Class {
    let program = argv.program();
    let base = program.rsplit('/').next().unwrap_or(program);
    if let Some(why) = evaluates(base, argv.args()) {
        return Class::Evaluator { why };
    }
    let known_place = !program.contains('/')
        || FOLDERS.iter().any(|folder| program.strip_prefix(folder) == Some(base));
    if !known_place {
        let why = format!("{program:?} lies outside {}", FOLDERS.join(", "));
        return Class::Critical { why };
    }
    let mut why = format!("{base:?} is not in the table of commands that only read");
    // Podman takes what Docker does.
    let called = if base == "podman" { "docker" } else { base };
    for read in reads::all().filter(|read| read.program == called) {
        match fits(read, argv.args()) {
            Ok(()) => return Class::ReadOnly(ReadOnly(argv.clone())),
            Err(Misfit { what, verb: Verb::Matches }) => why = format!("{base}: {what}"),
            Err(Misfit { what, verb: Verb::Differs }) if !why.starts_with(&format!("{base}:")) => {
                why = format!("{base}: {what}");
            }
            Err(Misfit { verb: Verb::Differs, .. }) => {}
        }
    }
    Class::Critical { why }
}

/// As [`classify`], where `cat`, `head` and `tail` may also read exactly these files: logs that the
/// operator named in the config.
pub fn classify_with(argv: &Argv, declared: &[AbsPath]) -> Class {
    const STANDS_FOR: &str = "/var/log/declared";
    if !["cat", "head", "tail"].contains(&argv.program()) {
        return classify(argv);
    }
    let named = |part: &String| declared.iter().any(|path| path.as_str() == part);
    let stand_in = |part: &String| if named(part) { STANDS_FOR.to_owned() } else { part.clone() };
    match classify(&Argv(argv.as_slice().iter().map(stand_in).collect())) {
        Class::ReadOnly(_) => Class::ReadOnly(ReadOnly(argv.clone())),
        Class::Critical { .. } | Class::Evaluator { .. } => classify(argv),
    }
}

/// The newest commits of a repository, the newest first: `HASH TIME SUBJECT` a line. A repository's own
/// config can make `git` run programs, so this one form, in which none is left that could, is read-only.
pub fn git_log(repository: &AbsPath, commits: u32) -> ReadOnly {
    let parts = [
        "git",
        "--no-pager",
        "-c",
        "protocol.allow=never",
        "-c",
        "core.fsmonitor=false",
        "-C",
        repository.as_str(),
        "log",
        "--no-show-signature",
        "--no-mailmap",
        "--no-color",
        "--format=%h %cI %s",
        "-n",
        &commits.to_string(),
    ];
    ReadOnly(Argv(parts.map(str::to_owned).to_vec()))
}

/// Why a program runs what its arguments say, if it does.
fn evaluates(base: &str, args: &[String]) -> Option<String> {
    let lower = base.to_ascii_lowercase();
    // `python3.11` is python; `ld-linux-x86-64.so.2` is the loader.
    let stem = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if EVALUATORS.contains(&lower.as_str()) || EVALUATORS.contains(&stem) {
        return Some(format!("{base:?} runs what its arguments say"));
    }
    if lower == "docker" && args == ["compose", "version"] {
        return None;
    }
    let (_, verbs) = RUNNERS.iter().find(|(program, _)| *program == lower)?;
    let verb = args.iter().find(|arg| verbs.iter().any(|verb| starts_whole(arg, verb)))?;
    Some(format!("{base} {verb} runs what its arguments say"))
}

/// `--verb` or `--verb=value`.
fn starts_whole(arg: &str, verb: &str) -> bool {
    arg.strip_prefix(verb).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// Why a row of the table does not take the arguments.
struct Misfit {
    what: String,
    verb: Verb,
}

/// Whether the row at least is of the wanted subcommand: then its reason is the one to tell.
enum Verb {
    Matches,
    Differs,
}

fn fits(read: &Read, args: &[String]) -> Result<(), Misfit> {
    let operands = options(read, args);
    let given = match &operands {
        Ok(operands) => operands.as_slice(),
        Err(_) => &[],
    };
    let verb = match read.verbs.iter().filter(|verb| begins(given, verb)).map(|v| v.len()).max() {
        Some(n) => n,
        None if read.verbs.is_empty() => 0,
        None => {
            let verb = read.verbs.iter().any(|v| args.iter().any(|a| a == v[0]));
            let verb = if verb { Verb::Matches } else { Verb::Differs };
            let what = operands.err().unwrap_or_else(|| "no such read in the table".into());
            return Err(Misfit { what, verb });
        }
    };
    let misfit = |what| Misfit { what, verb: Verb::Matches };
    if !read.needs.is_empty() && !read.needs.iter().any(|one| args.iter().any(|arg| arg == one)) {
        return Err(misfit(format!("reads only with {}", read.needs.join(" or "))));
    }
    let operands = operands.map_err(misfit)?;
    // What stands before the subcommand would be an option of the program itself.
    if VERB_FIRST.contains(&read.program)
        && !args.iter().zip(operands.iter()).take(verb).all(|(a, o)| a == o)
    {
        return Err(misfit("an option before the subcommand".into()));
    }
    let rest = &operands[verb..];
    let (least, most, check) = read.operands;
    if rest.len() < least || most < rest.len() {
        return Err(misfit(format!("takes {least} to {most} operands here, not {}", rest.len())));
    }
    match rest.iter().enumerate().find(|(i, operand)| !takes(check, *i, operand)) {
        Some((_, operand)) => Err(misfit(format!("operand {operand:?} is not one it may read"))),
        None => Ok(()),
    }
}

/// Behind a kind of a cluster stand names.
fn takes(check: Check, place: usize, operand: &str) -> bool {
    let behind_a_kind = matches!(check, Check::Kinds) && 0 < place && !operand.contains('/');
    if behind_a_kind { Check::Name.takes(operand) } else { check.takes(operand) }
}

fn begins(operands: &[&str], verb: &[&str]) -> bool {
    operands.get(..verb.len()) == Some(verb)
}

/// Takes the options away; what is left are the operands.
fn options<'a>(read: &Read, args: &'a [String]) -> Result<Vec<&'a str>, String> {
    let mut operands = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') {
            operands.push(arg.as_str());
            continue;
        }
        if read.flags.contains(&arg.as_str()) || is_letters(read, arg) {
            continue;
        }
        let unknown = || format!("option {arg:?} is not in the table of reads");
        let (check, value) = match arg.split_once('=').filter(|_| arg.starts_with("--")) {
            Some((name, value)) => {
                let (.., check) = valued(read, name, Form::Equals).ok_or_else(unknown)?;
                (check, value)
            }
            None => {
                let (.., check) = valued(read, arg, Form::Next).ok_or_else(unknown)?;
                let value = args.next().ok_or_else(|| format!("option {arg} lacks its value"))?;
                if value.starts_with('-') {
                    return Err(format!("option {arg} is followed by another, {value:?}"));
                }
                (check, value.as_str())
            }
        };
        if !check.takes(value) {
            return Err(format!("{value:?} is no value for {arg}"));
        }
    }
    Ok(operands)
}

fn valued(read: &Read, name: &str, form: Form) -> Option<Valued> {
    read.valued.iter().copied().find(|(n, f, _)| *n == name && (*f == form || *f == Form::Both))
}

/// Joined letters behind one dash, each an option without value.
fn is_letters(read: &Read, arg: &str) -> bool {
    arg.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty() && letters.chars().all(|letter| read.letters.contains(letter))
    })
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
