//! Series as a Prometheus has them, as facts.

use super::*;
use crate::model::fact::{Fact, FactValue};
use crate::watch::backtest::hosts::Kind;

const AT: Millis = Millis(1_772_409_600_000);

fn series(labels: &[(&str, &str)], values: &[f64]) -> Series {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let values = values.iter().enumerate().map(|(i, v)| (AT + Span::mins(i as i64), *v)).collect();
    Series { labels, values }
}

#[test]
fn an_instance_is_a_host() {
    for (instance, want) in [
        ("nas:9100", Some("nas")),
        ("NAS.home.example:9100", Some("nas.home.example")),
        ("192.0.2.7:9100", Some("192.0.2.7")),
        ("", None),
    ] {
        let labels = Labels::from([("instance".to_owned(), instance.to_owned())]);
        let got = host_of(&labels).map(|host| host.to_string().replace('-', "."));
        assert_eq!(got.as_deref(), want, "{instance}");
    }
}

#[test]
fn series_are_facts_minute_by_minute() {
    let mut host = HostSeries::default();
    host.add(Kind::Up, series(&[], &[1.0, 0.0, 1.0]));
    host.add(Kind::MemoryTotal, series(&[], &[1000.0; 3]));
    host.add(Kind::MemoryAvailable, series(&[], &[500.0, 400.0, f64::NAN]));
    let on = |mount| [("mountpoint", mount), ("device", "/dev/sda1"), ("fstype", "ext4")];
    for mount in ["/", "/srv/bind"] {
        host.add(Kind::Size, series(&on(mount), &[100.0; 3]));
        host.add(Kind::Free, series(&on(mount), &[40.0; 3]));
    }
    assert!(host.is_host());
    assert_eq!(host.reached(AT - Span::mins(1)), None);
    assert_eq!(host.reached(AT), Some(true));
    let Ok(FactValue::Memory(memory)) = host.fact(&Fact::Memory, true, AT) else { panic!() };
    assert_eq!((memory.total, memory.available), (1000, 500));
    let Ok(FactValue::Volumes(volumes)) = host.fact(&Fact::Volumes, true, AT) else { panic!() };
    assert_eq!(volumes.len(), 1, "a device that is mounted twice counts once");
    let later = AT + Span::mins(1);
    assert_eq!(host.reached(later), Some(false));
    assert!(host.fact(&Fact::Memory, false, later).is_err());
    let last = AT + Span::mins(2);
    assert!(host.fact(&Fact::Memory, true, last).is_err(), "what is no number is not known");
    assert!(host.fact(&Fact::Pressure, true, last).is_err());
}
