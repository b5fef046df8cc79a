//! What the deaths came to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reef::clients::process::{Given, Limits, run_raw};
use reef::gate::crash::Point;
use reef::model::audit::AuditKind;
use reef::model::run::RunState;
use reef::model::time::{Millis, Span};
use reef::model::tool::Repeat;
use reef::store::Store;
use reef::store::actions::ActionRow;
use reef::store::audit::AuditFilter;
use reef::store::open::OpenError;

use super::counting::effects;
use super::life::{About, Life, NOON, runtime};
use super::place::{CASES, Case, Place, WAYS, Way};

const FOLDER: &str = "EXAM_DEATH_FOLDER";
const PLACE: &str = "EXAM_DEATH_PLACE";
const TOOL: &str = "EXAM_DEATH_TOOL";
const CASE: &str = "EXAM_DEATH_CASE";
const WAY: &str = "EXAM_DEATH_WAY";

/// What a child was told by its parent; nothing where there is none.
pub(super) struct Told {
    pub(super) folder: PathBuf,
    pub(super) place: Place,
    pub(super) tool: String,
    pub(super) case: Case,
    pub(super) way: Way,
}

impl Told {
    pub(super) fn here() -> Option<Self> {
        let told: BTreeMap<String, String> = std::env::vars().collect();
        let folder = PathBuf::from(told.get(FOLDER)?);
        let nth = |name: &str| told[name].parse::<usize>().unwrap();
        Some(Self {
            folder,
            place: Place::of(&told[PLACE]),
            tool: told[TOOL].clone(),
            case: CASES[nth(CASE)],
            way: WAYS[nth(WAY)],
        })
    }

    pub(super) fn about(&self) -> About<'_> {
        About { place: self.place, tool: &self.tool, case: self.case, way: self.way }
    }
}

/// Tokio's own time stands still where these tests measure.
#[expect(clippy::disallowed_types, reason = "a recovery is measured in real time")]
pub(super) fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The files of one death.
pub(super) struct Kept {
    folder: tempfile::TempDir,
    _state: Option<tempfile::TempDir>,
}

impl Kept {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The state lies in memory where the machine has such a folder: a killed process loses nothing that it wrote either
/// way, and what a power cut would lose is the disk's to prove.
pub(super) fn folder() -> Kept {
    let (folder, memory) = (tempfile::tempdir().unwrap(), Path::new("/dev/shm"));
    let state = memory.is_dir().then(|| tempfile::tempdir_in(memory).unwrap());
    if let Some(state) = &state {
        std::os::unix::fs::symlink(state.path(), folder.path().join("state")).unwrap();
    }
    Kept { folder, _state: state }
}

#[derive(Debug, Default)]
pub(super) struct Toll {
    pub(super) deaths: BTreeMap<String, u64>,
    /// Which tools died at which place in which case.
    pub(super) struck: BTreeSet<String>,
    pub(super) tools: BTreeMap<String, u64>,
    /// Children that came to their end without passing the place, though it lies on their way.
    pub(super) spared: Vec<String>,
    pub(super) effects: u64,
    pub(super) duplicates: u64,
    pub(super) unrecorded: u64,
    pub(super) unended: u64,
    pub(super) longest: Duration,
}

impl Toll {
    pub(super) fn total(&self) -> u64 {
        self.deaths.values().sum()
    }

    /// One death and what came after it; none where the place does not lie on the way.
    pub(super) fn one(&mut self, about: About<'_>) {
        let About { place, tool, case, way } = about;
        if !place.lies_on(case, place.way(way)) {
            return;
        }
        let folder = folder();
        let named = format!("{} {tool} {case:?}", place.word());
        if !child(folder.path(), about, &[]) {
            if matches!(place, Place::At(_) | Place::HalfSent) {
                self.spared.push(named);
            }
            return;
        }
        *self.deaths.entry(place.word()).or_default() += 1;
        *self.tools.entry(tool.to_owned()).or_default() += 1;
        self.struck.insert(named);
        self.goes_on(folder.path(), about);
    }

    pub(super) fn goes_on(&mut self, folder: &Path, about: About<'_>) {
        runtime().block_on(async {
            // The tools are made of the config before there is anything to recover.
            let began = real_now();
            let store = opened_again(&folder.join("state"));
            let opened = began.elapsed();
            let life = Life::new(folder, store, NOON + Span::days(1), about);
            let began = real_now();
            life.runner.resume().await.unwrap();
            self.longest = self.longest.max(opened + began.elapsed());
            life.settle_down(120).await;
            self.count(folder, &life, about);
            if about.place == Place::At(Point::BreakerInserted) {
                life.tell_breakers().await.unwrap();
                let told = life.store.call_now(|db| db.flags("breaker:")).unwrap();
                assert!(!told.is_empty(), "{about:?}: nobody knows that it stopped acting");
            }
        });
    }

