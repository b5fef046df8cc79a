//! A right that is missing, by what programs say of it, and the narrow grant that would serve. It is told,
//! never worked around.

use std::fmt;

use crate::model::ids::HostName;
use crate::model::time::Span;

/// Whether reef's commands on a host run as root by `sudo -n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sudo {
    #[default]
    No,
    /// As `[host.NAME] sudo = true` says: `sudo -n timeout -k 2 SECONDS COMMAND`. The time limit is inside,
    /// because only root may end what root runs.
    Yes,
}

/// As whom reef acts on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The user's name, where it is known.
    pub user: Option<String>,
    pub sudo: Sudo,
    pub place: Place,
}

/// Where the host is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// The machine that reef runs on.
    #[default]
    Here,
    /// Behind SSH.
    There,
}

/// What the command was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// To look: never as root.
    Look,
    Act,
}

/// What a command left that did not end well.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub host: &'a HostName,
    pub standing: &'a Standing,
    /// The command, without the wrappers around it.
    pub argv: &'a [String],
    pub timeout: Span,
    pub want: Want,
    pub code: Option<i32>,
    pub stderr: &'a str,
}

/// Whether something may have happened before the right was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Provably nothing: the refusal came before the command.
    Nothing,
    Perhaps,
}

/// A missing right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What is missing, as a clause: "the right to run X as root".
    pub missing: String,
    /// What would serve, and nothing more.
    pub grant: String,
    pub begun: Begun,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing; what would serve, and no more: {}", self.missing, self.grant)
    }
}

/// What sudo says when it lets nobody through.
const SUDO: &[&str] = &[
    "sudo: a password is required",
    "sudo: a terminal is required to read the password",
    "sudo: no tty present and no askpass program specified",
    "sudo: sorry, you must have a tty to run sudo",
    "is not in the sudoers file",
    "is not allowed to execute",
    "is not allowed to run sudo",
    "may not run sudo on",
    "sudo: I'm sorry",
    "no new privileges",
];

/// What systemd says when polkit would have to ask somebody.
const POLKIT: &[&str] = &[
    "interactive authentication required",
    "interactive authorization required",
    "authentication is required",
    "access denied",
    "not authorized",
    "policykit1.error",
    "authentication failed",
];

/// What the kernel, and programs that look first, say.
const EACCES: &[&str] = &[
    "permission denied",
    "operation not permitted",
    "must be superuser",
    "must be root",
    "must be run as root",
    "need to be root",
    "only root can",
    "are you root",
    "requires root",
    "superuser privilege",
    "eacces",
    "eperm",
    "insufficient permissions",
    "you cannot perform this operation unless you are root",
];

/// The missing right behind a failure, if that is what it was.
pub fn denied(said: &Said<'_>) -> Option<Denied> {
    if said.code == Some(0) {
        return None;
    }
    let lower = said.stderr.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(&w.to_ascii_lowercase()));
    let command = said.argv.join(" ");
    let as_root = format!("the right to run `{command}` on {} as root", said.host);
    if any(SUDO) {
        return Some(Denied { missing: as_root, grant: sudoers(said), begun: Begun::Nothing });
    }
    if lower.contains("sudo: not found") || lower.contains("sudo: command not found") {
        let missing = format!("the program sudo on {}, by which `sudo = true` acts,", said.host);
        return Some(Denied { missing, grant: other_ways(said), begun: Begun::Nothing });
    }
    let systemd = said.argv.first().is_some_and(|program| {
        ["systemctl", "loginctl", "hostnamectl"].iter().any(|p| ends_as(program, p))
    });
    if said.want == Want::Act && systemd && (any(POLKIT) || any(EACCES)) {
        return Some(Denied { missing: as_root, grant: polkit(said), begun: Begun::Nothing });
    }
    if said.want == Want::Look && (any(EACCES) || any(POLKIT)) {
        return Some(Denied {
            missing: format!(
                "the right of {} to read what `{command}` reads on {}",
                user(said),
                said.host
            ),
            grant: to_read(said),
            begun: Begun::Nothing,
        });
    }
    if any(EACCES) || said.code == Some(126) {
        // A program may have done a part of its work before it met what it may not touch.
        return Some(Denied { missing: as_root, grant: other_ways(said), begun: Begun::Perhaps });
    }
    let absent = ["not found", "no such file", "can't execute", "cannot run"];
    if said.code == Some(127) && (any(&absent) || said.stderr.trim().is_empty()) {
        let program = said.argv.first().map_or("", String::as_str);
        return Some(Denied {
            missing: format!("the program {program} on {}", said.host),
            grant: format!("install it there, or name it where it lies: /path/to/{program}"),
            begun: Begun::Nothing,
        });
    }
    None
}

