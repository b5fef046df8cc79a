//! `[playbook.NAME]`: the playbooks that the config declares.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::ansible::Playbook;
use crate::clients::ansible::seal::seal;
use crate::clients::outfit::Outfit;
use crate::config::keys::Keys;
use crate::config::section::Section;
use crate::model::digest::Digest;
use crate::model::ids::Word;
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::model::tool::Tier;
use crate::policy::redact::Redactor;

/// By their names.
pub type Playbooks = BTreeMap<Word, Arc<Playbook>>;

/// The longest that a playbook may be given: the tools wait no longer.
pub const LONGEST: Span = Span::hours(1);

/// Reads the tables below `[playbook]`.
pub fn read(mut all: Section, keys: &Keys, redactor: &Arc<Redactor>) -> Playbooks {
    let mut playbooks = Playbooks::new();
    for (name, section) in all.named("a playbook's name", |key| format!("[playbook.{key}]")) {
        if let Some(playbook) = one(section, &name, keys, redactor) {
            playbooks.insert(name, Arc::new(playbook));
        }
    }
    all.finish();
    playbooks
}

fn one(
    mut section: Section,
    name: &Word,
    keys: &Keys,
    redactor: &Arc<Redactor>,
) -> Option<Playbook> {
    let file: Option<AbsPath> = section.need("file");
    let inventory: Option<AbsPath> = section.need("inventory");
    let hosts: Vec<Word> = section.list_or("hosts", Vec::new());
    let tags: Vec<Word> = section.list_or("tags", Vec::new());
    let with: Vec<AbsPath> = section.list_or("with", Vec::new());
    let written: Option<String> = section.opt("sha256");
    let tier = section.or("tier", Tier::Critical);
    let binary = program(&mut section);
    let within = section.or("timeout", Span::mins(30));
    let (env, secrets) = (section.section("env"), section.section("secrets"));
    let outfit = Outfit::read(env, secrets, keys, Arc::clone(redactor));
    if within < Span::secs(10) || LONGEST < within {
        section.mistake("timeout", format!("must lie between 10 s and {LONGEST}"));
    }
    let sha256 =
        written.as_ref().and_then(|text| match Digest::try_from(text.to_ascii_lowercase()) {
            Ok(digest) => Some(digest),
            Err(why) => {
                section.mistake("sha256", format!("{why}, as `sha256sum FILE` prints them"));
                None
            }
        });
    match tier {
        Tier::Critical => {}
        Tier::High if written.is_none() => section.mistake(
            "tier",
            "is high only for what is known to the letter: write its sha256 beside it, as `sha256sum FILE` prints it",
        ),
        Tier::High if hosts.is_empty() => {
            section.mistake("tier", "is high only for hosts that are named: write hosts = [\"NAME\"] beside it");
        }
        Tier::High => {}
        Tier::Low | Tier::Medium => section.mistake("tier", "is no less than high for a playbook: write high or critical"),
    }
    if let (Some(file), Some(declared)) = (&file, sha256)
        && let Ok(seal) = seal(file, &with)
        && seal.digest != declared
    {
        section.finding(
            "sha256",
            format!("is not that of {file} by now, so it is critical: it would be {}", seal.digest),
        );
    }
    section.finish();
    Some(Playbook {
        name: name.clone(),
        file: file?,
        inventory: inventory?,
        hosts,
        tags,
        vars: BTreeMap::new(),
        with,
        sha256,
        tier,
        binary,
        within,
        outfit,
    })
}

