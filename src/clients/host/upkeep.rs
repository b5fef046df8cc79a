//! What programs say of a machine's upkeep: its clock, its packages, its boot. Pure.

use crate::clients::host::walk::Below;
use crate::model::fact::{Boot, NoFact, TimeSync, Updates};
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// What the time services print, where they are there.
#[derive(Debug, Default)]
pub struct Told {
    /// `chronyc -c tracking`
    pub chrony: Option<String>,
    /// `timedatectl show`, and `show-timesync` where it is known
    pub timedatectl: Option<String>,
    /// `adjtimex` of BusyBox, `adjtimex -p` elsewhere
    pub adjtimex: Option<String>,
}

/// The first service that tells. `apart` is by how many seconds the host's clock is ahead of reef's.
pub fn time(told: &Told, apart: Option<f64>) -> TimeSync {
    let none = TimeSync { against_reef: apart, ..TimeSync::default() };
    if let Some((synced, offset)) = told.chrony.as_deref().and_then(chrony) {
        return TimeSync { synced: Some(synced), offset, by: "chrony".into(), ..none };
    }
    let text = told.timedatectl.as_deref().unwrap_or("");
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    if let Some(synced) = field("NTPSynchronized") {
        let by = if field("NTP") == Some("yes") { "systemd-timesyncd" } else { "timedatectl" };
        return TimeSync { synced: Some(synced == "yes"), by: by.into(), ..none };
    }
    // STA_UNSYNC of adjtimex(2).
    let status = told.adjtimex.as_deref().and_then(|text| {
        let line = text.lines().find_map(|l| l.trim().strip_prefix("status:"))?;
        line.split_whitespace().next()?.parse::<u32>().ok()
    });
    match status {
        Some(bits) => TimeSync { synced: Some(bits & 0x40 == 0), by: "kernel".into(), ..none },
        None => none,
    }
}

/// `ID,NAME,STRATUM,REF,SYSTEM,LAST,RMS,...,LEAP`: whether it is kept, and the system's offset.
fn chrony(csv: &str) -> Option<(bool, Option<f64>)> {
    let words: Vec<&str> = csv.lines().next()?.split(',').collect();
    let leap = words.last()?.trim();
    let stratum: u32 = words.get(2)?.parse().ok()?;
    let offset = words.get(4)?.parse::<f64>().ok().filter(|n| n.is_finite());
    Some((leap != "Not synchronised" && 0 < stratum, offset))
}

/// Parts by package manager, and `reboot` where one is wanted.
pub fn updates(told: &[(&str, String)]) -> Updates {
    let mut updates = Updates::default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    for (part, text) in told {
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        let found = match *part {
            // `12;3` on standard error, which is merged.
            "notifier" => text.trim().split_once(';').and_then(|(all, security)| {
                updates.security = security.trim().parse().ok();
                all.trim().parse().ok()
            }),
            "apt" => {
                let security = lines().filter(|l| l.to_ascii_lowercase().contains("security"));
                updates.security = Some(count(security.count()));
                Some(count(lines().count()))
            }
            // A header, then `name-1.2 < 1.3`.
            "apk" => Some(count(lines().filter(|l| l.contains(" < ")).count())),
            "dnf" => Some(count(
                lines()
                    .take_while(|l| !l.starts_with("Obsoleting"))
                    .filter(|l| l.split_whitespace().count() == 3)
                    .count(),
            )),
            "pacman" => Some(count(lines().count())),
            "reboot" => {
                let mut names: Vec<String> = lines().map(|l| l.trim().to_owned()).collect();
                names.dedup();
                updates.reboot = Some(names);
                None
            }
            _ => None,
        };
        if let Some(n) = found {
            updates.pending = Some(updates.pending.unwrap_or(0).saturating_add(n));
        }
    }
    updates
}

/// /proc/sys/kernel/random/boot_id, and the line `btime` of /proc/stat.
pub fn boot(text: &str) -> Result<Boot, String> {
    let id = text.lines().next().unwrap_or("").trim();
    let at = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    match at {
        Some(at) if !id.is_empty() && !id.starts_with("btime") => {
            Ok(Boot { id: id.chars().take(60).collect(), at: Millis(at.saturating_mul(1_000)) })
        }
        Some(_) | None => Err("the host does not tell when it booted".into()),
    }
}

