//! Whether a container that ran out of memory leaks or had a spike: what its memory says, life by life.
//!
//! The floor of a life is what it uses when it uses least. Work makes peaks over a floor that stays where it
//! was; a leak lifts the floor itself, life after life, until it meets the limit.

use crate::model::time::{Millis, Span};
use crate::model::value::human_bytes;

/// What the memory of a container says about its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Its floor rises until it meets the limit: a restart only begins it anew.
    Leak,
    /// Its floor stayed where it was, and then it wanted much at once.
    Spike,
    /// It never came to run: what it needs to start is more than it may have.
    Start,
    /// Too little is known.
    Unsure,
}

impl Growth {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Spike => "spike",
            Self::Start => "start",
            Self::Unsure => "unsure",
        }
    }
}

/// The verdict, in a word and in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub growth: Growth,
    pub words: String,
}

/// Memory at an instant, in bytes.
pub type Point = (Millis, u64);

/// Fewer looks at a life tell nothing of its floor.
const LOOKS: usize = 8;
/// A life is cut into so many parts, each with a floor of its own.
const PARTS: usize = 5;
/// How much of the limit a floor must rise within a life, or over lives, in percent; below the other it stays.
const RISES: u64 = 15;
const STAYS: u64 = 8;
/// The share of a rise that one step may have: more is a jump, and no steady growth.
const STEP: u64 = 70;
/// Two looks that far apart, as a multiple of what is usual, have an end between them.
const GAP: i64 = 4;

/// The verdict over what was seen before the kill, oldest first. `lived` is how long the last life was.
pub fn judge(points: &[Point], limit: u64, lived: Option<Span>) -> Judged {
    let lives = lives(points);
    let told: Vec<Life> = lives.iter().filter_map(|life| Life::of(life)).collect();
    let percent = |bytes: u64| bytes.saturating_mul(100) / limit.max(1);
    let judged = |growth, words: String| Judged { growth, words };
    let Some(last) = told.last() else {
        return match lived {
            Some(lived) if lived < Span::secs(10) => judged(
                Growth::Start,
                format!(
                    "it was killed {lived} after its start: {} is too little to begin with",
                    human_bytes(limit)
                ),
            ),
            Some(_) | None => judged(
                Growth::Unsure,
                format!("its memory was seen {} times only, which tells nothing", points.len()),
            ),
        };
    };
    let from_to = |from: u64, to: u64| format!("{} to {}", human_bytes(from), human_bytes(to));
    let rise = percent(last.end.saturating_sub(last.begin));
    let of_lives = match told.len() {
        1 => String::new(),
        n => format!(
            ", {} of its last {n} lives likewise",
            told.iter().filter(|l| l.rises(limit)).count()
        ),
    };
    if last.rises(limit) {
        let words = format!(
            "its floor rose from {} of {} within {}{of_lives}",
            from_to(last.begin, last.end),
            human_bytes(limit),
            last.long
        );
        return judged(Growth::Leak, words);
    }
    // Each life begins where the one before left off: what leaks lies in what it keeps.
    if let [first, .., before_last, last] = told.as_slice()
        && first.begin <= before_last.begin
        && before_last.begin <= last.begin
        && RISES <= percent(last.begin.saturating_sub(first.begin))
    {
        let words = format!(
            "over {} lives its floor rose from {} of {}",
            told.len(),
            from_to(first.begin, last.begin),
            human_bytes(limit)
        );
        return judged(Growth::Leak, words);
    }
    if rise <= STAYS || last.jumps() {
        let words = format!(
            "its floor stayed at {} of {} for {}, and then it wanted much at once",
            human_bytes(last.begin),
            human_bytes(limit),
            last.long
        );
        return judged(Growth::Spike, words);
    }
    judged(
        Growth::Unsure,
        format!(
            "its floor went from {} of {}: neither steady nor still",
            from_to(last.begin, last.end),
            human_bytes(limit)
        ),
    )
}

/// Between a restart's two sides lie a gap, or a fall to less than half.
fn lives(points: &[Point]) -> Vec<&[Point]> {
    let mut gaps: Vec<i64> = points.windows(2).map(|pair| pair[1].0.since(pair[0].0).0).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(0).max(1);
    let mut lives = Vec::new();
    let mut begin = 0;
    for (i, pair) in points.windows(2).enumerate() {
        let [(before_at, before), (at, now)] = pair else { continue };
        if usual * GAP < at.since(*before_at).0 || *now < *before / 2 {
            lives.extend(points.get(begin..=i));
            begin = i + 1;
        }
    }
    lives.extend(points.get(begin..).filter(|rest| !rest.is_empty()));
    lives
}

