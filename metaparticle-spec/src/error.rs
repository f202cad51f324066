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
    /// Not a path template.
    #[error("`{0}` is not a valid shard key: {1}")]
    ShardKey(String, &'static str),
    /// Not a path of a probe.
    #[error("`{0}` is not a valid probe path: begin it with `/` and use no spaces")]
    ProbePath(String),
    /// Rules between values.
    #[error("{0}")]
    Conflict(String),
}
