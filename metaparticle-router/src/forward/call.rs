//! [`Call`]: one request, until the head of its response is there.

use std::{future::pending, time::Duration};

use http::{Method, Version, header::CONTENT_TYPE, request, response};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use metaparticle_protocol::{
    Token,
    shard::{Claim, Slot, Verdict},
};
use tokio::time::{self, Instant};

use super::{
    Worker,
    upstream::{Failure, Got},
};
use crate::{
    Admission, Ownership, Peer, Place, Reason, Refusal, Upstream,
    head::leave,
    pool::Protocol,
    replay::Replay,
    stream::{Held, Rules},
    wire::{self, Turned},
};

/// How long a peer that turned a request away is left alone, if the map does not change meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long a slot that is here, and could not be entered, is left alone.
const ENTER_AGAIN: Duration = Duration::from_millis(5);
/// How long a peer that lost the slot may still take to answer.
const PEER_GRACE: Duration = Duration::from_secs(1);

/// What a request came to.
pub(super) enum Answer<A> {
    /// A response.
    Streamed {
        parts: response::Parts,
        held: Held<A>,
        peer: bool,
    },
    /// A WebSocket.
    Upgraded(Upgraded<A>),
    /// Not served here: for the gate that sent it.
    Turned(Turned),
    /// The gate itself was asked whether it is ready.
    Ready,
}

/// A WebSocket whose handshake is done.
pub(super) struct Upgraded<A> {
    pub(super) parts: response::Parts,
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    pub(super) admission: Option<A>,
    pub(super) peer: bool,
}

/// What an attempt came to.
#[allow(
    clippy::large_enum_variant,
    reason = "it is on the stack; a box were an allocation a request"
)]
enum Sent<A> {
    Answer(Answer<A>),
    /// The peer does not serve the slot.
    Turned(Turned),
    /// The slot moved meanwhile, and the request may be sent elsewhere.
    Moved,
    /// The peer cannot be reached.
    Unreachable,
}

/// A request.
pub(super) struct Call<'a, O> {
    pub(super) worker: &'a Worker<O>,
    pub(super) head: request::Parts,
    pub(super) body: Replay,
    client: Option<OnUpgrade>,
    grpc: bool,
    /// Its head has a claim, for a peer.
    claims: bool,
    tries: u8,
    /// Until when it may wait for its slot.
    patience: Option<Instant>,
}

impl<'a, O: Ownership> Call<'a, O> {
    pub(super) fn new(
        worker: &'a Worker<O>,
        head: request::Parts,
        body: Replay,
        client: Option<OnUpgrade>,
    ) -> Self {
        let grpc = head.version == Version::HTTP_2
            && head
                .headers
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        Self {
            worker,
            head,
            body,
            client,
            grpc,
            claims: false,
            tries: 1,
            patience: None,
        }
    }

    pub(super) fn head(&self) -> &request::Parts {
        &self.head
    }

    /// A request without a key.
    pub(super) async fn anywhere(&mut self) -> Result<Answer<O::Admission>, Refusal> {
        match self.ask_app(None, None).await? {
            Sent::Answer(answer) => Ok(answer),
            Sent::Turned(_) | Sent::Moved | Sent::Unreachable => {
                Err(Reason::UpstreamUnreachable.into())
            }
        }
    }

    /// A request that another gate sent: served here, or turned away.
    pub(super) async fn claimed(&mut self, claim: &Claim) -> Result<Answer<O::Admission>, Refusal> {
        let ownership = &*self.worker.router.ownership;
        let mut verdict = ownership.judge(claim);
        if verdict == Verdict::Ask {
            Box::pin(ownership.refresh()).await;
            verdict = ownership.judge(claim);
        }
        let admission = match verdict {
            Verdict::Serve => ownership.admit(claim.slot),
            Verdict::Moved => return Ok(Answer::Turned(Turned::Moved)),
            Verdict::Hold => None,
            // The sender has seen a map that no read here has shown yet: it asks again, as long as it has patience.
            Verdict::Ask => match ownership.find(claim.slot) {
                Place::NoMap => return Err(Reason::NoMap.into()),
                Place::Unproven => return Err(Reason::OwnershipUnproven.into()),
                _ => None,
            },
        };
        let Some(admission) = admission else {
            return Ok(Answer::Turned(Turned::Hold));
        };
        match self.ask_app(Some(admission), Some(claim.slot)).await? {
            Sent::Answer(answer) => Ok(answer),
            Sent::Moved => Ok(Answer::Turned(Turned::Moved)),
            Sent::Turned(_) | Sent::Unreachable => Err(Reason::UpstreamUnreachable.into()),
        }
    }

