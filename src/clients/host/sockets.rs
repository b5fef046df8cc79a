//! /proc/net/{tcp,udp}: what listens for other machines. Pure but for the search for the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::guard::{Listener, Protocol};
use crate::model::taint::Tainted;

/// A host with more than this is counted no further.
const MOST: usize = 2_000;

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    pub protocol: Protocol,
    pub port: u16,
    pub uid: u32,
    /// 0 for one of the kernel's.
    pub inode: u64,
}

/// The sockets of one table that other machines can reach: not those on a loopback address, nor those that talk to
/// one peer.
pub fn listening(table: &str, protocol: Protocol) -> Vec<Socket> {
    let state = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp => "07",
    };
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, remote) = (words.get(1)?, words.get(2)?);
        let (address, port) = local.split_once(':')?;
        let unconnected = remote.split_once(':')?.1 == "0000";
        if *words.get(3)? != state || !unconnected || is_loopback(address) {
            return None;
        }
        Some(Socket {
            protocol,
            port: u16::from_str_radix(port, 16).ok().filter(|port| *port != 0)?,
            uid: words.get(7)?.parse().ok()?,
            inode: words.get(9)?.parse().ok()?,
        })
    };
    table.lines().filter_map(socket).take(MOST).collect()
}

/// As the kernel writes addresses: each four bytes as one number of the machine, which is little-endian.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        _ => {
            let mapped = address.strip_prefix("0000000000000000FFFF0000");
            address == "00000000000000000000000001000000"
                || mapped.is_some_and(|v4| v4.ends_with("7F"))
        }
    }
}

/// One listener for each port and program, whichever of them `who` knows.
pub fn listeners(sockets: &[Socket], who: impl Fn(&Socket) -> Option<String>) -> Vec<Listener> {
    let of = |socket: &Socket| Listener {
        protocol: socket.protocol,
        port: socket.port,
        uid: socket.uid,
        process: who(socket),
    };
    let all: BTreeSet<Listener> = sockets.iter().map(of).collect();
    all.into_iter().collect()
}

/// Programs by their sockets, remembered: only a socket that is new is worth the search.
#[derive(Debug, Default)]
pub struct Owners(BTreeMap<u64, Option<String>>);

impl Owners {
    /// `proc` is /proc. As another user than root only one's own are found.
    pub fn of(&mut self, proc: &Path, sockets: &[Socket]) -> Vec<Listener> {
        let inodes: BTreeSet<u64> = sockets.iter().map(|s| s.inode).filter(|i| *i != 0).collect();
        self.0.retain(|inode, _| inodes.contains(inode));
        let new: BTreeSet<u64> = inodes.into_iter().filter(|i| !self.0.contains_key(i)).collect();
        if !new.is_empty() {
            let mut found = search(proc, &new);
            self.0.extend(new.into_iter().map(|inode| (inode, found.remove(&inode))));
        }
        listeners(sockets, |socket| self.0.get(&socket.inode).cloned().flatten())
    }
}

fn search(proc: &Path, wanted: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let Ok(processes) = std::fs::read_dir(proc) else { return found };
    for process in processes.flatten() {
        let is_pid = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else { continue };
        if !is_pid {
            continue;
        }
        for file in open.flatten() {
            let Ok(to) = std::fs::read_link(file.path()) else { continue };
            let inode = to.to_str().and_then(|to| to.strip_prefix("socket:[")?.strip_suffix(']'));
            let Some(inode) = inode.and_then(|inode| inode.parse().ok()) else { continue };
            if wanted.contains(&inode) && !found.contains_key(&inode) {
                let comm = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                found.insert(inode, named(comm.trim()));
            }
        }
        if found.len() == wanted.len() {
            break;
        }
    }
    found
}

