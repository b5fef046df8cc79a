//! The room on this machine's volumes. A server's volume is asked by a child that may hang: one child
//! a mount, and nobody waits long for it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::clients::host::mountinfo::{self, Access, Mount, Reach};
use crate::clients::process::{Given, Limits, RunError, run_raw};
use crate::model::fact::Volume;
use crate::model::target::AbsPath;
use crate::model::time::Span;

/// How volumes of servers are asked.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The program and its arguments; the mount's path is added. Prints [`Room`] as six numbers.
    pub argv: Vec<String>,
    /// How long one collection waits for it.
    pub patience: Span,
    /// How long it may take before it is killed.
    pub limit: Span,
}

impl Default for Asking {
    fn default() -> Self {
        let argv = ["stat", "-f", "-c", "%S %b %f %a %c %d", "--"].map(str::to_owned).to_vec();
        Self { argv, patience: Span::secs(1), limit: Span::secs(20) }
    }
}

/// What statvfs says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of a block.
    pub block: u64,
    pub blocks: u64,
    /// Free blocks, with those kept for root.
    pub free: u64,
    /// Blocks that an ordinary user may still write.
    pub available: u64,
    pub inodes: u64,
    pub free_inodes: u64,
}

/// Why a mount's room is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NoRoom {
    /// Its owner lets nobody else look: not ours.
    Private,
    Stale(String),
}

type Answer = Result<Room, NoRoom>;

/// A child that was asked. `device` tells the mount that it waits for from a later one at the same place.
#[derive(Debug)]
struct Pending {
    device: String,
    asked_at: Instant,
    answer: oneshot::Receiver<Answer>,
}

/// The volumes of this machine, from collection to collection.
#[derive(Debug, Default)]
pub struct Rooms {
    asking: Asking,
    /// Children that have not answered yet, by where they were sent.
    pending: BTreeMap<AbsPath, Pending>,
    /// Mounts that could be written once: when they are read-only now, something happened.
    writable: BTreeSet<AbsPath>,
    children: JoinSet<()>,
}

impl Rooms {
    pub fn new(asking: Asking) -> Self {
        Self { asking, ..Self::default() }
    }

    /// Every real volume. `mountinfo` is the text of /proc/self/mountinfo.
    pub async fn volumes(&mut self, mountinfo: &str) -> Vec<Volume> {
        while self.children.try_join_next().is_some() {}
        let mounts = mountinfo::parse(mountinfo);
        let mut found = mountinfo::volumes(&mounts);
        found.retain(|(mount, reach)| self.may_fill(mount) && is_folder(mount, *reach));
        // All servers are asked before the first answer is waited for.
        for (mount, reach) in &found {
            if *reach == Reach::Remote {
                self.ask(mount);
            }
        }
        let deadline = Instant::now() + self.asking.patience.duration();
        let mut volumes = Vec::new();
        for (mount, reach) in found {
            let room = match reach {
                Reach::Local => local_room(&mount.path),
                Reach::Remote => self.answer(&mount.path, deadline).await,
            };
            volumes.extend(volume(&mount, room).map(|volume| (mount, volume)));
        }
        one_of_each_pool(volumes)
    }

    /// A volume that somebody mounted read-only cannot fill up and is not watched.
    fn may_fill(&mut self, mount: &Mount) -> bool {
        match mount.access {
            Access::Writable => {
                self.writable.insert(mount.path.clone());
                true
            }
            Access::Fallen => true,
            Access::ReadOnly => self.writable.contains(&mount.path),
        }
    }

