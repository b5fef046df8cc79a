//! The certificates of a cluster: in its TLS secrets where the account may read those, else as the ingress
//! shows them.

use std::collections::{BTreeMap, BTreeSet};

use crate::Fut;
use crate::clients::kube::list::Fresh;
use crate::clients::kube::objects::{Ingress, TlsSecret};
use crate::clients::kube::{Cluster, NoCluster};
use crate::clients::tls::trust::TlsFault;
use crate::clients::tls::{Leaf, Tls};
use crate::model::ids::{HostName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::value::Value;
use crate::probe::kube::scope::{BlindSpots, Scope, api_signal, unknown};
use crate::probe::tls::{At, Settings};
use crate::probe::{NetProbe, Past};

/// Certificates that one look takes in.
const MOST: usize = 500;

/// Whether secrets are asked for at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Where the account may read them.
    Read,
    Leave,
}

/// Looks at the certificates of one cluster.
#[derive(Debug)]
pub(super) struct CertificatesProbe {
    pub(super) name: HostName,
    pub(super) cluster: Cluster,
    pub(super) scope: Scope,
    pub(super) blind: BlindSpots,
    pub(super) secrets: Secrets,
    pub(super) tls: Tls,
    pub(super) timeout: Span,
    /// Where an ingress listens: 443.
    pub(super) port: u16,
    pub(super) known: BTreeSet<Signal>,
    pub(super) retired: Vec<Signal>,
}

/// What is known of one certificate.
enum Found {
    Leaf(Box<Leaf>, Option<TlsFault>),
    Not(String),
}

/// Where an ingress shows a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Door {
    host: String,
    connect: String,
}

impl CertificatesProbe {
    async fn see(&self) -> Result<BTreeMap<Object, Found>, NoCluster> {
        if self.secrets == Secrets::Read {
            let only = Some("type=kubernetes.io/tls");
            // Only the certificates are kept of what comes; the keys are never looked at.
            match self.cluster.list::<TlsSecret>(&self.scope.only, Fresh::Memory, only).await {
                Ok(secrets) => return Ok(self.in_secrets(secrets.items)),
                Err(NoCluster::Denied(_)) => {}
                Err(why) => return Err(why),
            }
        }
        let ingresses = self.cluster.list::<Ingress>(&self.scope.only, Fresh::Memory, None).await?;
        Ok(self.at_doors(ingresses.items).await)
    }

    fn in_secrets(&self, secrets: Vec<TlsSecret>) -> BTreeMap<Object, Found> {
        let mut found = BTreeMap::new();
        for secret in secrets.into_iter().filter(|s| self.scope.has(&s.metadata)).take(MOST) {
            let meta = &secret.metadata;
            let Ok(object) = Object::new(&meta.namespace, ObjectKind::Secret, &meta.name) else {
                continue;
            };
            // One that waits for its first certificate is empty.
            if secret.data.certificate.is_empty() {
                continue;
            }
            let read = decoded(&secret.data.certificate)
                .ok_or_else(|| "its tls.crt is no base64".to_owned())
                .and_then(|pem| Leaf::of_pem(&pem));
            found.insert(
                object,
                match read {
                    Ok(leaf) => Found::Leaf(Box::new(leaf), None),
                    Err(why) => Found::Not(why),
                },
            );
        }
        found
    }

    async fn at_doors(&self, ingresses: Vec<Ingress>) -> BTreeMap<Object, Found> {
        let mut doors: BTreeMap<Object, Door> = BTreeMap::new();
        for ingress in ingresses.into_iter().filter(|i| self.scope.has(&i.metadata)) {
            for (object, door) in doors_of(&ingress) {
                if doors.len() < MOST {
                    doors.entry(object).or_insert(door);
                }
            }
        }
        let mut found = BTreeMap::new();
        for (object, door) in doors {
            let seen = self.tls.look(&door.connect, self.port, &door.host, self.timeout).await;
            found.insert(
                object,
                match seen {
                    Ok(seen) => {
                        let fault = seen.faults.into_iter().find(|f| *f != TlsFault::Expired);
                        Found::Leaf(Box::new(seen.leaf), fault)
                    }
                    Err(why) => Found::Not(format!("{}: {why}", door.host)),
                },
            );
        }
        found
    }

