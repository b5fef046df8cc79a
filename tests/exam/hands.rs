//! The operator's hands: while somebody works on a host, what would happen there by itself is asked.

use reef::gate::hands::Onlooker;
use reef::model::audit::AuditKind;
use reef::model::hands::{Hands, Person};
use reef::model::plan::Leash;
use reef::model::taint::Tainted;
use reef::model::time::Span;
use reef::operator::order::Order;

use crate::house::{MONDAY_NOON, Setup, mini, unit};

fn anna() -> Hands {
    let since = Some(MONDAY_NOON - Span::mins(110));
    Hands { people: vec![Person { user: Tainted::new("anna"), since }], work: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn while_somebody_is_logged_in_it_asks_and_says_who() {
    let setup = Setup::new(Leash::Auto);
    setup.host().hands(anna());
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| !h.audited(AuditKind::Asked).is_empty()).await;
    assert!(house.host().effects().is_empty(), "{}", house.story());
    let heard = house.estate.phone.heard();
    assert!(
        heard.iter().any(|m| m.body.contains("anna is logged in on mini since 10:10")),
        "{heard:#?}"
    );
    // A yes is a yes, though she is still there.
    house
        .order(Order::Approve { id: reef::model::ids::ApprovalId(1), choice: None, typed: None })
        .await
        .unwrap();
    house.until("it was done", |h| h.ended() == 1).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn while_a_backup_runs_it_asks_too_and_afterwards_no_more() {
    let setup = Setup::new(Leash::Auto);
    let work = vec![Tainted::new("vzdump (pid 4711)")];
    setup.host().hands(Hands { people: Vec::new(), work });
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| !h.audited(AuditKind::Asked).is_empty()).await;
    assert!(house.host().effects().is_empty(), "{}", house.story());
    let heard = house.estate.phone.heard();
    assert!(heard.iter().any(|m| m.body.contains("vzdump (pid 4711) runs on mini")), "{heard:#?}");
    house.host().hands(Hands::default());
    house.host().unit_starts(&unit("web"));
    house.until("it is over", |h| h.unresolved().is_empty()).await;
    house.host().unit_fails(&unit("db"));
    house.until("the other unit is healed by itself", |h| h.host().is_active(&unit("db"))).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[derive(Debug)]
struct Changes(std::sync::atomic::AtomicU32);

impl Onlooker for Changes {
    /// Nobody at the first look, anna from the second on.
    fn hands<'a>(
        &'a self,
        _: &'a reef::model::ids::HostName,
    ) -> reef::Fut<'a, Option<Result<Hands, String>>> {
        let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move { Some(Ok(if n == 0 { Hands::default() } else { anna() })) })
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_between_the_plan_and_the_action_is_asked_for() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.operator.runner.gate.look_by(std::sync::Arc::new(Changes(0.into())));
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| !h.audited(AuditKind::Asked).is_empty()).await;
    assert!(house.host().effects().is_empty(), "{}", house.story());
    assert_eq!(
        (house.ended(), house.audited(AuditKind::Refused).len()),
        (0, 0),
        "{}",
        house.story()
    );
    let heard = house.estate.phone.heard();
    assert!(heard.iter().any(|m| m.body.contains("anna is logged in on mini")), "{heard:#?}");
    // A yes is a yes, though she is still there.
    let id = reef::model::ids::ApprovalId(1);
    house.order(Order::Approve { id, choice: None, typed: None }).await.unwrap();
    house.until("it was done", |h| h.ended() == 1).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_about_is_asked_about() {
    #[derive(Debug)]
    struct Blind;
    impl Onlooker for Blind {
        fn hands<'a>(
            &'a self,
            _: &'a reef::model::ids::HostName,
        ) -> reef::Fut<'a, Option<Result<Hands, String>>> {
            Box::pin(async { Some(Err("its collector is older".to_owned())) })
        }
    }
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.operator.runner.gate.look_by(std::sync::Arc::new(Blind));
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| !h.audited(AuditKind::Asked).is_empty()).await;
    assert!(house.host().effects().is_empty(), "{}", house.story());
    assert_eq!(house.host().violations(), Vec::<String>::new(), "{}", mini());
    house.end().await;
}

