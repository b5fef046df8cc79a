//! `s3`: whether a bucket can be listed, and how old its newest object is.

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::declared::Store;
use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::s3::{Bucket, Listed, NoList};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, human_bytes};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const NEWEST: &str = "newest";
/// An object from so far in the future says that a clock is wrong, not that it is new.
const FUTURE: Span = Span::hours(26);

/// When a bucket is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `newest_within`: yellow where the newest object is older, red where it is twice as old. Left
    /// out, any age is good.
    pub newest_within: Option<Span>,
    /// `timeout`: of the whole look. Default 30 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct S3Probe {
    settings: Settings,
    voice: Voice,
    bucket: Bucket,
    http: Http,
}

impl S3Probe {
    pub fn new(settings: Settings, voice: Voice, bucket: Bucket, http: Http) -> Self {
        Self { settings, voice, bucket, http }
    }

    fn judge(&self, listed: &Listed, now: Millis) -> Reading {
        let held = format!("{} objects, {}", listed.objects, human_bytes(listed.bytes));
        let Some((at, key)) = &listed.newest else {
            let judged = match self.settings.newest_within {
                Some(_) => (Severity::Red, "none"),
                None => (Severity::Green, "ok"),
            };
            return self.voice.reading(NEWEST, judged, "there is no object", now);
        };
        let age = now.since(*at);
        let within = self.settings.newest_within;
        let judged = match within {
            _ if now + FUTURE < *at => (Severity::Unknown, "clock"),
            Some(within) if age <= within => (Severity::Green, "ok"),
            None => (Severity::Green, "ok"),
            // What was not read may be newer.
            Some(_) if listed.more => (Severity::Unknown, "too-many"),
            Some(within) if within.0.saturating_mul(2) < age.0 => (Severity::Red, "late"),
            Some(_) => (Severity::Yellow, "late"),
        };
        let words = match judged.1 {
            "too-many" => format!(
                "more objects than are read ({held} and more): name a prefix that has the newest"
            ),
            "clock" => format!("{key} is from the future: a clock is wrong"),
            _late_or_not if listed.more => format!("the newest is {age} old, {held} and more"),
            _late_or_not => format!("the newest is {age} old, {held}"),
        };
        let mut reading = self.voice.reading(NEWEST, judged, &words, now);
        reading.value = Some(age.as_secs_f64());
        reading.unit = Some(Unit::Seconds);
        let objects = i64::try_from(listed.objects).unwrap_or(i64::MAX);
        reading.values.insert("objects".into(), Value::Int(objects));
        reading.values.insert("bytes".into(), Value::Bytes(listed.bytes));
        reading.values.insert("age".into(), Value::Span(age));
        reading
    }
}

impl NetProbe for S3Probe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let timeout = self.settings.timeout;
            let listing = async { Ok(self.bucket.list(&self.http, now, timeout).await) };
            let listed =
                within(timeout, listing).await.unwrap_or_else(|why| Err(NoList::NoAnswer(why)));
            vec![match listed {
                Ok(listed) => self.judge(&listed, now),
                Err(NoList::NoSuchBucket) => {
                    let words = format!("there is no bucket {}", self.bucket.name);
                    self.voice.reading(NEWEST, (Severity::Red, "missing"), &words, now)
                }
                Err(NoList::NoAnswer(why)) => self.voice.unanswered(NEWEST, &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(NEWEST, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has; `age` where there is any object.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "objects", kind: Kind::Int, doc: "how many objects there are" },
        Gives { name: "bytes", kind: Kind::Bytes, doc: "their size" },
        Gives { name: "age", kind: Kind::Span, doc: "the age of the newest" },
    ]
}

/// `s3.NAME = { url, bucket, access_key, secret_key }` with `prefix`, `region`, `newest_within`, `ca_file`, `archive` (whether
/// reef may put logs there) and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let url: Option<WebUrl> = ask.main("url");
    let name: Option<String> = ask.opt("bucket");
    let access_key: Option<String> = ask.opt("access_key");
    let secret_key = ask.secret("secret_key");
    let prefix = ask.or("prefix", String::new());
    let region = ask.or("region", "us-east-1".to_owned());
    let newest_within = ask.opt("newest_within");
    let archive = ask.or("archive", false);
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    if secret_key.is_none() {
        ask.mistake(
            "secret_key",
            "is missing; write secret_key_file = \"/path\" or secret_key = \"${VAR}\"",
        );
    }
    let (Some(url), Some(name), Some(access_key)) = (url, name, access_key) else {
        ask.mistake("bucket", "needs url, bucket, access_key and secret_key");
        return Vec::new();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.len() < 3 || !name.chars().all(plain) || !region.chars().all(plain) {
        ask.mistake(
            "bucket",
            "is no bucket's name: letters, digits, dots and dashes, three at least",
        );
        return Vec::new();
    }
    let common = Common::with(Span::mins(15), Span::secs(30));
    let host = url.host().to_owned();
    let Some(placed) = voice::place(ask, "s3", &host, common) else { return Vec::new() };
    let http = match ca_file {
        Some(file) => Http::trusting(Some(file.as_path().to_owned())),
        None => ask.cx.http.clone(),
    };
    let settings = Settings { newest_within, timeout: placed.common.timeout };
    let bucket = Bucket { url, name, prefix, region, access_key, secret_key };
    if archive {
        let store = Store { bucket: bucket.clone(), http: http.clone() };
        ask.cx.servers.add(|all| drop(all.stores.insert(ask.name.to_owned(), store)));
    }
    let probe = S3Probe::new(settings, placed.voice.clone(), bucket, http);
    placed.draft(ask, NEWEST, probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::taint::Tainted;

    const NOW: Millis = Millis(1_700_000_000_000);

    #[test]
    fn the_newest_object_is_held_against_its_time() {
        use Severity::{Green, Red, Unknown, Yellow};
        let bucket = Bucket {
            url: WebUrl::parse("http://127.0.0.1:1/").unwrap(),
            name: "backup".into(),
            prefix: String::new(),
            region: "us-east-1".into(),
            access_key: "a".into(),
            secret_key: None,
        };
        let judge = |within: Option<Span>, age: Option<Span>, more| {
            let settings = Settings { newest_within: within, timeout: Span::secs(1) };
            let voice = Voice::new("s3", "mini:endpoint:backup".parse().unwrap());
            let probe = S3Probe::new(settings, voice, bucket.clone(), Http::new());
            let newest = age.map(|age| (NOW - age, Tainted::new("k")));
            let reading = probe.judge(&Listed { objects: 1, bytes: 5, newest, more }, NOW);
            assert!(
                gives().iter().all(|g| reading.values.get(g.name).is_none_or(|v| v.fits(&g.kind)))
            );
            (reading.severity, reading.reason.to_string())
        };
        let day = Some(Span::hours(25));
        for (within, age, more, want) in [
            (day, Some(Span::hours(25)), false, (Green, "ok")),
            (day, Some(Span::hours(26)), false, (Yellow, "late")),
            (day, Some(Span::hours(51)), false, (Red, "late")),
            (day, Some(Span::hours(51)), true, (Unknown, "too-many")),
            (day, Some(Span::hours(1)), true, (Green, "ok")),
            (day, None, false, (Red, "none")),
            (None, None, false, (Green, "ok")),
            (None, Some(Span::days(900)), false, (Green, "ok")),
        ] {
            let (severity, reason) = judge(within, age, more);
            assert_eq!((severity, reason.as_str()), want, "{within:?} {age:?}");
        }
    }
}