    fn judge(&mut self, found: BTreeMap<Object, Found>, now: Millis) -> Vec<Reading> {
        let mut readings = Vec::new();
        let settings = Settings::new(At { host: String::new(), port: 443 });
        for (object, found) in found {
            let target = Target::object(self.name.clone(), &object);
            let signal = Signal { probe: Word::of("kube"), target, aspect: Word::of("days") };
            let mut reading = match found {
                Found::Not(why) => Reading::unknown(signal.clone(), now, Word::of("unseen"), &why),
                Found::Leaf(leaf, fault) => {
                    let (severity, reason) = settings.judge_dates(&leaf, now);
                    let days = leaf.not_after.0.saturating_sub(now.0).div_euclid(Span::days(1).0);
                    let words = match days {
                        0.. => format!("{days} days left"),
                        ..0 => format!("expired {} days ago", -days),
                    };
                    // What an ingress shows in place of its own certificate is another one's fault
                    // than a date; a house's own authority is none at all for who knows it.
                    let (severity, reason, words) = match fault {
                        Some(fault) if severity == Severity::Green => {
                            (Severity::Yellow, fault.word(), format!("{words}; {fault}"))
                        }
                        Some(_) | None => (severity, reason, words),
                    };
                    let mut reading =
                        Reading::new(signal.clone(), now, severity, Word::of(reason), &words);
                    reading.value = i32::try_from(days).ok().map(f64::from);
                    reading.unit = Some(Unit::Days);
                    reading.values.insert("days".into(), Value::Int(days));
                    reading
                }
            };
            reading.parent = Some(api_signal(&self.name));
            let target = Value::Target(signal.target);
            reading.values.insert("workload".into(), target);
            readings.push(reading);
        }
        let there: BTreeSet<Signal> = readings.iter().map(|r| r.signal.clone()).collect();
        self.retired.extend(self.known.difference(&there).cloned());
        self.known = there;
        readings
    }

    fn unseen(&self, why: &NoCluster, now: Millis) -> Vec<Reading> {
        self.known.iter().map(|signal| unknown(signal, why, &self.name, now)).collect()
    }
}

impl NetProbe for CertificatesProbe {
    fn look<'a>(&'a mut self, _past: &'a dyn Past, now: Millis) -> Fut<'a, Vec<Reading>> {
        Box::pin(async move {
            let seen = self.see().await;
            self.blind.note_denied("certificates", &seen);
            match seen {
                Ok(found) => self.judge(found, now),
                Err(why) => self.unseen(&why, now),
            }
        })
    }

    fn timed_out(&self, after: Span, now: Millis) -> Vec<Reading> {
        self.unseen(&NoCluster::TimedOut(after), now)
    }

    fn retired(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.retired)
    }

    fn recall(&mut self, parts: &[Signal]) {
        let own = parts.iter().filter(|signal| signal.aspect.as_str() == "days");
        self.known.extend(own.cloned());
    }
}

/// One door for each certificate: by the secret that holds it, by the ingress where that names none.
fn doors_of(ingress: &Ingress) -> Vec<(Object, Door)> {
    let meta = &ingress.metadata;
    let entrance = ingress
        .status
        .load_balancer
        .ingress
        .first()
        .map(|at| if at.ip.is_empty() { at.hostname.clone() } else { at.ip.clone() });
    let door = |tls: &crate::clients::kube::objects::IngressTls| {
        let host = tls.hosts.iter().find(|host| !host.contains('*'))?.clone();
        let object = match tls.secret_name.is_empty() {
            false => Object::new(&meta.namespace, ObjectKind::Secret, &tls.secret_name),
            true => Object::new(&meta.namespace, ObjectKind::Ingress, &meta.name),
        };
        let connect = entrance.clone().filter(|at| !at.is_empty()).unwrap_or_else(|| host.clone());
        Some((object.ok()?, Door { host, connect }))
    };
    ingress.spec.tls.iter().filter_map(door).collect()
}

/// Base64 with padding, as Kubernetes writes it.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(value(c)?);
        held += 6;
        if 8 <= held {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}
