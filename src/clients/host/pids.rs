//! The texts of /proc/PID, read into processes.

use crate::model::fact::Process;
use crate::model::ids::UnitName;

/// /proc/PID/stat. The name may hold blanks and brackets itself, so its end is the last bracket.
/// `uid`, `unit` and `busy` are not in this text. `page` is the size of a page in bytes, which is not the
/// same on every machine.
pub fn stat(text: &str, page: u64) -> Option<Process> {
    let (pid, rest) = text.split_once(" (")?;
    let (comm, rest) = rest.rsplit_once(") ")?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    // Fields by proc(5), where the state is the third: parent 4, utime 14, stime 15, start 22, rss 24.
    let number = |field: usize| words.get(field - 3).and_then(|w| w.parse::<u64>().ok());
    Some(Process {
        pid: pid.trim().parse().ok()?,
        parent: u32::try_from(number(4)?).ok()?,
        start: number(22)?,
        comm: comm.to_owned(),
        uid: 0,
        ticks: number(14)?.saturating_add(number(15)?),
        rss_bytes: number(24)?.saturating_mul(page),
        unit: None,
        busy: None,
    })
}

/// The size of a page in /proc/self/auxv: pairs of words, of which the one of type 6 is it (getauxval(3)).
pub fn page_size(auxv: &[u8]) -> Option<u64> {
    let word = |bytes: &[u8]| Some(u64::from_ne_bytes(bytes.try_into().ok()?));
    auxv.chunks_exact(16).find_map(|pair| (word(&pair[..8])? == 6).then(|| word(&pair[8..]))?)
}

/// Whether /proc/PID/stat is that of a process that has ended and only waits to be reaped.
pub fn is_zombie(text: &str) -> bool {
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// The real user id in /proc/PID/status.
pub fn uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|l| l.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The unit in /proc/PID/cgroup: the innermost part that is a service or a scope, in the hierarchy
/// that systemd keeps (`0::` in v2, `name=systemd` in v1).
pub fn unit(cgroup: &str) -> Option<UnitName> {
    let line = |wanted: &str| {
        cgroup.lines().find_map(|l| {
            let (_, rest) = l.split_once(':')?;
            rest.strip_prefix(wanted)?.strip_prefix(':')
        })
    };
    [line("name=systemd"), line("")].into_iter().flatten().find_map(unit_of_path)
}

/// The innermost service or scope of a cgroup's path, as systemd names it. A container whose engine keeps its
/// cgroups by itself is told as the scope that it would have with systemd: `docker-ID.scope`.
pub fn unit_of_path(path: &str) -> Option<UnitName> {
    if let Some(id) = path.strip_prefix("/docker/").and_then(|rest| rest.split('/').next())
        && id.len() == 64
        && id.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return UnitName::new(format!("docker-{id}.scope")).ok();
    }
    let part = path.split('/').rfind(|p| p.ends_with(".service") || p.ends_with(".scope"))?;
    UnitName::new(unescape(part)).ok()
}

/// A part of a cgroup's path whose name would clash with a file of the kernel gets a `_` in front
/// (systemd's `cg_escape`).
fn unescape(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

/// The file name of argv 0 in /proc/PID/cmdline; a login shell's leading dash is not part of it.
pub fn program(cmdline: &[u8]) -> Option<String> {
    let first = cmdline.split(|b| *b == 0).next()?;
    let text = String::from_utf8_lossy(first);
    // `nginx: master process /usr/sbin/nginx` is what a program that renames itself leaves.
    let path = text.split(": ").next()?;
    let name = path.rsplit('/').next()?.trim_start_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = "4242 (a) b (c) R 1 4242 4242 0 -1 4194560 100 0 0 0 70 30 0 0 20 0 1 0 9999 1000000 250 18446744073709551615 0";
        let got = stat(text, 4_096).unwrap();
        let want = Process {
            pid: 4_242,
            parent: 1,
            start: 9_999,
            comm: "a) b (c".into(),
            uid: 0,
            ticks: 100,
            rss_bytes: 250 * 4_096,
            unit: None,
            busy: None,
        };
        assert_eq!(got, want);
        for broken in ["", "1 (x", "1 (x) R", "x (y) R 1 1 1"] {
            assert_eq!(stat(broken, 4_096), None, "{broken:?}");
        }
        let auxv: Vec<u8> =
            [33_u64, 9, 6, 16_384, 0, 0].iter().flat_map(|n| n.to_ne_bytes()).collect();
        assert_eq!((page_size(&auxv), page_size(b"short")), (Some(16_384), None));
        assert!(is_zombie("7 (sh) Z 1") && !is_zombie(text));
    }

    #[test]
    fn the_innermost_unit_counts() {
        let name = |n: &str| Some(UnitName::new(n).unwrap());
        for (text, want) in [
            ("0::/system.slice/nginx.service\n", name("nginx.service")),
            ("0::/system.slice/docker.service/payload/x\n", name("docker.service")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n",
                name("a.service"),
            ),
            ("0::/user.slice/user-1000.slice/run-u3.scope\n", name("run-u3.scope")),
            (
                "4:memory:/foo.service\n1:name=systemd:/system.slice/a@b.service\n0::/\n",
                name("a@b.service"),
            ),
            ("0::/system.slice/_cgroup.service\n", name("cgroup.service")),
            ("0::/\n", None),
            ("5:cpu:/x.service\n", None),
        ] {
            assert_eq!(unit(text), want, "{text:?}");
        }
    }

    #[test]
    fn programs_are_known_by_their_file() {
        for (cmdline, want) in [
            (b"/usr/sbin/sshd\0-D\0".as_slice(), Some("sshd")),
            (b"-bash\0", Some("bash")),
            (b"nginx: master process /usr/sbin/nginx\0", Some("nginx")),
            (b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0", Some("sshd")),
            (b"/usr/lib/plexmediaserver/Plex Media Server\0", Some("Plex Media Server")),
            (b"", None),
        ] {
            assert_eq!(program(cmdline).as_deref(), want);
        }
        assert_eq!(uid("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(1_000));
    }
}