/// `binary`: a program's name, or its path.
fn program(section: &mut Section) -> Option<String> {
    let binary: Option<String> = section.opt("binary");
    let plain = |b: &String| Word::new(b.as_str()).is_ok() || AbsPath::new(b).is_ok();
    if binary.as_ref().is_some_and(|b| !plain(b)) {
        section.mistake("binary", "is no program: write its name or its absolute path");
    }
    binary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Env;
    use crate::config::given::Source;
    use crate::config::section::Reader;

    fn read_text(text: &str) -> Result<(Playbooks, Vec<String>), String> {
        let (reader, mut root) =
            Reader::open(Source::new("c.toml", text), Env::of([("HOME", "/h")]));
        let section = root.section("playbook");
        let read = read(section, &Keys::default(), &Arc::new(Redactor::new(Vec::new())));
        root.finish();
        let outcome = reader.done().map_err(|m| m.to_string())?;
        Ok((read, outcome.findings.iter().map(ToString::to_string).collect()))
    }

    const PLACE: &str = "file = \"/x/site.yml\"\ninventory = \"/x/hosts\"\n";

    #[test]
    fn a_playbook_is_critical_until_its_hash_stands_there() {
        let (read, _) = read_text(&format!("[playbook.site]\n{PLACE}")).unwrap();
        assert_eq!(read[&Word::of("site")].tier, Tier::Critical);
        let hash = "0".repeat(64);
        let (read, _) = read_text(&format!(
            "[playbook.site]\n{PLACE}tier = \"high\"\nhosts = [\"nas\"]\nsha256 = \"{hash}\"\n"
        ))
        .unwrap();
        let site = &read[&Word::of("site")];
        assert_eq!((site.tier, site.outfit.get("HOME")), (Tier::High, Some("/h")));
        // There is no such file: nobody knows what it says.
        assert_eq!(site.standing().tier, Tier::Critical);
    }

    #[test]
    fn every_mistake_is_told_with_what_to_write() {
        let hash = "0".repeat(64);
        for (text, want) in [
            ("[playbook.site]\n".to_owned(), "file"),
            (format!("[playbook.site]\n{PLACE}tier = \"high\"\nhosts = [\"a\"]\n"), "sha256sum"),
            (
                format!("[playbook.site]\n{PLACE}tier = \"high\"\nsha256 = \"{hash}\"\n"),
                "hosts that are named",
            ),
            (format!("[playbook.site]\n{PLACE}tier = \"low\"\n"), "no less than high"),
            (format!("[playbook.site]\n{PLACE}sha256 = \"12\"\n"), "64 hex digits"),
            (format!("[playbook.site]\n{PLACE}hosts = [\"a,b\"]\n"), "letters"),
            (format!("[playbook.site]\n{PLACE}hosts = [\"*\"]\n"), "star"),
            (format!("[playbook.site]\n{PLACE}tags = [\"-e\"]\n"), "dash"),
            (format!("[playbook.site]\n{PLACE}binary = \"a b\"\n"), "no program"),
            (format!("[playbook.site]\n{PLACE}timeout = \"5h\"\n"), "between"),
            (
                format!("[playbook.site]\n{PLACE}env = {{ \"A B\" = \"x\" }}\n"),
                "no variable's name",
            ),
            (format!("[playbook.site]\n{PLACE}tag = [\"a\"]\n"), "did you mean \"tags\""),
            ("[playbook]\nsite = \"/x\"\n".to_owned(), "[playbook.site]"),
        ] {
            let told = read_text(&text).unwrap_err();
            assert!(told.contains(want), "{want}: {told}");
        }
    }

    #[test]
    fn a_hash_that_is_not_the_files_by_now_is_found_when_the_config_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.yml");
        std::fs::write(&file, "- hosts: all\n").unwrap();
        let text = |hash: &str| {
            format!(
                "[playbook.site]\nfile = {file:?}\ninventory = \"/x\"\nhosts = [\"a\"]\ntier = \"high\"\nsha256 = \"{hash}\"\n"
            )
        };
        let right = Digest::of(b"- hosts: all\n").to_string();
        let (read, findings) = read_text(&text(&right)).unwrap();
        assert_eq!((findings, read[&Word::of("site")].standing().tier), (Vec::new(), Tier::High));
        std::fs::write(&file, "- hosts: all\n  become: true\n").unwrap();
        let standing = read[&Word::of("site")].standing();
        assert_eq!(standing.tier, Tier::Critical);
        assert!(standing.why.contains("critical again"), "{}", standing.why);
        let (_, findings) = read_text(&text(&right)).unwrap();
        assert!(findings[0].contains("it would be"), "{findings:?}");
    }
}
