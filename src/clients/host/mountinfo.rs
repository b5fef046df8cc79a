//! /proc/self/mountinfo: which mounts are real volumes, and which of them are the same one. Pure.

use std::collections::BTreeMap;

use crate::model::target::AbsPath;

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `major:minor` of its device.
    pub device: String,
    /// What of the file system is mounted: `/`, or a folder of it.
    pub root: String,
    pub path: AbsPath,
    pub fs: String,
    pub source: String,
    pub access: Access,
}

/// Whether a mount may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Writable,
    /// Somebody mounted it so.
    ReadOnly,
    /// It was mounted writable, and the kernel stopped that after an error.
    Fallen,
}

/// How a mount is asked for its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// By a system call: a local disk answers.
    Local,
    /// By a child that may hang: a server or a program answers, or does not.
    Remote,
}

/// Local kinds that hold what people put there.
const DISKS: [&str; 17] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "vfat", "exfat", "ntfs", "ntfs3", "jfs",
    "reiserfs", "hfsplus", "bcachefs", "nilfs2", "tmpfs",
];

/// Kinds that a server answers for.
const SERVED: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "beegfs",
    "virtiofs",
    "fuseblk",
    "davfs",
];

/// FUSE programs that show something else than files that lie somewhere.
const SHOWS: [&str; 8] = [
    "lxcfs",
    "gvfsd-fuse",
    "portal",
    "snapfuse",
    "squashfuse",
    "archivemount",
    "fuse-overlayfs",
    "xdg-document-portal",
];

/// Memory file systems below these belong to the system or to containers, and come and go.
const NOT_OURS: [&str; 9] = [
    "/dev",
    "/sys",
    "/proc",
    "/run/user",
    "/run/lock",
    "/run/credentials",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/containers",
];

/// How the room of a file system of this kind is asked for; `None` where it is no volume.
pub fn reach(fs: &str) -> Option<Reach> {
    match fs.strip_prefix("fuse.") {
        Some(program) => (!SHOWS.contains(&program)).then_some(Reach::Remote),
        None if SERVED.contains(&fs) => Some(Reach::Remote),
        None => DISKS.contains(&fs).then_some(Reach::Local),
    }
}

/// Reads mountinfo. A line that cannot be read, or whose path reef cannot name, is left out.
///
/// A service that systemd shuts in (`ProtectSystem=strict`) sees every mount read-only, its root too,
/// while the file systems below are writable for everybody else: those count as writable.
pub fn parse(text: &str) -> Vec<Mount> {
    let mut lines: Vec<(Mount, Below)> = text.lines().filter_map(line).collect();
    // A later mount on the same path hides the earlier.
    let root = lines.iter().rev().find(|(mount, _)| mount.path.as_str() == "/");
    let only_here = |(mount, below): &(Mount, Below)| {
        (mount.access, *below) == (Access::ReadOnly, Below::Writable)
    };
    if root.is_some_and(only_here) {
        for one in &mut lines {
            if only_here(one) {
                one.0.access = Access::Writable;
            }
        }
    }
    lines.into_iter().map(|(mount, _)| mount).collect()
}

/// How the file system under a mount is, whatever the mount says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Writable,
    ReadOnly,
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn line(line: &str) -> Option<(Mount, Below)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device, root, path, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs, source, of_fs) = (right.next()?, right.next()?, right.next().unwrap_or(""));
    let has = |options: &str, wanted: &str| options.split(',').any(|o| o == wanted);
    let fallen = has(of_fs, "emergency_ro") || has(of_fs, "shutdown");
    let access = match (has(options, "ro"), has(of_fs, "ro")) {
        (false, _) if fallen => Access::Fallen,
        (true, _) => Access::ReadOnly,
        // A memory file system has no disk that could fail: its maker wanted it so.
        (false, true) if fs == "tmpfs" => Access::ReadOnly,
        (false, true) => Access::Fallen,
        (false, false) => Access::Writable,
    };
    let below = if has(of_fs, "ro") || fallen { Below::ReadOnly } else { Below::Writable };
    let mount = Mount {
        device: device.to_owned(),
        root: unescape(root),
        path: AbsPath::new(&unescape(path)).ok()?,
        fs: fs.to_owned(),
        source: unescape(source),
        access,
    };
    Some((mount, below))
}