/// One life by the floors of its parts.
#[derive(Debug, Clone)]
struct Life {
    floors: Vec<u64>,
    begin: u64,
    end: u64,
    long: Span,
}

impl Life {
    fn of(points: &[Point]) -> Option<Self> {
        if points.len() < LOOKS {
            return None;
        }
        // What a program loads at its start is no growth.
        let warm = points.get(points.len().div_ceil(10)..)?;
        let part = warm.len().div_ceil(PARTS);
        let floor = |part: &[Point]| part.iter().map(|(_, bytes)| *bytes).min();
        let floors: Vec<u64> = warm.chunks(part).filter_map(floor).collect();
        let long = points.last()?.0.since(points.first()?.0);
        Some(Self { begin: *floors.first()?, end: *floors.last()?, floors, long })
    }

    fn rises(&self, limit: u64) -> bool {
        let rise = self.end.saturating_sub(self.begin);
        let slack = limit / 50;
        let steady = self.floors.windows(2).all(|pair| pair[0] <= pair[1].saturating_add(slack));
        steady && limit / 100 * RISES <= rise && !self.jumps()
    }

    fn jumps(&self) -> bool {
        let rise = self.end.saturating_sub(self.begin);
        let most = self.floors.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        rise.saturating_mul(STEP) / 100 < most.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMIT: u64 = 512 * MIB;

    /// A life that begins at this minute, of which each minute's memory is given.
    fn life(begin: i64, minutes: i64, mib: impl Fn(i64) -> u64) -> Vec<Point> {
        (0..minutes).map(|m| (Millis((begin + m) * 60_000), mib(m) * MIB)).collect()
    }

    /// Work that comes and goes: the same each time.
    fn work(minute: i64) -> u64 {
        u64::try_from((minute * 7_919) % 90).unwrap()
    }

    #[track_caller]
    fn check(points: &[Point], want: Growth) -> String {
        let judged = judge(points, LIMIT, Some(Span::hours(2)));
        assert_eq!(judged.growth, want, "{}", judged.words);
        judged.words
    }

    #[test]
    fn a_generated_leak_is_a_leak() {
        let leaks = |m: i64| 120 + u64::try_from(m).unwrap() * 3 + work(m) / 3;
        let one = life(0, 120, leaks);
        let words = check(&one, Growth::Leak);
        assert!(words.contains("of 512 MiB within 119 min"), "{words}");
        let again = [one, life(125, 120, leaks), life(250, 118, leaks)].concat();
        let words = check(&again, Growth::Leak);
        assert!(words.contains("3 of its last 3 lives"), "{words}");
    }

    #[test]
    fn a_generated_spike_is_a_spike() {
        let calm = |m: i64| 150 + work(m);
        let words = check(&life(0, 240, calm), Growth::Spike);
        assert!(words.contains("its floor stayed at 1"), "{words}");
        // The last look still saw how it went up.
        let mut up = life(0, 240, calm);
        up.push((Millis(240 * 60_000), 490 * MIB));
        check(&up, Growth::Spike);
        // A job that takes much for a while, and gives it back.
        check(
            &life(0, 300, |m| if (100..160).contains(&m) { 400 } else { 140 + work(m) }),
            Growth::Spike,
        );
        check(&[life(0, 60, calm), life(65, 200, calm)].concat(), Growth::Spike);
    }

    #[test]
    fn a_floor_that_rises_over_restarts_is_a_leak() {
        let begins = |at: u64| move |m: i64| at + work(m) / 2;
        let lives: Vec<Point> = [120, 190, 260, 340]
            .into_iter()
            .zip(0..)
            .flat_map(|(at, n)| life(n * 100, 90, begins(at)))
            .collect();
        let words = check(&lives, Growth::Leak);
        assert!(words.starts_with("over 4 lives its floor rose from 1"), "{words}");
    }

    #[test]
    fn what_is_loaded_at_the_start_is_no_leak() {
        check(
            &life(
                0,
                120,
                |m| if m < 10 { u64::try_from(m).unwrap() * 20 } else { 200 + work(m) / 3 },
            ),
            Growth::Spike,
        );
    }

    #[test]
    fn too_little_past_is_said_and_a_limit_below_the_start_too() {
        check(&[], Growth::Unsure);
        check(&life(0, 7, |_| 100), Growth::Unsure);
        let judged = judge(&[], LIMIT, Some(Span::secs(2)));
        assert_eq!(judged.growth, Growth::Start, "{}", judged.words);
    }

    #[test]
    fn no_series_makes_it_stumble() {
        let mut seed = 1_u64;
        for n in 0..200_usize {
            let points: Vec<Point> = (0..n)
                .map(|i| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (Millis(i64::try_from(i).unwrap() * 1_000), seed)
                })
                .collect();
            judge(&points, seed % 3, None);
        }
    }
}
