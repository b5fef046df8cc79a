//! Reads of disks, volumes and pools.

use crate::policy::argv::check::Check::{
    Data, Device, Name, Names, Numbers, OneOf, Path, Property,
};
use crate::policy::argv::reads::Form::{Both, Equals, Next};
use crate::policy::argv::reads::{Read, Valued, read};

const LVM: &[Valued] = &[
    ("-o", Next, Names),
    ("--units", Both, OneOf(&["b", "k", "m", "g", "h"])),
    ("--reportformat", Both, OneOf(&["json", "basic"])),
];

pub(super) const READS: &[Read] = &[
    Read {
        letters: "hHkmPTial",
        flags: &["--local", "--total", "--inodes", "--all"],
        valued: &[
            ("-t", Next, Name),
            ("-x", Next, Name),
            ("--type", Equals, Name),
            ("--exclude-type", Equals, Name),
            ("--output", Equals, Names),
        ],
        operands: (0, 64, Path),
        ..read("df")
    },
    Read {
        letters: "xshkmbac",
        flags: &["--apparent-size", "--one-file-system"],
        valued: &[("-d", Next, Numbers), ("--max-depth", Equals, Numbers)],
        operands: (1, 64, Path),
        ..read("du")
    },
    Read {
        letters: "AbDJlnrRuks",
        flags: &["--json", "--real", "--bytes", "--noheadings", "--raw", "--df", "--list"],
        valued: &[
            ("-o", Next, Names),
            ("--output", Both, Names),
            ("-t", Next, Names),
            ("--types", Equals, Names),
            ("-T", Next, Path),
            ("--target", Both, Path),
        ],
        operands: (0, 1, Path),
        ..read("findmnt")
    },
    Read {
        letters: "abdfiJlmnprStO",
        flags: &["--json", "--bytes", "--noheadings", "--nodeps", "--list", "--all"],
        valued: &[("-o", Next, Names), ("--output", Both, Names)],
        operands: (0, 16, Device),
        ..read("lsblk")
    },
    Read { verbs: &[&["status"]], letters: "xvpLP", operands: (0, 16, Data), ..read("zpool") },
    Read {
        verbs: &[&["list"]],
        letters: "HpvLP",
        valued: &[("-o", Next, Names)],
        operands: (0, 16, Data),
        ..read("zpool")
    },
    Read {
        verbs: &[&["list"]],
        letters: "Hpr",
        valued: &[
            ("-o", Next, Names),
            ("-t", Next, Names),
            ("-d", Next, Numbers),
            ("-s", Next, Name),
            ("-S", Next, Name),
        ],
        operands: (0, 16, Data),
        ..read("zfs")
    },
    Read {
        flags: &["-H", "-A", "-i", "-c", "-a", "-x", "-j"],
        valued: &[
            ("-l", Next, OneOf(&["error", "selftest"])),
            ("-n", Next, OneOf(&["standby", "sleep", "idle", "never"])),
            ("-d", Next, OneOf(&["auto", "ata", "scsi", "nvme", "sat"])),
        ],
        operands: (1, 1, Device),
        ..read("smartctl")
    },
    Read { flags: &["--scan", "-j"], needs: &["--scan"], ..read("smartctl") },
    Read {
        flags: &["--show", "--noheadings", "--bytes", "-s"],
        needs: &["--show", "-s"],
        ..read("swapon")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("pvs")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("vgs")
    },
    Read {
        letters: "a",
        flags: &["--noheadings", "--all"],
        valued: LVM,
        operands: (0, 8, Data),
        ..read("lvs")
    },
    Read {
        flags: &["--detail", "-D"],
        needs: &["--detail", "-D"],
        operands: (1, 8, Device),
        ..read("mdadm")
    },
    Read { flags: &["-C", "-I"], needs: &["-C", "-I"], operands: (1, 8, Device), ..read("hdparm") },
    Read { flags: &["-l"], needs: &["-l"], operands: (0, 8, Device), ..read("fdisk") },
    Read { flags: &["-l"], needs: &["-l"], operands: (1, 1, Device), ..read("tune2fs") },
    Read { flags: &["-h"], needs: &["-h"], operands: (1, 1, Device), ..read("dumpe2fs") },
    Read {
        verbs: &[&["list"]],
        valued: &[("-o", Next, OneOf(&["json", "normal"]))],
        ..read("nvme")
    },
    Read {
        verbs: &[&["smart-log"], &["error-log"], &["id-ctrl"]],
        valued: &[("-o", Next, OneOf(&["json", "normal"]))],
        operands: (1, 1, Device),
        ..read("nvme")
    },
    Read {
        verbs: &[
            &["filesystem", "df"],
            &["filesystem", "usage"],
            &["device", "stats"],
            &["scrub", "status"],
            &["subvolume", "list"],
        ],
        letters: "b",
        operands: (1, 1, Path),
        ..read("btrfs")
    },
    Read { verbs: &[&["filesystem", "show"]], operands: (0, 1, Path), ..read("btrfs") },
    Read { verbs: &[&["iostat"]], letters: "vLP", operands: (0, 16, Data), ..read("zpool") },
    Read { verbs: &[&["history"]], letters: "l", operands: (0, 16, Data), ..read("zpool") },
    Read {
        verbs: &[&["get"]],
        letters: "Hp",
        valued: &[("-o", Next, Names)],
        operands: (1, 16, Property),
        ..read("zpool")
    },
    Read {
        verbs: &[&["get"]],
        letters: "Hpr",
        valued: &[
            ("-o", Next, Names),
            ("-t", Next, Names),
            ("-s", Next, Names),
            ("-d", Next, Numbers),
        ],
        operands: (1, 16, Property),
        ..read("zfs")
    },
    Read { letters: "bpS", ..read("smbstatus") },
];
