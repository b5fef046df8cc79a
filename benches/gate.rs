//! What the gate costs: an action judged, recorded, dispatched and closed, against the bare call.
//!
//! `cargo bench --bench gate`, or with `-- DIR` for a folder on the disk that is meant: two of the durable writes that it
//! waits for are most of the cost.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use reef::Fut;
use reef::clock::{Clock, TestClock};
use reef::gate::permit::Permit;
use reef::gate::rules::Rules;
use reef::gate::tool::{Action, Parsed, Tool};
use reef::gate::{Acted, Gate, Submitted};
use reef::model::ids::{StepName, ToolName};
use reef::model::plan::{Ending, Leash, OnFailure, Origin, Plan, Verify};
use reef::model::run::RunState;
use reef::model::target::Target;
use reef::model::time::{Millis, Span};
use reef::model::tool::{
    ActionResult, Bounds, Call, Effect, Repeat, Tier, ToolError, ToolSpec, Undo,
};
use reef::store::Store;
use reef::store::db::Db;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Actions, six hours apart: the judge reads those of a month back, as on a busy estate.
const ACTIONS: usize = 400;

fn main() -> Result<()> {
    let given = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let root = given.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = root.join(format!("gate-bench-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(&dir));
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    measured
}

async fn measure(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let effect = dir.join("effect");
    let mut bare = Vec::new();
    for _ in 0..ACTIONS {
        let began = Instant::now();
        std::fs::write(&effect, b"done")?;
        bare.push(began.elapsed().as_secs_f64() * 1e3);
    }

    let store = Store::open(dir)?;
    let clock = Arc::new(TestClock::starting_at(Millis(1_772_452_800_000)));
    let rules = Rules { ceiling: Leash::Auto, ..Rules::default() };
    let (_keep, rules) = watch::channel(Arc::new(rules));
    let tools: Vec<Box<dyn Tool>> = vec![Box::new(Write { effect, spec: spec() })];
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let gate = Gate::new(tools, store.clone(), shared, rules, TaskTracker::new());
    let (mut judged, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ACTIONS {
        clock.jump_ahead(Span::hours(6));
        let now = clock.now();
        let run = store.call(move |db| db.new_run(&Origin::Timer, None, None, now)).await?;
        let step = gate.preview(&StepName::new("write")?, &call()?).await?;
        let plan = Plan {
            run,
            round: 0,
            origin: Origin::Timer,
            runbook: None,
            steps: vec![step],
            verify: Verify::Not("measured, not proven".into()),
            on_failure: OnFailure::Stop,
        };
        let began = Instant::now();
        let submitted = gate.submit(&plan).await?;
        ensure!(matches!(submitted, Submitted::Allowed), "not allowed: {submitted:?}");
        judged.push(began.elapsed().as_secs_f64() * 1e3);
        let acted = gate.act(&plan, 0).await?;
        ensure!(matches!(acted, Acted::Ended(ActionResult::Done(_))), "not done: {acted:?}");
        whole.push(began.elapsed().as_secs_f64() * 1e3);
        gate.forget(run);
        let ended = RunState::Ended(Ending::NotVerified(String::new()));
        let over = move |db: &mut Db| {
            db.release_leases(run)?;
            db.save_run(run, &ended, now)
        };
        store.call(over).await?;
    }
    row("the bare call", bare);
    row("the plan judged", judged);
    row("judged, recorded, done, closed", whole);
    Ok(())
}

fn row(what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(f64::NAN);
    println!("{what:<34} p50 {:>7.3} ms   p95 {:>7.3}   p99 {:>7.3}", at(50), at(95), at(99));
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("bench.write"),
        summary: "Write a file",
        inputs: vec![],
        gives: vec![],
        max_tier: Tier::High,
        tiers: "always high",
        undo: "none",
        errors: "none",
        timeout: Span::secs(10),
        example: "",
    }
}

fn call() -> Result<Call> {
    Ok(Call {
        tool: ToolName::of("bench.write"),
        target: target()?,
        args: reef::model::value::Values::new(),
        bounds: Bounds::default(),
    })
}

fn target() -> Result<Target> {
    "mini:check:bench".parse().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Writes four bytes: next to nothing, so that what is measured is the gate.
struct Write {
    effect: PathBuf,
    spec: ToolSpec,
}

impl Tool for Write {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn parse(&self, call: &Call) -> Result<Parsed, ToolError> {
        Ok(Parsed::Action(Box::new(Writing {
            effect: self.effect.clone(),
            target: call.target.clone(),
        })))
    }
}

struct Writing {
    effect: PathBuf,
    target: Target,
}

impl Action for Writing {
    fn tier(&self) -> Tier {
        Tier::High
    }

    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    fn lease(&self) -> Vec<Target> {
        vec![self.target.clone()]
    }

    fn preview(&self) -> Fut<'_, Result<(Effect, Undo), ToolError>> {
        let effect = Effect {
            words: "write a file".into(),
            max_items: 1,
            max_bytes: 4,
            takes: None,
            artifact: None,
        };
        Box::pin(async { Ok((effect, Undo::Impossible("it is a measurement".into()))) })
    }

    fn run(self: Box<Self>, _: Permit) -> Fut<'static, ActionResult> {
        Box::pin(async move {
            match std::fs::write(&self.effect, b"done") {
                Ok(()) => ActionResult::Done("written".into()),
                Err(error) => ActionResult::Failed(error.to_string()),
            }
        })
    }
}
