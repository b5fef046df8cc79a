//! Servers that break the protocol, and one that follows it. The real ones are in `tests/it`.

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::clients::answer::within;
use crate::model::time::Span;

/// A server that sends `says` one after another, each once it was asked, then closes.
async fn serve(says: Vec<Vec<u8>>) -> (Mysql, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4_096];
        for (n, say) in says.into_iter().enumerate() {
            if 0 < n && stream.read(&mut buffer).await.is_ok_and(|n| n == 0) {
                return;
            }
            let _gone = stream.write_all(&say).await;
        }
    });
    let place = Place::Tcp { host: "127.0.0.1".into(), port };
    let encryption = Encryption::Off;
    (Mysql { place, user: "reef".into(), password: None, encryption }, tasks)
}

fn packet(number: u8, bytes: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    [&[a, b, c, number], bytes].concat()
}

fn hello(plugin: &str) -> Vec<u8> {
    let mut body = b"\x0a8.4.3\0\x01\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\xdf\x15".to_vec();
    body.extend_from_slice(&[0; 10]);
    body.extend_from_slice(b"ijklmnopqrst\0");
    body.extend_from_slice(plugin.as_bytes());
    body.push(0);
    packet(0, &body)
}

const OK: &[u8] = b"\0\0\0\x02\0\0\0";

#[tokio::test]
async fn what_a_server_does_wrong_has_its_word() {
    let native = || hello("mysql_native_password");
    let long = vec![0xff, 0xff, 0xff, 0];
    for (says, want) in [
        (vec![], "broken"),
        (vec![b"SSH-2.0-OpenSSH\r\n".to_vec()], "broken"),
        (vec![long.clone()], "broken"),
        (vec![packet(0, b"\xff\x10\x04Too many connections")], "busy"),
        (vec![packet(0, b"\xff\x6a\x04Host is not allowed")], "denied"),
        (vec![native(), packet(2, b"\xff\x15\x04#28000Access denied")], "denied"),
        (vec![native(), packet(2, b"\xfeclient_ed25519\0abc")], "denied"),
        (vec![hello("caching_sha2_password"), packet(2, b"\x01\x04")], "denied"),
        (vec![native(), packet(2, b"\x07what")], "broken"),
        (vec![native(), packet(2, OK), packet(1, b"\xfd\xff\xff\xff")], "broken"),
        (vec![native(), packet(2, OK), packet(1, b"\x01")], "broken"),
        (vec![native(), packet(2, OK), long], "broken"),
    ] {
        let shown = format!("{says:?}");
        let (mysql, _tasks) = serve(says).await;
        let why = within(Span::secs(5), mysql.look(Wanted::Nothing)).await.unwrap_err();
        assert_eq!(why.word(), want, "{shown}: {why}");
    }
    let (mut tls, _tasks) = serve(vec![native()]).await;
    tls.encryption = Encryption::Verified(None);
    let why = within(Span::secs(5), tls.look(Wanted::Nothing)).await.unwrap_err();
    assert!(["broken", "setup", "tls"].contains(&why.word()), "{why}");
}

#[tokio::test]
async fn an_answer_of_one_row_is_read() {
    let answer = |value: &[u8]| {
        let mut all = packet(1, b"\x01");
        let name = b"\x03def\0\0\0\x05Value\0\x0c\x2d\0\0\0\0\0\xfd\0\0\0\0\0";
        all.extend(packet(2, name));
        all.extend(packet(3, b"\xfe\0\0\x02\0"));
        let length = u8::try_from(value.len()).unwrap();
        all.extend(packet(4, &[&[length], value].concat()));
        all.extend(packet(5, b"\xfe\0\0\x02\0"));
        all
    };
    let none = packet(1, b"\0\0\0\x02\0\0\0");
    let unknown = packet(1, b"\xff\x28\x04#42000You have an error in your SQL syntax");
    let says = vec![
        hello("caching_sha2_password"),
        [packet(2, b"\x01\x03"), packet(3, OK)].concat(),
        answer(b"7"),
        answer(b"151"),
        unknown.clone(),
        none.clone(),
        none,
    ];
    let (mysql, _tasks) = serve(says).await;
    let seen = within(Span::secs(5), mysql.look(Wanted::Replicas)).await.unwrap();
    assert_eq!(seen.connections, Connections { used: 7, most: 151 });
    assert_eq!((seen.product.as_str(), seen.channels.len()), ("MySQL 8.4.3", 0));
}
