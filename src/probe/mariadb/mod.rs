//! `mariadb`: whether a MariaDB or MySQL server answers, its replication from both ends, and its
//! connections.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::declared::{Database, Engine};
use crate::clients::mysql::{Channel, Encryption, Mysql, Place, Replica, Seen, Wanted};
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::kin::Kin;
use crate::probe::lag::Levels;
use crate::probe::spoken::percent;
use crate::probe::tls::At;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const SERVER: &str = "server";
const CONNECTIONS: &str = "connections";
const LAG: &str = "lag";
const REPLICA: &str = "replica";
/// What the only channel is called where it has no name.
const ONLY: &str = "replication";

/// What is expected of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `replica = true`: it must replicate; without it, it may.
    pub role: Role,
    /// `replicas`: server ids or report_hosts that must be connected to it.
    pub replicas: Vec<Word>,
    pub levels: Levels,
    /// `timeout`: of the whole look. Default 10 s.
    pub timeout: Span,
}

/// Whether a server must replicate another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Replica,
    Any,
}

#[derive(Debug)]
pub struct MariadbProbe {
    settings: Settings,
    voice: Voice,
    mysql: Mysql,
    kin: Kin,
    /// Channels that were there.
    known: BTreeSet<String>,
}

impl MariadbProbe {
    pub fn new(settings: Settings, voice: Voice, mysql: Mysql) -> Self {
        let mut known = BTreeSet::new();
        if settings.role == Role::Replica {
            known.insert(ONLY.to_owned());
        }
        Self { settings, voice, mysql, kin: Kin::default(), known }
    }

    /// With the servers that it may follow or lead.
    pub fn among(self, kin: Kin) -> Self {
        Self { kin, ..self }
    }

    fn judge(&mut self, seen: &Seen, now: Millis) -> Vec<Reading> {
        let ok = (Severity::Green, "ok");
        let mut readings = vec![self.voice.reading(SERVER, ok, seen.product.as_str(), now)];
        readings.push(self.connections(seen, now));
        for channel in seen.channels.iter().take(20) {
            let name = if channel.name.is_empty() { ONLY } else { &channel.name };
            let Some(voice) = self.voice.part(name) else { continue };
            self.known.insert(name.to_owned());
            readings.push(self.channel(&voice, channel, now));
        }
        let here = |name: &str| {
            seen.channels.iter().any(|c| c.name == name || (c.name.is_empty() && name == ONLY))
        };
        for name in self.known.iter().filter(|name| !here(name)) {
            // A named channel may stand in for the one that the config asks for.
            if name == ONLY && !seen.channels.is_empty() {
                continue;
            }
            let Some(voice) = self.voice.part(name) else { continue };
            let words = "it replicates nothing: its replication was reset or never set up";
            readings.push(voice.reading(LAG, (Severity::Red, "missing"), words, now));
        }
        readings.extend(self.settings.replicas.iter().filter_map(|wanted| {
            let voice = self.voice.part(wanted.as_str())?;
            Some(replica(&voice, wanted.as_str(), &seen.replicas, now))
        }));
        readings
    }

    /// NULL seconds behind are broken, not zero.
    fn channel(&self, voice: &Voice, channel: &Channel, now: Millis) -> Reading {
        let because = match channel.error.is_empty() {
            true => String::new(),
            false => format!(": {}", channel.error.first_line()),
        };
        let red = |reason, words: &str| {
            voice.reading(LAG, (Severity::Red, reason), &format!("{words}{because}"), now)
        };
        let behind = match (channel.sql.as_str(), channel.io.as_str(), channel.behind) {
            ("No", _, _) => {
                return red("sql-stopped", "it applies nothing: its SQL thread is stopped");
            }
            (_, "No", _) => {
                return red("io-stopped", "it fetches nothing: its IO thread is stopped");
            }
            (_, "Connecting", _) => return red("disconnected", "it cannot reach its primary"),
            (_, _, None) => return red("broken", "it does not know how far it is behind"),
            (_, _, Some(behind)) => behind,
        };
        // One that is to stay behind is late only beyond that.
        let lag = Span(behind.0.saturating_sub(channel.delay.0).max(0));
        let judged = self.settings.levels.judge(None, Some(lag));
        let reason = if judged.severity == Severity::Green { "ok" } else { "behind" };
        let words = match channel.delay {
            Span(0) => format!("{lag} behind"),
            delay => format!("{lag} behind, beside the {delay} that it is to be"),
        };
        let mut reading = voice.reading(LAG, (judged.severity, reason), &words, now);
        reading.clears = judged.clears;
        reading.value = Some(lag.as_secs_f64());
        reading.unit = Some(Unit::Seconds);
        reading.values.insert("lag".into(), Value::Span(lag));
        reading
    }

