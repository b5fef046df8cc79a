//! The operator's hands: who works on a host now, looked at once more for each step that is judged.

use std::collections::BTreeMap;
use std::fmt;

use crate::Fut;
use crate::clock::zone::Zone;
use crate::gate::Gate;
use crate::model::hands::Hands;
use crate::model::ids::HostName;
use crate::model::plan::{Origin, Plan};
use crate::model::time::Span;
use crate::model::tool::Tier;

/// How long a host may take to tell.
const PATIENCE: Span = Span::secs(20);

/// Looks at a host, right before something happens there.
pub trait Onlooker: Send + Sync + fmt::Debug {
    /// Who works there; `None` for what is no host: a cluster. An error says why nobody can tell.
    fn hands<'a>(&'a self, host: &'a HostName) -> Fut<'a, Option<Result<Hands, String>>>;
}

/// Why each host of a plan is not to be disturbed; a host that is not in it may be.
pub(crate) type InUse = BTreeMap<HostName, String>;

impl Gate {
    /// Who works on the hosts that the plan's steps above low act on.
    pub(crate) async fn in_use(&self, plan: &Plan) -> InUse {
        let mut found = InUse::new();
        let Some(onlooker) = self.onlooker() else { return found };
        // A drill stays within its own scratch, and disturbs nobody.
        if plan.origin == Origin::Drill {
            return found;
        }
        let rules = self.rules();
        let zone = rules.telling.zone;
        for step in plan.steps.iter().filter(|step| step.tier != Tier::Low) {
            let host = step.call.target.on();
            if found.contains_key(host) || rules.disturb.contains(host) {
                continue;
            }
            let looked = tokio::time::timeout(PATIENCE.duration(), onlooker.hands(host)).await;
            let why = match looked {
                Ok(None) => None,
                Ok(Some(Ok(hands))) => words(&hands, host, zone),
                Ok(Some(Err(why))) => Some(untold(host, &why)),
                Err(_) => Some(untold(host, &format!("it did not answer within {PATIENCE}"))),
            };
            if let Some(why) = why {
                found.insert(host.clone(), why);
            }
        }
        found
    }
}

fn untold(host: &HostName, why: &str) -> String {
    format!("nobody can tell whether somebody works on {host}: {why}")
}

/// "anna is logged in on nas since 02:10; restic (pid 812) runs there".
fn words(hands: &Hands, host: &HostName, zone: Zone) -> Option<String> {
    let person = |person: &crate::model::hands::Person| match person.since {
        Some(at) => format!("{} is logged in on {host} since {}", person.user, zone.hm(at)),
        None => format!("{} is logged in on {host}", person.user),
    };
    let people = hands.people.iter().take(3).map(person);
    let work = hands.work.iter().take(3).map(|work| format!("{work} runs on {host}"));
    let all: Vec<String> = people.chain(work).collect();
    (!all.is_empty()).then(|| all.join("; "))
}