/// Blanks, tabs, newlines and backslashes are written as three octal digits: `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The real volumes, each once: of several mounts of one file system (bind mounts, btrfs subvolumes)
/// the one with the shortest path. Datasets of a ZFS pool all stay, next to each other by
/// [`pool`], because their sizes must be added. What lies under a later mount is not seen.
pub fn volumes(mounts: &[Mount]) -> Vec<(Mount, Reach)> {
    // A later mount on the same path hides the earlier.
    let visible: BTreeMap<&AbsPath, &Mount> = mounts.iter().map(|m| (&m.path, m)).collect();
    let mut found: BTreeMap<(String, String), (Mount, Reach)> = BTreeMap::new();
    for mount in visible.into_values() {
        let Some(reach) = kind(mount) else { continue };
        let key = match mount.fs.as_str() {
            // Several memory file systems may have one source's name, but never one device.
            "tmpfs" => (mount.device.clone(), String::new()),
            _ => (mount.device.clone(), mount.source.clone()),
        };
        // A part that is mounted read-only says nothing about the rest.
        let order =
            |m: &Mount| (m.access == Access::ReadOnly, m.path.as_str().len(), m.path.clone());
        let best = |other: &(Mount, Reach)| order(mount) < order(&other.0);
        if found.get(&key).is_none_or(best) {
            found.insert(key, (mount.clone(), reach));
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    found
}

/// Whether this mount is a volume at all.
fn kind(mount: &Mount) -> Option<Reach> {
    let below = |root: &str| AbsPath::new(root).is_ok_and(|root| mount.path.is_below(&root));
    match mount.fs.as_str() {
        // In a container the root is an overlay, and all there is.
        "overlay" => (mount.path.as_str() == "/").then_some(Reach::Local),
        "tmpfs" => (!NOT_OURS.iter().any(|root| below(root))).then_some(Reach::Local),
        fs => reach(fs),
    }
}

/// The ZFS pool of a mount: all its datasets share one room.
pub fn pool(mount: &Mount) -> Option<&str> {
    (mount.fs == "zfs").then(|| mount.source.split('/').next().unwrap_or(&mount.source))
}

/// The mount that holds a path.
pub fn holding<'a>(mounts: &'a [Mount], path: &AbsPath) -> Option<&'a Mount> {
    // Of two mounts on one path the later is seen: `max_by_key` takes the last of equals.
    mounts.iter().filter(|m| path.is_below(&m.path)).max_by_key(|m| m.path.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAPTOP: &str = "\
22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
28 27 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw
29 27 259:2 /var/lib/data /srv/data rw - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
30 27 7:1 / /snap/core/1 ro,nodev - squashfs /dev/loop1 ro
31 27 11:0 / /media/cd ro - iso9660 /dev/sr0 ro
32 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
33 27 0:51 / /dev/shm rw - tmpfs tmpfs rw
34 27 0:52 / /tmp rw - tmpfs tmpfs rw,size=1g
35 27 0:53 / /run rw - tmpfs tmpfs rw
36 27 0:54 / /run/user/1000 rw - tmpfs tmpfs rw
37 27 0:60 / /mnt/my\\040disk\\011x rw - nfs4 nas:/tank/my\\040home rw
38 27 8:17 / /mnt/usb\\134x rw - fuseblk /dev/sdb1 rw
39 27 0:61 / /home/u/.cache/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
40 27 0:62 / /mnt/pool rw - fuse.mergerfs a:b rw
41 27 0:63 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
broken line
42 27 0:64 / relative rw - ext4 /dev/x rw
";

    fn paths(text: &str) -> Vec<(String, Reach)> {
        let found = volumes(&parse(text));
        found.into_iter().map(|(m, reach)| (m.path.to_string(), reach)).collect()
    }

    #[test]
    fn only_real_volumes_count_and_each_once() {
        let want = [
            ("/", Reach::Local),
            ("/boot/efi", Reach::Local),
            // The tab has no place in a path that reef names, so the share is left out.
            ("/mnt/pool", Reach::Remote),
            ("/mnt/usb\\x", Reach::Remote),
            ("/run", Reach::Local),
            ("/tmp", Reach::Local),
        ];
        assert_eq!(paths(LAPTOP), want.map(|(p, r)| (p.to_owned(), r)));
    }

    #[test]
    fn escapes_are_undone() {
        let text = "37 27 0:60 / /mnt/my\\040disk rw - nfs4 nas:/my\\040home rw\n";
        let mount = &parse(text)[0];
        assert_eq!((mount.path.as_str(), mount.source.as_str()), ("/mnt/my disk", "nas:/my home"));
        assert_eq!(unescape("a\\9b\\04"), "a\\9b\\04");
    }

    #[test]
    fn subvolumes_and_bind_mounts_are_one_volume() {
        let text = "\
27 1 0:30 /@ / rw - btrfs /dev/sda2 rw,subvol=/@
28 27 0:30 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home
29 27 0:30 /@log /var/log rw - btrfs /dev/sda2 rw,subvol=/@log
30 27 8:17 / /mnt/long/name rw - xfs /dev/sdb1 rw
31 27 8:17 / /mnt/b rw - xfs /dev/sdb1 rw
32 27 8:33 / /hidden rw - ext4 /dev/sdc1 rw
33 27 8:34 / /hidden rw - ext4 /dev/sdc2 rw
";
        let found = volumes(&parse(text));
        let got: Vec<_> = found.iter().map(|(m, _)| (m.path.as_str(), m.source.as_str())).collect();
        assert_eq!(got, [("/", "/dev/sda2"), ("/hidden", "/dev/sdc2"), ("/mnt/b", "/dev/sdb1")]);
    }

    #[test]
    fn a_volume_that_fell_is_told_from_one_mounted_read_only() {
        for (options, of_fs, want) in [
            ("rw", "rw", Access::Writable),
            ("ro", "ro", Access::ReadOnly),
            ("rw,relatime", "ro,errors=remount-ro", Access::Fallen),
            ("rw", "rw,emergency_ro", Access::Fallen),
            ("rw", "rw,errors=remount-ro", Access::Writable),
        ] {
            let text = format!("27 1 8:1 / / {options} - ext4 /dev/sda1 {of_fs}\n");
            assert_eq!(parse(&text)[0].access, want, "{options} {of_fs}");
        }
    }

    #[test]
    fn a_shut_in_service_sees_the_volumes_as_they_are() {
        // As the shipped unit sees them: its own folders writable, all else not.
        let text = "\
27 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw
28 27 8:1 /var/lib/reef /var/lib/reef rw,relatime - ext4 /dev/sda1 rw
29 27 8:17 / /srv ro - xfs /dev/sdb1 rw
30 27 8:33 / /mnt/stick ro - vfat /dev/sdc1 ro
";
        let got: Vec<_> = volumes(&parse(text))
            .into_iter()
            .map(|(m, _)| (m.path.to_string(), m.access))
            .collect();
        let want =
            [("/", Access::Writable), ("/mnt/stick", Access::ReadOnly), ("/srv", Access::Writable)];
        assert_eq!(got, want.map(|(path, access)| (path.to_owned(), access)));
        // Elsewhere a part that somebody mounted read-only is just that.
        let part = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 8:17 / /srv ro - xfs /dev/sdb1 rw\n";
        assert_eq!(parse(part)[1].access, Access::ReadOnly);
    }

    #[test]
    fn a_path_lies_on_the_mount_that_holds_it() {
        let mounts = parse(LAPTOP);
        let at = |p: &str| holding(&mounts, &AbsPath::new(p).unwrap()).unwrap().path.to_string();
        assert_eq!(at("/mnt/pool/a/b"), "/mnt/pool");
        assert_eq!(at("/mnt/poolside"), "/");
    }
}
