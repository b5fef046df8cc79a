//! What of a cluster is watched, and what its account does not let reef see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::kube::NoCluster;
use crate::clients::kube::objects::Meta;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::target::{Signal, Target};
use crate::model::time::Millis;

/// Which objects are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// Namespaces; all where empty.
    pub(super) only: Vec<String>,
    /// Namespaces that are not.
    pub(super) ignore: Vec<String>,
}

impl Scope {
    /// An object says for itself that it is not to be watched by the label or annotation
    /// `reef.watch=false`.
    pub(super) fn has(&self, meta: &Meta) -> bool {
        !self.ignore.contains(&meta.namespace) && !meta.is_left_out()
    }
}

/// Things of a cluster that its account may not read: named by the signal of its API server, because a
/// right that was not given is no fault. Shared by the probes of one cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct BlindSpots(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl BlindSpots {
    /// Notes why something is not seen, or that it is now.
    pub(super) fn note(&self, what: &'static str, why: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(all.insert(what, why)),
            None => drop(all.remove(what)),
        }
    }

    /// Notes a look by whether the account may have it; another failure is no blind spot.
    pub(super) fn note_denied<T>(&self, what: &'static str, seen: &Result<T, NoCluster>) {
        let denied = match seen {
            Err(NoCluster::Denied(why)) => Some(why.clone()),
            Ok(_) | Err(_) => None,
        };
        self.note(what, denied);
    }

    pub(super) fn words(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(what, why)| format!("{what} ({why})")).collect()
    }
}

/// What was seen before and is not now: the cluster explains it.
pub(super) fn unknown(
    signal: &Signal,
    why: &NoCluster,
    cluster: &HostName,
    now: Millis,
) -> Reading {
    let mut reading = Reading::unknown(signal.clone(), now, Word::of("unseen"), &why.to_string());
    reading.parent = Some(api_signal(cluster));
    reading
}

/// The signal that stands for a whole cluster: whether its API server answers.
pub(super) fn api_signal(cluster: &HostName) -> Signal {
    Signal {
        probe: Word::of("kube"),
        target: Target::host(cluster.clone()),
        aspect: Word::of("api"),
    }
}
