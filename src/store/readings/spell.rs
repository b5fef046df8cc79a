//! An ended hour of one signal as bytes: what repeats is counted, not repeated.
//!
//! Looks come at a steady pace and mostly say the same, so a look is a token of one byte (severity, how its
//! value is written, whether it came at the pace, how often it is repeated), and only what differs
//! follows. Times are kept to the second; values to six digits, whole numbers exactly.

use anyhow::{Context, Result, bail};

use crate::model::time::Millis;
use crate::store::readings::pack::{
    DAMAGED, float, put, severity_code, severity_of, take, unzigzag, whole, zigzag,
};
use crate::store::readings::{Sample, SignalId};

/// Six digits of the greatest value.
const DIGITS: i32 = 5;
/// The powers of ten that a scale may have.
const SCALES: i32 = 100;
/// Repeats that fit into the token; as many and more are written after it.
const MANY: u64 = 7;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    None,
    /// As the one before.
    Same,
    /// So much more than the one before, in units of the scale.
    Delta(i64),
    /// As its eight bytes: no scale fits it.
    Raw(u64),
}

/// One look and its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    severity: u8,
    how: How,
    /// Seconds since the look before, where that is another distance than the last.
    pace: Option<i64>,
}

/// Samples of one signal and hour, oldest first; `begins` is the hour's beginning.
pub(in crate::store) fn spell(samples: &[Sample], begins: Millis) -> Vec<u8> {
    let scale = scale(samples);
    let mut bytes = vec![scale.to_le_bytes()[0]];
    let (mut at, mut pace, mut last) = (0, 0, 0_i64);
    let mut run: Option<(Token, u64)> = None;
    for sample in samples {
        let second = (sample.at.0 - begins.0).div_euclid(1_000);
        let step = second - at;
        let how = match sample.value.filter(|v| v.is_finite()) {
            None => How::None,
            Some(value) => match units(value, scale) {
                Some(n) if n == last => How::Same,
                Some(n) => How::Delta(n.wrapping_sub(last)),
                None => How::Raw(value.to_bits()),
            },
        };
        if let How::Delta(more) = how {
            last = last.wrapping_add(more);
        }
        let token = Token {
            severity: severity_code(sample.severity),
            how,
            pace: (step != pace).then_some(step),
        };
        (at, pace) = (second, step);
        match &mut run {
            Some((same, repeats)) if *same == token && token.pace.is_none() => *repeats += 1,
            _ => {
                if let Some((token, repeats)) = run.replace((token, 0)) {
                    write(&mut bytes, token, repeats);
                }
            }
        }
    }
    if let Some((token, repeats)) = run {
        write(&mut bytes, token, repeats);
    }
    bytes
}

fn write(bytes: &mut Vec<u8>, token: Token, repeats: u64) {
    let how = match token.how {
        How::None => 0,
        How::Same => 1,
        How::Delta(_) => 2,
        How::Raw(_) => 3,
    };
    let few = repeats.min(MANY) as u8;
    bytes.push(few << 5 | u8::from(token.pace.is_some()) << 4 | how << 2 | token.severity);
    if MANY <= repeats {
        put(bytes, repeats - MANY);
    }
    if let Some(pace) = token.pace {
        put(bytes, zigzag(pace));
    }
    match token.how {
        How::None | How::Same => {}
        How::Delta(more) => put(bytes, zigzag(more)),
        How::Raw(bits) => bytes.extend_from_slice(&bits.to_le_bytes()),
    }
}

/// Reads [`spell`]'s bytes back and gives each reading to `each`. `most` bounds what damaged bytes can
/// claim.
pub(in crate::store) fn read(
    bytes: &[u8],
    signal: SignalId,
    begins: Millis,
    mut each: impl FnMut(Sample),
) -> Result<()> {
    let (scale, mut rest) = bytes.split_first().context(DAMAGED)?;
    let scale = i32::from(i8::from_le_bytes([*scale]));
    let (mut at, mut pace, mut last) = (0_i64, 0_i64, 0_i64);
    // More than one look a millisecond in an hour is none of ours.
    let mut left = 3_600_000_u64;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let mut repeats = u64::from(token >> 5);
        if repeats == MANY {
            repeats = repeats.saturating_add(take(&mut rest)?);
        }
        if token & 0x10 != 0 {
            pace = unzigzag(take(&mut rest)?);
        }
        let (mut more, mut raw) = (0, None);
        match token >> 2 & 3 {
            2 => more = unzigzag(take(&mut rest)?),
            3 => {
                let (bits, after) = rest.split_first_chunk().context(DAMAGED)?;
                rest = after;
                raw = Some(f64::from_le_bytes(*bits));
            }
            _ => {}
        }
        left = left.checked_sub(repeats.saturating_add(1)).context(DAMAGED)?;
        for _ in 0..=repeats {
            at = at.checked_add(pace).context(DAMAGED)?;
            last = last.wrapping_add(more);
            let value = match token >> 2 & 3 {
                0 => None,
                3 => raw,
                _ => Some(of_units(last, scale)),
            };
            let at = at.checked_mul(1_000).and_then(|ms| begins.0.checked_add(ms));
            let Some(at) = at else { bail!(DAMAGED) };
            each(Sample { signal, at: Millis(at), severity: severity_of(token & 3), value });
        }
    }
    Ok(())
}

