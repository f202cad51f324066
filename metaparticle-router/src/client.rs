//! [`Client`]: requests of a program that go straight to the owner of their key.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response,
    header::{Entry, HOST},
};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tokio::time::Instant;

use crate::{
    Metrics, Ownership,
    forward::{Origin, Worker},
    head::Edge,
    replay::Source,
};

/// The body of a response. Its error says that it was cut, or that the connection broke.
pub type ClientBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// How often idle connections are looked at.
const TIDY: Duration = Duration::from_secs(5);

/// Sends requests of this process to the owners of their keys, without another gate on the way. Made by
/// [`Builder::client`](crate::Builder::client).
///
/// Its process knows who owns what and has the application's key, as those have that own slots: it is a part of the
/// application, or was given both. Others ask any gate.
///
/// # Guarantees
/// Those of a [`Gate`](crate::Gate): a request reaches its owner or is refused; one is sent again only if it was not
/// delivered, or if its method may be repeated; it waits while its slot moves.
///
/// # Assumptions
/// All requests are sent on one runtime of tokio, with its timer and its I/O: that is where its connections live.
pub struct Client<O> {
    worker: Worker<O>,
    metrics: Arc<Metrics>,
    edge: Edge,
    tidied: Mutex<Instant>,
}

impl<O> fmt::Debug for Client<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<O: Ownership> Client<O> {
    pub(crate) fn new(worker: Worker<O>, metrics: Arc<Metrics>) -> Self {
        Self {
            edge: Edge::gate(&worker.router.config),
            worker,
            metrics,
            tidied: Mutex::new(Instant::now()),
        }
    }

    /// Sends a request, and waits for the head of its response. It has a `Host`, or an authority in its target. One that is
    /// not delivered is answered here, as a gate does: with an error's status, the reason in
    /// [`wire::REASON`](crate::wire::REASON), and `Retry-After` if it may be tried again. A `WebSocket` cannot be had from it.
    ///
    /// # Cancel safety
    /// Dropped, the request is given up. It may have been delivered.
    pub async fn send<B>(&self, request: Request<B>) -> Response<ClientBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.tidy();
        let mut request = request.map(|body| Source::Own(body.map_err(Into::into).boxed_unsync()));
        // On a wire a client would have written it.
        let host = request.uri().authority().map(|it| it.as_str().try_into());
        if let Some(Ok(host)) = host
            && let Entry::Vacant(none) = request.headers_mut().entry(HOST)
        {
            none.insert(host);
        }
        let origin = Origin {
            edge: &self.edge,
            activity: None,
        };
        let response = self.worker.serve(request, origin).await;
        response.map(BodyExt::boxed_unsync)
    }

    /// What it counts.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn tidy(&self) {
        let now = Instant::now();
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(*tidied) >= TIDY {
            *tidied = now;
            drop(tidied);
            self.worker.pool.tidy(now);
        }
    }
}
