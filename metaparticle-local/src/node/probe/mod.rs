//! Probes: is a container started, ready, alive?
//!
//! Thresholds and periods are Kubernetes'. On purpose different: until a startup or readiness probe succeeds for the first
//! time it is tried after 50, 100, 200, … milliseconds, up to its period. A failure counts only when a period has passed
//! since the one before (or since the start), so that thresholds mean what they mean elsewhere.

mod check;
mod tally;

use std::{sync::Arc, time::Duration};

use futures::future;
use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::check::{Check, Inside, http_get};
use self::tally::Tally;
use super::ignored;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Startup,
    Liveness,
    Readiness,
}

/// What the probes of a container found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The startup probe succeeded.
    Started,
    /// The readiness probe changed its mind.
    Ready(bool),
    /// A probe failed, for this reason.
    Unhealthy(Purpose, String),
    /// The container is to be restarted.
    Dead(Purpose),
}

/// The probes of a container that are done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    startup: Option<(Probe, Check)>,
    liveness: Option<(Probe, Check)>,
    readiness: Option<(Probe, Check)>,
}

impl Purpose {
    /// `Readiness`, as events begin.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

impl Probes {
    /// Those of a container.
    pub(crate) fn of(container: &Container) -> Self {
        let with_check = |probe: &Option<Probe>| {
            let probe = probe.clone().filter(ignored::is_honoured)?;
            let check = Check::of(&probe, container)?;
            Some((probe, check))
        };
        Self {
            startup: with_check(&container.startup_probe),
            liveness: with_check(&container.liveness_probe),
            readiness: with_check(&container.readiness_probe),
        }
    }

    /// Whether the container counts as started as soon as it runs.
    pub(crate) fn starts_at_once(&self) -> bool {
        self.startup.is_none()
    }

    /// Whether the container counts as ready as soon as it has started.
    pub(crate) fn is_ready_at_once(&self) -> bool {
        self.readiness.is_none()
    }

    /// Probes until the container is dead, or forever.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn run(self, inside: Arc<Inside>, say: impl Fn(Finding) + Sync) {
        let say = &say;
        if let Some((probe, check)) = &self.startup {
            let ends = |succeeded: bool| {
                say(if succeeded {
                    Finding::Started
                } else {
                    Finding::Dead(Purpose::Startup)
                });
                true
            };
            if !repeat(Purpose::Startup, probe, check, &inside, say, ends).await {
                return;
            }
        }
        let readiness = async {
            if let Some((probe, check)) = &self.readiness {
                let goes_on = |succeeded| {
                    say(Finding::Ready(succeeded));
                    false
                };
                repeat(Purpose::Readiness, probe, check, &inside, say, goes_on).await;
            }
        };
        let liveness = async {
            if let Some((probe, check)) = &self.liveness {
                let ends_if_dead = |succeeded: bool| {
                    if !succeeded {
                        say(Finding::Dead(Purpose::Liveness));
                    }
                    !succeeded
                };
                repeat(Purpose::Liveness, probe, check, &inside, say, ends_if_dead).await;
            }
        };
        future::join(readiness, liveness).await;
    }
}

/// Probes until `verdict`, which is told of each change, says that it is enough. Whether the last one was a success.
async fn repeat(
    purpose: Purpose,
    probe: &Probe,
    check: &Check,
    inside: &Inside,
    say: &(impl Fn(Finding) + Sync),
    verdict: impl Fn(bool) -> bool,
) -> bool {
    let seconds = |value: Option<i32>, default: u64| {
        Duration::from_secs(value.and_then(|it| it.try_into().ok()).unwrap_or(default))
    };
    let period = seconds(probe.period_seconds, 10).max(Duration::from_secs(1));
    let patience = seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1));
    let delay = seconds(probe.initial_delay_seconds, 0);
    let hurries = purpose != Purpose::Liveness;
    sleep(if hurries || !delay.is_zero() {
        delay
    } else {
        period
    })
    .await;

    let mut tally = Tally::new(probe.success_threshold, probe.failure_threshold);
    let mut pauses = tally::Pauses::new(period, hurries);
    let mut counted = Instant::now();
    loop {
        let result = match timeout(patience, check.run(inside)).await {
            Ok(result) => result,
            Err(_) => Err(check.timed_out(inside, patience)),
        };
        let succeeded = result.is_ok();
        let counts = succeeded || !hurries || counted.elapsed() >= period;
        if counts {
            counted = Instant::now();
            if let Err(why) = result {
                say(Finding::Unhealthy(purpose, why));
            }
            if let Some(now) = tally.note(succeeded)
                && verdict(now)
            {
                return now;
            }
        }
        sleep(pauses.next(succeeded)).await;
    }
}
