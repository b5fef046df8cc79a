//! `inventory.md`: what is here, how it is checked, how long it may be down, what broke most. `reef init` writes it, people
//! correct it, and a model is shown the part about the host it looks into.

use crate::model::ids::HostName;

/// Its name in the state folder.
pub const FILE: &str = "inventory.md";
/// What is read of it at the most, in bytes.
pub const LARGEST: u64 = 64 << 10;

/// The parts whose heading (`## NAME`, `## NAME: anything`) is a host's name, in their order.
pub fn about(text: &str, host: &HostName) -> String {
    let mut found = String::new();
    let mut within = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.split([':', ' ']).next().unwrap_or("");
            within = name == host.as_str();
        } else if line.starts_with("# ") {
            within = false;
        }
        if within && !line.trim().is_empty() {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_host_is_told() {
        let text = "# Inventory\nall of it\n\n## nas: what broke\n- disk\n### more\n- x\n\n## nas2\n- other\n## nas\n- y\n# End\nz\n";
        let nas = HostName::of("nas");
        assert_eq!(about(text, &nas), "## nas: what broke\n- disk\n### more\n- x\n## nas\n- y\n");
        assert_eq!(about(text, &HostName::of("pve1")), "");
        assert_eq!(about("", &nas), "");
    }
}
