//! Clients that are slow, silent, or speak HTTP/2 or WebSocket.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Gate, Place};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};

use crate::{
    app::{self, App, named, text},
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

fn impatient() -> Config {
    let mut config = Config::default();
    config.head_timeout = Duration::from_millis(150);
    config.pool_idle_timeout = Duration::from_millis(200);
    config.client_idle_timeout = Duration::from_millis(400);
    config
}

async fn serving(config: Config) -> (Arc<Process>, App, Gate) {
    let app = named("a").await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, config);
    (process, app, gate)
}

/// How long the gate keeps a connection on which that was sent.
async fn kept(gate: &Gate, sent: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let begun = Instant::now();
    let mut reply = Vec::new();
    let ended = time::timeout(Duration::from_secs(3), stream.read_to_end(&mut reply));
    let _ = ended.await.expect("the connection ends");
    begun.elapsed()
}

#[tokio::test]
async fn who_does_not_get_to_the_end_of_a_head_is_not_waited_for() {
    let (_process, _app, gate) = serving(impatient()).await;
    let whole = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let sent = [
        "",
        "GET",
        "GET /users/1 HTTP/1.1\r\nhost:",
        "PRI * HT",
        "METAPARTICLE/1\r\n",
    ];
    for sent in sent {
        let took = kept(&gate, sent.as_bytes()).await;
        assert!(took >= Duration::from_millis(140), "{sent:?}: {took:?}");
        assert!(took < Duration::from_millis(380), "{sent:?}: {took:?}");
    }
    // Nor is who did once.
    let took = kept(&gate, format!("{whole}GET /us").as_bytes()).await;
    assert!(took < Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_make_a_head_last_longer() {
    let (_process, _app, gate) = serving(impatient()).await;
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    for byte in b"GET /users/1 HTTP/1.1\r\nhost: x\r\nx: aaaaaaaaaaaaaaaaaaaaaaaa" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sent += 1;
        time::sleep(Duration::from_millis(20)).await;
    }
    assert!(sent < 40, "{sent} bytes in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_without_requests_is_kept_longer_than_a_head_and_then_closed() {
    let (_process, _app, gate) = serving(impatient()).await;
    let whole = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let took = kept(&gate, whole).await;
    assert!(took >= Duration::from_millis(390), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_is_kept() {
    let app = app::serve(Version::HTTP_11, |_| async {
        time::sleep(Duration::from_millis(900)).await;
        Response::new(text("late"))
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, impatient());
    assert_eq!(get(gate.address(), "/users/1").await.body(), "late");
}

#[tokio::test]
async fn http2_reaches_the_owner_and_its_trailers_come_back() {
    let app = app::serve(Version::HTTP_2, |request: Request<Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        let (parts, body) = request.into_parts();
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-sum"], "5");
        let (sender, body) = app::channel();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        tokio::spawn(async move {
            let data = http_body::Frame::data(collected.to_bytes());
            sender.send(data).await.unwrap();
            let trailers = http_body::Frame::trailers(trailers);
            sender.send(trailers).await.unwrap();
        });
        Response::builder()
            .header("x-authority", parts.uri.authority().unwrap().as_str())
            .header("content-type", "application/grpc")
            .body(body)
            .unwrap()
    })
    .await;
    let owner = Process::new("a");
    owner.serves(slot(1), 1);
    let there = gate(&owner, app.address, Config::default());
    let sender = Process::new("b");
    sender.sees(slot(1), Place::Peer(owner.peer(there.address()), Token(1)));
    let here = gate(&sender, app.address, Config::default());
    for gate in [&there, &here] {
        let stream = TcpStream::connect(gate.address()).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (client, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let calls = (0..20).map(|_| {
            let mut client = client.clone();
            async move {
                let (parts, body) = app::channel();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("x-sum", "5".parse().unwrap());
                let request = Request::post("http://app.example/users/1/call")
                    .header("te", "trailers")
                    .header("content-type", "application/grpc+proto")
                    .body(body)
                    .unwrap();
                let sent = tokio::spawn(async move { client.send_request(request).await });
                let data = http_body::Frame::data(Bytes::from_static(b"hello"));
                parts.send(data).await.unwrap();
                let trailers = http_body::Frame::trailers(trailers);
                parts.send(trailers).await.unwrap();
                drop(parts);
                let response = sent.await.unwrap().unwrap();
                assert_eq!(header(&response, "x-authority"), "app.example");
                let body = response.into_body().collect().await.unwrap();
                assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
                assert_eq!(body.to_bytes(), "hello");
            }
        });
        let calls: Vec<_> = calls.map(tokio::spawn).collect();
        for call in calls {
            call.await.unwrap();
        }
    }
}

#[tokio::test]
async fn http2_reaches_an_application_of_http1() {
    let (_process, _app, gate) = serving(Config::default()).await;
    let stream = TcpStream::connect(gate.address()).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut client, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://app.example/users/1")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(body.starts_with("a GET /users/1 0\n"), "{body}");
    assert!(body.contains("host: app.example\n"), "{body}");
}

/// An application that upgrades, and sends back what it gets.
async fn echo() -> App {
    app::serve(
        Version::HTTP_11,
        |mut request: Request<Incoming>| async move {
            assert_eq!(request.headers()["upgrade"], "websocket");
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut buffer = [0; 1024];
                loop {
                    match stream.read(&mut buffer).await {
                        Ok(length) if length > 0 => {
                            stream.write_all(&buffer[..length]).await.unwrap();
                        }
                        _ => return,
                    }
                }
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                .body(text(""))
                .unwrap()
        },
    )
    .await
}

async fn websocket(gate: &Gate) -> TokioIo<hyper::upgrade::Upgraded> {
    let stream = TcpStream::connect(gate.address()).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get("/users/1/socket")
        .header("host", "app.example")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 101, "{response:?}");
    assert_eq!(header(&response, "upgrade"), "websocket");
    assert_eq!(
        header(&response, "sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    TokioIo::new(hyper::upgrade::on(response).await.unwrap())
}

#[tokio::test]
async fn a_websocket_passes_two_gates_and_is_cut_when_its_slot_moves() {
    let app = echo().await;
    let owner = Process::new("a");
    owner.serves(slot(1), 1);
    let there = gate(&owner, app.address, Config::default());
    let sender = Process::new("b");
    sender.sees(slot(1), Place::Peer(owner.peer(there.address()), Token(1)));
    let here = gate(&sender, app.address, Config::default());
    for gate in [&there, &here] {
        let mut socket = websocket(gate).await;
        for text in [&b"one"[..], b"another"] {
            socket.write_all(text).await.unwrap();
            let mut back = vec![0; text.len()];
            socket.read_exact(&mut back).await.unwrap();
            assert_eq!(back, text);
        }
    }
    let mut socket = websocket(&here).await;
    assert!(*owner.under_way(slot(1)).borrow() >= 1);
    let mut under_way = owner.under_way(slot(1));
    let begun = Instant::now();
    owner.begins_to_drain(slot(1));
    let mut rest = Vec::new();
    let _ = time::timeout(Duration::from_secs(2), socket.read_to_end(&mut rest))
        .await
        .expect("it is cut");
    assert!(begun.elapsed() < Duration::from_millis(500));
    let ended = under_way.wait_for(|open| *open == 0);
    time::timeout(Duration::from_secs(1), ended)
        .await
        .unwrap()
        .unwrap();
    let text = there.metrics().text("a");
    assert!(text.contains("cut_total{shard=\"a\"} 1\n"), "{text}");
}

#[tokio::test]
async fn a_gate_that_shuts_down_finishes_what_is_under_way() {
    let app = app::serve(Version::HTTP_11, |_| async {
        time::sleep(Duration::from_millis(200)).await;
        Response::new(text("late"))
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, Config::default());
    let address = gate.address();
    let mut idle = connect(address).await;
    idle.get("/health").await;
    let mut client = connect(address).await;
    let mut under_way = process.under_way(slot(1));
    let shut = async {
        under_way.wait_for(|open| *open == 1).await.unwrap();
        let begun = Instant::now();
        gate.shutdown(Duration::from_secs(5)).await;
        begun.elapsed()
    };
    let (response, took) = tokio::join!(client.get("/users/1"), shut);
    assert_eq!(response.body(), "late");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_gate_that_shuts_down_cuts_what_takes_too_long() {
    let app = app::serve(Version::HTTP_11, |_| std::future::pending()).await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, Config::default());
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut under_way = process.under_way(slot(1));
    under_way.wait_for(|open| *open == 1).await.unwrap();
    let begun = Instant::now();
    gate.shutdown(Duration::from_millis(100)).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(*under_way.borrow_and_update(), 0);
}
