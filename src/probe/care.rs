//! What a probe's keys say about how its signals are triaged and told, beyond rows of looks.

use std::collections::BTreeMap;

use crate::config::given::Given;
use crate::config::section::Section;
use crate::config::setting::Setting;
use crate::model::target::Signal;
use crate::model::time::Span;
use crate::policy::triage::OutOf;
use crate::probe::ask::Ask;

/// `fire_of = "4 of 10"`: how many bad looks of the last ones fire, though none followed the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FireOf {
    /// One more than in a row, of a little over three times as many: `4 of 10` beside three in a row.
    #[default]
    Usual,
    /// Only a row fires.
    Off,
    Of(OutOf),
}

impl FireOf {
    /// What that is beside so many in a row.
    pub fn beside(self, fire_after: u32) -> Option<OutOf> {
        match self {
            Self::Usual => OutOf::usual(fire_after),
            Self::Off => None,
            Self::Of(often) => Some(often),
        }
    }
}

impl Setting for FireOf {
    fn read(given: &Given) -> Result<Self, String> {
        const WHY: &str =
            "is no share of looks: write \"4 of 10\" (64 at the most), \"usual\" or \"off\"";
        let text = String::read(given)?;
        match text.trim() {
            "usual" => return Ok(Self::Usual),
            "off" => return Ok(Self::Off),
            _ => {}
        }
        let (times, of) = text.split_once(" of ").ok_or(WHY)?;
        let number = |part: &str| part.trim().parse::<u32>().map_err(|_| WHY.to_owned());
        OutOf::new(number(times)?, number(of)?).map(Self::Of).ok_or_else(|| WHY.to_owned())
    }

    fn show(&self) -> String {
        match self {
            Self::Usual => "usual".to_owned(),
            Self::Off => "off".to_owned(),
            Self::Of(often) => often.to_string(),
        }
    }
}

/// The keys `fire_of`, `tolerance`, `tolerances` and `depends_on` of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Care {
    pub fire_of: FireOf,
    /// For how long it may be red before that pages. None: at once.
    pub tolerance: Option<Span>,
    /// The same for single things that it speaks of, by their names: `jellyfin`, `/srv`.
    pub tolerances: BTreeMap<String, Span>,
    /// Hosts and probes as the config names them, whose red explains this one's.
    pub needs: Vec<String>,
    /// The same as signals, once all names are known.
    pub depends_on: Vec<Signal>,
}

impl Care {
    /// The keys that make sense for a probe of a machine as a whole.
    pub(in crate::probe) fn of_machine(section: &mut Section, default: &Self) -> Self {
        Self {
            fire_of: section.opt("fire_of").unwrap_or(default.fire_of),
            tolerance: section.opt("tolerance").or(default.tolerance),
            tolerances: tolerances(section),
            ..default.clone()
        }
    }

    pub(in crate::probe) fn read(ask: &mut Ask<'_>, default: Self) -> Self {
        Self {
            fire_of: ask.opt("fire_of").unwrap_or(default.fire_of),
            tolerance: ask.opt("tolerance").or(default.tolerance),
            tolerances: default.tolerances,
            needs: ask.list("depends_on").unwrap_or(default.needs),
            depends_on: Vec::new(),
        }
    }
}

/// `tolerances = { jellyfin = "10m" }`
fn tolerances(section: &mut Section) -> BTreeMap<String, Span> {
    if !section.has("tolerances") {
        return BTreeMap::new();
    }
    let mut inner = section.section("tolerances");
    let names = inner.keys();
    let found = names.into_iter().filter_map(|name| Some((name.clone(), inner.opt(&name)?)));
    let found = found.collect();
    inner.finish();
    found
}

/// A unit's name as people write it has no `.service`.
pub(in crate::probe) fn with_suffix(name: &str) -> String {
    const SUFFIXES: [&str; 8] =
        [".service", ".socket", ".timer", ".mount", ".target", ".path", ".slice", ".scope"];
    match SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        true => name.to_owned(),
        false => format!("{name}.service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_looks_is_read_or_refused() {
        let read = |text: &str| FireOf::read(&Given::Text(text.into()));
        assert_eq!(read("4 of 10").map(|f| f.show()), Ok("4 of 10".into()));
        assert_eq!(read("off"), Ok(FireOf::Off));
        assert_eq!(read("usual").map(|f| f.beside(3)), Ok(OutOf::new(4, 10)));
        for wrong in ["", "4", "0 of 3", "4 of 3", "1 of 65", "-1 of 3", "a of b", "4/10"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
