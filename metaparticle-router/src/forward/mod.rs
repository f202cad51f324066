//! The way of a request: to the application of this process if its slot is served here, else to its owner's gate; it waits
//! while the slot moves.

mod call;
mod upstream;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH},
};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use metaparticle_protocol::shard::Slot;
use tokio::time::Instant;

use self::call::{Answer, Call};
use crate::{
    Config, KeySource, Ownership, Place, Reason, Refusal, Unmatched,
    budget::Budget,
    flight::Flight,
    gate::Activity,
    head::{self, Edge},
    hold::Hold,
    metrics::{Outcome, Recorder},
    pool::Pool,
    replay::{Replay, Source},
    stream::Reply,
    upgrade, wire,
};

/// How many slots are looked at for a request that anyone may answer.
const TRIED: u32 = 8;

/// What all threads of a gate share.
#[derive(Debug)]
pub(crate) struct Router<O> {
    pub(crate) ownership: Arc<O>,
    pub(crate) keys: KeySource,
    pub(crate) config: Config,
    pub(crate) hold: Arc<Hold>,
    /// Without an application of its own: which of the others gets the next request without a key.
    pub(crate) turn: Option<AtomicU64>,
}

impl<O: Ownership> Router<O> {
    /// A slot of someone who can be asked, another one each time; of nobody if there is no such one among a few.
    fn anyone(&self, turn: &AtomicU64) -> Option<Slot> {
        let next = || {
            let turn = turn.fetch_add(1, Relaxed).to_string();
            self.ownership.slot(turn.as_bytes())
        };
        let can_be_asked = |slot: &Slot| matches!(self.ownership.find(*slot), Place::Peer(..));
        let first = next()?;
        let others = (1..TRIED).filter_map(|_| next());
        Some(
            [first]
                .into_iter()
                .chain(others)
                .find(can_be_asked)
                .unwrap_or(first),
        )
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) edge: &'a Edge,
    /// Of the connection that it came in on; none if it is this process's own.
    pub(crate) activity: Option<&'a Arc<Activity>>,
}

/// What one thread has.
#[derive(Debug)]
pub(crate) struct Worker<O> {
    pub(crate) router: Arc<Router<O>>,
    pub(crate) pool: Pool,
    pub(crate) budget: Budget,
    pub(crate) recorder: Recorder,
}

impl<O: Ownership> Worker<O> {
    /// Answers a request that came from there.
    ///
    /// # Cancel safety
    /// Dropped, the request is given up: its client is gone.
    pub(crate) async fn serve(
        &self,
        request: Request<Source>,
        origin: Origin<'_>,
    ) -> Response<Reply<O::Admission>> {
        let activity = origin.activity.cloned();
        let mut flight = Flight::begin(&self.recorder, activity, Instant::now());
        self.budget.deposit();
        let http1 = request.version() < Version::HTTP_2;
        let mut close = false;
        let answer = self.answer(request, origin, &flight, &mut close).await;
        let mut response = match answer {
            Ok(Answer::Streamed { parts, held, peer }) => {
                let outcome = if peer { Outcome::Peer } else { Outcome::Here };
                flight.answered(outcome, parts.status);
                Response::from_parts(parts, Reply::streamed(held, flight))
            }
            Ok(Answer::Ready) => Response::new(Reply::own(Full::default(), Some(flight))),
            Ok(Answer::Turned(turned)) => {
                self.recorder.moved();
                let mut response = Response::new(Reply::own(Full::default(), Some(flight)));
                *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
                turned.put(response.headers_mut());
                response
            }
            Ok(Answer::Upgraded(upgraded)) => {
                let outcome = if upgraded.peer {
                    Outcome::Peer
                } else {
                    Outcome::Here
                };
                flight.answered(outcome, upgraded.parts.status);
                let joined = upgrade::join(
                    upgraded.client,
                    upgraded.upstream,
                    upgraded.admission,
                    flight,
                );
                tokio::spawn(joined);
                Response::from_parts(upgraded.parts, Reply::own(Full::default(), None))
            }
            Err(refusal) => {
                flight.answered(Outcome::Refused(refusal.reason()), refusal.status());
                let (parts, body) = refusal.response().into_parts();
                Response::from_parts(parts, Reply::own(body, Some(flight)))
            }
        };
        if close && http1 {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    async fn answer(
        &self,
        request: Request<Source>,
        origin: Origin<'_>,
        flight: &Flight,
        close: &mut bool,
    ) -> Result<Answer<O::Admission>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let client = parts.extensions.remove::<OnUpgrade>();
        let entered = head::enter(&mut parts, origin.edge)?;
        *close = entered.close;
        let config = &self.router.config;
        if parts.uri.path() == crate::READY_PATH && !origin.edge.is_gate() {
            return Ok(Answer::Ready);
        }
        let most = config.max_body_bytes.unwrap_or(u64::MAX);
        let length = parts.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > most) {
            return Err(Reason::BodyTooLarge.into());
        }
        let claim = if origin.edge.is_gate() {
            wire::take_claim(&mut parts.headers)?
        } else {
            None
        };
        let claim = match origin.activity {
            Some(_) if origin.edge.is_gate() => Some(claim.ok_or(Reason::BadClaim)?),
            _ => None,
        };
        let client = client.filter(|_| entered.upgrade);
        let body = Replay::new(body, config.replay_bytes, most, flight.began());
        let mut call = Call::new(self, parts, body, client);
        if let Some(claim) = claim {
            return call.claimed(&claim).await;
        }
        let slot = match self.router.keys.key(call.head())? {
            Some(key) => self.router.ownership.slot(&key).ok_or(Reason::NoMap)?,
            None if config.unmatched == Unmatched::NotFound => return Err(Reason::NoKey.into()),
            None => match &self.router.turn {
                Some(turn) => self.router.anyone(turn).ok_or(Reason::NoMap)?,
                None => return call.anywhere().await,
            },
        };
        call.routed(slot).await
    }
}
