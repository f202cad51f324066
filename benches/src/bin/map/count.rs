//! [`Counts`]: the bytes of bodies that go through a client.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use kube::{Client, client::Body};
use tower::service_fn;

/// Of all clients that it is around.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Counts {
    /// A client that does what `client` does, and is counted.
    pub(crate) fn around(&self, client: Client) -> Client {
        let counts = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |request: Request<Body>| {
            let (client, counts) = (client.clone(), counts.clone());
            async move {
                counts.0.requests.fetch_add(1, Ordering::Relaxed);
                let sent = request.body().size_hint().lower();
                counts.0.bytes.fetch_add(sent, Ordering::Relaxed);
                let answer = client.send(request).await?;
                Ok::<Response<Counted>, kube::Error>(answer.map(|body| Counted { body, counts }))
            }
        });
        Client::new(service, namespace)
    }

    /// So far, both ways.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// So far.
    pub(crate) fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

/// An answer's body.
struct Counted {
    body: Body,
    counts: Counts,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, kube::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let length = u64::try_from(data.len()).unwrap_or_default();
            self.counts.0.bytes.fetch_add(length, Ordering::Relaxed);
        }
        polled.map_err(|error| kube::Error::Service(error.into()))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
