//! Containers for tests, and an engine that only refuses.

use crate::Fut;
use crate::clients::docker::engine::{Engine, Image, ImageId, ImageName, Newest, NotDone};
use crate::gate::permit::Permit;
use crate::model::container::{Container, ContainerState, Ended, Health, RestartPolicy};
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};

/// One that runs and is well.
pub(crate) fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        id: format!("{name:0<64}"),
        image: format!("{name}:1"),
        image_id: format!("sha256:{}", "0f".repeat(32)),
        image_created_at: None,
        state: ContainerState::Running,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        error: None,
        restarts: 0,
        created_at: Millis(1),
        started_at: Some(Millis(2)),
        finished_at: None,
        policy: RestartPolicy::No,
        ended: Ended::Untold,
        privileged: false,
        reaches: Vec::new(),
        memory_limit: None,
        memory: None,
        labels: std::collections::BTreeMap::new(),
    }
}

/// An engine that nobody may use.
#[derive(Debug)]
pub(super) struct Silent;

fn no<T: Send>() -> Fut<'static, Result<T, NotDone>> {
    Box::pin(async { Err(NotDone::NotStarted("nobody may".into())) })
}

impl Engine for Silent {
    fn logs<'a>(&'a self, _: &'a str, _: Newest) -> Fut<'a, Result<Tainted, String>> {
        Box::pin(async { Err("nobody may".into()) })
    }

    fn dangling(&self) -> Fut<'_, Result<Vec<Image>, String>> {
        Box::pin(async { Err("nobody may".into()) })
    }

    fn root(&self) -> Fut<'_, Result<AbsPath, String>> {
        Box::pin(async { Err("nobody may".into()) })
    }

    fn place(&self) -> Option<String> {
        None
    }

    fn restart<'a>(&'a self, _: &'a Permit, _: &'a str, _: Span) -> Fut<'a, Result<(), NotDone>> {
        no()
    }

    fn start<'a>(&'a self, _: &'a Permit, _: &'a str, _: Span) -> Fut<'a, Result<(), NotDone>> {
        no()
    }

    fn pull<'a>(
        &'a self,
        _: &'a Permit,
        _: &'a ImageName,
        _: Span,
    ) -> Fut<'a, Result<(), NotDone>> {
        no()
    }

    fn tag<'a>(
        &'a self,
        _: &'a Permit,
        _: &'a ImageId,
        _: &'a ImageName,
    ) -> Fut<'a, Result<(), NotDone>> {
        no()
    }

    fn remove_image<'a>(&'a self, _: &'a Permit, _: &'a ImageId) -> Fut<'a, Result<(), NotDone>> {
        no()
    }
}
