//! `postgres`: whether a PostgreSQL server answers, its standbys and how far they are behind, its
//! slots and its connections.

mod judge;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::declared::{Database, Engine};
use crate::clients::postgres::{Encryption, PgUrl, Postgres, Role, Seen, Server};
use crate::config::setting::Bytes;
use crate::model::ids::Word;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::Kind;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::kin::Kin;
use crate::probe::lag::{Levels, Positions};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const SERVER: &str = "server";
const CONNECTIONS: &str = "connections";
const SLOTS: &str = "slots";
const LAG: &str = "lag";

/// What is expected of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `standbys`: the application_name of each; one that is missing is red.
    pub standbys: Vec<Word>,
    pub levels: Levels,
    /// `slots`: red where an inactive slot keeps more WAL than this. Default 5 GiB.
    pub slots: Bytes,
    /// `timeout`: of the whole look. Default 10 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct PostgresProbe {
    settings: Settings,
    voice: Voice,
    postgres: Postgres,
    kin: Kin,
    positions: Positions,
    /// Standbys that the config does not name but that were there.
    guests: BTreeSet<String>,
    /// Whether the last answer was a primary's: which aspects it is that are unseen.
    last: Last,
}

/// What the server was when it last answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Unknown,
    Primary,
    Standby,
}

impl PostgresProbe {
    pub fn new(settings: Settings, voice: Voice, postgres: Postgres) -> Self {
        let last = Last::Unknown;
        let (positions, guests) = (Positions::default(), BTreeSet::new());
        Self { settings, voice, postgres, kin: Kin::default(), positions, guests, last }
    }

    /// With the servers that it may follow or lead.
    pub fn among(self, kin: Kin) -> Self {
        Self { kin, ..self }
    }

    fn judge(&mut self, seen: &Seen, now: Millis) -> Vec<Reading> {
        let is = match &seen.role {
            Role::Primary { .. } => "primary",
            Role::Standby(_) => "standby",
        };
        let mut readings = vec![self.server(seen, is, now)];
        readings.push(judge::connections(&self.voice, seen.connections, now));
        match &seen.role {
            Role::Standby(receiver) => {
                self.last = Last::Standby;
                readings.push(judge::receiver(&self.voice, *receiver, &self.settings, now));
            }
            Role::Primary { position, standbys, slots } => {
                self.last = Last::Primary;
                self.positions.note(*position, now);
                readings.push(judge::slots(&self.voice, slots, &self.settings, now));
                readings.extend(self.standbys(*position, standbys, now));
            }
        }
        readings
    }

    fn server(&self, seen: &Seen, is: &str, now: Millis) -> Reading {
        // A standby that was promoted leaves nobody to take over, and its old primary may still write.
        let surprised = is == "standby" && !self.settings.standbys.is_empty();
        let words = format!("{is}, PostgreSQL {}", seen.version);
        match surprised {
            true => {
                let words =
                    format!("{words}, where standbys are expected: is another one primary?");
                self.voice.reading(SERVER, (Severity::Red, "demoted"), &words, now)
            }
            false => self.voice.reading(SERVER, (Severity::Green, "ok"), &words, now),
        }
    }

    fn standbys(
        &mut self,
        position: u64,
        standbys: &[crate::clients::postgres::Standby],
        now: Millis,
    ) -> Vec<Reading> {
        let named: BTreeSet<String> =
            self.settings.standbys.iter().map(|name| name.as_str().to_owned()).collect();
        for standby in standbys {
            // A backup under way is no standby.
            let passing = ["pg_basebackup", "pg_receivewal", "pg_verifybackup"];
            let lasting = !passing.contains(&standby.name.as_str());
            if lasting && !named.contains(&standby.name) && self.guests.len() < 50 {
                self.guests.insert(standby.name.clone());
            }
        }
        let mut readings = Vec::new();
        for name in named.iter().chain(&self.guests) {
            let Some(voice) = self.voice.part(name) else { continue };
            let mine = standbys.iter().filter(|standby| standby.name == *name);
            // Two of one name: the one that is further behind counts.
            let standby = mine.min_by_key(|standby| standby.replayed);
            let behind = standby
                .and_then(|standby| standby.replayed)
                .map(|replayed| self.positions.behind(replayed, now));
            let expected = match named.contains(name) {
                true => judge::Expected::Named,
                false => judge::Expected::SeenBefore,
            };
            let at = judge::At { position, behind, now };
            readings.push(judge::standby(&voice, (name, expected), standby, &self.settings, at));
        }
        readings
    }

