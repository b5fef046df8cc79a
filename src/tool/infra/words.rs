//! A deed in words and numbers, and its inverse.

use super::{Change, firewall};
use crate::clients::provider::{Deed, Machine, Power};
use crate::model::ids::ToolName;
use crate::model::tool::{Call, Undo};
use crate::model::value::{Value, human_bytes};

impl Change {
    /// What is to be done, in words and numbers, from how it is now.
    pub(super) fn words(&self, now: &Machine) -> String {
        let (target, is) = (&self.target, now.power.word());
        let size = |bytes: Option<u64>| bytes.map_or("an untold amount".to_owned(), human_bytes);
        match &self.deed {
            Deed::Start => format!("start {target} (now {is})"),
            Deed::Stop => {
                format!(
                    "shut {target} down (now {is}): it is down until it is started; never cut off by force"
                )
            }
            Deed::Create { template, .. } => {
                format!("make {target} as a full copy of {template}; it is not started")
            }
            Deed::Delete => {
                let all: u64 = now.volumes.values().sum();
                format!(
                    "delete {target} with its {} volumes of {} and {} snapshots",
                    now.volumes.len(),
                    human_bytes(all),
                    now.snapshots.len()
                )
            }
            Deed::Grow { volume, to } => {
                let from = now.volumes.get(volume).copied();
                let more = to.saturating_sub(from.unwrap_or(0));
                format!(
                    "grow {volume} of {target} from {} to {}, by {}; the file system within is left as it is",
                    size(from),
                    human_bytes(*to),
                    human_bytes(more)
                )
            }
            Deed::Limit { memory, cores } => {
                let mut parts = Vec::new();
                if let Some(memory) = memory {
                    parts.push(format!(
                        "memory from {} to {}",
                        size(now.memory),
                        human_bytes(*memory)
                    ));
                }
                if let Some(cores) = cores {
                    let from = now.cores.map_or("an untold number".to_owned(), |n| n.to_string());
                    parts.push(format!("cores from {from} to {cores}"));
                }
                let later = if now.power == Power::Running {
                    "; what runs may have it only at its next start"
                } else {
                    ""
                };
                format!("set {} of {target}{later}", parts.join(" and "))
            }
            Deed::Admit(rule) => {
                format!(
                    "add to the firewall of {target}, which has {} such rules: {rule}",
                    now.rules.len()
                )
            }
            Deed::Withdraw(rule) => {
                format!(
                    "remove from the firewall of {target}, of {} such rules: {rule}",
                    now.rules.len()
                )
            }
            Deed::Snapshot { name } => format!(
                "take the snapshot {name} of {target} (now {is}, {} snapshots): its volumes, not what is in its memory",
                now.snapshots.len()
            ),
            Deed::Rollback { name } => format!(
                "roll {target} back to its snapshot {name}: everything that was written since is lost{}",
                if now.power == Power::Running { ", and it is started anew" } else { "" }
            ),
            Deed::Forget { name } => format!("remove the snapshot {name} of {target}"),
        }
    }

    /// The inverse, from how it is now.
    pub(super) fn undo(&self, now: &Machine) -> Undo {
        let impossible = |why: &str| Undo::Impossible(why.to_owned());
        let by = |tool: &'static str, change: &dyn Fn(&mut Call)| {
            let mut call = Call { tool: ToolName::of(tool), ..self.call.clone() };
            change(&mut call);
            Undo::By(call)
        };
        let only_vm = |call: &mut Call| call.args.retain(|name, _| name == "vm");
        match &self.deed {
            Deed::Start => by("vm.stop", &only_vm),
            Deed::Stop => by("vm.start", &only_vm),
            Deed::Create { .. } => by("vm.delete", &only_vm),
            Deed::Delete => impossible("what was deleted is gone"),
            Deed::Grow { .. } => impossible("a volume only grows"),
            Deed::Limit { memory, cores } => by("vm.limit", &|call| {
                let before = |wanted: Option<u64>, now: Option<u64>| wanted.and(now);
                if let Some(bytes) = before(*memory, now.memory) {
                    call.args.insert("memory".into(), Value::Bytes(bytes));
                }
                if let Some(n) = before(*cores, now.cores).and_then(|n| i64::try_from(n).ok()) {
                    call.args.insert("cores".into(), Value::Int(n));
                }
            }),
            Deed::Admit(_) => by("firewall.rule", &firewall::turned),
            Deed::Withdraw(_) => by("firewall.rule", &firewall::turned),
            Deed::Snapshot { .. } => {
                by("vm.rollback", &|call| call.args.retain(|name, _| name != "keep"))
            }
            Deed::Rollback { .. } => impossible("what was written since the snapshot is lost"),
            Deed::Forget { .. } => impossible("a snapshot that was removed is gone"),
        }
    }
}
