//! What no leash and no approval allows.

use std::collections::BTreeSet;

use crate::model::plan::Step;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::tool::{Call, Undo};
use crate::model::value::Value;
use crate::policy::leash::Scratch;

/// What must not be touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// reef's own state, audit, config and runbooks.
    pub paths: Vec<AbsPath>,
    /// The drill's scratch folder, which may lie below one of them.
    pub scratch: Option<AbsPath>,
}

impl Protected {
    /// Whether all that the step touches lies in the drill's scratch, by name alone: its target, every
    /// path among its arguments and those of its undo, and its roots. Links are the tools' to resolve.
    pub fn scratch_of(&self, step: &Step) -> Scratch {
        let Some(scratch) = &self.scratch else { return Scratch::Outside };
        let calls = [Some(&step.call), undo_of(step)];
        let inside = |call: &Call| {
            let thing = matches!(call.target.thing(), Thing::Path | Thing::Host);
            let mut paths = arg_paths(call);
            paths.extend(call.target.as_path());
            paths.extend(call.bounds.roots.iter().cloned());
            thing && !paths.is_empty() && paths.iter().all(|path| path.is_below(scratch))
        };
        if calls.into_iter().flatten().all(inside) { Scratch::Inside } else { Scratch::Outside }
    }
}

fn undo_of(step: &Step) -> Option<&Call> {
    match &step.undo {
        Undo::By(call) => Some(call),
        Undo::Impossible(_) => None,
    }
}

/// Why the step is forbidden for good, if it is. `scratch` as [`Protected::scratch_of`] says, for a
/// drill; [`Scratch::Outside`] for everybody else.
pub fn forbidden(step: &Step, protected: &Protected, scratch: Scratch) -> Option<String> {
    own_state(&step.call, protected, scratch)
        .or_else(|| reef_itself(&step.call))
        .or_else(|| private_key(&step.call))
        .or_else(|| cluster(&step.call))
}

/// Arguments that a runbook must spell out itself: what they name is touched by no other plan, whoever approves it.
const SPELLED_OUT: &[(&str, &str)] = &[
    ("kube.evict", "named"),
    ("kube.evict_bare", "pod"),
    ("kube.restart", "named"),
    ("kube.tls_secret", "secret"),
];

/// Why the step is forbidden because its runbook does not spell out what it is about. `named` are the targets that
/// stand as such in the steps of the plan's runbook; a plan without a runbook names none.
pub fn unnamed(step: &Step, named: &BTreeSet<Target>) -> Option<String> {
    let tool = step.call.tool.as_str();
    let about = SPELLED_OUT.iter().filter(|(of, _)| *of == tool);
    let is_named = |value: &&Value| matches!(value, Value::Target(t) if named.contains(t));
    let mut values = about.filter_map(|(_, arg)| step.call.args.get(*arg));
    let other = values.find(|value| !is_named(value))?;
    Some(format!("{tool} on {other} is only for a runbook that names it"))
}

/// reef's own state and audit. An argument above them would take them along; the target of a step may
/// be the volume that they lie on.
fn own_state(call: &Call, protected: &Protected, scratch: Scratch) -> Option<String> {
    if scratch == Scratch::Inside {
        return None;
    }
    let hit = |path: &AbsPath| protected.paths.iter().find(|own| path.is_below(own)).cloned();
    let above = |path: &AbsPath| protected.paths.iter().find(|own| own.is_below(path)).cloned();
    let own =
        call.target.as_path().and_then(|path| hit(&path)).or_else(|| {
            arg_paths(call).iter().find_map(|path| hit(path).or_else(|| above(path)))
        })?;
    Some(format!("{own} is reef's own: nothing may touch it"))
}

/// A raw command that names reef: its program, its unit.
fn reef_itself(call: &Call) -> Option<String> {
    let own = |word: &str| ITSELF.contains(&word);
    let parts = parts(call);
    let named = parts.iter().any(|part| {
        let last = part.rsplit('/').next().unwrap_or(part);
        own(last) || tokens(part).any(own)
    });
    (named || meant_by_pattern(&parts))
        .then(|| "reef's own program and unit are a human's alone".to_owned())
}

