//! Volumes of another host, from its mountinfo and what `df -P` says of the local ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::collector::Piece;
use crate::clients::host::mountinfo::{self, Access};
use crate::clients::host::mounts::one_of_each_pool;
use crate::model::fact::Volume;
use crate::model::target::AbsPath;

/// Mounts that hung.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hanging {
    /// The processes that were left there to wait, and for which mount at that place.
    waiting: BTreeMap<AbsPath, Waiting>,
    /// All that ever hung: of these it is told that they answer again.
    once: BTreeSet<AbsPath>,
}

#[derive(Debug, PartialEq, Eq)]
struct Waiting {
    pid: u32,
    device: String,
}

impl Hanging {
    pub fn pending(&self) -> impl Iterator<Item = (u32, &AbsPath)> {
        self.waiting.iter().map(|(path, waiting)| (waiting.pid, path))
    }
}

/// A row of `df -P`: total and available, by mount point.
struct Row {
    used: u64,
    free: u64,
}

/// The volumes on its own disks; `could_write` are mounts that were writable once, as for this machine.
pub fn local(piece: &Piece, could_write: &mut BTreeSet<AbsPath>) -> Vec<Volume> {
    let (mounts, blocks, inodes) =
        (piece.text("mountinfo"), piece.text("blocks"), piece.text("inodes"));
    let (blocks, inodes) = (rows(&blocks), rows(&inodes));
    let mut volumes = Vec::new();
    for (mount, _reach) in mountinfo::volumes(&mountinfo::parse(&mounts)) {
        // What df leaves out is a server's: its own host watches its room.
        let Some(room) = blocks.get(mount.path.as_str()) else { continue };
        match mount.access {
            Access::Writable => {
                could_write.insert(mount.path.clone());
            }
            Access::Fallen => {}
            // What somebody mounted read-only cannot fill up.
            Access::ReadOnly if could_write.contains(&mount.path) => {}
            Access::ReadOnly => continue,
        }
        // A remote host may print any number.
        let total = |row: &Row| row.used.saturating_add(row.free);
        if total(room) == 0 {
            continue;
        }
        let files = inodes.get(mount.path.as_str()).filter(|_| mount.fs != "zfs");
        let volume = Volume {
            mount: mount.path.clone(),
            source: mount.source.clone(),
            fs: mount.fs.clone(),
            total_bytes: total(room).saturating_mul(1_024),
            free_bytes: room.free.saturating_mul(1_024),
            total_inodes: files.map_or(0, total),
            free_inodes: files.map_or(0, |row| row.free),
            read_only: mount.access != Access::Writable,
            stale: None,
        };
        volumes.push((mount, volume));
    }
    one_of_each_pool(volumes)
}

/// Volumes of servers that do not answer; those that do are watched where they lie. `hanging` is what
/// hung before, and hangs now.
pub fn served(piece: &Piece, mounts: &str, hanging: &mut Hanging) -> Vec<Volume> {
    let mounts = mountinfo::parse(mounts);
    let mut before = std::mem::take(&mut hanging.waiting);
    let mut volumes = Vec::new();
    for line in piece.text("").lines() {
        let (path, pid) = match line.split_once(' ') {
            Some(("answers", path)) => (path, None),
            Some(("hangs", rest)) => match rest.split_once(' ') {
                Some((pid, path)) => (path, pid.parse::<u32>().ok()),
                None => continue,
            },
            _ => continue,
        };
        let Ok(path) = AbsPath::new(path) else { continue };
        let mount = mounts.iter().rfind(|mount| mount.path == path);
        let device = mount.map_or_else(String::new, |m| m.device.clone());
        match pid {
            Some(pid) => {
                // What waits for a mount that was detached meanwhile says nothing of the new one, which is
                // asked the next time.
                let of_another = before
                    .remove(&path)
                    .is_some_and(|known| known.pid == pid && known.device != device);
                if !of_another {
                    hanging.waiting.insert(path.clone(), Waiting { pid, device });
                }
                hanging.once.insert(path.clone());
            }
            None if hanging.once.contains(&path) => {}
            None => continue,
        }
        volumes.push(Volume {
            source: mount.map_or_else(|| "a server".to_owned(), |m| m.source.clone()),
            fs: mount.map_or_else(String::new, |m| m.fs.clone()),
            mount: path,
            total_bytes: 0,
            free_bytes: 0,
            total_inodes: 0,
            free_inodes: 0,
            read_only: false,
            stale: pid.map(|_| "does not answer: whatever touches it there hangs".to_owned()),
        });
    }
    volumes
}

