//! Deaths by the hundred: a process of its own ends itself at a point on the way of a plan, or at any write of the
//! store, or is killed at any moment; then its runs go on, and a target that counts its executions is asked. Every
//! tool of the table that changes anything goes that way: its own arguments, tier, leases and preview, and an
//! effect that is counted.
//!
//! `REEF_DEATHS=20000 cargo test --test exam deaths::the_long_run -- --ignored --nocapture` is the long run: it prints
//! how many died where, how often something happened twice or unrecorded, and the longest recovery.

mod counting;
mod estate;
mod faults;
mod life;
mod place;
mod rotation;
mod tiers;
mod toll;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reef::model::plan::Ending;
use reef::model::run::RunState;
use reef::model::time::Millis;
use reef::store::Store;

use counting::{Real, effects, real};
use life::{About, Life, NOON, acting, runtime};
use place::{CASES, Case, NAMED, Place, WAYS, Way, anywhere};
use toll::{Told, Toll, folder, real_now};

/// The child: only does something when a parent told it what. Ends by itself where the place is not on its way.
#[test]
#[ignore = "a child of the deaths"]
fn dies_somewhere() {
    let Some(told) = Told::here() else { return };
    let (folder, case) = (told.folder.clone(), told.case);
    runtime().block_on(async {
        let store = Store::open_bare(&folder.join("state")).unwrap();
        let life = Life::new(&folder, store.clone(), NOON, told.about());
        drop(store.with_faults(std::sync::Arc::clone(&life.reaper) as _));
        life.begin(case).await.unwrap();
        life.settle_down(60).await;
        life.tell_breakers().await.unwrap();
        life.reporter.write().await.unwrap();
        // For the killer that comes at any moment there must be something to kill.
        if matches!(told.place, Place::After(_)) {
            loop {
                life.resolve();
                // What was really done may have left nothing more to do: then it is killed while it idles.
                if life.begin(case).await.is_err() {
                    std::thread::sleep(std::time::Duration::from_secs(60));
                }
                life.settle_down(60).await;
            }
        }
    });
}

/// A store on the disk that another life may have left.
pub(crate) fn opened(state: &std::path::Path) -> Store {
    toll::opened_again(state)
}

fn names() -> Vec<String> {
    let folder = folder();
    runtime().block_on(async { acting(folder.path()) })
}

/// Nobody dies: every tool above low gets its effect, once, and its proof. A tool that is new in the table is here by
/// itself; where its example names what this estate does not have, this says so.
#[test]
fn every_tool_that_changes_anything_goes_the_whole_way() {
    let (names, mut wrong) = (names(), Vec::new());
    for tool in &names {
        let folder = folder();
        let about = About { place: Place::After(0), tool, case: Case::VerifyOk, way: Way::Plain };
        let went = std::panic::catch_unwind(|| {
            runtime().block_on(async {
                let store = Store::open_bare(&folder.path().join("state")).unwrap();
                let life = Life::new(folder.path(), store, NOON, about);
                life.begin(about.case).await.unwrap();
                life.settle_down(60).await;
                let run = life.store.call_now(|db| db.runs_since(Millis(0))).unwrap().remove(0);
                let actions = life.store.call_now(|db| db.actions_since(Millis(0))).unwrap();
                let closed: Vec<_> = actions.into_iter().map(|row| row.closed).collect();
                (run.state, effects(folder.path()).len(), closed)
            })
        });
        match went {
            Ok((RunState::Ended(Ending::Fixed(_)), 1, _)) => {}
            Ok(other) => wrong.push(format!("{tool}: {other:?}")),
            Err(why) => wrong.push(format!("{tool}: {:?}", why.downcast_ref::<String>())),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), names.len(), wrong.join("\n"));
    let deeds = names.iter().filter(|tool| real(tool) == Real::Deed).count();
    assert!(7 <= deeds && 50 <= names.len(), "{deeds} of {}", names.len());
}

const SPELLED_OUT: [&str; 2] = ["kube.evict_bare", "kube.tls_secret"];

