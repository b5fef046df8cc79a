//! `kube.node`: what ails a node, and whether its host answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Fut;
use crate::clients::host::HostLink;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::{Condition, Node, Pod, condition};
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::fact::{Fact, FactValue};
use crate::model::ids::{HostName, ToolName, UnitName, Word};
use crate::model::target::{Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, Values};
use crate::tool::args::{gives, made, required};
use crate::tool::kube::cordon::look;
use crate::tool::kube::{cluster, node as named, told, unread};
use crate::tool::unit::word;
use crate::tool::world::{KnownCluster, World};

/// What a kubelet runs as, by distribution.
const AGENTS: [&str; 7] = [
    "k3s-agent.service",
    "k3s.service",
    "kubelet.service",
    "rke2-agent.service",
    "rke2-server.service",
    "k0sworker.service",
    "snap.microk8s.daemon-kubelite.service",
];
const PRESSURES: [&str; 4] =
    ["DiskPressure", "MemoryPressure", "PIDPressure", "NetworkUnavailable"];
/// A host that does not answer within this is said not to.
const PATIENCE: Span = Span::secs(10);

fn node_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.node"),
        summary: "Describe a node: conditions, pods, whether its host answers, and the likely cause",
        inputs: vec![required("node", Kind::Target, "CLUSTER:member:NODE")],
        gives: vec![
            gives("ready", Kind::Word, "yes, no, or unheard"),
            gives(
                "cause",
                Kind::Word,
                "host-down, kubelet, runtime, network, pressure, unheard, none",
            ),
            gives("says", Kind::Text, "what the cluster says of it"),
            gives("since", Kind::Span, "for how long it has been so"),
            gives("cordoned", Kind::Flag, "whether it takes no new pods"),
            gives("pods", Kind::Int, "pods on it"),
            gives(
                "host_answers",
                Kind::Word,
                "yes, no, or not-known where the config has no such host",
            ),
            gives("unit", Kind::Target, "the unit of its kubelet, where the host tells of one"),
            gives("unit_state", Kind::Word, "active, failed, inactive ..."),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a node that is gone; no right to read nodes (`reef install --print k8s-role`)",
        timeout: Span::secs(30),
        example: "tool = \"kube.node\"\nargs = { node = \"k3s:member:pi-1\" }",
    }
}

/// `kube.node`.
pub fn node(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(node_spec(), move |args| {
        let target = named(args, "node")?;
        let known = cluster(&world, args)?;
        let name = HostName::new(target.name()).ok();
        let host = name.and_then(|name| world.hosts.get(&name).cloned());
        Ok(Parsed::Query(Box::new(Describe { known, target, host, now: world.now.now() })))
    })
}

struct Describe {
    known: Arc<KnownCluster>,
    target: Target,
    /// The node's own host, where the config knows one of its name.
    host: Option<Arc<dyn HostLink>>,
    now: Millis,
}

/// What the node's host says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    NotKnown,
    Silent(String),
    /// With the unit of its kubelet and that unit's state.
    Answers(Option<(String, String)>),
}

async fn ask(host: Option<&dyn HostLink>) -> Host {
    let Some(host) = host else { return Host::NotKnown };
    let unit = |name: &str| UnitName::new(name).ok().map(Fact::Unit);
    let wanted: BTreeSet<Fact> =
        AGENTS.into_iter().filter_map(unit).chain([Fact::Uptime]).collect();
    let facts = tokio::time::timeout(PATIENCE.duration(), host.facts(&wanted)).await;
    let Ok(facts) = facts else { return Host::Silent(format!("no answer within {PATIENCE}")) };
    match facts.get(&Fact::Uptime) {
        Some(Ok(_)) => {}
        Some(Err(why)) => return Host::Silent(why.to_string()),
        None => return Host::Silent("it tells nothing".into()),
    }
    let agent = AGENTS.into_iter().find_map(|name| match facts.get(&unit(name)?) {
        Some(Ok(FactValue::Unit(unit))) if unit.load == "loaded" => {
            Some((name.to_owned(), unit.active.clone()))
        }
        Some(_) | None => None,
    });
    Host::Answers(agent)
}

/// The likely cause in one word.
fn cause(ready: &str, says: &str, pressed: bool, host: &Host) -> &'static str {
    let lower = says.to_ascii_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match (ready, host) {
        ("yes", _) if pressed => "pressure",
        ("yes", _) => "none",
        (_, Host::Silent(_)) => "host-down",
        (_, Host::Answers(Some((_, state)))) if state != "active" => "kubelet",
        ("no", _) if speaks_of(&["cni", "network plugin", "network is not ready"]) => "network",
        ("no", _) if speaks_of(&["container runtime", "pleg"]) => "runtime",
        ("no", _) if pressed => "pressure",
        ("no", _) => "kubelet",
        // Its kubelet runs, and the cluster does not hear it.
        (_, Host::Answers(Some(_))) => "network",
        (_, Host::Answers(None) | Host::NotKnown) => "unheard",
    }
}