/// reef's program, and its unit.
const ITSELF: &[&str] = &["reef", "reef.service"];

/// Whether a program that takes patterns for names is given one that reef answers to: `systemctl` expands globs, `pkill`
/// and its like search for a regular expression.
fn meant_by_pattern(parts: &[String]) -> bool {
    let cuts = |c: char| c.is_whitespace() || "\"'`;&".contains(c);
    let words: Vec<&str> =
        parts.iter().flat_map(|part| part.split(cuts)).filter(|word| !word.is_empty()).collect();
    let runs = |of: &[&str]| {
        words.iter().any(|word| of.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    let reef = |word: &str, pattern: String| {
        !word.starts_with('-')
            && regex::Regex::new(&pattern).is_ok_and(|p| ITSELF.iter().any(|name| p.is_match(name)))
    };
    let globs = runs(&["systemctl", "service"]);
    let searches = runs(&["pkill", "killall"]);
    words.iter().any(|word| {
        let glob = globs && word.contains(['*', '?', '[']);
        (glob && reef(word, as_regex(word))) || (searches && reef(word, (*word).to_owned()))
    })
}

/// A glob as a regular expression over the whole name.
fn as_regex(glob: &str) -> String {
    let one = |c: char| match c {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        '[' | ']' | '-' => c.to_string(),
        // Only first in a class does it negate.
        '!' | '^' => "^".to_owned(),
        c => regex::escape(&c.to_string()),
    };
    format!("^(?:{})$", glob.chars().map(one).collect::<String>())
}

/// The parts of every raw command in a call.
fn parts(call: &Call) -> Vec<String> {
    let mut found = Vec::new();
    for value in call.args.values() {
        each(value, &mut |value| found.extend(raw(value)));
    }
    found
}

/// What of one value a program reads as it stands: the parts of a raw command, the texts that an MCP tool is given.
fn raw(value: &Value) -> Vec<String> {
    match value {
        Value::Argv(parts) => parts.clone(),
        Value::Json(table) => {
            let mut found = Vec::new();
            table.values().for_each(|inner| texts(inner, &mut found));
            found
        }
        Value::Int(_)
        | Value::Bytes(_)
        | Value::Span(_)
        | Value::Flag(_)
        | Value::Word(_)
        | Value::Path(_)
        | Value::Target(_)
        | Value::List(_)
        | Value::Line(_)
        | Value::Text(_) => Vec::new(),
    }
}

/// Every text in what an MCP tool is given: any of them may be a command or a path to it.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        serde_json::Value::Object(table) => table.values().for_each(|inner| texts(inner, found)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// What a shell, or a program with a small language of its own, would read as one word.
fn tokens(part: &str) -> impl Iterator<Item = &str> {
    let cuts = |c: char| c.is_whitespace() || "\"'`=:,;|&<>(){}[]$@".contains(c);
    part.split(cuts).filter(|token| !token.is_empty())
}

/// The paths that a part of a raw command names, with `..` resolved by name; of a name without a folder
/// only one that private keys have.
fn named_paths(part: &str) -> Vec<AbsPath> {
    let mut found = Vec::new();
    for token in tokens(part) {
        match token.find('/') {
            // `--output=/x` and `-I/x` name /x; `.ssh/x` is below wherever it is run.
            Some(at) => {
                let from = if token.starts_with('-') { &token[at..] } else { token };
                let mut kept: Vec<&str> = Vec::new();
                for name in from.split('/') {
                    match name {
                        ".." => drop(kept.pop()),
                        "" | "." | "~" => {}
                        name => kept.push(name),
                    }
                }
                found.extend(AbsPath::new(&format!("/{}", kept.join("/"))));
            }
            None => {
                let path = AbsPath::new(&format!("/{token}")).ok();
                let of_keys = |path: &AbsPath| is_key(path) && !token.ends_with("_key");
                found.extend(path.filter(of_keys));
            }
        }
    }
    found
}

/// Folders of private keys.
const KEY_FOLDERS: &[&str] = &[
    "/etc/ssl/private",
    "/etc/letsencrypt/live",
    "/etc/letsencrypt/archive",
    "/etc/letsencrypt/keys",
    "/etc/letsencrypt/accounts",
    "/etc/pki/tls/private",
    "/etc/wireguard",
];

/// Root's home, the same on every host, with its folders of keys: whoever takes the home takes them along.
const ROOTS_HOME: &str = "/root";
const OF_ROOTS_HOME: [&str; 2] = [".ssh", ".gnupg"];

fn private_key(call: &Call) -> Option<String> {
    let of_root = OF_ROOTS_HOME.map(|folder| format!("{ROOTS_HOME}/{folder}"));
    let folders = || {
        let all = KEY_FOLDERS.iter().copied().chain(of_root.iter().map(String::as_str));
        all.filter_map(|folder| AbsPath::new(folder).ok())
    };
    let of_folder = |path: &AbsPath| folders().any(|f| path.is_below(&f) || f.is_below(path));
    let target = call.target.as_path();
    let found = target
        .filter(|path| is_key(path) || folders().any(|f| path.is_below(&f)))
        .or_else(|| arg_paths(call).into_iter().find(|path| is_key(path) || of_folder(path)))?;
    Some(format!("{found} holds or is a private key: nothing may touch it"))
}

/// By the names that private keys have.
fn is_key(path: &AbsPath) -> bool {
    let lower = path.as_str().to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or("");
    let whole = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "key.pem", "keys.txt"];
    let ends = [".key", ".p12", ".pfx", ".jks", "_key", "-key.pem", ".kdbx", ".gpg", ".ppk"];
    lower.split('/').any(|part| part == ".ssh" || part == ".gnupg")
        || whole.contains(&name)
        || ends.iter().any(|end| name.ends_with(end))
        || (name.starts_with("privkey") && name.ends_with(".pem"))
}

/// Namespaces and RBAC of a cluster, whatever tool names them.
fn cluster(call: &Call) -> Option<String> {
    let words = words(call);
    let any = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
    let family = words.first().map_or("", String::as_str);
    let cluster = matches!(call.target.thing(), Thing::Member | Thing::Object)
        || ["kube", "k8s", "helm"].iter().any(|f| family.starts_with(f))
        || any(&["kubectl", "helm"]);
    let rbac = ["role", "rolebinding", "clusterrole", "clusterrolebinding", "rbac"];
    let delete = ["delete", "destroy", "remove", "prune", "drop", "uninstall", "purge"];
    let plural = |of: &[&str]| words.iter().any(|w| of.contains(&w.trim_end_matches('s')));
    if cluster && plural(&rbac) {
        return Some("RBAC of a cluster is a human's alone".to_owned());
    }
    if cluster && any(&delete) && (plural(&["namespace"]) || any(&["ns"])) {
        return Some("deleting a namespace is a human's alone".to_owned());
    }
    None
}

/// The call's words: its tool's parts first, then its target's and arguments'.
fn words(call: &Call) -> Vec<String> {
    // What an object of a cluster is stands in its typed kind, and none of those is a namespace or a right: how it
    // is called, by whomever, says nothing.
    let name = |target: &Target| {
        if target.thing() == Thing::Object { String::new() } else { target.name().to_owned() }
    };
    let mut found = vec![call.tool.as_str().to_owned(), name(&call.target)];
    for value in call.args.values() {
        each(value, &mut |value| match value {
            Value::Word(word) => found.push(word.as_str().to_owned()),
            Value::Target(target) => found.push(name(target)),
            Value::Text(text) => found.push(text.as_str().to_owned()),
            Value::Line(text) => found.push(text.clone()),
            Value::Argv(_) | Value::Json(_) => found.extend(raw(value)),
            Value::Int(_)
            | Value::Bytes(_)
            | Value::Span(_)
            | Value::Flag(_)
            | Value::Path(_)
            | Value::List(_) => {}
        });
    }
    let parts = |text: &String| {
        let odd = |c: char| !c.is_ascii_alphanumeric();
        text.to_ascii_lowercase().split(odd).map(str::to_owned).collect::<Vec<_>>()
    };
    found.iter().flat_map(parts).filter(|word| !word.is_empty()).collect()
}

/// Every path among the arguments, in lists and targets too.
fn arg_paths(call: &Call) -> Vec<AbsPath> {
    let mut paths = Vec::new();
    for value in call.args.values() {
        each(value, &mut |value| match value {
            Value::Path(path) => paths.push(path.clone()),
            Value::Target(target) => paths.extend(target.as_path()),
            Value::Line(text) => paths.extend(named_paths(text)),
            Value::Argv(_) | Value::Json(_) => {
                paths.extend(raw(value).iter().flat_map(|text| named_paths(text)));
            }
            Value::Int(_)
            | Value::Bytes(_)
            | Value::Span(_)
            | Value::Flag(_)
            | Value::Word(_)
            | Value::List(_)
            | Value::Text(_) => {}
        });
    }
    paths
}

/// Calls `found` for the value and, in a list, for each below it.
fn each(value: &Value, found: &mut impl FnMut(&Value)) {
    found(value);
    if let Value::List(items) = value {
        items.iter().for_each(|item| each(item, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Word;
    use crate::policy::fact::tests::{path, step};

    fn protected() -> Protected {
        Protected {
            paths: vec![path("/var/lib/reef"), path("/etc/reef")],
            scratch: Some(path("/var/lib/reef/drill")),
        }
    }

    fn with(tool: &'static str, target: &str, args: Vec<Value>) -> Step {
        let mut step = step(tool, target);
        step.call.args =
            args.into_iter().enumerate().map(|(i, value)| (format!("a{i}"), value)).collect();
        step
    }

    #[track_caller]
    fn check(tool: &'static str, target: &str, args: Vec<Value>, want: Option<&str>) {
        let step = with(tool, target, args);
        let got = forbidden(&step, &protected(), Scratch::Outside);
        assert_eq!(got.is_some(), want.is_some(), "{}: {got:?}", step.call);
        assert!(got.unwrap_or_default().contains(want.unwrap_or_default()));
    }

    #[test]
    fn reefs_own_state_is_out_of_reach() {
        let own = Some("reef's own");
        let at = |p| vec![Value::Path(path(p))];
        check("files.clean", "mini:/var/log", at("/var/log"), None);
        check("files.clean", "mini:/var", at("/var/log"), None);
        check("files.clean", "mini:/", at("/var/lib/reefs"), None);
        check("files.clean", "mini:/var/lib/reef/reef.db", vec![], own);
        check("files.clean", "mini:/", at("/var/lib/reef"), own);
        check("files.clean", "mini:/", at("/var/lib/reef/reef.db"), own);
        check("files.clean", "mini:/", at("/var/lib"), own);
        check("files.clean", "mini:/", at("/"), own);
        check("files.clean", "mini:/", vec![Value::List(at("/etc/reef/x"))], own);
        let target = Value::Target("mini:/etc/reef/config.toml".parse().unwrap());
        check("files.clean", "mini", vec![target], own);
    }

    #[test]
    fn private_keys_are_out_of_reach() {
        for key in [
            "/home/ann/.ssh/config",
            "{root}/.ssh/id_ed25519",
            "/srv/id_rsa",
            "/etc/ssh/ssh_host_ed25519_key",
            "/etc/letsencrypt/live/x/fullchain.pem",
            "/srv/tls/privkey1.pem",
            "/srv/tls/web.KEY",
            "/srv/tls/web-key.pem",
            "/etc/wireguard/wg0.conf",
            "/etc/ssl",
        ] {
            let key = path(&key.replace("{root}", ROOTS_HOME));
            check("files.clean", "mini:/", vec![Value::Path(key)], Some("private key"));
        }
        check("files.clean", "mini:/srv/id_rsa", vec![], Some("private key"));
        for fine in ["/srv/id_rsa.pub", "/var/log/keyboard.log", "/srv/monkey/x.log"] {
            check("files.clean", "mini:/", vec![Value::Path(path(fine))], None);
        }
    }

    #[test]
    fn namespaces_and_rbac_are_a_humans_alone() {
        let word = |w| Value::Word(Word::new(w).unwrap());
        let (ns, rbac) = (Some("namespace"), Some("RBAC"));
        check("kube.delete", "lab:member:apps", vec![word("namespace")], ns);
        check("kube.delete", "lab:member:namespace/apps", vec![], ns);
        check("kube.delete_ns", "lab:member:apps", vec![], ns);
        check(
            "exec.run",
            "mini",
            vec![Value::List(vec![word("kubectl"), word("delete"), word("ns")])],
            ns,
        );
        check("kube.apply", "lab:member:x", vec![word("ClusterRoleBinding")], rbac);
        check("kube.patch", "lab:member:roles/x", vec![], rbac);
        check("kube.delete", "lab:member:pod/web", vec![word("pod")], None);
        check("kube.get", "lab:member:namespaces/x", vec![], None);
        check("postgres.grant", "mini", vec![word("role")], None);
        check("kube.evict", "k3s/games/pod/role-play-1", vec![], None);
        check("kube.evict", "k3s/media/pod/prune-ns-1", vec![], None);
    }

    #[test]
    fn only_a_runbook_that_names_it_touches_what_must_be_named() {
        let secret: Target = "k3s/web/secret/site-tls".parse().unwrap();
        let other: Target = "k3s/web/secret/other".parse().unwrap();
        let of = |tool, arg: &str, target: &Target| {
            let mut step = step(tool, "k3s/web/secret/site-tls");
            step.call.args = [(arg.to_owned(), Value::Target(target.clone()))].into();
            step
        };
        let named = BTreeSet::from([secret.clone()]);
        let none = BTreeSet::new();
        for (tool, arg, target, named, refused) in [
            ("kube.tls_secret", "secret", &secret, &named, false),
            ("kube.tls_secret", "secret", &other, &named, true),
            ("kube.tls_secret", "secret", &secret, &none, true),
            ("kube.evict", "named", &secret, &none, true),
            ("kube.evict", "pod", &secret, &none, false),
            ("kube.evict_bare", "pod", &secret, &none, true),
        ] {
            let why = unnamed(&of(tool, arg, target), named);
            assert_eq!(why.is_some(), refused, "{tool} {target}: {why:?}");
        }
        let text = Value::Text(crate::model::taint::Tainted::new("k3s/web/secret/site-tls"));
        let mut forged = of("kube.tls_secret", "secret", &secret);
        forged.call.args.insert("secret".into(), text);
        assert!(unnamed(&forged, &named).is_some());
    }

    #[test]
    fn raw_commands_that_name_what_is_forbidden_are_refused() {
        for (command, want) in [
            ("rm -rf /var/lib/reef", Some("reef's own")),
            ("rm -rf /var/lib", Some("reef's own")),
            ("rm -rf /", Some("reef's own")),
            ("cp /srv/x /var/lib/x/../reef/reef.db", Some("reef's own")),
            ("sqlite3 file:/var/lib/reef/reef.db?mode=rw", Some("reef's own")),
            ("sh -c 'echo>/etc/reef/reef.toml'", Some("reef's own")),
            ("systemctl stop reef.service", Some("reef's own")),
            ("systemctl stop ree*", Some("reef's own")),
            ("systemctl restart *", Some("reef's own")),
            ("/usr/bin/systemctl kill re[d-f]?.service", Some("reef's own")),
            ("sh -c systemctl\tstop\tr*f", Some("reef's own")),
            ("pkill ree", Some("reef's own")),
            ("killall -r ^r.*f$", Some("reef's own")),
            ("systemctl restart nginx*", None),
            ("pkill -f jellyfin", None),
            ("systemctl stop reef", Some("reef's own")),
            ("/usr/bin/reef resume", Some("reef's own")),
            ("sh -c 'pkill reef'", Some("reef's own")),
            ("cat {root}/.ssh/id_ed25519", Some("private key")),
            ("cat id_ed25519", Some("private key")),
            ("tar -cf/tmp/x.tar ..{root}/.ssh", Some("private key")),
            ("openssl rsa -in=/etc/ssl/private/web.pem", Some("private key")),
            ("kubectl delete ns apps", Some("namespace")),
            ("kubectl delete namespaces/apps", Some("namespace")),
            ("kubectl create clusterrolebinding x", Some("RBAC")),
            ("systemctl restart nginx.service", None),
            ("docker restart reef-proxy", None),
            ("redis-cli get my_key", None),
            ("mount /srv/photos", None),
        ] {
            let command = command.replace("{root}", ROOTS_HOME);
            let parts: Vec<String> = match command.split_once(" '") {
                Some((before, script)) => {
                    let script = script.trim_end_matches('\'').to_owned();
                    before.split(' ').map(str::to_owned).chain([script]).collect()
                }
                None => command.split(' ').map(str::to_owned).collect(),
            };
            check("host.exec", "nas", vec![Value::Argv(parts)], want);
        }
    }

    /// Whatever a tool of another program would do with them.
    #[test]
    fn what_an_mcp_tool_is_given_is_read_as_a_command_is() {
        for (given, want) in [
            (serde_json::json!({ "path": "/srv/a.txt", "content": "on" }), None),
            (serde_json::json!({ "path": "/var/lib/reef/reef.db" }), Some("reef's own")),
            (
                serde_json::json!({ "paths": ["/srv/a", { "at": "/home/ann/.ssh/id_ed25519" }] }),
                Some("private key"),
            ),
            (serde_json::json!({ "command": "systemctl stop reef" }), Some("program and unit")),
            (serde_json::json!({ "command": "kubectl delete namespace media" }), Some("namespace")),
        ] {
            let serde_json::Value::Object(table) = given else { continue };
            check("mcp.call", "nas", vec![Value::Json(table)], want);
        }
    }

    #[test]
    fn the_drill_may_touch_its_scratch_and_nothing_else() {
        let at = |p| vec![Value::Path(path(p))];
        let scratch = "mini:/var/lib/reef/drill";
        let inside = with("files.clean", scratch, at("/var/lib/reef/drill/logs"));
        assert_eq!(protected().scratch_of(&inside), Scratch::Inside);
        assert_eq!(forbidden(&inside, &protected(), Scratch::Inside), None);
        for (target, args) in [
            (scratch, at("/var/log")),
            (scratch, at("/var/lib/reef/drills")),
            (scratch, at("/var/lib/reef")),
            (scratch, vec![Value::List(vec![Value::Path(path("/etc"))])]),
            ("mini:/var/lib/reef", at("/var/lib/reef/drill/x")),
            ("mini:unit:x.service", at("/var/lib/reef/drill/x")),
            ("mini", vec![]),
        ] {
            let step = with("files.clean", target, args);
            assert_eq!(protected().scratch_of(&step), Scratch::Outside, "{}", step.call);
        }
        let mut rooted = inside.clone();
        rooted.call.bounds.roots = vec![path("/var")];
        assert_eq!(protected().scratch_of(&rooted), Scratch::Outside);
        let mut undone = inside.clone();
        undone.undo = Undo::By(step("files.restore", "mini:/etc").call);
        assert_eq!(protected().scratch_of(&undone), Scratch::Outside);
        let none = Protected { scratch: None, ..protected() };
        assert_eq!(none.scratch_of(&inside), Scratch::Outside);
    }
}