fn ends_as(program: &str, name: &str) -> bool {
    program.rsplit('/').next() == Some(name)
}

fn user(said: &Said<'_>) -> String {
    said.standing.user.clone().unwrap_or_else(|| "THE_USER_OF_REEF".into())
}

/// Looks are never made as root.
fn to_read(said: &Said<'_>) -> String {
    let user = user(said);
    match said.argv.first().map(String::as_str) {
        Some("journalctl") => format!("`usermod -aG systemd-journal {user}` on {}", said.host),
        Some("docker" | "podman") => {
            "a restricted proxy of the engine's socket: the group docker is root".into()
        }
        Some(_) | None => {
            format!(
                "a group, or `setfacl -m u:{user}:r`, by which {user} may read it; no sudo is used to look"
            )
        }
    }
}

/// The exact line of sudoers(5), with the wrapper that reef puts in front.
fn sudoers(said: &Said<'_>) -> String {
    let line = sudoers_line(&user(said), said.argv, said.timeout);
    let there = match said.standing.place {
        Place::Here => "in /etc/sudoers.d/reef-acts".to_owned(),
        Place::There => format!("in /etc/sudoers.d/reef-acts on {}", said.host),
    };
    format!("{there} (visudo checks it) the line `{line}`")
}

/// `reef ALL=(root) NOPASSWD: /usr/bin/timeout -k 2 120 systemctl restart nginx.service`.
pub fn sudoers_line(user: &str, argv: &[String], timeout: Span) -> String {
    let mut line =
        format!("{user} ALL=(root) NOPASSWD: /usr/bin/timeout -k 2 {}", seconds(timeout));
    for part in argv {
        line.push(' ');
        for c in part.chars() {
            // Wildcards would widen it; the rest has a meaning of its own there.
            if "\\,:=*?[]! \t\"'#".contains(c) {
                line.push('\\');
            }
            line.push(c);
        }
    }
    line
}

/// A limit in whole seconds, as timeout(1) takes it.
pub fn seconds(timeout: Span) -> u64 {
    timeout.duration().as_secs().max(1)
}

fn polkit(said: &Said<'_>) -> String {
    let (user, host) = (user(said), said.host);
    let verb = said.argv.get(1).map_or("", String::as_str);
    let Some(unit) = said.argv.get(2).filter(|_| said.standing.sudo == Sudo::No) else {
        return other_ways(said);
    };
    let rule = format!(
        "polkit.addRule(function (action, subject) {{ if (action.id === \
         \"org.freedesktop.systemd1.manage-units\" && subject.user === \"{user}\" && \
         action.lookup(\"verb\") === \"{verb}\" && action.lookup(\"unit\") === \"{unit}\") \
         return polkit.Result.YES; }});"
    );
    format!(
        "in /etc/polkit-1/rules.d/50-reef.rules on {host} the rule `{rule}`, or {}",
        other_ways(said)
    )
}

