//! The API over HTTPS on loopback, with a bearer token, and the kubeconfig that says so.
//!
//! It moves bytes: what a request means is decided by a [`Handler`]. HTTP/1 only, because port-forwarding upgrades the
//! connection; TLS, because clients send bearer tokens over nothing else.

mod body;
mod caller;
mod connection;
mod kubeconfig;
mod listener;
mod portforward;
mod tls;
mod token;

use std::io;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use tokio::net::TcpStream;

pub(crate) use caller::{Caller, upgrade_in_process};
pub(crate) use listener::Server;

use crate::api::{failure::Failure, serve::Body};

/// Who answers.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The answer to a request. Its body is complete and not larger than the real server's limit.
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Body>>;

    /// Whether there is a pod to forward ports to.
    fn find_pod(&self, namespace: &str, pod: &str) -> Result<(), Failure>;

    /// A connection to a port of a pod.
    fn dial<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<TcpStream>>;
}

/// The answer that says why not.
fn refusal(failure: &Failure) -> Response<Body> {
    let text = failure.to_status().to_string() + "\n";
    Response::builder()
        .status(failure.code)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::new(Full::from(text)))
        .expect("the code of a failure is an HTTP status")
}

#[cfg(test)]
mod tests;
