//! What `smartctl -j` says of disks. Pure.

use serde_json::Value;

use crate::model::fact::{Drive, DriveState, Smart};

/// Disks by their device, each with the JSON that smartctl printed.
pub fn read<'a>(told: impl Iterator<Item = (&'a str, String)>) -> Vec<Drive> {
    told.map(|(device, json)| drive(device, &json)).collect()
}

fn drive(device: &str, json: &str) -> Drive {
    let silent = |why: &str| DriveState::Silent(why.chars().take(200).collect());
    let root: Value = match serde_json::from_str(json.trim()) {
        Ok(root) => root,
        Err(_) => {
            let line = json.lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim();
            // Before version 7 there was no JSON.
            let why = match line.is_empty() {
                true => "smartctl said nothing".to_owned(),
                false => format!("smartctl there prints no JSON (7.0 and later do): {line}"),
            };
            let device = device.to_owned();
            return Drive { device, state: silent(&why), ..Drive::default() };
        }
    };
    let text = |path: &str| root.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    let said: Vec<&str> = root
        .pointer("/smartctl/messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("string")?.as_str())
        .collect();
    let asleep = said.iter().any(|said| {
        let said = said.to_ascii_uppercase();
        ["STANDBY", "SLEEP"].iter().any(|mode| said.contains(&format!("{mode} MODE")))
    });
    let smart = smart(&root);
    let state = match said.first() {
        _ if asleep => DriveState::Asleep,
        _ if smart != Smart::default() => DriveState::Told(smart),
        Some(why) => silent(why),
        None => silent("it tells no SMART"),
    };
    Drive {
        device: device.to_owned(),
        model: [text("/model_name"), text("/scsi_model_name")].concat(),
        serial: text("/serial_number"),
        state,
    }
}

fn smart(root: &Value) -> Smart {
    let number = |path: &str| root.pointer(path).and_then(Value::as_u64);
    let attributes = root.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let row =
        |id: u64| attributes?.iter().find(|row| row.get("id").and_then(Value::as_u64) == Some(id));
    let raw = |id: u64| row(id)?.pointer("/raw/value")?.as_u64();
    // SSDs count their life down from 100 in the normalised value.
    let life = |id: u64| row(id)?.get("value")?.as_u64().map(|left| 100_u64.saturating_sub(left));
    let nvme = |field: &str| number(&format!("/nvme_smart_health_information_log/{field}"));
    Smart {
        passed: root.pointer("/smart_status/passed").and_then(Value::as_bool),
        reallocated: raw(5).or_else(|| number("/scsi_grown_defect_list")),
        pending: raw(197),
        uncorrectable: raw(198)
            .or_else(|| number("/scsi_error_counter_log/read/total_uncorrected_errors")),
        media_errors: nvme("media_errors"),
        critical_warning: nvme("critical_warning"),
        spare: nvme("available_spare"),
        worn: nvme("percentage_used")
            .or_else(|| number("/scsi_percentage_used_endurance_indicator"))
            .or_else(|| life(231).or_else(|| life(233)).or_else(|| life(177))),
        celsius: root.pointer("/temperature/current").and_then(Value::as_i64),
        hours: number("/power_on_time/hours"),
        self_test_failed: root
            .pointer("/ata_smart_data/self_test/status/passed")
            .and_then(Value::as_bool)
            .map(|passed| !passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As smartctl 7.3 prints it, shortened to what is read and a few neighbours.
    const DISK: &str = include_str!("samples/smart-ata.json");
    const NVME: &str = include_str!("samples/smart-nvme.json");
    const ASLEEP: &str = include_str!("samples/smart-standby.json");
    const DENIED: &str = include_str!("samples/smart-denied.json");

    fn one(json: &str) -> Drive {
        drive("/dev/sda", json)
    }

    #[test]
    fn disks_tell_what_wears_them() {
        let DriveState::Told(ata) = one(DISK).state else { panic!("{:?}", one(DISK)) };
        assert_eq!((ata.passed, ata.reallocated, ata.pending), (Some(true), Some(16), Some(8)));
        assert_eq!((ata.uncorrectable, ata.celsius, ata.hours), (Some(8), Some(38), Some(41_127)));
        assert_eq!(ata.self_test_failed, Some(true));
        let DriveState::Told(nvme) = one(NVME).state else { panic!() };
        assert_eq!((nvme.worn, nvme.spare, nvme.media_errors), (Some(4), Some(100), Some(0)));
        assert_eq!((nvme.critical_warning, nvme.reallocated), (Some(0), None));
        assert_eq!(one(NVME).model, "Samsung SSD 980 1TB");
    }

    #[test]
    fn a_disk_that_sleeps_or_may_not_be_asked_tells_nothing() {
        assert_eq!(one(ASLEEP).state, DriveState::Asleep);
        for (json, part) in [
            (DENIED, "Permission denied"),
            ("smartctl 6.6\nUNRECOGNIZED OPTION: j", "7.0"),
            ("", "nothing"),
            ("{}", "no SMART"),
        ] {
            let DriveState::Silent(why) = one(json).state else { panic!("{json}") };
            assert!(why.contains(part), "{why}");
        }
    }
}