    /// The server says why; of the rest nothing is known.
    fn unanswered(&self, server: Reading, why: &NoAnswer, now: Millis) -> Vec<Reading> {
        let mut readings = vec![server, self.voice.unseen(CONNECTIONS, why, now)];
        if self.last == Last::Standby {
            readings.push(self.voice.unseen(LAG, why, now));
            return readings;
        }
        if self.last == Last::Primary {
            readings.push(self.voice.unseen(SLOTS, why, now));
        }
        let named = self.settings.standbys.iter().map(Word::as_str);
        for name in named.chain(self.guests.iter().map(String::as_str)) {
            readings.extend(self.voice.part(name).map(|voice| voice.unseen(LAG, why, now)));
        }
        readings
    }
}

impl NetProbe for PostgresProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            match within(self.settings.timeout, self.postgres.look()).await {
                Ok(seen) => {
                    let readings = self.judge(&seen, now);
                    self.kin.placed(readings)
                }
                Err(why) => {
                    let server = self.voice.unanswered(SERVER, &why, now);
                    self.unanswered(server, &why, now)
                }
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        let why = NoAnswer::TimedOut(after);
        self.unanswered(self.voice.unseen(SERVER, &why, now), &why, now)
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "standby", kind: Kind::Word, doc: "the standby's name" },
        Gives { name: "behind", kind: Kind::Bytes, doc: "WAL that it has not replayed yet" },
        Gives { name: "lag", kind: Kind::Span, doc: "how long it is behind" },
        Gives { name: "used", kind: Kind::Int, doc: "connections in use" },
        Gives { name: "most", kind: Kind::Int, doc: "connections that there may be" },
        Gives { name: "retained", kind: Kind::Bytes, doc: "WAL kept for slots that nobody uses" },
    ]
}

/// `postgres.NAME = "postgres://reef@nas/postgres"`, or a table with `url`, `password`, `standbys`, `yellow`, `red`,
/// `yellow_after`, `red_after`, `slots`, `tls`, `ca_file`, of a standby `primary` (its primary's probe)
/// and `standby` (what that one calls it), and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let url: Option<PgUrl> = ask.main("url");
    let password = ask.secret("password");
    let standbys = ask.list::<Word>("standbys").unwrap_or_default();
    let levels = Levels::of(ask);
    let slots = ask.or("slots", Bytes(5 << 30));
    let encryption = encryption(ask);
    let (primary, standby) = (ask.opt("primary"), ask.or("standby", ask.name.to_owned()));
    let Some(url) = url else { return Vec::new() };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let host = match url.host() {
        // A unix socket is this machine's.
        "" => "localhost",
        host => host,
    };
    let Some(placed) = voice::place(ask, "postgres", host, common) else { return Vec::new() };
    let timeout = placed.common.timeout;
    let settings = Settings { standbys, levels, slots, timeout };
    let server = Server { url, password, encryption };
    let postgres = server.client(timeout);
    let of = Database {
        target: placed.voice.target().clone(),
        engine: Engine::Postgres(server),
        served_by: placed.common.served_by.clone(),
        primary,
        standby,
    };
    ask.cx.servers.add(|all| drop(all.databases.insert(ask.name.to_owned(), of)));
    let kin = Kin::new(ask.cx.servers.clone(), ask.name);
    let probe = PostgresProbe::new(settings, placed.voice.clone(), postgres).among(kin);
    placed.draft(ask, SERVER, probe)
}

fn encryption(ask: &mut Ask<'_>) -> Encryption {
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    let ca_file = ca_file.map(|file| PathBuf::from(file.as_str()));
    match ask.or("tls", ca_file.is_some()) {
        true => Encryption::Verified(ca_file),
        false => Encryption::Off,
    }
}

#[cfg(test)]
mod tests;
