//! What machines say: the kernel's files, systemd, the journal, logs, plugins, hosts over SSH.

use std::collections::BTreeSet;

use reef::clients::collector::Request;
use reef::clients::collector::facts::{Kept, Reading, Whose};
use reef::clients::host::{journal, lines, mountinfo, pids, proc, systemd};
use reef::model::fact::Fact;
use reef::model::time::{Millis, Span};
use reef::policy::redact::Redactor;
use reef::policy::template::template;
use reef::probe::exec::perfdata;

use crate::mutate::{bytes, text, times};

const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    6000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
const STAT: &str = "cpu  100 2 30 4000 50 0 6 0 0 0\ncpu0 100 2 30 4000 50 0 6 0 0 0\nctxt 99\nbtime 1772500000\nprocs_running 1\n";
const PRESSURE: &str = "some avg10=0.00 avg60=1.23 avg300=0.10 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
const MOUNTS: &str = "27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro\n\
                      37 27 0:60 / /mnt/my\\040disk rw - nfs4 nas:/tank/my\\040home rw\n";
const DEV: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n\
                   eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n lo: 1 2 0 0 0 0 0 0 1 2 0 0 0 0 0 0\n";

#[test]
fn files_of_proc() {
    text("meminfo", 2_000, &[MEMINFO, "c 4 1\nsize 4 1234\n"], |case| {
        drop(proc::memory(case, Some(case)));
    });
    text("pressure", 2_000, &[PRESSURE], |case| drop(proc::pressure(case, case, case)));
    text("stat and loadavg", 2_000, &[STAT, "0.50 0.40 0.30 1/200 4242\n"], |case| {
        drop(proc::cpu(case, STAT));
        drop(proc::cpu("0.50 0.40 0.30 1/200 4242\n", case));
        drop(proc::uptime(case));
        let _counted = proc::counter(case, "ctxt");
    });
    text("net/dev", 2_000, &[DEV], |case| {
        assert!(proc::interfaces(case).len() <= case.lines().count());
    });
    text("mountinfo", 2_000, &[MOUNTS], |case| {
        let mounts = mountinfo::parse(case);
        assert!(mounts.len() <= case.lines().count());
        assert!(mountinfo::volumes(&mounts).len() <= mounts.len());
    });
    let pid = "4242 (a) b) S 1 4242 4242 0 -1 4194560 1 0 0 0 100 20 0 0 20 0 1 0 5000 1000000 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";
    text(
        "pid/stat and cgroup",
        2_000,
        &[pid, "0::/system.slice/nginx.service\n", "Uid:\t0\t0\t0\t0\n"],
        |case| {
            drop(pids::stat(case, 4_096));
            drop(pids::unit(case));
            let _uid = pids::uid(case);
            pids::is_zombie(case);
            drop(pids::program(case.as_bytes()));
            pids::page_size(case.as_bytes());
        },
    );
}

#[test]
fn systemctl() {
    let shown = "Id=nginx.service\nActiveState=failed\nSubState=failed\nResult=oom-kill\nNRestarts=3\nInactiveEnterTimestampMonotonic=123456789\nMainPID=0\n";
    let listed =
        "● nginx.service loaded failed failed A web server\nx.mount loaded failed failed X\n";
    let now = systemd::Now { wall: Millis(1_772_500_000_000), monotonic: Span::days(3) };
    text("systemctl", 2_000, &[shown, listed], |case| {
        drop(systemd::parse_show(case, now));
        assert!(systemd::parse_list(case).len() <= case.lines().count());
    });
}

