//! ICMP echoes (RFC 792, RFC 4443), over the kernel's ping sockets or, for root, raw ones.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::clients::answer::{NoAnswer, addresses};
use crate::model::time::Span;

/// How a host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echoes {
    pub count: u16,
    /// How long each is waited for.
    pub wait: Span,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Echoed {
    pub at: IpAddr,
    pub sent: u16,
    /// The time of each that came back, in milliseconds, shortest first.
    pub took: Vec<f64>,
}

impl Echoed {
    /// The share that was lost, in percent.
    pub fn lost(&self) -> f64 {
        let back = u16::try_from(self.took.len()).unwrap_or(u16::MAX);
        f64::from(self.sent.saturating_sub(back)) * 100.0 / f64::from(self.sent.max(1))
    }

    /// The middle one of the times.
    pub fn median(&self) -> Option<f64> {
        self.took.get(self.took.len() / 2).copied()
    }
}

/// What to do where this process may not ping.
const NOT_ALLOWED: &str = "this process may not ping: set the sysctl net.ipv4.ping_group_range to \
    \"0 2147483647\" (it counts for IPv6 too), or give reef CAP_NET_RAW";

/// Asks `host` one echo after another. An error where it could not be asked at all; silence is an
/// answer with nothing back.
pub async fn ping(host: &str, how: Echoes) -> Result<Echoed, NoAnswer> {
    // As every other program does, the first address is the one that is used.
    let at = *addresses(host).await?.first().ok_or_else(|| NoAnswer::NoName("none".into()))?;
    let socket = Socket::open(at)?;
    let mut echoed = Echoed { at, sent: 0, took: Vec::new() };
    for sequence in 1..=how.count {
        if 1 < sequence {
            tokio::time::sleep(Span(100).duration()).await;
        }
        echoed.sent += 1;
        let waited = tokio::time::timeout(how.wait.duration(), socket.echo(sequence)).await;
        match waited {
            Ok(Ok(took)) => echoed.took.push(took),
            // Silence, or a router's word on the way that nobody is there.
            Err(_) | Ok(Err(NoAnswer::Unreachable(_) | NoAnswer::Refused)) => {}
            Ok(Err(why)) => return Err(why),
        }
    }
    echoed.took.sort_by(f64::total_cmp);
    Ok(echoed)
}

/// What the kernel does for us on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It numbers our echoes and gives us our replies only.
    Ping,
    /// It gives us every ICMP packet of that address, on IPv4 with its IP header.
    Raw,
}

struct Socket {
    /// Datagrams in and out: for the calls used here an ICMP socket is one like any other.
    io: UdpSocket,
    level: Level,
    v6: bool,
    /// Random bytes in each packet, by which a reply is known as ours.
    mark: [u8; 16],
}

impl Socket {
    fn open(at: IpAddr) -> Result<Self, NoAnswer> {
        let (family, protocol) = match at {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let setup = |e: Errno| NoAnswer::Setup(format!("no socket for pings: {e}"));
        let (fd, level) = match open(family, SocketType::DGRAM, protocol) {
            Ok(fd) => (fd, Level::Ping),
            Err(Errno::ACCESS | Errno::PERM) => match open(family, SocketType::RAW, protocol) {
                Ok(fd) => (fd, Level::Raw),
                Err(Errno::ACCESS | Errno::PERM) => {
                    return Err(NoAnswer::Setup(NOT_ALLOWED.into()));
                }
                Err(error) => return Err(setup(error)),
            },
            Err(error) => return Err(setup(error)),
        };
        rustix::net::connect(&fd, &SocketAddr::new(at, 0)).map_err(|e| no_route(e.into()))?;
        let mut mark = [0; 16];
        getrandom::fill(&mut mark).map_err(|e| NoAnswer::Setup(format!("no randomness: {e}")))?;
        let io = UdpSocket::from_std(std::net::UdpSocket::from(fd))
            .map_err(|e| NoAnswer::Setup(e.to_string()))?;
        Ok(Self { io, level, v6: at.is_ipv6(), mark })
    }

    /// One echo and its reply: the milliseconds between.
    async fn echo(&self, sequence: u16) -> Result<f64, NoAnswer> {
        let packet = request(self.v6, sequence, &self.mark);
        let sent_at = Instant::now();
        self.io.send(&packet).await.map_err(no_route)?;
        loop {
            let mut buffer = [0_u8; 2_048];
            let n = self.io.recv(&mut buffer).await.map_err(no_route)?.min(buffer.len());
            if is_reply(&buffer[..n], (self.level, self.v6), sequence, &self.mark) {
                return Ok(sent_at.elapsed().as_secs_f64() * 1_000.0);
            }
        }
    }
}

fn open(family: AddressFamily, kind: SocketType, protocol: Protocol) -> Result<OwnedFd, Errno> {
    socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, Some(protocol))
}

