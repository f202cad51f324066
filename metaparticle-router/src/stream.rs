//! [`Reply`]: a response's body on its way to the client. It holds what the request holds, the slot's admission and the
//! connection, until its end, and is cut when the slot moves.
//!
//! A body that is there as soon as its head costs nothing beyond this type. Any other gets a task that watches over it: the
//! body itself is not polled while the client does not read.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    task::JoinHandle,
    time::{self, Instant},
};

use crate::{
    flight::Flight, gate::Activity, ownership::Admission, pool::Lease, race::first,
    replay::BoxError,
};

/// A response's body.
#[derive(Debug)]
pub(crate) struct Reply<A: Admission> {
    kind: Kind<A>,
    /// None if something else counts the request.
    flight: Option<Flight>,
}

#[derive(Debug)]
enum Kind<A: Admission> {
    /// An answer of our own.
    Own(Full<Bytes>),
    /// From upstream, not waited for yet.
    Fresh(Option<Held<A>>),
    /// From upstream, and watched over.
    Watched(Watched<A>),
    /// At its end.
    Over,
}

/// What a response holds until its end.
#[derive(Debug)]
pub(crate) struct Held<A> {
    /// Where the body comes from.
    pub(crate) body: Incoming,
    /// The connection that it comes on.
    pub(crate) lease: Lease,
    /// None if the request has no key, or is another process's.
    pub(crate) admission: Option<A>,
    /// When its head came.
    pub(crate) began: Instant,
    /// When it ends if its slot moves.
    pub(crate) rules: Rules,
}

/// When a body is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How old a body must be to be cut, and how long after its slot began to move.
    pub(crate) stream_drain: Duration,
    /// How long nothing may come or be taken.
    pub(crate) idle: Duration,
    /// A call of gRPC: it ends with a status.
    pub(crate) grpc: bool,
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Its slot moved.
    #[error("the key's owner changed while the response was under way")]
    Cut,
    /// Nothing came, or nothing was taken.
    #[error("the response stood still")]
    Idle,
}

/// An admission is dropped, never polled.
impl<A: Admission> Unpin for Reply<A> {}

impl<A: Admission> Reply<A> {
    /// An answer of this process.
    pub(crate) fn own(body: Full<Bytes>, flight: Option<Flight>) -> Self {
        Self {
            kind: Kind::Own(body),
            flight,
        }
    }

    /// What comes from upstream.
    pub(crate) fn streamed(held: Held<A>, flight: Flight) -> Self {
        let mut reply = Self {
            kind: Kind::Over,
            flight: Some(flight),
        };
        if held.body.is_end_stream() {
            held.finish();
        } else {
            reply.kind = Kind::Fresh(Some(held));
        }
        reply
    }
}

impl<A> Held<A> {
    fn finish(self) {
        self.lease.give_back(Instant::now());
    }
}

impl<A: Admission> Body for Reply<A> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = match &mut this.kind {
            Kind::Over => return Poll::Ready(None),
            Kind::Own(body) => {
                return Pin::new(body)
                    .poll_frame(cx)
                    .map_err(|never| match never {});
            }
            Kind::Fresh(held) => {
                let body = &mut held.as_mut().expect("a fresh body is there").body;
                let polled = Pin::new(&mut *body).poll_frame(cx).map_err(Into::into);
                let more = match &polled {
                    Poll::Pending => true,
                    Poll::Ready(Some(Ok(frame))) => !(frame.is_trailers() || body.is_end_stream()),
                    Poll::Ready(_) => false,
                };
                if more {
                    let held = held.take().expect("a fresh body is there");
                    let activity = this.flight.as_ref().and_then(Flight::activity);
                    this.kind = Kind::Watched(Watched::new(held, cx.waker(), activity));
                    return polled;
                }
                polled
            }
            Kind::Watched(watched) => watched.poll(cx),
        };
        let frame = ready!(polled);
        let over = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || this.kind.is_at_end(),
            None => true,
            Some(Err(error)) => {
                if let Some(flight) = &mut this.flight {
                    flight.broken(error.downcast_ref::<Cutoff>().map(|cutoff| cutoff.why));
                }
                this.kind = Kind::Over;
                false
            }
        };
        if over {
            this.kind.finish(this.flight.as_mut());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(body) => body.is_end_stream(),
            Kind::Over => true,
            Kind::Fresh(_) | Kind::Watched(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(body) => body.size_hint(),
            Kind::Over => SizeHint::with_exact(0),
            Kind::Fresh(held) => held
                .as_ref()
                .map_or_else(SizeHint::default, |held| held.body.size_hint()),
            Kind::Watched(_) => SizeHint::default(),
        }
    }
}