impl Describe {
    fn words(&self, node: &Node, ready: &str, cause: &str, says: &str, host: &Host) -> String {
        let mut words = format!("{}: ready {ready}, likely cause: {cause}", self.target);
        match host {
            Host::NotKnown => words.push_str("; the config knows no host of that name"),
            Host::Silent(why) => words += &format!("; its host does not answer ({why})"),
            Host::Answers(None) => words.push_str("; its host answers"),
            Host::Answers(Some((unit, state))) => {
                words += &format!("; its host answers, {unit} is {state}");
            }
        }
        if !says.is_empty() {
            words += &format!("; {says}");
        }
        if node.spec.unschedulable {
            words.push_str("; cordoned");
        }
        words
    }
}

fn said(condition: &Condition) -> String {
    match condition.message.is_empty() {
        true => condition.reason.clone(),
        false => format!("{}: {}", condition.reason, condition.message),
    }
}

impl Query for Describe {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let node = look(&self.known, &self.target).await?;
            let all = self.known.cluster.list::<Pod>(&[], Fresh::Memory, None).await;
            let pods = all.map_err(unread)?.items;
            let on = pods.iter().filter(|pod| pod.spec.node_name == self.target.name()).count();
            let conditions = &node.status.conditions;
            let is = condition(conditions, "Ready");
            let ready = match is.map(|c| c.status.as_str()) {
                Some("True") => "yes",
                Some("False") => "no",
                Some(_) | None => "unheard",
            };
            let pressures: Vec<&Condition> = PRESSURES
                .into_iter()
                .filter_map(|kind| condition(conditions, kind))
                .filter(|c| c.status == "True")
                .collect();
            let mut says: Vec<String> =
                is.filter(|_| ready != "yes").map(said).into_iter().collect();
            says.extend(pressures.iter().map(|c| format!("{}: {}", c.kind, said(c))));
            let says = says.join("; ");
            let host = ask(self.host.as_deref()).await;
            let cause = cause(ready, &says, !pressures.is_empty(), &host);
            let since = is.and_then(|c| c.last_transition_time.0);
            let since = since.map_or(Span(0), |at| self.now.since(at));
            let answers = match &host {
                Host::NotKnown => "not-known",
                Host::Silent(_) => "no",
                Host::Answers(_) => "yes",
            };
            let mut values = Values::from([
                ("ready".to_owned(), Value::Word(Word::of(ready))),
                ("cause".to_owned(), Value::Word(Word::of(cause))),
                ("says".to_owned(), Value::Text(told(&self.known, &says))),
                ("since".to_owned(), Value::Span(since)),
                ("cordoned".to_owned(), Value::Flag(node.spec.unschedulable)),
                ("pods".to_owned(), Value::Int(i64::try_from(on).unwrap_or(i64::MAX))),
                ("host_answers".to_owned(), Value::Word(Word::of(answers))),
            ]);
            if let (Host::Answers(Some((unit, state))), Some(link)) = (&host, &self.host) {
                let unit = Target::new(link.name().clone(), Thing::Unit, unit).ok();
                values.extend(unit.map(|unit| ("unit".to_owned(), Value::Target(unit))));
                values.insert("unit_state".into(), Value::Word(word(state)));
            }
            let words = self.words(&node, ready, cause, &says, &host);
            Ok(Found { values, words: told(&self.known, &words) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_cause_is_one_word() {
        let agent = |state: &str| Host::Answers(Some(("k3s-agent.service".into(), state.into())));
        let silent = Host::Silent("connection refused".into());
        let stopped = "NodeStatusUnknown: Kubelet stopped posting node status.";
        for (ready, says, pressed, host, want) in [
            ("yes", "", false, Host::NotKnown, "none"),
            ("yes", "DiskPressure", true, Host::NotKnown, "pressure"),
            ("unheard", stopped, false, silent.clone(), "host-down"),
            ("unheard", stopped, false, agent("failed"), "kubelet"),
            ("unheard", stopped, false, agent("active"), "network"),
            ("unheard", stopped, false, Host::Answers(None), "unheard"),
            ("unheard", stopped, false, Host::NotKnown, "unheard"),
            ("no", "KubeletNotReady: container runtime is down", false, agent("active"), "runtime"),
            ("no", "KubeletNotReady: PLEG is not healthy", false, Host::NotKnown, "runtime"),
            (
                "no",
                "KubeletNotReady: cni plugin not initialized",
                false,
                agent("active"),
                "network",
            ),
            ("no", "KubeletNotReady: container runtime is down", false, silent, "host-down"),
            ("no", "", true, Host::NotKnown, "pressure"),
            ("no", "", false, Host::NotKnown, "kubelet"),
        ] {
            assert_eq!(cause(ready, says, pressed, &host), want, "{ready} {says} {host:?}");
        }
    }
}
