//! The environment as a value: read once, handed to whoever needs it, and written by hand in tests.

use std::collections::BTreeMap;
use std::fmt;

/// Whose process this is; root's state lies elsewhere when systemd runs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum User {
    Root,
    #[default]
    Plain,
}

/// The variables of the process and who runs it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env {
    vars: BTreeMap<String, String>,
    pub user: User,
}

impl Env {
    /// The real one. Called once, in `main`.
    ///
    /// A variable that is no UTF-8 is left out: no key of the config can hold it.
    pub fn from_process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let user = if rustix::process::geteuid().is_root() { User::Root } else { User::Plain };
        Self { vars, user }
    }

    /// One made of these variables, for a plain user.
    pub fn of<const N: usize>(vars: [(&str, &str); N]) -> Self {
        let vars = vars.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { vars, user: User::Plain }
    }

    /// A variable; an empty one counts as unset, as in a shell's `${VAR:-default}`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Replaces each `${VAR}` and `${VAR:-default}` in `text`. `$${` stands for a plain `${`, and any
    /// other dollar sign for itself. The error is a clause: "names ${X}, which is not set; ...".
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        for part in (Parts { rest: text }) {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Broken => {
                    return Err(
                        "has \"${\" without its \"}\" or without a name; write ${VAR}, ${VAR:-default}, or $${ for a plain ${"
                            .into(),
                    );
                }
                Part::Var { name, default } => match (self.get(name), default) {
                    (Some(value), _) => out.push_str(value),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => {
                        return Err(format!(
                            "names ${{{name}}}, which is not set; set it, or write ${{{name}:-default}}"
                        ));
                    }
                },
            }
        }
        Ok(out)
    }
}

impl fmt::Debug for Env {
    /// The names only: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("vars", &self.vars.keys().collect::<Vec<_>>())
            .field("user", &self.user)
            .finish()
    }
}

/// Whether expanding `text` reads any variable.
pub(super) fn has_variable(text: &str) -> bool {
    Parts { rest: text }.any(|part| matches!(part, Part::Var { .. } | Part::Broken))
}

/// The variable and the default of a text that is one `${VAR}` and nothing else.
pub(super) fn sole_variable(text: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = Parts { rest: text };
    match (parts.next(), parts.next()) {
        (Some(Part::Var { name, default }), None) => Some((name, default)),
        (_, _) => None,
    }
}

enum Part<'a> {
    Plain(&'a str),
    Var { name: &'a str, default: Option<&'a str> },
    Broken,
}

struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(rest) = self.rest.strip_prefix("$${") {
            self.rest = rest;
            return Some(Part::Plain("${"));
        }
        if let Some(rest) = self.rest.strip_prefix("${") {
            let Some((inside, rest)) = rest.split_once('}') else {
                self.rest = "";
                return Some(Part::Broken);
            };
            self.rest = rest;
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Some(Part::Broken);
            }
            return Some(Part::Var { name, default });
        }
        // A dollar sign that opens nothing is plain: the search for the next one starts behind it.
        let from = usize::from(self.rest.starts_with('$'));
        let until = self.rest[from..].find('$').map_or(self.rest.len(), |at| at + from);
        let (plain, rest) = self.rest.split_at(until);
        self.rest = rest;
        Some(Part::Plain(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_a_shell_would() {
        let env = Env::of([("A", "1"), ("EMPTY", "")]);
        for (text, want) in [
            ("", ""),
            ("plain $5 $", "plain $5 $"),
            ("x${A}y${A}", "x1y1"),
            ("${B:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${B:-}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("ü${A}ü", "ü1ü"),
        ] {
            assert_eq!(env.expand(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        let env = Env::of([("EMPTY", "")]);
        for (text, want) in [
            ("${B}", "${B}, which is not set"),
            ("${EMPTY}", "${EMPTY}, which is not set"),
            ("${B", "without its"),
            ("${}", "without a name"),
            ("${a b}", "without a name"),
        ] {
            let why = env.expand(text).unwrap_err();
            assert!(why.contains(want), "{text}: {why}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", Env::of([("TOKEN", "hunter2")])).contains("hunter2"));
    }
}
