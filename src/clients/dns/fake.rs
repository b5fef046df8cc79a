//! A name server on loopback, for tests.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Answers by the first label of the name: `ok` has an A record, `six` only AAAA, `empty` nothing,
/// `none` does not exist, `denied` is refused, `broken` fails, `mute` gets no answer.
pub(crate) async fn serve() -> (SocketAddr, JoinSet<()>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = socket.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut query = [0; 1_024];
        while let Ok((n, from)) = socket.recv_from(&mut query).await {
            if let Some(reply) = reply(&query[..n]) {
                let _gone = socket.send_to(&reply, from).await;
            }
        }
    });
    (at, tasks)
}

/// The reply's bytes (RFC 1035, 4.1): the question back, the code, perhaps one record.
fn reply(query: &[u8]) -> Option<Vec<u8>> {
    let label_len = usize::from(query[12]);
    let label = std::str::from_utf8(&query[13..13 + label_len]).ok()?;
    let name_len = query[12..].iter().position(|b| *b == 0)? + 1;
    let question_end = 12 + name_len + 4;
    let asks_aaaa = query[question_end - 3] == 28;
    let (code, data): (u8, Option<Vec<u8>>) = match label {
        "mute" => return None,
        "ok" if !asks_aaaa => (0, Some(vec![192, 0, 2, 1])),
        "six" if asks_aaaa => (0, Some([&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[1]].concat())),
        "none" => (3, None),
        "denied" => (5, None),
        "broken" => (2, None),
        _ => (0, None),
    };
    let mut out = query[..question_end].to_vec();
    out[2] = 0x81;
    out[3] = 0x80 | code;
    out[6..12].copy_from_slice(&[0, u8::from(data.is_some()), 0, 0, 0, 0]);
    if let Some(data) = data {
        let kind = if asks_aaaa { 28 } else { 1 };
        out.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).ok()?]);
        out.extend(data);
    }
    Some(out)
}
