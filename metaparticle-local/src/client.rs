//! A `kube::Client` that talks to the API in this process.

use std::io;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tower::{BoxError, service_fn};

use crate::{
    api::{Api, serve},
    server,
};

/// A client whose requests carry `name`.
pub(crate) fn client(api: &Api, name: &str) -> Client {
    let (api, name): (Api, std::sync::Arc<str>) = (api.clone(), name.into());
    let service = service_fn(move |request: Request<Body>| {
        let (api, name) = (api.clone(), std::sync::Arc::clone(&name));
        async move { call(&api, &name, request).await }
    });
    Client::new(service, "default")
}

async fn call(
    api: &Api,
    name: &str,
    request: Request<Body>,
) -> Result<Response<serve::Body>, BoxError> {
    if request.headers().contains_key(header::UPGRADE) {
        return server::upgrade_in_process(api, name, request).await;
    }
    let (parts, body) = request.into_parts();
    let body: Bytes = body.collect().await?.to_bytes();
    let answer = api.call(name, Request::from_parts(parts, body)).await;
    if answer.extensions().get::<serve::Lost>().is_some() {
        return Err(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
    }
    Ok(answer)
}
