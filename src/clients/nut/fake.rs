//! A upsd that keeps state, for tests: its UPSes can be set and unplugged while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The variables of each UPS; none for one whose driver is gone.
type Upses = Arc<Mutex<BTreeMap<String, Option<BTreeMap<String, String>>>>>;

/// The server; it ends when this is dropped.
pub(crate) struct Upsd {
    port: u16,
    upses: Upses,
    _task: JoinSet<()>,
}

impl Upsd {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upses = Upses::default();
        let mut task = JoinSet::new();
        let shared = Arc::clone(&upses);
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared).await;
            }
        });
        Self { port, upses, _task: task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, ups: &str, variables: &[(&str, &str)]) {
        let of = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.upses.lock().unwrap().insert(ups.to_owned(), Some(of));
    }

    pub(crate) fn unplug(&self, ups: &str) {
        self.upses.lock().unwrap().insert(ups.to_owned(), None);
    }
}

async fn serve(stream: TcpStream, upses: &Upses) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["LIST", "VAR", ups] => match upses.lock().unwrap().get(ups) {
                None => "ERR UNKNOWN-UPS\n".to_owned(),
                Some(None) => "ERR DRIVER-NOT-CONNECTED\n".to_owned(),
                Some(Some(variables)) => {
                    let mut answer = format!("BEGIN LIST VAR {ups}\n");
                    for (name, value) in variables {
                        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                        answer.push_str(&format!("VAR {ups} {name} \"{value}\"\n"));
                    }
                    answer + &format!("END LIST VAR {ups}\n")
                }
            },
            ["LOGOUT"] => "OK Goodbye\n".to_owned(),
            _ => "ERR UNKNOWN-COMMAND\n".to_owned(),
        };
        let done = lines.get_mut().write_all(answer.as_bytes()).await.is_err();
        if done || line == "LOGOUT" {
            return;
        }
    }
}
