//! The readings of one flush as bytes: about eight each, where a row of a table would take three times that.

use anyhow::{Context, Result, bail};

use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::store::readings::{Sample, SignalId};

/// Whole numbers up to here are exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What stands in a tag above the two bits of the severity.
mod value {
    pub(super) const NONE: u8 = 0;
    pub(super) const SAME: u8 = 1;
    pub(super) const WHOLE: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    /// Four bytes, where they hold all of it.
    pub(super) const SHORT: u8 = 4;
}

/// For each reading: the signal, the time since the one before, a tag, and the value where it is another.
pub(in crate::store) fn pack(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() * 12);
    let (mut at, mut last) = (0, None);
    for sample in samples {
        put(&mut bytes, u64::from(sample.signal.0));
        put(&mut bytes, zigzag(sample.at.0.wrapping_sub(at)));
        at = sample.at.0;
        let severity = severity_code(sample.severity);
        let given = sample.value.filter(|v| v.is_finite()).map(f64::to_bits);
        match given.map(f64::from_bits) {
            None => bytes.push(value::NONE << 2 | severity),
            Some(_) if given == last => bytes.push(value::SAME << 2 | severity),
            Some(v) => match whole(v) {
                Some(n) => {
                    bytes.push(value::WHOLE << 2 | severity);
                    put(&mut bytes, zigzag(n));
                }
                None => match short(v) {
                    Some(short) => {
                        bytes.push(value::SHORT << 2 | severity);
                        bytes.extend_from_slice(&short.to_le_bytes());
                    }
                    None => {
                        bytes.push(value::FLOAT << 2 | severity);
                        bytes.extend_from_slice(&v.to_le_bytes());
                    }
                },
            },
        }
        last = given.or(last);
    }
    bytes
}

/// Reads [`pack`]'s bytes back and gives each reading to `each`.
pub(in crate::store) fn unpack(bytes: &[u8], mut each: impl FnMut(Sample)) -> Result<()> {
    let mut rest = bytes;
    let (mut at, mut last) = (0_i64, None);
    while !rest.is_empty() {
        let signal = SignalId(u32::try_from(take(&mut rest)?).context(DAMAGED)?);
        at = at.wrapping_add(unzigzag(take(&mut rest)?));
        let (tag, after) = rest.split_first().context(DAMAGED)?;
        rest = after;
        let value = match tag >> 2 {
            value::NONE => None,
            value::SAME => Some(last.context(DAMAGED)?),
            value::WHOLE => Some(float(unzigzag(take(&mut rest)?))),
            value::FLOAT => {
                let (float, after) = rest.split_first_chunk().context(DAMAGED)?;
                rest = after;
                Some(f64::from_le_bytes(*float))
            }
            value::SHORT => {
                let (float, after) = rest.split_first_chunk().context(DAMAGED)?;
                rest = after;
                Some(f64::from(f32::from_le_bytes(*float)))
            }
            _ => bail!(DAMAGED),
        };
        last = value.or(last);
        each(Sample { signal, at: Millis(at), severity: severity_of(tag & 3), value });
    }
    Ok(())
}

/// What history needs of a value: seven digits of a fraction, and whole numbers as they are.
#[expect(clippy::cast_possible_truncation, reason = "the digits beyond the seventh are noise")]
pub(in crate::store) fn rounded(v: f64) -> f64 {
    let short = f64::from(v as f32);
    if v.fract() != 0.0 && short.is_finite() { short } else { v }
}

/// The four bytes that hold all of a float, where they do.
#[expect(clippy::cast_possible_truncation, reason = "what is lost is seen by the comparison")]
fn short(v: f64) -> Option<f32> {
    let short = v as f32;
    (f64::from(short).to_bits() == v.to_bits()).then_some(short)
}

pub(super) const DAMAGED: &str = "packed readings are damaged";

/// The number where the float is whole; not the negative zero, which would lose its sign.
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
pub(super) fn whole(v: f64) -> Option<i64> {
    let fits = v.fract() == 0.0 && v.abs() <= EXACT && !(v == 0.0 && v.is_sign_negative());
    fits.then_some(v as i64)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53 where reef wrote it")]
pub(super) fn float(n: i64) -> f64 {
    n as f64
}

pub(super) fn severity_code(severity: Severity) -> u8 {
    match severity {
        Severity::Green => 0,
        Severity::Unknown => 1,
        Severity::Yellow => 2,
        Severity::Red => 3,
    }
}

pub(super) fn severity_of(code: u8) -> Severity {
    match code {
        0 => Severity::Green,
        1 => Severity::Unknown,
        2 => Severity::Yellow,
        _ => Severity::Red,
    }
}

/// Small numbers of either sign become small numbers.
pub(super) fn zigzag(n: i64) -> u64 {
    (n.wrapping_shl(1) ^ (n >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; the eighth says that more come (LEB128).
pub(super) fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while 0x7f < n {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push((n & 0x7f) as u8);
}

pub(super) fn take(rest: &mut &[u8]) -> Result<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().context(DAMAGED)?;
        *rest = after;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(n);
        }
    }
    bail!(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        let value = prop_oneof![
            Just(None),
            Just(Some(-0.0)),
            Just(Some(EXACT)),
            any::<f64>().prop_map(Some),
            any::<i32>().prop_map(|n| Some(f64::from(n))),
        ];
        let one = (any::<u32>(), any::<i64>(), 0_u8..4, value);
        prop::collection::vec(one, 0..40).prop_map(|all| {
            all.into_iter()
                .map(|(signal, at, severity, value)| Sample {
                    signal: SignalId(signal),
                    at: Millis(at),
                    severity: severity_of(severity),
                    value: value.filter(|v: &f64| v.is_finite()),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(given in samples()) {
            let mut got = Vec::new();
            unpack(&pack(&given), |s| got.push(s)).unwrap();
            let bits = |all: &[Sample]| {
                all.iter().map(|s| (*s, s.value.map(f64::to_bits))).collect::<Vec<_>>()
            };
            prop_assert_eq!(bits(&got), bits(&given));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut n = 0;
            let read = unpack(&bytes, |_| n += 1);
            prop_assert!(read.is_err() || n <= bytes.len());
        }
    }
}