#[test]
fn the_collector() {
    let wanted =
        BTreeSet::from([Fact::Memory, Fact::Cpu, Fact::Uptime, Fact::Volumes, Fact::FailedUnits]);
    let request = Request::new(Kept::default().asks(&wanted)).unwrap();
    let input = request.input();
    let mut asked = input.lines();
    let word = asked.next().unwrap();
    let mut printed = format!("\n@{word} hello 1 \n");
    for line in 1..=asked.count() {
        printed += &format!(
            "\n@{word} open {line}\n{MEMINFO}\n{STAT}\n{MOUNTS}\n86400.00 1.0\n\n@{word} shut {line} 0\n"
        );
    }
    printed += &format!("\n@{word} done\n");
    let redactor = Redactor::new(Vec::new());
    text("the collector's output", 1_500, &[printed.as_str()], |case| {
        let with =
            Reading { now: Millis(1_772_500_000_000), redactor: &redactor, whose: Whose::Another };
        let answered = Kept::default().answer(&wanted, &request.read(case.as_bytes()), with);
        // Each question has an answer, if only that there is none.
        assert_eq!(answered.len(), wanted.len());
    });
}

#[test]
fn plugins() {
    let corpus = [
        "DISK OK - free space: / 3326 MB (56%);| /=2643MB;5948;5958;0;5968 'my disk'=1.5%;;;0;100",
        "PING OK|rta=0.80ms;1;2 pl=0%",
        "no data",
        "x|a=U b=1e308 c=-0 d='e'=5",
    ];
    text("plugins", 4_000, &corpus, |case| {
        let (words, numbers) = perfdata::split(case);
        assert!(words.len() <= case.len() && numbers.len() <= 20, "{case:?}");
        assert!(numbers.iter().all(|n| n.number.is_finite()), "{case:?}: {numbers:?}");
    });
}

#[test]
fn log_lines() {
    let corpus = [
        "Mar  3 08:41:00 nas nginx[123]: upstream timed out (110: Connection timed out) client: 10.0.0.7 id=4f3c-99aa",
        "2026-03-03T08:41:00.123Z ERROR [worker-7] failed after 350ms: /var/lib/x/0001.db 0xdeadbeef \"quoted text\"",
        "kernel: Out of memory: Killed process 4242 (java) total-vm:1000kB",
    ];
    text("log templates", 3_000, &corpus, |case| {
        let found = template(case);
        // What is counted must stay countable: a template may not grow with its line.
        assert!(found.len() <= 4 * case.len() + 64, "{case:?}: {found:?}");
    });
    let errors = lines::Errors::new().unwrap();
    text("error lines", 3_000, &corpus, |case| {
        errors.tells(case);
        assert!(lines::cut(case).len() <= case.len());
    });
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|line| line.as_bytes().to_vec()).collect();
    bytes("lines in pieces", 1_500, &corpus, |case| {
        let mut whole = Vec::new();
        lines::Splitter::new(1 << 20)
            .take(&[case, b"\n"].concat(), |line| whole.push(line.to_vec()));
        let mut splitter = lines::Splitter::new(1 << 20);
        let mut pieced = Vec::new();
        for piece in [case, b"\n"].concat().chunks(7) {
            splitter.take(piece, |line| pieced.push(line.to_vec()));
        }
        assert_eq!(pieced, whole, "{:?}", String::from_utf8_lossy(case));
    });
}

/// `journalctl -o json`, here from a file with thousands of damaged entries: one process for all.
#[tokio::test]
async fn the_journal() {
    let corpus: Vec<Vec<u8>> = [
        r#"{"__CURSOR":"s=1;i=1","MESSAGE":"failed: x","SYSLOG_IDENTIFIER":"nginx","PRIORITY":"3"}"#,
        r#"{"__CURSOR":"s=1;i=2","MESSAGE":[102,97,255,10],"SYSLOG_IDENTIFIER":null}"#,
        r#"{"__CURSOR":"s=1;i=3","MESSAGE":null}"#,
        "-- No entries --",
    ]
    .map(|line| line.as_bytes().to_vec())
    .into();
    let mut dice = crate::mutate::Dice::new(11);
    let mut all = Vec::new();
    for _ in 0..2_000 * times() {
        all.extend(dice.damage(&corpus));
        all.push(b'\n');
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, &all).unwrap();
    let script = format!("cat {}", path.display());
    let program = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned);
    let mut journal = journal::Journal::new(program.into());
    let redactor = Redactor::new(vec![]);
    for _ in 0..3 {
        if let Ok(lines) = journal.look(&redactor).await {
            assert!(format!("{lines:?}").len() < 1 << 20, "what is kept is bounded");
        }
    }
}
