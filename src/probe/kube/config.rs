//! What the config says of a cluster, and the probes that it makes.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::kube::declared::{Declared, DeclaredFile, DeclaredSecret, Wire};
use crate::clients::kube::{Cluster, Settings, Way};
use crate::clients::tls::pair::PairFiles;
use crate::config::section::Section;
use crate::config::setting::Percent;
use crate::model::digest::Digest;
use crate::model::ids::{HostName, Word};
use crate::model::object::{Object, ObjectKind};
use crate::model::target::AbsPath;
use crate::model::time::Span;
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::kube::KubeProbe;
use crate::probe::kube::certificates::{CertificatesProbe, Secrets};
use crate::probe::kube::scope::{BlindSpots, Scope, api_signal};
use crate::probe::kube::volumes::VolumesProbe;
use crate::probe::{How, NetProbe, spoken};

/// `NAME = "/path/to/kubeconfig"` below `[kubernetes]`, `NAME = "in-cluster"`, or a table with
/// `kubeconfig_file`, `context`, `namespaces`, `ignore`, `secrets`, `volume_yellow`, `volume_red` and the
/// common keys.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let Some(way) = way(ask) else { return Vec::new() };
    let name = match HostName::new(ask.name) {
        Ok(name) => name,
        Err(bad) => {
            let name = ask.name.to_owned();
            ask.mistake(&name, format!("{}: choose another name", bad.why));
            return Vec::new();
        }
    };
    let scope = scope(ask);
    let secrets = if ask.or("secrets", true) { Secrets::Read } else { Secrets::Leave };
    let threshold = threshold(ask);
    let files = Files::read(ask);
    let common = ask.common(Common::with(Span::mins(1), Span::secs(10)), &name);
    let settings = Settings { way, timeout: common.timeout, redactor: ask.cx.redactor.clone() };
    let Files { manifests, patches, secrets: pairs } = files;
    ask.cx.clusters.add(
        name.clone(),
        Declared { settings: settings.clone(), manifests, patches, secrets: pairs },
    );
    let of = Of {
        name,
        cluster: Cluster::new(settings),
        scope,
        blind: BlindSpots::default(),
        hosts: ask.cx.hosts.iter().filter(|host| **host != ask.cx.here).cloned().collect(),
    };
    let parent = common.parent.clone();
    let whole = KubeProbe::new(
        of.name.clone(),
        of.cluster.clone(),
        of.scope.clone(),
        ask.cx.redactor.clone(),
        of.blind.clone(),
        of.hosts.clone(),
    );
    let volumes = VolumesProbe {
        name: of.name.clone(),
        cluster: of.cluster.clone(),
        scope: of.scope.clone(),
        blind: of.blind.clone(),
        threshold,
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let certificates = CertificatesProbe {
        name: of.name.clone(),
        cluster: of.cluster.clone(),
        scope: of.scope.clone(),
        blind: of.blind.clone(),
        secrets,
        tls: ask.cx.tls.clone(),
        timeout: common.timeout,
        port: 443,
        known: BTreeSet::new(),
        retired: Vec::new(),
    };
    let whole = Draft { parent, ..of.draft(&common, None, Box::new(whole)) };
    let slower = |every: Span, looks: u32| Common {
        every: every.max(common.every),
        fire_after: looks,
        ..common.clone()
    };
    let volumes = of.draft(&slower(Span::mins(5), 2), Some("volumes"), Box::new(volumes));
    let certificates =
        of.draft(&slower(Span::mins(30), 2), Some("certificates"), Box::new(certificates));
    vec![whole, volumes, certificates]
}

/// How the cluster is reached.
fn way(ask: &mut Ask<'_>) -> Option<Way> {
    let given = ask.main::<String>("kubeconfig_file")?;
    let context = ask.opt("context");
    match (given.as_str(), &context) {
        ("in-cluster", None) => Some(Way::in_cluster()),
        ("in-cluster", Some(_)) => {
            ask.mistake("context", "is a kubeconfig's: from inside the cluster there is none");
            None
        }
        (path, _) => match AbsPath::new(path) {
            Ok(kubeconfig) => Some(Way::File { kubeconfig, context }),
            Err(bad) => {
                let why = format!("{bad}: write the path of a kubeconfig, or \"in-cluster\"");
                ask.mistake("kubeconfig_file", why);
                None
            }
        },
    }
}

/// What the probes of one cluster share.
struct Of {
    name: HostName,
    cluster: Cluster,
    scope: Scope,
    blind: BlindSpots,
    hosts: BTreeSet<HostName>,
}