/// Whatever hinders sending is a way that is not there.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn no_route(error: io::Error) -> NoAnswer {
    match error.kind() == io::ErrorKind::ConnectionRefused {
        true => NoAnswer::Refused,
        false => NoAnswer::Unreachable(error.to_string()),
    }
}

/// An echo request: type, code, checksum, identifier, sequence, our bytes.
fn request(v6: bool, sequence: u16, mark: &[u8; 16]) -> Vec<u8> {
    let mut packet = vec![if v6 { 128 } else { 8 }, 0, 0, 0, mark[0], mark[1]];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(mark);
    if !v6 {
        // On IPv6 the kernel computes it, with the addresses that only it knows.
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let word =
        |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = packet.chunks(2).map(word).sum();
    while 0xffff < sum {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn is_reply(packet: &[u8], (level, v6): (Level, bool), sequence: u16, mark: &[u8; 16]) -> bool {
    let icmp = match (level, v6) {
        (Level::Raw, false) => {
            let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            packet.get(header..).unwrap_or_default()
        }
        (Level::Raw, true) | (Level::Ping, _) => packet,
    };
    icmp.len() == 24
        && icmp[0] == if v6 { 129 } else { 0 }
        && icmp[6..8] == sequence.to_be_bytes()
        && icmp[8..] == *mark
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Echoes = Echoes { count: 3, wait: Span(500) };

    #[tokio::test]
    async fn loopback_answers_over_both_protocols() {
        for host in ["127.0.0.1", "::1"] {
            match ping(host, QUICK).await {
                Ok(echoed) => {
                    assert_eq!((echoed.sent, echoed.took.len()), (3, 3), "{host}");
                    assert!(echoed.lost() < 0.1 && echoed.median().unwrap() < 400.0, "{host}");
                }
                // A user who may not ping is told the way; a machine without IPv6 has none.
                Err(NoAnswer::Setup(why)) => assert!(why.contains("ping_group_range"), "{why}"),
                Err(why @ NoAnswer::Unreachable(_)) if host == "::1" => drop(why),
                Err(why) => panic!("{host}: {why}"),
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_is_none_says_so() {
        let why = ping("no-such-host.invalid", QUICK).await.unwrap_err();
        assert_eq!(why.word(), "dns", "{why}");
    }

    #[test]
    fn only_our_own_reply_counts() {
        let mark = [7; 16];
        let mut reply = request(false, 2, &mark);
        assert_eq!(checksum(&reply), 0, "a packet with its sum sums to nothing");
        assert!(!is_reply(&reply, (Level::Ping, false), 2, &mark), "a request is no reply");
        reply[0] = 0;
        assert!(is_reply(&reply, (Level::Ping, false), 2, &mark));
        assert!(!is_reply(&reply, (Level::Ping, false), 3, &mark));
        assert!(!is_reply(&reply, (Level::Ping, false), 2, &[8; 16]));
        let mut whole = vec![0x45; 20];
        whole.extend_from_slice(&reply);
        assert!(is_reply(&whole, (Level::Raw, false), 2, &mark));
        for n in 0..whole.len() {
            assert!(!is_reply(&whole[..n], (Level::Raw, false), 2, &mark), "{n}");
        }
    }
}
