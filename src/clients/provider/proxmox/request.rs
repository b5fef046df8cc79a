//! What is sent to a Proxmox VE for each deed: verb, path, fields, and the right that it needs.

use crate::clients::docker::engine::NotDone;
use crate::clients::http::Verb;
use crate::clients::provider::proxmox::MIB;
use crate::clients::provider::{Deed, MARK, Machine, Power, Rule};
use crate::model::time::Span;

/// How long a guest has to shut down by itself. It is never cut off.
const SHUTDOWN: Span = Span::secs(120);

/// One request that changes something.
#[derive(Debug)]
pub(super) struct Request {
    pub verb: Verb,
    pub path: String,
    pub form: Vec<(&'static str, String)>,
    pub right: &'static str,
    /// Whereon the right is needed: `/vms/104`.
    pub on: String,
    pub node: String,
}

pub(super) type Asked = (Verb, String, &'static str, Vec<(&'static str, String)>);

/// Verb, path, right and fields of a deed on a guest that is there.
pub(super) fn asked(deed: &Deed, seen: &Machine, whole: &str) -> Result<Asked, NotDone> {
    let digest = |of: &Option<String>| of.iter().map(|d| ("digest", d.clone())).collect::<Vec<_>>();
    let snapshot = |name: &str| format!("{whole}/snapshot/{name}");
    Ok(match deed {
        Deed::Start => (Verb::Post, format!("{whole}/status/start"), "VM.PowerMgmt", Vec::new()),
        Deed::Stop => {
            let patience = (SHUTDOWN.0 / 1_000).to_string();
            let form = vec![("timeout", patience), ("forceStop", "0".to_owned())];
            (Verb::Post, format!("{whole}/status/shutdown"), "VM.PowerMgmt", form)
        }
        Deed::Create { .. } => return Err(NotDone::NotStarted("it is there already".into())),
        Deed::Delete => (Verb::Delete, whole.to_owned(), "VM.Allocate", Vec::new()),
        Deed::Grow { volume, to } => {
            let mut form = vec![("disk", volume.clone()), ("size", format!("{}K", to / 1_024))];
            form.extend(digest(&seen.digests.config));
            (Verb::Put, format!("{whole}/resize"), "VM.Config.Disk", form)
        }
        Deed::Limit { memory, cores } => {
            let mut form: Vec<_> =
                memory.iter().map(|memory| ("memory", (memory / MIB).to_string())).collect();
            form.extend(cores.iter().map(|cores| ("cores", cores.to_string())));
            form.extend(digest(&seen.digests.config));
            let right = match (memory, cores) {
                (Some(_), None) => "VM.Config.Memory",
                (None, Some(_)) => "VM.Config.CPU",
                (Some(_), Some(_)) | (None, None) => "VM.Config.Memory,VM.Config.CPU",
            };
            (Verb::Put, format!("{whole}/config"), right, form)
        }
        Deed::Admit(rule) => {
            let Rule { direction, verdict, protocol, port, source } = rule;
            let mut form = vec![
                ("type", (*direction).to_owned()),
                ("action", verdict.to_ascii_uppercase()),
                ("proto", (*protocol).to_owned()),
                ("dport", port.to_string()),
                ("enable", "1".to_owned()),
                ("comment", MARK.to_owned()),
            ];
            form.extend(source.iter().map(|source| ("source", source.clone())));
            form.extend(digest(&seen.digests.rules));
            (Verb::Post, format!("{whole}/firewall/rules"), "VM.Config.Network", form)
        }
        Deed::Withdraw(_) => {
            let form = digest(&seen.digests.rules);
            (Verb::Delete, format!("{whole}/firewall/rules"), "VM.Config.Network", form)
        }
        Deed::Snapshot { name } => {
            let form = vec![("snapname", name.clone()), ("description", MARK.to_owned())];
            (Verb::Post, format!("{whole}/snapshot"), "VM.Snapshot", form)
        }
        Deed::Rollback { name } => {
            let start = if seen.power == Power::Running { "1" } else { "0" };
            let form = vec![("start", start.to_owned())];
            (Verb::Post, format!("{}/rollback", snapshot(name)), "VM.Snapshot.Rollback", form)
        }
        Deed::Forget { name } => (Verb::Delete, snapshot(name), "VM.Snapshot", Vec::new()),
    })
}
