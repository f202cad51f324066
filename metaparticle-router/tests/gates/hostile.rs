//! What is sent to smuggle, to forge or to exhaust, as bytes on a socket.

use std::{sync::Arc, time::Duration};

use metaparticle_router::{Config, Gate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    time,
};

use crate::{
    app::{self, App, named, text},
    fake::{Process, gate, slot},
};

async fn serving() -> (Arc<Process>, App, Gate) {
    let app = named("a").await;
    let process = Process::new("a");
    process.serves(slot(1), 7);
    let gate = gate(&process, app.address, Config::default());
    (process, app, gate)
}

/// Sends that; what comes back until the gate ends the connection.
async fn exchange(gate: &Gate, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    // The gate may have answered, and closed, before all is sent.
    let _ = stream.write_all(sent).await;
    let mut reply = Vec::new();
    let read = time::timeout(Duration::from_secs(3), stream.read_to_end(&mut reply));
    let _ = read.await.expect("the connection ends");
    String::from_utf8_lossy(&reply).into_owned()
}

/// A request of those lines, and one more behind it that asks to end the connection.
async fn answers(gate: &Gate, lines: &[&str], body: &str) -> String {
    let head = lines.join("\r\n");
    let next = "GET /users/1/next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    exchange(gate, format!("{head}\r\n\r\n{body}{next}").as_bytes()).await
}

