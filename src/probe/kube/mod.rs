//! `kube`: whether a cluster's API server answers, and whether each member is ready.

use std::collections::BTreeMap;

use crate::Fut;
use crate::clients::kube::{Cluster, Member, NoCluster, Ready, Schedulable, Settings};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::{How, NetProbe, Past};

/// Looks for which a member that was removed is still spoken of: enough to clear what it had fired.
const REMOVED_FOR: u32 = 5;

/// Looks at one cluster.
#[derive(Debug)]
pub struct KubeProbe {
    name: HostName,
    cluster: Cluster,
    /// Members seen before, and for how many looks each has been gone.
    known: BTreeMap<String, u32>,
}

impl KubeProbe {
    pub fn new(name: HostName, settings: Settings) -> Self {
        Self { name, cluster: Cluster::new(settings), known: BTreeMap::new() }
    }

    fn judge(&mut self, answer: Result<Vec<Member>, NoCluster>, now: Millis) -> Vec<Reading> {
        match answer {
            Ok(members) => self.judge_members(&members, now),
            Err(why) => self.unseen(&why, now),
        }
    }

    fn judge_members(&mut self, members: &[Member], now: Millis) -> Vec<Reading> {
        let n = members.len();
        let mut api = Reading::new(
            api_signal(&self.name),
            now,
            Severity::Green,
            Word::of("ok"),
            &format!("lists {n} members"),
        );
        #[expect(clippy::cast_precision_loss, reason = "500 members at the most")]
        {
            api.value = Some(n as f64);
        }
        api.unit = Some(Unit::Count);
        let mut readings = vec![api];
        for member in members {
            self.known.insert(member.name.clone(), 0);
            readings.extend(self.judge_member(member, now));
        }
        for (name, gone) in &mut self.known {
            if members.iter().all(|member| member.name != *name) {
                *gone += 1;
                let words = "is no member any more: somebody removed it from the cluster";
                readings.extend(member_reading(
                    &self.name,
                    name,
                    (Severity::Green, "removed"),
                    words,
                    now,
                ));
            }
        }
        self.known.retain(|_, gone| *gone < REMOVED_FOR);
        readings
    }

    fn judge_member(&self, member: &Member, now: Millis) -> Option<Reading> {
        let why = member.why.as_str();
        let (judged, words) = match (member.ready, member.schedulable) {
            (Ready::No, _) => ((Severity::Red, "not-ready"), format!("not ready: {why}")),
            (Ready::Unheard, _) => ((Severity::Red, "unheard"), format!("not heard of: {why}")),
            (Ready::Yes, Schedulable::No) => {
                ((Severity::Yellow, "unschedulable"), "ready, but takes no new work".to_owned())
            }
            (Ready::Yes, Schedulable::Yes) => ((Severity::Green, "ok"), "ready".to_owned()),
        };
        member_reading(&self.name, &member.name, judged, &words, now)
    }

    fn unseen(&self, why: &NoCluster, now: Millis) -> Vec<Reading> {
        let severity = match why {
            // An API server that does not answer is itself what is wrong.
            NoCluster::Unreachable(_) | NoCluster::TimedOut(_) | NoCluster::Failed(_) => {
                Severity::Red
            }
            NoCluster::Setup(_) | NoCluster::Denied(_) => Severity::Unknown,
        };
        let reason = Word::of(why.word());
        let words = why.to_string();
        let mut readings =
            vec![Reading::new(api_signal(&self.name), now, severity, reason, &words)];
        for name in self.known.keys() {
            let judged = (Severity::Unknown, "unseen");
            readings.extend(member_reading(&self.name, name, judged, &words, now));
        }
        readings
    }
}

impl NetProbe for KubeProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let answer = self.cluster.members().await;
            self.judge(answer, now)
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        self.unseen(&NoCluster::TimedOut(after), now)
    }
}

