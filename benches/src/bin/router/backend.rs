//! Applications that answer at once.

use std::{convert::Infallible, error::Error, net::SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};

/// Serves until it is ended.
pub(crate) fn run(h2c: bool, bytes: usize, listen: &[SocketAddr]) -> Result<(), Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let body = Bytes::from(vec![b'x'; bytes]);
    runtime.block_on(async {
        let mut last = None;
        for &address in listen {
            let listener = TcpListener::bind(address).await?;
            last = Some(tokio::spawn(accept(listener, body.clone(), h2c)));
        }
        match last {
            Some(task) => Ok(task.await??),
            None => Err("nowhere to listen".into()),
        }
    })
}

async fn accept(listener: TcpListener, body: Bytes, h2c: bool) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, body.clone(), h2c));
    }
}

/// A connection that breaks is the proxy's matter.
async fn serve(stream: TcpStream, body: Bytes, h2c: bool) {
    let service = service_fn(move |_: Request<Incoming>| {
        let response = Response::new(Full::new(body.clone()));
        async { Ok::<_, Infallible>(response) }
    });
    let io = TokioIo::new(stream);
    let _ = if h2c {
        let mut server = http2::Builder::new(TokioExecutor::new());
        server
            .max_concurrent_streams(1_000)
            .serve_connection(io, service)
            .await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}