/// What `df -P -k` says is used, in bytes, where the path is the top of a volume.
pub fn used(text: &str, top: &AbsPath) -> Option<u64> {
    rows(text).get(top.as_str()).map(|row| row.used.saturating_mul(1_024))
}

/// Rows of `df -P`. The columns are found by the one with the percent sign, because both the source
/// and the mount point may have spaces.
fn rows(text: &str) -> BTreeMap<&str, Row> {
    text.lines().skip(1).filter_map(row).collect()
}

fn row(line: &str) -> Option<(&str, Row)> {
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for word in line.split_ascii_whitespace() {
        let start = at + line[at..].find(word)?;
        words.push((start, word));
        at = start + word.len();
    }
    // An unknown share is `-`, as for inodes where a file system has no fixed number of them.
    let is_share = |word: &str| {
        word == "-" || word.strip_suffix('%').is_some_and(|n| n.parse::<u32>().is_ok())
    };
    let number = |word: &str| if word == "-" { Some(0) } else { word.parse::<u64>().ok() };
    (4..words.len()).find_map(|i| {
        let (start, share) = words[i];
        let (_total, used) = (number(words[i - 3].1)?, number(words[i - 2].1)?);
        let free = number(words[i - 1].1)?;
        let mount = line[start + share.len()..].trim_start();
        (is_share(share) && mount.starts_with('/')).then_some((mount, Row { used, free }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
23 22 8:2 / /srv/my\\040data rw,relatime shared:2 - btrfs /dev/sda2 rw\n\
24 22 0:40 / /mnt/nfs rw,relatime shared:3 - nfs4 nas:/x rw\n\
25 22 0:41 / /tank rw - zfs tank rw\n26 22 0:42 / /tank/a rw - zfs tank/a rw\n";
    const BLOCKS: &str = "\
Filesystem     1024-blocks    Used Available Capacity Mounted on\n\
/dev/sda1         10000000 9000000    900000      91% /\n\
/dev/sda2         20000000 1000000  19000000       5% /srv/my data\n\
tank 1000 100 900 10% /tank\ntank/a 1100 200 900 10% /tank/a\n";
    const INODES: &str = "\
Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n\
/dev/sda1       600000 100000  500000   17% /\n\
/dev/sda2            0      0       0     - /srv/my data\n";

    fn piece(parts: &[(&str, &str)]) -> Piece {
        let parts = parts.iter().map(|(n, t)| ((*n).to_owned(), t.as_bytes().to_vec())).collect();
        Piece { code: 0, parts }
    }

    #[test]
    fn local_volumes_are_told_once_each_and_servers_not_at_all() {
        let piece = piece(&[("mountinfo", MOUNTS), ("blocks", BLOCKS), ("inodes", INODES)]);
        let volumes = local(&piece, &mut BTreeSet::new());
        let told: Vec<_> = volumes
            .iter()
            .map(|v| (v.mount.as_str(), v.total_bytes >> 10, v.free_bytes >> 10, v.total_inodes))
            .collect();
        let want = [
            ("/", 9_900_000, 900_000, 600_000),
            ("/srv/my data", 20_000_000, 19_000_000, 0),
            ("/tank", 1_200, 900, 0),
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn a_server_that_hangs_is_a_stale_volume_and_its_child_is_remembered() {
        let text = "answers /mnt/b\nhangs 4711 /mnt/nfs\n";
        let mut hanging = Hanging::default();
        let volumes = served(&piece(&[("", text)]), MOUNTS, &mut hanging);
        assert_eq!((volumes.len(), volumes[0].source.as_str()), (1, "nas:/x"));
        assert!(volumes[0].stale.is_some());
        let nfs = AbsPath::new("/mnt/nfs").unwrap();
        assert_eq!(hanging.pending().collect::<Vec<_>>(), [(4_711, &nfs)]);
        // Made anew while the old child still waits: it is forgotten, and the new mount asked.
        let anew = MOUNTS.replace("0:40", "0:50");
        assert_eq!(served(&piece(&[("", text)]), &anew, &mut hanging).len(), 1);
        assert_eq!(hanging.pending().count(), 0);
        // It answers again, and that is told of what hung once.
        let answers = served(&piece(&[("", "answers /mnt/nfs\n")]), &anew, &mut hanging);
        assert_eq!((answers.len(), answers[0].stale.clone()), (1, None));
        assert_eq!(served(&piece(&[("", "")]), MOUNTS, &mut hanging), []);
    }
}
