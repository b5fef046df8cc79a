//! What logs and wtmp say of logins: sshd, dropbear and the logins of a terminal. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::guard::{Login, Logins};
use crate::model::taint::Tainted;

/// More than these are not told one by one.
const MOST: usize = 500;
/// The sources of failed attempts that are told.
const SOURCES: usize = 5;
/// Somebody at the machine itself.
const CONSOLE: &str = "console";

/// What a line of a log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Came(Login),
    /// A wrong password, key or name.
    Failed(Origin),
    /// A connection that ended before anybody came in: a failed attempt where none was told before it.
    GaveUp(Origin),
}

/// Where an attempt came from: a source, and the port that tells connections apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub source: String,
    pub port: String,
}

/// Collects what lines and records say.
#[derive(Debug, Default)]
pub struct Gathered {
    failed: u64,
    by: BTreeMap<String, u64>,
    connections: BTreeSet<Origin>,
    accepted: BTreeSet<Login>,
}

impl Gathered {
    pub fn line(&mut self, line: &str) {
        match read(line) {
            Some(Said::Came(login)) => self.came(login),
            Some(Said::Failed(origin)) => {
                self.count(&origin.source);
                self.connections.insert(origin);
            }
            Some(Said::GaveUp(origin)) if self.connections.insert(origin.clone()) => {
                self.count(&origin.source);
            }
            Some(Said::GaveUp(_)) | None => {}
        }
    }

    pub fn came(&mut self, login: Login) {
        if self.accepted.len() < MOST {
            self.accepted.insert(login);
        }
    }

    fn count(&mut self, source: &str) {
        self.failed += 1;
        if self.by.len() < MOST || self.by.contains_key(source) {
            *self.by.entry(source.to_owned()).or_default() += 1;
        }
    }

    /// `failed` where something told of failed attempts.
    pub fn logins(self, failed: Told, unseen: Vec<String>) -> Logins {
        let mut by: Vec<(String, u64)> = self.by.into_iter().collect();
        by.sort_by(|(a, m), (b, n)| (n, a).cmp(&(m, b)));
        by.truncate(SOURCES);
        let failed = match failed {
            Told::Yes => Some(self.failed),
            Told::Nowhere => None,
        };
        let accepted = self.accepted.into_iter().collect();
        Logins { failed, failed_from: by, accepted, unseen }
    }
}

/// Whether anything tells of failed attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Yes,
    Nowhere,
}

/// Reads a line of a syslog file, or `PROGRAM: MESSAGE` of the journal, or what sshd writes to a log of its own.
pub fn read(line: &str) -> Option<Said> {
    let (program, message) = program(line);
    match program {
        Some("sshd" | "sshd-session" | "sshd-auth") | None => sshd(message),
        Some("dropbear") => dropbear(message),
        Some("login") => terminal(message),
        Some(_) => None,
    }
    .or_else(|| pam(program, message))
}

