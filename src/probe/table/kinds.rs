//! The kinds of probes, one row each.

use crate::config::section::Section;
use crate::model::ids::HostName;
use crate::model::time::Span;
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::docker::{compose, swarm};
#[cfg(feature = "kube")]
use crate::probe::kube;
#[cfg(feature = "postgres")]
use crate::probe::postgres;
use crate::probe::{
    HostProbe, backup, boot, cert, cpu, disk, dns, docker, domain, errors, exec, folder, heat,
    http, mariadb, memory, net, oom, ping, process, queue, raid, reach, reef_self, s3, smart, tcp,
    time, tls, unit, updates, ups, zfs,
};

/// One kind of probe.
#[derive(Debug)]
pub struct Kind {
    /// As in the config: `http`.
    pub name: &'static str,
    /// As in its signals and in a runbook's `match`, where it is another's: a folder is a `disk`.
    pub probe: &'static str,
    /// One line, at most 100 characters, no full stop.
    pub summary: &'static str,
    /// Lines of config that make one; empty for kinds that nobody has to write.
    pub example: &'static str,
    /// What a reading of it has, for runbooks: `reading.NAME`.
    pub gives: fn() -> Vec<Gives>,
    pub made: Made,
}

/// How a kind's probes come to be.
#[derive(Debug)]
pub enum Made {
    /// `kind.name = …`, one probe each.
    Named(fn(&mut Ask<'_>) -> Vec<Draft>),
    /// One for the machine, whether it is written or not; `[probe.kind]` sets it.
    Machine { common: fn() -> Common, make: fn(&mut Section, HostName) -> Box<dyn HostProbe> },
    /// `NAME = …` below a table of its own beside `[probe]`.
    Apart { table: &'static str, configure: fn(&mut Ask<'_>) -> Vec<Draft> },
    /// By reef itself.
    Itself,
}

const MINUTE: Span = Span::mins(1);

fn every(every: Span) -> Common {
    Common::with(every, Span::secs(20))
}

/// What programs answer that ask every disk or every package.
fn slow(every: Span) -> Common {
    Common::with(every, Span::secs(60))
}

/// Those of a machine as a whole, of this one and of every other host.
const MACHINE: [Kind; 15] = [
    Kind {
        name: "disk",
        probe: "disk",
        summary: "bytes and inodes of every real volume",
        example: "disk.\"/srv\" = { yellow = \"92 %\", red = \"96 %\" }",
        gives: disk::gives,
        made: Made::Machine {
            common: || every(Span::mins(5)),
            make: |section, host| Box::new(disk::Disk::new(disk::configure(section), host)),
        },
    },
    Kind {
        name: "memory",
        probe: "memory",
        summary: "memory and swap; red only with pressure",
        example: "memory = { yellow = \"5 %\" }",
        gives: memory::gives,
        made: Made::Machine {
            common: || every(MINUTE),
            make: |section, host| {
                Box::new(memory::MemoryProbe::new(memory::configure(section), host))
            },
        },
    },
    Kind {
        name: "oom",
        probe: "memory",
        summary: "processes that the kernel killed for want of memory",
        example: "oom = { wakes = true }",
        gives: oom::gives,
        made: Made::Machine {
            common: || Common {
                fire_after: oom::FIRE_AFTER,
                clear_after: oom::CLEAR_AFTER,
                ..every(MINUTE)
            },
            make: |_, host| Box::new(oom::Oom::new(host)),
        },
    },
    Kind {
        name: "cpu",
        probe: "cpu",
        summary: "load per core against its own past, and context switches",
        example: "cpu = { yellow = 4.0 }",
        gives: cpu::gives,
        made: Made::Machine {
            common: || every(MINUTE),
            make: |section, host| Box::new(cpu::CpuProbe::new(cpu::configure(section), host)),
        },
    },
    Kind {
        name: "net",
        probe: "net",
        summary: "errors and drops of each network interface",
        example: "net = { rate = 5.0 }",
        gives: net::gives,
        made: Made::Machine {
            common: || every(MINUTE),
            make: |section, host| Box::new(net::Net::new(net::configure(section), host)),
        },
    },
    Kind {
        name: "docker",
        probe: "docker",
        summary: "containers that end, are sick or restart too often; not those that were stopped",
        example: "docker = { ignore = [\"test-*\"] }",
        gives: docker::gives,
        made: Made::Machine {
            common: || Common { fire_after: docker::FIRE_AFTER, ..every(MINUTE) },
            make: |section, host| {
                Box::new(docker::DockerProbe::new(docker::configure(section), host))
            },
        },
    },
    Kind {
        name: "compose",
        probe: "compose",
        summary: "services of a compose file that have no container",
        example: "compose = { ignore = [\"attic\"] }",
        gives: compose::gives,
        made: Made::Machine {
            common: || every(MINUTE),
            make: |section, host| {
                let settings = compose::configure(section);
                Box::new(compose::ComposeProbe::new(settings, host))
            },
        },
    },
    Kind {
        name: "swarm",
        probe: "swarm",
        summary: "nodes of a Swarm that are down, and services short of replicas",
        example: "swarm = { ignore = [\"lab-*\"] }",
        gives: swarm::gives,
        made: Made::Machine {
            common: || every(MINUTE),
            make: |section, host| {
                let settings = swarm::configure(section);
                Box::new(swarm::SwarmProbe::new(settings, host))
            },
        },
    },
    Kind {
        name: "smart",
        probe: "smart",
        summary: "what disks say of their own health; one that sleeps is left asleep",
        example: "smart = { worn = 80, ignore = [\"/dev/sdz\"] }",
        gives: smart::gives,
        made: Made::Machine {
            common: || Common { fire_after: 1, ..slow(Span::hours(1)) },
            make: |section, host| Box::new(smart::SmartProbe::new(smart::configure(section), host)),
        },
    },
    Kind {
        name: "zfs",
        probe: "zfs",
        summary: "the health of every ZFS pool",
        example: "zfs = { every = \"1m\" }",
        gives: zfs::gives,
        made: Made::Machine {
            common: || Common { fire_after: 2, ..every(Span::mins(5)) },
            make: |_, host| Box::new(zfs::Zfs::new(host)),
        },
    },
    Kind {
        name: "raid",
        probe: "raid",
        summary: "arrays of software RAID that lost a member",
        example: "raid = { every = \"1m\" }",
        gives: raid::gives,
        made: Made::Machine {
            common: || Common { fire_after: 2, ..every(Span::mins(5)) },
            make: |_, host| Box::new(raid::Raid::new(host)),
        },
    },
    Kind {
        name: "time",
        probe: "time",
        summary: "whether the clock is right, and kept so",
        example: "time = { yellow = \"1s\", red = \"30s\" }",
        gives: time::gives,
        made: Made::Machine {
            common: || every(Span::mins(15)),
            make: |section, host| Box::new(time::Time::new(time::configure(section), host)),
        },
    },
    Kind {
        name: "heat",
        probe: "heat",
        summary: "the temperature that is nearest to its limit",
        example: "heat = { yellow = 80.0, red = 90.0 }",
        gives: heat::gives,
        made: Made::Machine {
            common: || every(Span::mins(2)),
            make: |section, host| Box::new(heat::Heat::new(heat::configure(section), host)),
        },
    },
    Kind {
        name: "updates",
        probe: "updates",
        summary: "packages that wait and a reboot that is wanted; for the report, never above green",
        example: "updates = { every = \"12h\" }",
        gives: updates::gives,
        made: Made::Machine {
            common: || slow(Span::hours(24)),
            make: |_, host| Box::new(updates::Waiting::new(host)),
        },
    },
    Kind {
        name: "boot",
        probe: "boot",
        summary: "since when the machine runs, and that it was started anew",
        example: "boot = { every = \"1m\" }",
        gives: boot::gives,
        made: Made::Machine {
            common: || every(Span::mins(5)),
            make: |_, host| Box::new(boot::LastBoot::new(host)),
        },
    },
];

/// Those that the operator names.
const NAMED: &[Kind] = &[
    Kind {
        name: "unit",
        probe: "unit",
        summary: "a systemd unit that fails, or restarts again and again",
        example: "unit.web = \"nginx.service\"",
        gives: unit::gives,
        made: Made::Named(unit::configure),
    },
    Kind {
        name: "process",
        probe: "process",
        summary: "whether a process runs, and how many of it",
        example: "process.plex = \"Plex Media Server\"",
        gives: process::gives,
        made: Made::Named(process::configure),
    },
    Kind {
        name: "folder",
        probe: "disk",
        summary: "a folder against a budget of its own",
        example: "folder.photos = { path = \"/srv/photos\", budget = \"200 GiB\" }",
        gives: folder::gives,
        made: Made::Named(folder::configure),
    },
    Kind {
        name: "backup",
        probe: "backup",
        summary: "the age of the newest backup against its schedule",
        example: "backup.photos = { path = \"/srv/backup/photos\", schedule = \"24h\" }",
        gives: backup::gives,
        made: Made::Named(backup::configure),
    },
    Kind {
        name: "errors",
        probe: "errors",
        summary: "the rate of errors in a log against its own past",
        example: "errors.app = \"/var/log/app.log\"",
        gives: errors::gives,
        made: Made::Named(errors::configure),
    },
    Kind {
        name: "http",
        probe: "http",
        summary: "whether an endpoint answers as it should, and how fast",
        example: "http.photos = { url = \"https://photos.home.example/ping\", body = \"pong\", slow = \"2s\" }",
        gives: http::gives,
        made: Made::Named(http::configure),
    },
    Kind {
        name: "tls",
        probe: "tls",
        summary: "how long a certificate is still good; its chain and its name",
        example: "tls.mail = \"mail.home.example:993\"",
        gives: tls::gives,
        made: Made::Named(tls::configure),
    },
    Kind {
        name: "cert",
        probe: "cert",
        summary: "certificates in files: how long they are still good, their names and chains",
        example: "cert.web = \"/etc/letsencrypt/live/*/fullchain.pem\"",
        gives: cert::gives,
        made: Made::Named(cert::configure),
    },
    Kind {
        name: "ping",
        probe: "ping",
        summary: "whether a machine, or any of several, answers an echo",
        example: "ping.internet = [\"192.0.2.1\", \"192.0.2.2\"]",
        gives: ping::gives,
        made: Made::Named(ping::configure),
    },
    Kind {
        name: "tcp",
        probe: "tcp",
        summary: "whether a port takes connections, and greets as it should",
        example: "tcp.ssh = { server = \"nas:22\", expect = \"SSH-2.0\" }",
        gives: tcp::gives,
        made: Made::Named(tcp::configure),
    },
    #[cfg(feature = "postgres")]
    Kind {
        name: "postgres",
        probe: "postgres",
        summary: "whether a PostgreSQL server answers; its standbys, slots and connections",
        example: "postgres.main = { url = \"postgres://reef@nas/postgres\", standbys = [\"replica1\"] }",
        gives: postgres::gives,
        made: Made::Named(postgres::configure),
    },
    Kind {
        name: "mariadb",
        probe: "mariadb",
        summary: "whether a MariaDB or MySQL server answers; its replication and connections",
        example: "mariadb.main = { server = \"nas:3306\", user = \"reef\", replicas = [\"2\"] }",
        gives: mariadb::gives,
        made: Made::Named(mariadb::configure),
    },
    Kind {
        name: "queue",
        probe: "queue",
        summary: "how many messages wait in a queue of RabbitMQ, Redis or NATS",
        example: "queue.mail = { redis = \"redis://nas:6379/0\", queue = \"mail\", yellow = 1000, red = 10000 }",
        gives: queue::gives,
        made: Made::Named(queue::configure),
    },
    Kind {
        name: "s3",
        probe: "s3",
        summary: "whether a bucket can be listed, and how old its newest object is",
        example: "s3.backup = { url = \"https://s3.home.example\", bucket = \"backup\", access_key = \"reef\", secret_key = { command = [\"pass\", \"reef/s3\"] }, newest_within = \"25h\" }",
        gives: s3::gives,
        made: Made::Named(s3::configure),
    },
    Kind {
        name: "domain",
        probe: "domain",
        summary: "how long a domain is still registered",
        example: "domain.home = \"example.com\"",
        gives: domain::gives,
        made: Made::Named(domain::configure),
    },
    Kind {
        name: "dns",
        probe: "dns",
        summary: "whether a resolver knows the own names, and finds those of the world",
        example: "dns.pihole = { server = \"192.168.1.3\", own = \"nas.home.example\" }",
        gives: dns::gives,
        made: Made::Named(dns::configure),
    },
    Kind {
        name: "ups",
        probe: "ups",
        summary: "a UPS by NUT: on battery, its charge, its battery's age",
        example: "ups.rack = \"rack@nas\"",
        gives: ups::gives,
        made: Made::Named(ups::configure),
    },
    Kind {
        name: "exec",
        probe: "exec",
        summary: "any Nagios plugin, or a program that answers like one",
        example: "exec.raid = [\"/usr/lib/nagios/plugins/check_raid\"]",
        gives: exec::gives,
        made: Made::Named(exec::configure),
    },
    #[cfg(feature = "kube")]
    Kind {
        name: "kube",
        probe: "kube",
        summary: "a Kubernetes cluster: nodes, workloads, jobs, volumes, certificates",
        example: "[kubernetes]\nk3s = { kubeconfig_file = \"/etc/reef/k3s.yaml\" }",
        gives: kube::gives,
        made: Made::Apart { table: "kubernetes", configure: kube::configure },
    },
];

/// Those that reef makes by itself.
const ITSELF: [Kind; 2] = [
    Kind {
        name: "host",
        probe: "host",
        summary: "whether a remote host can be reached",
        example: "",
        gives: reach::gives,
        made: Made::Itself,
    },
    Kind {
        name: "reef",
        probe: "reef",
        summary: "reef itself: looks that failed or were missed, and its memory",
        example: "",
        gives: reef_self::gives,
        made: Made::Itself,
    },
];

/// All kinds, in the order of `reef status`.
pub fn kinds() -> impl Iterator<Item = &'static Kind> + Clone {
    static ALL: (&[Kind], &[Kind], &[Kind]) = (&MACHINE, NAMED, &ITSELF);
    ALL.0.iter().chain(ALL.1).chain(ALL.2)
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}

/// What a reading may have whose signal's probe is this word; `None` for a word that is no probe's.
pub fn gives_of(probe: &str) -> Option<Vec<Gives>> {
    let mut found: Option<Vec<Gives>> = None;
    for kind in kinds().filter(|kind| kind.probe == probe) {
        let known = found.get_or_insert_with(Vec::new);
        for gives in (kind.gives)() {
            if known.iter().all(|k| k.name != gives.name) {
                known.push(gives);
            }
        }
    }
    found
}
