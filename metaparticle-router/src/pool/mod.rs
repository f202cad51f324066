//! Connections of one thread to the application and to other gates, kept for the next request.
//!
//! A connection of HTTP/1.1 carries one request at a time and comes back when the response's *body* has ended: one that came
//! back at its head would make the next request wait for a slow reader. Connections of HTTP/2 are shared.

mod dial;
pub(crate) mod hello;
mod lease;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use metaparticle_protocol::Uid;
use tokio::time::Instant;

pub(crate) use dial::DialError;
pub(crate) use lease::{Lease, SendError};

use crate::replay::Outgoing;

/// What HTTP is spoken to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// How much of a body is sent to a gate on a stream of HTTP/2 before it was passed on, in bytes.
pub(crate) const WINDOW: u32 = 128 << 10;

/// The same for a connection with that many streams: all of them at a standstill leave room for one more.
pub(crate) fn window_of(streams: u32) -> u32 {
    const MOST: u32 = (1 << 31) - 1;
    WINDOW.saturating_mul(streams.saturating_add(1)).min(MOST)
}

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For connecting and the hello.
    pub(crate) connect: Duration,
    /// How long a connection waits for another request.
    pub(crate) idle: Duration,
    /// How many wait, a backend.
    pub(crate) idle_connections: usize,
    /// Requests at a time on one connection of HTTP/2.
    pub(crate) streams: usize,
}

/// The connections of a thread.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: Limits,
    app: Arc<Backend>,
    peers: Mutex<HashMap<(Uid, SocketAddr), Arc<Backend>>>,
}

impl Pool {
    /// To the application at that address, and to whatever gates are asked for.
    pub(crate) fn new(app: SocketAddr, limits: Limits) -> Self {
        Self {
            limits,
            app: Arc::new(Backend::new(app, None, limits)),
            peers: Mutex::default(),
        }
    }

    /// The application.
    pub(crate) fn app(&self) -> &Arc<Backend> {
        &self.app
    }

    /// The gate of the process that has that session.
    pub(crate) fn peer(&self, session: &Uid, address: SocketAddr) -> Arc<Backend> {
        let mut peers = lock(&self.peers);
        let backend = peers
            .entry((session.clone(), address))
            .or_insert_with(|| Arc::new(Backend::new(address, Some(session.clone()), self.limits)));
        backend.clone()
    }

    /// Closes what waited for too long, and forgets gates to which nothing is connected. To be called now and then.
    pub(crate) fn tidy(&self, now: Instant) {
        self.app.tidy(now);
        lock(&self.peers).retain(|_, backend| {
            backend.tidy(now);
            Arc::strong_count(backend) > 1 || !backend.is_unused()
        });
    }
}

/// One address, and who is there.
#[derive(Debug)]
pub(crate) struct Backend {
    address: SocketAddr,
    /// For a gate: the session that it must have.
    session: Option<Uid>,
    limits: Limits,
    /// The one that was used last is at the end.
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// Held while a shared connection is made, so that requests that come meanwhile find it.
    sharing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<Outgoing>,
    since: Instant,
}

#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<Outgoing>,
    streams: Arc<Streams>,
}

/// Requests on a connection of HTTP/2.
#[derive(Debug)]
pub(crate) struct Streams {
    open: AtomicUsize,
    used: Mutex<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend {
    fn new(address: SocketAddr, session: Option<Uid>, limits: Limits) -> Self {
        Self {
            address,
            session,
            limits,
            idle: Mutex::default(),
            shared: Mutex::default(),
            sharing: tokio::sync::Mutex::default(),
        }
    }

    /// A connection that is open, if there is one.
    pub(crate) fn reuse(self: &Arc<Self>, protocol: Protocol, now: Instant) -> Option<Lease> {
        match protocol {
            Protocol::Http1 => self.reuse_alone(now),
            Protocol::Http2 => self.reuse_shared(now),
        }
    }

    /// A connection: an open one, or a new one. `key` is the application's, for the hello.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        protocol: Protocol,
        key: Option<&[u8]>,
    ) -> Result<Lease, DialError> {
        match protocol {
            Protocol::Http1 => {
                let sender = dial::http1(self, key).await?;
                Ok(Lease::alone(sender, self.clone(), false))
            }
            Protocol::Http2 => {
                let _turn = self.sharing.lock().await;
                if let Some(lease) = self.reuse_shared(Instant::now()) {
                    return Ok(lease);
                }
                let sender = dial::http2(self, key).await?;
                let streams = Arc::new(Streams {
                    open: AtomicUsize::new(1),
                    used: Mutex::new(Instant::now()),
                });
                lock(&self.shared).push(Shared {
                    sender: sender.clone(),
                    streams: streams.clone(),
                });
                Ok(Lease::shared(sender, streams, false))
            }
        }
    }

    fn reuse_alone(self: &Arc<Self>, now: Instant) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        while let Some(last) = idle.pop() {
            let fresh = now.saturating_duration_since(last.since) < self.limits.idle;
            // Not ready: the application answered before it had read the request, and has not read it yet.
            if fresh && last.sender.is_ready() {
                return Some(Lease::alone(last.sender, self.clone(), true));
            }
        }
        None
    }

    fn reuse_shared(&self, now: Instant) -> Option<Lease> {
        let mut shared = lock(&self.shared);
        shared.retain(|one| !one.sender.is_closed());
        let one = shared
            .iter()
            .find(|one| one.streams.open.load(Ordering::Relaxed) < self.limits.streams)?;
        one.streams.open.fetch_add(1, Ordering::Relaxed);
        *lock(&one.streams.used) = now;
        Some(Lease::shared(one.sender.clone(), one.streams.clone(), true))
    }

    /// A response's body has ended.
    fn put_back(&self, sender: http1::SendRequest<Outgoing>, now: Instant) {
        if sender.is_closed() {
            return;
        }
        let mut idle = lock(&self.idle);
        if idle.len() < self.limits.idle_connections {
            idle.push(Idle { sender, since: now });
        }
    }

    fn tidy(&self, now: Instant) {
        lock(&self.idle).retain(|one| {
            let waited = now.saturating_duration_since(one.since);
            waited < self.limits.idle && !one.sender.is_closed()
        });
        lock(&self.shared).retain(|one| {
            let waited = now.saturating_duration_since(*lock(&one.streams.used));
            let used = one.streams.open.load(Ordering::Relaxed) > 0;
            !one.sender.is_closed() && (used || waited < self.limits.idle)
        });
    }

    fn is_unused(&self) -> bool {
        lock(&self.idle).is_empty() && lock(&self.shared).is_empty()
    }
}
