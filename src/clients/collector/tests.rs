//! The program under real shells, with real files and stand-ins for tools.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::clients::collector::facts::{Kept, Reading, Whose};
use crate::clients::process::{Given, Limits, run_raw};
use crate::model::fact::{DriveState, Fact, FactValue, Facts};
use crate::model::time::{Millis, Span};
use crate::policy::redact::Redactor;

/// The shells that hosts have, as far as this machine has them.
fn shells() -> Vec<Vec<&'static str>> {
    let mut shells = vec![vec!["sh"]];
    for (file, shell) in [
        ("/usr/bin/busybox", vec!["/usr/bin/busybox", "ash"]),
        ("/bin/busybox", vec!["/bin/busybox", "ash"]),
        ("/usr/bin/bash", vec!["/usr/bin/bash", "--posix"]),
    ] {
        if Path::new(file).exists() && !shells.contains(&shell) {
            shells.push(shell);
        }
    }
    shells
}

/// A folder of stand-ins that are found before the real tools.
struct Tools(tempfile::TempDir);

impl Tools {
    fn new(tools: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, script) in tools {
            let file = dir.path().join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(dir)
    }
}

async fn print(shell: &[&str], program: String, input: String, tools: &Tools) -> Vec<u8> {
    let path = format!("PATH={}:/usr/bin:/bin", tools.0.path().display());
    let head = ["env", &path].into_iter().chain(shell.iter().copied()).chain(["-c"]);
    let argv: Vec<String> = head.map(str::to_owned).chain([program, CALLED.to_owned()]).collect();
    let limits = Limits { timeout: Span::secs(30), max_output: 8 << 20 };
    let given = Given { stdin: input.into_bytes(), ..Given::default() };
    run_raw(&argv, limits, &given).await.unwrap().stdout
}

async fn collect(shell: &[&str], kept: &mut Kept, wanted: &BTreeSet<Fact>, tools: &Tools) -> Facts {
    let request = Request::new(kept.asks(wanted)).unwrap();
    let printed = print(shell, request.program(), request.input(), tools).await;
    assert!(request.is_whole(&printed), "{}", String::from_utf8_lossy(&printed));
    let redactor = Redactor::new(Vec::new());
    let with =
        Reading { now: Millis(1_790_000_000_000), redactor: &redactor, whose: Whose::Another };
    kept.answer(wanted, &request.read(&printed), with)
}

