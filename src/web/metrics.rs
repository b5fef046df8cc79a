//! Prometheus text exposition, format 0.0.4.

use std::collections::BTreeMap;

use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::operator::view::Signalled;
use crate::report::own::Own;
use crate::store::Store;
use crate::store::db::Db;
use crate::watch::pulse::Pulse;

/// Of the answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is exposed. Totals of the store count from its first day, those of looks from the
/// start of the process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    pub version: String,
    pub signals: Vec<Signalled>,
    pub looks: Looks,
    /// Memory, processor time and start of the process.
    pub own: Own,
    /// `None`: the store cannot be read right now, so nothing is said of it.
    pub stored: Option<Stored>,
}

/// What the tick loop counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    pub looks: u64,
    pub readings: u64,
    pub missed: u64,
    pub late: u64,
    pub unknown: u64,
    pub timed_out: u64,
    pub broken: u64,
    pub events: u64,
}

/// What the store knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Unresolved incidents by severity.
    pub incidents: BTreeMap<Severity, u64>,
    pub approvals_pending: u64,
    /// By outcome: `done`, `failed`, `not started`, `unknown`, `open`.
    pub actions: BTreeMap<String, u64>,
    pub audit_records: u64,
    pub outbox_waiting: u64,
    pub model_calls: u64,
    pub model_tokens: u64,
    pub model_micros: u64,
}

impl From<&Pulse> for Looks {
    fn from(pulse: &Pulse) -> Self {
        Self {
            looks: Pulse::count(&pulse.looks),
            readings: Pulse::count(&pulse.readings),
            missed: Pulse::count(&pulse.missed),
            late: Pulse::count(&pulse.late),
            unknown: Pulse::count(&pulse.unknown),
            timed_out: Pulse::count(&pulse.timed_out),
            broken: Pulse::count(&pulse.broken),
            events: Pulse::count(&pulse.events),
        }
    }
}

impl Metrics {
    /// All of it, for a [`crate::web::Site`].
    pub async fn gather(store: &Store, pulse: &Pulse, own: Own, signals: Vec<Signalled>) -> Self {
        let stored = match store.call(stored).await {
            Ok(stored) => Some(stored),
            Err(error) => {
                tracing::warn!("the metrics of the store cannot be read: {error:#}");
                None
            }
        };
        let version = env!("CARGO_PKG_VERSION").into();
        Self { version, signals, looks: pulse.into(), own, stored }
    }

    /// As Prometheus reads it.
    pub fn render(&self) -> String {
        let mut out = Exposition::default();
        out.family("reef_build_info", Type::Gauge, "Which reef this is.");
        out.sample(&[("version", &self.version)], 1.0);
        self.signals(&mut out);
        self.looks(&mut out);
        if let Some(stored) = &self.stored {
            stored.render(&mut out);
        }
        self.process(&mut out);
        out.text
    }

    fn signals(&self, out: &mut Exposition) {
        out.family(
            "reef_signal_severity",
            Type::Gauge,
            "How a signal stands: 0 green, 1 yellow, 2 red, 3 unknown.",
        );
        for signal in &self.signals {
            out.of_signal(signal, f64::from(signal.reading.severity.nagios()));
        }
        out.family(
            "reef_signal_value",
            Type::Gauge,
            "The number that was judged, in its own unit.",
        );
        for signal in &self.signals {
            if let Some(value) = signal.reading.value {
                out.of_signal(signal, value);
            }
        }
    }

    fn looks(&self, out: &mut Exposition) {
        let looks = self.looks;
        for (name, help, n) in [
            ("reef_looks_total", "Looks that were begun.", looks.looks),
            ("reef_readings_total", "Readings that looks gave.", looks.readings),
            ("reef_readings_unknown_total", "Readings that could not look.", looks.unknown),
            (
                "reef_looks_missed_total",
                "Looks that were due while one was under way.",
                looks.missed,
            ),
            ("reef_looks_late_total", "Looks that began after their time.", looks.late),
            ("reef_looks_timed_out_total", "Looks that their hard timeout ended.", looks.timed_out),
            ("reef_looks_broken_total", "Looks that broke: defects in reef.", looks.broken),
            ("reef_events_total", "Events that made a probe due.", looks.events),
        ] {
            out.one(name, Type::Counter, help, number(n));
        }
    }

