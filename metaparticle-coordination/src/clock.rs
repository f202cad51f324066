//! [`Clock`]: this process's own time (rule T1), and waiting by it. The wall clock is read nowhere here.

use std::{sync::OnceLock, time::Duration};

use metaparticle_protocol::Moment;

/// The longest sleep at a time: timers of the runtime stand still while the machine sleeps, our time does not.
const SLICE: Duration = Duration::from_secs(1);

/// A clock whose [`Moment`]s never go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock(Source);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    System,
    #[cfg(test)]
    Runtime(tokio::time::Instant),
}

impl Clock {
    /// The later of `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME`, each since its first use in this process: the latter goes on
    /// while the machine sleeps.
    pub(crate) fn system() -> Self {
        zero();
        Self(Source::System)
    }

    /// The runtime's clock, which a test can pause.
    #[cfg(test)]
    pub(crate) fn of_runtime() -> Self {
        Self(Source::Runtime(tokio::time::Instant::now()))
    }

    /// Now.
    pub(crate) fn now(self) -> Moment {
        Moment::new(Duration::from_nanos(self.nanos()))
    }

    /// Now, in nanoseconds since the zero of [`Moment`]s: all that a guard's `check()` needs.
    pub(crate) fn nanos(self) -> u64 {
        match self.0 {
            Source::System => Reading::now().since(zero()),
            #[cfg(test)]
            Source::Runtime(zero) => nanos(zero.elapsed()),
        }
    }

    /// Waits until `moment` has come.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn sleep_until(self, moment: Moment) {
        loop {
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}

fn zero() -> Reading {
    static ZERO: OnceLock<Reading> = OnceLock::new();
    *ZERO.get_or_init(Reading::now)
}

/// As far as a number goes: 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks, in nanoseconds. Their zeroes have nothing to do with each other: a time namespace may move each by itself.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
struct Reading {
    monotonic: u64,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    boot: u64,
}

#[cfg(unix)]
impl Reading {
    fn now() -> Self {
        Self {
            monotonic: read(rustix::time::ClockId::Monotonic),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            boot: read(rustix::time::ClockId::Boottime),
        }
    }

    fn since(self, zero: Self) -> u64 {
        let monotonic = self.monotonic.saturating_sub(zero.monotonic);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return monotonic.max(self.boot.saturating_sub(zero.boot));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        monotonic
    }
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    // Neither is negative: they count from the start of the machine.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000_000 + nanos
}

/// The runtime's clock: on Windows it goes on while the machine sleeps.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug)]
struct Reading(tokio::time::Instant);

#[cfg(not(unix))]
impl Reading {
    fn now() -> Self {
        Self(tokio::time::Instant::now())
    }

    fn since(self, zero: Self) -> u64 {
        nanos(self.0.saturating_duration_since(zero.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_time_goes_on_and_never_back() {
        let clock = Clock::system();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now().since(last) >= Duration::from_millis(2));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_clock_alone_moves_time_on() {
        let reading = |monotonic, boot| Reading { monotonic, boot };
        let zero = reading(100, 5);
        assert_eq!(reading(101, 65).since(zero), 60, "it slept");
        assert_eq!(reading(110, 6).since(zero), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_ends_when_the_moment_has_come() {
        let clock = Clock::of_runtime();
        let begin = clock.now();
        clock
            .sleep_until(begin + Duration::from_millis(2_500))
            .await;
        let slept = clock.now().since(begin);
        assert!(slept >= Duration::from_millis(2_500), "{slept:?}");
        assert!(slept <= Duration::from_millis(2_510), "{slept:?}");
    }
}