fn path(folder: &Path, name: &str) -> AbsPath {
    AbsPath::new(folder.join(name).to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_shell_answers_every_fact() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a b"), "ERROR before\n").unwrap();
    let tools = Tools::new(&[]);
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for shell in shells() {
        let wanted = BTreeSet::from([
            Fact::Volumes,
            Fact::Folder(path(folder.path(), "")),
            Fact::Memory,
            Fact::Pressure,
            Fact::OomKills,
            Fact::Cpu,
            Fact::Interfaces,
            Fact::Uptime,
            Fact::Unit(UnitName::new("no-such.service").unwrap()),
            Fact::FailedUnits,
            Fact::Processes("no-such-program".into()),
            Fact::Busiest,
            Fact::Newest(path(folder.path(), "")),
            Fact::JournalErrors,
            Fact::FileLines(path(folder.path(), "a b")),
            Fact::FileLines(path(folder.path(), "none")),
            Fact::Drives,
            Fact::Pools,
            Fact::Arrays,
            Fact::TimeSync,
            Fact::Sensors,
            Fact::Boot,
            Fact::Containers,
            Fact::Stacks,
            Fact::Swarm,
            Fact::Logins(None),
            Fact::Listening,
            Fact::Guarded(Vec::new()),
            Fact::Renewals,
        ]);
        let facts = collect(&shell, &mut Kept::default(), &wanted, &tools).await;
        assert_eq!(facts.keys().cloned().collect::<BTreeSet<_>>(), wanted);
        for (fact, found) in &facts {
            let failed = matches!(found, Err(NoFact::Failed(_)));
            let may = *fact == Fact::FileLines(path(folder.path(), "none"))
                || matches!(fact, Fact::JournalErrors);
            assert!(!failed || may, "{shell:?} {fact:?}: {found:?}");
        }
        let had =
            |fact: Fact| facts[&fact].clone().unwrap_or_else(|why| panic!("{shell:?}: {why}"));
        assert_eq!(
            had(Fact::Folder(path(folder.path(), ""))),
            FactValue::Folder { bytes: 13, files: 1 }
        );
        let FactValue::Newest(Some(newest)) = had(Fact::Newest(path(folder.path(), ""))) else {
            panic!("{shell:?}")
        };
        assert_eq!(newest.path, path(folder.path(), "a b"));
        assert!(matches!(had(Fact::Memory), FactValue::Memory(m) if 0 < m.available));
        let FactValue::Busiest(busiest) = had(Fact::Busiest) else { panic!() };
        assert!(busiest.iter().any(|p| 0 < p.rss_bytes && p.uid != u32::MAX), "{busiest:?}");
        let FactValue::Volumes(volumes) = had(Fact::Volumes) else { panic!() };
        assert!(volumes.iter().any(|v| v.mount.as_str() == "/" && 0 < v.total_bytes));
        let FactValue::Interfaces(nets) = had(Fact::Interfaces) else { panic!() };
        assert!(nets.iter().any(|net| net.name == "lo"));
        let FactValue::Guarded(guarded) = had(Fact::Guarded(Vec::new())) else { panic!() };
        assert!(guarded.roots.contains(&"root".to_owned()), "{shell:?} {guarded:?}");
        let FactValue::Listening(ports) = had(Fact::Listening) else { panic!() };
        assert!(ports.iter().any(|l| l.port == port), "{shell:?} {ports:?}");
        assert!(matches!(had(Fact::Boot), FactValue::Boot(boot) if boot.at.0 != 0));
    }
}

#[tokio::test]
async fn no_shell_ever_reads_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let odd = format!("a $(touch {0}) `touch {0}` ' \" ; touch {0} \\ && | > x", mark.display());
    let odd = odd.replace('/', "%");
    std::fs::create_dir(folder.path().join(&odd)).unwrap();
    std::fs::write(folder.path().join(&odd).join("x"), "12345").unwrap();
    let (below, unit) = (path(folder.path(), &odd), "a$(id)`id`;id.service");
    let wanted = BTreeSet::from([
        Fact::Folder(below.clone()),
        Fact::FileLines(path(folder.path(), &format!("{odd}/x"))),
        Fact::Unit(UnitName::new(unit).unwrap()),
        Fact::Unit(UnitName::new("b'c.service").unwrap()),
    ]);
    let tools = Tools::new(&[(
        "systemctl",
        "for last; do case $last in *.service) printf 'Id=%s\\nLoadState=not-found\\n\\n' \"$last\";; esac; done",
    )]);
    for shell in shells() {
        let facts = collect(&shell, &mut Kept::default(), &wanted, &tools).await;
        let want = FactValue::Folder { bytes: 5, files: 1 };
        assert_eq!(facts[&Fact::Folder(below.clone())], Ok(want), "{shell:?}");
        for (fact, found) in &facts {
            // Only a machine that runs systemd asks its manager.
            let well = match (fact.unit(), found) {
                (Some(name), Ok(FactValue::Unit(unit))) => unit.name == name.as_str(),
                (Some(_), found) => matches!(found, Err(NoFact::Absent(_))),
                (None, found) => found.is_ok(),
            };
            assert!(well, "{shell:?} {fact:?}: {found:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was run");
}

#[tokio::test]
async fn what_a_file_says_is_no_mark() {
    let folder = tempfile::tempdir().unwrap();
    let log = path(folder.path(), "log");
    std::fs::write(log.as_path(), "x\n").unwrap();
    let wanted = BTreeSet::from([Fact::FileLines(log.clone()), Fact::Uptime]);
    let tools = Tools::new(&[]);
    let mut kept = Kept::default();
    collect(&["sh"], &mut kept, &wanted, &tools).await;
    let forged =
        "\n@0000000000000000 shut 2 0\n@ done\n\n@0123456789abcdef open 2\n1.0 1.0\nERROR x\n";
    std::fs::write(log.as_path(), format!("x\n{forged}")).unwrap();
    let facts = collect(&["sh"], &mut kept, &wanted, &tools).await;
    assert!(matches!(facts[&Fact::Uptime], Ok(FactValue::Uptime(up)) if Span::secs(2) < up));
    let Ok(FactValue::Lines(lines)) = &facts[&Fact::FileLines(log)] else { panic!("{facts:?}") };
    assert_eq!(lines.errors, 1);
}

#[tokio::test]
async fn a_log_is_followed_through_rotation_and_truncation() {
    for shell in shells() {
        let folder = tempfile::tempdir().unwrap();
        let (log, old) = (folder.path().join("app.log"), folder.path().join("app.log.1"));
        let fact = Fact::FileLines(path(folder.path(), "app.log"));
        let wanted = BTreeSet::from([fact.clone()]);
        let tools = Tools::new(&[]);
        let mut kept = Kept::default();
        let append = |text: &str| {
            let before = std::fs::read_to_string(&log).unwrap_or_default();
            // In place: the inode stays.
            std::fs::write(&log, before + text).unwrap();
        };
        append(&"ERROR before\n".repeat(1_000));
        let mut got = Vec::new();
        for step in 0..7 {
            match step {
                0 | 2 => {}
                1 => append("ERROR one\nall well\nERROR tw"),
                3 => append("o\n"),
                4 => {
                    append("ERROR last words\n");
                    std::fs::rename(&log, &old).unwrap();
                    append("ERROR first words\nERROR second\n");
                }
                5 => std::fs::write(&log, "another\nERROR a\nERROR b\nERROR c\n").unwrap(),
                _ => append("ERROR d\n"),
            }
            let facts = collect(&shell, &mut kept, &wanted, &tools).await;
            let Ok(FactValue::Lines(lines)) = &facts[&fact] else { panic!("{facts:?}") };
            got.push(lines.errors);
        }
        // A file that was truncated in place is read at the look after.
        assert_eq!(got, [0, 1, 0, 1, 3, 0, 4], "{shell:?}");
    }
}

#[tokio::test]
async fn tools_are_read_as_they_print() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clients/host/samples");
    let cat = |name: &str| format!("cat {}", samples.join(name).display());
    let smartctl = format!(
        "case \"$*\" in --scan) printf '/dev/sda -d sat # x\\n/dev/nvme0 -d nvme # y\\n/dev/sdb -d sat # z\\n' ;;\n\
         *'-n standby'*/dev/sda) {} ;;\n*'-n standby'*nvme0) {} ;;\n*'-n standby'*) {}; exit 2 ;;\n*) echo woken >&2; exit 9 ;; esac",
        cat("smart-ata.json"),
        cat("smart-nvme.json"),
        cat("smart-standby.json")
    );
    let zpool = format!(
        "case $1 in list) printf 'tank\\t100\\t60\\t40\\tDEGRADED\\n' ;; status) {} ;; esac",
        cat("zpool-status")
    );
    let journal = "case \"$*\" in *-n*1*) echo '{\"__CURSOR\":\"s=a;i=9\",\"MESSAGE\":\"x\"}' ;;\n\
        *cursor=s=a\\;i=9*) printf '{\"__CURSOR\":\"s=a;i=9\",\"MESSAGE\":\"seen\"}\\n{\"__CURSOR\":\"s=a;i=b\",\"SYSLOG_IDENTIFIER\":\"app\",\"MESSAGE\":\"cannot reach x\"}\\n' ;; esac";
    let tools = Tools::new(&[
        ("smartctl", &smartctl),
        ("zpool", &zpool),
        ("journalctl", journal),
        ("chronyc", "echo 'C0A80101,192.168.1.1,3,1700000000.1,-0.5,0,0,1,0,0,0,0,64.2,Normal'"),
    ]);
    let wanted = BTreeSet::from([Fact::Drives, Fact::Pools, Fact::JournalErrors, Fact::TimeSync]);
    for shell in shells() {
        let mut kept = Kept::default();
        let facts = collect(&shell, &mut kept, &wanted, &tools).await;
        let Ok(FactValue::Drives(drives)) = &facts[&Fact::Drives] else { panic!("{facts:?}") };
        assert_eq!(drives.len(), 3, "{shell:?}");
        assert!(matches!(&drives[0].state, DriveState::Told(s) if s.reallocated == Some(16)));
        assert!(matches!(&drives[1].state, DriveState::Told(s) if s.worn == Some(4)));
        assert_eq!(drives[2].state, DriveState::Asleep);
        let Ok(FactValue::Pools(pools)) = &facts[&Fact::Pools] else { panic!("{facts:?}") };
        assert_eq!(pools[0].ill.len(), 1);
        let Ok(FactValue::TimeSync(time)) = &facts[&Fact::TimeSync] else { panic!("{facts:?}") };
        assert_eq!((time.offset, time.by.as_str()), (Some(-0.5), "chrony"));
        let errors = |facts: &Facts| match &facts[&Fact::JournalErrors] {
            Ok(FactValue::Lines(lines)) => lines.errors,
            other => panic!("{other:?}"),
        };
        assert_eq!(errors(&facts), 0);
        assert_eq!(errors(&collect(&shell, &mut kept, &wanted, &tools).await), 1);
    }
}

#[tokio::test]
async fn what_is_cut_off_is_missing_and_not_guessed() {
    let wanted = BTreeSet::from([Fact::Memory, Fact::Cpu, Fact::Uptime, Fact::Busiest, Fact::Boot]);
    let request = Request::new(Kept::default().asks(&wanted)).unwrap();
    let tools = Tools::new(&[]);
    let printed = print(&["sh"], request.program(), request.input(), &tools).await;
    let redactor = Redactor::new(Vec::new());
    let with = Reading { now: Millis(1), redactor: &redactor, whose: Whose::Another };
    let whole = Kept::default().answer(&wanted, &request.read(&printed), with);
    assert!(whole.values().all(Result::is_ok), "{whole:?}");
    for cut in 0..40 {
        let end = printed.len() * cut / 40;
        let facts = Kept::default().answer(&wanted, &request.read(&printed[..end]), with);
        assert_eq!(facts.len(), wanted.len(), "each wanted fact is answered");
        for (fact, found) in &facts {
            let same = match (found, &whole[fact]) {
                (Ok(FactValue::Busiest(a)), Ok(FactValue::Busiest(b))) => a.len() == b.len(),
                (Ok(a), Ok(b)) => a == b,
                (Err(NoFact::Failed(_)), _) => true,
                _ => false,
            };
            assert!(same, "{fact:?} {found:?}");
        }
    }
    let other = Request::new(Kept::default().asks(&wanted)).unwrap();
    assert!(other.read(&printed).pieces.is_empty(), "another request's answer is none");
}

#[tokio::test]
async fn an_installed_collector_shows_only_what_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["it's", "secret"] {
        std::fs::write(folder.path().join(name), "x\n").unwrap();
    }
    let (may, not) = (path(folder.path(), "it's"), path(folder.path(), "secret"));
    let program = to_install(&BTreeSet::from([may.clone()]));
    let wanted = BTreeSet::from([
        Fact::FileLines(may.clone()),
        Fact::FileLines(not.clone()),
        Fact::Newest(not.clone()),
        Fact::Uptime,
    ]);
    let tools = Tools::new(&[]);
    let redactor = Redactor::new(Vec::new());
    let with = Reading { now: Millis(1), redactor: &redactor, whose: Whose::Another };
    for shell in shells() {
        let mut kept = Kept::default();
        let request = Request::new(kept.asks(&wanted)).unwrap();
        let printed = print(&shell, program.clone(), request.input(), &tools).await;
        let read = request.read(&printed);
        assert!(read.installed && read.whole);
        let facts = kept.answer(&wanted, &read, with);
        assert!(facts[&Fact::FileLines(may.clone())].is_ok() && facts[&Fact::Uptime].is_ok());
        for fact in [Fact::FileLines(not.clone()), Fact::Newest(not.clone())] {
            let Err(NoFact::Failed(why)) = &facts[&fact] else { panic!("{facts:?}") };
            assert!(why.contains("does not allow"), "{why}");
        }
        // A section that this collector does not know, and a request that is none.
        let hello = "\n@ab hello 1 installed\n";
        let odd = print(&shell, program.clone(), "ab\nrm -rf /\n".into(), &tools).await;
        let odd = String::from_utf8_lossy(&odd).into_owned();
        assert!(odd.starts_with(hello) && odd.contains("shut 1 99"), "{odd}");
        assert_eq!(print(&shell, program.clone(), "no word\n".into(), &tools).await, b"");
        let refused = format!("SSH_ORIGINAL_COMMAND='systemctl restart x'\n{program}");
        assert_eq!(print(&shell, refused, request.input(), &tools).await, b"");
    }
}

