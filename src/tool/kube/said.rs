//! `kube.logs` and `kube.events`: what a pod said, and what the cluster said of something.

use std::sync::Arc;

use crate::Fut;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::{Event, Pod};
use crate::clients::kube::one::Instance;
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::ToolName;
use crate::model::object::{Object, ObjectKind};
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value};
use crate::tool::args::{Args, gives, made, optional, refused, required};
use crate::tool::kube::{LOOK, cluster, ill, node, object, told, unread};
use crate::tool::lines::{Keep, Lines};
use crate::tool::unit::word;
use crate::tool::world::{KnownCluster, World};

fn logs_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.logs"),
        summary: "Read the newest lines of a pod's container as templates, of its run before too",
        inputs: vec![
            required("pod", Kind::Target, "CLUSTER/NAMESPACE/pod/NAME"),
            optional("container", Kind::Word, "the one that fares worst unless said"),
            optional("previous", Kind::Flag, "of its run before: that explains a crash"),
            optional("lines", Kind::Int, "how many lines to look at, 1 to 1000; 200 unless said"),
        ],
        gives: vec![
            gives("template", Kind::Text, "the most frequent template among its errors"),
            gives("last", Kind::Text, "the last line that it wrote"),
            gives("errors", Kind::Int, "how many lines speak of an error"),
            gives("lines", Kind::Int, "how many lines there were"),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a pod that is gone; no right to get pods/log (`reef install --print k8s-role`)",
        timeout: LOOK,
        example: "tool = \"kube.logs\"\nargs = { pod = \"k3s/media/pod/jellyfin-7d9f-x2x4k\", previous = true }",
    }
}

fn events_spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("kube.events"),
        summary: "List what the cluster noted of an object or a node, the newest first",
        inputs: vec![required(
            "about",
            Kind::Target,
            "CLUSTER/NAMESPACE/pod/NAME or another object, or CLUSTER:member:NODE",
        )],
        gives: vec![
            gives("warnings", Kind::Int, "how many kinds of warnings there are"),
            gives("reason", Kind::Word, "of the newest warning: BackOff, FailedScheduling ..."),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "no right to list events (`reef install --print k8s-role`)",
        timeout: LOOK,
        example: "tool = \"kube.events\"\nargs = { about = \"k3s/media/deployment/jellyfin\" }",
    }
}

/// `kube.logs`.
pub fn logs(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(logs_spec(), move |args| {
        let (target, pod) = object(args, "pod", &[ObjectKind::Pod])?;
        let container = args.word("container").map(|word| word.as_str().to_owned());
        if let Some(container) = &container {
            // It becomes part of a query, so it is checked as the API server checks it.
            Object::new("default", ObjectKind::Pod, container).map_err(refused)?;
        }
        let instance = match args.flag("previous") {
            Some(true) => Instance::Previous,
            Some(false) | None => Instance::Current,
        };
        let lines = args.count("lines", 200, 1_000)?;
        let (known, now) = (cluster(&world, args)?, world.now.now());
        Ok(Parsed::Query(Box::new(Logs { known, target, pod, container, instance, lines, now })))
    })
}

struct Logs {
    known: Arc<KnownCluster>,
    target: Target,
    pod: Object,
    container: Option<String>,
    instance: Instance,
    lines: usize,
    now: crate::model::time::Millis,
}

impl Logs {
    /// The container that fares worst, if none was named.
    async fn container(&self) -> Result<String, ToolError> {
        if let Some(named) = &self.container {
            return Ok(named.clone());
        }
        let of = self.known.cluster.one::<Pod>(self.pod.namespace(), self.pod.name());
        let pod = of.await.map_err(unread)?;
        let worst = ill::of(&pod, self.now).container.map(|one| one.name.clone());
        let name = worst.or_else(|| pod.spec.containers.first().map(|one| one.name.clone()));
        let name = name.ok_or_else(|| refused(format!("{} has no container yet", self.target)))?;
        Object::new("default", ObjectKind::Pod, &name).map_err(refused)?;
        Ok(name)
    }
}

