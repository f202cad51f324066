//! One attempt: a request on a connection, until the head of its response is there.

use std::{pin::pin, sync::Arc};

use http::{Request, StatusCode, Version, request, response};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::{self, Instant};

use super::call::Call;
use crate::{
    Ownership, Reason, Refusal,
    head::speak,
    pool::{Backend, DialError, Lease, Protocol, SendError},
    race::first,
    replay::Failed,
};

/// The head of a response, and what comes after it.
pub(super) struct Got {
    pub(super) parts: response::Parts,
    pub(super) body: Incoming,
    pub(super) lease: Lease,
    /// Of a response that switches protocols.
    pub(super) upgrade: Option<OnUpgrade>,
}

/// Why there is no response.
pub(super) enum Failure {
    /// There is no connection.
    Unreachable(DialError),
    /// The connection broke. `unsent`: before a byte of the request was sent.
    Broken { unsent: bool },
    /// The slot moved meanwhile.
    Given { unsent: bool },
    /// Another refusal.
    Refused(Reason),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(_) => Reason::UpstreamUnreachable,
            Failure::Broken { unsent: true } => Reason::NotDelivered,
            Failure::Broken { .. } => Reason::UpstreamFailed,
            Failure::Given { .. } => Reason::Cut,
            Failure::Refused(reason) => reason,
        }
        .into()
    }
}

impl<O: Ownership> Call<'_, O> {
    /// Sends the request, on a connection that is open unless `fresh`, and waits for the head of its response, until
    /// `given` says that the slot moved.
    ///
    /// # Cancel safety
    /// Dropped, the attempt is given up, and its connection with it.
    pub(super) async fn exchange(
        &self,
        backend: &Arc<Backend>,
        mut head: request::Parts,
        protocol: Protocol,
        fresh: bool,
        given: impl Future<Output = ()>,
    ) -> Result<Got, Failure> {
        let body = self
            .body
            .attempt()
            .ok_or(Failure::Refused(self.unrepeatable()))?;
        let version = match protocol {
            Protocol::Http1 => Version::HTTP_11,
            Protocol::Http2 => Version::HTTP_2,
        };
        speak(&mut head, version);
        let request = Request::from_parts(head, body);
        let reused = (!fresh)
            .then(|| backend.reuse(protocol, Instant::now()))
            .flatten();
        let given = async {
            given.await;
            Event::Given
        };
        let mut given = pin!(given);
        let mut lease = if let Some(lease) = reused {
            lease
        } else {
            let key = self.worker.router.ownership.key();
            // In a box, as all that is rare: the future of a request is moved, and kept for each connection.
            let dial = async { Event::Dialed(backend.connect(protocol, key.as_deref()).await) };
            match first(Box::pin(dial).as_mut(), given.as_mut()).await {
                Event::Dialed(lease) => lease.map_err(Failure::Unreachable)?,
                _ => return Err(Failure::Given { unsent: true }),
            }
        };
        let event = {
            let sent = async { Event::Sent(lease.send(request).await) };
            let overdue = async { Event::Overdue(self.overdue().await) };
            let ended = async { first(pin!(overdue), given).await };
            first(pin!(sent), pin!(ended)).await
        };
        match event {
            Event::Sent(Ok(mut response)) => {
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let upgrade = switches.then(|| hyper::upgrade::on(&mut response));
                let (parts, body) = response.into_parts();
                Ok(Got {
                    parts,
                    body,
                    lease,
                    upgrade,
                })
            }
            Event::Sent(Err(SendError { unsent, error })) => {
                tracing::debug!(%error, unsent, reused = lease.is_reused(), "no response");
                Err(match self.body.progress().and_then(|it| it.failed) {
                    Some(failed) => Failure::Refused(refused(failed)),
                    None => Failure::Broken { unsent },
                })
            }
            Event::Overdue(reason) => Err(Failure::Refused(reason)),
            Event::Given | Event::Dialed(_) => Err(Failure::Given { unsent: false }),
        }
    }

    fn unrepeatable(&self) -> Reason {
        let failed = self.body.progress().and_then(|it| it.failed);
        failed.map_or(Reason::NotDelivered, refused)
    }

    /// Resolves when the response's head, or the next part of the request's body, is overdue.
    async fn overdue(&self) -> Reason {
        let config = &self.worker.router.config;
        let begun = Instant::now();
        loop {
            let (due, reason) = match self.body.progress() {
                Some(it) if it.starved => (it.at + config.body_idle_timeout, Reason::BodyTimeout),
                Some(it) => (
                    it.at.max(begun) + config.response_timeout,
                    Reason::UpstreamTimeout,
                ),
                None => (begun + config.response_timeout, Reason::UpstreamTimeout),
            };
            if due <= Instant::now() {
                return reason;
            }
            time::sleep_until(due).await;
        }
    }
}

enum Event {
    Dialed(Result<Lease, DialError>),
    Sent(Result<http::Response<Incoming>, SendError>),
    Overdue(Reason),
    Given,
}

fn refused(failed: Failed) -> Reason {
    match failed {
        Failed::TooLarge => Reason::BodyTooLarge,
        Failed::Client => Reason::BodyTimeout,
    }
}
