//! [`Replay`]: a request's body that can be sent again, as long as no more of it was read than is kept.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::Instant;

/// Any error of a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a request's body comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// From a connection that a gate serves.
    Incoming(Incoming),
    /// From this process.
    Own(UnsyncBoxBody<Bytes, BoxError>),
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Own(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Incoming(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Incoming(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}

/// What was read of a body, and what is still to come.
#[derive(Debug)]
struct State {
    source: Source,
    /// Data frames in order.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    trailers: Option<HeaderMap>,
    /// More was read than is kept.
    overflow: bool,
    ended: bool,
    failed: Option<Failed>,
    /// Bytes that were read, and may be.
    total: u64,
    most: u64,
    /// The attempt that may read on.
    attempt: u32,
    progress: Instant,
    /// The last poll found nothing: the client is slow, not the application.
    starved: bool,
}

/// A body to be sent, perhaps more than once.
#[derive(Debug)]
pub(crate) struct Replay {
    /// None for a request without a body.
    state: Option<Arc<Mutex<State>>>,
    limit: usize,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the last part of it was read, or when it was begun.
    pub(crate) at: Instant,
    /// It is the client that is waited for.
    pub(crate) starved: bool,
    /// It will not end well.
    pub(crate) failed: Option<Failed>,
}

/// Why a body cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// The client broke off.
    #[error("the client broke off")]
    Client,
    /// It is longer than allowed.
    #[error("the request's body is too large")]
    TooLarge,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replay {
    /// Of which up to `limit` bytes are kept, and which may be `most` bytes long.
    pub(crate) fn new(source: Source, limit: usize, most: u64, now: Instant) -> Self {
        let state = (!source.is_end_stream()).then(|| {
            Arc::new(Mutex::new(State {
                source,
                kept: Vec::new(),
                kept_bytes: 0,
                trailers: None,
                overflow: false,
                ended: false,
                failed: None,
                total: 0,
                most,
                attempt: 0,
                progress: now,
                starved: false,
            }))
        });
        Self { state, limit }
    }

    /// The body from its beginning; earlier attempts read no further. None if more of it was read than is kept, or if the
    /// client broke off.
    pub(crate) fn attempt(&self) -> Option<Outgoing> {
        let Some(shared) = &self.state else {
            return Some(Outgoing::empty());
        };
        let mut state = lock(shared);
        if state.overflow || state.failed.is_some() {
            return None;
        }
        state.attempt += 1;
        Some(Outgoing {
            attempt: state.attempt,
            state: Some(shared.clone()),
            at: 0,
            told: false,
            limit: self.limit,
        })
    }

    /// Whether there is no body.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.is_none()
    }

    /// Whether another [attempt](Self::attempt) is possible.
    pub(crate) fn is_whole(&self) -> bool {
        self.state.as_ref().is_none_or(|state| {
            let state = lock(state);
            !state.overflow && state.failed.is_none()
        })
    }

    /// Bytes that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.state
            .as_ref()
            .map_or(0, |state| lock(state).kept_bytes)
    }

    /// None if there is no body.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let state = lock(self.state.as_ref()?);
        Some(Progress {
            at: state.progress,
            starved: state.starved,
            failed: state.failed,
        })
    }
}

/// One attempt's body.
#[derive(Debug)]
pub(crate) struct Outgoing {
    state: Option<Arc<Mutex<State>>>,
    attempt: u32,
    /// The next kept part.
    at: usize,
    /// Whether the trailers were given out.
    told: bool,
    limit: usize,
}

impl Outgoing {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self {
            state: None,
            attempt: 0,
            at: 0,
            told: true,
            limit: 0,
        }
    }
}

/// A later attempt reads the body now.
#[derive(Debug, thiserror::Error)]
#[error("the request is sent again elsewhere")]
pub(crate) struct Superseded;

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(shared) = &this.state else {
            return Poll::Ready(None);
        };
        let mut state = lock(shared);
        let state = &mut *state;
        if state.attempt != this.attempt {
            return Poll::Ready(Some(Err(Superseded.into())));
        }
        if !state.overflow
            && let Some(part) = state.kept.get(this.at)
        {
            this.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(part.clone()))));
        }
        if state.ended {
            let trailers = state.trailers.clone().filter(|_| !this.told);
            this.told = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let polled = state.source.poll_frame(cx);
        state.starved = polled.is_pending();
        let frame = match ready!(polled) {
            None => {
                state.ended = true;
                this.told = true;
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                state.failed = Some(Failed::Client);
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(frame)) => frame,
        };
        state.progress = Instant::now();
        if let Some(data) = frame.data_ref() {
            state.total += data.len() as u64;
            if state.total > state.most {
                state.failed = Some(Failed::TooLarge);
                return Poll::Ready(Some(Err(Failed::TooLarge.into())));
            }
            state.keep(data, this.limit);
            this.at = state.kept.len();
        } else if let Some(trailers) = frame.trailers_ref() {
            state.trailers = (!state.overflow).then(|| trailers.clone());
            state.ended = true;
            this.told = true;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.state.as_ref().is_none_or(|state| {
            let state = lock(state);
            let behind = !state.overflow && self.at < state.kept.len();
            !behind
                && (state.trailers.is_none() || self.told)
                && (state.ended || state.source.is_end_stream())
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(state) = &self.state else {
            return SizeHint::with_exact(0);
        };
        let state = lock(state);
        let behind: usize = if state.overflow {
            0
        } else {
            state.kept.iter().skip(self.at).map(Bytes::len).sum()
        };
        let mut hint = state.source.size_hint();
        let behind = behind as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + behind);
        }
        hint.set_lower(hint.lower() + behind);
        hint
    }
}

impl State {
    fn keep(&mut self, data: &Bytes, limit: usize) {
        if self.overflow {
            return;
        }
        if self.kept_bytes + data.len() > limit {
            self.overflow = true;
            self.kept = Vec::new();
            self.kept_bytes = 0;
        } else {
            self.kept_bytes += data.len();
            self.kept.push(data.clone());
        }
    }
}
