//! What `zpool list -Hp` and `zpool status` say. Pure.

use crate::model::fact::Pool;

/// The pools of `zpool list -Hp -o name,size,allocated,free,health`, each with what `zpool status` adds.
pub fn read(list: &str, status: &str) -> Result<Vec<Pool>, String> {
    let mut pools = Vec::new();
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("no pools") {
            continue;
        }
        let words: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [name, size, allocated, free, health] = words[..] else {
            return Err(format!("zpool: {}", line.chars().take(200).collect::<String>()));
        };
        // A faulted pool tells no sizes: `-`.
        let bytes = |word: &str| word.parse::<u64>().unwrap_or(0);
        let pool = Pool {
            name: name.to_owned(),
            health: health.to_owned(),
            size: bytes(size),
            allocated: bytes(allocated),
            free: bytes(free),
            ..Pool::default()
        };
        pools.push(describe(pool, status));
    }
    Ok(pools)
}

/// Adds the block of `zpool status` that begins with `pool: NAME`.
fn describe(mut pool: Pool, status: &str) -> Pool {
    let mut mine = false;
    let mut field = "";
    for line in status.lines() {
        let trimmed = line.trim();
        if let Some((key, rest)) = key(line) {
            if key == "pool" {
                mine = rest == pool.name;
            }
            field = key;
            if !mine {
                continue;
            }
            match key {
                "status" => pool.status = rest.to_owned(),
                "scan" => pool.scan = rest.to_owned(),
                "errors" => pool.data_errors = rest.to_owned(),
                _ => {}
            }
        } else if mine && !trimmed.is_empty() {
            match field {
                // Lines that go on below their key.
                "status" if pool.status.len() < 300 => {
                    pool.status.push(' ');
                    pool.status.push_str(trimmed);
                }
                "config" => part(&mut pool, trimmed),
                _ => {}
            }
        }
    }
    if pool.data_errors == "No known data errors" {
        pool.data_errors.clear();
    }
    pool
}

fn key(line: &str) -> Option<(&'static str, &str)> {
    const KEYS: [&str; 8] =
        ["pool", "state", "status", "action", "see", "scan", "config", "errors"];
    let (key, rest) = line.trim_start().split_once(':')?;
    // A device may have a colon in its name, but stands further right, after a tab.
    if line.starts_with('\t') {
        return None;
    }
    KEYS.into_iter().find(|known| *known == key).map(|known| (known, rest.trim()))
}

/// `NAME STATE READ WRITE CKSUM [words]`
fn part(pool: &mut Pool, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (Some(name), Some(state)) = (words.first(), words.get(1)) else { return };
    if *name == "NAME" {
        return;
    }
    let counts: Vec<u64> = words.iter().skip(2).take(3).filter_map(|w| w.parse().ok()).collect();
    // Only leaves count: their parents repeat them.
    if counts.len() == 3 && !is_group(name, &pool.name) {
        pool.errors = pool.errors.saturating_add(counts.iter().sum());
    }
    let well = ["ONLINE", "AVAIL", "INUSE"].contains(state);
    if !well && *name != pool.name && !is_group(name, &pool.name) {
        pool.ill.push(format!("{name} {state}"));
    }
}

fn is_group(name: &str, pool: &str) -> bool {
    let kinds = ["mirror", "raidz", "draid", "spare-", "replacing-", "logs", "cache", "special"];
    name == pool || kinds.iter().any(|kind| name.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "rpool\t498216206336\t41943040000\t456273166336\tONLINE\n\
        tank\t11991548690432\t9000000000000\t2991548690432\tDEGRADED\nold\t-\t-\t-\tFAULTED\n";
    /// OpenZFS 2.1.
    const STATUS: &str = include_str!("samples/zpool-status");

    #[test]
    fn pools_tell_their_health_and_which_part_is_ill() {
        let pools = read(LIST, STATUS).unwrap();
        assert_eq!(pools.len(), 3);
        let [rpool, tank, old] = &pools[..] else { panic!() };
        assert_eq!((rpool.health.as_str(), rpool.errors, rpool.ill.len()), ("ONLINE", 0, 0));
        assert_eq!(rpool.data_errors, "");
        assert_eq!(tank.ill, ["ata-WDC_WD40EFRX-68N32N0_WD-WCC7K2222222 FAULTED"]);
        assert_eq!(tank.errors, 3 + 142 + 2);
        assert!(tank.status.starts_with("One or more devices are faulted"), "{}", tank.status);
        assert!(
            tank.scan.starts_with("scrub repaired 0B in 11:04:53 with 0 errors"),
            "{}",
            tank.scan
        );
        assert_eq!((old.size, old.health.as_str()), (0, "FAULTED"));
        assert_eq!(read("no pools available\n", ""), Ok(vec![]));
        assert!(read("cannot open /dev/zfs: Permission denied\n", "").is_err());
    }
}
