//! The probes of a machine as a whole.

use crate::model::time::Span;
use crate::probe::ask::Common;
use crate::probe::docker::{compose, swarm};
use crate::probe::table::kinds::{Kind, Made};
use crate::probe::{
    boot, cpu, disk, docker, heat, memory, net, oom, raid, security, smart, time, updates, zfs,
};

const MINUTE: Span = Span::mins(1);

fn every(every: Span) -> Common {
    Common::with(every, Span::secs(20))
}

/// What programs answer that ask every disk or every package.
fn slow(every: Span) -> Common {
    Common::with(every, Span::secs(60))
}

/// Those of a machine as a whole, of this one and of every other host.
pub(super) const MACHINE: [Kind; 16] = [
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
    Kind {
        name: "security",
        probe: "security",
        summary: "logins, open ports, keys, sudoers, cron and containers with rights: what is new, for you alone",
        example: "security = { failures = 50, ignore = [\"tcp 8096\"] }",
        gives: security::gives,
        made: Made::Machine {
            common: || Common { fire_after: 1, clear_after: 1, ..every(Span::mins(5)) },
            make: |section, host| {
                Box::new(security::Security::new(security::configure(section), host))
            },
        },
    },
];
