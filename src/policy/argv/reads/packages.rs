//! Reads of package managers, from what is here already.

use crate::policy::argv::check::Check::Name;
use crate::policy::argv::reads::{Read, read};

pub(super) const READS: &[Read] = &[
    Read {
        flags: &["--upgradable", "--installed"],
        verbs: &[&["list"]],
        needs: &["--upgradable", "--installed"],
        ..read("apt")
    },
    Read { verbs: &[&["policy"], &["show"]], operands: (1, 8, Name), ..read("apt-cache") },
    Read {
        flags: &["-l", "-s", "-L"],
        needs: &["-l", "-s", "-L"],
        operands: (0, 8, Name),
        ..read("dpkg")
    },
    Read {
        flags: &["-qa", "-q", "-qi", "-ql"],
        needs: &["-qa", "-q", "-qi", "-ql"],
        operands: (0, 8, Name),
        ..read("rpm")
    },
    Read {
        flags: &["-Q", "-Qu", "-Qi"],
        needs: &["-Q", "-Qu", "-Qi"],
        operands: (0, 8, Name),
        ..read("pacman")
    },
    Read { verbs: &[&["info"], &["version"]], letters: "v", ..read("apk") },
    Read { verbs: &[&["list"]], ..read("snap") },
];
