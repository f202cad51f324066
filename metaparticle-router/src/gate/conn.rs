//! A client's connection: bytes that were read to find out what it speaks, and whether it does anything.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};

/// What a connection does.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    /// Whether reading something is the begin of a request: with HTTP/1.1.
    heads: bool,
    /// Requests under way.
    busy: AtomicUsize,
    /// When the head of the next request began to come, in milliseconds since `epoch`, plus one; 0 if it did not.
    head: AtomicU64,
    /// When the last request ended.
    idle: AtomicU64,
    /// The client takes nothing.
    stuck: AtomicBool,
}

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Between requests.
    pub(crate) idle: Duration,
    /// In the head of one.
    pub(crate) head: Duration,
}

impl Activity {
    /// Of a connection that was opened just now.
    pub(crate) fn new(heads: bool) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            heads,
            busy: AtomicUsize::new(0),
            head: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
        })
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// A request's head is there.
    pub(crate) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
    }

    /// A response has ended.
    pub(crate) fn end(&self, now: Instant) {
        self.idle.store(self.since_epoch(now), Ordering::Relaxed);
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    fn read(&self) {
        if self.heads
            && self.busy.load(Ordering::Relaxed) == 0
            && self.head.load(Ordering::Relaxed) == 0
        {
            let now = self.since_epoch(Instant::now()) + 1;
            self.head.store(now, Ordering::Relaxed);
        }
    }

    /// When the connection has done nothing for too long, unless it does something; none while a request is under way.
    pub(crate) fn due(&self, patience: Patience) -> Option<Instant> {
        if self.stuck.load(Ordering::Relaxed) {
            return Some(self.epoch);
        }
        if self.busy.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let at = |millis| self.epoch + Duration::from_millis(millis);
        Some(match self.head.load(Ordering::Relaxed) {
            0 => at(self.idle.load(Ordering::Relaxed)) + patience.idle,
            head => at(head - 1) + patience.head,
        })
    }

    /// Its client takes nothing of a response: with HTTP/1.1 that is the end of the connection.
    pub(crate) fn is_stuck(&self) {
        if self.heads {
            self.stuck.store(true, Ordering::Relaxed);
        }
    }

    /// Whether waiting for the requests that are under way is in vain: its client takes nothing, or does not get to the end
    /// of a request's head.
    pub(crate) fn is_hopeless(&self) -> bool {
        let busy = self.busy.load(Ordering::Relaxed) > 0;
        self.stuck.load(Ordering::Relaxed) || (!busy && self.head.load(Ordering::Relaxed) > 0)
    }
}

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) struct Io {
    inner: TokioIo<TcpStream>,
    /// What was read before HTTP began.
    first: Bytes,
    activity: Arc<Activity>,
}

impl Io {
    /// Of a connection of which `first` was read already.
    pub(crate) fn new(stream: TcpStream, first: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            inner: TokioIo::new(stream),
            first,
            activity,
        }
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.has_remaining() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(length));
            self.activity.read();
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if polled.is_ready() {
            self.activity.read();
        }
        polled
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}
