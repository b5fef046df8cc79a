//! What the kernel of this machine answers at once, file by file.

use std::path::PathBuf;

use crate::clients::host::{proc, upkeep};
use crate::model::fact::{FactValue, NoFact};

pub(super) fn memory() -> Result<FactValue, NoFact> {
    let meminfo = text("/proc/meminfo")?;
    // Without ZFS there is no such file, and that is as good as an empty ARC.
    let arc = std::fs::read_to_string("/proc/spl/kstat/zfs/arcstats").ok();
    proc::memory(&meminfo, arc.as_deref()).map(FactValue::Memory).map_err(NoFact::Failed)
}

pub(super) fn pressure() -> Result<FactValue, NoFact> {
    let read = |name: &str| {
        std::fs::read_to_string(PathBuf::from("/proc/pressure").join(name)).map_err(|_| {
            let todo = "this kernel tells no pressure; psi=1 on its command line turns it on";
            NoFact::Absent(todo.into())
        })
    };
    let (cpu, memory, io) = (read("cpu")?, read("memory")?, read("io")?);
    proc::pressure(&cpu, &memory, &io).map(FactValue::Pressure).map_err(NoFact::Failed)
}

pub(super) fn cpu() -> Result<FactValue, NoFact> {
    let (load, stat) = (text("/proc/loadavg")?, text("/proc/stat")?);
    proc::cpu(&load, &stat).map(FactValue::Cpu).map_err(NoFact::Failed)
}

pub(super) fn boot() -> Result<FactValue, NoFact> {
    let (id, stat) = (text("/proc/sys/kernel/random/boot_id")?, text("/proc/stat")?);
    upkeep::boot(&format!("{id}{stat}")).map(FactValue::Boot).map_err(NoFact::Failed)
}

pub(super) fn text(path: &str) -> Result<String, NoFact> {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|why| failed(path, &why))
}

pub(super) fn failed(path: &str, why: &std::io::Error) -> NoFact {
    NoFact::Failed(format!("cannot read {path}: {why}"))
}