/// Root by sudo, or by a key of its own.
fn other_ways(said: &Said<'_>) -> String {
    let host = said.host;
    let with_sudo = match said.standing.sudo {
        Sudo::Yes => sudoers(said),
        Sudo::No => format!("`sudo = true` under [host.{host}] and {}", sudoers(said)),
    };
    match said.standing.place {
        Place::Here => with_sudo,
        Place::There => {
            format!("a key for exactly this (`reef host authorize {host} --act`), or {with_sudo}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sudo: Sudo, place: Place, argv: &str, code: i32, stderr: &str) -> Option<Denied> {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        let standing = Standing { user: Some("reef".into()), sudo, place };
        denied(&Said {
            host: &HostName::of("nas"),
            standing: &standing,
            argv: &argv,
            timeout: Span::secs(120),
            want: Want::Act,
            code: Some(code),
            stderr,
        })
    }

    /// What programs really say: the message, its exit code, the command, a part of the grant, and
    /// whether something may have happened.
    const MESSAGES: &[(&str, i32, &str, &str, Begun)] = &[
        (
            "sudo: a password is required",
            1,
            "systemctl restart web.service",
            "NOPASSWD: /usr/bin/timeout -k 2 120 systemctl restart web.service",
            Begun::Nothing,
        ),
        (
            "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required",
            1,
            "systemctl restart web.service",
            "/etc/sudoers.d/",
            Begun::Nothing,
        ),
        (
            "sudo: no tty present and no askpass program specified",
            1,
            "mount /srv",
            "mount /srv",
            Begun::Nothing,
        ),
        (
            "sudo: sorry, you must have a tty to run sudo",
            1,
            "mount /srv",
            "NOPASSWD",
            Begun::Nothing,
        ),
        (
            "reef is not in the sudoers file.  This incident will be reported.",
            1,
            "mount /srv",
            "NOPASSWD",
            Begun::Nothing,
        ),
        (
            "Sorry, user reef is not allowed to execute '/usr/bin/timeout -k 2 120 mount /srv' as root on nas.",
            1,
            "mount /srv",
            "NOPASSWD",
            Begun::Nothing,
        ),
        ("Sorry, user reef may not run sudo on nas.", 1, "mount /srv", "NOPASSWD", Begun::Nothing),
        (
            "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.",
            1,
            "mount /srv",
            "NOPASSWD",
            Begun::Nothing,
        ),
        ("sh: 1: sudo: not found", 127, "mount /srv", "--act", Begun::Nothing),
        ("bash: line 1: sudo: command not found", 127, "mount /srv", "--act", Begun::Nothing),
        (
            "Failed to restart web.service: Interactive authentication required.\nSee system logs and 'systemctl status web.service' for details.",
            1,
            "systemctl restart web.service",
            "action.lookup(\"unit\") === \"web.service\"",
            Begun::Nothing,
        ),
        (
            "Failed to restart web.service: Access denied",
            4,
            "systemctl restart web.service",
            "action.lookup(\"verb\") === \"restart\"",
            Begun::Nothing,
        ),
        (
            "==== AUTHENTICATING FOR org.freedesktop.systemd1.manage-units ====\nAuthentication is required to restart 'web.service'.",
            1,
            "systemctl restart web.service",
            "subject.user === \"reef\"",
            Begun::Nothing,
        ),
        (
            "Failed to restart web.service: Permission denied",
            1,
            "/usr/bin/systemctl restart web.service",
            "polkit",
            Begun::Nothing,
        ),
        (
            "Call to Reboot failed: Interactive authentication required.",
            1,
            "systemctl reboot",
            "sudo = true",
            Begun::Nothing,
        ),
        (
            "mount: /srv: must be superuser to use mount.",
            32,
            "mount /srv",
            "sudo = true",
            Begun::Perhaps,
        ),
        ("mount: only root can do that", 1, "mount /srv", "--act", Begun::Perhaps),
        (
            "umount: /srv: umount failed: Operation not permitted.",
            32,
            "umount /srv",
            "umount /srv",
            Begun::Perhaps,
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            1,
            "docker restart web",
            "docker restart web",
            Begun::Perhaps,
        ),
        (
            "kill: (4711): Operation not permitted",
            1,
            "kill -TERM 4711",
            "kill -TERM 4711",
            Begun::Perhaps,
        ),
        (
            "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
            100,
            "apt-get clean",
            "apt-get clean",
            Begun::Perhaps,
        ),
        (
            "Failed to vacuum: Permission denied",
            1,
            "journalctl --vacuum-size=500M",
            "--vacuum-size\\=500M",
            Begun::Perhaps,
        ),
        (
            "zfs: cannot open 'tank': permission denied",
            1,
            "zpool clear tank",
            "zpool clear tank",
            Begun::Perhaps,
        ),
        ("sh: 1: /opt/x: Permission denied", 126, "/opt/x", "/opt/x", Begun::Perhaps),
        ("", 126, "/opt/x", "/opt/x", Begun::Perhaps),
        ("sh: 1: zpool: not found", 127, "zpool clear tank", "install it there", Begun::Nothing),
        (
            "timeout: failed to run command 'zpool': No such file or directory",
            127,
            "zpool clear tank",
            "install it there",
            Begun::Nothing,
        ),
    ];

    #[test]
    fn a_missing_right_is_known_by_what_programs_say() {
        for (stderr, code, argv, grant, begun) in MESSAGES {
            let found = ask(Sudo::No, Place::There, argv, *code, stderr);
            let found = found.unwrap_or_else(|| panic!("not known: {stderr}"));
            assert!(found.grant.contains(grant), "{stderr}: {}", found.grant);
            assert_eq!(found.begun, *begun, "{stderr}");
            assert!(found.missing.contains("nas"), "{stderr}: {}", found.missing);
        }
    }

    #[test]
    fn other_failures_are_what_they_are() {
        for (stderr, code, argv) in [
            (
                "Job for web.service failed because the control process exited with error code.",
                1,
                "systemctl restart web.service",
            ),
            (
                "Failed to restart web.service: Unit web.service not found.",
                5,
                "systemctl restart web.service",
            ),
            ("mount: /srv: mount point does not exist.", 32, "mount /srv"),
            ("mount.nfs: Connection timed out", 32, "mount /srv"),
            ("umount: /srv: target is busy.", 32, "umount /srv"),
            ("Error response from daemon: No such container: web", 1, "docker restart web"),
            ("cat: /srv/x: Read-only file system", 1, "cat /srv/x"),
            ("", 127, "sh"),
            ("", 0, "true"),
        ] {
            let found = ask(Sudo::No, Place::Here, argv, code, stderr);
            // A program that ends with 127 and says nothing may well be missing.
            let missing = found.as_ref().is_some_and(|d| d.grant.contains("install it"));
            assert!(found.is_none() || (code == 127 && missing), "{stderr}: {found:?}");
        }
    }

    #[test]
    fn a_look_is_never_to_be_made_as_root() {
        let standing = Standing { user: Some("reef".into()), ..Standing::default() };
        for (argv, stderr, part) in [
            (
                "journalctl -u x",
                "No journal files were opened due to insufficient permissions.",
                "systemd-journal reef",
            ),
            (
                "tail /srv/x.log",
                "tail: cannot open '/srv/x.log' for reading: Permission denied",
                "setfacl",
            ),
        ] {
            let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
            let said = Said {
                host: &HostName::of("nas"),
                standing: &standing,
                argv: &argv,
                timeout: Span::secs(5),
                want: Want::Look,
                code: Some(1),
                stderr,
            };
            let words = denied(&said).unwrap().to_string();
            assert!(words.contains(part) && !words.contains("NOPASSWD"), "{words}");
        }
    }

    #[test]
    fn the_line_of_sudoers_is_exact() {
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = |command| sudoers_line("reef", &argv(command), Span::secs(60));
        assert_eq!(
            line("umount /srv/a*b"),
            "reef ALL=(root) NOPASSWD: /usr/bin/timeout -k 2 60 umount /srv/a\\*b"
        );
        assert_eq!(
            line("journalctl --vacuum-size=500M"),
            "reef ALL=(root) NOPASSWD: /usr/bin/timeout -k 2 60 journalctl --vacuum-size\\=500M"
        );
        let here = ask(Sudo::Yes, Place::Here, "mount /srv", 1, "sudo: a password is required");
        assert!(!here.unwrap().to_string().contains("sudo = true"), "it has that line already");
    }
}
