//! `tcp`: whether a port takes connections, and greets as it should: `SSH-2.0` of a host's sshd.

use crate::Fut;
use crate::clients::answer::NoAnswer;
use crate::clients::banner::{self, Opened};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::tls::At;
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const PORT: &str = "port";

/// What is expected of a port.
#[derive(Debug, Clone)]
pub struct Settings {
    pub at: At,
    /// `expect`: what it must say by itself once connected.
    pub expect: Option<String>,
    /// `slow`: yellow from here on. Default 2 s.
    pub slow: Span,
    /// `timeout`: of connection and greeting. Default 10 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct TcpProbe {
    settings: Settings,
    voice: Voice,
}

impl TcpProbe {
    pub fn new(settings: Settings, voice: Voice) -> Self {
        Self { settings, voice }
    }

    fn judge(&self, opened: &Opened, now: Millis) -> Reading {
        let took = opened.took;
        let said = opened.banner.first_line();
        let (judged, words) = match (&self.settings.expect, opened.fits) {
            (Some(expect), false) if said.is_empty() => {
                let words = format!("connected in {took}, but it does not say {expect}");
                ((Severity::Red, "silent"), words)
            }
            (Some(expect), false) => {
                ((Severity::Red, "greeting"), format!("it says \"{said}\" where {expect} is right"))
            }
            (_, _) if self.settings.slow <= took => {
                ((Severity::Yellow, "slow"), format!("connected in {took}"))
            }
            (Some(_), true) => ((Severity::Green, "ok"), format!("{said} in {took}")),
            (None, _) => ((Severity::Green, "ok"), format!("connected in {took}")),
        };
        let mut reading = self.voice.reading(PORT, judged, &words, now);
        reading.value = Some(took.as_secs_f64() * 1_000.0);
        reading.unit = Some(Unit::Millis);
        reading
    }
}

impl NetProbe for TcpProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let Settings { at, expect, timeout, .. } = &self.settings;
            let looked = banner::look(&at.host, at.port, expect.as_deref(), *timeout).await;
            vec![match looked {
                Ok(opened) => self.judge(&opened, now),
                Err(why) => self.voice.unanswered(PORT, &why, now),
            }]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unanswered(PORT, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![voice::endpoint()]
}

/// `tcp.NAME = "nas:22"`, or a table with `server`, `expect`, `slow` and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(given) = ask.main::<String>("server") else { return Vec::new() };
    let at = match At::with_port(&given) {
        Ok(at) => at,
        Err(why) => {
            ask.mistake("server", why);
            return Vec::new();
        }
    };
    let expect: Option<String> = ask.opt("expect");
    if expect.as_ref().is_some_and(|e| e.is_empty() || 200 < e.len()) {
        ask.mistake("expect", "is a text of 1 to 200 characters");
        return Vec::new();
    }
    let slow = ask.or("slow", Span::secs(2));
    let common = Common::with(Span::mins(1), Span::secs(10));
    let Some(placed) = voice::place(ask, "tcp", &at.host, common) else { return Vec::new() };
    let settings = Settings { at, expect, slow, timeout: placed.common.timeout };
    let probe = TcpProbe::new(settings, placed.voice.clone());
    placed.draft(ask, PORT, probe)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::probe::ask::NoPast;

    async fn look(port: u16, expect: Option<&str>, timeout: Span) -> Reading {
        let at = At { host: "127.0.0.1".into(), port };
        let expect = expect.map(str::to_owned);
        let settings = Settings { at, expect, slow: Span::secs(2), timeout };
        let voice = Voice::new("tcp", "mini:endpoint:ssh".parse().unwrap());
        TcpProbe::new(settings, voice).look(&NoPast, Millis(1)).await.remove(0)
    }

    #[tokio::test]
    async fn a_port_is_judged_by_what_it_says() {
        use Severity::{Green, Red};
        let greets = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let ports = [&greets, &silent].map(|l| l.local_addr().unwrap().port());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = greets.accept().await {
                for part in ["SSH-2.", "0-OpenSSH_9.2\r\n"] {
                    let _gone = stream.write_all(part.as_bytes()).await;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        });
        let long = Span::secs(5);
        for (port, expect, timeout, want, words) in [
            (ports[0], None, long, (Green, "ok"), "connected in"),
            (ports[0], Some("SSH-2.0"), long, (Green, "ok"), "SSH-2.0-OpenSSH_9.2 in"),
            (ports[0], Some("220 "), long, (Red, "greeting"), "where 220"),
            (ports[1], Some("SSH-"), Span(80), (Red, "silent"), "does not say"),
            (ports[1], None, long, (Green, "ok"), "connected"),
            (closed, None, long, (Red, "refused"), "refused"),
        ] {
            let reading = look(port, expect, timeout).await;
            let got = (reading.severity, reading.reason.as_str());
            assert_eq!(got, want, "{expect:?}: {}", reading.words);
            assert!(reading.words.as_str().contains(words), "{}", reading.words);
        }
    }
}
