//! What fills a volume: classified by code, each group with size, age, growth and whether it is safe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Fut;
use crate::clients::files::{DeletedOpen, Limits, Rooted, Walked};
use crate::gate::tool::{Parsed, Query, Tool};
use crate::model::ids::{HostName, ToolName};
use crate::model::listing::Lot;
use crate::model::taint::Tainted;
use crate::model::target::AbsPath;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Found, NOTHING_TO_UNDO, READS, Tier, ToolError, ToolSpec};
use crate::model::value::{Kind, Value, human_bytes};
use crate::tool::args::{failed, gives, made, optional, refused, required};
use crate::tool::kinds::{Fills, classify};
use crate::tool::world::World;

/// For how many paths the last answer is kept.
const REMEMBERED: usize = 64;

fn spec() -> ToolSpec {
    ToolSpec {
        name: ToolName::of("disk.usage"),
        summary: "Find what fills a path: kind, size, age, growth, and whether it is safe to touch",
        inputs: vec![
            required("path", Kind::Path, "a file or folder; its volume is not left"),
            optional("top", Kind::Int, "how many groups to tell of, 1 to 50; 10 unless said"),
        ],
        gives: vec![
            gives("path", Kind::Path, "where the largest group lies"),
            gives(
                "kind",
                Kind::Word,
                "logs, journal, temp, package-cache, images, backups, database, crash-dumps, \
                 deleted-open or unknown",
            ),
            gives("size", Kind::Bytes, "what the largest group takes"),
            gives("age", Kind::Span, "how long ago its newest file changed"),
            gives("growth", Kind::Bytes, "since the last answer for this path; 0 without one"),
            gives("safe", Kind::Flag, "whether steps below critical may touch it"),
            gives("ambiguous", Kind::Flag, "whether a human must choose among the candidates"),
            gives("candidates", Kind::List(Box::new(Kind::Word)), "all kinds, largest first"),
            gives("holds", Kind::Text, "the same as people call them, for questions"),
            gives(
                "found",
                Kind::List(Box::new(Kind::Text)),
                "each group that would help, with place, size and age, largest first",
            ),
        ],
        max_tier: Tier::Low,
        tiers: READS,
        undo: NOTHING_TO_UNDO,
        errors: "a folder that is not there, or that could not be walked within its time",
        timeout: Span::secs(30),
        example: "tool = \"disk.usage\"\nargs = { path = \"/var\", top = 10 }",
    }
}

/// What nobody changed for this long is old.
const OLD: Span = Span::days(30);

/// `old backups`, `database files`.
fn told(fills: Fills, group: &Group, now: Millis) -> String {
    let old = matches!(fills, Fills::Backups) && OLD <= now.since(group.newest);
    format!("{}{}", if old { "old " } else { "" }, fills.told())
}

/// `old backups in /srv/backups: 12 GiB in 3 files, the newest 40 d old`.
fn told_of(told: &str, place: &str, group: &Group, now: Millis) -> String {
    let (size, age) = (human_bytes(group.bytes), now.since(group.newest));
    let files = match group.files {
        0 => return format!("{told} in {place}: {size}"),
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    match (age < Span::hours(1), group.files) {
        (true, _) => format!("{told} in {place}: {size} in {files}, written to within the hour"),
        (false, 1) => format!("{told} in {place}: {size} in {files}, {age} old"),
        (false, _) => format!("{told} in {place}: {size} in {files}, the newest {age} old"),
    }
}

/// Sizes of the groups of the last answer for a path of a host.
type Past = BTreeMap<(HostName, AbsPath), BTreeMap<(Fills, String), u64>>;

/// `disk.usage`. Looks anywhere, `/` too: a full volume must be explained wherever it is mounted. The
/// declared roots, where there are any, only bear on what counts as safe.
pub fn usage(world: &World) -> Box<dyn Tool> {
    let world = world.clone();
    let past = Arc::new(Mutex::new(Past::new()));
    made(spec(), move |args| {
        let world = world.on(args.call().target.on())?;
        let path = args.path("path").ok_or_else(|| refused("path is missing"))?.clone();
        let top = args.count("top", 10, 50)?;
        let roots = args.call().bounds.roots.clone();
        let past = past.clone();
        Ok(Parsed::Query(Box::new(Usage { world, path, top, roots, past })))
    })
}

struct Usage {
    world: World,
    path: AbsPath,
    top: usize,
    roots: Vec<AbsPath>,
    past: Arc<Mutex<Past>>,
}

/// Files of one kind in one place.
#[derive(Debug, Clone, Default)]
struct Group {
    bytes: u64,
    files: u64,
    newest: Millis,
    growth: u64,
}

type Groups = BTreeMap<(Fills, String), Group>;

impl Query for Usage {
    fn run(self: Box<Self>) -> Fut<'static, Result<Found, ToolError>> {
        Box::pin(async move { self.look().await })
    }
}

