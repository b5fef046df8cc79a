//! Which orders whom the socket takes from.

use crate::control::peer::{Descent, Peer};
use crate::operator::order::{Order, Refusal};

/// What an order may do, and so who may give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It only looks.
    Reads,
    /// It changes something of reef's.
    Changes,
    /// It is, or leads to, a human's yes: nothing that reef itself started may give it.
    Answers,
}

/// Every order has its weight here; a new one does not compile without.
pub(crate) fn weight(order: &Order) -> Weight {
    match order {
        Order::Status
        | Order::Check { .. }
        | Order::Incidents { .. }
        | Order::Approvals { .. }
        | Order::AuditList { .. }
        | Order::AuditShow { .. }
        | Order::AuditVerify { .. }
        | Order::AuditTimeline { .. }
        | Order::AuditExport { .. }
        | Order::Runbooks
        | Order::RunbookTest { .. }
        | Order::RunbookRecord { .. }
        | Order::Tools
        | Order::Offered { .. }
        | Order::Silences
        | Order::DrillProgress
        | Order::Run { .. } => Weight::Reads,
        Order::Ack { .. }
        | Order::SilenceAdd { .. }
        | Order::SilenceExpire { .. }
        | Order::Ping { .. }
        | Order::Report
        | Order::Pause { .. }
        | Order::RunbookDemote { .. }
        | Order::Reload => Weight::Changes,
        Order::Approve { .. }
        | Order::Deny { .. }
        | Order::Undo { .. }
        | Order::Settle { .. }
        | Order::Renew { .. }
        | Order::RunbookRun { .. }
        | Order::RunbookPromote { .. }
        | Order::AcceptTool { .. }
        | Order::Resume
        | Order::Drill => Weight::Answers,
    }
}

/// Whether this peer may give this order to a daemon that runs as `own`.
pub(crate) fn may(peer: &Peer, order: &Order, own: u32) -> Result<(), Refusal> {
    let weight = weight(order);
    if weight == Weight::Reads {
        return Ok(());
    }
    if peer.uid != 0 && peer.uid != own {
        return Err(Refusal {
            why: format!(
                "uid {} may look, but only root and uid {own}, which runs reef, may change anything",
                peer.uid
            ),
        });
    }
    if weight == Weight::Changes {
        return Ok(());
    }
    match peer.descent {
        Descent::Own | Descent::Stranger => Ok(()),
        Descent::Child => Err(Refusal {
            why: "nothing that reef itself started may approve, answer or start anything; type this in a \
                  terminal of your own"
                .into(),
        }),
        Descent::Unclear => Err(Refusal {
            why: "reef cannot see who started this command, so it cannot tell that it was not reef itself; \
                  type this on the machine (or in the container) that reef runs in, as the user that runs it"
                .into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ActionId, ApprovalId};
    use crate::operator::order::Became;

    fn peer(uid: u32, descent: Descent) -> Peer {
        Peer { uid, descent }
    }

    #[test]
    fn only_root_and_the_own_user_change_anything() {
        let pause = Order::Pause { note: None };
        for (uid, order, want) in [
            (1000, &pause, true),
            (0, &pause, true),
            (1001, &pause, false),
            (1001, &Order::Status, true),
            (1001, &Order::Resume, false),
            (1001, &Order::Approve { id: ApprovalId(1), choice: None, typed: None }, false),
        ] {
            let given = may(&peer(uid, Descent::Stranger), order, 1000);
            assert_eq!(given.is_ok(), want, "uid {uid}: {order:?}");
        }
    }

    #[test]
    fn nothing_that_the_daemon_started_answers_even_as_root() {
        let answers = [
            Order::Approve { id: ApprovalId(1), choice: None, typed: None },
            Order::Deny { id: ApprovalId(1) },
            Order::Settle { action: ActionId(1), became: Became::Ran, note: "x".into() },
            Order::Resume,
            Order::Undo { action: ActionId(1) },
            Order::Renew { id: ApprovalId(1) },
            Order::RunbookPromote {
                name: crate::model::ids::RunbookName::new("disk-full").unwrap(),
                host: None,
                unearned: false,
            },
            Order::RunbookRun {
                name: crate::model::ids::RunbookName::new("disk-full").unwrap(),
                on: "mini".parse().unwrap(),
                set: vec![],
                dry_run: true,
            },
            Order::Drill,
        ];
        for order in &answers {
            for descent in [Descent::Child, Descent::Unclear] {
                assert!(may(&peer(0, descent), order, 1000).is_err(), "{order:?} from {descent:?}");
            }
            assert!(may(&peer(1000, Descent::Stranger), order, 1000).is_ok(), "{order:?}");
        }
        assert!(may(&peer(1000, Descent::Child), &Order::Pause { note: None }, 1000).is_ok());
    }
}
