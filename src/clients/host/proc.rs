//! The texts of /proc and of cgroups, read into facts. Pure: whoever fetched them, the same parsers.

use crate::model::fact::{Cpu, Interface, Memory, Pressure};
use crate::model::time::Span;

/// What a text lacked: names the text, the line and the word.
pub type Bad = String;

/// /proc/meminfo, and arcstats of OpenZFS where there is one: what the ARC would give back counts as
/// available, because the kernel counts it as used.
pub fn memory(meminfo: &str, arcstats: Option<&str>) -> Result<Memory, Bad> {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|n| n.saturating_mul(1_024)).ok_or_else(|| format!("meminfo has no {name}"))
    };
    let total = field("MemTotal")?;
    // MemAvailable is missing before Linux 3.14 only; without it nothing may be guessed.
    let available = field("MemAvailable")?;
    let back = arcstats.map_or(0, reclaimable_arc);
    Ok(Memory {
        total,
        available: available.saturating_add(back).min(total),
        swap_total: field("SwapTotal").unwrap_or(0),
        swap_free: field("SwapFree").unwrap_or(0),
    })
}

/// What the ZFS ARC would give back: its size above its floor. (kstat: `name type data` lines.)
fn reclaimable_arc(arcstats: &str) -> u64 {
    let field = |name: &str| {
        arcstats.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == name).then(|| words.nth(1)?.parse::<u64>().ok())?
        })
    };
    match (field("size"), field("c_min")) {
        (Some(size), Some(floor)) => size.saturating_sub(floor),
        (None, _) | (_, None) => 0,
    }
}

/// /proc/pressure/{cpu,memory,io}.
pub fn pressure(cpu: &str, memory: &str, io: &str) -> Result<Pressure, Bad> {
    Ok(Pressure {
        memory_some_10: stall(memory, "some", "avg10")?,
        memory_some_60: stall(memory, "some", "avg60")?,
        memory_full_10: stall(memory, "full", "avg10")?,
        cpu_some_60: stall(cpu, "some", "avg60")?,
        io_full_60: stall(io, "full", "avg60")?,
    })
}

/// One figure of a pressure file, in hundredths of a percent: `some avg10=0.12 avg60=...`.
fn stall(text: &str, who: &str, field: &str) -> Result<u32, Bad> {
    let bad = || format!("the pressure file has no {who} {field}");
    let line = text.lines().find(|l| l.split_whitespace().next() == Some(who)).ok_or_else(bad)?;
    let word = line.split_whitespace().find_map(|w| w.strip_prefix(field)?.strip_prefix('='));
    let (whole, part) = word.and_then(|w| w.split_once('.')).ok_or_else(bad)?;
    let (whole, part) = (whole.parse::<u32>(), part.get(..2).unwrap_or("").parse::<u32>());
    match (whole, part) {
        (Ok(whole), Ok(part)) => Ok(whole.saturating_mul(100).saturating_add(part)),
        (Err(_), _) | (_, Err(_)) => Err(bad()),
    }
}

/// A counter of a `name value` text: `oom_kill` of /proc/vmstat, of memory.oom_control (cgroup v1)
/// and of memory.events (v2).
pub fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// /proc/loadavg and /proc/stat.
pub fn cpu(loadavg: &str, stat: &str) -> Result<Cpu, Bad> {
    let mut loads = loadavg.split_whitespace().map(str::parse::<f64>);
    let mut load = || match loads.next() {
        Some(Ok(n)) if n.is_finite() => Ok(n),
        Some(_) | None => Err("loadavg has not three numbers".to_owned()),
    };
    let (load_1, load_5, load_15) = (load()?, load()?, load()?);
    let mut cpu = Cpu { load_1, load_5, load_15, ..Cpu::default() };
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cpu") => {
                // user nice system idle iowait irq softirq steal; guest time is in user already.
                let ticks: Vec<u64> = words.take(8).filter_map(|w| w.parse().ok()).collect();
                // A remote host may print any number.
                let sum = |sum: u64, ticks: &u64| sum.saturating_add(*ticks);
                let idle = ticks.iter().skip(3).take(2).fold(0, sum);
                cpu.total_ticks = ticks.iter().fold(0, sum);
                cpu.busy_ticks = cpu.total_ticks.saturating_sub(idle);
            }
            Some("ctxt") => cpu.switches = words.next().and_then(|w| w.parse().ok()).unwrap_or(0),
            Some(word) if word.starts_with("cpu") => cpu.cores += 1,
            Some(_) | None => {}
        }
    }
    if cpu.cores == 0 || cpu.total_ticks == 0 {
        return Err("stat has no cpu lines".into());
    }
    Ok(cpu)
}

