//! `ping`: whether a machine, or any of several, answers an echo; how fast, and how many are lost.

use crate::Fut;
use crate::clients::answer::NoAnswer;
use crate::clients::ping::{Echoed, Echoes, ping};
use crate::config::setting::{Address, Percent};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft};
use crate::probe::voice::{self, Voice};
use crate::probe::{NetProbe, Past};

const REACH: &str = "reach";

/// Who is asked, and when an answer is a bad one.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `hosts`: red when none of them answers.
    pub hosts: Vec<Address>,
    /// `count`: echoes to each. Default 3.
    pub count: u16,
    /// `loss`: yellow above this share lost. Default 50 %.
    pub loss: Percent,
    /// `slow`: yellow from here on. Default: never.
    pub slow: Option<Span>,
    /// `timeout`: of all of it. Default 8 s.
    pub timeout: Span,
}

#[derive(Debug)]
pub struct PingProbe {
    settings: Settings,
    voice: Voice,
}

/// A host and what it came to.
type Asked = (Address, Result<Echoed, NoAnswer>);

impl PingProbe {
    pub fn new(settings: Settings, voice: Voice) -> Self {
        Self { settings, voice }
    }

    fn judge(&self, asked: &[Asked], now: Millis) -> Reading {
        let said: Vec<String> = asked.iter().map(|(host, answer)| said(host, answer)).collect();
        let words = said.join("; ");
        let answered = asked.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        let best = answered
            .filter_map(|echoed| Some((echoed.lost(), echoed.median()?)))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let Some((lost, took)) = best else {
            let blind = asked.iter().find_map(|(_, answer)| match answer {
                Err(why) if why.is_blindness() => Some(why),
                Err(_) | Ok(_) => None,
            });
            return match blind {
                Some(why) => self.voice.unanswered(REACH, why, now),
                None => self.voice.reading(REACH, (Severity::Red, "silent"), &words, now),
            };
        };
        let slow = self.settings.slow.is_some_and(|slow| slow.as_secs_f64() * 1_000.0 <= took);
        let judged = match () {
            () if self.settings.loss.0 < lost => (Severity::Yellow, "loss"),
            () if slow => (Severity::Yellow, "slow"),
            () => (Severity::Green, "ok"),
        };
        let mut reading = self.voice.reading(REACH, judged, &words, now);
        reading.value = Some(took);
        reading.unit = Some(Unit::Millis);
        #[expect(clippy::cast_possible_truncation, reason = "a share is from 0 to 100")]
        reading.values.insert("loss".into(), Value::Int(lost.round() as i64));
        reading
    }
}

fn said(host: &Address, answer: &Result<Echoed, NoAnswer>) -> String {
    match answer {
        Ok(echoed) => match (echoed.median(), echoed.took.len()) {
            (None, _) => format!("{host} does not answer"),
            (Some(took), back) if back == usize::from(echoed.sent) => {
                format!("{host} in {took:.1} ms")
            }
            (Some(took), back) => {
                format!("{host} in {took:.1} ms, {back} of {} came back", echoed.sent)
            }
        },
        Err(why) => format!("{host}: {why}"),
    }
}

impl NetProbe for PingProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let Settings { hosts, count, timeout, .. } = &self.settings;
            // All echoes lost and the pauses between them still end within the timeout.
            let wait = Span((timeout.0 / i64::from((*count).max(1)) - 150).clamp(100, 2_000));
            let how = Echoes { count: *count, wait };
            let mut asked = Vec::new();
            let mut asking = tokio::task::JoinSet::new();
            for (n, host) in hosts.iter().cloned().enumerate() {
                let timeout = *timeout;
                asking.spawn(async move {
                    let answer = crate::clients::answer::within(timeout, ping(host.as_str(), how));
                    (n, host.clone(), answer.await)
                });
            }
            while let Some(done) = asking.join_next().await {
                asked.extend(done.ok());
            }
            asked.sort_by_key(|(n, ..)| *n);
            let asked: Vec<Asked> = asked.into_iter().map(|(_, host, got)| (host, got)).collect();
            vec![self.judge(&asked, now)]
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        vec![self.voice.unseen(REACH, &NoAnswer::TimedOut(after), now)]
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![
        voice::endpoint(),
        Gives { name: "loss", kind: Kind::Int, doc: "percent of the echoes that were lost" },
    ]
}

