//! The kinds of probes, one row each.

mod machine;
mod named;

use crate::config::section::Section;
use crate::model::ids::HostName;
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::table::kinds::machine::MACHINE;
use crate::probe::table::kinds::named::NAMED;
use crate::probe::{HostProbe, reach, reef_self, uplink};

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

/// Those that reef makes by itself.
const ITSELF: [Kind; 3] = [
    Kind {
        name: "host",
        probe: "host",
        summary: "whether a remote host can be reached",
        example: "",
        gives: reach::gives,
        made: Made::Itself,
    },
    Kind {
        name: "uplink",
        probe: "uplink",
        summary: "this machine's own way out; while it is gone, all that lies beyond is explained",
        example: "",
        gives: uplink::gives,
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
