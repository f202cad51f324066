//! [`Key`]: the keys of the attributes, so that a broken rule can name them.

/// A key of the attributes, as written on `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Key {
    /// `name`
    Name,
    /// `repository`
    Repository,
    /// `tag`
    Tag,
    /// `namespace`
    Namespace,
    /// `context`
    Context,
    /// `ports`
    Ports,
    /// `public`
    Public,
    /// `env`
    Env,
    /// `resources`
    Resources,
    /// `cpu` in `resources`
    Cpu,
    /// `memory` in `resources`
    Memory,
    /// `cpu_limit` in `resources`
    CpuLimit,
    /// `memory_limit` in `resources`
    MemoryLimit,
    /// `probes`
    Probes,
    /// `readiness` in `probes`
    Readiness,
    /// `liveness` in `probes`
    Liveness,
    /// `startup` in `probes`
    Startup,
    /// `port` in `probes`
    ProbePort,
    /// `base`
    Base,
    /// `on_exit`
    OnExit,
    /// `coordination`
    Coordination,
    /// `policy` in `coordination`
    Policy,
    /// `replicas`
    Replicas,
    /// `shards`
    Shards,
    /// `key`
    ShardKey,
    /// `key_regex`
    ShardKeyRegex,
    /// `key_header`
    ShardKeyHeader,
    /// `key_query`
    ShardKeyQuery,
    /// `slots`
    Slots,
    /// `unmatched`
    Unmatched,
    /// `router`
    Router,
    /// `gate`
    Gate,
    /// `drain`
    Drain,
    /// `completions`
    Completions,
    /// `parallelism`
    Parallelism,
}

impl Key {
    /// The key as written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Repository => "repository",
            Self::Tag => "tag",
            Self::Namespace => "namespace",
            Self::Context => "context",
            Self::Ports => "ports",
            Self::Public => "public",
            Self::Env => "env",
            Self::Resources => "resources",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::CpuLimit => "cpu_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Probes => "probes",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
            Self::Startup => "startup",
            Self::ProbePort => "port",
            Self::Base => "base",
            Self::OnExit => "on_exit",
            Self::Coordination => "coordination",
            Self::Policy => "policy",
            Self::Replicas => "replicas",
            Self::Shards => "shards",
            Self::ShardKey => "key",
            Self::ShardKeyRegex => "key_regex",
            Self::ShardKeyHeader => "key_header",
            Self::ShardKeyQuery => "key_query",
            Self::Slots => "slots",
            Self::Unmatched => "unmatched",
            Self::Router => "router",
            Self::Gate => "gate",
            Self::Drain => "drain",
            Self::Completions => "completions",
            Self::Parallelism => "parallelism",
        }
    }

    /// The key in whose parentheses this one is written: `resources` for `cpu`.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::Cpu | Self::Memory | Self::CpuLimit | Self::MemoryLimit => Some(Self::Resources),
            Self::Readiness | Self::Liveness | Self::Startup | Self::ProbePort => {
                Some(Self::Probes)
            }
            Self::Policy => Some(Self::Coordination),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_know_where_they_are_written() {
        assert_eq!(Key::CpuLimit.parent(), Some(Key::Resources));
        assert_eq!(Key::ProbePort.parent(), Some(Key::Probes));
        assert_eq!(Key::Policy.parent(), Some(Key::Coordination));
        assert_eq!(Key::Ports.parent(), None);
    }
}
