//! Reads that must pass, the known ways around such a table, and properties of the table itself.

use proptest::prelude::*;

use super::*;

fn argv(line: &str) -> Argv {
    Argv::new(line.split(' ').map(str::to_owned).collect()).unwrap()
}

fn word(class: &Class) -> &'static str {
    match class {
        Class::ReadOnly(_) => "read",
        Class::Critical { .. } => "critical",
        Class::Evaluator { .. } => "evaluator",
    }
}

#[track_caller]
fn check(line: &str, want: &str) {
    let class = classify(&argv(line));
    assert_eq!(word(&class), want, "{line}: {class:?}");
}

const READ_LINES: &[&str] = &[
    "systemctl show nginx.service --property=ActiveState,SubState --no-pager",
    "systemctl show -p NRestarts --value nginx.service",
    "systemctl --no-pager list-units --state=failed --plain --no-legend",
    "systemctl status -n 20 --no-pager a@b.service",
    "systemctl is-active nginx.service",
    "systemctl is-failed nginx.service",
    "systemctl cat nginx.service",
    "systemctl service-log-level nginx.service",
    r"systemctl show dev-disk-by\x2duuid.swap",
    "/usr/bin/systemctl is-enabled ssh.service",
    "journalctl -u nginx.service -n 50 --no-pager -o json",
    "journalctl --unit=nginx.service --lines=50 --since=-1h -p err --utc",
    "journalctl -kb -q --no-pager",
    "journalctl --lines 200 --no-pager --priority err --unit nginx.service --output short-iso",
    "journalctl _SYSTEMD_UNIT=ssh.service _PID=1 --no-pager",
    "journalctl --disk-usage",
    "df -hT /var",
    "df --output=source,size,avail",
    "du -xsk /var/log",
    "du -x --max-depth=1 /var",
    "ps aux",
    "ps -eo pid,comm",
    "ps -e -o pid=,rss=,comm= --sort=-rss --no-headers",
    "ls -la /var/log",
    "stat -c %s /var/log/syslog",
    "uptime -s",
    "free -b",
    "cat /proc/meminfo",
    "cat /proc/1/status",
    "cat /sys/class/hwmon/hwmon0/temp1_input",
    "head -n 20 /var/log/syslog",
    "tail -n 100 /var/log/nginx/error.log",
    "ip -s link",
    "ip -j addr show dev eth0",
    "ip -br address show",
    "ss -ltnp",
    "uname -a",
    "id -u",
    "hostname",
    "date -u +%s",
    "date",
    "findmnt -J -o TARGET,FSTYPE",
    "lsblk -J -o NAME,SIZE",
    "docker ps -a --no-trunc --format=json",
    "docker inspect --type=container web",
    "docker logs --tail 100 --since 10m web",
    "docker system df -v",
    "kubectl get pods -A -o json",
    "kubectl get deploy/web -n apps --output=yaml",
    "kubectl get pods web-0 web-1 -n apps",
    "kubectl describe node worker",
    "kubectl logs web-0 -n apps --tail=100 --previous",
    "kubectl top pods -A",
    "zpool status -x",
    "zpool status -v tank",
    "zpool list -Hp -o name,size,free",
    "zfs list -Hp -t snapshot tank/home",
    "smartctl -H -n standby /dev/sda",
    "smartctl -A -d sat -j /dev/disk/by-id/ata-X",
    "timedatectl show",
    "systemctl list-jobs --no-legend",
    "who -u",
    "w -h",
    "last -n 20 -F",
    "loginctl list-sessions --no-legend",
    "dmesg -T --level err,warn",
    "sysctl -n net.ipv4.ip_forward",
    "vmstat -s",
    "chronyc -n tracking",
    "resolvectl status",
    "pgrep -af nginx",
    "fuser -vm /srv/photos",
    "wc -l /var/log/syslog",
    "zcat /var/log/syslog.2.gz",
    "netstat -tulpn",
    "ethtool -S eth0",
    "ip rule show",
    "wg show wg0",
    "nft list ruleset",
    "swapon --show --bytes",
    "lvs --noheadings -o lv_name,lv_size --units b",
    "mdadm --detail /dev/md0",
    "hdparm -C /dev/sda",
    "fdisk -l /dev/sda",
    "nvme smart-log -o json /dev/nvme0",
    "smartctl --scan",
    "btrfs device stats /srv",
    "zpool iostat -v tank",
    "zfs get -Hp used,available tank/home",
    "apt list --upgradable",
    "dpkg -l openssh-server",
    "rpm -qa",
    "podman ps -a --format=json",
    "docker images --no-trunc",
    "docker stats --no-stream web",
    "docker network inspect bridge",
    "kubectl rollout history deploy/web -n apps",
];

