//! A Swarm's nodes and services, as one of its managers tells them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clients::docker::api::{Api, ApiError, quoted};
use crate::model::container::{Swarm, SwarmNode, SwarmService, is_no};
use crate::model::taint::Tainted;

/// Nodes and services that are told of.
const MOST: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    #[serde(rename = "ID")]
    id: String,
    spec: NodeSpec,
    description: Description,
    status: NodeStatus,
    manager_status: Option<ManagerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeSpec {
    availability: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    hostname: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeStatus {
    state: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ManagerStatus {
    leader: bool,
    reachability: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    spec: ServiceSpec,
    service_status: Option<ServiceStatus>,
    update_status: Option<UpdateStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ServiceSpec {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    task_template: TaskTemplate,
    mode: Mode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskTemplate {
    container_spec: ContainerSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    replicated: Option<Replicated>,
    replicated_job: Option<serde::de::IgnoredAny>,
    global_job: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Replicated {
    replicas: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ServiceStatus {
    running_tasks: u64,
    desired_tasks: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateStatus {
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Task {
    #[serde(rename = "ServiceID")]
    service_id: String,
    desired_state: String,
    status: TaskStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskStatus {
    timestamp: String,
    state: String,
    message: String,
    err: String,
}

/// The swarm; `None` where this engine is no manager of one.
pub(super) async fn ask(api: &Api) -> Result<Option<Swarm>, ApiError> {
    let nodes = match api.get::<Vec<Node>>("/nodes").await {
        Ok(nodes) => nodes,
        // A manager that has lost its leader says so with the same status.
        Err(ApiError::Status(503 | 406, words)) if words.contains("not a swarm manager") => {
            return Ok(None);
        }
        Err(ApiError::Status(500 | 503, words)) if words.contains("leader") => {
            let leaderless = Some(Tainted::bounded(&words, 300));
            return Ok(Some(Swarm { leaderless, ..Swarm::default() }));
        }
        // An engine that knows no swarms, as Podman.
        Err(ApiError::Status(404, _)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let services: Vec<Service> = api.get("/services?status=true").await?;
    let mut swarm = told(nodes, services);
    // Why a service is short is told by its tasks, which are many: they are asked for only then.
    let short: Vec<&str> =
        swarm.services.iter().filter(|s| is_short(s)).map(|s| s.id.as_str()).take(20).collect();
    if !short.is_empty() {
        let filter = serde_json::json!({ "service": short }).to_string();
        let tasks: Result<Vec<Task>, _> =
            api.get(&format!("/tasks?filters={}", quoted(&filter))).await;
        counted(&mut swarm, &tasks.unwrap_or_default());
    }
    Ok(Some(swarm))
}

fn is_short(service: &SwarmService) -> bool {
    !service.job && service.running < service.desired
}

fn told(nodes: Vec<Node>, services: Vec<Service>) -> Swarm {
    let nodes = nodes.into_iter().take(MOST).map(|node| SwarmNode {
        name: node.description.hostname,
        id: node.id,
        state: node.status.state,
        availability: node.spec.availability,
        leader: node.manager_status.as_ref().is_some_and(|m| m.leader),
        reachability: node.manager_status.map(|m| m.reachability),
        message: Some(node.status.message)
            .filter(|m| !m.is_empty())
            .map(|m| Tainted::bounded(&m, 200)),
    });
    let services = services.into_iter().take(MOST).map(|service| {
        let spec = service.spec;
        let status = service.service_status.unwrap_or_else(|| ServiceStatus {
            running_tasks: 0,
            // An engine older than 20.10 does not count; the tasks are counted instead.
            desired_tasks: spec.mode.replicated.as_ref().map_or(1, |r| r.replicas.unwrap_or(1)),
        });
        SwarmService {
            id: service.id,
            name: spec.name,
            // Without its digest, which nobody reads.
            image: spec
                .task_template
                .container_spec
                .image
                .split('@')
                .next()
                .unwrap_or("")
                .to_owned(),
            running: status.running_tasks,
            desired: status.desired_tasks,
            job: spec.mode.replicated_job.is_some() || spec.mode.global_job.is_some(),
            update: service.update_status.map(|u| u.state).unwrap_or_default(),
            error: None,
            opted_out: spec.labels.unwrap_or_default().get("reef.watch").is_some_and(|v| is_no(v)),
        }
    });
    Swarm { nodes: nodes.collect(), services: services.collect(), leaderless: None }
}

/// Adds what the newest failed task of a service said, and counts those that run where the engine did not.
fn counted(swarm: &mut Swarm, tasks: &[Task]) {
    for service in &mut swarm.services {
        let own = || tasks.iter().filter(|task| task.service_id == service.id);
        let running =
            own().filter(|t| t.status.state == "running" && t.desired_state == "running").count();
        service.running = service.running.max(u64::try_from(running).unwrap_or(u64::MAX));
        let said = |task: &&Task| !task.status.err.is_empty();
        let newest = own().filter(said).max_by(|a, b| a.status.timestamp.cmp(&b.status.timestamp));
        service.error = match newest {
            Some(task) => Some(Tainted::bounded(&task.status.err, 200)),
            // Not placed at all: `no suitable node`.
            None => own()
                .filter(|t| t.status.state == "pending")
                .map(|t| Tainted::bounded(&t.status.message, 200))
                .next(),
        };
    }
}

/// The swarm as `docker node inspect`, `docker service inspect` and `docker service ls` print it.
pub(super) fn printed(nodes: &str, services: &str, replicas: &str) -> Result<Swarm, String> {
    let or_none = |text: &str| if text.trim().is_empty() { "[]" } else { text }.to_owned();
    let nodes: Vec<Node> = serde_json::from_str(&or_none(nodes)).map_err(|e| e.to_string())?;
    let services: Vec<Service> =
        serde_json::from_str(&or_none(services)).map_err(|e| e.to_string())?;
    let mut swarm = told(nodes, services);
    // `s5k3ab2 2/3 (max 1 per node)`
    for line in replicas.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(id), Some((running, desired))) =
            (words.next(), words.next().and_then(|counts| counts.split_once('/')))
        else {
            continue;
        };
        for service in swarm.services.iter_mut().filter(|s| s.id.starts_with(id)) {
            if let (Ok(running), Ok(desired)) = (running.parse(), desired.parse()) {
                (service.running, service.desired) = (running, desired);
            }
        }
    }
    Ok(swarm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_services_are_read_with_what_is_missing() {
        let nodes: Vec<Node> = serde_json::from_str(
            r#"[{"ID":"n1","Spec":{"Role":"manager","Availability":"active"},"Description":{"Hostname":"vm"},
                 "Status":{"State":"ready","Addr":"127.0.0.1"},
                 "ManagerStatus":{"Leader":true,"Reachability":"reachable","Addr":"127.0.0.1:2377"}},
                {"ID":"n2","Spec":{"Availability":"drain"},"Description":{"Hostname":"pi"},
                 "Status":{"State":"down","Message":"heartbeat failure"}}]"#,
        )
        .unwrap();
        let services: Vec<Service> = serde_json::from_str(
            r#"[{"ID":"s1","Spec":{"Name":"bad","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"a:1@sha256:0"}},
                 "Mode":{"Replicated":{"Replicas":3}}},"ServiceStatus":{"RunningTasks":0,"DesiredTasks":3,"CompletedTasks":0}},
                {"ID":"s2","Spec":{"Name":"glob","Mode":{"Global":{}}},"ServiceStatus":{"RunningTasks":1,"DesiredTasks":1}},
                {"ID":"s3","Spec":{"Name":"job","Mode":{"ReplicatedJob":{"MaxConcurrent":1}}},"ServiceStatus":{"RunningTasks":0,"DesiredTasks":1}},
                {"ID":"s4","Spec":{"Name":"old","Labels":null,"Mode":{"Replicated":{"Replicas":2}}}}]"#,
        )
        .unwrap();
        let mut swarm = told(nodes, services);
        assert_eq!(
            (swarm.nodes[1].state.as_str(), swarm.nodes[1].availability.as_str()),
            ("down", "drain")
        );
        assert!(swarm.nodes[0].leader && swarm.nodes[1].reachability.is_none());
        let short: Vec<&str> =
            swarm.services.iter().filter(|s| is_short(s)).map(|s| s.name.as_str()).collect();
        assert_eq!(short, ["bad", "old"]);
        assert_eq!(swarm.services[0].image, "a:1");
        let tasks: Vec<Task> = serde_json::from_str(
            r#"[{"ServiceID":"s1","DesiredState":"shutdown","Status":{"Timestamp":"2026-11-20T22:00:00Z","State":"failed","Err":"older"}},
                {"ServiceID":"s1","DesiredState":"shutdown","Status":{"Timestamp":"2026-11-20T23:00:00Z","State":"failed","Err":"task: non-zero exit (1)"}},
                {"ServiceID":"s4","DesiredState":"running","Status":{"State":"running"}}]"#,
        )
        .unwrap();
        counted(&mut swarm, &tasks);
        assert_eq!(swarm.services[0].error.as_ref().unwrap().as_str(), "task: non-zero exit (1)");
        assert_eq!(swarm.services[3].running, 1);
    }
}