/// Programs by protocol and port, as `ss -lntup` and `netstat -lntup` print them.
pub fn printed(text: &str) -> BTreeMap<(Protocol, u16), String> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let protocol = match words.first() {
            Some(word) if word.starts_with("tcp") => Protocol::Tcp,
            Some(word) if word.starts_with("udp") => Protocol::Udp,
            Some(_) | None => continue,
        };
        let port = words.iter().find_map(|word| word.rsplit_once(':')?.1.parse::<u16>().ok());
        let of_ss = line.split_once("users:((\"").and_then(|(_, rest)| rest.split('"').next());
        let of_netstat = words.iter().rev().find_map(|word| {
            let (pid, name) = word.split_once('/')?;
            pid.chars().all(|c| c.is_ascii_digit()).then_some(name)
        });
        if let (Some(port), Some(name)) = (port, of_ss.or(of_netstat)) {
            found.entry((protocol, port)).or_insert_with(|| named(name.trim_end_matches(':')));
        }
    }
    found
}

fn named(name: &str) -> String {
    Tainted::bounded(name, 60).first_line().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 x 100 0 0 10 0
   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   108        0 1002 1 x 100 0 0 10 0
   2: 0701A8C0:0016 0901A8C0:C000 01 00000000:00000000 02:00000000 00000000     0        0 1003 1 x 100 0 0 10 0
   3: 0701A8C0:115C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1004 1 x 100 0 0 10 0
";
    const TCP6: &str = "  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1005 1 x 100 0 0 10 0
   1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1006 1 x 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1007 1 x 100 0 0 10 0
";
    const UDP: &str = "   sl  local_address rem_address   st
  10: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 1008 2 x 0
  11: 0701A8C0:0044 0101A8C0:0043 01 00000000:00000000 00:00000000 00000000     0        0 1009 2 x 0
";

    #[test]
    fn what_other_machines_can_reach_is_told() {
        let ports = |table, protocol| {
            listening(table, protocol).iter().map(|s| (s.port, s.uid, s.inode)).collect::<Vec<_>>()
        };
        assert_eq!(ports(TCP, Protocol::Tcp), [(22, 0, 1001), (4444, 1000, 1004)]);
        assert_eq!(ports(TCP6, Protocol::Tcp), [(22, 0, 1005)]);
        assert_eq!(ports(UDP, Protocol::Udp), [(5353, 104, 1008)]);
        assert_eq!(ports("garbage\n : : :\n", Protocol::Tcp), []);
        // Over both families a port is one.
        let both = [listening(TCP, Protocol::Tcp), listening(TCP6, Protocol::Tcp)].concat();
        assert_eq!(listeners(&both, |_| None).len(), 2);
    }

    #[test]
    fn programs_by_port_as_either_tool_prints_them() {
        let ss = "udp   UNCONN 0 0    0.0.0.0:5353    0.0.0.0:*    users:((\"avahi-daemon\",pid=1,fd=1))\n\
                  tcp   LISTEN 0 128  [::]:22      [::]:*   users:((\"sshd\",pid=1,fd=3),(\"x\",pid=2,fd=3))\n\
                  tcp   LISTEN 0 128  *:80      *:*\n";
        let found = printed(ss);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[&(Protocol::Tcp, 22)], "sshd");
        let netstat = "Active Internet connections (only servers)\n\
                  tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      77/dropbear\n\
                  tcp        0      0 :::23              :::*               LISTEN      -\n";
        assert_eq!(
            printed(netstat),
            BTreeMap::from([((Protocol::Tcp, 22), "dropbear".to_owned())])
        );
    }

    #[test]
    fn the_program_behind_a_real_socket_is_found() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let sockets = listening(&table, Protocol::Tcp);
        let mut owners = Owners::default();
        let of_ours = |all: Vec<Listener>| all.into_iter().find(|l| l.port == port).unwrap();
        let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
        let found = of_ours(owners.of(Path::new("/proc"), &sockets));
        assert_eq!(found.process.as_deref(), Some(comm.trim()));
        assert_eq!(of_ours(owners.of(Path::new("/nowhere"), &sockets)), found, "remembered");
    }
}