#[test]
fn plain_reads_pass() {
    for line in READ_LINES {
        // `-eo` joins a letter with an option that takes a value: only whole options count.
        check(line, if line.contains("-eo") { "critical" } else { "read" });
    }
}

/// What it is, the command, what it must be.
const CASES: &[(&str, &str, &str)] = &[
    // Shells and what stands in for them.
    ("a shell", "sh -c id", "evaluator"),
    ("a login shell", "bash -lc id", "evaluator"),
    ("a shell by its path", "/bin/sh -c id", "evaluator"),
    ("a shell in another folder", "/tmp/sh -c id", "evaluator"),
    ("a shell in capitals", "/bin/SH -c id", "evaluator"),
    ("a shell without -c", "bash /var/log/x", "evaluator"),
    ("a shell inside busybox", "busybox sh -c id", "evaluator"),
    ("busybox as the program itself", "busybox cat /proc/meminfo", "evaluator"),
    ("toybox", "toybox rm x", "evaluator"),
    ("a versioned interpreter", "python3.11 -c print(1)", "evaluator"),
    ("an interpreter", "python -c print(1)", "evaluator"),
    ("perl", "perl -e 1", "evaluator"),
    ("node", "node -e 1", "evaluator"),
    ("ruby", "ruby -e 1", "evaluator"),
    ("lua", "lua5.4 -e 1", "evaluator"),
    ("awk", "awk BEGIN{system(\"id\")}", "evaluator"),
    ("gawk", "gawk -f x", "evaluator"),
    ("sed in place", "sed -i s/a/b/ /etc/passwd", "evaluator"),
    ("sed with its e command", "sed 1e/bin/id /proc/meminfo", "evaluator"),
    ("xargs", "xargs rm", "evaluator"),
    ("env in front", "env cat /proc/meminfo", "evaluator"),
    ("env with a variable", "env LD_PRELOAD=/tmp/x.so cat /proc/meminfo", "evaluator"),
    ("a variable as the program", "LD_PRELOAD=/tmp/x.so cat", "critical"),
    ("nsenter", "nsenter -t 1 -m cat /proc/meminfo", "evaluator"),
    ("unshare", "unshare -r sh", "evaluator"),
    ("chroot", "chroot / sh", "evaluator"),
    ("ssh", "ssh nas rm x", "evaluator"),
    ("sudo in front of a read", "sudo cat /proc/meminfo", "evaluator"),
    ("timeout in front of a read", "timeout 5 cat /proc/meminfo", "evaluator"),
    ("nohup in front of a read", "nohup cat /proc/meminfo", "evaluator"),
    ("nice in front", "nice cat /proc/meminfo", "evaluator"),
    ("stdbuf in front", "stdbuf -o0 cat /proc/meminfo", "evaluator"),
    ("setsid in front", "setsid cat /proc/meminfo", "evaluator"),
    ("watch", "watch rm x", "evaluator"),
    ("script", "script -c id", "evaluator"),
    ("the loader", "/lib64/ld-linux-x86-64.so.2 /bin/rm x", "evaluator"),
    ("make", "make -f /tmp/x", "evaluator"),
    ("git's aliases", "git -c alias.x=!id x", "evaluator"),
    ("a pager that runs commands", "less /var/log/syslog", "evaluator"),
    ("an editor", "vim -c :!id", "evaluator"),
    ("a transient unit", "systemd-run id", "evaluator"),
    ("flock", "flock /tmp/x id", "evaluator"),
    ("find -exec", "find /var -exec rm {} ;", "evaluator"),
    ("find -execdir", "find /var -execdir rm {} ;", "evaluator"),
    ("find -delete", "find /var -delete", "critical"),
    ("find -fprint", "find /var -fprint /etc/x", "critical"),
    ("tar's checkpoint", "tar --checkpoint-action=exec=id -cf x y", "evaluator"),
    ("docker exec", "docker exec web id", "evaluator"),
    ("docker run", "docker run -v /:/h alpine", "evaluator"),
    ("kubectl exec", "kubectl exec web -- id", "evaluator"),
    ("kubectl exec after a read's options", "kubectl -n apps exec web -- id", "evaluator"),
    ("a network namespace", "ip netns exec x id", "evaluator"),
    // Writers.
    ("tee", "tee /etc/passwd", "critical"),
    ("dd", "dd if=/dev/zero of=/dev/sda", "critical"),
    ("rm", "rm -rf /", "critical"),
    ("sort writes with -o", "sort -o /etc/passwd /var/log/x", "critical"),
    ("sort's abbreviated --compress-program", "sort --compress-prog=/tmp/x /var/log/x", "critical"),
    ("recursive grep", "grep -R password /", "critical"),
    // The right program, another folder or spelling.
    ("a program beside", "./systemctl status", "critical"),
    ("a program in /tmp", "/tmp/systemctl status", "critical"),
    ("a path that leaves its folder", "/usr/bin/../../tmp/df -h", "critical"),
    ("a program in capitals", "DF -h", "critical"),
    ("a look-alike letter", "\u{0441}at /proc/meminfo", "critical"),
    ("an invisible character", "cat\u{200b} /proc/meminfo", "critical"),
    ("the program with a line break", "cat\n /proc/meminfo", "critical"),
    // Options.
    ("a level that is set", "systemctl service-log-level nginx.service debug", "critical"),
    ("a level of nothing", "systemctl service-log-level", "critical"),
    ("an abbreviated option", "systemctl show --prop=Id", "critical"),
    ("an abbreviation of --no-pager", "systemctl show --no-page x.service", "critical"),
    ("an abbreviated vacuum", "journalctl --vac=1s", "critical"),
    ("vacuum", "journalctl --vacuum-size=1M", "critical"),
    ("vacuum by time", "journalctl --vacuum-time 1s", "critical"),
    ("rotate", "journalctl --rotate", "critical"),
    ("flush", "journalctl --flush", "critical"),
    ("sync", "journalctl --sync", "critical"),
    ("relinquish", "journalctl --relinquish-var", "critical"),
    ("a cursor file is written", "journalctl --cursor-file=/etc/x", "critical"),
    ("an output file", "journalctl --output-file=/etc/x", "critical"),
    ("keys are made", "journalctl --setup-keys", "critical"),
    ("another root", "journalctl --root=/mnt", "critical"),
    ("it never ends", "journalctl -f", "critical"),
    ("joined with a letter that is not listed", "journalctl -kf", "critical"),
    ("a value glued to its letter", "journalctl -n50", "critical"),
    ("a value in another form", "journalctl --output-fields MESSAGE", "critical"),
    ("an option where a value belongs", "journalctl -u --rotate", "critical"),
    ("an option after the value", "journalctl -u x.service --rotate", "critical"),
    ("end of options", "systemctl -- status", "critical"),
    ("a lone dash", "cat -", "critical"),
    ("an empty argument", "cat /proc/meminfo ", "critical"),
    ("another host", "systemctl -H root@nas status", "critical"),
    ("another machine", "systemctl --machine=x status", "critical"),
    ("restart", "systemctl restart nginx.service", "critical"),
    ("a verb behind a read verb's option", "systemctl --no-pager stop nginx.service", "critical"),
    ("reload", "systemctl daemon-reload", "critical"),
    ("set-property", "systemctl set-property x.service MemoryMax=1", "critical"),
    ("no verb", "systemctl", "critical"),
    ("a glob of units", "systemctl show *", "critical"),
    ("the clock", "date -s 2020-01-01", "critical"),
    ("the clock as an operand", "date 010100002020", "critical"),
    ("the clock, long", "date --set=2020-01-01", "critical"),
    ("the clock behind -u", "date -u 010100002020", "critical"),
    ("the host's name", "hostname evil", "critical"),
    ("the host's name from a file", "hostname -F /tmp/x", "critical"),
    ("sockets are killed", "ss -K", "critical"),
    ("sockets are killed, joined", "ss -ltK", "critical"),
    ("a dump", "ss -D /etc/x", "critical"),
    ("a link goes down", "ip link set eth0 down", "critical"),
    ("a batch", "ip -b /tmp/x link", "critical"),
    ("an address is added", "ip addr add 1.2.3.4/8 dev eth0", "critical"),
    ("an abbreviated verb", "ip l s", "critical"),
    ("it repeats for ever", "free -s 1", "critical"),
    ("mounts are polled for ever", "findmnt -p", "critical"),
    ("the environment of processes", "ps auxe", "critical"),
    ("names from a file", "du --files0-from=/etc/x", "critical"),
    // Paths.
    ("a secret of a process", "cat /proc/1/environ", "critical"),
    ("out of /proc by a link", "cat /proc/1/root/etc/shadow", "critical"),
    ("out of /proc by cwd", "cat /proc/self/cwd/x", "critical"),
    ("the kernel's ring is drained", "cat /proc/kmsg", "critical"),
    ("the kernel's memory", "cat /proc/kcore", "critical"),
    ("out by dots", "cat /var/log/../../etc/shadow", "critical"),
    ("a double slash", "cat /var/log//x", "critical"),
    ("a folder that begins alike", "cat /var/logs/x", "critical"),
    ("a glob", "cat /var/log/*", "critical"),
    ("a variable", "cat /var/log/$HOME", "critical"),
    ("a substitution", "cat /var/log/`id`", "critical"),
    ("a relative path", "cat syslog", "critical"),
    ("elsewhere", "cat /etc/shadow", "critical"),
    ("what people typed for a name", "cat /var/log/btmp", "critical"),
    ("it follows for ever", "tail -f /var/log/syslog", "critical"),
    ("all of a file", "tail -n +1 /var/log/syslog", "critical"),
    ("tracing is drained", "cat /sys/kernel/debug/tracing/trace_pipe", "critical"),
    // Docker, Kubernetes, ZFS, disks.
    ("another docker", "docker -H tcp://x ps", "critical"),
    ("another docker config", "docker --config /tmp ps", "critical"),
    ("docker rm", "docker rm web", "critical"),
    ("docker system prune", "docker system prune", "critical"),
    ("a template of its own", "docker inspect -f {{.Config.Env}} web", "critical"),
    ("docker logs follow", "docker logs -f web", "critical"),
    ("kubectl delete", "kubectl delete pod web", "critical"),
    ("secrets", "kubectl get secrets", "critical"),
    ("secrets behind pods", "kubectl get pods,secrets", "critical"),
    ("one secret behind a pod", "kubectl get pods/x secret/y", "critical"),
    ("a raw request", "kubectl get --raw=/api/v1/proxy", "critical"),
    ("another kubeconfig", "kubectl get pods --kubeconfig=/tmp/x", "critical"),
    ("another identity", "kubectl get pods --as=admin", "critical"),
    ("another config before the verb", "kubectl --kubeconfig /tmp/x get pods", "critical"),
    ("a template from a file", "kubectl get pods -o go-template-file=/x", "critical"),
    ("it watches for ever", "kubectl get pods -w", "critical"),
    ("zpool runs scripts", "zpool status -c upath", "critical"),
    ("an interval", "zpool status tank 5", "critical"),
    ("zpool scrub", "zpool scrub tank", "critical"),
    ("zfs destroy", "zfs destroy tank/home", "critical"),
    ("a self-test", "smartctl -t long /dev/sda", "critical"),
    ("smart settings", "smartctl -s on /dev/sda", "critical"),
    ("sensors set", "sensors -s", "critical"),
];

