//! Long bodies through two gates, in a process of their own: what it needs of memory is measured.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../gates/app.rs"]
mod app;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../gates/fake.rs"]
mod fake;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Place};
use tokio::{net::TcpStream, sync::mpsc, time};

use self::{
    app::{Body, channel},
    fake::{Process, gate, slot},
};

type Parts = mpsc::Sender<Frame<Bytes>>;

/// A body of that many bytes in parts of 64 KiB.
async fn pour(parts: Parts, mut bytes: usize) {
    let part = Bytes::from(vec![b'x'; 64 << 10]);
    while bytes > 0 {
        let length = part.len().min(bytes);
        if parts.send(Frame::data(part.slice(..length))).await.is_err() {
            return;
        }
        bytes -= length;
    }
}

async fn length(mut body: Incoming) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// `METAPARTICLE_TEST_BULK_BYTES`, each way; 192 MiB unless it is set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_bodies_pass_both_ways_at_the_same_time_in_little_memory() {
    let bulk = std::env::var("METAPARTICLE_TEST_BULK_BYTES");
    let bulk = bulk.map_or(192 << 20, |bytes| bytes.parse().unwrap());
    let (taken, mut took) = mpsc::channel(1);
    let app = app::serve(Version::HTTP_11, move |request: Request<Incoming>| {
        let taken = taken.clone();
        async move {
            tokio::spawn(async move { taken.send(length(request.into_body()).await).await });
            let (parts, body) = channel();
            tokio::spawn(pour(parts, bulk));
            Response::new(body)
        }
    })
    .await;
    // Through two gates.
    let owner = Process::new("a");
    owner.serves(slot(1), 1);
    let there = gate(&owner, app.address, Config::default());
    let sender = Process::new("b");
    sender.sees(slot(1), Place::Peer(owner.peer(there.address()), Token(1)));
    let here = gate(&sender, app.address, Config::default());

    let before = resident();
    let stream = TcpStream::connect(here.address()).await.unwrap();
    let (mut client, connection) = http1::handshake::<_, Body>(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let (parts, body) = channel();
    let poured = tokio::spawn(pour(parts, bulk));
    let request = Request::post("/users/1").header("host", "x");
    let response = client
        .send_request(request.body(body).unwrap())
        .await
        .unwrap();
    let passed = async { tokio::join!(length(response.into_body()), took.recv(), poured) };
    let passed = time::timeout(Duration::from_secs(120), passed).await;
    let (given, took, poured) = passed.expect("it does not stand still");
    poured.unwrap();
    assert_eq!((given, took), (bulk, Some(bulk)));
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes more than before");
}