#[tokio::test]
async fn what_hangs_is_ended() {
    for shell in shells() {
        let began = tokio::time::Instant::now();
        let program =
            format!("{PRELUDE}\nlimit 1 sleep 60\necho $?\nlimit 5 sh -c 'exit 3'\necho $?");
        let said = print(&shell, program, String::new(), &Tools::new(&[])).await;
        assert_eq!(String::from_utf8_lossy(&said), "137\n3\n", "{shell:?}");
        assert!(began.elapsed() < Span::secs(8).duration());
    }
}

#[test]
fn sections_are_constant_and_each_is_defined_once() {
    let mut names = BTreeSet::new();
    for section in ALL {
        assert!(names.insert(section.name), "{} twice", section.name);
        assert!(section.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        let defined = format!("s_{}()", section.name);
        assert_eq!(section.text.matches(&defined).count(), 1, "{defined}");
    }
    let request = Request::new([Ask::of(sections::UPTIME), Ask::of(sections::UPTIME)]).unwrap();
    assert_eq!(request.asks.len(), 1);
    assert!(!request.program().contains("s_smart"), "only what is asked for is sent");
    let bad = Ask::with(sections::BELOW, Arg("/a\nuptime".into()));
    let request = Request::new([bad]).unwrap();
    assert_eq!(request.input().lines().count(), 2, "an argument is one line");
}

/// A host's files as certbot, acme.sh, lego, dehydrated, Caddy and people leave them.
fn renewers(root: &Path) -> String {
    let write = |name: &str, text: &str| {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let made = rcgen::generate_simple_self_signed(vec!["photos.example".to_owned()]).unwrap();
    let pem = made.cert.pem();
    write(
        "etc/letsencrypt/renewal/photos.example.conf",
        "# renew_before_expiry = 30 days\nversion = 2.1.0\narchive_dir = /etc/letsencrypt/archive/photos.example\n\
         cert = /etc/letsencrypt/live/photos.example/cert.pem\nprivkey = /etc/letsencrypt/live/photos.example/privkey.pem\n\n\
         # Options used in the renewal process\n[renewalparams]\naccount = 0123456789abcdef\nauthenticator = webroot\n\
         webroot_path = /var/www,\nserver = https://acme-v02.api.letsencrypt.org/directory\nkey_type = ecdsa\n\
         dns_cloudflare_credentials = /root/secret.ini\nrenew_hook = systemctl reload nginx\n\
         [[webroot_map]]\nphotos.example = /var/www\nwww.photos.example = /var/www\n",
    );
    write("etc/letsencrypt/live/photos.example/cert.pem", &pem);
    write("etc/letsencrypt/live/photos.example/privkey.pem", "THE KEY");
    write("etc/letsencrypt/renewal/bad name.conf", "server = x\n");
    write("etc/letsencrypt/renewal/stopped.example.conf", "autorenew = False\ninstaller = nginx\n");
    write(
        "etc/cron.d/certbot",
        "SHELL=/bin/sh\n# certbot -q renew\n0 */12 * * * root test -x /usr/bin/env -a \\! -d /run/systemd/system && certbot -q renew\n",
    );
    write("etc/cron.d/own", "17 3 * * * root /opt/certbot/bin/certbot -q renew >/dev/null 2>&1\n");
    let far = root.join("etc/far/conf");
    write(
        "etc/cron.d/far",
        &format!("5 5 * * * root certbot -q renew --config-dir {}\n", far.display()),
    );
    write("etc/far/conf/renewal/far.example.conf", "server = far\n");
    write("etc/cron.daily/backup", "#!/bin/sh\nrestic backup /srv\n");
    write(
        "var/spool/cron/crontabs/root",
        "9 4 * * * \"/opt/acme.sh\"/acme.sh --cron --home \"/opt/acme.sh\"\n",
    );
    write("root/.acme.sh/mail.example_ecc/mail.example.cer", "");
    write("root/.acme.sh/account.conf", "");
    write("var/lib/lego/certificates/_.lego.example.crt", "");
    write("var/lib/dehydrated/certs/dry.example/cert.pem", "");
    write(
        "var/lib/caddy/.local/share/caddy/certificates/acme-v02/wildcard_.caddy.example/x.crt",
        "",
    );
    write("run/systemd/system/x", "");
    made.cert.pem()
}

const SHOWN: &str = "cat <<'X'\nId=certbot.timer\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n\n\
Id=certbot.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n\n\
Id=lego.timer\nLoadState=not-found\nActiveState=inactive\nX";

#[tokio::test]
async fn whoever_renews_certificates_is_found_by_its_files_and_no_key_is_read() {
    let root = tempfile::tempdir().unwrap();
    let pem = renewers(root.path());
    let tools = Tools::new(&[("systemctl", SHOWN)]);
    for shell in shells() {
        let mut kept = Kept::default();
        let wanted = BTreeSet::from([Fact::Renewals]);
        let request = Request::new(kept.asks(&wanted)).unwrap();
        // The section's own folders, but below another root.
        let mut program = request.program();
        for folder in ["/etc/", "/var/", "/root ", "/run/systemd/"] {
            program = program.replace(folder, &format!("{}{folder}", root.path().display()));
        }
        let printed = print(&shell, program, request.input(), &tools).await;
        let text = String::from_utf8_lossy(&printed);
        assert!(!text.contains("THE KEY") && !text.contains("secret.ini"), "{text}");
        let redactor = Redactor::new(Vec::new());
        let with =
            Reading { now: Millis(1_790_000_000_000), redactor: &redactor, whose: Whose::Another };
        let mut facts = kept.answer(&wanted, &request.read(&printed), with);
        let Ok(FactValue::Renewals(found)) = facts.remove(&Fact::Renewals).unwrap() else {
            panic!("{shell:?}: {text}")
        };
        let [photos, stopped, far] = &found.lineages[..] else { panic!("{shell:?}: {found:#?}") };
        assert_eq!(photos.server, "https://acme-v02.api.letsencrypt.org/directory");
        assert!(photos.folder().ends_with("/etc/letsencrypt"), "{}", photos.folder());
        assert_eq!((far.name.as_str(), far.server.as_str()), ("far.example", "far"));
        assert!(far.folder().ends_with("/etc/far/conf"), "{}", far.folder());
        assert_eq!((photos.authenticator.as_str(), photos.stopped), ("webroot", false));
        assert_eq!(photos.hook, "systemctl reload nginx");
        assert_eq!(photos.names, ["photos.example", "www.photos.example"]);
        assert!(photos.changed_at.is_some());
        let leaf = crate::clients::tls::Leaf::of_pem(pem.as_bytes()).unwrap();
        assert_eq!(photos.on_disk.as_ref().unwrap().serial, leaf.serial);
        assert!(stopped.stopped && stopped.installer == "nginx" && stopped.on_disk.is_none());
        let kept: Vec<_> = found.kept.iter().map(|k| (k.by.as_str(), k.name.as_str())).collect();
        assert_eq!(
            kept,
            [
                ("acme-sh", "mail.example"),
                ("dehydrated", "dry.example"),
                ("lego", "_.lego.example"),
                ("caddy", "*.caddy.example")
            ],
            "{shell:?}"
        );
        let crons: Vec<_> = found.crons.iter().map(|c| c.missing.clone()).collect();
        assert_eq!(found.crons.len(), 4, "{shell:?}: {:#?}", found.crons);
        assert_eq!(crons[2], ["/opt/certbot/bin/certbot"], "{shell:?}: {:#?}", found.crons);
        let [timer] = &found.timers[..] else { panic!("{found:#?}") };
        assert_eq!((timer.active.as_str(), timer.result.as_str()), ("inactive", "exit-code"));
        assert!(found.systemd);
    }
}