/// One of the ways past one of the named places: over all `n` every tool, place, case and way meet.
fn met(names: &[String], n: usize) -> About<'_> {
    let (tool, n) = (n % names.len(), n / names.len());
    // A tool begins where the one before it left off, so that few of them already see all places.
    let (place, n) = ((n + tool) % NAMED.len(), n / NAMED.len());
    let (case, n) = ((n + tool) % CASES.len(), n / CASES.len());
    let place = match NAMED[place] {
        Place::Anchor(_) => Place::Anchor(tool as u64 % 3),
        other => other,
    };
    let case = match CASES[case] {
        // What only a runbook may ask for that spells it out is never a promise.
        Case::Clean if SPELLED_OUT.contains(&names[tool].as_str()) => Case::VerifyOk,
        case => case,
    };
    About { place, tool: &names[tool], case, way: WAYS[(n + tool / 3) % WAYS.len()] }
}

/// Each point of a plan's way, with each tool, whatever the world says afterwards.
#[test]
fn at_every_point_with_every_tool_and_every_ending() {
    let (names, mut toll) = (names(), Toll::default());
    for n in 0..4 * names.len() {
        toll.one(met(&names, n));
    }
    for place in NAMED {
        let word = place.word();
        assert!(toll.deaths.contains_key(&word), "nobody died at {word}: {toll:#?}");
    }
    for tool in &names {
        assert!(toll.tools.contains_key(tool), "{tool} never died: {toll:#?}");
    }
    assert!(200 <= toll.total(), "{toll:#?}");
    toll.check();
}

/// At any write of the store, and at any moment at all.
#[test]
fn at_any_write_and_at_any_moment() {
    let (names, mut toll, mut seed) = (names(), Toll::default(), 7);
    for n in 0..60 {
        let about = met(&names, n * 7);
        toll.one(About { place: anywhere(&mut seed), ..about });
    }
    assert!(25 <= toll.total(), "{toll:#?}");
    toll.check();
}

/// One half of the deaths at the named places in turn, the other half anywhere.
fn in_turn<'a>(names: &'a [String], n: usize, seed: &mut u64) -> About<'a> {
    let about = met(names, n / 2);
    match n % 2 {
        0 => about,
        _ => About { place: anywhere(seed), ..about },
    }
}

#[test]
#[ignore = "takes minutes to hours: REEF_DEATHS=20000 says how many"]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn the_long_run() {
    let told = std::env::vars().find(|(name, _)| name == "REEF_DEATHS");
    let wanted: u64 = told.map_or(500, |(_, n)| n.parse().unwrap());
    let (names, began) = (names(), real_now());
    let (next, whole) = (AtomicUsize::new(0), Mutex::new(Toll::default()));
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..at_once as u64 {
            let (names, next, whole) = (&names, &next, &whole);
            scope.spawn(move || {
                let mut seed = 42 + worker;
                loop {
                    let mut toll = Toll::default();
                    for _ in 0..20 {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        toll.one(in_turn(names, n, &mut seed));
                    }
                    let mut whole = whole.lock().unwrap();
                    let before = whole.total() / 500;
                    whole.and(toll);
                    let total = whole.total();
                    if before < total / 500 {
                        let (twice, unrecorded) = (whole.duplicates, whole.unrecorded);
                        println!(
                            "{total} deaths in {:?}, {twice} done twice, {unrecorded} unrecorded",
                            began.elapsed()
                        );
                    }
                    if wanted <= total {
                        return;
                    }
                }
            });
        }
    });
    let toll = whole.into_inner().unwrap();
    for (place, n) in &toll.deaths {
        println!("{n:>7}  {place}");
    }
    let (deaths, effects) = (toll.total(), toll.effects);
    println!("figure | effects done twice | {} of {effects} in {deaths} deaths", toll.duplicates);
    println!(
        "figure | effects that are not recorded | {} of {effects} in {deaths} deaths",
        toll.unrecorded
    );
    println!("figure | runs without an end | {} in {deaths} deaths", toll.unended);
    println!("figure | longest recovery | {:?} in {deaths} deaths", toll.longest);
    let of = names.len();
    println!("figure | tools that died | {} of {of} that change anything", toll.tools.len());
    println!("figure | places times tools times cases that died | {}", toll.struck.len());
    println!("took {:?}", began.elapsed());
    toll.check();
}
