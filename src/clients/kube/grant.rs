//! The one right that a change needs, and the narrowest grant of it.

use std::fmt;

/// A right of an account. Where it is refused, the human is told how to give exactly this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub verb: &'static str,
    /// In the plural, with its part: `pods/eviction`.
    pub resource: String,
    /// `apps`; empty for the core.
    pub group: String,
    /// `None` for what lies in no namespace.
    pub namespace: Option<String>,
    /// Of one object alone.
    pub only: Option<String>,
}

impl fmt::Display for Right {
    /// `create pods/eviction in media`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(only) = &self.only {
            write!(f, " {only}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => f.write_str(" in the whole cluster"),
        }
    }
}

impl Right {
    /// The commands that a human would type to grant it, to whom the refusal names.
    pub fn grant(&self, refusal: &str) -> String {
        let (resource, part) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let part = if part.is_empty() { String::new() } else { format!("/{part}") };
        let only =
            self.only.as_ref().map(|name| format!(" --resource-name={name}")).unwrap_or_default();
        let name = format!("reef-{}-{}", self.verb, self.resource.replace('/', "-"));
        let what = format!("--verb={} --resource={resource}{group}{part}{only}", self.verb);
        let to = subject(refusal);
        match &self.namespace {
            Some(ns) => format!(
                "kubectl -n {ns} create role {name} {what} && kubectl -n {ns} create rolebinding {name} --role={name} {to}"
            ),
            None => format!(
                "kubectl create clusterrole {name} {what} && kubectl create clusterrolebinding {name} --clusterrole={name} {to}"
            ),
        }
    }
}

/// `--serviceaccount=reef:reef`, as the API server names the account in its refusal.
fn subject(refusal: &str) -> String {
    let plain = |name: &&str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '@' | '_'))
    };
    let user = refusal
        .split_once("User \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(user, _)| user)
        .filter(plain);
    match user.map(|user| (user, user.strip_prefix("system:serviceaccount:"))) {
        Some((_, Some(account))) => format!("--serviceaccount={account}"),
        Some((user, None)) => format!("--user={user}"),
        None => "--serviceaccount=reef:reef".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(namespace: Option<&str>, only: Option<&str>) -> Right {
        Right {
            verb: "patch",
            resource: "deployments/scale".into(),
            group: "apps".into(),
            namespace: namespace.map(str::to_owned),
            only: only.map(str::to_owned),
        }
    }

    #[test]
    fn a_grant_is_no_wider_than_the_right() {
        let said =
            "deployments is forbidden: User \"system:serviceaccount:reef:night\" cannot patch";
        assert_eq!(
            right(Some("media"), Some("jellyfin")).grant(said),
            "kubectl -n media create role reef-patch-deployments-scale --verb=patch --resource=deployments.apps/scale --resource-name=jellyfin && kubectl -n media create rolebinding reef-patch-deployments-scale --role=reef-patch-deployments-scale --serviceaccount=reef:night"
        );
        let cluster = right(None, None).grant("User \"ann\" cannot");
        assert!(
            cluster.contains("create clusterrole ") && cluster.ends_with("--user=ann"),
            "{cluster}"
        );
        // What the refusal says becomes a command only where it is plainly a name.
        let steered = right(None, None).grant("User \"x; rm -rf /\" cannot");
        assert!(steered.ends_with("--serviceaccount=reef:reef"), "{steered}");
    }
}
