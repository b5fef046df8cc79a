//! One SSH server on loopback that many hosts are names of. It answers from recordings of this machine:
//! what two hundred hosts cost themselves is not what is measured.

#![allow(clippy::disallowed_methods, reason = "a bench starts the server that it measures against")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/sshd");
const PLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/daemon/recorded-host");

pub(crate) struct Sshd {
    name: String,
    /// What an ssh needs to reach `h1`, `h2` ...: all of them are this server.
    pub(crate) config: PathBuf,
}

impl Sshd {
    /// Needs what `tests/lab/sshd` needs.
    pub(crate) fn start(reef: &Path, home: &Path, hosts: u32) -> Result<Self> {
        let name = format!("bench-{}", std::process::id());
        let up = Command::new(SCRIPT).args(["up", &name]).output()?;
        let said = String::from_utf8_lossy(&up.stdout).into_owned();
        ensure!(up.status.success(), "no sshd: {}", String::from_utf8_lossy(&up.stderr));
        let value = |key: &str| {
            let of = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
            said.lines().find_map(of).with_context(|| format!("the server told no {key}"))
        };
        let client = fs::read_to_string(value("SSH_CONFIG")?)?;
        let mut all = String::new();
        for host in 1..=hosts {
            writeln!(
                all,
                "{}",
                client.replace(&format!("Host {name}\n"), &format!("Host h{host}\n"))
            )?;
        }
        fs::create_dir_all(home)?;
        let config = home.join("ssh_config");
        fs::write(&config, all)?;
        let one = home.join("one.toml");
        fs::write(&one, format!("[host.h1]\nssh_config = {config:?}\n"))?;
        let collector = Command::new(reef)
            .args(["host", "authorize", "h1", "--collector", "-c"])
            .arg(&one)
            .output()?;
        ensure!(collector.status.success(), "{}", String::from_utf8_lossy(&collector.stderr));
        let (at, recorded) = (home.join("reef-collect"), home.join("recorded"));
        fs::write(&at, collector.stdout)?;
        fs::create_dir_all(&recorded)?;
        let keys = Path::new(&value("SSH_CONFIG")?).with_file_name("authorized_keys");
        let key = fs::read_to_string(&keys)?;
        let (at, recorded) = (at.display(), recorded.display());
        fs::write(&keys, format!("command=\"{PLAYER} {at} {recorded}\" {key}"))?;
        Ok(Self { name, config })
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if let Err(error) = Command::new(SCRIPT).args(["down", &self.name]).output() {
            println!("the server {} was not ended: {error}", self.name);
        }
    }
}