#[tokio::test]
async fn what_is_ambiguous_is_refused() {
    let (_process, _app, gate) = serving().await;
    let post = "POST /users/1 HTTP/1.1";
    let cases: &[(&[&str], &str, &str)] = &[
        (&["GET /users/1 HTTP/1.1"], "", "400"),
        (&["GET /users/1 HTTP/1.1", "host: x", "host: y"], "", "400"),
        (&["GET /users/1 HTTP/1.1", "host: x", "host: x"], "", "400"),
        (&["CONNECT x:80 HTTP/1.1", "host: x"], "", "405"),
        (
            &[post, "host: x", "content-length: 3", "content-length: 4"],
            "abc",
            "400",
        ),
        (&[post, "host: x", "content-length: +3"], "abc", "400"),
        (&[post, "host: x", "content-length: 3, 3"], "abc", "400"),
        (
            &[post, "host: x", "transfer-encoding: gzip, chunked, gzip"],
            "abc",
            "400",
        ),
        (&[post, "host: x", "x: a", " folded"], "", "400"),
        (&[post, "host: x", "x : a"], "", "400"),
        (&[post, "host: x", "x: a\rb"], "", "400"),
        (&[post, "host: x", "x: a\0b"], "", "400"),
        (&[post, "host: x", "expect: 200-ok"], "", "417"),
    ];
    for (lines, body, status) in cases {
        let reply = answers(&gate, lines, body).await;
        let begin = format!("HTTP/1.1 {status} ");
        assert!(reply.starts_with(&begin), "{lines:?}: {reply}");
        assert!(
            !reply.contains("a POST") && !reply.contains("a GET /users/1 "),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_chunked_body_with_a_length_beside_it_hides_no_request() {
    let (_process, _app, gate) = serving().await;
    let lines = [
        "POST /users/1 HTTP/1.1",
        "host: x",
        "content-length: 6",
        "transfer-encoding: chunked",
    ];
    let smuggled = "0\r\n\r\nGET /users/1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let reply = answers(&gate, &lines, smuggled).await;
    assert!(!reply.contains("smuggled"), "{reply}");
    assert!(!reply.contains("/next"), "{reply}");
}

#[tokio::test]
async fn chunk_extensions_and_a_length_of_their_own_do_not_get_through() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = bodies.clone();
    let app = app::serve(http::Version::HTTP_11, move |request| {
        let seen = seen.clone();
        async move {
            let lengths = request.headers().get_all("content-length").iter().count();
            let body = http_body_util::BodyExt::collect(request.into_body()).await;
            seen.lock().await.push((lengths, body.unwrap().to_bytes()));
            http::Response::new(text("ok"))
        }
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, Config::default());
    let head = "POST /users/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = "3;x=\"\n\"\r\nabc\r\n0\r\n\r\n";
    exchange(&gate, format!("{head}{body}").as_bytes()).await;
    let body = "3;name=value\r\nabc\r\n0\r\n\r\n";
    let reply = exchange(&gate, format!("{head}{body}").as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let bodies = bodies.lock().await;
    assert_eq!(bodies.last().unwrap(), &(0, "abc".into()));
}

#[tokio::test]
async fn the_authority_of_a_target_replaces_the_host() {
    let (_process, _app, gate) = serving().await;
    let lines = [
        "GET http://real.example/users/1?q=1 HTTP/1.1",
        "host: forged.example",
    ];
    let reply = answers(&gate, &lines, "").await;
    assert!(reply.contains("a GET /users/1?q=1 0\n"), "{reply}");
    assert!(reply.contains("host: real.example\n"), "{reply}");
    assert!(!reply.contains("forged"), "{reply}");
}

#[tokio::test]
async fn a_forged_claim_does_not_choose_the_slot() {
    let (process, _app, gate) = serving().await;
    process.serves(slot(2), 9);
    let lines = [
        "GET /users/1 HTTP/1.1",
        "host: x",
        "X-Metaparticle-Claim: 2 9 session-of-a",
        "x-metaparticle-slot: 2",
        "x-metaparticle-token: 9",
        "x_metaparticle_token: 9",
    ];
    let reply = answers(&gate, &lines, "").await;
    let first = reply.split("/next").next().unwrap();
    assert!(first.contains("x-metaparticle-slot: 1\n"), "{reply}");
    assert!(first.contains("x-metaparticle-token: 7\n"), "{reply}");
    assert!(
        !first.contains(": 9\n") && !first.contains("laim"),
        "{reply}"
    );
}

#[tokio::test]
async fn an_application_cannot_speak_to_gates_through_its_responses() {
    let app = app::serve(http::Version::HTTP_11, |_| async {
        http::Response::builder()
            .header("x-metaparticle-turned", "moved")
            .header("x-metaparticle-reason", "no-owner")
            .header("connection", "x-private")
            .header("x-private", "1")
            .body(text("mine"))
            .unwrap()
    })
    .await;
    let owner = Process::new("a");
    owner.serves(slot(1), 1);
    let there = gate(&owner, app.address, Config::default());
    let sender = Process::new("b");
    let peer = owner.peer(there.address());
    let place = metaparticle_router::Place::Peer(peer, metaparticle_protocol::Token(1));
    sender.sees(slot(1), place);
    let here = gate(&sender, app.address, Config::default());
    for gate in [&there, &here] {
        let request = b"GET /users/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let reply = exchange(gate, request).await;
        assert!(reply.ends_with("mine"), "{reply}");
        assert!(
            !reply.contains("metaparticle") && !reply.contains("private"),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (_process, _app, gate) = serving().await;
    let long = format!("x: {}", "a".repeat(70_000));
    let reply = answers(&gate, &["GET /users/1 HTTP/1.1", "host: x", &long], "").await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    let mut lines = vec!["GET /users/1 HTTP/1.1".to_owned(), "host: x".to_owned()];
    lines.extend((0..120).map(|it| format!("x{it}: a")));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let reply = answers(&gate, &lines, "").await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn who_asks_whether_to_send_a_body_is_told_here() {
    let (_process, _app, gate) = serving().await;
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let head =
        "POST /users/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = [0; 25];
    let read = time::timeout(Duration::from_secs(1), stream.read_exact(&mut reply));
    read.await.unwrap().unwrap();
    assert_eq!(&reply, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let mut reply = vec![0; 4096];
    let length = stream.read(&mut reply).await.unwrap();
    let reply = String::from_utf8_lossy(&reply[..length]);
    assert!(reply.contains("a POST /users/1 4\n"), "{reply}");
    assert!(!reply.contains("expect"), "{reply}");
}

#[tokio::test]
async fn two_gates_do_not_share_an_address() {
    let (_process, app, first) = serving().await;
    let keys = metaparticle_router::KeySource::path("/users/{id}").unwrap();
    let again = Gate::builder(Process::new("b"), app.address, keys, Config::default())
        .start(first.address());
    let error = again.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen at 127.0.0.1:"), "{error}");
}
