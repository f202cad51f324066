//! Applications behind gates.

use std::{
    convert::Infallible,
    fmt::Write,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// An application that ends when this is dropped, with its connections.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A body of text.
pub(crate) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A body whose parts come when they are sent.
pub(crate) fn channel() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let body = Channel(receiver);
    (sender, body.boxed())
}

struct Channel(mpsc::Receiver<Frame<Bytes>>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// Serves with that function, over that version.
pub(crate) async fn serve<F, R>(version: Version, answer: F) -> App
where
    F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            connections.spawn(async move {
                let io = TokioIo::new(stream);
                let _ = if version == Version::HTTP_2 {
                    http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await
                } else {
                    http1::Builder::new()
                        .serve_connection(io, service)
                        .with_upgrades()
                        .await
                };
            });
        }
    });
    App { address, task }
}

/// Tells its name, and what it got.
pub(crate) async fn named(name: &'static str) -> App {
    serve(Version::HTTP_11, move |request| async move {
        let (parts, body) = request.into_parts();
        let length = body.collect().await.map_or(0, |it| it.to_bytes().len());
        let mut lines = format!("{name} {} {} {length}\n", parts.method, parts.uri);
        for (header, value) in &parts.headers {
            writeln!(lines, "{header}: {}", value.to_str().unwrap()).unwrap();
        }
        Response::builder()
            .header("x-served-by", name)
            .body(text(lines))
            .unwrap()
    })
    .await
}