impl Usage {
    async fn look(&self) -> Result<Found, ToolError> {
        let root = AbsPath::new("/").map_err(failed)?;
        let start = Rooted { root, path: self.path.clone() };
        let groups = Arc::new(Mutex::new(Groups::new()));
        let (into, from) = (groups.clone(), self.path.as_str().to_owned());
        let weigh = move |lot: Lot| {
            let (fills, place) = classify(lot.path.as_str(), &from);
            let mut groups = into.lock().unwrap_or_else(PoisonError::into_inner);
            let group = groups.entry((fills, place.to_owned())).or_default();
            group.bytes += lot.on_disk;
            group.files += lot.files;
            group.newest = group.newest.max(lot.newest);
        };
        let walked = self.world.files.sizes(&start, Limits::default(), Box::new(weigh)).await;
        let walked = walked.map_err(failed)?;
        let open = self.world.files.open_files(walked.dev).await.map_err(failed)?;
        let mut groups =
            std::mem::take(&mut *groups.lock().unwrap_or_else(PoisonError::into_inner));
        let held: u64 = open.deleted.iter().map(|d| d.on_disk).sum();
        if 0 < held {
            let files = open.deleted.len() as u64;
            let newest = self.world.now.now();
            let group = Group { bytes: held, files, newest, growth: 0 };
            groups.insert((Fills::DeletedOpen, self.path.to_string()), group);
        }
        let counted: u64 = groups.values().map(|group| group.bytes).sum();
        let beyond = walked.used.map_or(0, |used| used.saturating_sub(counted));
        if 0 < beyond && (walked.cut.is_some() || 0 < walked.unreadable) {
            // Not seen, but used: it must be able to win, or a part would be taken for the whole.
            let newest = self.world.now.now();
            let group = groups.entry((Fills::Unknown, self.path.to_string())).or_default();
            group.bytes += beyond;
            group.newest = newest;
        }
        self.grow(&mut groups);
        self.answer(&groups, &walked, &open.deleted)
    }

