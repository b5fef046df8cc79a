//! This machine's own way out, as the kernel tells it: its default route, the interface, the neighbour behind it.

use std::io::Read;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// More than any of these files has; a route table can be long.
const LARGEST: u64 = 1 << 20;

/// Where the kernel tells it: `/`, or a test's folder.
#[derive(Debug, Clone)]
pub struct Uplink {
    root: PathBuf,
}

/// The way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayOut {
    pub interface: String,
    /// None where the route has no gateway.
    pub gateway: Option<Ipv4Addr>,
    /// `up`, `down`, `dormant` ...; `unknown` for what knows no such thing (RFC 2863, "ifOperStatus").
    pub state: String,
    pub neighbour: Neighbour,
}

/// Whether the gateway answered when it was last asked for its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    Answers,
    Silent,
    /// Nobody asked.
    NotAsked,
}

impl Default for Uplink {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl Uplink {
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The IPv4 default route of the least metric; none where there is none. The error says what could not be read.
    pub fn look(&self) -> Result<Option<WayOut>, String> {
        let Some((interface, gateway)) = default_route(&self.read("proc/net/route")?) else {
            return Ok(None);
        };
        let state = self.read(&format!("sys/class/net/{interface}/operstate")).unwrap_or_default();
        let neighbour = match gateway {
            Some(gateway) => neighbour(&self.read("proc/net/arp").unwrap_or_default(), gateway),
            None => Neighbour::NotAsked,
        };
        let state = state.trim().to_owned();
        Ok(Some(WayOut { interface, gateway, state, neighbour }))
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.root.join(path);
        let read = || {
            let mut text = String::new();
            std::fs::File::open(&path)?.take(LARGEST).read_to_string(&mut text)?;
            Ok(text)
        };
        read().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
    }
}

/// Columns are interface, destination, gateway, flags, reference count, use, metric, mask; addresses are hexadecimal in
/// the machine's byte order (proc(5)).
fn default_route(table: &str) -> Option<(String, Option<Ipv4Addr>)> {
    let mut best: Option<(u32, String, Option<Ipv4Addr>)> = None;
    for line in table.lines().skip(1) {
        let mut columns = line.split_whitespace();
        let (Some(interface), Some(to), Some(gateway)) =
            (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let (metric, mask) = (columns.nth(3), columns.next());
        let plain = !interface.is_empty() && !interface.contains(['/', '.']);
        if to != "00000000" || mask != Some("00000000") || !plain {
            continue;
        }
        let metric = metric.and_then(|m| m.parse().ok()).unwrap_or(u32::MAX);
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|g| *g != 0);
        let gateway = gateway.map(|g| Ipv4Addr::from(g.to_ne_bytes()));
        if best.as_ref().is_none_or(|(least, ..)| metric < *least) {
            best = Some((metric, interface.to_owned(), gateway));
        }
    }
    best.map(|(_, interface, gateway)| (interface, gateway))
}

/// Columns are address, hardware type, flags, ...; flag 2 is a complete entry.
fn neighbour(table: &str, gateway: Ipv4Addr) -> Neighbour {
    let gateway = gateway.to_string();
    for line in table.lines().skip(1) {
        let mut columns = line.split_whitespace();
        if columns.next() == Some(gateway.as_str()) {
            let flags = columns.nth(1).and_then(|f| f.strip_prefix("0x"));
            let flags = flags.and_then(|f| u32::from_str_radix(f, 16).ok()).unwrap_or(0);
            return if flags & 2 == 0 { Neighbour::Silent } else { Neighbour::Answers };
        }
    }
    Neighbour::NotAsked
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n\
        192.168.1.1      0x1         0x2         aa:bb:cc:dd:ee:ff     *        eth0\n\
        192.168.2.1      0x1         0x0         00:00:00:00:00:00     *        wlan0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_route_of_the_least_metric_is_the_way_out() {
        let router = Ipv4Addr::new(192, 168, 1, 1);
        assert_eq!(default_route(ROUTES), Some(("eth0".into(), Some(router))));
        assert_eq!(neighbour(ARP, router), Neighbour::Answers);
        assert_eq!(neighbour(ARP, Ipv4Addr::new(192, 168, 2, 1)), Neighbour::Silent);
        assert_eq!(neighbour(ARP, Ipv4Addr::new(10, 0, 0, 1)), Neighbour::NotAsked);
        let lan = ROUTES.lines().filter(|l| !l.contains("\t00000000\t0")).collect::<Vec<_>>();
        assert_eq!(default_route(&lan.join("\n")), None);
        for strange in ["", "x", "x\na\n\n../x\t00000000\t0\t0\t0\t0\t0\t00000000"] {
            assert_eq!(default_route(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn this_machine_can_be_asked() {
        drop(Uplink::default().look());
        let folder = tempfile::tempdir().unwrap();
        assert!(Uplink::below(folder.path()).look().is_err());
    }
}