    /// A request for a slot: to its owner, wherever that is.
    pub(super) async fn routed(&mut self, slot: Slot) -> Result<Answer<O::Admission>, Refusal> {
        let ownership = &*self.worker.router.ownership;
        let mut has_asked = false;
        loop {
            let place = ownership.find(slot);
            match &place {
                Place::Here => {
                    let Some(admission) = ownership.admit(slot) else {
                        Box::pin(self.wait(slot, &place, Some(ENTER_AGAIN))).await?;
                        continue;
                    };
                    if let Sent::Answer(answer) = self.ask_app(Some(admission), Some(slot)).await? {
                        return Ok(answer);
                    }
                }
                Place::Draining => Box::pin(self.wait(slot, &place, None)).await?,
                Place::Peer(peer, token) => {
                    match self.ask_peer(slot, peer, *token, &place).await? {
                        Sent::Answer(answer) => return Ok(answer),
                        Sent::Moved => {}
                        Sent::Turned(turned) => Box::pin(self.turned(slot, &place, turned)).await?,
                        Sent::Unreachable => {
                            Box::pin(ownership.refresh()).await;
                            if ownership.find(slot) == place || !self.again() {
                                return Err(Reason::UpstreamUnreachable.into());
                            }
                        }
                    }
                }
                Place::Nobody => return Err(Reason::NoOwner.into()),
                // This process may have stood still for a moment: one read says, as for a claim.
                Place::Unproven if !has_asked => {
                    has_asked = true;
                    let room = self.worker.router.hold.enter(self.bytes());
                    if room.is_some() {
                        Box::pin(ownership.refresh()).await;
                    }
                }
                Place::Unproven => return Err(Reason::OwnershipUnproven.into()),
                Place::NoMap => return Err(Reason::NoMap.into()),
            }
        }
    }

    /// A peer turned the request away, before its body was read.
    async fn turned(&mut self, slot: Slot, place: &Place, turned: Turned) -> Result<(), Refusal> {
        self.worker.recorder.moved();
        if !self.body.is_whole() {
            return Err(Reason::NotDelivered.into());
        }
        if turned == Turned::Moved {
            let patience = self.patience();
            let refreshed = self.worker.router.ownership.refresh();
            let _ = time::timeout_at(patience, refreshed).await;
        }
        self.wait(slot, place, Some(ASK_AGAIN)).await
    }

    /// What is kept of the request while it waits.
    fn bytes(&self) -> usize {
        self.body.kept() + self.head.headers.len() * HEADER
    }

    /// Until when a request waits for its slot, all in all.
    fn patience(&mut self) -> Instant {
        let timeout = self.worker.router.config.hold_timeout;
        *self
            .patience
            .get_or_insert_with(|| Instant::now() + timeout)
    }

