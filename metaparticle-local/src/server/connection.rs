//! One HTTP/1 connection, over any stream.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Handler, body, portforward, refusal, token::Token};
use crate::api::{
    failure::Failure,
    serve::{Body, Lost},
};

/// How long a client may take for the head of a request, and be silent between two.
const SILENCE: Duration = Duration::from_secs(120);

/// The largest head of a request.
const HEAD: usize = 64 << 10;

/// What goes on on a connection after it stopped being HTTP.
type Afterwards = Arc<Mutex<Option<BoxFuture<'static, ()>>>>;

/// Serves a connection until it ends, port-forwarding included. Nobody is asked for a token.
///
/// # Cancel safety
///
/// Dropping the future closes the connection, and everything that it was forwarded to.
pub(crate) async fn connection<I, H>(io: I, handler: Arc<H>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    serve(io, handler, None).await;
}

/// The same, for those who show the token if there is one.
pub(super) async fn serve<I, H>(io: I, handler: Arc<H>, token: Option<Token>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let afterwards = Afterwards::default();
    let service = service_fn(|request| {
        let (handler, token) = (Arc::clone(&handler), token.clone());
        let afterwards = Arc::clone(&afterwards);
        async move {
            let answer = answer(request, &handler, token.as_ref(), &afterwards).await;
            let answer = answer.unwrap_or_else(|failure| refusal(&failure));
            if answer.extensions().get::<Lost>().is_some() {
                // An error instead of an answer closes the connection.
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            Ok(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
    let forward = afterwards
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(forward) = forward {
        forward.await;
    }
}

async fn answer<H: Handler>(
    mut request: Request<Incoming>,
    handler: &Arc<H>,
    token: Option<&Token>,
    afterwards: &Afterwards,
) -> Result<Response<Body>, Failure> {
    if let Some(token) = token {
        token.check(request.headers())?;
    }
    if let Some(target) = portforward::target(request.uri()) {
        let (answer, forward) = portforward::accept(&mut request, target?, handler)?;
        *afterwards.lock().unwrap_or_else(PoisonError::into_inner) = Some(forward);
        return Ok(answer);
    }
    let (head, incoming) = request.into_parts();
    let body = body::read(incoming).await?;
    Ok(handler.call(Request::from_parts(head, body)).await)
}