#[test]
#[expect(clippy::print_stdout, reason = "its figure is one of `bash benches/safety`")]
fn known_ways_around_are_closed() {
    assert!(60 <= CASES.len());
    for (name, line, want) in CASES {
        let class = classify(&argv(line));
        assert_eq!(word(&class), *want, "{name}: {line}: {class:?}");
    }
    println!("figure | option tricks of single programs that pass | 0 of {}", CASES.len());
}

#[test]
fn a_log_that_the_config_names_may_be_read() {
    let declared = [AbsPath::new("/srv/app/log.txt").unwrap()];
    for (line, want) in [
        ("tail -n 5 /srv/app/log.txt", "read"),
        ("cat /srv/app/log.txt /var/log/syslog", "read"),
        ("tail -f /srv/app/log.txt", "critical"),
        ("tail -n 5 /srv/app/log.txt.1", "critical"),
        ("tail -n 5 /srv/app/./log.txt", "critical"),
        ("rm /srv/app/log.txt", "critical"),
        ("/tmp/cat /srv/app/log.txt", "critical"),
    ] {
        assert_eq!(word(&classify_with(&argv(line), &declared)), want, "{line}");
    }
    check("tail -n 5 /srv/app/log.txt", "critical");
}

#[test]
fn the_commits_of_a_repository_are_read_in_one_form_only() {
    let repository = AbsPath::new("/opt/stacks").unwrap();
    let log = git_log(&repository, 5);
    assert!(log.argv().as_slice().contains(&"protocol.allow=never".to_owned()));
    // What people write themselves stays what git makes of it.
    assert_eq!(word(&classify(log.argv())), "evaluator");
}

