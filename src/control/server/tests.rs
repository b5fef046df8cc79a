//! Orders over real sockets.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Mutex;

use tokio::task::JoinSet;

use super::*;
use crate::Fut;
use crate::clients::process;
use crate::control::client::{Client, NoAnswer};
use crate::model::ids::ApprovalId;
use crate::model::time::Span;
use serde_json::Value as Json;

/// Answers every order with itself, and remembers who gave it.
#[derive(Default)]
struct Echo {
    seen: Mutex<Vec<(Order, u32)>>,
}

impl Carries for Echo {
    fn carry_out<'a>(&'a self, order: Order, who: Who) -> Fut<'a, Result<Json, Refusal>> {
        Box::pin(async move {
            self.seen.lock().unwrap().push((order.clone(), who.uid));
            #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else is asked is echoed")]
            match &order {
                Order::Reload => Err(Refusal { why: "the old config stays".into() }),
                Order::Report => panic!("a defect"),
                Order::Check { .. } => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    self.seen.lock().unwrap().push((Order::Tools, 0));
                    Ok(json!("looked"))
                }
                order => Ok(serde_json::to_value(order).unwrap()),
            }
        })
    }
}

struct Daemon {
    _dir: tempfile::TempDir,
    path: PathBuf,
    echo: Arc<Echo>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

fn daemon() -> Daemon {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reef.sock");
    let (echo, stop, mut tasks) =
        (Arc::new(Echo::default()), CancellationToken::new(), JoinSet::new());
    let server = Server::bind(&path).unwrap();
    tasks.spawn(server.serve(Arc::<Echo>::clone(&echo), stop.clone()));
    Daemon { _dir: dir, path, echo, stop, tasks }
}

fn client(path: &Path) -> Client {
    Client::new(vec![path.to_owned()])
}

/// Speaks HTTP by hand, for what the client would never send.
async fn raw(path: &Path, head: &str, body: &[u8]) -> String {
    let (path, head, body) = (path.to_owned(), head.to_owned(), body.to_vec());
    let speaking = move || {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nhost: reef\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        // A server that refuses the length hangs up before the body is through.
        drop(stream.write_all(&body));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(speaking).await.unwrap()
}

#[tokio::test]
async fn orders_travel_with_who_gave_them() {
    let daemon = daemon();
    let mode = std::fs::metadata(&daemon.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let order =
        Order::Approve { id: ApprovalId(17), choice: Some(2), typed: Some("mini:/var".into()) };
    let answer = client(&daemon.path).ask(&order).await.unwrap();
    assert_eq!(answer, serde_json::to_value(&order).unwrap());
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(*daemon.echo.seen.lock().unwrap(), [(order, own)]);

    let no = client(&daemon.path).ask(&Order::Reload).await;
    assert_eq!(no, Err(NoAnswer::Refused(Refusal { why: "the old config stays".into() })));
    // A defect in one order takes neither the socket nor the daemon down.
    let Err(NoAnswer::Refused(broke)) = client(&daemon.path).ask(&Order::Report).await else {
        panic!()
    };
    assert!(broke.why.contains("broke"), "{broke}");
    assert!(client(&daemon.path).ask(&Order::Status).await.is_ok());
}

#[tokio::test]
async fn what_is_no_order_is_refused_in_words() {
    let daemon = daemon();
    let at = &daemon.path;
    for (head, body, status, want) in [
        ("POST /order", &b"{\"order\":\"format_disk\"}"[..], "400", "does not know such an order"),
        ("POST /order", b"\xff\xfe", "400", "does not know such an order"),
        (
            "POST /order",
            b"{\"order\":\"approve\",\"id\":\"A-17\"}",
            "400",
            "does not know such an order",
        ),
        ("POST /other", b"{}", "404", "POST /order"),
        ("GET /", b"", "404", "POST /order"),
        ("POST /order", &vec![b' '; LARGEST + 1], "413", "at most 1 MiB"),
    ] {
        let answer = raw(at, head, body).await;
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.contains(status) && answer.contains(want), "{head}: {answer}");
    }
    assert!(daemon.echo.seen.lock().unwrap().is_empty());
    let exact = [b"{\"order\":\"status\"}".as_slice(), &vec![b' '; LARGEST - 18]].concat();
    assert!(raw(at, "POST /order", &exact).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reef.sock");
    // Left by a daemon that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(client(&path).ask(&Order::Status).await, Err(NoAnswer::NotRunning(_))));
    let server = Server::bind(&path).unwrap();

    let why = Server::bind(&path).unwrap_err();
    assert!(
        matches!(why, BindError::Live(_)) && why.to_string().contains("another reef answers"),
        "{why}"
    );
    // The refused one has taken nothing away.
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    drop(server);
    assert!(!path.exists(), "a daemon that ends takes its socket away");

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Server::bind(&path), Err(BindError::InTheWay(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let long = dir.path().join("x".repeat(120));
    assert!(matches!(Server::bind(&long), Err(BindError::TooLong(_))));
    let nowhere = dir.path().join("none/reef.sock");
    assert!(matches!(Server::bind(&nowhere), Err(BindError::Other(..))));
}

#[tokio::test]
async fn stopping_lets_an_order_end_even_if_its_giver_hung_up() {
    let mut daemon = daemon();
    let path = daemon.path.clone();
    let check = Order::Check { host: None };
    let hung_up = tokio::time::timeout(Duration::from_millis(100), client(&path).ask(&check)).await;
    assert!(hung_up.is_err());
    daemon.stop.cancel();
    daemon.tasks.join_next().await.unwrap().unwrap().unwrap();
    let ended = daemon.echo.seen.lock().unwrap().iter().any(|(order, _)| *order == Order::Tools);
    assert!(ended, "the order was dropped with its connection");
    assert!(!path.exists());
    assert!(matches!(client(&path).ask(&check).await, Err(NoAnswer::NotRunning(_))));
}

#[tokio::test]
async fn the_nearest_daemon_answers_and_absence_names_the_places() {
    let daemon = daemon();
    let none = daemon.path.with_file_name("none.sock");
    let both = Client::new(vec![none.clone(), daemon.path.clone()]);
    assert!(both.ask(&Order::Status).await.is_ok());
    let words = client(&none).ask(&Order::Status).await.unwrap_err().to_string();
    assert!(words.starts_with("reef is not running") && words.contains("none.sock"), "{words}");
    assert!(words.contains("reef run") && words.contains("--state"), "{words}");
}

const CHILD: &str = "REEF_TEST_SOCKET";

/// Runs in a process that the test below starts; does nothing otherwise.
#[tokio::test]
async fn as_a_child() {
    #[allow(
        clippy::disallowed_methods,
        reason = "the test that started this process says so by it"
    )]
    let Ok(path) = std::env::var(CHILD) else { return };
    let order = Order::Approve { id: ApprovalId(1), choice: None, typed: None };
    let denied = client(Path::new(&path)).ask(&order).await.unwrap_err();
    assert!(denied.to_string().contains("nothing that reef itself started"), "{denied}");
    assert!(client(Path::new(&path)).ask(&Order::Status).await.is_ok());
}

#[tokio::test]
async fn a_child_of_the_daemon_may_look_but_not_approve() {
    let daemon = daemon();
    let test = "control::server::tests::as_a_child";
    let own = std::env::current_exe().unwrap().display().to_string();
    let argv = [own, test.into(), "--exact".into(), "--nocapture".into()];
    let env = BTreeMap::from([(CHILD.to_owned(), daemon.path.display().to_string())]);
    let limits = process::Limits { timeout: Span::secs(30), max_output: 64 << 10 };
    let given = process::Given { stdin: Vec::new(), env };
    let child = process::run_raw(&argv, limits, &given).await.unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.code == Some(0) && said.contains("1 passed"), "{said}");
    let seen: Vec<Order> =
        daemon.echo.seen.lock().unwrap().iter().map(|(o, _)| o.clone()).collect();
    assert_eq!(seen, [Order::Status]);
}
