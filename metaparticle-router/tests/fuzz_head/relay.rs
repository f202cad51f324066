//! A gate of two connections: what comes in is mended and goes on, and at the other end it is the same.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode, Uri, Version, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    client, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use metaparticle_router::{
    Config, KeySource, Reason,
    head::{self, Edge},
    wire,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::check;

/// What became of the requests of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) stories: u64,
    pub(super) passed: u64,
    pub(super) refused: u64,
    pub(super) with_key: u64,
    pub(super) upgrades: u64,
}

/// Request line and body.
type Told = (Method, Uri, Bytes);

/// Plays one connection.
pub(super) async fn play(bytes: Vec<u8>, config: &Config, keys: Arc<[KeySource]>) -> Counts {
    let address: IpAddr = check::ADDRESS.parse().expect("an address");
    let edge = Edge::client(address, false, config);
    let hops = config.trusted_hops;
    let counts = Arc::new(Mutex::new(Counts::default()));
    let counted = Arc::clone(&counts);
    let service = service_fn(move |request: Request<Incoming>| {
        let (edge, keys, counts) = (edge.clone(), Arc::clone(&keys), Arc::clone(&counted));
        async move { Ok::<_, Infallible>(serve(request, &edge, hops, &keys, &counts).await) }
    });
    let (mut client, gate) = duplex(1 << 16);
    let connection = server::conn::http1::Builder::new()
        .max_headers(config.max_headers)
        .serve_connection(TokioIo::new(gate), service);
    let talk = async {
        // A gate that has refused closes without reading all.
        let _ = client.write_all(&bytes).await;
        let _ = client.shutdown().await;
        let mut answers = Vec::new();
        let _ = client.read_to_end(&mut answers).await;
    };
    let _ = tokio::join!(connection, talk);
    let mut counts = *counts.lock().expect("nothing panics with it");
    counts.stories = 1;
    counts
}

async fn serve(
    request: Request<Incoming>,
    edge: &Edge,
    trusted_hops: u8,
    keys: &[KeySource],
    counts: &Mutex<Counts>,
) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    answer_with(&parts);
    let entered = match head::enter(&mut parts, edge) {
        Ok(entered) => entered,
        Err(refusal) => {
            counts.lock().expect("nothing panics with it").refused += 1;
            assert!(refusal.status().is_client_error() || refusal.reason() == Reason::BadCoding);
            return refusal.response();
        }
    };
    check::entered(&parts, entered.upgrade, trusted_hops);
    assert_eq!(wire::take_claim(&mut parts.headers), Ok(None));
    let key = keys
        .iter()
        .filter(|it| matches!(it.key(&parts), Ok(Some(_))))
        .count();
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return Response::new(Full::default());
    };
    {
        let mut counts = counts.lock().expect("nothing panics with it");
        counts.passed += 1;
        counts.with_key += u64::from(key > 0);
        counts.upgrades += u64::from(entered.upgrade);
    }
    if !entered.upgrade {
        let sent = (parts.method.clone(), parts.uri.clone(), body.clone());
        let told = forward(parts, body).await;
        // One request came, one goes on.
        assert_eq!(told, [sent]);
    }
    let mut response = Response::new(Full::default());
    if entered.close {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// A response with these headers, on its way to a client.
fn answer_with(request: &Parts) {
    for (status, from_gate) in [(200, false), (101, false), (503, true)] {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(status).expect("a status");
        parts.headers = request.headers.clone();
        head::leave(&mut parts, from_gate);
        check::left(&parts, from_gate);
    }
}

/// Sends it over a connection of its own, and returns what an application sees there.
async fn forward(mut parts: Parts, body: Bytes) -> Vec<Told> {
    head::speak(&mut parts, Version::HTTP_11);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let application = service_fn(move |request: Request<Incoming>| {
        let heard = Arc::clone(&heard);
        async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .expect("the body comes whole")
                .to_bytes();
            let mut heard = heard.lock().expect("nothing panics with it");
            heard.push((parts.method, parts.uri, body));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let (near, far) = duplex(1 << 16);
    // We add some to the most that a client may send.
    let upstream = server::conn::http1::Builder::new()
        .max_headers(200)
        .serve_connection(TokioIo::new(far), application);
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(near))
        .await
        .expect("a pipe is there");
    let exchange = async {
        let request = Request::from_parts(parts, Full::new(body));
        let response = sender.send_request(request).await.expect("it is answered");
        let _ = response.into_body().collect().await;
        drop(sender);
    };
    let ((), _, ended) = tokio::join!(exchange, connection, upstream);
    ended.expect("the application's side sees no error");
    Arc::try_unwrap(told)
        .map(|told| told.into_inner().expect("nothing panics with it"))
        .unwrap_or_default()
}