#[test]
fn a_reason_names_what_was_wrong() {
    let why = |line| match classify(&argv(line)) {
        Class::ReadOnly(_) => String::new(),
        Class::Critical { why } | Class::Evaluator { why } => why,
    };
    assert_eq!(
        why("journalctl --rotate"),
        "journalctl: option \"--rotate\" is not in the table of reads"
    );
    assert_eq!(why("rm x"), "\"rm\" is not in the table of commands that only read");
    assert_eq!(why("sudo ls"), "\"sudo\" runs what its arguments say");
    assert_eq!(why("cat /etc/shadow"), "cat: operand \"/etc/shadow\" is not one it may read");
}

#[test]
fn no_evaluator_stands_in_the_table() {
    for read in reads::all() {
        assert!(!EVALUATORS.contains(&read.program), "{}", read.program);
        for (name, ..) in read.valued {
            assert!(name.len() == 2 || name.starts_with("--"), "{} {name}", read.program);
            assert!(!read.flags.contains(name), "{} {name}: flag and valued", read.program);
            let letter = name.strip_prefix('-').filter(|l| l.len() == 1);
            let joined = letter.is_some_and(|l| read.letters.contains(l));
            assert!(!joined, "{} {name}: letter and valued", read.program);
        }
        assert!(read.operands.0 <= read.operands.1);
    }
}

