//! A systemd unit that can fail, and what a restart does to it.

use crate::model::fact::Unit;
use crate::model::ids::UnitName;
use crate::model::time::Millis;

/// What `systemctl restart` comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRestart {
    Heals,
    /// Exit code 0, and nothing is better: it starts and fails at once.
    FailsAgain,
    /// Exit code 1, with systemd's words.
    Refuses,
    /// The manager goes on for ever; the asker's time strikes, and nothing has happened.
    Hangs,
    /// It happens, and then the link breaks: nobody hears of it.
    HealsUnheard,
    /// The link breaks before it happens: nobody hears of that either.
    LostUnheard,
}

/// One unit of a fake host.
#[derive(Debug, Clone)]
pub(in crate::exam) struct FakeUnit {
    pub(in crate::exam) unit: Unit,
    pub(in crate::exam) on_restart: OnRestart,
    /// What `systemctl service-log-level` says.
    pub(in crate::exam) level: String,
    /// Journal lines, oldest first.
    pub(in crate::exam) log: Vec<String>,
}

/// How a restart ended on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exam) enum Restarted {
    Code(i32, String),
    Hangs,
    Lost,
}

impl FakeUnit {
    pub(in crate::exam) fn running(name: &UnitName) -> Self {
        let unit = Unit {
            name: name.to_string(),
            active: "active".into(),
            sub: "running".into(),
            load: "loaded".into(),
            result: "success".into(),
            enabled: "enabled".into(),
            restarts: 0,
            main_pid: 4_000,
            exit_code: 0,
            inactive_at: Millis(0),
        };
        Self { unit, on_restart: OnRestart::Heals, level: "info".into(), log: Vec::new() }
    }

    /// As `systemctl show` tells of a name that no file defines.
    pub(in crate::exam) fn not_found(name: &UnitName) -> Unit {
        let mut unit = Self::running(name).unit;
        unit.load = "not-found".into();
        unit.active = "inactive".into();
        unit.sub = "dead".into();
        unit.enabled = String::new();
        unit.main_pid = 0;
        unit
    }

    pub(in crate::exam) fn fail(&mut self, result: &str, now: Millis) {
        self.unit.active = "failed".into();
        self.unit.sub = "failed".into();
        self.unit.result = result.into();
        self.unit.exit_code = 1;
        self.unit.main_pid = 0;
        self.unit.inactive_at = now;
    }

    pub(in crate::exam) fn stop(&mut self, now: Millis) {
        self.unit.active = "inactive".into();
        self.unit.sub = "dead".into();
        self.unit.result = "success".into();
        self.unit.main_pid = 0;
        self.unit.inactive_at = now;
    }

    fn heal(&mut self) {
        let log = std::mem::take(&mut self.log);
        let (load, enabled, pid) =
            (self.unit.load.clone(), self.unit.enabled.clone(), self.unit.main_pid);
        let on_restart = self.on_restart;
        if let Ok(name) = UnitName::new(self.unit.name.as_str()) {
            *self = Self::running(&name);
        }
        self.unit.main_pid = pid.max(4_000) + 1;
        (self.unit.load, self.unit.enabled, self.log, self.on_restart) =
            (load, enabled, log, on_restart);
    }

    pub(in crate::exam) fn restart(&mut self, now: Millis) -> Restarted {
        let name = self.unit.name.clone();
        if self.unit.load == "masked" {
            return Restarted::Code(1, format!("Failed to restart {name}: Unit {name} is masked."));
        }
        match self.on_restart {
            OnRestart::Heals => {
                self.heal();
                Restarted::Code(0, String::new())
            }
            OnRestart::FailsAgain => {
                self.fail("exit-code", now);
                Restarted::Code(0, String::new())
            }
            OnRestart::Refuses => {
                self.fail("exit-code", now);
                let words = format!(
                    "Job for {name} failed because the control process exited with error code."
                );
                Restarted::Code(1, words)
            }
            OnRestart::Hangs => Restarted::Hangs,
            OnRestart::HealsUnheard => {
                self.heal();
                Restarted::Lost
            }
            OnRestart::LostUnheard => Restarted::Lost,
        }
    }
}
