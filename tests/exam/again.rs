//! After a failure: one second try where that does no harm, a look around, and all of it told and recorded.

use std::sync::{Arc, Mutex};

use reef::Fut;
use reef::exam::unit::OnRestart;
use reef::gate::permit::Permit;
use reef::gate::tool::{Action, Parsed, Query, Tool};
use reef::model::audit::AuditKind;
use reef::model::container::{ContainerState, Ended};
use reef::model::ids::ToolName;
use reef::model::plan::Leash;
use reef::model::target::Target;
use reef::model::time::Span;
use reef::model::tool::{
    ActionResult, Call, Effect, Found, READS, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use reef::operator::order::Order;
use reef::store::Store;
use reef::tool::table::table;

use crate::containers::container;
use crate::gate::{act, plan};
use crate::house::{House, Setup, unit};

#[tokio::test(start_paused = true)]
async fn what_fails_is_looked_at_and_told_with_all_that_was_said() {
    let setup = Setup::new(Leash::Auto);
    setup.host().on_restart(&unit("web"), OnRestart::Refuses);
    setup.host().unit_says(&unit("web"), "error: bind 0.0.0.0:80: address already in use");
    let house = setup.start().await;
    house.host().unit_fails(&unit("web"));
    house.until("the run ends", |house| 0 < house.ended()).await;
    house.pass(Span::hours(2)).await;
    assert_eq!(house.host().effects().len(), house.actions().len(), "a restart is never repeated");
    let closed = house.audited(AuditKind::Closed)[0].payload.clone().unwrap();
    assert_eq!(closed.outcome.as_deref(), Some("failed"));
    let around = closed.around.join("\n");
    assert!(around.contains("unit.status: mini:unit:web.service is failed"), "{around}");
    assert!(
        around.contains("unit.logs: ") && around.contains("address already in use"),
        "{around}"
    );
    let heard = house.estate.phone.heard();
    let told = heard.iter().find(|m| m.body.contains("address already in use"));
    let told = told.unwrap_or_else(|| panic!("{}", house.story()));
    assert!(told.body.contains("code 1") && told.body.contains("unit.status: "), "{}", told.body);
    let order = Order::AuditTimeline { incident: house.incidents()[0].id };
    let json = house.order(order).await.unwrap().to_string();
    assert!(json.contains("Seen right after") && json.contains("address already in use"), "{json}");
    house.end().await;
}

/// One container that ended, and what becomes of its being started or restarted.
async fn container_house(mood: OnRestart) -> House {
    let setup = Setup::new(Leash::Auto);
    setup.host().containers(vec![container("app")]);
    setup.host().on_container_restart("app", mood);
    let house = setup.start().await;
    house.pass(Span::mins(30)).await;
    let now = house.estate.now();
    house.host().container("app", |c| {
        (c.state, c.exit_code, c.oom_killed) = (ContainerState::Exited, Some(137), true);
        (c.ended, c.finished_at, c.memory) = (Ended::Oom, Some(now), None);
    });
    house.until("it is started", |house| !house.actions().is_empty()).await;
    house.pass(Span::mins(5)).await;
    house
}

#[tokio::test(start_paused = true)]
async fn a_start_that_nobody_heard_of_is_not_asked_for_again_and_looked_around() {
    let house = container_house(OnRestart::LostUnheard).await;
    assert_eq!(house.host().effects().len(), 1, "{}", house.story());
    let closed = house.audited(AuditKind::Closed)[0].payload.clone().unwrap();
    assert_eq!(closed.outcome.as_deref(), Some("unknown"));
    let around = closed.around.join("\n");
    assert!(around.contains("container.inspect: ") && around.contains("container.logs: "));
    house
        .until("it is told", |house| {
            house.estate.phone.heard().iter().any(|m| {
                m.body.contains("nobody knows how it ended") && m.body.contains("container.logs: ")
            })
        })
        .await;
    house.end().await;
}

/// A tool that answers as it is told to.
struct Scripted {
    spec: ToolSpec,
    repeat: Repeat,
    script: Arc<Mutex<Vec<Way>>>,
    store: Store,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Unreached,
    Refused,
    Fails,
    FailsAndSomebodyPauses,
    Works,
}

struct One {
    repeat: Repeat,
    script: Arc<Mutex<Vec<Way>>>,
    store: Store,
}

impl Tool for Scripted {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn parse(&self, _: &Call) -> Result<Parsed, ToolError> {
        let (script, store) = (Arc::clone(&self.script), self.store.clone());
        Ok(Parsed::Action(Box::new(One { repeat: self.repeat, script, store })))
    }
}

impl Action for One {
    fn tier(&self) -> Tier {
        Tier::High
    }
    fn repeat(&self) -> Repeat {
        self.repeat
    }
    fn lease(&self) -> Vec<Target> {
        vec!["mini:unit:web.service".parse().unwrap()]
    }
    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        let words = "play a part".to_owned();
        let effect = Effect { words, max_items: 1, max_bytes: 0, takes: None, artifact: None };
        Box::pin(async { Ok((effect, Undo::Impossible("it is played".into()))) })
    }
    fn run(self: Box<Self>, permit: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            let way = self.script.lock().unwrap().remove(0);
            match way {
                Way::Unreached => {
                    permit.unreached();
                    ActionResult::NotStarted("no connection".into())
                }
                Way::Refused => ActionResult::NotStarted("somebody said no".into()),
                Way::Fails => ActionResult::Failed("exit 1".into()),
                Way::FailsAndSomebodyPauses => {
                    let at = reef::model::time::Millis(1);
                    let pause = move |db: &mut reef::store::db::Db| {
                        db.set_flag("paused", Some("by hand"), at)
                    };
                    self.store.call(pause).await.unwrap();
                    ActionResult::Failed("exit 1".into())
                }
                Way::Works => ActionResult::Done("did it".into()),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_try_is_one_and_only_where_it_does_no_harm_and_nobody_paused() {
    use Way::{Fails, FailsAndSomebodyPauses, Refused, Unreached, Works};
    for (repeat, script, left, ends) in [
        (Repeat::Never, vec![Unreached, Works], 0, "done"),
        (Repeat::Never, vec![Unreached, Unreached, Works], 1, "not started"),
        (Repeat::Never, vec![Refused, Works], 1, "not started"),
        (Repeat::Never, vec![Fails, Works], 1, "failed"),
        (Repeat::Safe, vec![Fails, Works], 0, "done"),
        (Repeat::Safe, vec![Fails, Fails, Works], 1, "failed"),
        // `reef pause` between the two wins.
        (Repeat::Safe, vec![FailsAndSomebodyPauses, Works], 1, "failed"),
    ] {
        let setup = Setup::new(Leash::Auto);
        let shared = Arc::new(Mutex::new(script.clone()));
        let (parts, store) = (Arc::clone(&shared), setup.store.clone());
        let tools = Box::new(move |world: &_| {
            let mut all = table(world);
            let spec = ToolSpec {
                name: ToolName::of("unit.restart"),
                max_tier: Tier::High,
                tiers: READS,
                ..all[0].spec().clone()
            };
            all.retain(|tool| tool.spec().name != spec.name);
            all.push(Box::new(Scripted { spec, repeat, script: parts, store }) as Box<dyn Tool>);
            all
        });
        let house = setup.start_as(Vec::new(), tools).await;
        let plan = plan(&house, "web").await;
        let acted = act(&house, &plan).await;
        let reef::gate::Acted::Ended(result) = &acted else { panic!("{acted:?}") };
        assert_eq!(result.word(), ends, "{script:?}: {result:?}");
        assert_eq!(shared.lock().unwrap().len(), left, "{script:?}: {result:?}");
        house.end().await;
    }
}

/// A low tool that does not answer the first times.
struct Blinks {
    tool: Box<dyn Tool>,
    silent: Arc<Mutex<u32>>,
}

struct Look {
    query: Box<dyn Query>,
    silent: Arc<Mutex<u32>>,
}

impl Tool for Blinks {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    fn parse(&self, call: &Call) -> Result<Parsed, ToolError> {
        Ok(match self.tool.parse(call)? {
            Parsed::Query(query) => {
                Parsed::Query(Box::new(Look { query, silent: Arc::clone(&self.silent) }))
            }
            action @ Parsed::Action(_) => action,
        })
    }
}

impl Query for Look {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        let nth = {
            let mut silent = self.silent.lock().unwrap();
            let nth = *silent;
            *silent = nth.saturating_sub(1);
            nth
        };
        match nth {
            0 => self.query.run(),
            n => Box::pin(async move { Err(ToolError::Failed(format!("no answer {n}"))) }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_nothing_answers_is_taken_once_more() {
    for (silent, acts) in [(1, 1), (2, 0)] {
        let setup = Setup::new(Leash::Auto);
        let shared = Arc::new(Mutex::new(silent));
        let tools = Box::new(move |world: &_| {
            let blinks = |tool: Box<dyn Tool>| match tool.spec().name.as_str() {
                "unit.status" => Box::new(Blinks { tool, silent: Arc::clone(&shared) }) as _,
                _ => tool,
            };
            table(world).into_iter().map(blinks).collect::<Vec<Box<dyn Tool>>>()
        });
        let house = setup.start_as(Vec::new(), tools).await;
        house.pass(Span::mins(5)).await;
        house.host().unit_fails(&unit("web"));
        house.until("the run ends", |house| 0 < house.ended()).await;
        assert_eq!(house.host().effects().len(), acts, "{}", house.story());
        let ending = &house.endings()[0];
        let both = ending.contains("no answer 1 (the first time: no answer 2)");
        assert_eq!(both, acts == 0, "{ending}");
        house.end().await;
    }
}
