//! [`Kubelet`]: what the API server asks of the node.

use std::io;

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use tokio::net::TcpStream;

use super::failure::Failure;

/// Which lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; may be left out if there is one only.
    pub container: Option<String>,
    /// Stay until the container ends.
    pub follow: bool,
    /// Of the run before this one.
    pub previous: bool,
    /// Only so many at the end.
    pub tail_lines: Option<u64>,
    /// Only those of the last seconds.
    pub since_seconds: Option<i64>,
    /// Only those from then on (RFC 3339).
    pub since_time: Option<jiff::Timestamp>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
    /// Each line with its time.
    pub timestamps: bool,
}

/// The node's answers about its pods.
pub trait Kubelet: Send + Sync {
    /// Lines of a pod's log.
    ///
    /// # Errors
    /// 400 and 404 as the real kubelet answers.
    fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Bytes>, Failure>;

    /// A connection to a port of a pod.
    fn dial(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> BoxFuture<'static, io::Result<TcpStream>>;
}
