//! What servers say: name servers, web servers, certificates.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reef::clients::dns::{Dns, Server};
use reef::clients::http::url::WebUrl;
use reef::clients::http::{GetRequest, Http};
use reef::clients::tls::certificate;
use reef::model::time::Span;
use tokio::task::JoinSet;

use crate::mutate::{Dice, bytes, text, times};

#[test]
fn certificates() {
    let made = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    };
    let corpus = [made(&["a.example"]), made(&["b.example", "*.c.example", "127.0.0.1", "::1"])];
    let mut good = 0;
    bytes("certificates", 4_000, &corpus, |case| {
        if let Ok(leaf) = certificate::read(case) {
            assert!(leaf.names.len() <= 20 && leaf.issuer.as_str().len() <= 1_000, "{leaf:?}");
            good += 1;
        }
    });
    assert!(1 < good, "no damaged certificate was ever read");
}

#[test]
fn urls() {
    let corpus =
        ["https://u:p@h.example:8443/a/b?c=d#e", "http://[::1]:80/", "http://nas", "ftp://x"];
    text("urls", 3_000, &corpus, |case| {
        if let Ok(url) = WebUrl::parse(case) {
            assert_eq!(WebUrl::parse(url.whole()).as_ref(), Ok(&url), "{case:?}");
            drop(url.last_part());
        }
    });
}

/// A name server that answers each question with damage under the right number.
#[tokio::test]
async fn answers_of_name_servers() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let serving = std::thread::spawn(move || {
        let mut dice = Dice::new(5);
        let mut packet = [0; 2_048];
        while !stopped.load(Ordering::SeqCst) {
            let Ok((n, from)) = socket.recv_from(&mut packet) else { continue };
            let question = &packet[12.min(n)..n];
            // One A record, its name a pointer to the question (RFC 1035, 4.1.4).
            let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 9];
            let good = [&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], question, &record].concat();
            let answer = dice.damage(&[good]);
            drop(socket.send_to(&[&packet[..2], &answer].concat(), from));
        }
    });
    let mut asking = JoinSet::new();
    for n in 0..40 * times() {
        asking.spawn(async move {
            let dns = Dns::new(Server::At(at), Span(400));
            drop(dns.addresses(&format!("n{n}.example")).await);
        });
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    serving.join().unwrap();
}

/// A web server whose every reply is damaged: what probes, models and ways to the human all read.
#[tokio::test]
async fn replies_of_web_servers() {
    let good = [
        &b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"id\":\"x\",\"event\":\"message\"}"[..],
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 429 Too Many\r\nretry-after: 30\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\0",
    ]
    .map(<[u8]>::to_vec);
    let cases = 100 * times();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let serving = std::thread::spawn(move || {
        let mut dice = Dice::new(9);
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            drop(stream.set_read_timeout(Some(std::time::Duration::from_millis(200))));
            let mut head = [0; 4_096];
            drop(stream.read(&mut head));
            drop(stream.write_all(&dice.damage(&good)));
        }
    });
    let http = Http::new();
    let mut answered = 0;
    for _ in 0..cases {
        let request = GetRequest::new(WebUrl::parse(&url).unwrap(), Span(300));
        if let Ok(answer) = http.get(&request).await {
            assert!((100..1_000).contains(&answer.status), "{answer:?}");
            answered += 1;
        }
    }
    assert!(0 < answered, "no damaged reply was ever understood");
    stop.store(true, Ordering::SeqCst);
    // Wakes the accept.
    drop(std::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/x")));
    serving.join().unwrap();
}