    fn connections(&self, seen: &Seen, now: Millis) -> Reading {
        let (used, most) = (seen.connections.used, seen.connections.most);
        let share = percent(used, most);
        let levels = Threshold {
            yellow: Some(80.0),
            red: Some(95.0),
            direction: Direction::Above,
            margin: 5.0,
        };
        let judged = levels.judge(share);
        let reason = if judged.severity == Severity::Green { "ok" } else { "used" };
        let words = format!("{used} of {most} connections are in use");
        let mut reading = self.voice.reading(CONNECTIONS, (judged.severity, reason), &words, now);
        reading.clears = judged.clears;
        reading.value = Some(share);
        reading.unit = Some(Unit::Percent);
        for (name, n) in [("used", used), ("most", most)] {
            reading.values.insert(name.into(), Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        }
        reading
    }

    fn unanswered(&self, server: Reading, why: &NoAnswer, now: Millis) -> Vec<Reading> {
        let mut readings = vec![server, self.voice.unseen(CONNECTIONS, why, now)];
        let unseen = |name: &str, aspect| Some(self.voice.part(name)?.unseen(aspect, why, now));
        readings.extend(self.known.iter().filter_map(|name| unseen(name, LAG)));
        let wanted = self.settings.replicas.iter().map(Word::as_str);
        readings.extend(wanted.filter_map(|name| unseen(name, REPLICA)));
        readings
    }
}

fn replica(voice: &Voice, wanted: &str, connected: &[Replica], now: Millis) -> Reading {
    let found = connected.iter().any(|r| r.server_id == wanted || r.host == wanted);
    match found {
        true => voice.reading(REPLICA, (Severity::Green, "ok"), "connected", now),
        false => {
            let words = format!("the replica {wanted} is not connected");
            voice.reading(REPLICA, (Severity::Red, "missing"), &words, now)
        }
    }
}

impl NetProbe for MariadbProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let wanted = match self.settings.replicas.is_empty() {
                true => Wanted::Nothing,
                false => Wanted::Replicas,
            };
            match within(self.settings.timeout, self.mysql.look(wanted)).await {
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
        Gives {
            name: "lag",
            kind: Kind::Span,
            doc: "how long it is behind, beside an intended delay",
        },
        Gives { name: "used", kind: Kind::Int, doc: "connections in use" },
        Gives { name: "most", kind: Kind::Int, doc: "connections that there may be" },
    ]
}

/// `mariadb.NAME = "db:3306"` or the path of a socket, or a table with `server`, `user`, `password`, `replica`,
/// `replicas`, `yellow_after`, `red_after`, `tls`, `ca_file`, of a replica `primary` (its primary's probe) and `standby` (what that one
/// calls it), and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let server: Option<String> = ask.main("server");
    let user = ask.or("user", "reef".to_owned());
    let password = ask.secret("password");
    let role = if ask.or("replica", false) { Role::Replica } else { Role::Any };
    let replicas = ask.list::<Word>("replicas").unwrap_or_default();
    let levels = Levels::time_of(ask);
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    let ca_file = ca_file.map(|file| PathBuf::from(file.as_str()));
    let encryption = match ask.or("tls", ca_file.is_some()) {
        true => Encryption::Verified(ca_file),
        false => Encryption::Off,
    };
    let (primary, standby) = (ask.opt("primary"), ask.or("standby", ask.name.to_owned()));
    let Some(server) = server else { return Vec::new() };
    let (place, host) = match place(&server) {
        Ok(place) => place,
        Err(why) => {
            ask.mistake("server", why);
            return Vec::new();
        }
    };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let Some(placed) = voice::place(ask, "mariadb", &host, common) else { return Vec::new() };
    let settings = Settings { role, replicas, levels, timeout: placed.common.timeout };
    let mysql = Mysql { place, user, password, encryption };
    let of = Database {
        target: placed.voice.target().clone(),
        engine: Engine::Mariadb(mysql.clone()),
        served_by: placed.common.served_by.clone(),
        primary,
        standby,
    };
    ask.cx.servers.add(|all| drop(all.databases.insert(ask.name.to_owned(), of)));
    let kin = Kin::new(ask.cx.servers.clone(), ask.name);
    let probe = MariadbProbe::new(settings, placed.voice.clone(), mysql).among(kin);
    placed.draft(ask, SERVER, probe)
}

/// Where it listens, and on which host that is.
fn place(server: &str) -> Result<(Place, String), String> {
    if server.starts_with('/') {
        let path = AbsPath::new(server).map_err(|bad| bad.why.to_owned())?;
        return Ok((Place::Socket(PathBuf::from(path.as_str())), "localhost".into()));
    }
    let At { host, port } = At::or_port(server, 3306)?;
    Ok((Place::Tcp { host: host.clone(), port }, host))
}

#[cfg(test)]
mod tests;