/// What the collector prints of a folder: `FILES BYTES CODE`, the newest file, and the last complaint.
pub fn below(text: &str) -> Result<Below, NoFact> {
    let mut lines = text.lines();
    let numbers: Vec<u64> =
        lines.next().unwrap_or("").split(' ').filter_map(|n| n.parse().ok()).collect();
    let [files, bytes, code] = numbers[..] else {
        return Err(NoFact::Failed("the host did not print what lies below it".into()));
    };
    let newest = lines.next().and_then(newest);
    match code {
        0 => Ok(Below { bytes, files, newest }),
        137 => Err(NoFact::Failed("it has more files than could be counted in time".into())),
        _ => {
            let why: String = lines.next().unwrap_or("find failed").chars().take(200).collect();
            Err(NoFact::Failed(why))
        }
    }
}

/// `1700000000.123 4096 /srv/x`
fn newest(line: &str) -> Option<(AbsPath, Millis, u64)> {
    let mut words = line.splitn(3, ' ');
    let mut at = words.next()?.split('.');
    let secs: i64 = at.next()?.parse().ok()?;
    let millis: i64 = at.next().and_then(|f| f.get(..3)).and_then(|f| f.parse().ok()).unwrap_or(0);
    let bytes = words.next()?.parse().ok()?;
    let path = AbsPath::new(words.next()?).ok()?;
    Some((path, Millis(secs.saturating_mul(1_000).saturating_add(millis)), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_told_by_the_first_service_that_knows() {
        let chrony = "C0A80101,192.168.1.1,3,1700000000.1,-0.000123,0.0001,0.0002,1.2,0.0,0.01,0.002,0.001,64.2,Normal\n";
        let lost = "7F7F0101,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n";
        let show = "Timezone=Etc/UTC\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=no\n";
        let told = |chrony: Option<&str>, show: Option<&str>, adj: Option<&str>| Told {
            chrony: chrony.map(str::to_owned),
            timedatectl: show.map(str::to_owned),
            adjtimex: adj.map(str::to_owned),
        };
        let busybox =
            "    mode:         0\n-o  offset:       0 us\n    status:       64 (UNSYNC)\n";
        for (told, synced, by) in [
            (told(Some(chrony), Some(show), None), Some(true), "chrony"),
            (told(Some(lost), None, None), Some(false), "chrony"),
            (told(Some(""), Some(show), None), Some(false), "systemd-timesyncd"),
            (told(None, None, Some(busybox)), Some(false), "kernel"),
            (told(None, None, None), None, ""),
        ] {
            let got = time(&told, Some(2.0));
            assert_eq!((got.synced, got.by.as_str(), got.against_reef), (synced, by, Some(2.0)));
        }
        let got = time(&told(Some(chrony), None, None), None);
        assert_eq!(got.offset, Some(-0.000_123));
    }

    #[test]
    fn waiting_packages_are_counted() {
        let apt = "Inst libssl3 [3.0.9-1] (3.0.11-1~deb12u2 Debian-Security:12/stable-security [amd64])\n\
            Inst curl [7.88.1-10] (7.88.1-10+deb12u4 Debian:12.2/stable [amd64])\n";
        let got = updates(&[("apt", apt.into()), ("reboot", "linux-image-amd64\n".into())]);
        assert_eq!((got.pending, got.security), (Some(2), Some(1)));
        assert_eq!(got.reboot.as_deref(), Some(&["linux-image-amd64".to_owned()][..]));
        let got = updates(&[("notifier", "12;3".into())]);
        assert_eq!((got.pending, got.security, got.reboot), (Some(12), Some(3), None));
        let apk = "Installed:                                Available:\nmusl-1.2.4-r1          < 1.2.4-r2\n";
        assert_eq!(updates(&[("apk", apk.into())]).pending, Some(1));
        assert_eq!(updates(&[]).pending, None);
    }

    #[test]
    fn a_boot_has_an_id_and_a_time() {
        let got = boot("6a2e7d1c-0000-4c1e-9f00-000000000000\nbtime 1700000000\n").unwrap();
        assert_eq!(got.at, Millis(1_700_000_000_000));
        assert!(boot("btime 1700000000\n").is_err() && boot("").is_err());
    }

    #[test]
    fn what_lies_below_is_read_and_a_complaint_is_no_number() {
        let got = below("3 3210 0\n1700000000.5000000000 200 /srv/a b\n\n").unwrap();
        assert_eq!((got.files, got.bytes), (3, 3_210));
        assert_eq!(got.newest.unwrap().1, Millis(1_700_000_000_500));
        assert_eq!(below("0 0 0\n\n\n").unwrap().newest, None);
        let why = below("1 5 1\n1 5 /a\nfind: /a/b: Permission denied\n").unwrap_err();
        assert!(why.to_string().contains("Permission denied"));
        assert!(below("").is_err() && below("1 2 137\n").is_err());
    }
}
