//! Configurations that make no sense are refused with the reason.

use std::time::Duration;

use metaparticle_router::{Config, ConfigError};

#[test]
fn the_default_makes_sense() {
    assert_eq!(Config::default().check(), Ok(()));
}

#[test]
fn each_number_has_its_bounds() {
    type Set = fn(&mut Config, u64);
    let fields: [(&str, Set, &[u64], &[u64]); 11] = [
        (
            "trusted_hops",
            |it, to| it.trusted_hops = fit(to),
            &[17, 255],
            &[0, 16],
        ),
        (
            "max_headers",
            |it, to| it.max_headers = fit(to),
            &[0, 10_001],
            &[1, 10_000],
        ),
        (
            "max_head_bytes",
            |it, to| it.max_head_bytes = fit(to),
            &[0, 8191, 1 << 25],
            &[8192],
        ),
        (
            "max_body_bytes",
            |it, to| it.max_body_bytes = Some(to),
            &[0],
            &[1, u64::MAX],
        ),
        (
            "max_streams",
            |it, to| it.max_streams = fit(to),
            &[0, 1 << 21],
            &[1],
        ),
        (
            "pool_idle",
            |it, to| it.pool_idle = fit(to),
            &[0, 1 << 17],
            &[1],
        ),
        (
            "hold_bytes",
            |it, to| it.hold_bytes = fit(to),
            &[0, 1 << 41],
            &[1 << 40],
        ),
        (
            "hold_requests",
            |it, to| it.hold_requests = fit(to),
            &[0, 1 << 21],
            &[1],
        ),
        (
            "replay_bytes",
            |it, to| it.replay_bytes = fit(to),
            &[0, 1 << 31],
            &[1, 1 << 24],
        ),
        ("tries", |it, to| it.tries = fit(to), &[0, 11], &[1, 10]),
        (
            "retry_percent",
            |it, to| it.retry_percent = fit(to),
            &[101],
            &[0, 100],
        ),
    ];
    for (field, set, bad, good) in fields {
        let with = |value| {
            let mut config = Config::default();
            set(&mut config, value);
            config.check()
        };
        for &value in bad {
            let error = with(value).unwrap_err();
            assert!(matches!(error, ConfigError::Number { name, .. } if name == field));
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("{field} is {value}: must be from ")),
                "{text}"
            );
        }
        for &value in good {
            assert_eq!(with(value), Ok(()), "{field} {value}");
        }
    }
}

#[test]
fn each_time_has_its_bounds() {
    type Set = fn(&mut Config, Duration);
    let fields: [(&str, Set); 8] = [
        ("connect_timeout", |it, to| it.connect_timeout = to),
        ("head_timeout", |it, to| it.head_timeout = to),
        ("client_idle_timeout", |it, to| it.client_idle_timeout = to),
        ("response_timeout", |it, to| it.response_timeout = to),
        ("body_idle_timeout", |it, to| it.body_idle_timeout = to),
        ("pool_idle_timeout", |it, to| it.pool_idle_timeout = to),
        ("hold_timeout", |it, to| it.hold_timeout = to),
        ("stream_drain", |it, to| it.stream_drain = to),
    ];
    for (field, set) in fields {
        for time in [Duration::ZERO, Duration::MAX, Duration::from_secs(86_401)] {
            let mut config = Config::default();
            set(&mut config, time);
            assert_eq!(config.check(), Err(ConfigError::Time { name: field, time }));
        }
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let mut config = Config::default();
    config.pool_idle_timeout = config.client_idle_timeout;
    let error = config.check().unwrap_err();
    assert!(
        matches!(error, ConfigError::PoolOutlivesClient { .. }),
        "{error}"
    );
    let mut config = Config::default();
    config.hold_bytes = config.replay_bytes - 1;
    let error = config.check().unwrap_err();
    assert!(
        matches!(error, ConfigError::ReplayAboveHold { .. }),
        "{error}"
    );
    let mut config = Config::default();
    config.connect_timeout = config.hold_timeout + Duration::from_millis(1);
    let error = config.check().unwrap_err();
    assert!(
        matches!(error, ConfigError::ConnectAboveHold { .. }),
        "{error}"
    );
}

fn fit<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).unwrap_or_else(|_| panic!("{number} does not fit"))
}
