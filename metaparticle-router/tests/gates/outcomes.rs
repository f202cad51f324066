//! What a client sees of an application that is gone, hangs, is slow or breaks off: status, reason and metric.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use metaparticle_protocol::Token;
use metaparticle_router::{Config, Gate, Place, Unmatched};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};

use crate::{
    app::named,
    client::{connect, get, header},
    fake::{Process, gate, slot},
};

/// A server that does that with its n-th connection.
async fn raw<F, R>(serve: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for index in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(index, stream));
        }
    });
    address
}

/// Reads the head of a request, and its body if that is short.
async fn read(stream: &mut TcpStream) -> usize {
    let mut buffer = [0; 8192];
    stream.read(&mut buffer).await.unwrap_or(0)
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn quick() -> Config {
    let mut config = Config::default();
    config.response_timeout = Duration::from_millis(150);
    config.body_idle_timeout = Duration::from_millis(150);
    config
}

fn before(app: SocketAddr) -> (Arc<Process>, Gate) {
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app, quick());
    (process, gate)
}

#[track_caller]
fn refused(gate: &Gate, response: &Response<String>, status: u16, reason: &str) {
    assert_eq!(response.status(), status, "{response:?}");
    assert_eq!(header(response, "x-metaparticle-reason"), reason);
    let again = if status == 503 { "1" } else { "" };
    assert_eq!(header(response, "retry-after"), again, "{response:?}");
    let class = status / 100;
    let text = gate.metrics().text("a");
    let counted = format!("outcome=\"{reason}\",class=\"{class}xx\"}} 1\n");
    assert!(text.contains(&counted), "{text}");
}

#[tokio::test]
async fn a_killed_application_is_unreachable() {
    let app = named("a").await;
    let (_process, gate) = before(app.address);
    let mut client = connect(gate.address()).await;
    assert_eq!(client.get("/users/1").await.status(), 200);
    drop(app);
    time::sleep(Duration::from_millis(20)).await;
    let response = client.post("/users/1", "x").await;
    refused(&gate, &response, 503, "upstream-unreachable");
}

#[tokio::test]
async fn an_application_that_comes_back_is_found_again() {
    let app = named("a").await;
    let address = app.address;
    let (_process, gate) = before(address);
    let mut client = connect(gate.address()).await;
    assert_eq!(client.get("/users/1").await.status(), 200);
    drop(app);
    time::sleep(Duration::from_millis(20)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read(&mut stream).await;
        stream.write_all(ANSWER).await.unwrap();
        std::future::pending::<()>().await;
    });
    let response = client.post("/users/1", "x").await;
    assert_eq!(response.status(), 200, "{response:?}");
}