impl<A: Admission> Kind<A> {
    fn is_at_end(&self) -> bool {
        match self {
            Self::Fresh(held) => held.as_ref().is_none_or(|held| held.body.is_end_stream()),
            Self::Watched(watched) => {
                let state = watched.state();
                state
                    .held
                    .as_ref()
                    .is_some_and(|held| held.body.is_end_stream())
            }
            Self::Own(_) | Self::Over => true,
        }
    }

    fn finish(&mut self, flight: Option<&mut Flight>) {
        match std::mem::replace(self, Self::Over) {
            Self::Fresh(held) => held.into_iter().for_each(Held::finish),
            Self::Watched(watched) => {
                let mut state = watched.state();
                match state.why {
                    None => state.held.take().into_iter().for_each(Held::finish),
                    // It ended with a status of gRPC.
                    Some(why) => {
                        if let Some(flight) = flight {
                            flight.broken(Some(why));
                        }
                    }
                }
            }
            Self::Own(_) | Self::Over => {}
        }
    }
}

/// A body with a task that watches over it.
#[derive(Debug)]
struct Watched<A: Admission> {
    state: Arc<Mutex<State<A>>>,
    task: JoinHandle<()>,
    grpc: bool,
}

#[derive(Debug)]
struct State<A> {
    /// None once it was cut.
    held: Option<Held<A>>,
    why: Option<Broken>,
    progress: Instant,
    reader: Waker,
}

fn lock<A>(state: &Mutex<State<A>>) -> MutexGuard<'_, State<A>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Admission> Watched<A> {
    fn new(held: Held<A>, reader: &Waker, activity: Option<Arc<Activity>>) -> Self {
        let (rules, began) = (held.rules, held.began);
        let moving = held
            .admission
            .as_ref()
            .map(|admission| (admission.draining(), admission.lost()));
        let state = Arc::new(Mutex::new(State {
            held: Some(held),
            why: None,
            progress: Instant::now(),
            reader: reader.clone(),
        }));
        let watched = state.clone();
        let task = tokio::spawn(async move {
            let idle = async {
                let why = still(&watched, rules.idle).await;
                if let Some(activity) = activity {
                    activity.is_stuck();
                }
                why
            };
            let why = match moving {
                None => idle.await,
                Some((draining, lost)) => {
                    let cut = cut(draining, lost, began, rules.stream_drain);
                    first(pin!(cut), pin!(idle)).await
                }
            };
            let mut state = lock(&watched);
            state.why = Some(why);
            // The connection closes, and the slot is free, also while the client does not read.
            let held = state.held.take();
            state.reader.wake_by_ref();
            drop(state);
            drop(held);
        });
        Self {
            state,
            task,
            grpc: rules.grpc,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        lock(&self.state)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Some(held) = &mut state.held else {
            let why = state.why.unwrap_or(Broken::Cut);
            return Poll::Ready(Some(if self.grpc {
                Ok(Frame::trailers(unavailable()))
            } else {
                Err(broken(why))
            }));
        };
        let polled = Pin::new(&mut held.body).poll_frame(cx);
        if polled.is_pending() {
            if !state.reader.will_wake(cx.waker()) {
                state.reader = cx.waker().clone();
            }
        } else {
            state.progress = Instant::now();
        }
        polled.map_err(Into::into)
    }
}

impl<A: Admission> Drop for Watched<A> {
    fn drop(&mut self) {
        self.task.abort();
        // The task is dropped later; the slot is free now.
        lock(&self.state).held = None;
    }
}

/// Resolves when a response that began then is to be cut.
async fn cut(
    draining: impl Future<Output = ()>,
    lost: impl Future<Output = ()>,
    began: Instant,
    stream_drain: Duration,
) -> Broken {
    let drained = async {
        draining.await;
        let from = began.max(Instant::now());
        time::sleep_until(from + stream_drain).await;
    };
    first(pin!(drained), pin!(lost)).await;
    Broken::Cut
}

/// Resolves when nothing has moved for so long.
async fn still<A>(state: &Mutex<State<A>>, idle: Duration) -> Broken {
    loop {
        let due = lock(state).progress + idle;
        if due <= Instant::now() {
            return Broken::Idle;
        }
        time::sleep_until(due).await;
    }
}

/// The error of a body that was given up. Its cause is what HTTP/2 tells the client: `CANCEL`.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Cutoff {
    why: Broken,
    #[source]
    reason: h2::Error,
}

fn broken(why: Broken) -> BoxError {
    let reason = h2::Reason::CANCEL.into();
    Box::new(Cutoff { why, reason })
}

/// The end of a call of gRPC whose slot moved: UNAVAILABLE.
fn unavailable() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from_static("14"));
    trailers.insert(
        "grpc-message",
        HeaderValue::from_static("the key's owner changed"),
    );
    trailers
}
