//! A real Prometheus with four days of history: what reef would have told of them.

use std::fmt::Write as _;
use std::path::Path;

use crate::lab::{ALONE, Home, Lab};

const DAYS: i64 = 4;
const STEP: i64 = 60;

/// The series of a metric, each at every minute that `value` gives one for.
fn metric(
    out: &mut String,
    begin: i64,
    name: &str,
    labels: &str,
    value: impl Fn(i64) -> Option<f64>,
) {
    for minute in 0..DAYS * 1_440 {
        if let Some(value) = value(minute) {
            writeln!(out, "{name}{{{labels}}} {value} {}", begin + minute * STEP).unwrap();
        }
    }
}

/// Two hosts and two sites. On the second day the NAS is gone for 20 minutes, with its site; on the third
/// the wiki fails for ten; on the fourth a volume fills. One site fails alone for single minutes.
fn history(begin: i64) -> String {
    let mut out = String::new();
    let gone = |minute: i64| (1_440 + 600..1_440 + 620).contains(&minute);
    for metric_of in ["up", "node_load1", "node_load5", "node_load15"] {
        writeln!(out, "# TYPE {metric_of} gauge").unwrap();
        for host in ["mini", "nas"] {
            let labels = format!("instance=\"{host}:9100\",job=\"node\"");
            let down = |minute| host == "nas" && gone(minute);
            metric(&mut out, begin, metric_of, &labels, |m| match (metric_of, down(m)) {
                ("up", down) => Some(if down { 0.0 } else { 1.0 }),
                (_, true) => None,
                (_, false) => Some(0.3),
            });
        }
    }
    let gauges: [(&str, &str, f64); 6] = [
        ("node_memory_MemTotal_bytes", "", 16e9),
        ("node_memory_MemAvailable_bytes", "", 9e9),
        (
            "node_filesystem_size_bytes",
            "device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\",",
            200e9,
        ),
        (
            "node_filesystem_avail_bytes",
            "device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\",",
            90e9,
        ),
        ("node_time_seconds", "", 2e9),
        ("node_boot_time_seconds", "", 1e9),
    ];
    for (name, more, value) in gauges {
        writeln!(out, "# TYPE {name} gauge").unwrap();
        for host in ["mini", "nas"] {
            let labels = format!("{more}instance=\"{host}:9100\",job=\"node\"");
            let fills = name == "node_filesystem_avail_bytes" && host == "mini";
            metric(&mut out, begin, name, &labels, |m| match m - (3 * 1_440 + 300) {
                _ if host == "nas" && gone(m) => None,
                into @ 0.. if fills => Some((value - into as f64 * 0.2e9).max(4e9)),
                _ => Some(value),
            });
        }
    }
    for name in ["probe_success", "probe_duration_seconds"] {
        writeln!(out, "# TYPE {name} gauge").unwrap();
        for site in ["http://wiki.home.example/", "http://nas.home.example/"] {
            let labels = format!("instance=\"{site}\",job=\"blackbox\"");
            metric(&mut out, begin, name, &labels, |m| {
                let fails = match site.contains("wiki") {
                    true => (2 * 1_440 + 30..2 * 1_440 + 40).contains(&m) || m % 700 == 350,
                    false => false,
                };
                Some(if name == "probe_success" { f64::from(u8::from(!fails)) } else { 0.05 })
            });
        }
    }
    out.push_str("# EOF\n");
    out
}

#[test]
fn a_backtest_tells_what_would_have_been_told() {
    let home = Home::new(ALONE);
    // Whole minutes, the end a quarter of an hour ago.
    let file = home.path().join("history.om");
    std::fs::write(&file, "").unwrap();
    let now = Path::metadata(&file).unwrap().modified().unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let begin = i64::try_from(now / 60).unwrap() * 60 - DAYS * 86_400;
    std::fs::write(&file, history(begin)).unwrap();
    let Some(lab) = Lab::up("prometheus", "backtest", &[file.to_str().unwrap()]) else { return };

    let asked = ["backtest", "--prometheus", lab.get("URL"), "--days", "4"];
    let json = home.reef(&[&asked[..], &["--json"]].concat()).ok();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let told: Vec<String> = json["told"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| format!("{} {}", t["severity"].as_str().unwrap(), t["signal"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "red host nas reach",
            "red http prometheus:endpoint:wiki.home.example status",
            "red disk mini:/ bytes",
        ],
        "{json:#}"
    );
    assert_eq!(
        (json["messages"].as_u64(), json["endpoints"].as_u64()),
        (Some(3), Some(2)),
        "{json:#}"
    );
    assert_eq!(json["hosts"], serde_json::json!(["mini", "nas"]));

    let words = home.reef(&asked).ok().out;
    for part in [
        "would have messaged 3 times (3 red); here they are",
        "did not answer Prometheus",
        "2 hosts, 2 endpoints",
    ] {
        assert!(words.contains(part), "{part}\n{words}");
    }
    // Today's thresholds are the config's.
    home.configure(&format!(
        "{ALONE}[probe.disk]\nred = \"99.5 %\"\nyellow = \"99 %\"\ngrowth = \"1 TiB\"\n"
    ));
    let words = home.reef(&asked).ok().out;
    assert!(
        words.contains("would have messaged 3 times")
            || words.contains("would have messaged 2 times"),
        "{words}"
    );
    assert!(!words.contains("red     disk"), "{words}");
    let refused =
        home.reef(&["backtest", "--prometheus", "http://127.0.0.1:1", "--days", "4"]).failed(1);
    assert!(refused.err.contains("http://127.0.0.1:1/: connection refused"), "{}", refused.err);
    home.reef(&["backtest", "--prometheus", "nas"]).failed(2);
}
