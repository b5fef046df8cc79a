//! What reef itself used: read from the kernel, once a report or a scrape.

use serde::{Deserialize, Serialize};

use crate::model::time::{Millis, Span};

/// reef's own numbers since it started. `None`: the kernel did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    pub started_at: Millis,
    /// Resident bytes, right now.
    pub memory: Option<u64>,
    pub cpu: Option<Span>,
    /// Bytes that went to a disk.
    pub written: Option<u64>,
    pub looks: u64,
    /// Looks that began after their time.
    pub late: u64,
    /// Looks whose time came and went without them.
    pub missed: u64,
    /// Looks that their hard timeout ended, and looks that broke.
    pub failed: u64,
}

impl Own {
    /// The kernel's part; the counters of the tick loop are the caller's.
    pub fn of_this_process(started_at: Millis) -> Self {
        Self {
            started_at,
            memory: field("/proc/self/status", "VmRSS:").map(|kib| kib << 10),
            cpu: Some(cpu()),
            written: field("/proc/self/io", "write_bytes:"),
            ..Self::default()
        }
    }
}

/// The processor time of all threads of this process.
fn cpu() -> Span {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Span(time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000))
}

/// The number of one field of a file that the kernel makes up (proc(5)).
fn field(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_this_process_uses() {
        let busy: u64 = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(busy);
        let own = Own::of_this_process(Millis(7));
        assert!(own.memory.is_some_and(|bytes| 1 << 20 < bytes), "{own:?}");
        assert!(own.cpu.is_some_and(|spent| Span(0) < spent), "{own:?}");
        assert_eq!(own.started_at, Millis(7));
        assert_eq!(field("/proc/self/status", "NoSuch:"), None);
        assert_eq!(field("/no/such/file", "VmRSS:"), None);
    }
}