/// `ping.NAME = "192.168.1.2"`, a list of which any may answer, or a table.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(hosts) = ask.main_list::<Address>("hosts") else { return Vec::new() };
    if hosts.is_empty() || 8 < hosts.len() {
        ask.mistake("hosts", "needs from 1 to 8 names or addresses");
        return Vec::new();
    }
    let count = ask.or("count", 3_u16);
    if !(1..=10).contains(&count) {
        ask.mistake("count", "is from 1 to 10");
    }
    let loss = ask.or("loss", Percent(50.0));
    let slow = ask.opt("slow");
    let called = if let [one] = &hosts[..] { one.as_str().to_owned() } else { String::new() };
    let common = Common::with(Span::mins(1), Span::secs(8));
    let Some(mut placed) = voice::place(ask, "ping", &called, common) else { return Vec::new() };
    // An echo goes where a connection may not: it is not explained by what it would itself explain.
    placed.stands_alone();
    let timeout = placed.common.timeout;
    let settings = Settings { hosts, count: count.clamp(1, 10), loss, slow, timeout };
    let probe = PingProbe::new(settings, placed.voice.clone());
    placed.draft(ask, REACH, probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::given::Given;
    use crate::config::setting::Setting;
    use crate::probe::ask::NoPast;

    fn address(text: &str) -> Address {
        Address::read(&Given::Text(text.into())).unwrap()
    }

    fn probe(hosts: &[&str]) -> PingProbe {
        let hosts = hosts.iter().map(|host| address(host)).collect();
        let (loss, slow) = (Percent(50.0), Some(Span(200)));
        let settings = Settings { hosts, count: 4, loss, slow, timeout: Span::secs(2) };
        PingProbe::new(settings, Voice::new("ping", "mini:endpoint:net".parse().unwrap()))
    }

    fn back(took: &[f64]) -> Result<Echoed, NoAnswer> {
        Ok(Echoed { at: "127.0.0.1".parse().unwrap(), sent: 4, took: took.to_vec() })
    }

    #[test]
    fn all_must_be_silent_to_be_red() {
        use Severity::{Green, Red, Unknown, Yellow};
        let blind = || Err(NoAnswer::Setup("set the sysctl".into()));
        let gone = || Err(NoAnswer::Unreachable("no route".into()));
        for (asked, want) in [
            (vec![back(&[1.0, 2.0, 3.0, 4.0])], (Green, "ok")),
            (vec![back(&[]), back(&[9.0, 9.0, 9.0, 9.0])], (Green, "ok")),
            (vec![back(&[]), back(&[])], (Red, "silent")),
            (vec![back(&[]), gone()], (Red, "silent")),
            (vec![back(&[1.0])], (Yellow, "loss")),
            (vec![back(&[1.0, 1.0])], (Green, "ok")),
            (vec![back(&[250.0; 4])], (Yellow, "slow")),
            (vec![blind()], (Unknown, "setup")),
            (vec![blind(), back(&[1.0; 4])], (Green, "ok")),
        ] {
            let hosts = ["192.0.2.1", "192.0.2.2"].map(address);
            let asked: Vec<Asked> = hosts.into_iter().zip(asked).collect();
            let reading = probe(&[]).judge(&asked, Millis(1));
            assert_eq!((reading.severity, reading.reason.as_str()), want, "{asked:?}");
            let known = gives();
            assert!(reading.values.iter().all(|(name, value)| {
                known.iter().any(|g| g.name == name && value.fits(&g.kind))
            }));
        }
    }

    #[tokio::test]
    async fn this_machine_answers_itself() {
        let reading = probe(&["127.0.0.1"]).look(&NoPast, Millis(1)).await.remove(0);
        // Where nobody may ping, the way to allow it is said.
        match reading.severity {
            Severity::Green => assert!(reading.value.is_some_and(|took| took < 200.0)),
            Severity::Unknown => assert!(reading.words.as_str().contains("ping_group_range")),
            Severity::Yellow | Severity::Red => panic!("{}", reading.words),
        }
    }
}