    /// Fills in the growth since the last answer, and keeps this one.
    fn grow(&self, groups: &mut Groups) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (self.world.here.clone(), self.path.clone());
        if let Some(before) = past.get(&place) {
            for (key, group) in &mut *groups {
                group.growth = group.bytes.saturating_sub(before.get(key).copied().unwrap_or(0));
            }
        }
        let sizes = groups.iter().map(|(key, group)| (key.clone(), group.bytes)).collect();
        past.insert(place, sizes);
        while REMEMBERED < past.len() {
            past.pop_first();
        }
    }

    fn is_safe(&self, fills: Fills, place: &str) -> bool {
        let rooted = self.roots.is_empty()
            || AbsPath::new(place).is_ok_and(|p| self.roots.iter().any(|root| p.is_below(root)));
        fills.safe().is_ok() && rooted
    }

    fn answer(
        &self,
        groups: &Groups,
        walked: &Walked,
        deleted: &[DeletedOpen],
    ) -> Result<Found, ToolError> {
        let mut sorted: Vec<_> = groups.iter().filter(|((f, _), _)| *f != Fills::System).collect();
        // Where all is the system's own, that is the answer.
        if sorted.is_empty() {
            sorted = groups.iter().collect();
        }
        sorted.sort_by_key(|(_, group)| std::cmp::Reverse(group.bytes));
        let now = self.world.now.now();
        let nothing = ((Fills::Unknown, self.path.to_string()), Group::default());
        let ((fills, place), first) = sorted.first().copied().unwrap_or((&nothing.0, &nothing.1));
        let safe = self.is_safe(*fills, place);
        // Of a cut walk only a whole volume's size tells what is missing.
        let unsure = walked.cut.is_some() && walked.used.is_none();
        let (mut kinds, mut holds, mut helps) = (Vec::new(), Vec::new(), Vec::new());
        for ((fills, place), group) in &sorted {
            // What takes less than a twentieth of the largest would not help.
            if group.bytes < (first.bytes / 20).max(1) {
                continue;
            }
            let told = told(*fills, group, now);
            helps.push(Value::Text(Tainted::new(&told_of(&told, place, group, now))));
            if !kinds.contains(fills) {
                kinds.push(*fills);
                holds.push(told);
            }
        }
        helps.truncate(self.top);
        let age = if first.files == 0 { Span(0) } else { now.since(first.newest) };
        let values = [
            ("path", Value::Path(AbsPath::new(place).map_err(failed)?)),
            ("kind", Value::Word(fills.word())),
            ("size", Value::Bytes(first.bytes)),
            ("age", Value::Span(age)),
            ("growth", Value::Bytes(first.growth)),
            ("safe", Value::Flag(safe)),
            ("ambiguous", Value::Flag(!safe || unsure)),
            ("candidates", Value::List(kinds.iter().map(|k| Value::Word(k.word())).collect())),
            ("holds", Value::Text(Tainted::new(&holds.join(", ")))),
            ("found", Value::List(helps)),
        ];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut lines = Vec::new();
        for ((fills, place), group) in sorted.iter().take(self.top) {
            let why = match fills.safe() {
                Ok(_) if !self.is_safe(*fills, place) => "outside the declared roots",
                Ok(why) | Err(why) => why,
            };
            let grown = match group.growth {
                0 => String::new(),
                n => format!(", +{} since the last look", human_bytes(n)),
            };
            lines.push(format!(
                "{} {place}: {} in {} file{}, newest {} old{grown}; {why}",
                fills.as_str(),
                human_bytes(group.bytes),
                group.files,
                if group.files == 1 { "" } else { "s" },
                now.since(group.newest),
            ));
        }
        lines.extend(self.remarks(groups, walked, deleted));
        Ok(Found { values, words: Tainted::new(&lines.join("\n")) })
    }

    /// What a reader should know beside the groups.
    fn remarks(&self, groups: &Groups, walked: &Walked, deleted: &[DeletedOpen]) -> Vec<String> {
        let mut lines = Vec::new();
        for holder in deleted.iter().take(3) {
            lines.push(format!(
                "{} in a deleted file is held open by {} (pid {})",
                human_bytes(holder.on_disk),
                holder.comm,
                holder.pid
            ));
        }
        let system: u64 =
            groups.iter().filter(|((f, _), _)| *f == Fills::System).map(|(_, g)| g.bytes).sum();
        if 0 < system {
            lines.push(format!("the system itself takes {}", human_bytes(system)));
        }
        for (n, what) in [
            (walked.mounts, "other volumes were not entered"),
            (walked.unreadable, "folders could not be read"),
            (walked.unnamed, "names are unreadable and were skipped"),
        ] {
            if 0 < n {
                lines.push(format!("{n} {what}"));
            }
        }
        let counted: u64 = groups.values().map(|group| group.bytes).sum();
        if let Some(used) = walked.used
            && (1 << 30) < used.saturating_sub(counted)
        {
            let beyond = human_bytes(used - counted);
            lines
                .push(format!("{beyond} more are used than files show: snapshots, reserved space"));
        }
        if let Some(cut) = &walked.cut {
            lines.push(format!("the walk {cut}: sizes are lower bounds"));
        }
        lines
    }
}