/// A member's reading; `None` where the cluster gave it a name that no target can have.
fn member_reading(
    cluster: &HostName,
    name: &str,
    judged: (Severity, &'static str),
    words: &str,
    now: Millis,
) -> Option<Reading> {
    let target = Target::new(cluster.clone(), Thing::Member, name).ok()?;
    let (probe, aspect) = (Word::of("kube"), Word::of("ready"));
    let signal = Signal { probe, target: target.clone(), aspect };
    let mut reading = Reading::new(signal, now, judged.0, Word::of(judged.1), words);
    reading.values.insert("member".into(), Value::Target(target));
    Some(reading)
}

fn api_signal(cluster: &HostName) -> Signal {
    Signal {
        probe: Word::of("kube"),
        target: Target::host(cluster.clone()),
        aspect: Word::of("api"),
    }
}

/// What a reading of it has.
pub fn gives() -> Vec<Gives> {
    vec![Gives { name: "member", kind: Kind::Target, doc: "the member, CLUSTER:member:NAME" }]
}

/// `NAME = "/path/to/kubeconfig"` below `[kubernetes]` or `[probe.kube]`, or a table with `kubeconfig_file`, `context`
/// and the common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(kubeconfig) = ask.main::<AbsPath>("kubeconfig_file") else { return Vec::new() };
    let context = ask.opt("context");
    let cluster = match HostName::new(ask.name) {
        Ok(cluster) => cluster,
        Err(bad) => {
            let name = ask.name.to_owned();
            ask.mistake(&name, format!("{}: choose another name", bad.why));
            return Vec::new();
        }
    };
    let mut common = ask.common(Common::with(Span::mins(1), Span::secs(10)), &cluster);
    let settings = Settings { kubeconfig, context, timeout: common.timeout };
    common.timeout = Span(settings.timeout.0 + 1_000);
    let parent = common.parent.clone();
    let main = api_signal(&cluster);
    let how = How::Net(Box::new(KubeProbe::new(cluster.clone(), settings)));
    let probe = common.probe(Word::of("kube"), format!("kube.{}", ask.name), cluster, how);
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::kube::fake::{Does, node, start};
    use crate::probe::ask::NoPast;

    fn told(readings: &[Reading]) -> Vec<(String, Severity, &str)> {
        let one = |r: &Reading| (r.signal.to_string(), r.severity);
        readings.iter().map(|r| (one(r).0, one(r).1, r.reason.as_str())).collect()
    }

    #[tokio::test]
    async fn each_member_is_a_signal_and_a_silent_cluster_leaves_them_unknown() {
        use Severity::{Green, Red, Unknown, Yellow};
        let dir = tempfile::tempdir().unwrap();
        let nodes = vec![
            node("a", Some("True"), None),
            node("b", Some("False"), None),
            node("c", Some("Unknown"), None),
            node("d", Some("True"), Some(true)),
        ];
        let (fake, settings, _tasks) = start(Does::List(nodes), dir.path(), "right").await;
        let settings = Settings { timeout: Span(400), ..settings };
        let mut probe = KubeProbe::new(HostName::new("k3s").unwrap(), settings);
        let member = |name: &str| format!("kube k3s:member:{name} ready");
        let first = probe.look(&NoPast, Millis(1)).await;
        assert_eq!(
            told(&first),
            [
                ("kube k3s api".into(), Green, "ok"),
                (member("a"), Green, "ok"),
                (member("b"), Red, "not-ready"),
                (member("c"), Red, "unheard"),
                (member("d"), Yellow, "unschedulable"),
            ]
        );
        assert!(first[2].words.as_str().contains("container runtime is down"));

        *fake.does.lock().unwrap() = Does::Hang;
        let silent = probe.look(&NoPast, Millis(2)).await;
        assert_eq!(told(&silent)[0], ("kube k3s api".into(), Red, "timeout"));
        assert!(silent[1..].iter().all(|r| r.severity == Unknown) && silent.len() == 5);

        *fake.does.lock().unwrap() = Does::Refuse(403, "Forbidden", "nodes is forbidden");
        let refused = probe.look(&NoPast, Millis(3)).await;
        assert!(refused.iter().all(|r| r.severity == Unknown) && refused.len() == 5);

        *fake.does.lock().unwrap() = Does::List(vec![node("a", Some("True"), None)]);
        for _ in 0..REMOVED_FOR {
            let fewer = probe.look(&NoPast, Millis(4)).await;
            assert_eq!(told(&fewer)[2], (member("b"), Green, "removed"));
        }
        assert_eq!(probe.look(&NoPast, Millis(5)).await.len(), 2);
    }

    #[test]
    fn a_name_that_no_target_can_have_is_left_out() {
        let hostile = Member {
            name: "-x *".into(),
            ready: Ready::No,
            why: crate::model::taint::Tainted::default(),
            schedulable: Schedulable::Yes,
        };
        let kubeconfig = AbsPath::new("/x").unwrap();
        let settings = Settings { kubeconfig, context: None, timeout: Span::secs(1) };
        let mut probe = KubeProbe::new(HostName::new("k3s").unwrap(), settings);
        assert_eq!(probe.judge(Ok(vec![hostile]), Millis(1)).len(), 1);
    }
}
