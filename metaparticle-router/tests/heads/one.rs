//! One request, read as a gate reads it.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use http::{Request, Response, Version, request::Parts};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use metaparticle_router::{
    Config, Reason,
    head::{self, Edge, Entered},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::check::ADDRESS;

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is let through.
    Passed(Box<Parts>, Entered),
    /// We refuse it.
    Refused(Reason),
    /// The server refuses it before we see it, with that status.
    Unseen(u16),
}

impl Fate {
    pub(crate) fn passed(self) -> (Parts, Entered) {
        match self {
            Self::Passed(parts, entered) => (*parts, entered),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn client(config: &Config) -> Edge {
    Edge::client(
        ADDRESS.parse::<IpAddr>().expect("an address"),
        false,
        config,
    )
}

/// A request of a client, as bytes: of all requests in them, what became of the first.
pub(crate) fn ask(bytes: &str) -> Fate {
    ask_at(&client(&Config::default()), bytes)
}

pub(crate) fn ask_at(edge: &Edge, bytes: &str) -> Fate {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .expect("a runtime of one thread")
        .block_on(read(edge, bytes))
}

/// The first line and `Host` are added.
pub(crate) fn ask_with(lines: &str) -> Fate {
    ask(&with(lines))
}

pub(crate) fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n")
}

/// A request of HTTP/2, as its server gives it.
pub(crate) fn ask_http2(request: Request<()>) -> Result<Parts, Reason> {
    let (mut parts, ()) = request.into_parts();
    parts.version = Version::HTTP_2;
    match head::enter(&mut parts, &client(&Config::default())) {
        Ok(_) => Ok(parts),
        Err(refusal) => Err(refusal.reason()),
    }
}

async fn read(edge: &Edge, bytes: &str) -> Fate {
    let fate = Arc::new(Mutex::new(None));
    let told = Arc::clone(&fate);
    let edge = edge.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut parts, _) = request.into_parts();
        let mut told = told.lock().expect("nothing panics with it");
        told.get_or_insert(match head::enter(&mut parts, &edge) {
            Ok(entered) => Fate::Passed(parts.into(), entered),
            Err(refusal) => Fate::Refused(refusal.reason()),
        });
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let (mut client, gate) = duplex(1 << 20);
    client
        .write_all(bytes.as_bytes())
        .await
        .expect("it has room");
    client.shutdown().await.expect("it is open");
    let server = server::conn::http1::Builder::new();
    let _ = server.serve_connection(TokioIo::new(gate), service).await;
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer).await;
    let fate = fate.lock().expect("nothing panics with it").take();
    fate.unwrap_or_else(|| {
        let status = answer.get(9..12).and_then(|digits| digits.parse().ok());
        Fate::Unseen(status.unwrap_or_else(|| panic!("no answer to {bytes:?}: {answer:?}")))
    })
}
