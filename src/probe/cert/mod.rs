//! `cert`: certificates in files: how long each is still good, its name and its chain.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Fut;
use crate::clients::answer::NoAnswer;
use crate::clients::tls::Tls;
use crate::clients::tls::file::{Demands, NoFile, Trust, files};
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past, tls};

const FILES: &str = "files";
/// Looks for which a file that was removed is still spoken of: enough to clear what it had fired.
const REMOVED_FOR: u32 = 5;

/// Which files, and when a certificate is too old.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `path`: a file, or a pattern with stars.
    pub path: AbsPath,
    pub demands: Demands,
    /// Its thresholds; the endpoint in them is not used.
    pub dates: tls::Settings,
}

#[derive(Debug)]
pub struct CertProbe {
    settings: Settings,
    voice: Voice,
    host: HostName,
    tls: Tls,
    /// Files seen before, and for how many looks each has been gone.
    known: BTreeMap<AbsPath, u32>,
}

type Found = Vec<(AbsPath, Result<crate::clients::tls::Seen, NoFile>)>;

impl CertProbe {
    pub fn new(settings: Settings, voice: Voice, host: HostName, tls: Tls) -> Self {
        Self { settings, voice, host, tls, known: BTreeMap::new() }
    }

    fn signal(&self, path: &AbsPath) -> Signal {
        let target = Target::path(self.host.clone(), path);
        Signal { probe: Word::of("cert"), target, aspect: Word::of("days") }
    }

    /// Reads them all; run where blocking is allowed.
    fn read(settings: &Settings, tls: &Tls, now: Millis) -> Result<Found, NoFile> {
        let is_pattern = settings.path.as_str().contains('*');
        let paths = match is_pattern {
            true => files(settings.path.as_path())?,
            false => vec![settings.path.as_path().to_owned()],
        };
        let one = |path: &Path| {
            let at = AbsPath::new(path.to_str()?).ok()?;
            Some((at, tls.read(path, &settings.demands, now)))
        };
        Ok(paths.iter().filter_map(|path| one(path)).collect())
    }

    fn judge(&mut self, found: Result<Found, NoFile>, now: Millis) -> Vec<Reading> {
        let found = match found {
            Ok(found) => found,
            Err(why) => return self.blind(&why, now),
        };
        let words = match found.len() {
            0 => format!("no file is {}", self.settings.path),
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        let judged = match found.is_empty() {
            true => (Severity::Red, "none"),
            false => (Severity::Green, "ok"),
        };
        let mut readings = vec![self.voice.reading(FILES, judged, &words, now)];
        for gone in self.known.values_mut() {
            *gone += 1;
        }
        for (path, read) in found {
            readings.push(self.one(&path, read, now));
            self.known.insert(path, 0);
        }
        for (path, _) in self.known.iter().filter(|(_, gone)| 0 < **gone) {
            let signal = self.signal(path);
            let removed = Word::of("removed");
            readings.push(Reading::new(signal, now, Severity::Green, removed, "it was removed"));
        }
        self.known.retain(|_, gone| *gone < REMOVED_FOR);
        readings
    }

    fn one(
        &self,
        path: &AbsPath,
        read: Result<crate::clients::tls::Seen, NoFile>,
        now: Millis,
    ) -> Reading {
        let signal = self.signal(path);
        let of = |severity, reason, words: &str| {
            Reading::new(signal.clone(), now, severity, Word::of(reason), words)
        };
        let mut reading = match read {
            Ok(seen) => tls::judged(&self.settings.dates, &signal, &seen, None, now),
            Err(NoFile::Missing) => of(Severity::Red, "missing", "there is no such file"),
            Err(NoFile::Broken(why)) => of(Severity::Red, "broken", &why),
            Err(NoFile::Blind(why)) => of(Severity::Unknown, "unreadable", &why),
        };
        reading.values.insert("path".into(), Value::Path(path.clone()));
        reading
    }

    fn blind(&self, why: &NoFile, now: Millis) -> Vec<Reading> {
        let words = match why {
            NoFile::Missing => "there is no such file",
            NoFile::Blind(why) | NoFile::Broken(why) => why,
        };
        let unknown = (Severity::Unknown, "unreadable");
        let mut readings = vec![self.voice.reading(FILES, unknown, words, now)];
        readings.extend(
            self.known.keys().map(|path| {
                Reading::unknown(self.signal(path), now, Word::of("unreadable"), words)
            }),
        );
        readings
    }
}

impl NetProbe for CertProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let (settings, tls) = (self.settings.clone(), self.tls.clone());
            // A file may lie on a share that hangs.
            let read = tokio::task::spawn_blocking(move || Self::read(&settings, &tls, now)).await;
            let found = read.unwrap_or_else(|e| Err(NoFile::Blind(e.to_string())));
            self.judge(found, now)
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        self.blind(&NoFile::Blind(NoAnswer::TimedOut(after).to_string()), now)
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "path", kind: Kind::Path, doc: "the file" },
        Gives { name: "days", kind: Kind::Int, doc: "whole days left; negative once expired" },
    ]
}

/// `cert.NAME = "/etc/ssl/web.pem"`, a pattern, or a table with `path`, `name`, `trusted`, `ca_file`, `yellow`, `red` and
/// the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(path) = ask.main::<AbsPath>("path") else { return Vec::new() };
    let mut dates = tls::Settings::new(tls::At { host: "file".into(), port: 443 });
    dates.yellow = ask.or("yellow", dates.yellow);
    dates.red = ask.or("red", dates.red);
    if dates.yellow < dates.red {
        ask.mistake("yellow", "is shorter than red: yellow comes first");
    }
    let name: Option<String> = ask.opt("name");
    if let Some(name) = &name {
        dates.name.clone_from(name);
    }
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    let trust = match ask.or("trusted", ca_file.is_some()) {
        true => Trust::Known,
        false => Trust::Anybody,
    };
    let tls = match ca_file {
        Some(file) => Tls::trusting(Some(file.as_path().to_owned())),
        None => ask.cx.tls.clone(),
    };
    let common = Common { fire_after: 2, ..Common::with(Span::hours(1), Span::secs(10)) };
    let Some(placed) = voice::place(ask, "cert", "localhost", common) else { return Vec::new() };
    let settings = Settings { path, demands: Demands { name, trust }, dates };
    let probe = CertProbe::new(settings, placed.voice.clone(), ask.cx.here.clone(), tls);
    placed.draft(ask, FILES, probe)
}

#[cfg(test)]
mod tests;
