//! `queue`: how many messages wait in a queue of RabbitMQ, Redis or NATS.

use std::path::PathBuf;

use crate::Fut;
use crate::clients::answer::{NoAnswer, within};
use crate::clients::broker::{self, Login};
use crate::clients::http::Http;
use crate::clients::http::url::WebUrl;
use crate::clients::redis::{Length, Redis, RedisUrl};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::spoken::number;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const WAITING: &str = "waiting";
/// The servers that have queues, by the key that names one.
const BROKERS: [&str; 3] = ["rabbitmq", "redis", "nats"];

/// Who holds the queue.
#[derive(Debug, Clone)]
pub enum Broker {
    Rabbitmq { api: WebUrl, login: Login, vhost: String },
    Redis { redis: Redis, group: Option<String> },
    Nats { monitoring: WebUrl, consumer: Option<String> },
}

/// Which queue, and when it is too long.
#[derive(Debug, Clone)]
pub struct Settings {
    pub broker: Broker,
    /// `queue`: its name; a key of Redis, a stream of NATS.
    pub queue: String,
    /// `yellow`: above this many. Default 1,000.
    pub yellow: u64,
    /// `red`: above this many. Default 10,000.
    pub red: u64,
    /// `timeout`: of the whole question. Default 10 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct QueueProbe {
    settings: Settings,
    voice: Voice,
    http: Http,
}

impl QueueProbe {
    pub fn new(settings: Settings, voice: Voice, http: Http) -> Self {
        Self { settings, voice, http }
    }

    async fn ask(&self) -> Result<Option<Length>, NoAnswer> {
        let Settings { broker, queue, timeout, .. } = &self.settings;
        match broker {
            Broker::Rabbitmq { api, login, vhost } => {
                broker::rabbitmq(&self.http, api, login, (vhost, queue), *timeout).await
            }
            Broker::Redis { redis, group } => redis.length(queue, group.as_deref()).await,
            Broker::Nats { monitoring, consumer } => {
                broker::nats(&self.http, monitoring, queue, consumer.as_deref(), *timeout).await
            }
        }
    }

    fn judge(&self, length: Option<Length>, now: Millis) -> Reading {
        let Settings { queue, yellow, red, .. } = &self.settings;
        let Some(Length { entries, consumers }) = length else {
            let words = format!("there is no queue {queue}");
            return self.voice.reading(WAITING, (Severity::Red, "missing"), &words, now);
        };
        let levels = Threshold {
            yellow: Some(number(*yellow)),
            red: Some(number(*red)),
            direction: Direction::Above,
            margin: number(*yellow) / 10.0,
        };
        let mut judged = levels.judge(number(entries));
        let mut reason = if judged.severity == Severity::Green { "ok" } else { "long" };
        let unread = matches!(self.settings.broker, Broker::Rabbitmq { .. })
            && consumers == Some(0)
            && 0 < entries;
        if unread && judged.severity == Severity::Green {
            // What nobody fetches will not get shorter.
            (judged.severity, reason) = (Severity::Yellow, "no-consumer");
            judged.clears = judged.clears.max(Severity::Yellow);
        }
        let who = match consumers {
            Some(0) => ", and nobody fetches them".to_owned(),
            Some(1) => ", 1 consumer".to_owned(),
            Some(n) => format!(", {n} consumers"),
            None => String::new(),
        };
        let words = match entries {
            0 => format!("{queue} is empty"),
            n => format!("{n} wait in {queue}{who}"),
        };
        let mut reading = self.voice.reading(WAITING, (judged.severity, reason), &words, now);
        reading.clears = judged.clears;
        reading.value = Some(number(entries));
        reading.unit = Some(Unit::Count);
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        reading.values.insert("waiting".into(), Value::Int(entries));
        reading
    }
}

impl NetProbe for QueueProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            vec![match within(self.settings.timeout, self.ask()).await {
                Ok(length) => self.judge(length, now),
                Err(why) => self.voice.unanswered(WAITING, &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(WAITING, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint(), Gives { name: "waiting", kind: Kind::Int, doc: "messages that wait" }]
}

/// `queue.NAME = { rabbitmq | redis | nats = "URL", queue = "…" }` with `yellow`, `red`, what the server needs, and the
/// common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let written: Vec<&str> = BROKERS.into_iter().filter(|key| ask.has(key)).collect();
    let made = match written[..] {
        ["rabbitmq"] => rabbitmq(ask),
        ["redis"] => redis(ask),
        ["nats"] => nats(ask),
        [] | [_, ..] => {
            let name = ask.name.to_owned();
            ask.mistake(
                &name,
                "names no server, or more than one: write rabbitmq, redis or nats = \"URL\"",
            );
            return Vec::new();
        }
    };
    let queue: Option<String> = ask.opt("queue");
    if queue.as_ref().is_none_or(String::is_empty) {
        ask.mistake("queue", "is missing, and this table needs it");
        return Vec::new();
    }
    let (yellow, red) = (ask.or("yellow", 1_000), ask.or("red", 10_000));
    if red < yellow {
        ask.mistake("yellow", "is above red: yellow comes first");
    }
    let (Some((broker, host)), Some(queue)) = (made, queue) else { return Vec::new() };
    let common = Common::with(Span::mins(1), Span::secs(10));
    let Some(placed) = voice::place(ask, "queue", &host, common) else { return Vec::new() };
    let settings = Settings { broker, queue, yellow, red, timeout: placed.common.timeout };
    let probe = QueueProbe::new(settings, placed.voice.clone(), ask.cx.http.clone());
    placed.draft(ask, WAITING, probe)
}

fn rabbitmq(ask: &mut Ask<'_>) -> Option<(Broker, String)> {
    let api: Option<WebUrl> = ask.opt("rabbitmq");
    let login = Login { user: ask.or("user", "reef".to_owned()), password: ask.secret("password") };
    let vhost = ask.or("vhost", "/".to_owned());
    let api = api?;
    let host = api.host().to_owned();
    Some((Broker::Rabbitmq { api, login, vhost }, host))
}

fn redis(ask: &mut Ask<'_>) -> Option<(Broker, String)> {
    let url: Option<RedisUrl> = ask.opt("redis");
    let password = ask.secret("password");
    let ca_file: Option<AbsPath> = ask.opt("ca_file");
    let ca_file = ca_file.map(|file| PathBuf::from(file.as_str()));
    let group = ask.opt("group");
    let url = url?;
    let host = url.host.clone();
    Some((Broker::Redis { redis: Redis { url, password, ca_file }, group }, host))
}

fn nats(ask: &mut Ask<'_>) -> Option<(Broker, String)> {
    let monitoring: Option<WebUrl> = ask.opt("nats");
    let consumer = ask.opt("consumer");
    let monitoring = monitoring?;
    let host = monitoring.host().to_owned();
    Some((Broker::Nats { monitoring, consumer }, host))
}

#[cfg(test)]
mod tests;