/// `Mar  2 12:00:00 mini sshd[12]: words` is sshd's; what has no program before it is taken as it is.
fn program(line: &str) -> (Option<&str>, &str) {
    let Some((before, message)) = line.split_once(": ") else { return (None, line) };
    let word = before.rsplit(' ').next().unwrap_or(before);
    let name = word.split('[').next().unwrap_or(word);
    let dated = before.contains(' ') || word.ends_with(']') || KNOWN.contains(&name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let own = before.starts_with("Accepted ") || before.starts_with("Failed ");
    match dated && !own && !name.is_empty() && name.chars().all(plain) {
        true => (Some(name.rsplit('/').next().unwrap_or(name)), message),
        false => (None, line),
    }
}

const KNOWN: [&str; 9] = [
    "sshd",
    "sshd-session",
    "sshd-auth",
    "dropbear",
    "login",
    "sudo",
    "su",
    "pvedaemon",
    "pveproxy",
];

fn sshd(message: &str) -> Option<Said> {
    if let Some(rest) = message.strip_prefix("Accepted ") {
        // A user's name may hold ` from `: the last one counts.
        let (who, place) = rest.rsplit_once(" from ")?;
        let user = who.split_once(" for ")?.1;
        return Some(Said::Came(login(user, origin(place)?.source)));
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        // The client asks with `none` what it may try.
        if rest.starts_with("none ") {
            return None;
        }
        return rest.rsplit_once(" from ").and_then(|(_, place)| origin(place)).map(Said::Failed);
    }
    let ends = ["Connection closed by ", "Connection reset by ", "Disconnected from "];
    let rest = ends.iter().find_map(|end| message.strip_prefix(end))?;
    let rest =
        rest.strip_prefix("authenticating user ").or_else(|| rest.strip_prefix("invalid user "))?;
    // `root 203.0.113.9 port 4711 [preauth]`
    let (before, port) = rest.rsplit_once(" port ")?;
    let source = before.rsplit(' ').next()?;
    Some(Said::GaveUp(Origin { source: place(source), port: word(port) }))
}

/// `203.0.113.9 port 4711 ssh2: ED25519 SHA256:...`
fn origin(text: &str) -> Option<Origin> {
    let (source, rest) = text.split_once(" port ")?;
    Some(Origin { source: place(source.trim()), port: word(rest) })
}

fn word(text: &str) -> String {
    text.chars().take_while(char::is_ascii_digit).take(5).collect()
}

fn dropbear(message: &str) -> Option<Said> {
    for good in [
        "Password auth succeeded for ",
        "Pubkey auth succeeded for ",
        "PAM password auth succeeded for ",
    ] {
        if let Some(rest) = message.strip_prefix(good) {
            let (who, at) = rest.rsplit_once(" from ")?;
            return Some(Said::Came(login(quoted(who), with_port(at).source)));
        }
    }
    for bad in [
        "Bad password attempt for ",
        "Bad PAM password attempt for ",
        "Login attempt for nonexistent user",
    ] {
        if let Some(rest) = message.strip_prefix(bad) {
            return rest.rsplit_once("from ").map(|(_, at)| Said::Failed(with_port(at)));
        }
    }
    // `Exit before auth from <203.0.113.9:4711>: (user 'root', 0 fails): Exited normally`
    let rest = message.strip_prefix("Exit before auth from <")?;
    let at = rest.split('>').next()?;
    message.contains("(user ").then(|| Said::GaveUp(with_port(at)))
}

/// `203.0.113.9:4711`
fn with_port(text: &str) -> Origin {
    let text = text.trim();
    match text.rsplit_once(':') {
        Some((source, port)) => Origin { source: place(source), port: word(port) },
        None => Origin { source: place(text), port: String::new() },
    }
}

/// `'root' with ssh-ed25519 key ...` is root.
fn quoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or(text)
}

/// The `login` of BusyBox, of shadow and of util-linux.
fn terminal(message: &str) -> Option<Said> {
    let on = |text: &str| match text.rsplit_once(" from ") {
        Some((_, source)) => place(source.trim_matches('\'')),
        None => CONSOLE.to_owned(),
    };
    if let Some(rest) = message.strip_prefix("invalid password for ") {
        return Some(Said::Failed(Origin { source: on(rest), port: String::new() }));
    }
    if let Some(rest) = message.strip_prefix("FAILED LOGIN ") {
        // `(1) from '203.0.113.9' FOR ...`; without one it is the terminal's.
        let source = match rest.split_once("from '") {
            Some((_, source)) => place(source.split('\'').next().unwrap_or(source)),
            None => CONSOLE.to_owned(),
        };
        return Some(Said::Failed(Origin { source, port: String::new() }));
    }
    if let Some(rest) = message.strip_prefix("root login") {
        return Some(Said::Came(login("root", on(rest))));
    }
    if message.starts_with("ROOT LOGIN") {
        return Some(Said::Came(login("root", on(message))));
    }
    let rest = message.strip_prefix("LOGIN ON ")?;
    let user = rest.split_once(" BY ")?.1;
    let user = user.split(" FROM ").next().unwrap_or(user);
    let source = rest.rsplit_once(" FROM ").map_or(CONSOLE.to_owned(), |(_, at)| place(at));
    Some(Said::Came(login(user, source)))
}

