//! The container engine of a fake host: what is started anew is, or is not.

use crate::Fut;
use crate::clients::docker::engine::{Engine, Image, ImageId, ImageName, Newest, NotDone};
use crate::exam::host::{FakeHost, Ran};
use crate::exam::unit::OnRestart;
use crate::gate::permit::Permit;
use crate::model::container::{Container, ContainerState, Ended, Health};
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::Span;

impl FakeHost {
    async fn anew(
        &self,
        permit: &Permit,
        verb: &str,
        name: &str,
        within: Span,
    ) -> Result<(), NotDone> {
        if let Err(why) = self.reached(within).await {
            permit.unreached();
            return Err(NotDone::NotStarted(why.to_string()));
        }
        permit.reached();
        let (now, mut state) = (self.now(), self.state());
        let action = Some(permit.action());
        if state.ran.iter().any(|ran| ran.action == action) {
            state.violations.push(format!("{} ran twice", permit.action()));
        }
        let argv = ["docker", verb, name].map(str::to_owned).to_vec();
        state.ran.push(Ran { at: now, argv, action });
        let mood = state.moods.get(name).copied().unwrap_or(OnRestart::Heals);
        let none = || NotDone::NotStarted(format!("No such container: {name}"));
        let Some(c) = state.containers.iter_mut().flatten().find(|c| c.name == name) else {
            return Err(none());
        };
        match mood {
            OnRestart::Heals => heal(c, now),
            OnRestart::FailsAgain => {
                heal(c, now);
                (c.state, c.ended) = (ContainerState::Exited, Ended::Own);
                (c.exit_code, c.finished_at) = (Some(7), Some(now + Span::secs(1)));
            }
            OnRestart::Refuses => return Err(NotDone::Failed("driver failed".into())),
            OnRestart::HealsUnheard => {
                heal(c, now);
                return Err(NotDone::Unknown("the connection was reset".into()));
            }
            OnRestart::LostUnheard | OnRestart::Hangs => {
                return Err(NotDone::Unknown(format!("no answer within {within}")));
            }
        }
        Ok(())
    }
}

fn heal(c: &mut Container, now: crate::model::time::Millis) {
    c.state = ContainerState::Running;
    c.started_at = Some(now);
    // How it ended last is told on while it runs, as engines do.
    (c.restarts, c.ended) = (0, Ended::Untold);
    if c.health != Health::None {
        c.health = Health::Healthy;
    }
    c.memory = c.memory_limit.map(|limit| limit / 4);
}

impl Engine for FakeHost {
    fn logs<'a>(&'a self, name: &'a str, _: Newest) -> Fut<'a, Result<Tainted, String>> {
        Box::pin(async move { Ok(Tainted::new(&format!("{name}: error: it plays a fault"))) })
    }

    fn dangling(&self) -> Fut<'_, Result<Vec<Image>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn root(&self) -> Fut<'_, Result<AbsPath, String>> {
        Box::pin(async { AbsPath::new("/var/lib/docker").map_err(|e| e.to_string()) })
    }

    fn place(&self) -> Option<String> {
        None
    }

    fn restart<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(self.anew(permit, "restart", name, within))
    }

    fn start<'a>(
        &'a self,
        permit: &'a Permit,
        name: &'a str,
        within: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(self.anew(permit, "start", name, within))
    }

    fn pull<'a>(
        &'a self,
        _: &'a Permit,
        _: &'a ImageName,
        _: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async { Err(NotDone::Failed("there is no registry".into())) })
    }

    fn tag<'a>(
        &'a self,
        _: &'a Permit,
        _: &'a ImageId,
        _: &'a ImageName,
    ) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async { Ok(()) })
    }

    fn remove_image<'a>(&'a self, _: &'a Permit, _: &'a ImageId) -> Fut<'a, Result<(), NotDone>> {
        Box::pin(async { Err(NotDone::Failed("there is no such image".into())) })
    }
}
