//! [`SpecError`]: one variant a rule; its text is what the compiler and the deployer both show.

use thiserror::Error;

/// A value that the specification does not allow.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// Not a DNS label.
    #[error(
        "`{0}` is not a valid name: use 1 to 63 lower-case letters, digits and `-`, beginning with a letter and \
         ending with a letter or digit"
    )]
    Name(String),
    /// Not a namespace.
    #[error(
        "`{0}` is not a valid namespace: use 1 to 63 lower-case letters, digits and `-`, beginning and ending with a \
         letter or digit"
    )]
    Namespace(String),
    /// Not the name of an environment variable.
    #[error("`{0}` is not a valid environment variable name: use printable ASCII without `=`")]
    EnvName(String),
    /// A variable that Metaparticle sets.
    #[error("`{0}` is set by metaparticle; names beginning with `METAPARTICLE_` are reserved")]
    ReservedEnv(String),
    /// Not a port.
    #[error("{0} is not a valid port: use 1 to 65535")]
    PortNumber(i128),
    /// Not a port declaration.
    #[error(
        "`{0}` is not a valid port: write 8080, \"8080/udp\", \"name:8080\" or \"name:8080/tcp\""
    )]
    Port(String),
    /// Not a port name.
    #[error(
        "`{0}` is not a valid port name: use 1 to 15 lower-case letters, digits and `-`, with at least one letter"
    )]
    PortName(String),
    /// Not a quantity.
    #[error(
        "`{0}` is not a valid quantity: write a number with a suffix of Kubernetes, such as \"100m\" or \"64Mi\""
    )]
    Quantity(String),
    /// Not a repository.
    #[error(
        "`{0}` is not a valid repository: write `[host[:port]/]path` in lower case, without tag or digest, such as \
         \"registry.example.com/team\""
    )]
    Repository(String),
    /// Not a tag.
    #[error(
        "`{0}` is not a valid tag: use 1 to 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`"
    )]
    Tag(String),
    /// Not an image.
    #[error(
        "`{0}` is not a valid image: write \"scratch\" or `[host[:port]/]path[:tag][@sha256:…]`"
    )]
    Image(String),
    /// Not a shard key.
    #[error("`{0}` is not a valid shard key: {1}")]
    ShardKey(String, &'static str),
    /// Not a regular expression.
    #[error("`{0}` is not a valid shard key: as a regular expression, {1}")]
    ShardRegex(String, String),
    /// Not a number of slots.
    #[error("`slots` must be a power of two from 1 to 16384, not {0}")]
    Slots(i128),
    /// Not a time to drain.
    #[error("`drain` must be from 1 to 600 seconds, not {0}")]
    Drain(i128),
    /// More shards than a map has room for.
    #[error("`shards = {shards}` is too many for {slots} slots: at most {max}")]
    Shards {
        /// The shards.
        shards: u32,
        /// The slots.
        slots: u32,
        /// How many shards so many slots may have.
        max: u32,
    },
    /// A port of the name that the gate's has.
    #[error(
        "a port named `gate` is that of metaparticle on a sharded service: choose another name"
    )]
    GatePortName,
    /// Whether a shard is ready is not asked of the program.
    #[error(
        "whether a shard is ready is asked of its gate, which waits for the program's port: leave `readiness` out"
    )]
    ShardReadiness,
    /// Not a path of a probe.
    #[error("`{0}` is not a valid probe path: begin it with `/` and use no spaces")]
    ProbePath(String),
    /// An empty context.
    #[error("the context is empty: name one of the kubeconfig, or leave the key out")]
    Context,
    /// A value that gets lost on the way to the process.
    #[error("the value of `{name}` holds U+{:04X}, which Kubernetes cannot carry in a variable", u32::from(*character))]
    EnvValue {
        /// The variable.
        name: String,
        /// The character.
        character: char,
    },
    /// CPU with a suffix of bytes, or too fine.
    #[error(
        "`{0}` is not an amount of CPU: write cores (\"1\", \"0.5\") or thousandths (\"100m\"), at least 1m"
    )]
    Cpu(String),
    /// So little memory that a suffix must be missing.
    #[error("`{0}` is less than 1Mi of memory: write bytes with a suffix, such as \"64Mi\"")]
    Memory(String),
    /// A limit below its request.
    #[error("the {resource} limit `{limit}` is below the request `{request}`")]
    LimitBelowRequest {
        /// `CPU` or `memory`.
        resource: &'static str,
        /// The limit.
        limit: String,
        /// The request.
        request: String,
    },
    /// A name from which a longer one is derived that Kubernetes does not take.
    #[error("the name `{name}` has {} characters, at most {max} are possible here: {why}", name.len())]
    NameLength {
        /// The name.
        name: String,
        /// How many characters fit.
        max: usize,
        /// What is derived from it.
        why: &'static str,
    },
    /// A count above the one that Kubernetes takes.
    #[error("`{key} = {count}` is too many: Kubernetes takes at most {max}")]
    Count {
        /// The key.
        key: &'static str,
        /// Its value.
        count: u32,
        /// The bound.
        max: u32,
    },
    /// More pods at a time than runs.
    #[error(
        "`parallelism = {parallelism}` exceeds `completions = {completions}`: the rest would never start"
    )]
    Parallelism {
        /// Pods at a time.
        parallelism: u32,
        /// Runs.
        completions: u32,
    },
    /// Nothing to be public.
    #[error("`public` needs at least one port: declare it, such as `ports = [8080]`")]
    PublicWithoutPorts,
    /// Shards to which no request can be sent.
    #[error(
        "a sharded service needs a TCP port for its requests: declare it, such as `ports = [8080]`"
    )]
    ShardsWithoutPort,
    /// A key for services.
    #[error("a job serves nobody, so it has no `{0}`: remove it, or use `replicated`")]
    NotForJobs(&'static str),
    /// Twice the same number and protocol.
    #[error("port {0} is declared twice")]
    DuplicatePort(String),
    /// Two ports of one name.
    #[error("two ports are named `{0}`")]
    DuplicatePortName(String),
    /// Nothing to be probed.
    #[error("probes need a TCP port: declare it, such as `ports = [8080]`")]
    ProbesWithoutPort,
    /// A probe of a port on which the program does not listen.
    #[error("port {port} of the probes is not a declared TCP port; declared: {declared}")]
    ProbePort {
        /// The port of the probes.
        port: u16,
        /// The TCP ports that are declared.
        declared: String,
    },
}
