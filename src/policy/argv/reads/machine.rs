//! Reads of the machine: its processes, files, memory and networks. What asks a name of another machine is not
//! here: a name can carry a secret away.

use crate::policy::argv::check::Check::{
    Format, Lines, Name, Names, Numbers, OneOf, Path, Readable, Sort, Stamp,
};
use crate::policy::argv::reads::Form::{Both, Equals, Next};
use crate::policy::argv::reads::{Read, read};

pub(super) const READS: &[Read] = &[
    Read {
        letters: "eflFLTw",
        flags: &["--no-headers"],
        valued: &[
            ("-o", Next, Names),
            ("-p", Next, Numbers),
            ("-C", Next, Name),
            ("--sort", Equals, Sort),
        ],
        operands: (0, 1, OneOf(&["aux", "auxww", "ax", "axu"])),
        ..read("ps")
    },
    Read {
        letters: "lahAdn1tSrRisF",
        flags: &["--full-time", "--all", "--almost-all"],
        valued: &[("--time-style", Equals, OneOf(&["iso", "long-iso", "full-iso"]))],
        operands: (0, 64, Path),
        ..read("ls")
    },
    Read {
        letters: "Lft",
        valued: &[("-c", Next, Format), ("--format", Equals, Format)],
        operands: (1, 64, Path),
        ..read("stat")
    },
    Read { flags: &["-p", "-s"], ..read("uptime") },
    Read { letters: "bkmghwt", ..read("free") },
    Read { operands: (1, 64, Readable), ..read("cat") },
    Read {
        valued: &[("-n", Next, Lines), ("-c", Next, Lines), ("--lines", Equals, Lines)],
        operands: (1, 16, Readable),
        ..read("head")
    },
    Read {
        valued: &[("-n", Next, Lines), ("-c", Next, Lines), ("--lines", Equals, Lines)],
        operands: (1, 16, Readable),
        ..read("tail")
    },
    Read {
        verbs: &[&["link"], &["addr"], &["address"], &["route"], &["neigh"]],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        ..read("ip")
    },
    Read {
        verbs: &[
            &["link", "show"],
            &["addr", "show"],
            &["address", "show"],
            &["route", "show"],
            &["neigh", "show"],
        ],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        operands: (0, 1, Name),
        ..read("ip")
    },
    Read {
        verbs: &[
            &["link", "show", "dev"],
            &["addr", "show", "dev"],
            &["address", "show", "dev"],
            &["route", "show", "dev"],
            &["neigh", "show", "dev"],
        ],
        flags: &["-s", "-d", "-j", "-o", "-4", "-6", "-br"],
        operands: (1, 1, Name),
        ..read("ip")
    },
    Read { letters: "ltnuapxsemioHO46", ..read("ss") },
    Read { letters: "asnrvmpio", ..read("uname") },
    Read { letters: "ugGnr", operands: (0, 1, Name), ..read("id") },
    Read { flags: &["-s", "-f", "-I"], ..read("hostname") },
    Read { flags: &["-u", "-R", "-Is", "--utc"], operands: (0, 1, Stamp), ..read("date") },
    Read { ..read("nproc") },
    Read { flags: &["-J", "-e"], ..read("lscpu") },
    Read { flags: &["-j", "-u"], ..read("sensors") },
    Read { letters: "abHqru", ..read("who") },
    Read { letters: "hsfi", ..read("w") },
    Read { letters: "xFwai", valued: &[("-n", Next, Lines)], ..read("last") },
    Read { ..read("users") },
    Read { ..read("whoami") },
    Read {
        letters: "Txkut",
        valued: &[("-l", Next, Names), ("--level", Both, Names), ("--facility", Both, Names)],
        ..read("dmesg")
    },
    Read { letters: "nvkt", ..read("lspci") },
    Read { letters: "tv", ..read("lsusb") },
    Read { ..read("lsmod") },
    Read { operands: (1, 8, Name), letters: "n", ..read("sysctl") },
    Read { letters: "sdwa", ..read("vmstat") },
    Read { letters: "xdkmcyz", ..read("iostat") },
    Read { valued: &[("-t", Next, Names)], ..read("dmidecode") },
    Read {
        letters: "alfxc",
        valued: &[("-u", Next, Name)],
        operands: (1, 1, Name),
        ..read("pgrep")
    },
    Read { letters: "s", operands: (1, 4, Name), ..read("pidof") },
    Read { letters: "apuT", ..read("pstree") },
    Read { letters: "vmuc", operands: (1, 4, Path), ..read("fuser") },
    Read { letters: "nP", flags: &["-i"], ..read("lsof") },
    Read { letters: "lcwm", operands: (1, 16, Readable), ..read("wc") },
    Read { operands: (1, 8, Readable), ..read("zcat") },
    Read { letters: "femn", operands: (1, 16, Path), ..read("readlink") },
    Read { operands: (1, 16, Path), ..read("realpath") },
    Read { operands: (1, 8, Name), letters: "a", ..read("which") },
    Read { letters: "tulnpaeirs", ..read("netstat") },
    Read { letters: "na", ..read("arp") },
    Read { letters: "n", ..read("route") },
    Read { flags: &["-i", "-S", "-k", "-g"], operands: (1, 1, Name), ..read("ethtool") },
    Read { verbs: &[&["rule"], &["rule", "show"]], flags: &["-j", "-4", "-6"], ..read("ip") },
    Read { verbs: &[&["show"]], operands: (0, 1, Name), ..read("wg") },
    Read { verbs: &[&["list", "ruleset"], &["list", "tables"]], ..read("nft") },
    Read { verbs: &[&["status"], &["status", "verbose"], &["status", "numbered"]], ..read("ufw") },
];