    /// Waits until the slot is elsewhere, or for `at_most`.
    async fn wait(
        &mut self,
        slot: Slot,
        place: &Place,
        at_most: Option<Duration>,
    ) -> Result<(), Refusal> {
        let patience = self.patience();
        let worker = self.worker;
        let hold = &worker.router.hold;
        let _held = hold.enter(self.bytes()).ok_or(Reason::HoldOverflow)?;
        let _buffered = worker.recorder.hold();
        let mut changed = worker.router.ownership.changed();
        let again = at_most.map(|wait| Instant::now() + wait);
        loop {
            if worker.router.ownership.find(slot) != *place {
                return Ok(());
            }
            let until = again.map_or(patience, |again| again.min(patience));
            match time::timeout_at(until, changed.changed()).await {
                Ok(Ok(())) => {}
                // Nobody will tell.
                Ok(Err(_)) => return Err(Reason::HoldTimeout.into()),
                Err(_) if Instant::now() >= patience => return Err(Reason::HoldTimeout.into()),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Whether the request may be sent once more after a failure.
    fn again(&mut self) -> bool {
        let may = self.tries < self.worker.router.config.tries
            && self.body.is_whole()
            && self.worker.budget.withdraw(Instant::now());
        if may {
            self.tries += 1;
            self.worker.recorder.retried();
        }
        may
    }

    fn is_idempotent(&self) -> bool {
        matches!(
            self.head.method,
            Method::GET
                | Method::HEAD
                | Method::PUT
                | Method::DELETE
                | Method::OPTIONS
                | Method::TRACE
        )
    }

    async fn ask_app(
        &mut self,
        admission: Option<O::Admission>,
        slot: Option<Slot>,
    ) -> Result<Sent<O::Admission>, Refusal> {
        let worker = self.worker;
        let protocol = match worker.router.config.upstream {
            Upstream::H2c if self.client.is_none() => Protocol::Http2,
            _ if self.grpc => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let headers = &mut self.head.headers;
        if std::mem::take(&mut self.claims) {
            headers.remove(wire::CLAIM);
        }
        // Before the head is copied: the copy has no room for more.
        if let (Some(slot), Some(admission)) = (slot, &admission) {
            headers.insert(wire::SLOT, slot.0.into());
            headers.insert(wire::TOKEN, admission.token().0.into());
        }
        let mut fresh = false;
        loop {
            let lost = admission.as_ref().map(Admission::lost);
            let lost = async {
                match lost {
                    Some(lost) => lost.await,
                    None => pending().await,
                }
            };
            let head = self.head.clone();
            let backend = worker.pool.app();
            let sent = self.exchange(backend, head, protocol, fresh, lost).await;
            match sent {
                Ok(got) => return Ok(Sent::Answer(self.answered(got, admission, false)?)),
                Err(Failure::Unreachable(error)) => {
                    tracing::debug!(%error, "the application cannot be reached");
                    return Err(Reason::UpstreamUnreachable.into());
                }
                Err(Failure::Broken { unsent }) if unsent || self.is_idempotent() => {
                    if !self.again() {
                        return Err(undelivered(unsent).into());
                    }
                    fresh = true;
                }
                Err(Failure::Given { unsent: true }) => return Ok(Sent::Moved),
                Err(Failure::Given { .. }) if self.is_idempotent() && self.again() => {
                    return Ok(Sent::Moved);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn ask_peer(
        &mut self,
        slot: Slot,
        peer: &Peer,
        token: Token,
        place: &Place,
    ) -> Result<Sent<O::Admission>, Refusal> {
        let worker = self.worker;
        let Some(address) = peer.address else {
            return Ok(Sent::Unreachable);
        };
        let protocol = if self.grpc {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        let claim = Claim {
            slot,
            token,
            session: peer.session.clone(),
        };
        wire::put_claim(&mut self.head.headers, &claim);
        self.claims = true;
        let backend = worker.pool.peer(&peer.session, address);
        let mut fresh = false;
        loop {
            let head = self.head.clone();
            let elsewhere = self.elsewhere(slot, place);
            let sent = self
                .exchange(&backend, head, protocol, fresh, elsewhere)
                .await;
            match sent {
                Ok(mut got) => {
                    if let Some(turned) = Turned::take(&mut got.parts.headers) {
                        // A body that the peer did not read makes it close the connection.
                        if self.body.is_empty() && got.body.is_end_stream() {
                            got.lease.give_back(Instant::now());
                        }
                        return Ok(Sent::Turned(turned));
                    }
                    return Ok(Sent::Answer(self.answered(got, None, true)?));
                }
                Err(Failure::Unreachable(error)) => {
                    tracing::debug!(%error, pod = %peer.pod, "a gate cannot be reached");
                    return Ok(Sent::Unreachable);
                }
                Err(Failure::Broken { unsent }) if unsent || self.is_idempotent() => {
                    if !self.again() {
                        return Err(undelivered(unsent).into());
                    }
                    if worker.router.ownership.find(slot) != *place {
                        return Ok(Sent::Moved);
                    }
                    fresh = true;
                }
                Err(Failure::Given { unsent: true }) => return Ok(Sent::Moved),
                Err(Failure::Given { .. }) if self.is_idempotent() && self.again() => {
                    return Ok(Sent::Moved);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Resolves when the slot has been elsewhere for a while.
    fn elsewhere(&self, slot: Slot, place: &Place) -> impl Future<Output = ()> + Send + use<O> {
        let ownership = self.worker.router.ownership.clone();
        let place = place.clone();
        async move {
            let mut changed = ownership.changed();
            while ownership.find(slot) == place {
                if changed.changed().await.is_err() {
                    pending::<()>().await;
                }
            }
            time::sleep(PEER_GRACE).await;
        }
    }

    /// The head of a response is there.
    fn answered(
        &mut self,
        mut got: Got,
        admission: Option<O::Admission>,
        peer: bool,
    ) -> Result<Answer<O::Admission>, Refusal> {
        leave(&mut got.parts, peer);
        if let Some(upstream) = got.upgrade {
            let client = self.client.take().ok_or(Reason::UpstreamFailed)?;
            return Ok(Answer::Upgraded(Upgraded {
                parts: got.parts,
                client,
                upstream,
                admission,
                peer,
            }));
        }
        let config = &self.worker.router.config;
        let rules = Rules {
            stream_drain: config.stream_drain,
            idle: config.body_idle_timeout,
            grpc: self.grpc,
        };
        let held = Held {
            body: got.body,
            lease: got.lease,
            admission,
            began: Instant::now(),
            rules,
        };
        Ok(Answer::Streamed {
            parts: got.parts,
            held,
            peer,
        })
    }
}

/// What a header of a request that waits is taken to need, in bytes.
const HEADER: usize = 64;

fn undelivered(unsent: bool) -> Reason {
    if unsent {
        Reason::NotDelivered
    } else {
        Reason::UpstreamFailed
    }
}
