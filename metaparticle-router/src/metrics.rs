//! [`Metrics`]: what a gate counts, as Prometheus reads it.
//!
//! Each thread counts on its own, so that counting costs an uncontended addition; reading adds up.

use std::{
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;

use crate::Reason;

/// What all threads of a gate have counted.
#[derive(Debug)]
pub struct Metrics {
    lanes: Box<[Lane]>,
}

impl Metrics {
    /// For that many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            lanes: (0..threads.max(1)).map(|_| Lane::default()).collect(),
        }
    }

    /// What a thread counts with.
    pub(crate) fn recorder(self: &Arc<Self>, thread: usize) -> Recorder {
        Recorder {
            lane: thread % self.lanes.len(),
            metrics: Arc::clone(self),
        }
    }

    /// The text that Prometheus reads (format 0.0.4). `shard` is the name of the pod, a label of each metric; no key, slot
    /// or path is one.
    #[must_use]
    pub fn text(&self, shard: &str) -> String {
        let mut text = String::with_capacity(8 << 10);
        // A String takes all.
        let _ = self.write(&mut text, &escaped(shard));
        text
    }

    fn write(&self, out: &mut String, shard: &str) -> fmt::Result {
        head(
            out,
            "requests_total",
            "counter",
            "Requests, by what became of them and class of status.",
        )?;
        for (outcome, name) in OUTCOMES.iter().enumerate() {
            for class in 0..CLASSES {
                let count = self.sum(|lane| &lane.requests[outcome][class]);
                if count > 0 {
                    let class = class + 1;
                    writeln!(
                        out,
                        "{PREFIX}requests_total{{shard=\"{shard}\",outcome=\"{name}\",class=\"{class}xx\"}} {count}"
                    )?;
                }
            }
        }
        self.write_seconds(out, shard)?;
        for (name, kind, help, of) in SINGLES {
            head(out, name, kind, help)?;
            let count = self.sum(of);
            writeln!(out, "{PREFIX}{name}{{shard=\"{shard}\"}} {count}")?;
        }
        Ok(())
    }

    fn write_seconds(&self, out: &mut String, shard: &str) -> fmt::Result {
        head(
            out,
            "request_seconds",
            "histogram",
            "From the head of a request to the end of its response.",
        )?;
        let mut count = 0;
        let names = BUCKETS.iter().map(|(_, name)| *name).chain(["+Inf"]);
        for (bucket, le) in names.enumerate() {
            count += self.sum(|lane| &lane.seconds[bucket]);
            writeln!(
                out,
                "{PREFIX}request_seconds_bucket{{shard=\"{shard}\",le=\"{le}\"}} {count}"
            )?;
        }
        let micros = self.sum(|lane| &lane.micros);
        let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(
            out,
            "{PREFIX}request_seconds_sum{{shard=\"{shard}\"}} {whole}.{rest:06}"
        )?;
        writeln!(
            out,
            "{PREFIX}request_seconds_count{{shard=\"{shard}\"}} {count}"
        )
    }

    /// A gauge may be raised in one lane and lowered in another: the sum wraps to the right number.
    fn sum(&self, of: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        let counts = self.lanes.iter().map(|lane| of(lane).load(Relaxed));
        counts.fold(0, u64::wrapping_add)
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// The application of this process answered.
    Here,
    /// The owner's gate answered.
    Peer,
    /// It was refused.
    Refused(Reason),
}

/// What one thread counts with.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    metrics: Arc<Metrics>,
    lane: usize,
}

impl Recorder {
    /// A request came: it is in flight until what is returned is dropped.
    pub(crate) fn begin(&self) -> Gauge {
        self.raise(|lane| &lane.inflight)
    }

    /// A request waits for its slot, until what is returned is dropped.
    pub(crate) fn hold(&self) -> Gauge {
        self.raise(|lane| &lane.buffered)
    }

    /// A request came to its end, so long after its head was read.
    pub(crate) fn end(&self, outcome: Outcome, status: StatusCode, took: Duration) {
        let lane = self.lane();
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        lane.requests[outcome.index()][class].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(limit, _)| *limit < micros);
        lane.seconds[bucket].fetch_add(1, Relaxed);
        lane.micros.fetch_add(micros, Relaxed);
    }

    /// A request is sent again.
    pub(crate) fn retried(&self) {
        self.lane().retries.fetch_add(1, Relaxed);
    }

    /// Another gate said that it does not serve the slot, or this one said so.
    pub(crate) fn moved(&self) {
        self.lane().moved.fetch_add(1, Relaxed);
    }

    /// A response or an upgraded connection was cut, because its slot moved.
    pub(crate) fn cut(&self) {
        self.lane().cut.fetch_add(1, Relaxed);
    }

    fn lane(&self) -> &Lane {
        &self.metrics.lanes[self.lane]
    }

    fn raise(&self, of: fn(&Lane) -> &AtomicU64) -> Gauge {
        of(self.lane()).fetch_add(1, Relaxed);
        Gauge {
            recorder: self.clone(),
            of,
        }
    }
}

/// One more, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped at once it counts nothing"]
pub(crate) struct Gauge {
    recorder: Recorder,
    of: fn(&Lane) -> &AtomicU64,
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.of)(self.recorder.lane()).fetch_sub(1, Relaxed);
    }
}

impl Outcome {
    const fn index(self) -> usize {
        match self {
            Self::Here => 0,
            Self::Peer => 1,
            Self::Refused(reason) => 2 + reason as usize,
        }
    }
}

/// What one thread has counted, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    requests: [[AtomicU64; CLASSES]; OUTCOMES.len()],
    seconds: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
    inflight: AtomicU64,
    buffered: AtomicU64,
    retries: AtomicU64,
    moved: AtomicU64,
    cut: AtomicU64,
}

/// Classes of status: 1xx to 5xx.
const CLASSES: usize = 5;

/// The label of each [`Outcome`].
const OUTCOMES: [&str; 2 + Reason::ALL.len()] = {
    let mut names = ["here"; 2 + Reason::ALL.len()];
    names[1] = "peer";
    let mut index = 0;
    while index < Reason::ALL.len() {
        names[2 + index] = Reason::ALL[index].as_str();
        index += 1;
    }
    names
};

/// Upper bounds in microseconds, and as written.
const BUCKETS: [(u64, &str); 16] = [
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

const PREFIX: &str = "metaparticle_router_";

type Single = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Lane) -> &AtomicU64,
);

const SINGLES: [Single; 5] = [
    (
        "inflight",
        "gauge",
        "Requests whose response has not ended.",
        |lane| &lane.inflight,
    ),
    (
        "buffered",
        "gauge",
        "Requests that wait for a slot that moves.",
        |lane| &lane.buffered,
    ),
    ("retries_total", "counter", "Requests sent again.", |lane| {
        &lane.retries
    }),
    (
        "moved_total",
        "counter",
        "Requests turned away by whom they were sent to.",
        |lane| &lane.moved,
    ),
    (
        "cut_total",
        "counter",
        "Responses cut because their slot moved.",
        |lane| &lane.cut,
    ),
];

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(
        out,
        "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}"
    )
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