    fn ask(&mut self, mount: &Mount) {
        let path = &mount.path;
        // What waits for a mount that was detached meanwhile says nothing of the new one.
        if self.pending.get(path).is_some_and(|known| known.device == mount.device) {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        let mut argv = self.asking.argv.clone();
        argv.push(path.as_str().to_owned());
        let limit = self.asking.limit;
        let (device, asked_at) = (mount.device.clone(), Instant::now());
        self.pending.insert(path.clone(), Pending { device, asked_at, answer: receiver });
        self.children.spawn(async move {
            let limits = Limits { timeout: limit, max_output: 4_096 };
            let answer = match run_raw(&argv, limits, &Given::default()).await {
                Ok(raw) if raw.code == Some(0) => parse(&raw.stdout)
                    .ok_or_else(|| NoRoom::Stale("stat printed something else than sizes".into())),
                Ok(raw) => Err(refused(&String::from_utf8_lossy(&raw.stderr))),
                Err(error) => {
                    if let RunError::TimedOut { left: Some(pid), .. } = error {
                        // Killed and still there: it waits for the server inside the kernel. A second
                        // child would only wait beside it.
                        while std::fs::exists(format!("/proc/{pid}")).unwrap_or(false) {
                            sleep(Span::secs(5).duration()).await;
                        }
                    }
                    Err(NoRoom::Stale(error.to_string()))
                }
            };
            // The collection that asked may be long over.
            let _unheard = sender.send(answer);
        });
    }

    async fn answer(&mut self, path: &AbsPath, deadline: Instant) -> Answer {
        let Some(mut pending) = self.pending.remove(path) else {
            return Err(NoRoom::Stale("was not asked".into()));
        };
        let patience = deadline.saturating_duration_since(Instant::now());
        match timeout(patience, &mut pending.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_gone)) => Err(NoRoom::Stale("the child that asked was lost".into())),
            Err(_) => {
                let waits = Span::from(pending.asked_at.elapsed());
                self.pending.insert(path.clone(), pending);
                Err(NoRoom::Stale(format!("has not answered for {waits}")))
            }
        }
    }
}

/// Containers mount single files, `/etc/hosts`; those are no volumes.
fn is_folder(mount: &Mount, reach: Reach) -> bool {
    match reach {
        Reach::Remote => true,
        Reach::Local if mount.root == "/" || mount.fs == "btrfs" => true,
        Reach::Local => std::fs::metadata(mount.path.as_path()).is_ok_and(|m| m.is_dir()),
    }
}

fn local_room(path: &AbsPath) -> Answer {
    match rustix::fs::statvfs(path.as_path()) {
        Ok(stat) => Ok(Room {
            block: if stat.f_frsize == 0 { stat.f_bsize } else { stat.f_frsize },
            blocks: stat.f_blocks,
            free: stat.f_bfree,
            available: stat.f_bavail,
            inodes: stat.f_files,
            free_inodes: stat.f_ffree,
        }),
        Err(why) => Err(refused(&std::io::Error::from(why).to_string())),
    }
}

fn refused(why: &str) -> NoRoom {
    match why.contains("Permission denied") {
        true => NoRoom::Private,
        false => NoRoom::Stale(why.trim().chars().take(200).collect()),
    }
}

fn parse(stdout: &[u8]) -> Option<Room> {
    let text = String::from_utf8_lossy(stdout);
    let numbers: Vec<u64> = text.split_whitespace().map_while(|w| w.parse().ok()).collect();
    let [block, blocks, free, available, inodes, free_inodes] = numbers[..] else { return None };
    Some(Room { block, blocks, free, available, inodes, free_inodes })
}

/// The volume, counted as `df` counts: what is kept for root belongs to nobody's total.
fn volume(mount: &Mount, room: Answer) -> Option<Volume> {
    let (room, stale) = match room {
        Ok(room) if room.blocks == 0 => return None,
        Ok(room) => (Some(room), None),
        Err(NoRoom::Private) => return None,
        Err(NoRoom::Stale(why)) => (None, Some(why)),
    };
    let used = room.map_or(0, |r| r.blocks.saturating_sub(r.free).saturating_mul(r.block));
    let free_bytes = room.map_or(0, |r| r.available.saturating_mul(r.block));
    // ZFS makes inodes out of free room: their number says nothing that bytes do not.
    let inodes = room.filter(|_| mount.fs != "zfs");
    Some(Volume {
        mount: mount.path.clone(),
        source: mount.source.clone(),
        fs: mount.fs.clone(),
        total_bytes: used.saturating_add(free_bytes),
        free_bytes,
        total_inodes: inodes.map_or(0, |r| r.inodes),
        free_inodes: inodes.map_or(0, |r| r.free_inodes),
        read_only: mount.access != Access::Writable,
        stale,
    })
}

