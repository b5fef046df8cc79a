//! What `ansible-playbook` prints: the recap, what failed, what would change.

use crate::model::taint::Tainted;

/// Hosts, and lines of errors, that are kept.
const MOST: usize = 500;

/// One host's line of the recap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRecap {
    pub host: String,
    pub ok: u64,
    pub changed: u64,
    pub unreachable: u64,
    pub failed: u64,
    pub skipped: u64,
    pub rescued: u64,
    pub ignored: u64,
}

/// One run of a playbook, as it tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the recap; empty where there was none.
    pub hosts: Vec<HostRecap>,
    /// A line for each task that failed on a host.
    pub errors: Vec<String>,
    /// What `--diff` showed, with the tasks that it belongs to.
    pub diff: String,
    /// Whether any play began.
    pub began: Began,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Began {
    #[default]
    No,
    Yes,
}

impl Report {
    /// Reads the whole output. The last recap counts: whatever a task prints comes before it.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        let mut task = "";
        let mut diff = Part::Outside;
        let mut lines: Vec<&str> = Vec::new();
        let mut recap = None;
        for (n, line) in text.lines().enumerate() {
            lines.push(line);
            if line.starts_with("PLAY [") {
                report.began = Began::Yes;
            }
            if line.starts_with("PLAY RECAP") {
                recap = Some(n);
            }
            if line.starts_with("TASK [") || line.starts_with("RUNNING HANDLER [") {
                task = line.trim_end_matches('*').trim_end();
                diff = Part::Outside;
            } else if line.starts_with("--- ") {
                if diff == Part::Outside {
                    report.diff.push_str(&format!("{task}\n"));
                }
                diff = Part::Diff;
            } else if line.is_empty() {
                diff = Part::Outside;
            }
            if diff == Part::Diff {
                report.diff.push_str(&format!("{line}\n"));
            }
            let failed = line.starts_with("fatal: [") || line.starts_with("failed: [");
            if failed && report.errors.len() < MOST {
                report.errors.push(Tainted::bounded(line, 300).as_str().to_owned());
            }
        }
        if let Some(at) = recap {
            let hosts = lines.iter().skip(at + 1).filter_map(|line| host(line));
            report.hosts = hosts.take(MOST).collect();
        }
        report
    }

    fn sum(&self, of: impl Fn(&HostRecap) -> u64) -> u64 {
        self.hosts.iter().map(of).sum()
    }

    pub fn changed(&self) -> u64 {
        self.sum(|host| host.changed)
    }

    pub fn skipped(&self) -> u64 {
        self.sum(|host| host.skipped)
    }

    pub fn failed(&self) -> u64 {
        self.sum(|host| host.failed)
    }

    pub fn unreachable(&self) -> u64 {
        self.sum(|host| host.unreachable)
    }

    /// Why this did not end well, whatever the exit code said; `expected` are the hosts that it should have reached.
    pub fn wrong(&self, expected: &[String]) -> Option<String> {
        let names = |wrong: &dyn Fn(&HostRecap) -> bool| {
            let names: Vec<&str> =
                self.hosts.iter().filter(|h| wrong(h)).map(|h| h.host.as_str()).collect();
            names.join(", ")
        };
        let is_there = |name: &&String| self.hosts.iter().any(|h| h.host == **name);
        let missing: Vec<&str> =
            expected.iter().filter(|name| !is_there(name)).map(String::as_str).collect();
        let parts = [
            ("unreachable", names(&|h| 0 < h.unreachable)),
            ("failed", names(&|h| 0 < h.failed)),
            ("not in the recap", missing.join(", ")),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter(|(_, who)| !who.is_empty())
            .map(|(what, who)| format!("{what}: {who}"))
            .collect();
        if said.is_empty() { None } else { Some(said.join("; ")) }
    }

    /// `nas changed 2, ok 3; pi unreachable`.
    pub fn words(&self) -> String {
        let one = |h: &HostRecap| {
            let mut said = vec![format!("{} changed {}, ok {}", h.host, h.changed, h.ok)];
            let rest =
                [("failed", h.failed), ("unreachable", h.unreachable), ("skipped", h.skipped)];
            said.extend(rest.iter().filter(|(_, n)| 0 < *n).map(|(what, n)| format!("{what} {n}")));
            said.join(", ")
        };
        let hosts: Vec<String> = self.hosts.iter().take(20).map(one).collect();
        hosts.join("; ")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Outside,
    Diff,
}

/// `NAME : ok=1    changed=0 ...`.
fn host(line: &str) -> Option<HostRecap> {
    let (name, counts) = line.split_once(" : ")?;
    let name = name.trim();
    let mut host = HostRecap { host: plain(name)?, ..HostRecap::default() };
    let mut seen = 0;
    for count in counts.split_whitespace() {
        let (what, n) = count.split_once('=')?;
        let n: u64 = n.parse().ok()?;
        seen += 1;
        match what {
            "ok" => host.ok = n,
            "changed" => host.changed = n,
            "unreachable" => host.unreachable = n,
            "failed" => host.failed = n,
            "skipped" => host.skipped = n,
            "rescued" => host.rescued = n,
            "ignored" => host.ignored = n,
            _ => {}
        }
    }
    // A recap tells these four at least.
    (4 <= seen).then_some(host)
}

/// A host's name as inventories have it, without what could deceive.
fn plain(name: &str) -> Option<String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    (!name.is_empty() && name.len() <= 255 && !name.contains(odd))
        .then(|| Tainted::new(name).as_str().to_owned())
}