/// A runbook of two steps: the second is what heals.
const TWO: &str = r#"+++
title    = "Service failed"
match    = { probe = "unit", severity = ["red"] }
leash    = "auto"
max_tier = "high"
tools    = ["unit.restart"]
escalate = "message"
+++
# Service failed

```step
name = "mail-first"
tool = "unit.restart"
args = { unit = "mini:unit:mail.service" }
```

```step
name = "restart"
tool = "unit.restart"
args = { unit = "reading.unit" }
```
"#;

/// Nobody until something was done, and anna from then on.
#[derive(Debug)]
struct Later(std::sync::Arc<reef::exam::estate::Estate>);

impl Onlooker for Later {
    fn hands<'a>(
        &'a self,
        host: &'a reef::model::ids::HostName,
    ) -> reef::Fut<'a, Option<Result<Hands, String>>> {
        let done = self.0.host(host).is_some_and(|host| !host.effects().is_empty());
        Box::pin(async move { Some(Ok(if done { anna() } else { Hands::default() })) })
    }
}

/// A house in which the first of two steps is done, and anna came before the second.
async fn half_done() -> crate::house::House {
    let mut setup = Setup::new(Leash::Auto);
    let folder = setup.folder.path().join("books");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("service-failed.md"), TWO).unwrap();
    setup.config = format!(
        "runbook_dir = \"{}\"\n{}[host.this]\nrestartable = [\"mail.service\"]\n",
        folder.display(),
        setup.config
    );
    let house = setup.start().await;
    let looks = Later(std::sync::Arc::clone(&house.estate));
    house.operator.runner.gate.look_by(std::sync::Arc::new(looks));
    house.pass(Span::mins(5)).await;
    house.host().unit_fails(&unit("web"));
    house.until("it asks", |h| !h.audited(AuditKind::Asked).is_empty()).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    assert_eq!((house.ended(), house.audited(AuditKind::Refused).len()), (0, 0));
    house
}

#[tokio::test(start_paused = true)]
async fn who_comes_amid_a_plan_is_asked_about_what_is_left_of_it() {
    let house = half_done().await;
    let asked = house.store.call_now(|db| db.pending_approvals()).unwrap().remove(0);
    for part in ["steps that are done already: 1", "anna is logged in on mini", "restart (high)"] {
        assert!(asked.question.contains(part), "{part}: {}", asked.question);
    }
    let plan = asked.choices[0].plan.clone().unwrap();
    let names: Vec<_> = plan.steps.iter().map(|step| step.name.to_string()).collect();
    assert_eq!(names, ["restart"], "the yes is bound to what is left");
    // It waits as long as the question stands.
    house.pass(Span::hours(2)).await;
    assert_eq!((house.host().effects().len(), house.ended()), (1, 0), "{}", house.story());
    house.order(Order::Approve { id: asked.id, choice: None, typed: None }).await.unwrap();
    house.until("the rest was done", |h| h.ended() == 1).await;
    assert!(house.host().is_active(&unit("web")), "{}", house.story());
    assert_eq!(house.host().effects().len(), 2, "{}", house.story());
    assert_eq!(house.audited(AuditKind::Verified).len(), 2, "both steps are proven");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_no_amid_a_plan_stops_it_and_says_that_it_is_half_done() {
    let house = half_done().await;
    let id = house.store.call_now(|db| db.pending_approvals()).unwrap().remove(0).id;
    house.order(Order::Deny { id }).await.unwrap();
    house.until("it stopped", |h| h.ended() == 1).await;
    house.pass(Span::mins(5)).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    assert!(house.story().contains("stopped in its middle: denied by"), "{}", house.story());
    house.end().await;
}