/// Thirty datasets of one ZFS pool are one volume: what all of them use, and the room that they share.
pub fn one_of_each_pool(volumes: Vec<(Mount, Volume)>) -> Vec<Volume> {
    let mut pools: BTreeMap<String, Volume> = BTreeMap::new();
    let mut others = Vec::new();
    for (mount, volume) in volumes {
        let Some(name) = mountinfo::pool(&mount) else {
            others.push(volume);
            continue;
        };
        let used = volume.total_bytes.saturating_sub(volume.free_bytes);
        match pools.get_mut(name) {
            None => {
                pools.insert(name.to_owned(), Volume { source: name.to_owned(), ..volume });
            }
            Some(pool) => {
                let all_used = pool.total_bytes.saturating_sub(pool.free_bytes) + used;
                // A dataset with a quota sees less than the pool has.
                pool.free_bytes = pool.free_bytes.max(volume.free_bytes);
                pool.total_bytes = all_used.saturating_add(pool.free_bytes);
                pool.read_only |= volume.read_only;
                if volume.mount.as_str().len() < pool.mount.as_str().len() {
                    pool.mount = volume.mount;
                }
            }
        }
    }
    others.extend(pools.into_values());
    others.sort_by(|a, b| a.mount.cmp(&b.mount));
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const REMOTE: &str = "37 27 0:60 / / rw - nfs4 nas:/home rw\n";

    fn asking(script: &str) -> Asking {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Asking { argv, patience: Span(300), limit: Span(700) }
    }

    #[tokio::test]
    async fn a_mount_that_was_made_anew_is_asked_anew() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("first");
        // Only the first child hangs.
        let script = format!(
            "[ -e {0} ] || {{ touch {0}; sleep 100; }}; echo 4096 1000 500 400 10 5",
            first.display()
        );
        let mut rooms = Rooms::new(asking(&script));
        assert!(rooms.volumes(REMOTE).await.remove(0).stale.is_some());
        assert!(
            rooms.volumes(REMOTE).await.remove(0).stale.is_some(),
            "the same child is waited for"
        );
        let anew = REMOTE.replace("0:60", "0:61");
        assert_eq!(rooms.volumes(&anew).await.remove(0).stale, None);
    }

    #[tokio::test]
    async fn this_machine_has_a_root_volume() {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let volumes = Rooms::default().volumes(&text).await;
        let root = volumes.iter().find(|v| v.mount.as_str() == "/").unwrap();
        assert!(root.free_bytes < root.total_bytes && root.stale.is_none(), "{root:?}");
        assert!(volumes.iter().all(|v| !v.mount.as_str().starts_with("/proc")), "{volumes:?}");
    }

    #[tokio::test]
    async fn a_server_that_answers_is_a_volume() {
        let mut rooms = Rooms::new(asking("echo 4096 1000 500 400 10 5"));
        // A busy machine may need longer than the patience to start the child: it is asked again.
        for _ in 0..20 {
            let volume = rooms.volumes(REMOTE).await.remove(0);
            if volume.stale.is_none() {
                assert_eq!((volume.total_bytes, volume.free_bytes), (900 * 4_096, 400 * 4_096));
                assert_eq!((volume.total_inodes, volume.free_inodes), (10, 5));
                return;
            }
        }
        panic!("never answered");
    }

    #[tokio::test]
    async fn a_real_stat_prints_what_is_read() {
        let asking = Asking { patience: Span::secs(10), ..Asking::default() };
        let asked = Rooms::new(asking).volumes(REMOTE).await.remove(0);
        let known = local_room(&AbsPath::new("/").unwrap()).unwrap();
        assert_eq!(asked.stale, None);
        assert_eq!(asked.total_inodes, known.inodes);
    }

    #[tokio::test]
    async fn a_hung_server_is_stale_has_one_child_and_delays_little() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("asked");
        let mut rooms = Rooms::new(asking(&format!("echo x >> {}; sleep 100", log.display())));
        let started = Instant::now();
        let first = rooms.volumes(REMOTE).await.remove(0);
        assert!(first.stale.unwrap().contains("has not answered"));
        let second = rooms.volumes(REMOTE).await.remove(0);
        assert!(second.stale.is_some() && started.elapsed() < Duration::from_secs(5));
        // The child of the first collection was still asking in the second.
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "x\n");
        let words = loop {
            let stale = rooms.volumes(REMOTE).await.remove(0).stale.unwrap();
            if stale.contains("killed") {
                break stale;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{stale}");
        };
        assert_eq!(words, "did not end within 700 ms and was killed");
    }

    #[tokio::test]
    async fn another_users_mount_is_not_ours() {
        let script =
            "echo \"stat: cannot read file system information: Permission denied\" >&2; exit 1";
        let asking = Asking { patience: Span::secs(10), ..asking(script) };
        assert_eq!(Rooms::new(asking).volumes(REMOTE).await, []);
    }

    fn zfs(path: &str, source: &str) -> Mount {
        mountinfo::parse(&format!("27 1 0:30 / {path} rw - zfs {source} rw\n")).remove(0)
    }

    #[test]
    fn the_datasets_of_a_pool_are_one_volume() {
        let room = |used, available| {
            Ok(Room {
                block: 1,
                blocks: used + available,
                free: available,
                available,
                inodes: 9,
                free_inodes: 9,
            })
        };
        let volumes = [
            (zfs("/tank/home", "tank/home"), room(300, 1_000)),
            (zfs("/tank", "tank"), room(50, 1_000)),
            (zfs("/tank/small", "tank/small"), room(10, 90)),
            (zfs("/", "rpool/ROOT"), room(5, 20)),
        ];
        let volumes = volumes.map(|(mount, room)| (mount.clone(), volume(&mount, room).unwrap()));
        let got = one_of_each_pool(volumes.to_vec());
        let got: Vec<_> = got
            .iter()
            .map(|v| (v.mount.as_str(), v.source.as_str(), v.total_bytes, v.free_bytes))
            .collect();
        assert_eq!(got, [("/", "rpool", 25, 20), ("/tank", "tank", 1_360, 1_000)]);
    }

    #[tokio::test]
    async fn a_volume_that_turns_read_only_stays_and_one_mounted_so_is_not_watched() {
        let mut rooms = Rooms::default();
        let ro = "27 1 8:1 / / ro - ext4 /dev/sda1 ro\n";
        assert_eq!(rooms.volumes(ro).await, []);
        assert!(!rooms.volumes("27 1 8:1 / / rw - ext4 /dev/sda1 rw\n").await[0].read_only);
        assert!(rooms.volumes(ro).await[0].read_only);
    }

    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
    async fn a_real_memory_volume_fills_up() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let flags = rustix::mount::MountFlags::empty();
        let mounted = rustix::mount::mount("tmpfs", here, "tmpfs", flags, c"size=4m,nr_inodes=200");
        if let Err(why) = mounted {
            eprintln!("SKIPPED: cannot mount a tmpfs here ({why}); run the tests as root");
            return;
        }
        let filled = std::fs::write(here.join("logs"), vec![1; 3 << 20]);
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let volumes = Rooms::default().volumes(&text).await;
        rustix::mount::unmount(here, rustix::mount::UnmountFlags::DETACH).unwrap();
        filled.unwrap();
        let volume = volumes.iter().find(|v| v.mount.as_path() == here).unwrap();
        assert_eq!((volume.total_bytes, volume.free_bytes), (4 << 20, 1 << 20));
        assert_eq!((volume.total_inodes, volume.free_inodes), (200, 198));
    }
}