impl Query for Logs {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let container = self.container().await?;
            let at = (self.pod.namespace(), self.pod.name(), container.as_str());
            let log =
                self.known.cluster.log(at, self.instance, self.lines).await.map_err(unread)?;
            let which = match self.instance {
                Instance::Current => "log",
                Instance::Previous => "log before its last restart",
            };
            let (text, none) = match &log {
                Some(text) => (text.as_str(), ""),
                None => ("", " (there is none)"),
            };
            let lines = Lines::of(text, Keep::Errors);
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
            let template = lines.templates.first().map_or("", |(template, _)| template);
            let number = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
            let values = [
                ("template".to_owned(), Value::Text(Tainted::new(template))),
                ("last".to_owned(), Value::Text(Tainted::new(last))),
                ("errors".to_owned(), number(lines.kept)),
                ("lines".to_owned(), number(lines.seen)),
            ];
            let said = if template.is_empty() { last } else { template };
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let words = format!(
                "{container}'s {which}{none}: {} of {} lines speak of errors{said}{}",
                lines.kept,
                lines.seen,
                lines.words(5)
            );
            Ok(Found { values: values.into(), words: told(&self.known, &words) })
        })
    }
}

/// `kube.events`.
pub fn events(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    made(events_spec(), move |args| {
        let (target, namespace, kind, name) = about(args)?;
        let known = cluster(&world, args)?;
        Ok(Parsed::Query(Box::new(Events { known, target, namespace, kind, name })))
    })
}

/// What events call it: a node's are kept in the namespace `default`.
fn about(args: &Args<'_>) -> Result<(Target, String, &'static str, String), ToolError> {
    if let Ok(target) = args.target("about", Thing::Member) {
        let target = target.clone();
        let name = node(args, "about")?.name().to_owned();
        return Ok((target, "default".to_owned(), "Node", name));
    }
    let (target, object) = object(args, "about", &ObjectKind::ALL)?;
    let kind = match object.kind() {
        ObjectKind::Deployment => "Deployment",
        ObjectKind::StatefulSet => "StatefulSet",
        ObjectKind::DaemonSet => "DaemonSet",
        ObjectKind::Job => "Job",
        ObjectKind::CronJob => "CronJob",
        ObjectKind::Pod => "Pod",
        ObjectKind::Claim => "PersistentVolumeClaim",
        ObjectKind::Secret => "Secret",
        ObjectKind::Ingress => "Ingress",
    };
    Ok((target, object.namespace().to_owned(), kind, object.name().to_owned()))
}

struct Events {
    known: Arc<KnownCluster>,
    target: Target,
    namespace: String,
    kind: &'static str,
    name: String,
}

impl Query for Events {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move {
            let namespace = [self.namespace.clone()];
            let all = self.known.cluster.list::<Event>(&namespace, Fresh::Store, None).await;
            let mut own: Vec<Event> = all
                .map_err(unread)?
                .items
                .into_iter()
                .filter(|event| event.involved_object.kind == self.kind)
                .filter(|event| event.involved_object.name == self.name)
                .collect();
            own.sort_by_key(|event| std::cmp::Reverse(event.last()));
            let warnings: Vec<&Event> = own.iter().filter(|e| e.kind == "Warning").collect();
            let mut values = crate::model::value::Values::from([(
                "warnings".to_owned(),
                Value::Int(i64::try_from(warnings.len()).unwrap_or(i64::MAX)),
            )]);
            let mut words = format!("{}: {} warnings", self.target, warnings.len());
            if let Some(newest) = warnings.first() {
                values.insert("reason".into(), Value::Word(word(&newest.reason)));
                words += &format!(", the newest {}: {}", newest.reason, newest.message);
            }
            for event in own.iter().take(10) {
                words += &format!("\n{} x {}: {}", event.times(), event.reason, event.message);
            }
            Ok(Found { values, words: told(&self.known, &words) })
        })
    }
}