#[test]
fn commands_are_bounded() {
    let strings = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    for bad in [
        strings(&[]),
        strings(&["", "x"]),
        strings(&["ls", "a\0b"]),
        vec!["x".to_owned(); 257],
        vec!["x".repeat(64 * 1_024 + 1)],
    ] {
        assert!(Argv::new(bad).is_err());
    }
    let good = Argv::new(strings(&["ls", "-l", "a b", ""])).unwrap();
    assert_eq!(good.to_string(), "ls -l \"a b\" \"\"");
    assert_eq!((good.program(), good.args().len()), ("ls", 3));
}

/// Whether the option stands in any row of that program, as the whole string that it is.
fn listed(program: &str, option: &str) -> bool {
    reads::all().filter(|read| read.program == program).any(|read| {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        read.flags.contains(&option)
            || read.valued.iter().any(|(n, ..)| *n == name)
            || option[1..].chars().all(|c| read.letters.contains(c))
    })
}

proptest! {
    #[test]
    fn an_option_that_is_not_listed_is_never_read_only(
        line in prop::sample::select(READ_LINES),
        option in "-{1,2}[a-zA-Z0-9][a-z0-9=-]{0,12}",
        place in 0_usize..8,
    ) {
        let mut parts: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let program = parts[0].rsplit('/').next().unwrap_or_default();
        prop_assume!(!listed(program, &option));
        parts.insert(1 + place % parts.len(), option);
        let class = classify(&Argv::new(parts).unwrap());
        prop_assert_ne!(word(&class), "read");
    }

    #[test]
    fn no_command_panics(parts in prop::collection::vec(".{0,12}", 1..6)) {
        if let Ok(argv) = Argv::new(parts) {
            classify(&argv);
            let _shown = argv.to_string();
        }
    }

    #[test]
    fn a_prefix_of_a_long_option_is_never_taken(line in prop::sample::select(READ_LINES), cut in 1_usize..8) {
        let parts: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for (i, part) in parts.iter().enumerate() {
            let name = part.split_once('=').map_or(part.as_str(), |(name, _)| name);
            if name.starts_with("--") && cut < name.len() - 2 {
                let short = format!("{}{}", &name[..name.len() - cut], &part[name.len()..]);
                if listed(&parts[0], &short) { continue; }
                let mut parts = parts.clone();
                parts[i] = short;
                prop_assert_ne!(word(&classify(&Argv::new(parts).unwrap())), "read");
            }
        }
    }
}
