//! Answers of a name server of our own.

use super::*;

#[tokio::test]
async fn each_answer_has_its_word() {
    let (at, _tasks) = fake::serve().await;
    let dns = Dns::new(Server::At(at), Span::secs(4));
    assert_eq!(dns.addresses("ok.example").await, Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    let six = dns.addresses("six.example.").await;
    assert_eq!(six, Ok(vec!["2001:db8::1".parse().unwrap()]));
    for (name, want) in [
        ("empty.example", "no-record"),
        ("none.example", "nxdomain"),
        ("denied.example", "denied"),
        ("broken.example", "servfail"),
    ] {
        let why = dns.addresses(name).await.unwrap_err();
        assert_eq!(why.word(), want, "{name}: {why:?}");
    }
}

#[tokio::test]
async fn silence_and_a_closed_port_are_told_apart() {
    let (at, _tasks) = fake::serve().await;
    let mute = Dns::new(Server::At(at), Span(300)).addresses("mute.example").await;
    assert_eq!(mute.map_err(|why| why.word()), Err("timeout"));
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = Dns::new(Server::At(closed), Span(400)).addresses("ok.example").await;
    assert_eq!(why.map_err(|why| why.word()), Err("refused"));
}

#[tokio::test]
async fn a_bad_name_is_an_error_and_no_panic() {
    let (at, _tasks) = fake::serve().await;
    let dns = Dns::new(Server::At(at), Span::secs(2));
    for name in ["", "a..b", &"x".repeat(300)] {
        assert!(dns.addresses(name).await.is_err(), "{name:?} has an address");
    }
}
