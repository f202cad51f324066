//! [`Config`]: the limits and times of a gate.

use std::time::Duration;

/// The limits and times of a gate. The default is what most programs want.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What becomes of a request without a key: to this process's application.
    pub unmatched: Unmatched,
    /// What the application speaks: HTTP/1.1.
    pub upstream: Upstream,
    /// How many proxies in front of the gate are trusted to say who the client is: 0, at most 16. Of `X-Forwarded-For`
    /// that many last entries are kept and the caller's address is appended; what others wrote is dropped.
    pub trusted_hops: u8,
    /// Whether the application also gets `Forwarded` of RFC 7239: no. A client's is dropped as the other headers are.
    pub forwarded: bool,
    /// Headers of a request: 100.
    pub max_headers: usize,
    /// Bytes of a request's head: 64 KiB, at least 8 KiB.
    pub max_head_bytes: usize,
    /// Bytes of a request's body: any number.
    pub max_body_bytes: Option<u64>,
    /// Requests at the same time on one connection of HTTP/2: 200.
    pub max_streams: u32,
    /// Until a connection to an application or another gate is there: 1 s.
    pub connect_timeout: Duration,
    /// Until the head of a request is there: 10 s.
    pub head_timeout: Duration,
    /// How long a client's connection may have no request: 75 s.
    pub client_idle_timeout: Duration,
    /// From the end of a request to the head of its response: 60 s.
    pub response_timeout: Duration,
    /// How long no byte of a body may move: 300 s.
    pub body_idle_timeout: Duration,
    /// Idle connections that a thread keeps to one other process: 64.
    pub pool_idle: usize,
    /// How long they are kept: 30 s. Less than [`client_idle_timeout`](Self::client_idle_timeout), or the other end closes
    /// a connection as it is used.
    pub pool_idle_timeout: Duration,
    /// Bytes of requests that wait for a slot that moves: 16 MiB.
    pub hold_bytes: usize,
    /// Requests that wait for a slot that moves: 1,024.
    pub hold_requests: usize,
    /// How long they wait: 5 s.
    pub hold_timeout: Duration,
    /// Bytes of a request's body that are kept, so that it can be sent again: 64 KiB.
    pub replay_bytes: usize,
    /// How often a request is sent, at most: 2.
    pub tries: u8,
    /// Requests that are sent again, in percent of all: 20 …
    pub retry_percent: u8,
    /// … and as many more each second: 10.
    pub retries_per_second: u32,
    /// How old a response may be when its slot begins to move, and how long it then may still last: 1 s.
    pub stream_drain: Duration,
}

/// What becomes of a request that has no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unmatched {
    /// The application of this process answers.
    #[default]
    Any,
    /// 404, with the reason `no-key`.
    NotFound,
}