/// The power of ten that makes six digits of the greatest value; zero where all are whole.
fn scale(samples: &[Sample]) -> i8 {
    let values = || samples.iter().filter_map(|s| s.value).filter(|v| v.is_finite());
    if values().all(|v| whole(v).is_some()) {
        return 0;
    }
    let most = values().fold(0.0, |most: f64, v| most.max(v.abs()));
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a float")]
    let digits = most.log10().floor() as i32;
    i8::try_from((DIGITS - digits).clamp(-SCALES, SCALES)).unwrap_or(0)
}

/// A value in units of its scale; `None` where that is no exact whole number of a float.
fn units(value: f64, scale: i8) -> Option<i64> {
    let scaled = match scale {
        0 => value,
        _ => (value * 10_f64.powi(i32::from(scale))).round(),
    };
    whole(scaled + 0.0)
}

fn of_units(n: i64, scale: i32) -> f64 {
    match scale {
        0.. => float(n) / 10_f64.powi(scale),
        ..0 => float(n) * 10_f64.powi(-scale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;
    use proptest::prelude::*;

    const BEGINS: Millis = Millis(480_000 * 3_600_000);

    fn sample(second: i64, severity: Severity, value: Option<f64>) -> Sample {
        Sample { signal: SignalId(7), at: Millis(BEGINS.0 + second * 1_000), severity, value }
    }

    fn there_and_back(given: &[Sample]) -> (usize, Vec<Sample>) {
        let bytes = spell(given, BEGINS);
        let mut got = Vec::new();
        read(&bytes, SignalId(7), BEGINS, |s| got.push(s)).unwrap();
        (bytes.len(), got)
    }

    #[test]
    fn an_hour_that_says_the_same_is_a_few_bytes() {
        let value = |i: i64| [None, Some(54.321), Some(3.0 + i as f64 * 10.0)];
        for kind in 0..3 {
            let given: Vec<_> =
                (0..360).map(|i| sample(3 + i * 10, Severity::Green, value(i)[kind])).collect();
            let (bytes, got) = there_and_back(&given);
            assert_eq!(got, given);
            assert!(bytes < 16, "{bytes}");
        }
    }

    #[test]
    fn latencies_take_three_bytes_each_and_keep_six_digits() {
        let given: Vec<_> = (0_u32..360)
            .map(|i| {
                let value = 100.0 + f64::from(i * i % 97).sqrt();
                sample(i64::from(i) * 10, Severity::Green, Some(value))
            })
            .collect();
        let (bytes, got) = there_and_back(&given);
        assert!(bytes <= 360 * 3 + 8, "{bytes}");
        for (a, b) in given.iter().zip(&got) {
            assert!((a.value.unwrap() - b.value.unwrap()).abs() <= 0.000_6, "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_is_strange_comes_back_too() {
        use Severity::{Green, Red, Unknown, Yellow};
        let given = [
            sample(0, Green, Some(1e300)),
            sample(0, Red, Some(0.1)),
            sample(7, Unknown, None),
            sample(3_599, Yellow, Some(-0.000_001)),
        ];
        let (_, got) = there_and_back(&given);
        assert_eq!(got.len(), 4);
        assert!((got[0].value.unwrap() / 1e300 - 1.0).abs() < 1e-5);
        assert_eq!(
            got.iter().map(|s| s.severity).collect::<Vec<_>>(),
            [Green, Red, Unknown, Yellow]
        );
        let bytes = [Some(9e15), Some(-9e15), None, Some(3.0)];
        let given = bytes.map(|v| sample(1, Green, v));
        assert_eq!(there_and_back(&given).1, given);
        assert_eq!(there_and_back(&[]).1, []);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_to_six_digits(
            given in prop::collection::vec(
                (0_i64..3_600, 0_u8..4, prop::option::of(prop_oneof![
                    any::<i32>().prop_map(f64::from), -1e9_f64..1e9, Just(5.0),
                ])),
                0..60,
            ),
        ) {
            let mut given: Vec<Sample> =
                given.into_iter().map(|(at, s, v)| sample(at, severity_of(s), v)).collect();
            given.sort_by_key(|s| s.at);
            let most = given.iter().filter_map(|s| s.value).fold(0.0_f64, |m, v| m.max(v.abs()));
            let (_, got) = there_and_back(&given);
            prop_assert_eq!(got.len(), given.len());
            for (a, b) in given.iter().zip(&got) {
                prop_assert_eq!((a.at, a.severity, a.value.is_some()), (b.at, b.severity, b.value.is_some()));
                if let (Some(a), Some(b)) = (a.value, b.value) {
                    prop_assert!((a - b).abs() <= most * 1e-5, "{} {}", a, b);
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut n = 0_u64;
            drop(read(&bytes, SignalId(1), BEGINS, |_| n += 1));
            prop_assert!(n <= 3_600_000);
        }
    }
}