    fn process(&self, out: &mut Exposition) {
        let own = &self.own;
        let seconds = own.started_at.since(Millis(0)).as_secs_f64();
        if let Some(memory) = own.memory {
            let help = "Resident memory.";
            out.one("process_resident_memory_bytes", Type::Gauge, help, number(memory));
        }
        if let Some(cpu) = own.cpu {
            let help = "Processor time, user and system.";
            out.one("process_cpu_seconds_total", Type::Counter, help, cpu.as_secs_f64());
        }
        if let Some(written) = own.written {
            let help = "Bytes that went to a disk.";
            out.one("reef_written_bytes_total", Type::Counter, help, number(written));
        }
        let help = "When the process started, in seconds since 1970.";
        out.one("process_start_time_seconds", Type::Gauge, help, seconds);
    }
}

impl Stored {
    fn render(&self, out: &mut Exposition) {
        out.family("reef_incidents_open", Type::Gauge, "Unresolved incidents.");
        for severity in Severity::ALL {
            let n = self.incidents.get(&severity).copied().unwrap_or(0);
            out.sample(&[("severity", severity.as_str())], number(n));
        }
        out.family("reef_actions_total", Type::Counter, "Dispatched actions by how they ended.");
        for (outcome, n) in &self.actions {
            out.sample(&[("outcome", outcome)], number(*n));
        }
        for (name, kind, help, n) in [
            (
                "reef_approvals_pending",
                Type::Gauge,
                "Questions that wait for a human.",
                self.approvals_pending,
            ),
            (
                "reef_audit_records_total",
                Type::Counter,
                "Records of the audit log.",
                self.audit_records,
            ),
            (
                "reef_outbox_waiting",
                Type::Gauge,
                "Messages that are not delivered yet.",
                self.outbox_waiting,
            ),
            ("reef_model_calls_total", Type::Counter, "Calls of a model.", self.model_calls),
            (
                "reef_model_tokens_total",
                Type::Counter,
                "Tokens, reserved ones included.",
                self.model_tokens,
            ),
        ] {
            out.one(name, kind, help, number(n));
        }
        let help = "Cost of model calls in the budget's currency, reserved ones included.";
        out.one("reef_model_cost_total", Type::Counter, help, number(self.model_micros) / 1e6);
    }
}

fn stored(db: &mut Db) -> anyhow::Result<Stored> {
    let ever = Millis(i64::MIN);
    let mut incidents = BTreeMap::new();
    for incident in db.unresolved()? {
        *incidents.entry(incident.severity).or_insert(0) += 1;
    }
    let spent = db.spent_since(ever)?;
    let plus = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(Stored {
        incidents,
        approvals_pending: db.pending_approvals()?.len() as u64,
        actions: db.action_counts()?,
        audit_records: db.head()?.map_or(0, |head| plus(head.seq)),
        outbox_waiting: u64::from(db.outbox_stats(Millis(i64::MAX))?.waiting),
        model_calls: u64::from(db.model_calls_since(ever)?),
        model_tokens: spent.tokens,
        model_micros: plus(spent.micros),
    })
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
fn number(n: u64) -> f64 {
    n as f64
}

#[derive(Debug, Clone, Copy)]
enum Type {
    Counter,
    Gauge,
}

/// The text as it grows.
#[derive(Debug, Default)]
struct Exposition {
    text: String,
    /// The family that samples belong to.
    family: &'static str,
}

impl Exposition {
    fn family(&mut self, name: &'static str, kind: Type, help: &str) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self.family = name;
    }

    fn one(&mut self, name: &'static str, kind: Type, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    fn of_signal(&mut self, signal: &Signalled, value: f64) {
        let of = &signal.reading.signal;
        let (probe, target, aspect) =
            (of.probe.as_str(), of.target.to_string(), of.aspect.as_str());
        self.sample(&[("probe", probe), ("target", &target), ("aspect", aspect)], value);
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.family);
        for (n, (name, text)) in labels.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            self.text.push_str(&format!("{before}{name}=\"{}\"", escaped(text)));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let value = match value {
            v if v.is_nan() => "NaN".to_owned(),
            v if v.is_infinite() => if v.is_sign_positive() { "+Inf" } else { "-Inf" }.to_owned(),
            v => v.to_string(),
        };
        self.text.push_str(&format!(" {value}\n"));
    }
}

/// A label's value: these three characters would end it or its line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
