//! [`Lease`]: a connection while a request is on it.

use std::sync::{Arc, atomic::Ordering};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use tokio::time::Instant;

use super::{Backend, Streams};
use crate::replay::Outgoing;

/// A connection that this request has. Dropped before its response has ended, a connection of HTTP/1.1 closes and a stream of
/// HTTP/2 is reset.
#[derive(Debug)]
pub(crate) struct Lease {
    connection: Connection,
    reused: bool,
}

#[derive(Debug)]
enum Connection {
    Alone(http1::SendRequest<Outgoing>, Arc<Backend>),
    Shared {
        sender: http2::SendRequest<Outgoing>,
        _stream: Stream,
    },
}

/// Counts a request of a connection of HTTP/2.
#[derive(Debug)]
struct Stream(Arc<Streams>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) struct SendError {
    /// Not a byte of it was sent.
    pub(crate) unsent: bool,
    /// What happened.
    pub(crate) error: hyper::Error,
}

impl Lease {
    pub(super) fn alone(
        sender: http1::SendRequest<Outgoing>,
        backend: Arc<Backend>,
        reused: bool,
    ) -> Self {
        Self {
            connection: Connection::Alone(sender, backend),
            reused,
        }
    }

    /// `streams` counts this one already.
    pub(super) fn shared(
        sender: http2::SendRequest<Outgoing>,
        streams: Arc<Streams>,
        reused: bool,
    ) -> Self {
        Self {
            connection: Connection::Shared {
                sender,
                _stream: Stream(streams),
            },
            reused,
        }
    }

    /// Whether the connection had served another request: it may have been closed at the other end meanwhile.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends, and waits for the response's head.
    ///
    /// # Cancel safety
    /// Dropped, the request is given up: the connection of HTTP/1.1 closes, the stream of HTTP/2 is reset.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.connection {
            Connection::Alone(sender, _) => sender.try_send_request(request).await,
            Connection::Shared { sender, .. } => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error: TrySendError<_>| SendError {
            unsent: error.take_message().is_some(),
            error: error.into_error(),
        })
    }

    /// The response's body has ended: the connection is free.
    pub(crate) fn give_back(self, now: Instant) {
        if let Connection::Alone(sender, backend) = self.connection {
            backend.put_back(sender, now);
        }
    }
}
