//! Who renews certificates on a host, as its section prints it.

use crate::clients::collector::Piece;
use crate::clients::tls::Leaf;
use crate::model::fact::{FactValue, NoFact};
use crate::model::renewal::{CronLine, Kept, Lineage, OnDisk, Renewals, Timer};
use crate::model::target::AbsPath;
use crate::model::time::Millis;

/// More lines or names of one host are no renewals.
const MOST: usize = 500;
/// What is kept of a line that a human wrote.
const LINE: usize = 300;

/// Reads the parts of the section.
pub fn read(piece: &Piece) -> Result<FactValue, NoFact> {
    if !piece.has("end") {
        return Err(NoFact::Failed("what the host told of its renewals was cut off".into()));
    }
    let lineages = piece.all("lineage=").take(MOST);
    let lineages = lineages.map(|(name, text)| {
        let pem = format!("cert={name}");
        // Behind an @ stands which of several folders it lies in.
        lineage(name.split('@').next().unwrap_or(name), &text, piece.bytes(&pem))
    });
    let hidden = piece.text("hidden");
    Ok(FactValue::Renewals(Renewals {
        lineages: lineages.collect(),
        kept: piece.text("kept").lines().filter_map(kept).take(MOST).collect(),
        timers: timers(&piece.text("timers")),
        crons: crons(&piece.text("cron")),
        cron_runs: !piece.text("daemon").trim().is_empty(),
        systemd: piece.has("systemd"),
        hidden: hidden.lines().filter(|l| !l.trim().is_empty()).take(MOST).map(cut).collect(),
    }))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LINE).collect()
}

/// Lines `KEY = VALUE`; a key with a dot in it is a name of the certificate.
fn lineage(name: &str, text: &str, pem: &[u8]) -> Lineage {
    let mut lineage = Lineage { name: name.to_owned(), ..Lineage::default() };
    for (key, value) in text.lines().filter_map(|line| line.split_once(" = ")) {
        let value = cut(value.trim());
        match key.trim() {
            "changed" => {
                let seconds = value.parse::<i64>().ok();
                lineage.changed_at = seconds.map(|s| Millis(s.saturating_mul(1_000)));
            }
            "folder" if AbsPath::new(&value).is_ok_and(|path| path.as_str() == value) => {
                lineage.folder = value;
            }
            "server" => lineage.server = value,
            "authenticator" => lineage.authenticator = value,
            "installer" if value != "None" => lineage.installer = value,
            "renew_hook" | "post_hook" => lineage.hook = value,
            "autorenew" => lineage.stopped = value == "False",
            name if name.contains('.') => lineage.names.push(cut(name)),
            _ => {}
        }
    }
    if let Ok(leaf) = Leaf::of_pem(pem) {
        lineage.on_disk = Some(OnDisk {
            names: leaf.names.iter().map(ToString::to_string).collect(),
            serial: leaf.serial,
            not_after: leaf.not_after,
        });
    }
    lineage
}

fn kept(line: &str) -> Option<Kept> {
    let [by, name, path] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    // acme.sh keeps what has an elliptic key apart, Caddy writes out the star.
    let name = name.strip_suffix("_ecc").unwrap_or(name).replace("wildcard_", "*");
    Some(Kept { by: cut(by), name: cut(&name), path: cut(path) })
}

/// Blocks of `KEY=VALUE`, each timer beside the service that it starts; what is not loaded is left out.
fn timers(text: &str) -> Vec<Timer> {
    let blocks: Vec<Vec<(&str, &str)>> = text
        .split("\n\n")
        .map(|block| block.lines().filter_map(|line| line.split_once('=')).collect())
        .collect();
    let of = |block: &[(&str, &str)], key: &str| {
        block.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()).unwrap_or_default()
    };
    let loaded: Vec<_> = blocks.iter().filter(|b| of(b, "LoadState") == "loaded").collect();
    let mut timers = Vec::new();
    for block in &loaded {
        let name = of(block, "Id");
        let Some(stem) = name.strip_suffix(".timer") else { continue };
        let service = format!("{stem}.service");
        let service = loaded.iter().find(|b| of(b, "Id") == service);
        timers.push(Timer {
            active: of(block, "ActiveState"),
            enabled: of(block, "UnitFileState"),
            result: service.map(|b| of(b, "Result")).unwrap_or_default(),
            name,
        });
    }
    timers
}

/// Lines `line FILE LINE` and `missing FILE PROGRAM`, apart by tabs; a program belongs to the line before it.
fn crons(text: &str) -> Vec<CronLine> {
    let mut found: Vec<CronLine> = Vec::new();
    for line in text.lines().take(MOST) {
        let mut parts = line.splitn(3, '\t');
        let (what, file, rest) = (parts.next(), parts.next(), parts.next());
        match (what, file, rest) {
            (Some("line"), Some(file), Some(rest)) => {
                found.push(CronLine { file: cut(file), line: cut(rest), missing: Vec::new() });
            }
            (Some("missing"), Some(_), Some(program)) => {
                if let Some(last) = found.last_mut() {
                    last.missing.push(cut(program));
                }
            }
            _ => {}
        }
    }
    found
}
