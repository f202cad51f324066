//! [`Caller`]: the API as a [`Handler`], for one client; and the way of upgrades that needs no port.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::{io::duplex, net::TcpStream};
use tower::BoxError;

use super::{Handler, connection::connection};
use crate::api::{Api, failure::Failure, resource, serve::Body};

/// A client of the API, by the name that faults know it by.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    api: Api,
    name: Arc<str>,
}

impl Caller {
    pub(crate) fn new(api: &Api, name: &str) -> Self {
        Self {
            api: api.clone(),
            name: name.into(),
        }
    }
}

impl Handler for Caller {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Body>> {
        self.api.call(&self.name, request).boxed()
    }

    fn find_pod(&self, namespace: &str, pod: &str) -> Result<(), Failure> {
        match self.api.get(&resource::POD, namespace, pod) {
            Some(_) => Ok(()),
            None => Err(Failure::not_found(&resource::POD, pod)),
        }
    }

    fn dial<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<TcpStream>> {
        if let Some(kubelet) = self.api.kubelet() {
            kubelet.dial(namespace, pod, port)
        } else {
            let message = "this cluster was started without a node, so no pod listens";
            async move { Err(io::Error::other(message)) }.boxed()
        }
    }
}

/// Sends a request that leaves HTTP behind (WebSocket) over a connection in memory.
pub(crate) async fn upgrade_in_process(
    api: &Api,
    name: &str,
    request: Request<kube::client::Body>,
) -> Result<Response<Body>, BoxError> {
    let (client, server) = duplex(64 << 10);
    // Both ends live as long as the other.
    tokio::spawn(connection(server, Arc::new(Caller::new(api, name))));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
    tokio::spawn(connection.with_upgrades());
    let (mut head, body) = sender.send_request(request).await?.into_parts();
    // A body of no more than a Status; the upgrade itself is in the extensions.
    let is_upgrade = head.status == http::StatusCode::SWITCHING_PROTOCOLS;
    let body = if is_upgrade {
        Bytes::new()
    } else {
        body.collect().await?.to_bytes()
    };
    head.headers.remove(http::header::CONTENT_LENGTH);
    Ok(Response::from_parts(
        head,
        Body::new(http_body_util::Full::new(body)),
    ))
}
