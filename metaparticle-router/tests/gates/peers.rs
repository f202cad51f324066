//! Connections between gates: who is at the other end, and what a stranger may not say.

use std::{sync::Arc, time::Duration};

use http::Version;
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Gate, Place};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    app::{self, named},
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

/// A gate that takes slot 1 to be at `address`, of a process with `session`.
async fn sender(address: std::net::SocketAddr, session: &str) -> (Arc<Process>, Gate) {
    let process = Process::new("a");
    let owner = Process::new("b");
    owner.with_session(Some(session));
    process.sees(slot(1), Place::Peer(owner.peer(address), Token(1)));
    let app = named("a").await;
    let gate = gate(&process, app.address, Config::default());
    (process, gate)
}

/// The owner of slot 1.
async fn owner() -> (Arc<Process>, app::App, Gate) {
    let process = Process::new("b");
    process.serves(slot(1), 1);
    let app = named("b").await;
    let gate = gate(&process, app.address, Config::default());
    (process, app, gate)
}

#[tokio::test]
async fn another_process_at_a_peers_address_gets_no_request() {
    let (process, _app, there) = owner().await;
    let (_sender, here) = sender(there.address(), "session-of-another").await;
    let response = get(here.address(), "/users/1").await;
    assert_eq!(response.status(), 503);
    assert_eq!(
        header(&response, "x-metaparticle-reason"),
        "upstream-unreachable"
    );
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(*process.under_way(slot(1)).borrow(), 0);
    assert!(!there.metrics().text("b").contains("requests_total{"));
}

#[tokio::test]
async fn another_application_at_a_peers_address_gets_no_request() {
    let (process, _app, there) = owner().await;
    process.with_key(Some(b"of another application"));
    let (_sender, here) = sender(there.address(), "session-of-b").await;
    let response = get(here.address(), "/users/1").await;
    assert_eq!(
        header(&response, "x-metaparticle-reason"),
        "upstream-unreachable"
    );
    assert!(!there.metrics().text("b").contains("requests_total{"));
}

#[tokio::test]
async fn a_plain_server_at_a_peers_address_gets_no_request() {
    let (_sender, here) = sender(named("x").await.address, "session-of-b").await;
    let response = get(here.address(), "/users/1").await;
    assert_eq!(
        header(&response, "x-metaparticle-reason"),
        "upstream-unreachable"
    );
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_costs_the_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, here) = sender(silent.local_addr().unwrap(), "session-of-b").await;
    let begun = tokio::time::Instant::now();
    let response = get(here.address(), "/users/1").await;
    assert_eq!(
        header(&response, "x-metaparticle-reason"),
        "upstream-unreachable"
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_request_after_a_forged_hello_is_not_read() {
    let (_process, _app, there) = owner().await;
    // What a client sends in its place is no hello, and no request either.
    let mut stream = TcpStream::connect(there.address()).await.unwrap();
    stream.write_all(b"METAPARTICLE/1\r\n").await.unwrap();
    stream.write_all(&[7; 32]).await.unwrap();
    stream.write_all(&[7; 32]).await.unwrap();
    stream
        .write_all(
            b"GET /users/1 HTTP/1.1\r\nhost: x\r\nx-metaparticle-claim: 1 1 session-of-b\r\n\r\n",
        )
        .await
        .unwrap();
    let mut reply = Vec::new();
    let read = stream.read_to_end(&mut reply);
    let _ = tokio::time::timeout(Duration::from_secs(3), read).await;
    assert!(!reply.windows(4).any(|it| it == b"HTTP"), "{reply:?}");
    assert!(!there.metrics().text("b").contains("requests_total{"));
}

#[tokio::test]
async fn a_peer_that_hangs_is_given_up_when_its_slot_is_elsewhere() {
    let hanging = app::serve(Version::HTTP_11, |_| std::future::pending()).await;
    let process = Process::new("b");
    process.serves(slot(1), 1);
    let there = gate(&process, hanging.address, Config::default());
    let (sender, here) = sender(there.address(), "session-of-b").await;
    let next = Process::new("c");
    next.serves(slot(1), 2);
    let app = named("c").await;
    let elsewhere = gate(&next, app.address, Config::default());

    let mut one = connect(here.address()).await;
    let mut other = connect(here.address()).await;
    let mut under_way = process.under_way(slot(1));
    let moved = async {
        under_way.wait_for(|open| *open == 2).await.unwrap();
        let peer = next.peer(elsewhere.address());
        sender.sees(slot(1), Place::Peer(peer, Token(2)));
    };
    let asked = async { tokio::join!(one.get("/users/1"), other.post("/users/1", "x"), moved) };
    let asked = tokio::time::timeout(Duration::from_secs(4), asked).await;
    let (got, posted, ()) = asked.expect("it is not waited for");
    assert_eq!(header(&got, "x-served-by"), "c", "{got:?}");
    // It may have been done: only the client knows whether it may be done twice.
    assert_eq!(posted.status(), 503, "{posted:?}");
    assert_eq!(header(&posted, "x-metaparticle-reason"), "cut");
    // The connections to it are closed: its request ends, too.
    let ended = under_way.wait_for(|open| *open == 0);
    tokio::time::timeout(Duration::from_secs(1), ended)
        .await
        .unwrap()
        .unwrap();
}