/// The hosts that `--list-hosts` names, each once, sorted.
pub fn listed(text: &str) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let mut within = 0;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let depth = line.len() - trimmed.len();
        if trimmed.starts_with("hosts (") && trimmed.trim_end().ends_with("):") {
            within = depth;
        } else if 0 < within && within < depth {
            let name = plain(trimmed.trim_end());
            hosts.extend(name.filter(|name| !hosts.contains(name) && hosts.len() < MOST));
        } else {
            within = 0;
        }
    }
    // It prints them in another order each time.
    hosts.sort();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_check_is_read() {
        let report = Report::parse(include_str!("recorded/check.txt"));
        let here = HostRecap {
            host: "here".into(),
            ok: 1,
            changed: 1,
            skipped: 1,
            ..HostRecap::default()
        };
        assert_eq!(report.hosts, [here]);
        assert_eq!(
            report.diff,
            "TASK [motd]\n--- before\n+++ after: /srv/ansible/motd\n@@ -0,0 +1 @@\n+hello here\n"
        );
        assert_eq!((report.wrong(&["here".into()]), report.began), (None, Began::Yes));
        assert_eq!(report.words(), "here changed 1, ok 1, skipped 1");
    }

    #[test]
    fn a_dead_host_and_a_failed_task_are_wrong_whatever_the_exit_code() {
        let report = Report::parse(include_str!("recorded/unreachable.txt"));
        assert_eq!(report.wrong(&[]).unwrap(), "unreachable: gone");
        assert_eq!((report.changed(), report.unreachable()), (2, 1));
        assert!(report.errors[0].starts_with("fatal: [gone]: UNREACHABLE!"), "{:?}", report.errors);
        let report = Report::parse(include_str!("recorded/failed.txt"));
        assert_eq!(report.wrong(&[]).unwrap(), "failed: here");
        // Nobody told of a host that should have been reached.
        let said = Report::default().wrong(&["nas".into()]).unwrap();
        assert_eq!(said, "not in the recap: nas");
    }

    #[test]
    fn a_recap_that_a_task_prints_counts_for_nothing() {
        let text = "PLAY [all] **\nok: [a] => {\nPLAY RECAP ***\nnas : ok=9 changed=9 unreachable=0 failed=0\n\n\
                    PLAY RECAP ***\nnas : ok=1 changed=0 unreachable=1 failed=0 skipped=0 rescued=0 ignored=0\n\n";
        let report = Report::parse(text);
        assert_eq!((report.hosts.len(), report.unreachable(), report.changed()), (1, 1, 0));
        for odd in [
            "PLAY RECAP\nnas : ok=x changed=1 a=1 b=2",
            "PLAY RECAP\nnas : ok=1",
            "PLAY RECAP\n : a=1 b=1 c=1 d=1",
        ] {
            assert!(Report::parse(odd).hosts.is_empty(), "{odd}");
        }
    }

    #[test]
    fn recorded_hosts_are_listed() {
        assert_eq!(listed(include_str!("recorded/hosts.txt")), ["gone", "here"]);
        assert!(listed("playbook: x\n\n  play #1 (none): none\n    hosts (0):\n").is_empty());
    }
}