/// /proc/net/dev.
pub fn interfaces(dev: &str) -> Vec<Interface> {
    // Two header lines; then `name: 8 receive columns, 8 transmit columns`.
    let parse = |line: &str| {
        let (name, rest) = line.rsplit_once(':')?;
        let n: Vec<u64> = rest.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let [_, rx, rx_errors, rx_drops, _, _, _, _, _, tx, tx_errors, tx_drops, ..] = n[..] else {
            return None;
        };
        Some(Interface {
            name: name.trim().to_owned(),
            packets: rx.saturating_add(tx),
            errors: rx_errors.saturating_add(tx_errors),
            drops: rx_drops.saturating_add(tx_drops),
        })
    };
    dev.lines().skip(2).filter_map(parse).collect()
}

/// /proc/uptime.
pub fn uptime(text: &str) -> Result<Span, Bad> {
    let secs = text.split_whitespace().next().and_then(|w| w.split('.').next()?.parse().ok());
    secs.map(Span::secs).ok_or_else(|| "uptime has no number".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree:          500000 kB\n\
        MemAvailable:    1000000 kB\nSwapTotal:       2000000 kB\nSwapFree:        1500000 kB\n";
    const ARCSTATS: &str = "13 1 0x01 147 39984 3870432912 1234567890\n\
        name                            type data\nhits                            4    988213\n\
        size                            4    8589934592\nc_min                           4    536870912\n\
        c_max                           4    8589934592\n";

    #[test]
    fn the_arc_does_not_count_as_used() {
        let plain = memory(MEMINFO, None).unwrap();
        let want = Memory {
            total: 16_384_000_000,
            available: 1_024_000_000,
            swap_total: 2_048_000_000,
            swap_free: 1_536_000_000,
        };
        assert_eq!(plain, want);
        let zfs = memory(MEMINFO, Some(ARCSTATS)).unwrap();
        assert_eq!(zfs.available, 1_024_000_000 + 8_589_934_592 - 536_870_912);
        // An ARC at its floor gives nothing back, and a text of another kind neither.
        assert_eq!(memory(MEMINFO, Some("size 4 5\nc_min 4 9\n")).unwrap(), plain);
        assert_eq!(memory(MEMINFO, Some("nonsense")).unwrap(), plain);
        assert_eq!(memory("MemTotal: 5 kB\n", None), Err("meminfo has no MemAvailable".into()));
    }

    #[test]
    fn pressure_is_read_in_hundredths() {
        let text = |n: &str| {
            format!(
                "some avg10={n} avg60=1.05 avg300=0.00 total=9\nfull avg10=12.34 avg60=0.50 avg300=0.00 total=7\n"
            )
        };
        let got = pressure(&text("0.10"), &text("99.99"), &text("0.00")).unwrap();
        let want = Pressure {
            memory_some_10: 9_999,
            memory_some_60: 105,
            memory_full_10: 1_234,
            cpu_some_60: 105,
            io_full_60: 50,
        };
        assert_eq!(got, want);
        assert!(pressure("", &text("0.10"), "").is_err());
        assert!(pressure(&text("x"), &text("-"), "some avg60=1 \n").is_err());
    }

    #[test]
    fn oom_kills_are_found_in_both_kinds_of_cgroups() {
        for (text, want) in [
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", Some(3)),
            ("low 0\nhigh 0\nmax 12\noom 4\noom_kill 2\noom_group_kill 0\n", Some(2)),
            ("pgfault 5\noom_kill 7\nnuma_hit 1\n", Some(7)),
            ("oom_kill_disable 0\nunder_oom 0\n", None),
            ("oom_kill many\n", None),
        ] {
            assert_eq!(counter(text, "oom_kill"), want, "{text:?}");
        }
    }

    #[test]
    fn cpu_counts_cores_and_ticks() {
        let stat = "cpu  100 10 50 800 40 0 5 5 7 0\ncpu0 50 5 25 400 20 0 0 0 0 0\n\
            cpu1 50 5 25 400 20 0 5 5 7 0\nintr 5 0 0\nctxt 123456\nbtime 1700000000\n";
        let got = cpu("1.50 0.75 0.10 2/345 6789\n", stat).unwrap();
        let want = Cpu {
            cores: 2,
            load_1: 1.5,
            load_5: 0.75,
            load_15: 0.1,
            switches: 123_456,
            busy_ticks: 170,
            total_ticks: 1_010,
        };
        assert_eq!(got, want);
        assert!(cpu("1.50 0.75", stat).is_err() && cpu("1 2 3", "").is_err());
    }

    #[test]
    fn interfaces_keep_odd_names() {
        let dev = "Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0\n\
            eth0:1:99000 200 3 4 0 0 0 0 5000 100 1 2 0 0 0 0\nbroken: 1 2\n";
        let lo = Interface { name: "lo".into(), packets: 20, errors: 0, drops: 0 };
        let alias = Interface { name: "eth0:1".into(), packets: 300, errors: 4, drops: 6 };
        assert_eq!(interfaces(dev), [lo, alias]);
    }

    #[test]
    fn uptime_is_read() {
        assert_eq!(uptime("350735.47 234388.90\n"), Ok(Span::secs(350_735)));
        assert!(uptime("").is_err());
    }
}