/// sudo, su and the web pages of Proxmox tell of a wrong password through PAM; of sshd and login their own line
/// counts.
fn pam(program: Option<&str>, message: &str) -> Option<Said> {
    match program? {
        "sudo" | "su" | "pvedaemon" | "pveproxy" => {}
        _ => return None,
    }
    let rest = message.split_once("authentication failure;")?.1;
    let source = rest.split_whitespace().find_map(|word| word.strip_prefix("rhost="));
    let source = source.filter(|s| !s.is_empty()).map_or(CONSOLE.to_owned(), place);
    Some(Said::Failed(Origin { source, port: String::new() }))
}

fn login(user: &str, source: String) -> Login {
    Login { user: bounded(user.trim()), source }
}

/// One machine is one source: an IPv4 address written as IPv6 is itself, and of an IPv6 address its network counts,
/// because the rest changes by the day.
pub fn place(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                let network = std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
                if v6.is_loopback() { "::1".to_owned() } else { format!("{network}/64") }
            }
        },
        Ok(v4 @ IpAddr::V4(_)) => v4.to_string(),
        Err(_) => bounded(text),
    }
}

fn bounded(text: &str) -> String {
    Tainted::bounded(text, 80).first_line().to_owned()
}

/// The sizes of a record: of glibc on most machines, and where its times have 64 bits.
const SIZES: [usize; 2] = [384, 400];
/// A user's session (utmp(5)).
const USER: u8 = 7;