/// What the application speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// HTTP/1.1, and HTTP/2 for requests of gRPC.
    #[default]
    Http1,
    /// HTTP/2 without TLS, from the first byte.
    H2c,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            unmatched: Unmatched::Any,
            upstream: Upstream::Http1,
            trusted_hops: 0,
            forwarded: false,
            max_headers: 100,
            max_head_bytes: 64 << 10,
            max_body_bytes: None,
            max_streams: 200,
            connect_timeout: Duration::from_secs(1),
            head_timeout: Duration::from_secs(10),
            client_idle_timeout: Duration::from_secs(75),
            response_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(300),
            pool_idle: 64,
            pool_idle_timeout: Duration::from_secs(30),
            hold_bytes: 16 << 20,
            hold_requests: 1024,
            hold_timeout: Duration::from_secs(5),
            replay_bytes: 64 << 10,
            tries: 2,
            retry_percent: 20,
            retries_per_second: 10,
            stream_drain: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// With the first value that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, value, least, most) in self.numbers() {
            if value < least || value > most {
                return Err(ConfigError::Number {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        for (name, time) in self.times() {
            if time < LEAST_TIME || time > MOST_TIME {
                return Err(ConfigError::Time { name, time });
            }
        }
        if self.pool_idle_timeout >= self.client_idle_timeout {
            return Err(ConfigError::PoolOutlivesClient {
                pool: self.pool_idle_timeout,
                client: self.client_idle_timeout,
            });
        }
        if self.replay_bytes > self.hold_bytes {
            return Err(ConfigError::ReplayAboveHold {
                replay: self.replay_bytes,
                hold: self.hold_bytes,
            });
        }
        if self.connect_timeout > self.hold_timeout {
            return Err(ConfigError::ConnectAboveHold {
                connect: self.connect_timeout,
                hold: self.hold_timeout,
            });
        }
        Ok(())
    }

    /// Name, value, least, most.
    fn numbers(&self) -> [(&'static str, u64, u64, u64); 11] {
        let any = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        [
            ("trusted_hops", self.trusted_hops.into(), 0, 16),
            // The most that a map of headers can have is 2^15.
            ("max_headers", any(self.max_headers), 1, 10_000),
            // hyper's buffer has at least 8 KiB.
            (
                "max_head_bytes",
                any(self.max_head_bytes),
                8 << 10,
                16 << 20,
            ),
            (
                "max_body_bytes",
                self.max_body_bytes.unwrap_or(1),
                1,
                u64::MAX,
            ),
            ("max_streams", self.max_streams.into(), 1, 1 << 20),
            ("pool_idle", any(self.pool_idle), 1, 1 << 16),
            ("hold_bytes", any(self.hold_bytes), 1, 1 << 40),
            ("hold_requests", any(self.hold_requests), 1, 1 << 20),
            ("replay_bytes", any(self.replay_bytes), 1, 1 << 30),
            ("tries", self.tries.into(), 1, 10),
            ("retry_percent", self.retry_percent.into(), 0, 100),
        ]
    }

    fn times(&self) -> [(&'static str, Duration); 8] {
        [
            ("connect_timeout", self.connect_timeout),
            ("head_timeout", self.head_timeout),
            ("client_idle_timeout", self.client_idle_timeout),
            ("response_timeout", self.response_timeout),
            ("body_idle_timeout", self.body_idle_timeout),
            ("pool_idle_timeout", self.pool_idle_timeout),
            ("hold_timeout", self.hold_timeout),
            ("stream_drain", self.stream_drain),
        ]
    }
}

const LEAST_TIME: Duration = Duration::from_millis(1);
const MOST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a [`Config`] makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that is too small or too large.
    #[error("{name} is {value}: must be from {least} to {most}")]
    Number {
        /// The field.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A time that is too short or too long.
    #[error("{name} is {time:?}: must be from {LEAST_TIME:?} to {MOST_TIME:?}")]
    Time {
        /// The field.
        name: &'static str,
        /// Its value.
        time: Duration,
    },
    /// Connections between gates would be closed as they are used.
    #[error(
        "pool_idle_timeout is {pool:?}, client_idle_timeout {client:?}: the first must be shorter, or a gate closes \
         connections that another is about to use"
    )]
    PoolOutlivesClient {
        /// [`Config::pool_idle_timeout`].
        pool: Duration,
        /// [`Config::client_idle_timeout`].
        client: Duration,
    },
    /// One request would fill the hold buffer.
    #[error(
        "replay_bytes is {replay}, hold_bytes {hold}: the first must not be larger, or no such request can be held"
    )]
    ReplayAboveHold {
        /// [`Config::replay_bytes`].
        replay: usize,
        /// [`Config::hold_bytes`].
        hold: usize,
    },
    /// A held request could not be sent to its new owner any more.
    #[error("connect_timeout is {connect:?}, hold_timeout {hold:?}: the first must not be longer")]
    ConnectAboveHold {
        /// [`Config::connect_timeout`].
        connect: Duration,
        /// [`Config::hold_timeout`].
        hold: Duration,
    },
}
