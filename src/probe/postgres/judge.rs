//! What the numbers of a PostgreSQL server are worth.

use crate::clients::postgres::{Connections, Receiver, Slot, Standby};
use crate::model::ids::Word;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::value::{Value, human_bytes};
use crate::policy::threshold::{Direction, Judged, Threshold};
use crate::probe::postgres::{CONNECTIONS, LAG, SLOTS, Settings};
use crate::probe::spoken::{number, percent};
use crate::probe::voice::Voice;

/// Whether the config asks for a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Named,
    SeenBefore,
}

/// Where the primary is.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) position: u64,
    /// How long the standby is behind, by the primary's own past.
    pub(super) behind: Option<Span>,
    pub(super) now: Millis,
}

pub(super) fn connections(voice: &Voice, seen: Connections, now: Millis) -> Reading {
    let Connections { used, most } = seen;
    let share = percent(used, most);
    let levels =
        Threshold { yellow: Some(80.0), red: Some(95.0), direction: Direction::Above, margin: 5.0 };
    let Judged { severity, clears } = levels.judge(share);
    let reason = if severity == Severity::Green { "ok" } else { "used" };
    let words = format!("{used} of {most} connections are in use");
    let mut reading = voice.reading(CONNECTIONS, (severity, reason), &words, now);
    reading.clears = clears;
    reading.value = Some(share);
    reading.unit = Some(Unit::Percent);
    for (name, n) in [("used", used), ("most", most)] {
        reading.values.insert(name.into(), Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
    }
    reading
}

/// A missing standby is red, not a lag of zero.
pub(super) fn standby(
    voice: &Voice,
    (name, expected): (&str, Expected),
    standby: Option<&Standby>,
    settings: &Settings,
    at: At,
) -> Reading {
    let finish = |mut reading: Reading| {
        if let Ok(name) = Word::new(name) {
            reading.values.insert("standby".into(), Value::Word(name));
        }
        reading
    };
    let Some(standby) = standby else {
        let (severity, words) = match expected {
            Expected::Named => (Severity::Red, format!("{name} is not connected")),
            Expected::SeenBefore => (
                Severity::Yellow,
                format!("{name} was connected and is gone (name it in standbys to make this red)"),
            ),
        };
        return finish(voice.reading(LAG, (severity, "missing"), &words, at.now));
    };
    let (Some(state), Some(replayed)) = (&standby.state, standby.replayed) else {
        // A standby that only just connected has not said yet how far it is.
        let (reason, words) = match &standby.state {
            None => {
                ("denied", "its lag is hidden from this user: GRANT pg_monitor TO it".to_owned())
            }
            Some(state) => {
                ("starting", format!("it is in state {state} and does not say its position"))
            }
        };
        return finish(voice.reading(LAG, (Severity::Unknown, reason), &words, at.now));
    };
    let bytes = at.position.saturating_sub(replayed);
    // On an idle primary the lag that was measured last would stand for ever.
    let lag = match bytes {
        0 => Span(0),
        _ => at.behind.unwrap_or(Span(0)).max(standby.measured.unwrap_or(Span(0))),
    };
    let mut judged = settings.levels.judge(Some(bytes), Some(lag));
    let mut reason = if judged.severity == Severity::Green { "ok" } else { "behind" };
    let mut words = format!("{name} is {} and {lag} behind", human_bytes(bytes));
    if state != "streaming" {
        words += &format!(", in state {state}");
        if judged.severity < Severity::Yellow {
            reason = "catching-up";
        }
        judged.severity = judged.severity.max(Severity::Yellow);
        judged.clears = judged.clears.max(Severity::Yellow);
    }
    let mut reading = voice.reading(LAG, (judged.severity, reason), &words, at.now);
    reading.clears = judged.clears;
    reading.value = Some(number(bytes));
    reading.unit = Some(Unit::Bytes);
    reading.values.insert("behind".into(), Value::Bytes(bytes));
    reading.values.insert("lag".into(), Value::Span(lag));
    finish(reading)
}

/// A slot that nobody uses keeps WAL until the disk is full.
pub(super) fn slots(voice: &Voice, slots: &[Slot], settings: &Settings, now: Millis) -> Reading {
    let unused = |slot: &&Slot| !slot.active;
    let lost = slots.iter().find(|slot| matches!(slot.status.as_str(), "lost" | "unreserved"));
    let worst = slots.iter().filter(unused).max_by_key(|slot| slot.retained);
    let retained = worst.map_or(0, |slot| slot.retained);
    let (judged, words) = match (lost, worst) {
        (Some(slot), _) => {
            let words =
                format!("slot {} is {}: its standby must be made anew", slot.name, slot.status);
            ((Severity::Red, "lost"), words)
        }
        (None, Some(slot)) => {
            let words =
                format!("nobody uses slot {}; it keeps {}", slot.name, human_bytes(retained));
            match () {
                () if settings.slots.0 < retained => ((Severity::Red, "unused"), words),
                // What a standby that is away for a moment needs is no fault.
                () if settings.levels.bytes.0.0 < retained => ((Severity::Yellow, "unused"), words),
                () => ((Severity::Green, "ok"), words),
            }
        }
        (None, None) => {
            let words = match slots.len() {
                0 => "no slots".to_owned(),
                n => format!("{n} slots, all in use"),
            };
            ((Severity::Green, "ok"), words)
        }
    };
    let mut reading = voice.reading(SLOTS, judged, &words, now);
    reading.value = Some(number(retained));
    reading.unit = Some(Unit::Bytes);
    reading.values.insert("retained".into(), Value::Bytes(retained));
    reading
}

/// A standby asked itself.
pub(super) fn receiver(
    voice: &Voice,
    receiver: Receiver,
    settings: &Settings,
    now: Millis,
) -> Reading {
    let bytes = receiver.bytes.unwrap_or(0);
    // The age of the last transaction is a lag only while there is something left to replay.
    let lag = match (receiver.connected, bytes) {
        (true, 0) => Span(0),
        (true, _) | (false, _) => receiver.age.unwrap_or(Span(0)),
    };
    if !receiver.connected && !receiver.from_archive {
        let words = format!("it receives nothing: its last transaction is {lag} old");
        return voice.reading(LAG, (Severity::Red, "disconnected"), &words, now);
    }
    let judged = settings.levels.judge(Some(bytes), Some(lag));
    let reason = if judged.severity == Severity::Green { "ok" } else { "behind" };
    let paused = if receiver.paused { ", replay is paused" } else { "" };
    let words = format!("{} and {lag} behind{paused}", human_bytes(bytes));
    let mut reading = voice.reading(LAG, (judged.severity, reason), &words, now);
    reading.clears = judged.clears;
    reading.value = Some(number(bytes));
    reading.unit = Some(Unit::Bytes);
    reading.values.insert("behind".into(), Value::Bytes(bytes));
    reading.values.insert("lag".into(), Value::Span(lag));
    reading
}
