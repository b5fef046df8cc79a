//! The opening night: at 3 on a Tuesday morning the model server is killed for want of memory, the backups have not run
//! for four days, and a disk is odd. Three reds hold and page once; as each is acknowledged, the rest heal one at a time.

use reef::model::audit::AuditKind;
use reef::model::container::{ContainerState, Ended};
use reef::model::ids::IncidentId;
use reef::model::incident::{Incident, IncidentState};
use reef::model::plan::Leash;
use reef::model::target::AbsPath;
use reef::model::time::Span;
use reef::operator::order::Order;
use reef::probe::table;

use crate::containers::container;
use crate::house::{House, Setup, nas, unit};

/// What the operator wrote for late backups, beside what is shipped.
const LATE: &str = r#"+++
title    = "Backup late"
match    = { probe = "backup", severity = ["red"] }
leash    = "auto"
max_tier = "medium"
tools    = ["backup.create"]
+++
# Backup late

```step
name = "make"
tool = "backup.create"
args = { backup = "reading.target" }
```

```verify
within = "10m"
```
"#;

const BACKUP: &str = "systemctl start --wait restic-photos.service";
const OLLAMA: &str = "docker start ollama";

fn of(house: &House, name: &str) -> Option<IncidentId> {
    let mut all = house.unresolved().into_iter();
    all.find(|incident| incident.signal.target.name().contains(name)).map(|incident| incident.id)
}

async fn acknowledge(house: &House, incident: IncidentId, lasts: Option<Span>) {
    let note = Some("I know".into());
    house.order(Order::Ack { incident, note, lasts }).await.unwrap();
}

fn effects(house: &House) -> Vec<String> {
    house.host().effects().into_iter().map(|ran| ran.argv.join(" ")).collect()
}

/// At 3 on Tuesday morning.
async fn night() -> (Setup, House) {
    let mut setup = Setup::new(Leash::Auto);
    let books = setup.folder.path().join("books");
    std::fs::create_dir(&books).unwrap();
    std::fs::write(books.join("backup-late.md"), LATE).unwrap();
    let probes = "[probe]\nbackup.photos = { path = \"/srv/backup/photos\", every = \"1m\" }\n";
    setup.config = setup.config.replace("[probe]\n", probes);
    setup.config = format!(
        "runbook_dir = \"{}\"\n{}[backup.photos]\nunit = \"restic-photos.service\"\npath = \"/srv/backup/photos\"\n",
        books.display(),
        setup.config
    );
    setup.host().containers(vec![container("ollama")]);
    let newest = AbsPath::new("/srv/backup/photos/nightly.tar").unwrap();
    let backups = |age| setup.host().backups(&newest, age, &unit("restic-photos"));
    backups(Span::hours(1));
    let house = setup.start_with(table::of_host(&nas())).await;
    house.pass(Span::hours(15)).await;
    // The newer ones were not worth their name: the newest that is left is four days old.
    backups(Span::days(4));
    // A kill is told at its second look, the others at their third.
    house.pass(Span::secs(30)).await;
    let now = house.estate.now();
    house.host().container("ollama", |c| {
        (c.state, c.exit_code, c.oom_killed) = (ContainerState::Exited, Some(137), true);
        (c.ended, c.finished_at, c.memory) = (Ended::Oom, Some(now), None);
    });
    house.estate.host(&nas()).unwrap().fills("/", 97);
    house.until("three reds", |h| h.unresolved().len() == 3).await;
    (setup, house)
}

#[tokio::test(start_paused = true)]
async fn three_reds_hold_page_once_and_heal_one_at_a_time_as_each_is_acknowledged() {
    let (_setup, house) = night().await;
    house.pass(Span::mins(30)).await;
    assert!(house.hold().is_some(), "{}", house.story());
    assert_eq!(house.audited(AuditKind::Dispatched), [], "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    // The third joined what the page had told of.
    let heard = house.estate.phone.heard();
    assert_eq!(heard.len(), 2, "{}", house.story());
    assert!(heard[1].title.contains("red disk nas:/ bytes: held"), "{heard:?}");
    let page = &house.estate.phone.pages()[0];
    let told = format!("{} {}", page.title, page.body);
    for part in ["ollama", "photos", "4 d"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let held = |i: &Incident| matches!(i.state, IncidentState::Held { .. });
    assert!(house.unresolved().iter().all(held), "{}", house.story());

    // The disk is the human's: two reds are left, which still hold.
    acknowledge(&house, of(&house, "/").unwrap(), None).await;
    house.pass(Span::mins(10)).await;
    assert!(house.hold().is_some(), "{}", house.story());
    assert_eq!(house.audited(AuditKind::Dispatched), [], "{}", house.story());

    // The backups can wait for two hours: one is left, and that is routine. It is started, and watched for an hour.
    acknowledge(&house, of(&house, "photos").unwrap(), Some(Span::hours(2))).await;
    house.until("the model server is started", |h| effects(h) == [OLLAMA]).await;
    house.pass(Span::hours(1)).await;
    house.until("the model server is healed", |h| of(h, "ollama").is_none()).await;
    assert_eq!(effects(&house), [OLLAMA], "{}", house.story());

    // Then the next.
    house.until("the backups are healed", |h| of(h, "photos").is_none()).await;
    assert_eq!(effects(&house), [OLLAMA, BACKUP], "{}", house.story());

    // The disk stays the human's to the end, and nobody was paged a second time.
    house.pass(Span::hours(1)).await;
    assert_eq!(house.unresolved().len(), 1, "{}", house.story());
    assert_eq!(house.estate.phone.pages().len(), 1, "{}", house.story());
    assert_eq!(effects(&house), [OLLAMA, BACKUP]);
    assert_eq!(house.estate.host(&nas()).unwrap().effects(), []);
    house.end().await;
}

/// Lifted by hand, all of one host's are answered, and still only one at a time.
#[tokio::test(start_paused = true)]
async fn on_one_host_they_heal_one_after_the_other() {
    let setup = Setup::new(Leash::Auto);
    let house = setup.start().await;
    house.pass(Span::mins(5)).await;
    for name in ["web", "db", "mail"] {
        house.host().unit_fails(&unit(name));
    }
    house.until("the hold", |h| h.hold().is_some() && h.unresolved().len() == 3).await;
    house.order(Order::Resume).await.unwrap();
    house.until("all are healed", |h| h.unresolved().is_empty()).await;
    house.until("all is proven", |h| h.ended() == 3).await;
    // Each was dispatched after the one before was proven.
    let mut open = 0;
    for record in house.audit() {
        match record.kind {
            AuditKind::Dispatched => {
                assert_eq!(open, 0, "{}", house.story());
                open += 1;
            }
            AuditKind::Verified => open -= 1,
            _ => {}
        }
    }
    assert_eq!(house.host().effects().len(), 3, "{}", house.story());
    let busy = |record: &reef::model::audit::AuditRecord| {
        let errors = record.payload.as_ref().and_then(|p| p.errors.clone()).unwrap_or_default();
        errors.contains("at work")
    };
    let refused = house.audited(AuditKind::Refused);
    assert!(!refused.iter().any(busy), "waiting is no refusal: {}", house.story());
    house.end().await;
}
