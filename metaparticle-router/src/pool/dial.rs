//! New connections: TCP, the hello if a gate is at the other end, HTTP.

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, time};

use super::{
    Backend, WINDOW,
    hello::{self, HelloError},
    window_of,
};
use crate::replay::Outgoing;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DialError {
    /// Nobody accepts at the address.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// Neither accepted nor refused in time.
    #[error("no connection in time")]
    Timeout,
    /// It is not who it should be.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// It does not speak this HTTP.
    #[error("no HTTP connection")]
    Http(#[from] hyper::Error),
}

pub(super) async fn http1(
    backend: &Backend,
    key: Option<&[u8]>,
) -> Result<http1::SendRequest<Outgoing>, DialError> {
    let stream = open(backend, key).await?;
    // It takes 100 headers of a response, as many as a gate takes of a request.
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a backend ended");
        }
    });
    Ok(sender)
}

pub(super) async fn http2(
    backend: &Backend,
    key: Option<&[u8]>,
) -> Result<http2::SendRequest<Outgoing>, DialError> {
    let stream = open(backend, key).await?;
    let streams = u32::try_from(backend.limits.streams).unwrap_or(u32::MAX);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(window_of(streams))
        .keep_alive_interval(backend.limits.idle)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a backend ended");
        }
    });
    Ok(sender)
}

async fn open(backend: &Backend, key: Option<&[u8]>) -> Result<TcpStream, DialError> {
    let opening = async {
        let mut stream = TcpStream::connect(backend.address)
            .await
            .map_err(DialError::Connect)?;
        stream.set_nodelay(true).map_err(DialError::Connect)?;
        if let Some(session) = &backend.session {
            let key = key.ok_or(HelloError::Unable)?;
            hello::call(&mut stream, key, session).await?;
        }
        Ok(stream)
    };
    time::timeout(backend.limits.connect, opening)
        .await
        .unwrap_or(Err(DialError::Timeout))
}