    /// Holds the target's own count against the log.
    fn count(&mut self, folder: &Path, life: &Life, about: About<'_>) {
        let store = &life.store;
        let actions: Vec<ActionRow> = store.call_now(|db| db.actions_since(Millis(0))).unwrap();
        let listed = |kind| {
            let filter = AuditFilter { kind: Some(kind), limit: 100_000, ..AuditFilter::default() };
            store.call_now(|db| db.audit_list(&filter)).unwrap()
        };
        let records = listed(AuditKind::Dispatched);
        // A second try of what is as good done twice has a record of its own, from before it began.
        let tried = listed(AuditKind::Noted);
        let again = |id: i64| {
            let safe = actions.iter().any(|a| a.id.0 == id && a.step.repeat == Repeat::Safe);
            let of_it = tried.iter().filter_map(|record| record.payload.as_ref()).filter(|what| {
                what.action.is_some_and(|of| of.0 == id)
                    && what.outcome.as_deref() == Some("tried once more")
            });
            if safe { of_it.count() as u64 } else { 0 }
        };
        let (mut per_run, mut per_action) = (BTreeMap::new(), BTreeMap::new());
        for line in effects(folder) {
            self.effects += 1;
            let action = actions.iter().find(|row| row.id.to_string() == line);
            match action.filter(|row| records.iter().any(|record| record.seq == row.id.0)) {
                Some(row) => {
                    *per_action.entry(row.id.0).or_insert(0_u64) += 1;
                    if row.step.repeat == Repeat::Never {
                        *per_run.entry(row.run.0).or_insert(0_u64) += 1;
                    }
                }
                None => self.unrecorded += 1,
            }
        }
        let per_run: u64 = per_run.values().map(|n| n - 1).sum();
        let per_action = per_action.iter().map(|(id, n)| n.saturating_sub(1 + again(*id)));
        self.duplicates += per_run.max(per_action.sum());
        self.unended += store.call_now(|db| db.unended_runs()).unwrap().len() as u64;
        let anchors = store.anchors().unwrap();
        let proof = store.call_now(|db| db.verify_chain(&anchors)).unwrap();
        assert!(proof.broken.is_none(), "{about:?}: {:?}", proof.broken);
        for run in store.call_now(|db| db.runs_since(Millis(0))).unwrap() {
            let of_run = || actions.iter().filter(|row| row.run == run.id);
            let once = of_run().all(|row| row.step.repeat == Repeat::Never);
            let dispatched = of_run().count();
            assert!(!once || dispatched <= 1, "{about:?}: {run:?} dispatched {dispatched} times");
            assert!(matches!(run.state, RunState::Ended(_)), "{about:?}: {run:?}");
        }
    }

    pub(super) fn and(&mut self, other: Self) {
        for (place, n) in other.deaths {
            *self.deaths.entry(place).or_default() += n;
        }
        for (tool, n) in other.tools {
            *self.tools.entry(tool).or_default() += n;
        }
        self.struck.extend(other.struck);
        self.spared.extend(other.spared);
        self.effects += other.effects;
        self.duplicates += other.duplicates;
        self.unrecorded += other.unrecorded;
        self.unended += other.unended;
        self.longest = self.longest.max(other.longest);
    }

    pub(super) fn check(&self) {
        assert_eq!((self.duplicates, self.unrecorded, self.unended), (0, 0, 0), "{self:#?}");
        assert_eq!(self.spared, Vec::<String>::new(), "they came to their end alive");
        assert!(self.longest < Duration::from_secs(1), "{self:#?}");
    }
}

/// Opens a store that another life left. Where a test beside this one starts a process just now, that one holds the
/// lock as well until it is another program.
pub(super) fn opened_again(state: &Path) -> Store {
    for _ in 0..200 {
        match Store::open_bare(state) {
            Err(OpenError::Locked { .. }) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", state.display());
}

/// Runs a child, by way of another program where one is given; whether it died.
pub(super) fn child(folder: &Path, about: About<'_>, by: &[String]) -> bool {
    let About { place, tool, case, way } = about;
    let own: PathBuf = std::env::current_exe().unwrap();
    let argv = [own.to_str().unwrap(), "--exact", "deaths::dies_somewhere", "--ignored"];
    let argv: Vec<String> = by.iter().cloned().chain(argv.map(str::to_owned)).collect();
    let nth = |at: Option<usize>| at.unwrap().to_string();
    let env = BTreeMap::from([
        (FOLDER.to_owned(), folder.to_str().unwrap().to_owned()),
        (PLACE.to_owned(), place.text()),
        (TOOL.to_owned(), tool.to_owned()),
        (CASE.to_owned(), nth(CASES.iter().position(|known| *known == case))),
        (WAY.to_owned(), nth(WAYS.iter().position(|known| *known == way))),
    ]);
    let given = Given { env, ..Given::default() };
    let timeout = match place {
        // It takes some time until there is a store at all; what is killed before has nothing to lose.
        Place::After(ms) => Span(i64::try_from(ms).unwrap()),
        _ => Span::mins(2),
    };
    let limits = Limits { timeout, max_output: 1 << 16 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(run_raw(&argv, limits, &given));
    match ended {
        Ok(raw) if raw.code == Some(0) => false,
        Ok(raw) => {
            let said = String::from_utf8_lossy(&raw.stdout).into_owned();
            assert_eq!(raw.code, None, "{about:?}: {said}");
            true
        }
        Err(why) => {
            assert!(matches!(place, Place::After(_)), "{about:?}: {why}");
            true
        }
    }
}
