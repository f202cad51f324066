//! Long responses: what they hold, when they are cut, and what comes at their end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use metaparticle_router::{Config, Gate};
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
    time::{self, Instant},
};

use crate::{
    app::{self, App, channel, text},
    client::{connect, get},
    fake::{Process, gate, slot},
};

type Parts = mpsc::Sender<Frame<Bytes>>;

/// An application whose responses come in parts: the test gets a sender for each.
async fn in_parts(version: Version) -> (App, mpsc::Receiver<Parts>) {
    let (sender, receiver) = mpsc::channel(8);
    let app = app::serve(version, move |_| {
        let sender = sender.clone();
        async move {
            let (parts, body) = channel();
            sender.send(parts).await.unwrap();
            Response::builder()
                .header("trailer", "x-sum")
                .header("content-type", "application/grpc")
                .body(body)
                .unwrap()
        }
    })
    .await;
    (app, receiver)
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

fn serving(app: &App) -> (Arc<Process>, Gate) {
    let mut config = Config::default();
    config.stream_drain = Duration::from_millis(100);
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, app.address, config);
    (process, gate)
}

/// Begins a request and gives its response, whose head is there.
async fn begin(gate: &Gate, version: Version) -> Response<Incoming> {
    let stream = TcpStream::connect(gate.address()).await.unwrap();
    let request = Request::get("http://app.example/users/1")
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    let io = TokioIo::new(stream);
    if version == Version::HTTP_2 {
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = request.header("host", "app.example");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        // Dropped, it would end the connection.
        tokio::spawn(async move {
            let _ = sender.ready().await;
        });
        response
    }
}

async fn part(response: &mut Response<Incoming>) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    let frame = time::timeout(Duration::from_secs(5), response.frame());
    frame.await.expect("a part within 5 s")
}

#[tokio::test]
async fn a_slot_is_held_until_its_responses_have_ended() {
    let (app, mut requests) = in_parts(Version::HTTP_11).await;
    let (process, gate) = serving(&app);
    let (response, parts) = tokio::join!(begin(&gate, Version::HTTP_11), requests.recv());
    let (mut response, parts) = (response, parts.unwrap());
    parts.send(data("one")).await.unwrap();
    assert_eq!(
        part(&mut response)
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        "one"
    );
    assert_eq!(*process.under_way(slot(1)).borrow(), 1);
    parts.send(data("two")).await.unwrap();
    drop(parts);
    assert_eq!(
        part(&mut response)
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        "two"
    );
    assert!(part(&mut response).await.is_none());
    let mut under_way = process.under_way(slot(1));
    let ended = under_way.wait_for(|open| *open == 0);
    time::timeout(Duration::from_secs(1), ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn trailers_reach_the_client() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (app, mut requests) = in_parts(version).await;
        let (_process, gate) = serving(&app);
        let (response, parts) = tokio::join!(begin(&gate, version), requests.recv());
        let (mut response, parts) = (response, parts.unwrap());
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "17".parse().unwrap());
        parts.send(data("one")).await.unwrap();
        parts.send(Frame::trailers(trailers.clone())).await.unwrap();
        assert!(part(&mut response).await.unwrap().unwrap().is_data());
        let last = part(&mut response).await.unwrap().unwrap();
        assert_eq!(last.into_trailers().unwrap(), trailers, "{version:?}");
    }
}