#[tokio::test]
async fn a_hanging_application_is_waited_for_as_long_as_configured() {
    let address = raw(|_, mut stream| async move {
        read(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (process, gate) = before(address);
    let begun = time::Instant::now();
    let response = get(gate.address(), "/users/1").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    refused(&gate, &response, 504, "upstream-timeout");
    assert_eq!(*process.under_way(slot(1)).borrow(), 0);
}

#[tokio::test]
async fn an_application_that_stops_in_the_middle_of_a_body_breaks_the_response() {
    let address = raw(|_, mut stream| async move {
        read(&mut stream).await;
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart";
        stream.write_all(part).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (process, gate) = before(address);
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    let _ = time::timeout(Duration::from_secs(2), stream.read_to_end(&mut reply))
        .await
        .expect("the connection ends");
    assert!(reply.ends_with(b"part"), "{reply:?}");
    assert_eq!(*process.under_way(slot(1)).borrow(), 0);
    let text = gate.metrics().text("a");
    assert!(
        text.contains("outcome=\"upstream-timeout\",class=\"2xx\"} 1\n"),
        "{text}"
    );
}

/// An application that breaks off the first `broken` requests after it has read them, and how many it read.
async fn breaking(broken: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let address = raw(move |_, mut stream| {
        let count = count.clone();
        async move {
            while read(&mut stream).await > 0 {
                if count.fetch_add(1, Ordering::SeqCst) < broken {
                    return;
                }
                stream.write_all(ANSWER).await.unwrap();
            }
        }
    })
    .await;
    (address, seen)
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_once_when_the_connection_breaks() {
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (address, seen) = breaking(1).await;
        let (_process, gate) = before(address);
        let request = Request::builder().method(method).uri("/users/1");
        let request = request.body(Full::<Bytes>::from("body")).unwrap();
        let response = connect(gate.address()).await.send(request).await;
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(seen.load(Ordering::SeqCst), 2);
        let text = gate.metrics().text("a");
        assert!(text.contains("retries_total{shard=\"a\"} 1\n"), "{text}");
    }
}

#[tokio::test]
async fn an_idempotent_request_is_not_sent_a_third_time() {
    let (address, seen) = breaking(5).await;
    let (_process, gate) = before(address);
    let response = get(gate.address(), "/users/1").await;
    refused(&gate, &response, 502, "upstream-failed");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let (address, seen) = breaking(1).await;
    let (_process, gate) = before(address);
    let response = connect(gate.address()).await.post("/users/1", "x").await;
    refused(&gate, &response, 502, "upstream-failed");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_no_answer() {
    let address = raw(|_, mut stream| async move {
        read(&mut stream).await;
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
    })
    .await;
    let (_process, gate) = before(address);
    let response = connect(gate.address()).await.post("/users/1", "x").await;
    refused(&gate, &response, 502, "upstream-failed");
}

#[tokio::test]
async fn a_slot_that_is_lost_in_the_middle_sends_only_what_may_be_repeated_elsewhere() {
    let address = raw(|_, mut stream| async move {
        read(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    for (method, served) in [(Method::PUT, true), (Method::POST, false)] {
        let mut config = quick();
        config.response_timeout = Duration::from_secs(5);
        let process = Process::new("a");
        process.serves(slot(1), 1);
        let gate_a = gate(&process, address, config);
        let other = Process::new("b");
        other.serves(slot(1), 2);
        let app = named("b").await;
        let gate_b = gate(&other, app.address, quick());
        let request = Request::builder().method(method).uri("/users/1");
        let request = request.body(Full::<Bytes>::from("body")).unwrap();
        let mut client = connect(gate_a.address()).await;
        let mut under_way = process.under_way(slot(1));
        let lost = async {
            under_way.wait_for(|open| *open == 1).await.unwrap();
            time::sleep(Duration::from_millis(20)).await;
            let peer = other.peer(gate_b.address());
            process.gives_up(slot(1), Place::Peer(peer, Token(2)));
        };
        let (response, ()) = tokio::join!(client.send(request), lost);
        if served {
            assert_eq!(header(&response, "x-served-by"), "b", "{response:?}");
        } else {
            refused(&gate_a, &response, 503, "cut");
        }
    }
}

#[tokio::test]
async fn what_nobody_owns_or_can_prove_is_refused_with_the_reason() {
    let app = named("a").await;
    let places = [
        (Place::Nobody, "no-owner"),
        (Place::Unproven, "ownership-unproven"),
        (Place::NoMap, "no-map"),
    ];
    for (place, reason) in places {
        let process = Process::new("a");
        process.sees(slot(1), place);
        let gate = gate(&process, app.address, quick());
        let response = get(gate.address(), "/users/1").await;
        refused(&gate, &response, 503, reason);
    }
}

#[tokio::test]
async fn what_a_read_proves_again_is_served() {
    let app = named("a").await;
    let process = Process::new("a");
    process.sees(slot(1), Place::Unproven);
    process.news.lock().unwrap().push((slot(1), Place::Here, 1));
    let gate = gate(&process, app.address, quick());
    let response = get(gate.address(), "/users/1").await;
    assert_eq!(header(&response, "x-served-by"), "a", "{response:?}");
}

#[tokio::test]
async fn a_request_without_a_key_is_refused_if_so_configured() {
    let app = named("a").await;
    let mut config = quick();
    config.unmatched = Unmatched::NotFound;
    let gate = gate(&Process::new("a"), app.address, config);
    let response = get(gate.address(), "/health").await;
    refused(&gate, &response, 404, "no-key");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_said_or_not() {
    let app = named("a").await;
    let mut config = quick();
    config.max_body_bytes = Some(10);
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, config);
    let mut client = connect(gate.address()).await;
    let response = client.post("/users/1", "eleven byte").await;
    refused(&gate, &response, 413, "body-too-large");
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = "POST /users/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
        .write_all(b"b\r\neleven byte\r\n0\r\n\r\n")
        .await
        .unwrap();
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_a_body_is_told() {
    let app = named("a").await;
    let (process, gate) = before(app.address);
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = b"POST /users/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\npart";
    stream.write_all(request).await.unwrap();
    let mut reply = [0; 12];
    let read = time::timeout(Duration::from_secs(2), stream.read_exact(&mut reply));
    read.await.unwrap().unwrap();
    assert_eq!(&reply, b"HTTP/1.1 408");
    assert_eq!(*process.under_way(slot(1)).borrow(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let address = raw(|_, mut stream| async move {
        read(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, address, Config::default());
    let mut stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = b"POST /users/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\npart";
    stream.write_all(request).await.unwrap();
    let mut under_way = process.under_way(slot(1));
    under_way.wait_for(|open| *open == 1).await.unwrap();
    drop(stream);
    let ended = under_way.wait_for(|open| *open == 0);
    time::timeout(Duration::from_secs(2), ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_body_longer_than_is_kept_is_sent_once() {
    const LENGTH: usize = 300_000;
    for (length, times) in [(LENGTH, 1), (30_000, 2)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let address = raw(move |_, mut stream| {
            let count = count.clone();
            async move {
                let mut taken = 0;
                while taken < length {
                    taken += read(&mut stream).await;
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
        .await;
        let (_process, gate) = before(address);
        let request = Request::put("/users/1");
        let request = request
            .body(Full::<Bytes>::from(vec![b'x'; length]))
            .unwrap();
        let response = connect(gate.address()).await.send(request).await;
        refused(&gate, &response, 502, "upstream-failed");
        assert_eq!(seen.load(Ordering::SeqCst), times);
    }
}
