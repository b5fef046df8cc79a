//! TCP ports of this machine on which something listens, and whose they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";
/// More ports than any home has open.
const MOST: usize = 500;
/// Processes whose open files are looked at.
const MOST_PROCESSES: usize = 20_000;

/// A port that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub port: u16,
    /// Where it is reached from this machine.
    pub at: IpAddr,
    /// The name of a process that has it; `None` where this user may not see whose it is.
    pub process: Option<String>,
}

/// All of them, each port once, by their number. `proc` is /proc.
pub fn here(proc: &Path) -> Vec<Listening> {
    let mut found: BTreeMap<u16, (IpAddr, u64)> = BTreeMap::new();
    for table in ["net/tcp", "net/tcp6"] {
        let text = std::fs::read_to_string(proc.join(table)).unwrap_or_default();
        for (at, port, inode) in text.lines().filter_map(socket).take(MOST) {
            found.entry(port).or_insert((at, inode));
        }
    }
    let mut owners = owners(proc, found.values().map(|(_, inode)| *inode));
    found
        .into_iter()
        .map(|(port, (at, inode))| Listening { port, at, process: owners.remove(&inode) })
        .collect()
}

/// A line of the table: address, port and inode of a listening socket.
fn socket(line: &str) -> Option<(IpAddr, u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
    if state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok().filter(|port| *port != 0)?;
    Some((dialled(ip(address)?), port, inode.parse().ok()?))
}

/// The kernel prints each four bytes of an address as a number of this machine.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |from: usize| u32::from_str_radix(hex.get(from..from + 8)?, 16).ok();
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes()))),
        32 => {
            let mut bytes = [0; 16];
            for (n, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(n * 8)?.to_ne_bytes());
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// Where one that listens on this address is reached.
fn dialled(at: IpAddr) -> IpAddr {
    match at {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(v4) => IpAddr::V4(v4),
    }
}

/// The names of the processes that have these sockets open, as far as this user may see.
fn owners(proc: &Path, inodes: impl Iterator<Item = u64>) -> BTreeMap<u64, String> {
    let mut wanted: Vec<u64> = inodes.collect();
    let mut found = BTreeMap::new();
    let Ok(all) = std::fs::read_dir(proc) else { return found };
    let is_process = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    for entry in all.flatten().take(MOST_PROCESSES) {
        if wanted.is_empty() {
            break;
        }
        if !entry.file_name().to_str().is_some_and(is_process) {
            continue;
        }
        let Ok(open) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        let held: Vec<u64> = open
            .flatten()
            .filter_map(|fd| {
                let to = std::fs::read_link(fd.path()).ok()?;
                to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
            })
            .collect();
        let of_it: Vec<u64> = wanted.iter().copied().filter(|i| held.contains(i)).collect();
        if of_it.is_empty() {
            continue;
        }
        let Ok(comm) = std::fs::read_to_string(entry.path().join("comm")) else { continue };
        wanted.retain(|inode| !of_it.contains(inode));
        found.extend(of_it.into_iter().map(|inode| (inode, comm.trim().to_owned())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_read_and_what_is_none_is_passed_over() {
        let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let line = |address: &str, state: &str| {
            format!(
                "   0: {address}:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0"
            )
        };
        let mapped = format!(
            "{}{}{}{}",
            word([0; 4]),
            word([0; 4]),
            word([0, 0, 255, 255]),
            word([10, 0, 0, 7])
        );
        for (text, want) in [
            (line(&word([127, 0, 0, 1]), "0A"), Some((v4(127, 0, 0, 1), 8080, 4711))),
            (line(&word([0; 4]), "0A"), Some((v4(127, 0, 0, 1), 8080, 4711))),
            (line(&word([192, 168, 1, 9]), "0A"), Some((v4(192, 168, 1, 9), 8080, 4711))),
            (
                line(&word([0; 4]).repeat(4), "0A"),
                Some((IpAddr::V6(Ipv6Addr::LOCALHOST), 8080, 4711)),
            ),
            (line(&mapped, "0A"), Some((v4(10, 0, 0, 7), 8080, 4711))),
            (line(&word([127, 0, 0, 1]), "01"), None),
            ("  sl  local_address rem_address   st tx_queue".into(), None),
            ("0: ZZ:1F90 0:0 0A 0 0 0 0 0 1".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(socket(&text), want, "{text}");
        }
    }

    #[test]
    fn an_own_socket_is_found_with_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = here(Path::new("/proc")).into_iter().find(|found| found.port == port).unwrap();
        assert_eq!(own.at, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(own.process.as_deref(), Some(comm.trim()));
        assert_eq!(here(Path::new("/nonexistent")), []);
    }
}