impl Of {
    fn draft(
        &self,
        common: &Common,
        part: Option<&'static str>,
        probe: Box<dyn NetProbe>,
    ) -> Draft {
        let mut common = common.clone();
        // A look is two rounds of lists and one of events, each with its own time.
        common.timeout = Span(common.timeout.0.saturating_mul(3) + 1_000);
        let named = match part {
            None => format!("kube.{}", self.name),
            Some(part) => format!("kube.{}.{part}", self.name),
        };
        let kind = Word::of("kube");
        let mut probe = common.probe(kind, named, self.name.clone(), How::Net(probe));
        let (main, named) = match part {
            None => (api_signal(&self.name), Named::Yes),
            Some(part) => {
                probe.parent = Some(api_signal(&self.name));
                (spoken::host_signal("kube", &self.name, part), Named::Implied)
            }
        };
        Draft { probe, main, parent: None, endpoint: None, named }
    }
}

/// The files by which the cluster may be changed.
#[derive(Default)]
struct Files {
    manifests: BTreeMap<String, DeclaredFile>,
    patches: BTreeMap<String, (Object, DeclaredFile)>,
    secrets: BTreeMap<Object, DeclaredSecret>,
}

impl Files {
    /// `manifest.NAME = { file, sha256 }`, `patch.NAME = { object, file, sha256 }` and
    /// `tls_secret.NAME = { secret, certificate_file, key_file, endpoint, within }`.
    fn read(ask: &mut Ask<'_>) -> Self {
        let mut all = Self::default();
        for (name, mut table) in ask.tables("manifest") {
            let file = declared(&mut table);
            table.finish();
            // The tools take it as a word.
            match Word::new(name.as_str()) {
                Ok(_) => all.manifests.extend(file.map(|file| (name, file))),
                Err(bad) => ask.mistake("manifest", format!("{bad}")),
            }
        }
        for (name, mut table) in ask.tables("patch") {
            let object = object(&mut table, "object");
            let file = declared(&mut table);
            if object.as_ref().is_some_and(|object| !may_be_patched(object.kind())) {
                table.mistake("object", "is of a kind that reef does not patch");
            }
            table.finish();
            match Word::new(name.as_str()) {
                Ok(_) => all.patches.extend(object.zip(file).map(|pair| (name, pair))),
                Err(bad) => ask.mistake("patch", format!("{bad}")),
            }
        }
        for (_, mut table) in ask.tables("tls_secret") {
            let secret = object(&mut table, "secret");
            let certificate = table.need::<AbsPath>("certificate_file");
            let key = table.need::<AbsPath>("key_file");
            if secret.as_ref().is_some_and(|secret| secret.kind() != ObjectKind::Secret) {
                table.mistake("secret", "is no secret: write NAMESPACE/secret/NAME");
            }
            let within = table.or("within", Span::secs(90));
            let wire = table.opt::<String>("endpoint").map(|endpoint| Wire { endpoint, within });
            table.finish();
            if let (Some(secret), Some(certificate), Some(key)) = (secret, certificate, key) {
                let files = PairFiles { certificate, key };
                all.secrets.insert(secret, DeclaredSecret { files, wire });
            }
        }
        all
    }
}

/// What runs and what it needs; nothing that holds a secret, and no pod, which is its controller's.
fn may_be_patched(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Deployment
        | ObjectKind::StatefulSet
        | ObjectKind::DaemonSet
        | ObjectKind::CronJob
        | ObjectKind::Claim
        | ObjectKind::Ingress => true,
        ObjectKind::Job | ObjectKind::Pod | ObjectKind::Secret => false,
    }
}

fn object(table: &mut Section, key: &str) -> Option<Object> {
    let text = table.need::<String>(key)?;
    Object::parse(&text).map_err(|bad| table.mistake(key, bad.to_string())).ok()
}

fn declared(table: &mut Section) -> Option<DeclaredFile> {
    let file = table.need::<AbsPath>("file");
    let digest = table.need::<String>("sha256").and_then(|hex| {
        Digest::try_from(hex)
            .map_err(|why| table.mistake("sha256", format!("{why}: sha256sum FILE prints it")))
            .ok()
    });
    Some(DeclaredFile { file: file?, digest: digest? })
}

fn scope(ask: &mut Ask<'_>) -> Scope {
    let mut names = |key: &str| {
        let given: Vec<String> = ask.list(key).unwrap_or_default();
        for name in &given {
            // A namespace's name is checked as an object's is.
            if let Err(bad) = Object::new(name, ObjectKind::Pod, "x") {
                ask.mistake(key, format!("{bad}"));
            }
        }
        given
    };
    Scope { only: names("namespaces"), ignore: names("ignore") }
}

fn threshold(ask: &mut Ask<'_>) -> Threshold {
    let yellow = ask.or("volume_yellow", Percent(85.0));
    let red = ask.or("volume_red", Percent(95.0));
    if red.0 < yellow.0 {
        ask.mistake("volume_red", "is below volume_yellow: yellow comes first");
    }
    Threshold { yellow: Some(yellow.0), red: Some(red.0), direction: Direction::Above, margin: 2.0 }
}
