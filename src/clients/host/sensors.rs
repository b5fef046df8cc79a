//! Temperatures of hwmon: lines of `CHIP LABEL NOW HIGH CRITICAL`, parted by tabs. Pure but for the walk.

use std::path::Path;

use crate::model::fact::{NoFact, Sensor};

/// Lines as the collector prints them.
pub fn read(text: &str) -> Vec<Sensor> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Sensor> {
    let mut words = line.split('\t');
    let (chip, label) = (words.next()?, words.next()?);
    let now = words.next()?.trim().parse().ok()?;
    let mut level = || {
        // A limit of zero or of absurd height is none.
        let level: i64 = words.next()?.trim().parse().ok()?;
        (1_000..200_000).contains(&level).then_some(level)
    };
    let (high, critical) = (level(), level());
    let short = |text: &str| text.trim().chars().take(60).collect();
    Some(Sensor { chip: short(chip), label: short(label), now, high, critical })
}

/// Those of this machine; `root` is /sys/class/hwmon.
pub fn here(root: &Path) -> Result<Vec<Sensor>, NoFact> {
    let none = || NoFact::Absent("no temperatures there".into());
    let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let mut found = Vec::new();
    for chip in std::fs::read_dir(root).map_err(|_| none())?.flatten() {
        let Ok(inside) = std::fs::read_dir(chip.path()) else { continue };
        for entry in inside.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(base) = name.strip_suffix("_input").filter(|n| n.starts_with("temp")) else {
                continue;
            };
            let beside = |what: &str| text(&chip.path().join(format!("{base}_{what}")));
            let label = Some(beside("label")).filter(|l| !l.is_empty());
            let label = label.unwrap_or_else(|| base.to_owned());
            let told = [
                text(&chip.path().join("name")),
                label,
                beside("input"),
                beside("max"),
                beside("crit"),
            ];
            found.extend(line(&told.join("\t")));
        }
    }
    found.sort_by(|a, b| (&a.chip, &a.label).cmp(&(&b.chip, &b.label)));
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_files_tell_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let chip = folder.path().join("hwmon0");
        std::fs::create_dir(&chip).unwrap();
        for (name, text) in [
            ("name", "coretemp\n"),
            ("temp1_input", "61000\n"),
            ("temp1_label", "Package id 0\n"),
            ("temp1_max", "80000\n"),
            ("temp1_crit", "100000\n"),
            ("temp2_input", "58000\n"),
            ("temp2_max", "0\n"),
            ("fan1_input", "900\n"),
        ] {
            std::fs::write(chip.join(name), text).unwrap();
        }
        let printed =
            "coretemp\tPackage id 0\t61000\t80000\t100000\ncoretemp\ttemp2\t58000\t0\t\n\tx\n";
        assert_eq!(here(folder.path()).unwrap(), read(printed));
        assert_eq!(read(printed)[1].high, None);
        assert!(matches!(here(&chip), Err(NoFact::Absent(_))));
    }
}
