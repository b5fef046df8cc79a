//! Files with certificates from good to gone.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;
use crate::probe::ask::NoPast;

const DAY: i64 = 86_400_000;
const NOW: Millis = Millis(1_700_000_000_000);

/// A folder with what an authority made.
struct Shop {
    dir: tempfile::TempDir,
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Shop {
    fn new(called: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, called);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let shop = Self { dir: tempfile::tempdir().unwrap(), root };
        shop.put("ca.pem", &shop.root.pem());
        shop
    }

    fn put(&self, name: &str, text: &str) -> AbsPath {
        let file = self.dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        AbsPath::new(file.to_str().unwrap()).unwrap()
    }

    /// A leaf for `web.home`, good from 10 days ago for `left` days from now.
    fn leaf(&self, left: i64) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["web.home".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "web.home");
        let at = |ms: i64| {
            rcgen::date_time_ymd(1970, 1, 1)
                + std::time::Duration::from_millis(u64::try_from(ms).unwrap())
        };
        (params.not_before, params.not_after) = (at(NOW.0 - 100 * DAY), at(NOW.0 + left * DAY));
        params.signed_by(&key, &self.root).unwrap().pem()
    }

    fn probe(&self, path: &AbsPath, name: Option<&str>, trust: Trust) -> CertProbe {
        let mut dates = tls::Settings::new(tls::At { host: "file".into(), port: 443 });
        if let Some(name) = name {
            dates.name = name.to_owned();
        }
        let demands = Demands { name: name.map(str::to_owned), trust };
        let settings = Settings { path: path.clone(), demands, dates };
        let voice = Voice::new("cert", "mini:endpoint:web".parse().unwrap());
        let ca = Tls::trusting(Some(self.dir.path().join("ca.pem")));
        CertProbe::new(settings, voice, HostName::new("mini").unwrap(), ca)
    }
}

#[tokio::test]
async fn each_fault_of_a_file_has_its_word() {
    use Severity::{Green, Red, Unknown, Yellow};
    let shop = Shop::new("Shop CA");
    let stranger = Shop::new("Stranger CA");
    let (good, ca) = (shop.leaf(80), shop.root.pem());
    let another = format!(
        "{good}{}",
        rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap().cert.pem()
    );
    let own = rcgen::generate_simple_self_signed(vec!["web.home".into()]).unwrap().cert.pem();
    let known = Trust::Known;
    for (text, name, trust, want, part) in [
        (good.clone(), None, Trust::Anybody, (Green, "ok"), "80 days left"),
        (format!("{good}{ca}"), Some("web.home"), known, (Green, "ok"), "80 days left"),
        (shop.leaf(10), None, known, (Yellow, "expiring"), "10 days left"),
        (shop.leaf(2), None, known, (Red, "expiring"), "2 days left"),
        (shop.leaf(-3), None, known, (Red, "expired"), "3 days ago"),
        (good.clone(), Some("mail.home"), known, (Red, "wrong-name"), "it is for web.home"),
        (stranger.leaf(80), None, known, (Red, "unknown-issuer"), "chain: "),
        (stranger.leaf(80), None, Trust::Anybody, (Green, "ok"), "80 days left"),
        (another, None, Trust::Anybody, (Red, "invalid"), "which did not issue it"),
        (own, None, known, (Red, "self-signed"), "signed by itself"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".into(),
            None,
            known,
            (Red, "broken"),
            "read",
        ),
        ("nothing".into(), None, known, (Red, "broken"), "holds no certificate"),
    ] {
        let file = shop.put("web.pem", &text);
        let readings = shop.probe(&file, name, trust).look(&NoPast, NOW).await;
        let got = &readings[1];
        assert_eq!((got.severity, got.reason.as_str()), want, "{name:?}: {}", got.words);
        assert!(got.words.as_str().contains(part), "{part}: {}", got.words);
        assert_eq!(got.signal.target, Target::path(HostName::new("mini").unwrap(), &file));
        assert!(gives().iter().all(|g| got.values.get(g.name).is_none_or(|v| v.fits(&g.kind))));
        assert_eq!(readings[0].severity, Green);
    }
    let gone = AbsPath::new("/nonexistent/web.pem").unwrap();
    let readings = shop.probe(&gone, None, known).look(&NoPast, NOW).await;
    assert_eq!((readings[1].severity, readings[1].reason.as_str()), (Red, "missing"));
    let blind = shop.probe(&gone, None, known).blind(&NoFile::Blind("no".into()), NOW);
    assert_eq!(blind[0].severity, Unknown);
}

#[tokio::test]
async fn a_pattern_speaks_of_each_file_and_of_none() {
    let shop = Shop::new("Shop CA");
    let first = shop.put("live/a/cert.pem", &shop.leaf(80));
    shop.put("live/b/cert.pem", &shop.leaf(1));
    let pattern = format!("{}/live/*/cert.pem", shop.dir.path().display());
    let mut probe = shop.probe(&AbsPath::new(&pattern).unwrap(), None, Trust::Known);
    let told = |readings: Vec<Reading>| -> Vec<(Severity, String)> {
        readings.into_iter().map(|r| (r.severity, r.reason.to_string())).collect()
    };
    let two = told(probe.look(&NoPast, NOW).await);
    let green = |reason: &str| (Severity::Green, reason.to_owned());
    assert_eq!(two, [green("ok"), green("ok"), (Severity::Red, "expiring".into())]);
    std::fs::remove_dir_all(shop.dir.path().join("live/b")).unwrap();
    for _ in 1..REMOVED_FOR {
        let one = told(probe.look(&NoPast, NOW).await);
        assert_eq!(one, [green("ok"), green("ok"), green("removed")]);
    }
    probe.look(&NoPast, NOW).await;
    assert_eq!(probe.look(&NoPast, NOW).await.len(), 2);
    std::fs::remove_file(first.as_path()).unwrap();
    let none = told(probe.look(&NoPast, NOW).await);
    assert_eq!(none[0], (Severity::Red, "none".to_owned()));
}