/// The sessions of users in the last bytes of wtmp, oldest first. `whole` is the file's size: records begin at its
/// beginning, and what was cut off begins within one.
pub fn wtmp(bytes: &[u8], whole: u64) -> Vec<Login> {
    let skipped = usize::try_from(whole.saturating_sub(bytes.len() as u64)).unwrap_or(0);
    let aligned = |size: usize| &bytes[((size - skipped % size) % size).min(bytes.len())..];
    let fits = |size: &&usize| {
        whole.is_multiple_of(**size as u64)
            && aligned(**size).chunks_exact(**size).all(|record| record[0] < 10 && record[1] == 0)
    };
    let Some(size) = SIZES.iter().find(fits).copied() else { return Vec::new() };
    let field = |record: &[u8], at: usize, longest: usize| {
        let field = record.get(at..at + longest).unwrap_or_default();
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        bounded(&String::from_utf8_lossy(&field[..end]))
    };
    let session = |record: &[u8]| {
        let (line, user, host) =
            (field(record, 8, 32), field(record, 44, 32), field(record, 76, 256));
        let source = match (host.parse::<IpAddr>(), host.contains('.')) {
            (Ok(_), _) => place(&host),
            // Names are written as they were looked up; `:0` is a screen, `tmux(12).%0` a window.
            (Err(_), true) if !host.contains(['(', ':', '%']) => host,
            (Err(_), _) if line.starts_with("tty") => CONSOLE.to_owned(),
            (Err(_), _) => return None,
        };
        Some(login(&user, source)).filter(|login| !login.user.is_empty())
    };
    let records = aligned(size).chunks_exact(size).filter(|record| record[0] == USER);
    records.filter_map(session).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(user: &str, source: &str) -> Option<Said> {
        Some(Said::Came(Login { user: user.into(), source: source.into() }))
    }

    fn failed(source: &str, port: &str) -> Option<Said> {
        Some(Said::Failed(Origin { source: source.into(), port: port.into() }))
    }

    fn gave_up(source: &str, port: &str) -> Option<Said> {
        Some(Said::GaveUp(Origin { source: source.into(), port: port.into() }))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one row a line of a log")]
    fn lines_of_real_servers() {
        for (line, want) in [
            // Debian 12's sshd by rsyslog, by the journal, and to a log of its own.
            (
                "2024-05-02T08:11:01.123456+02:00 mini sshd[812]: Accepted publickey for dad from 192.168.1.7 port 51022 ssh2: ED25519 SHA256:kX3v",
                came("dad", "192.168.1.7"),
            ),
            (
                "May  2 08:11:01 mini sshd[812]: Accepted password for root from 203.0.113.9 port 4711 ssh2",
                came("root", "203.0.113.9"),
            ),
            (
                "sshd: Accepted keyboard-interactive/pam for mum from 2001:db8:1:2:a:b:c:d port 5 ssh2",
                came("mum", "2001:db8:1:2::/64"),
            ),
            (
                "Accepted publickey for root from 127.0.0.1 port 40000 ssh2: ED25519 SHA256:x",
                came("root", "127.0.0.1"),
            ),
            (
                "sshd-session: Failed password for root from ::ffff:203.0.113.9 port 4711 ssh2",
                failed("203.0.113.9", "4711"),
            ),
            (
                "sshd: Failed password for invalid user admin from 203.0.113.9 port 4712 ssh2",
                failed("203.0.113.9", "4712"),
            ),
            // The name that was tried is chosen by who tries.
            (
                "sshd: Failed password for invalid user x from 192.168.1.7 port 1 ssh2 from 203.0.113.9 port 4713 ssh2",
                failed("203.0.113.9", "4713"),
            ),
            ("sshd: Failed none for invalid user admin from 203.0.113.9 port 4712 ssh2", None),
            ("sshd: Invalid user admin from 203.0.113.9 port 4712", None),
            (
                "sshd: Connection closed by authenticating user root 203.0.113.9 port 4711 [preauth]",
                gave_up("203.0.113.9", "4711"),
            ),
            (
                "sshd: Connection closed by invalid user a b 203.0.113.9 port 4714 [preauth]",
                gave_up("203.0.113.9", "4714"),
            ),
            ("sshd: Connection closed by 203.0.113.9 port 4711", None),
            ("sshd: Received disconnect from 203.0.113.9 port 4711:11: bye", None),
            (
                "sshd: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9",
                None,
            ),
            // dropbear, as on OpenWrt and NAS systems.
            (
                "May  2 08:11:01 nas dropbear[77]: Password auth succeeded for 'root' from 192.168.1.7:40122",
                came("root", "192.168.1.7"),
            ),
            (
                "dropbear: Pubkey auth succeeded for 'root' with ssh-ed25519 key SHA256:x from 192.168.1.7:40123",
                came("root", "192.168.1.7"),
            ),
            (
                "dropbear: Bad password attempt for 'root' from 203.0.113.9:41000",
                failed("203.0.113.9", "41000"),
            ),
            (
                "dropbear: Login attempt for nonexistent user from 203.0.113.9:41001",
                failed("203.0.113.9", "41001"),
            ),
            (
                "dropbear: Login attempt for nonexistent user 'x' from 203.0.113.9:41001",
                failed("203.0.113.9", "41001"),
            ),
            (
                "dropbear: Exit before auth from <203.0.113.9:41002>: (user 'root', 0 fails): Exited normally",
                gave_up("203.0.113.9", "41002"),
            ),
            ("dropbear: Child connection from 203.0.113.9:41002", None),
            // login: BusyBox, util-linux, shadow.
            (
                "Jan  1 00:00:09 box auth.info login[99]: root login on 'ttyS0'",
                came("root", "console"),
            ),
            ("login: root login on 'pts/0' from '192.168.1.7'", came("root", "192.168.1.7")),
            (
                "login: invalid password for 'UNKNOWN' on 'pts/0' from '203.0.113.9'",
                failed("203.0.113.9", ""),
            ),
            ("login: invalid password for 'root' on 'ttyS0'", failed("console", "")),
            (
                "login: FAILED LOGIN (1) on '/dev/tty1' FOR 'UNKNOWN', Authentication failure",
                failed("console", ""),
            ),
            (
                "login: FAILED LOGIN 1 FROM tty1 FOR dad, Authentication failure",
                failed("console", ""),
            ),
            ("login: ROOT LOGIN  on '/dev/tty1'", came("root", "console")),
            ("login: LOGIN ON tty1 BY dad", came("dad", "console")),
            // Other doors.
            (
                "sudo: pam_unix(sudo:auth): authentication failure; logname=dad uid=1000 euid=0 tty=/dev/pts/0 ruser=dad rhost=  user=dad",
                failed("console", ""),
            ),
            (
                "pvedaemon[9]: authentication failure; rhost=::ffff:203.0.113.9 user=root@pam msg=Authentication failure",
                failed("203.0.113.9", ""),
            ),
            // Somebody else's words.
            (
                "May  2 08:11:01 mini app[1]: Accepted password for root from 1.2.3.4 port 1 ssh2",
                None,
            ),
            ("cron: (root) CMD (x)", None),
            ("", None),
        ] {
            assert_eq!(read(line), want, "{line}");
        }
    }

    #[test]
    fn a_connection_counts_once_and_the_worst_source_is_told_first() {
        let mut all = Gathered::default();
        for line in [
            "sshd: Failed password for root from 203.0.113.9 port 1 ssh2",
            "sshd: Failed password for root from 203.0.113.9 port 1 ssh2",
            "sshd: Connection closed by authenticating user root 203.0.113.9 port 1 [preauth]",
            "sshd: Connection closed by authenticating user root 203.0.113.9 port 2 [preauth]",
            "sshd: Connection closed by invalid user x 198.51.100.1 port 2 [preauth]",
            "sshd: Accepted password for dad from 192.168.1.7 port 2 ssh2",
            "sshd: Accepted password for dad from 192.168.1.7 port 3 ssh2",
        ] {
            all.line(line);
        }
        let got = all.logins(Told::Yes, Vec::new());
        assert_eq!(got.failed, Some(4));
        assert_eq!(got.failed_from[0], ("203.0.113.9".to_owned(), 3));
        assert_eq!(got.accepted.len(), 1);
        assert_eq!(Gathered::default().logins(Told::Nowhere, Vec::new()).failed, None);
    }

    fn record(size: usize, kind: u8, line: &str, user: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; size];
        record[0] = kind;
        for (at, text) in [(8, line), (44, user), (76, host)] {
            record[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        record
    }

    #[test]
    fn wtmp_of_either_size_tells_who_came() {
        for size in SIZES {
            let all = [
                record(size, 2, "~", "reboot", "6.1.0-18-amd64"),
                record(size, USER, "pts/0", "dad", "192.168.1.7"),
                record(size, 8, "pts/0", "", ""),
                record(size, USER, "tty1", "root", ""),
                record(size, USER, "pts/1", "mum", "laptop.home.arpa"),
                record(size, USER, "pts/2", "mum", "tmux(123).%0"),
                record(size, USER, ":0", "mum", ":0"),
            ]
            .concat();
            let whole = all.len() as u64;
            let told = |bytes: &[u8]| {
                let told = wtmp(bytes, whole);
                told.into_iter().map(|l| format!("{} {}", l.user, l.source)).collect::<Vec<_>>()
            };
            let want = ["dad 192.168.1.7", "root console", "mum laptop.home.arpa"];
            assert_eq!(told(&all), want, "{size}");
            // The end of it, cut off within a record.
            assert_eq!(told(&all[2 * size + 7..]), want[1..], "{size}");
        }
        assert_eq!(wtmp(b"no records at all", 17), []);
        assert_eq!(wtmp(b"", 0), []);
    }
}