#[tokio::test]
async fn a_long_response_is_cut_a_while_after_its_slot_began_to_move() {
    let (app, mut requests) = in_parts(Version::HTTP_11).await;
    let (process, gate) = serving(&app);
    let (response, parts) = tokio::join!(begin(&gate, Version::HTTP_11), requests.recv());
    let (mut response, parts) = (response, parts.unwrap());
    parts.send(data("one")).await.unwrap();
    part(&mut response).await.unwrap().unwrap();
    let begun = Instant::now();
    process.begins_to_drain(slot(1));
    // It is not cut at once: what is nearly done is done.
    time::sleep(Duration::from_millis(20)).await;
    parts.send(data("two")).await.unwrap();
    part(&mut response).await.unwrap().unwrap();
    assert!(part(&mut response).await.unwrap().is_err());
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
    let text = gate.metrics().text("a");
    assert!(text.contains("cut_total{shard=\"a\"} 1\n"), "{text}");
    assert!(
        text.contains("outcome=\"cut\",class=\"2xx\"} 1\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_slot_that_is_lost_cuts_its_responses_at_once() {
    let (app, mut requests) = in_parts(Version::HTTP_11).await;
    let (process, gate) = serving(&app);
    let (response, parts) = tokio::join!(begin(&gate, Version::HTTP_11), requests.recv());
    let (mut response, parts) = (response, parts.unwrap());
    parts.send(data("one")).await.unwrap();
    part(&mut response).await.unwrap().unwrap();
    let begun = Instant::now();
    process.loses(slot(1));
    assert!(part(&mut response).await.unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_millis(90));
}

#[tokio::test]
async fn a_call_of_grpc_ends_as_unavailable_when_its_slot_moves() {
    let (app, mut requests) = in_parts(Version::HTTP_2).await;
    let (process, gate) = serving(&app);
    let (response, parts) = tokio::join!(begin(&gate, Version::HTTP_2), requests.recv());
    let (mut response, parts) = (response, parts.unwrap());
    parts.send(data("one")).await.unwrap();
    part(&mut response).await.unwrap().unwrap();
    process.begins_to_drain(slot(1));
    let trailers = part(&mut response).await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "14");
}

#[tokio::test]
async fn a_reader_who_does_not_read_holds_its_slot_no_longer_than_others() {
    let app = app::serve(Version::HTTP_11, |_| async {
        Response::new(text(vec![b'x'; 64 << 20]))
    })
    .await;
    let (process, gate) = serving(&app);
    let response = begin(&gate, Version::HTTP_11).await;
    time::sleep(Duration::from_millis(150)).await;
    assert_eq!(*process.under_way(slot(1)).borrow(), 1);
    process.begins_to_drain(slot(1));
    let mut under_way = process.under_way(slot(1));
    let ended = under_way.wait_for(|open| *open == 0);
    time::timeout(Duration::from_millis(900), ended)
        .await
        .unwrap()
        .unwrap();
    drop(response);
}

#[tokio::test]
async fn a_slow_reader_keeps_nobody_else_waiting() {
    let app = app::serve(Version::HTTP_11, |request| async move {
        let slow = request.uri().path().ends_with("slow");
        let length = if slow { 64 << 20 } else { 10 };
        Response::new(text(vec![b'x'; length]))
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    // One thread, so that both requests find the same pool.
    let keys = metaparticle_router::KeySource::path("/users/{id}/*").unwrap();
    let gate = Gate::builder(process.clone(), app.address, keys, Config::default())
        .threads(std::num::NonZeroUsize::MIN)
        .start("127.0.0.1:0".parse().unwrap())
        .unwrap();
    assert_eq!(get(gate.address(), "/users/1/quick").await.body().len(), 10);
    let mut slow = TcpStream::connect(gate.address()).await.unwrap();
    let request = b"GET /users/1/slow HTTP/1.1\r\nhost: x\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut slow, request)
        .await
        .unwrap();
    slow.readable().await.unwrap();
    let mut client = connect(gate.address()).await;
    for _ in 0..20 {
        let quick = time::timeout(Duration::from_millis(500), client.get("/users/1/quick"));
        assert_eq!(quick.await.unwrap().body().len(), 10);
    }
}

#[tokio::test]
async fn connections_to_the_application_are_used_again() {
    let connections = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, from) = listener.accept().await.unwrap();
            seen.lock().await.insert(from);
            let service = hyper::service::service_fn(|_| async {
                Ok::<_, std::convert::Infallible>(Response::new(text("x")))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let gate = gate(&process, address, Config::default());
    let mut client = connect(gate.address()).await;
    for _ in 0..50 {
        client.get("/users/1").await;
        client.post("/users/1", "text").await;
    }
    assert_eq!(connections.lock().await.len(), 1);
}

async fn length(mut body: Incoming) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

/// A client of HTTP/2.
async fn http2(gate: &Gate) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(gate.address()).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    sender
}

fn call(path: &str) -> Request<Full<Bytes>> {
    Request::post(format!("http://app.example{path}"))
        .header("content-type", "application/grpc")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn streams_that_stand_still_leave_room_on_a_shared_connection() {
    let app = app::serve(Version::HTTP_2, |request| async move {
        let slow = request.uri().path().ends_with("slow");
        let length = if slow { 8 << 20 } else { 10 };
        Response::new(text(vec![b'x'; length]))
    })
    .await;
    let process = Process::new("a");
    process.serves(slot(1), 1);
    let keys = metaparticle_router::KeySource::path("/users/{id}/*").unwrap();
    let gate = Gate::builder(process.clone(), app.address, keys, Config::default())
        .threads(std::num::NonZeroUsize::MIN)
        .start("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let mut standing = Vec::new();
    for _ in 0..20 {
        let response = http2(&gate).await.send_request(call("/users/1/slow")).await;
        standing.push(response.unwrap());
    }
    time::sleep(Duration::from_millis(100)).await;
    let mut client = http2(&gate).await;
    for _ in 0..10 {
        let quick = async {
            let response = client.send_request(call("/users/1/quick")).await;
            length(response.unwrap().into_body()).await
        };
        let quick = time::timeout(Duration::from_secs(2), quick).await;
        assert_eq!(quick.expect("it does not wait for others"), 10);
    }
}

#[tokio::test]
async fn a_response_of_http2_is_cut_with_the_code_for_that() {
    let (app, mut requests) = in_parts(Version::HTTP_11).await;
    let (process, gate) = serving(&app);
    let mut client = http2(&gate).await;
    let request = Request::get("http://app.example/users/1");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (response, parts) = tokio::join!(client.send_request(request), requests.recv());
    let (mut response, parts) = (response.unwrap(), parts.unwrap());
    parts.send(data("one")).await.unwrap();
    part(&mut response).await.unwrap().unwrap();
    process.loses(slot(1));
    let error = part(&mut response).await.unwrap().unwrap_err();
    let error = std::error::Error::source(&error).unwrap();
    let error = error.downcast_ref::<h2::Error>().unwrap();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
}
