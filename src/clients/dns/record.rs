//! One record of a zone: what its name and its value may be, and what a server says of it now.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_resolver::proto::rr::{RData, RecordType};

use super::{Dns, NoAddress};

/// The longest text that one string of a TXT record holds.
const LONGEST_TEXT: usize = 255;
/// The longest name, without the dot at its end.
const LONGEST_NAME: usize = 253;

/// The kinds of records that may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    A,
    Aaaa,
    Cname,
    Txt,
}

impl RecordKind {
    pub const ALL: [Self; 4] = [Self::A, Self::Aaaa, Self::Cname, Self::Txt];

    /// As zone files write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
        }
    }

    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(given))
    }

    fn asked(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Cname => RecordType::CNAME,
            Self::Txt => RecordType::TXT,
        }
    }
}

/// One record as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// In the one form that [`value`] gives, where it is a value that it takes; else as it came.
    pub value: String,
    /// In seconds, where that is told.
    pub ttl: Option<u32>,
}

/// A name in its one form: small letters, no dot at its end. A star is no name here: it stands for many.
pub fn name(given: &str) -> Result<String, String> {
    let plain = given.trim_end_matches('.').to_ascii_lowercase();
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(letters)
    };
    match plain.len() <= LONGEST_NAME && plain.split('.').all(label) {
        true => Ok(plain),
        false => Err(format!("{given:?} is no name of a record")),
    }
}

/// A value in its one form. What begins with a dash is none: a program would read it as an option.
pub fn value(kind: RecordKind, given: &str) -> Result<String, String> {
    let wrong = |what: &str| format!("{given:?} is no {what}, which {} needs", kind.word());
    match kind {
        RecordKind::A => {
            given.parse::<Ipv4Addr>().map(|ip| ip.to_string()).map_err(|_| wrong("IPv4 address"))
        }
        RecordKind::Aaaa => {
            given.parse::<Ipv6Addr>().map(|ip| ip.to_string()).map_err(|_| wrong("IPv6 address"))
        }
        RecordKind::Cname => name(given).map_err(|_| wrong("name")),
        RecordKind::Txt => {
            let plain = given.chars().all(|c| c == ' ' || c.is_ascii_graphic());
            let whole = given.trim() == given && (1..=LONGEST_TEXT).contains(&given.len());
            match plain && whole && !given.starts_with('-') {
                true => Ok(given.to_owned()),
                false => Err(wrong("line of 1 to 255 plain characters without a dash in front")),
            }
        }
    }
}

impl Dns {
    /// The records of one kind that stand under exactly this name: what an alias leads to is not its own. Empty where there
    /// is none.
    pub async fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<Seen>, NoAddress> {
        let complete = format!("{}.", name.trim_end_matches('.'));
        let resolver = self.resolver()?;
        let asking = resolver.lookup(complete.as_str(), kind.asked());
        let answered = tokio::time::timeout(self.timeout.duration(), asking).await;
        let answered = answered.map_err(|_| NoAddress::TimedOut(self.timeout))?;
        let lookup = match answered.map_err(|error| self.sort(&error)) {
            Ok(lookup) => lookup,
            Err(NoAddress::NoSuchName | NoAddress::NoRecord) => return Ok(Vec::new()),
            Err(why) => return Err(why),
        };
        let own = lookup.answers().iter().filter(|record| {
            record.name.to_ascii().trim_end_matches('.').eq_ignore_ascii_case(name)
        });
        let seen = |text: String, ttl: u32| Seen {
            value: value(kind, &text).unwrap_or(text),
            ttl: Some(ttl),
        };
        Ok(own.filter_map(|record| Some(seen(text(&record.data, kind)?, record.ttl))).collect())
    }
}

/// The text of a record's value, if it is of this kind.
/// One of any other kind was not asked for.
fn text(data: &RData, kind: RecordKind) -> Option<String> {
    match (data, kind) {
        (RData::A(a), RecordKind::A) => Some(a.0.to_string()),
        (RData::AAAA(a), RecordKind::Aaaa) => Some(a.0.to_string()),
        (RData::CNAME(to), RecordKind::Cname) => Some(to.0.to_ascii()),
        (RData::TXT(txt), RecordKind::Txt) => {
            Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_form_and_no_dash_in_front() {
        for (kind, given, want) in [
            (RecordKind::A, "192.0.2.7", Some("192.0.2.7")),
            (RecordKind::A, "192.0.2.007", None),
            (RecordKind::A, "2001:db8::1", None),
            (RecordKind::A, "nas", None),
            (RecordKind::Aaaa, "2001:DB8:0::1", Some("2001:db8::1")),
            (RecordKind::Cname, "NAS.Home.Example.", Some("nas.home.example")),
            (RecordKind::Cname, "-x.home.example", None),
            (RecordKind::Cname, "*.home.example", None),
            (RecordKind::Txt, "v=spf1 -all", Some("v=spf1 -all")),
            (RecordKind::Txt, "-all", None),
            (RecordKind::Txt, " x", None),
            (RecordKind::Txt, "", None),
            (RecordKind::Txt, "a\nb", None),
        ] {
            assert_eq!(value(kind, given).ok().as_deref(), want, "{kind:?} {given:?}");
        }
        assert_eq!(name("_acme-challenge.Home.Example.").unwrap(), "_acme-challenge.home.example");
        for wrong in ["", ".", "a..b", "a b", "-a.b", "a-.b", "*.b", &"a".repeat(64)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
