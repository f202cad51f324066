//! [`Metrics`]: what is counted, as numbers and as text for Prometheus. No framework is chosen for anyone.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::part::PartMetrics;

/// What a coordinator has counted since it started. A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Requests to the API server by verb and outcome; those that never happened are left out.
    pub requests: Vec<(Verb, Outcome, u64)>,
    /// Elections, the session and locks, by kind and name.
    pub parts: Vec<PartMetrics>,
}

impl Metrics {
    /// As text in the [OpenMetrics](https://github.com/prometheus/OpenMetrics) format, which Prometheus reads. Without
    /// the final `# EOF`, so that it can stand among others.
    ///
    /// # Examples
    /// ```no_run
    /// # fn answer(coordinator: &metaparticle_coordination::Coordinator) -> String {
    /// coordinator.metrics().to_open_metrics() + "# EOF\n"
    /// # }
    /// ```
    #[must_use]
    pub fn to_open_metrics(&self) -> String {
        type Value = fn(&PartMetrics) -> u64;
        let mut text = String::new();
        family(
            &mut text,
            "requests",
            "counter",
            "Requests to the API server.",
        );
        for (verb, outcome, count) in &self.requests {
            let (verb, outcome) = (verb.as_str(), outcome.as_str());
            let _ = writeln!(
                text,
                "metaparticle_requests_total{{verb=\"{verb}\",outcome=\"{outcome}\"}} {count}"
            );
        }
        let families: [(&str, &str, Value); 4] = [
            ("acquired", "Times it was acquired.", |part| part.acquired),
            ("released", "Times it was given back in order.", |part| {
                part.released
            }),
            ("lost", "Times it was lost.", |part| part.lost),
            ("held", "How many this process holds now.", |part| part.held),
        ];
        for (name, help, value) in families {
            let (suffix, kind) = match name {
                "held" => ("", "gauge"),
                _ => ("_total", "counter"),
            };
            family(&mut text, name, kind, help);
            for part in &self.parts {
                // Both are words without quotes.
                let (kind, of) = (part.kind.as_str(), &part.name);
                let _ = writeln!(
                    text,
                    "metaparticle_{name}{suffix}{{kind=\"{kind}\",name=\"{of}\"}} {}",
                    value(part)
                );
            }
        }
        text
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# TYPE metaparticle_{name} {kind}");
    let _ = writeln!(text, "# HELP metaparticle_{name} {help}");
}

/// A verb of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// GET of one.
    Get,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// GET of several.
    List,
    /// A watch that was asked for.
    Watch,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Get,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::List,
        Self::Watch,
    ];

    /// As a Role names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Watch => "watch",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, or read; also that there is none.
    Done,
    /// 409 or 410: the state is another one.
    Conflict,
    /// 429.
    Busy,
    /// 4xx that stays.
    Refused,
    /// No answer in time, no connection, 5xx.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::Conflict,
        Self::Busy,
        Self::Refused,
        Self::Unknown,
    ];

    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Requests by verb and outcome.
#[derive(Debug, Default)]
pub(crate) struct Requests([[AtomicU64; Outcome::ALL.len()]; Verb::ALL.len()]);

impl Requests {
    pub(crate) fn count(&self, verb: Verb, outcome: Outcome) {
        self.0[verb as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Vec<(Verb, Outcome, u64)> {
        let mut counts = Vec::new();
        for verb in Verb::ALL {
            for outcome in Outcome::ALL {
                let count = self.0[verb as usize][outcome as usize].load(Ordering::Relaxed);
                if count > 0 {
                    counts.push((verb, outcome, count));
                }
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use metaparticle_protocol::Name;

    use super::*;
    use crate::part::Kind;

    #[test]
    fn text_is_that_of_open_metrics() {
        let requests = Requests::default();
        requests.count(Verb::Update, Outcome::Done);
        requests.count(Verb::Update, Outcome::Done);
        requests.count(Verb::Get, Outcome::Unknown);
        let metrics = Metrics {
            requests: requests.snapshot(),
            parts: vec![PartMetrics {
                kind: Kind::Election,
                name: Name::from("billing"),
                acquired: 3,
                released: 1,
                lost: 1,
                held: 1,
            }],
        };
        assert_eq!(
            metrics.to_open_metrics(),
            "# TYPE metaparticle_requests counter
# HELP metaparticle_requests Requests to the API server.
metaparticle_requests_total{verb=\"get\",outcome=\"unknown\"} 1
metaparticle_requests_total{verb=\"update\",outcome=\"done\"} 2
# TYPE metaparticle_acquired counter
# HELP metaparticle_acquired Times it was acquired.
metaparticle_acquired_total{kind=\"election\",name=\"billing\"} 3
# TYPE metaparticle_released counter
# HELP metaparticle_released Times it was given back in order.
metaparticle_released_total{kind=\"election\",name=\"billing\"} 1
# TYPE metaparticle_lost counter
# HELP metaparticle_lost Times it was lost.
metaparticle_lost_total{kind=\"election\",name=\"billing\"} 1
# TYPE metaparticle_held gauge
# HELP metaparticle_held How many this process holds now.
metaparticle_held{kind=\"election\",name=\"billing\"} 1
"
        );
    }
}
