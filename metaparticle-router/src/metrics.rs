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
    lanes: Box<[Arc<Lane>]>,
}

impl Metrics {
    /// For that many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            lanes: (0..threads.max(1)).map(|_| Arc::default()).collect(),
        }
    }

    /// What a thread counts with.
    pub(crate) fn recorder(&self, thread: usize) -> Recorder {
        let lane = &self.lanes[thread % self.lanes.len()];
        Recorder { lane: lane.clone() }
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
    lane: Arc<Lane>,
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
        let lane = &*self.lane;
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        lane.requests[outcome.index()][class].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(limit, _)| *limit < micros);
        lane.seconds[bucket].fetch_add(1, Relaxed);
        lane.micros.fetch_add(micros, Relaxed);
    }

    /// A request is sent again.
    pub(crate) fn retried(&self) {
        self.lane.retries.fetch_add(1, Relaxed);
    }

    /// Another gate said that it does not serve the slot, or this one said so.
    pub(crate) fn moved(&self) {
        self.lane.moved.fetch_add(1, Relaxed);
    }

    /// A response or an upgraded connection was cut, because its slot moved.
    pub(crate) fn cut(&self) {
        self.lane.cut.fetch_add(1, Relaxed);
    }

    fn raise(&self, of: fn(&Lane) -> &AtomicU64) -> Gauge {
        of(&self.lane).fetch_add(1, Relaxed);
        Gauge {
            lane: self.lane.clone(),
            of,
        }
    }
}

/// One more, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped at once it counts nothing"]
pub(crate) struct Gauge {
    lane: Arc<Lane>,
    of: fn(&Lane) -> &AtomicU64,
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.of)(&self.lane).fetch_sub(1, Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: impl FnOnce(&Recorder, &Recorder)) -> String {
        let metrics = Arc::new(Metrics::new(2));
        count(&metrics.recorder(0), &metrics.recorder(1));
        metrics.text("users-1")
    }

    fn value(text: &str, name: &str) -> String {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn requests_are_counted_by_outcome_and_class_over_all_threads() {
        let text = counted(|one, two| {
            let took = Duration::from_millis(3);
            one.end(Outcome::Here, StatusCode::OK, took);
            two.end(Outcome::Here, StatusCode::NO_CONTENT, took);
            two.end(Outcome::Peer, StatusCode::NOT_FOUND, took);
            for &reason in Reason::ALL {
                one.end(Outcome::Refused(reason), reason.status(), took);
            }
        });
        let of = |outcome: &str, class: u16| {
            format!(
                "metaparticle_router_requests_total{{shard=\"users-1\",outcome=\"{outcome}\",class=\"{class}xx\"}}"
            )
        };
        assert_eq!(value(&text, &of("here", 2)), "2");
        assert_eq!(value(&text, &of("peer", 4)), "1");
        for reason in Reason::ALL {
            let class = reason.status().as_u16() / 100;
            assert_eq!(value(&text, &of(reason.as_str(), class)), "1", "{reason:?}");
        }
    }

    #[test]
    fn seconds_are_counted_in_growing_buckets() {
        let text = counted(|one, two| {
            for micros in [250, 251, 9_999, 61_000_000] {
                let recorder = if micros == 251 { two } else { one };
                recorder.end(Outcome::Here, StatusCode::OK, Duration::from_micros(micros));
            }
        });
        let bucket = |le: &str| {
            let name = format!(
                "metaparticle_router_request_seconds_bucket{{shard=\"users-1\",le=\"{le}\"}}"
            );
            value(&text, &name)
        };
        assert_eq!(bucket("0.00025"), "1");
        assert_eq!(bucket("0.0005"), "2");
        assert_eq!(bucket("0.005"), "2");
        assert_eq!(bucket("0.01"), "3");
        assert_eq!(bucket("60"), "3");
        assert_eq!(bucket("+Inf"), "4");
        assert_eq!(
            value(&text, "metaparticle_router_request_seconds_sum"),
            "61.010500"
        );
        assert_eq!(
            value(&text, "metaparticle_router_request_seconds_count"),
            "4"
        );
    }

    #[test]
    fn gauges_go_down_when_what_they_count_ends() {
        let metrics = Arc::new(Metrics::new(1));
        let recorder = metrics.recorder(0);
        let of = |name: &str| value(&metrics.text("x"), &format!("{PREFIX}{name}"));
        let (request, held) = (recorder.begin(), recorder.hold());
        assert_eq!((of("inflight"), of("buffered")), ("1".into(), "1".into()));
        drop(held);
        assert_eq!((of("inflight"), of("buffered")), ("1".into(), "0".into()));
        drop(request);
        assert_eq!(of("inflight"), "0");
    }

    #[test]
    fn each_counter_counts_its_own() {
        let text = counted(|one, two| {
            one.retried();
            one.moved();
            two.moved();
            (0..3).for_each(|_| two.cut());
        });
        assert_eq!(value(&text, "metaparticle_router_retries_total"), "1");
        assert_eq!(value(&text, "metaparticle_router_moved_total"), "2");
        assert_eq!(value(&text, "metaparticle_router_cut_total"), "3");
    }

    #[test]
    fn each_line_is_of_the_text_format() {
        let text = Arc::new(Metrics::new(1)).text("a\"b\\c\nd");
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            assert!(line.starts_with("metaparticle_router_"), "{line}");
            assert!(line.contains(r#"{shard="a\"b\\c\nd""#), "{line}");
            let (_, number) = line.rsplit_once(' ').expect("a name and a number");
            assert!(number.parse::<f64>().is_ok(), "{line}");
        }
        assert_eq!(text.matches("# TYPE ").count(), 7);
    }
}
